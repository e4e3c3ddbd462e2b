/* emit_experts.c - kernels of products with the matrices that each token chose.
 *
 * Few tokens: every pair (token, slot) takes its expert's rows of tiles.  Many:
 * pairs are sorted by expert on the device, and each piece of up to 128 pairs of
 * an expert is a product on the matrix units. */
#include <string.h>

#include "gen/cuda/emit_product.h"

enum { FEW_TOKENS = 4, SORT_THREADS = 1024 };

typedef struct {
    Products *p;
    Emit *e;
    int ids;          /* argument */
    int64_t slots;    /* experts of a token */
    int64_t experts;
    int64_t divide;   /* pairs that share a row of values */
    const char *sorted; /* scratch of sort.cuh */
} Experts;

static int64_t rows_of(const Part *part) { return part->columns / 16; }

/* ---- few tokens */

/* Statements, or parts of calls, that ask for a pair's values and bring them to
 * shared memory. */
static void put_values(Experts *x)
{
    Products *p = x->p;
    if (p->source)
        emit_text(x->e,
                  "    const %s source = %s;\n"
                  "    SourceRow<VEC_THREADS, Act%s, %lld, %s> values;\n"
                  "    source_weights(values, source);\n"
                  "    const auto ask = [&](int pair) { source_values(values, "
                  "source, pair / %lld); };\n"
                  "    const auto put = [&](int) { source_put(shared, values, "
                  "source.eps, room); };\n",
                  products_source_type(p), products_source(p), p->act,
                  (long long)p->k, p->norm != NO_REF ? "true" : "false",
                  (long long)x->divide);
    else
        emit_text(x->e,
                  "    const auto ask = [&](int) {};\n"
                  "    const auto put = [&](int pair) {\n"
                  "        stage_values<VEC_THREADS, Act%s>(shared, %s + (i64)(pair "
                  "/ %lld) * %lld, 0, 1, %lld);\n    };\n",
                  p->act, p->from, (long long)x->divide, (long long)p->row_bytes,
                  (long long)p->k / 32);
}

/* Part i's Vec and its object. */
static void put_vec_object(Experts *x, int i)
{
    Products *p = x->p;
    const Part *part = &p->part[i];
    int j = products_width(p);
    emit_text(x->e,
              "    typedef Vec<%s, %d, Act%s, %lld, %d, 1, %d> V;\n"
              "    u8 *table = shared + %lld;\n"
              "    const V v = {{",
              products_block(p, part->product[0]), j, p->act, (long long)p->k,
              part->n_products, product_warps(p),
              (long long)product_table_at(p, 1, 1));
    for (int k = 0; k < part->n_products; k++)
        emit_text(x->e, "%scall.arg[%d]", k ? ", " : "",
                  products_matrix(p, part->product[k]));
    emit_text(x->e, "}, shared, table};\n");
}

static void put_table(Experts *x, int i)
{
    emit_text(x->e, "    %s::table(table, thread(), VEC_THREADS);\n",
              products_block(x->p, x->p->part[i].product[0]));
}

static void put_vec(Experts *x, int i)
{
    Products *p = x->p;
    const Part *part = &p->part[i];
    emit_text(x->e, "    float *room = (float *)(shared + %lld);\n",
              (long long)product_room_at(p, 1));
    put_vec_object(x, i);
    put_table(x, i);
    put_values(x);
    emit_text(x->e,
              "    stage_begin();\n"
              "    vec_experts(v, (const i32 *)call.arg[%d], %s "
              "* %lld, room, %lld, %s, me, all, ask, put,\n"
              "        [&](int pair, int n, const float *sum) { %s_%sp%d(call, "
              "pair, n, sum); });\n",
              x->ids, emit_count(p->lead), (long long)x->slots,
              (long long)rows_of(part), products_matrix_bytes(p, part), x->e->name, p->prefix,
              i);
}

