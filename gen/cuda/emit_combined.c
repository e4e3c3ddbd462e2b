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

/* The weights of a token's experts; the tables lie behind them. */
static int64_t weights_at(const Combined *c)
{
    enum { ROWS = 4 }; /* whose sums are there: ROOM in experts.cuh */
    return room_at(c) + ROWS * all_tiles(c) * PACK_TILE_ROWS * 4;
}

static int64_t table_at(const Combined *c)
{
    return align128(weights_at(c) + c->slots * 4);
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

static Ref combine_of(const Combined *c)
{
    Ref i = 0;
    while (emit_node(c->alone->e, i)->op != OP_combine)
        i++;
    return i;
}

/* The weights go to shared memory: all sums read them. */
static void put_stage(const Combined *c, Ref weights)
{
    Emit *e = c->alone->e;
    emit_text(e,
              "    DEVICE void stage(const %s_Sum &sum)\n    {\n"
              "        const Call<%d> &call = sum.call;\n"
              "        if (thread() < %lld)\n"
              "            sum.weights[thread()] = %s;\n    }\n",
              e->name, e->n_args, (long long)c->slots,
              emit_element(e, weights, &emit_node(e, weights)->type, "0",
                           "thread()"));
}

static void put_finish(const Combined *c, Ref weights, const char **given)
{
    Emit *e = c->alone->e;
    Ref routed = c->routed->part[0].product[0];
    Ref alone = c->alone->part[0].product[0];
    emit_text(e,
              "    DEVICE void finish(const %s_Sum &sum, int i, const float "
              "*sums, const float *x)\n    {\n"
              "        const Call<%d> &call = sum.call;\n        const i64 t = 0;\n"
              "        const auto weights = [&](int s) { return sum.weights[s]; "
              "};\n        const auto routed = [&](int at) { return "
              "combined_total<All>(sums, at / %lld); };\n",
              e->name, e->n_args, (long long)c->routed->part[0].columns);
    e->stored = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    e->stored[routed] = "routed";
    e->stored[emit_root(e, weights)] = "weights";
    given[alone] = emit_format(e, "combined_total<All>(sums, %lld)",
                               (long long)c->slots);
    emit_elements(e, &(Element){c->alone->part[0].member, given, "t", "i"});
    e->stored = NULL;
    emit_text(e, "    }\n");
}

/* The class Sum of experts.cuh. */
static void put_sum(const Combined *c)
{
    Emit *e = c->alone->e;
    Ref weights = emit_node(e, combine_of(c))->arg[1];
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    emit_text(e,
              "\ntemplate <class All> struct %s_Sum {\n"
              "    const Call<%d> &call;\n    float *weights; // shared\n",
              e->name, e->n_args);
    put_stage(c, weights);
    emit_operands(e, c->alone->part[0].member, given);
    emit_text(e,
              "    CONSTANT int READS = most(OPERANDS, 1);\n"
              "    DEVICE void ask(const %s_Sum &sum, int i, float (&x)[READS])\n"
              "    {\n        operands(sum.call, 0, i, x);\n    }\n",
              e->name);
    put_finish(c, weights, given);
    emit_text(e, "};\n");
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
    put_sum(c);
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
              "is_early(call, %d), %lld, shared, {shared + %lld, shared + %lld}, "
              "(float *)(shared + %lld)};\n"
              "    combined_rows(c, %s_Sum<C>{call, (float *)(shared + %lld)});\n"
              "}\n",
              (long long)c->slots, (long long)(c->slots / r->rows),
              (long long)warps, (long long)each, c->ids, c->ids, rows,
              (long long)table_at(c), (long long)shared_of(c, 1),
              (long long)room_at(c), e->name, (long long)weights_at(c));
}
