/* emit_combined.c - one launch for one token: the last products of its experts,
 * those of what all tokens pass, their sum and what follows (experts.cuh). */
#include "gen/cuda/emit_pack.h"
#include "gen/cuda/emit_product.h"

enum { SHARED_MOST = 96 << 10, WARPS_MOST = 24, REGISTERS = 65536, LANES = 32 };

/* A tile in registers and what a lane needs besides. */
static int64_t registers_of(const Products *p)
{
    enum { BESIDES = 44, OF_FLOATS = 8 };
    BlockType t = products_type(p, p->part[0].product[0]);
    int64_t words = block_bytes(t, PACK_TILE_ROWS * PACK_TILE_UNIT *
                                       (int64_t)products_width(p)) /
                    (LANES * 4);
    if (block_info[t].kind == BLOCK_FLOAT)
        words = OF_FLOATS; /* read where they lie */
    return words + BESIDES;
}

static int64_t tiles_along(const Products *p)
{
    return p->k / (PACK_TILE_UNIT * products_width(p));
}

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Tiles of a row for each warp, so that all registers suffice; *warps: of a
 * block. */
static int64_t tiles_each(const Combined *c, int64_t *warps)
{
    int64_t a = registers_of(c->routed), b = registers_of(c->alone);
    int64_t most = REGISTERS / LANES / (a > b ? a : b);
    most = most > WARPS_MOST ? WARPS_MOST : most;
    int64_t each = 0;
    do {
        each++;
        *warps = ceil_div(c->slots * tiles_along(c->routed), each) +
                 ceil_div(tiles_along(c->alone), each);
    } while (*warps > most);
    return each;
}

/* ---- shared memory: values, sums, tables */

static int64_t align128(int64_t n) { return (n + 127) & -128; }

static int64_t all_tiles(const Combined *c)
{
    return c->slots * tiles_along(c->routed) + tiles_along(c->alone);
}

static int64_t room_at(const Combined *c)
{
    int64_t most = 0;
    for (int i = 0; i < 2; i++) {
        const Products *p = i ? c->alone : c->routed;
        int64_t piece = (int64_t)products_width(p) * 4 * p->act_shared;
        most = piece > most ? piece : most;
    }
    return align128(all_tiles(c) * most);
}

static int64_t table_at(const Combined *c)
{
    return align128(room_at(c) + 2 * all_tiles(c) * PACK_TILE_ROWS * 4);
}

static int64_t shared_of(const Combined *c, int tables)
{
    int64_t n = table_at(c);
    if (tables > 0)
        n = align128(n + products_table(c->routed));
    return tables > 1 ? n + products_table(c->alone) : n;
}

/* ---- */

static bool is_simple(const Products *p)
{
    return p->n == 1 && p->part[0].n_products == 1 && p->part[0].tiles &&
           !p->split && p->norm == NO_REF;
}

bool combined_fits(const Combined *c)
{
    const Products *r = c->routed, *a = c->alone;
    if (!is_simple(r) || !is_simple(a) || a->rows != 1 ||
        r->part[0].columns != a->part[0].columns || r->lead != a->lead)
        return false;
    Ref product = r->part[0].product[0];
    for (Ref i = 0; i < r->e->g->n_nodes; i++)
        if (r->part[0].member[i])
            return false;
    return emit_arg(r->e, product) < 0 && shared_of(c, 2) <= SHARED_MOST;
}

/* DEVICE void kN_sum(call, n, sums): the sum over experts, and what follows. */
static void put_done(const Combined *c)
{
    Emit *e = c->routed->e;
    Ref routed = c->routed->part[0].product[0];
    Ref alone = c->alone->part[0].product[0];
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    emit_text(e, "\ntemplate <class C>\n"
                 "DEVICE void %s_sum(const Call<%d> &call, int i, const float "
                 "*sums)\n{\n    const i64 t = 0;\n"
                 "    const auto routed = [&](int at) { return "
                 "combined_total<C>(sums, at / %lld); };\n",
              e->name, e->n_args, (long long)c->routed->part[0].columns);
    e->stored = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    e->stored[routed] = "routed";
    given[alone] = emit_format(e, "combined_total<C>(sums, %lld)",
                               (long long)c->slots);
    emit_elements(e, &(Element){c->alone->part[0].member, given, "t", "i"});
    e->stored = NULL;
    emit_text(e, "}\n");
}

static void put_share(Products *p, const char *name, const char *expert_bytes)
{
    Ref product = p->part[0].product[0];
    BlockType left = emit_node(p->e, p->left)->type.dtype;
    emit_text(p->e,
              "    typedef Share<%s, %d, Act%s, %lld, %s> %s;\n",
              products_block(p, product), products_width(p), p->act,
              (long long)p->k, p->source ? "true" : "false", name);
    emit_text(p->e,
              "    const %s of_%s = {%s, %lld, %lld, call.arg[%d], %s};\n", name,
              name, p->from, (long long)p->row_bytes,
              (long long)block_bytes(left, 32), products_matrix(p, product),
              expert_bytes);
}

void emit_combined(const Combined *c)
{
    Products *r = c->routed;
    Emit *e = r->e;
    int64_t warps, each = tiles_each(c, &warps);
    long long rows = r->part[0].columns / PACK_TILE_ROWS;
    emit_include(e, "experts.cuh");
    put_done(c);
    emit_kernel(e, "_t", (int)warps * LANES, 1,
                (CudaLaunch){.by = r->lead,
                             .from = 1,
                             .to = 1,
                             .x = {rows, SYM_ONE, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = 1,
                             .shared = shared_of(c, 2)});
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n");
    put_share(r, "Routed", products_matrix_bytes(r, &r->part[0]));
    put_share(c->alone, "Alone", "0");
    emit_text(e,
              "    typedef Combined<Routed, Alone, %lld, %lld, %lld, %lld> C;\n"
              "    const C c = {of_Routed, of_Alone, (const i32 *)call.arg[%d], "
              "%lld, shared, {shared + %lld, shared + %lld}, (float *)(shared + "
              "%lld)};\n"
              "    combined_rows(c, [&](int n, const float *sums) { "
              "%s_sum<C>(call, n, sums); });\n}\n",
              (long long)c->slots, (long long)(c->slots / r->rows),
              (long long)warps, (long long)each, c->ids, rows,
              (long long)table_at(c), (long long)shared_of(c, 1),
              (long long)room_at(c), e->name);
}