/* Blocks that have something to do, for each token. */
static int64_t vec_units(const Experts *x, const Part *part)
{
    return x->slots * product_units(x->p, rows_of(part));
}

static void emit_few(Experts *x, int i, int64_t from)
{
    emit_kernel(x->e, product_suffix(x->p, emit_format(x->e, "v%d", i)), 256, 2,
                (CudaLaunch){.by = x->p->lead,
                             .from = from,
                             .to = FEW_TOKENS,
                             .x = {vec_units(x, &x->p->part[i]), x->p->lead, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = 2,
                             .shared = product_vec_shared(x->p, 1)});
    emit_text(x->e, "{\n    SHARED_BUFFER(shared);\n"
                    "    const int me = block_x(), all = blocks_x();\n");
    put_vec(x, i);
    emit_text(x->e, "}\n");
}

/* ---- one token: the products beside the experts in the same launch */

static bool joins_beside(const Experts *x, const Products *beside)
{
    return beside && x->p->n == 1 && x->p->part[0].tiles && !x->p->split &&
           x->divide == x->slots && product_has_single(beside);
}

/* The units of the experts are counted behind those beside them. */
static void put_together(Experts *x, Products *beside)
{
    Emit *e = x->e;
    Products *p = x->p;
    const Part *part = &p->part[0];
    const int64_t dense = product_single_units(beside);
    product_single_begin(beside);
    put_vec_object(x, 0);
    if (!products_table(beside))
        put_table(x, 0);
    put_values(x);
    emit_text(e,
              "    stage_begin();\n"
              "    ask(0);\n"
              "    const VecExperts<V> experts = {v, (const i32 *)call.arg[%d], "
              "%lld, %lld, %s};\n"
              "    V::Raw next;\n"
              "    if (unit >= %lld)\n"
              "        vec_expert_first(experts, next, unit - %lld);\n"
              "    put(0);\n",
              x->ids, (long long)x->slots, (long long)rows_of(part),
              products_matrix_bytes(p, part), (long long)dense, (long long)dense);
    emit_text(e, "    if (unit < %lld) {\n", (long long)dense);
    product_single_parts(beside);
    emit_text(e, "    vec_expert_first(experts, next, unit);\n    } else\n"
                 "        unit -= %lld;\n    sync_threads(0, VEC_THREADS);\n",
              (long long)dense);
    if (products_table(beside)) {
        put_table(x, 0);
        emit_text(e, "    sync_threads(0, VEC_THREADS);\n");
    }
    emit_text(e,
              "    vec_expert_units(experts, next, room, unit, all,\n"
              "        [&](int pair, int n, const float *sum) { %s_%sp0(call, "
              "pair, n, sum); });\n",
              e->name, p->prefix);
}

static void emit_together(Experts *x, Products *beside)
{
    int64_t units = vec_units(x, &x->p->part[0]) + product_single_units(beside);
    int64_t mine = product_vec_shared(x->p, 1),
            theirs = product_vec_shared(beside, 1);
    emit_kernel(x->e, "_t", 256, 2,
                (CudaLaunch){.by = x->p->lead,
                             .from = 1,
                             .to = 1,
                             .x = {units, SYM_ONE, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = 2,
                             .shared = mine > theirs ? mine : theirs});
    emit_text(x->e, "{\n    SHARED_BUFFER(shared);\n");
    put_together(x, beside);
    emit_text(x->e, "}\n");
}

/* ---- many tokens */

static void emit_sort(Experts *x, int64_t from)
{
    /* no more pieces, of three words, than pairs */
    x->sorted = emit_scratch(x->e, 16 + 4 * (x->slots + 3 * x->slots),
                             x->p->lead);
    emit_include(x->e, "sort.cuh");
    emit_kernel(x->e, product_suffix(x->p, "s"), SORT_THREADS, 1,
                (CudaLaunch){.by = x->p->lead,
                             .from = from,
                             .to = INT64_MAX,
                             .x = {1, SYM_ONE, 1},
                             .y = {1, SYM_ONE, 1},
                             .shared = (x->experts + 32) * 4});
    emit_text(x->e,
              "{\n    SHARED_BUFFER(shared);\n    stage_begin();\n"
              "    const i64 pairs = (i64)%s * %lld;\n"
              "    sort_pairs<%lld, GEMM_COLS>(sort_place(%s, pairs), (const i32 "
              "*)call.arg[%d], pairs, shared);\n}\n",
              emit_count(x->p->lead), (long long)x->slots, (long long)x->experts,
              x->sorted, x->ids);
}

static void put_gemm(Experts *x, int i, const char *values)
{
    Products *p = x->p;
    const Part *part = &p->part[i];
    bool two = part->n_products == 2;
    long long blocks = (rows_of(part) + (two ? 3 : 7)) / (two ? 4 : 8);
    emit_text(x->e,
              "{\n    SHARED_BUFFER(shared);\n"
              "    u8 *table = shared + %lld;\n"
              "    %s::table(table, thread(), GEMM_THREADS);\n"
              "    stage_begin();\n"
              "    const SortPlace sorted = sort_place(%s, (i64)%s * "
              "%lld);\n"
              "    const int units = *sorted.n_pieces * %lld;\n"
              "    for (int unit = block_x(); unit < units; unit += blocks_x()) "
              "{\n"
              "        const i32 *piece = sorted.piece + unit / %lld * 3;\n"
              "        const int row = unit %% %lld * %d + warp() / 2 * %d;\n"
              "        const GemmPlace place = %s, piece[1], "
              "piece[2], [&](int i) { return sorted.pair[i] / %lld; });\n",
              (long long)product_ring(p), products_block(p, part->product[0]),
              x->sorted, emit_count(p->lead), (long long)x->slots, blocks, blocks,
              blocks,
              two ? 4 : 8, two ? 1 : 2, product_place(p, part, values),
              (long long)x->divide);
    emit_text(x->e,
              "        const i64 bytes = %s;\n"
              "        const i64 at = ((i64)piece[0] * %lld + row) * bytes;\n",
              products_rows_bytes(p, part->product[0]), (long long)rows_of(part));
    product_gemm_tiles(p, emit_format(x->e, "%lld", (long long)rows_of(part)),
                       product_matrix(p, part, 0),
                       two ? product_matrix(p, part, 1) : NULL);
    emit_text(x->e, "        GemmSums sum = {};\n");
    product_gemm(p, part);
    product_gemm_results(p, i, "sorted.pair[piece[1] + t]");
    emit_text(x->e, "    }\n}\n");
}

static void emit_gemm(Experts *x, int i, int64_t from, const char *values)
{
    Products *p = x->p;
    emit_kernel_alone(x->e,
                product_suffix(p, emit_format(x->e, "m%d", i)), 256, 1,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = INT64_MAX,
                             .x = {x->experts * rows_of(&p->part[i]), p->lead, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = 1,
                             .shared = product_ring(p) + products_table(p)});
    put_gemm(x, i, values);
}

static void emit_many(Experts *x, int64_t from)
{
    Products *p = x->p;
    emit_include(x->e, "gemm.cuh");
    emit_sort(x, from);
    for (int split = 0; split < 2; split++) {
        const char *values = NULL;
        for (int i = 0; i < p->n; i++) {
            const Part *part = &p->part[i];
            if (!part->tiles || product_is_split(p, part) != split)
                continue;
            if (!values) {
                values = emit_scratch(x->e, product_values_bytes(p, split),
                                      p->lead);
                product_values(p, split, split ? "x1" : "x0", from, values);
            }
            emit_gemm(x, i, from, values);
        }
    }
}

/* ---- matrices as in the file */

static void emit_plain(Experts *x, int i)
{
    Products *p = x->p;
    const Part *part = &p->part[i];
    emit_include(x->e, "plain.cuh");
    emit_include(x->e, "prologue.cuh");
    emit_kernel(x->e, product_suffix(p, emit_format(x->e, "r%d", i)), 256, 2,
                (CudaLaunch){.by = x->p->lead,
                             .from = 1,
                             .to = INT64_MAX,
                             .x = {x->slots, p->lead, 1},
                             .y = product_plain_groups(part->columns),
                             .shared = product_plain_shared(p)});
    emit_text(x->e,
              "{\n    SHARED_BUFFER(shared);\n"
              "    float *x = (float *)(shared + %lld);\n"
              "    const int pair = block_x();\n"
              "    const i64 row = pair / %lld;\n",
              (long long)product_plain_values_at(p), (long long)x->divide);
    product_plain_begin(p, part->columns);
    product_plain_values(p);
    emit_text(x->e, "    const i64 expert = ((const i32 *)call.arg[%d])[pair];\n",
              x->ids);
    const char *row =
        emit_format(x->e, "(expert * %lld + n)", (long long)part->columns);
    const char *when = emit_format(x->e, "n < %lld", (long long)part->columns);
    product_plain_first(p, i, row, when);
    product_plain_dots(p, i, row, when);
    emit_text(x->e, "    if ((%s) && plain_half() == 0 && lane() == 0)\n"
                    "        %s_%sp%d(call, pair, n, sum%d);\n    }\n}\n",
              when, x->e->name, p->prefix, i, i);
}

static Experts experts_of(Emit *e)
{
    const Node *any = emit_node(e, emit_find(e, KIND_EXPERTS));
    const Type *ids = &emit_node(e, any->arg[2])->type;
    Experts x = {.p = products_new(e, KIND_EXPERTS, ""),
                 .e = e,
                 .ids = emit_arg(e, emit_root(e, any->arg[2])),
                 .slots = type_last(ids),
                 .experts = emit_node(e, any->arg[1])->type.dim[2].k};
    x.divide = x.slots / x.p->rows;
    return x;
}

/* Products that combine reads wait in scratch for the launch that does; returns
 * if there are any. */
static bool keep_products(const Experts *x)
{
    bool any = false;
    for (Ref i = x->e->g->n_params; i < x->e->g->n_nodes; i++)
        if (kernel_combines(x->e->g, i) && emit_arg(x->e, i) < 0) {
            emit_keep(x->e, i);
            any = true;
        }
    return any;
}

static void emit_parts(Experts *x, bool alone)
{
    Products *p = x->p;
    bool tiles = false;
    for (int i = 0; i < p->n; i++)
        tiles = tiles || p->part[i].tiles;
    if (tiles)
        emit_include(x->e, "matvec.cuh");
    for (int i = 0; i < p->n; i++)
        if (p->part[i].tiles)
            emit_few(x, i, alone ? 1 : 2);
    if (tiles)
        emit_many(x, FEW_TOKENS + 1);
    for (int i = 0; i < p->n; i++)
        if (!p->part[i].tiles)
            emit_plain(x, i);
    if (p->split)
        products_members(p);
}

void emit_experts_class(Emit *e)
{
    Experts x = experts_of(e);
    Products *beside = emit_find(e, KIND_MATMUL) == NO_REF
                           ? NULL
                           : products_new(e, KIND_MATMUL, "d");
    Combined sum = {x.p, beside, x.ids, x.slots};
    bool combined = keep_products(&x) && beside;
    bool together =
        combined ? combined_fits(&sum) : joins_beside(&x, beside);
    products_include(x.p);
    if (beside)
        products_include(beside);
    emit_ops(e);
    for (int i = 0; i < x.p->n; i++)
        products_done(x.p, i);
    for (int i = 0; beside && i < beside->n; i++)
        products_done(beside, i);
    if (together && combined)
        emit_combined(&sum);
    else if (together)
        emit_together(&x, beside);
    emit_parts(&x, !together);
    if (beside)
        product_launches(beside, !together);
}
