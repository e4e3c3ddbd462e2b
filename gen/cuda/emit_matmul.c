/* emit_matmul.c - kernels of matrix products with one left side.
 *
 * Few rows: one launch (emit_matvec.c).  Many: the values to f16, then a launch a
 * group of parts.  Matrices as in the file have a slow launch of their own. */
#include <string.h>

#include "gen/cuda/emit_product.h"

enum { GEMM_SLAB = 32 << 10 };

static bool is_float(BlockType t) { return block_info[t].kind == BLOCK_FLOAT; }

/* Floats times floats: in two parts each. */
bool product_is_split(const Products *p, const Part *part)
{
    return is_float(products_type(p, part->product[0])) &&
           strcmp(p->act, "F32") == 0;
}

void product_values(Products *p, bool split, const char *suffix, int64_t from,
                    const char *to)
{
    Emit *e = p->e;
    int64_t per = p->source || p->k > 2048 ? 1 : 8; /* rows of a block */
    emit_include(e, "plain.cuh");
    emit_include(e, "gemm.cuh");
    emit_kernel(e, product_suffix(p, suffix), 256, 2,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = INT64_MAX,
                             .x = {p->rows, p->lead, per},
                             .y = {1, SYM_ONE, 1},
                             .shared = 33 * 4});
    emit_text(e, "{\n    const i64 rows = (i64)%s * %lld;\n",
              emit_count(p->lead), (long long)p->rows);
    if (p->source)
        emit_text(e, "    SHARED_BUFFER(shared);\n"
                     "    const %s source = %s;\n"
                     "    gemm_source<Act%s, %lld, %s, %s>(%s, source, rows, "
                     "(float *)shared);\n}\n",
                  products_source_type(p), products_source(p), p->act,
                  (long long)p->k, p->norm != NO_REF ? "true" : "false",
                  split ? "true" : "false", to);
    else
        emit_text(e, "    SHARED_BUFFER(shared);\n"
                     "    stage_begin();\n"
                     "    gemm_values<Plain%s, %lld, %s>(%s, %s, %lld, rows, "
                     "(float *)shared);\n}\n",
                  p->act, (long long)p->k, split ? "true" : "false", to, p->from,
                  (long long)p->row_bytes);
}

/* A block of sm_86 and sm_89 has 99 KB. */
static int ring_stages(const Products *p)
{
    enum { MOST = 99 << 10 };
    return 3 * GEMM_SLAB + products_table(p) <= MOST ? 3 : 2;
}

int64_t product_ring(const Products *p)
{
    return (int64_t)ring_stages(p) * GEMM_SLAB;
}

void product_gemm(Products *p, const Part *part)
{
    const char *b = products_block(p, part->product[0]);
    int j = products_width(p);
    if (product_is_split(p, part))
        emit_text(p->e, "        gemm_block_floats<%s, %s, %d, %lld, %d>(sum, "
                        "shared, place, w0, w1);\n",
                  b, b, j, (long long)p->k, ring_stages(p));
    else
        emit_text(p->e, "        gemm_block<%s, %s, %d, %lld, %lld, %d>(sum, "
                        "shared, place, w0, w1, table, table);\n",
                  b, b, j, (long long)p->k, (long long)p->k, ring_stages(p));
    emit_text(p->e, "        const float *units = gemm_sum_units<%s, %d>(shared, "
                    "place);\n",
              b, ring_stages(p));
}

int64_t product_values_bytes(const Products *p, bool split)
{
    return p->rows * (p->k * (split ? 4 : 2) + 4);
}

const char *product_place(Products *p, const Part *part, const char *values)
{
    bool split = product_is_split(p, part);
    return emit_format(p->e, "gemm_place_tokens<%lld>(%s, (i64)%s * %lld",
                       (long long)p->k * (split ? 2 : 1), values,
                       emit_count(p->lead), (long long)p->rows);
}

const char *product_matrix(Products *p, const Part *part, int n)
{
    return emit_format(p->e, "call.arg[%d]",
                       products_matrix(p, part->product[n]));
}

/* A warp's two tiles are of two matrices, or two rows of one. */
void product_gemm_tiles(Products *p, const char *rows, const char *matrix,
                        const char *second)
{
    emit_text(p->e, "    const u8 *w0 = row < %s ? %s + at : 0;\n", rows, matrix);
    if (second)
        emit_text(p->e, "    const u8 *w1 = %s + at;\n", second);
    else
        emit_text(p->e, "    const u8 *w1 = row + 1 < %s ? w0 + bytes : w0;\n",
                  rows);
}

void product_gemm_results(Products *p, int i, const char *values_row)
{
    Emit *e = p->e;
    long long all = p->part[i].columns / PACK_TILE_ROWS;
    emit_text(e, "    if (w0)\n"
                 "        gemm_results(sum, units, place.count, [&](int t, int m, "
                 "float a, float b) {\n"
                 "            const int to = %s;\n",
              values_row);
    if (p->part[i].n_products == 2)
        emit_text(e, "            const float sums[2] = {a, b};\n"
                     "            %s_%sp%d(call, to, row * 16 + m, sums);\n",
                  e->name, p->prefix, i);
    else
        emit_text(e, "            %s_%sp%d(call, to, row * 16 + m, &a);\n"
                     "            if (row + 1 < %lld)\n"
                     "                %s_%sp%d(call, to, row * 16 + 16 + m, &b);\n",
                  e->name, p->prefix, i, all, e->name, p->prefix, i);
    emit_text(e, "        });\n");
}

static bool is_gemm(const Products *p, int i, bool split, bool float_rows)
{
    const Part *part = &p->part[i];
    return (float_rows ? part->float_rows : part->tiles) &&
           product_is_split(p, part) == split;
}

static int rows_of_block(const Part *part)
{
    return part->n_products == 2 ? 4 : 8;
}

static int64_t gemm_blocks(const Part *part)
{
    int each = rows_of_block(part);
    return (part->columns / PACK_TILE_ROWS + each - 1) / each;
}

/* What is `of` of the launch's part. */
typedef const char *PartText(Products *p, int i);
static const char *choose(Products *p, const Together *g, PartText *of)
{
    const char *text = of(p, g->part[g->n - 1]);
    for (int k = g->n - 2; k >= 0; k--)
        text = emit_format(p->e, "(part == %d ? %s : %s)", k, of(p, g->part[k]),
                           text);
    return text;
}

static const char *first_matrix(Products *p, int i)
{
    return product_matrix(p, &p->part[i], 0);
}

static const char *second_matrix(Products *p, int i)
{
    return product_matrix(p, &p->part[i], 1);
}

static const char *tile_rows(Products *p, int i)
{
    return emit_format(p->e, "%lld",
                       (long long)p->part[i].columns / PACK_TILE_ROWS);
}

/* Which part a block is of, and its rows of tiles. */
static void put_gemm_place(Products *p, const Together *g)
{
    Emit *e = p->e;
    const Part *part = &p->part[g->part[0]];
    emit_text(e, "    int y = block_y()%s;\n", g->n > 1 ? ", part = 0" : "");
    for (int k = 0; k + 1 < g->n; k++) {
        long long blocks = gemm_blocks(&p->part[g->part[k]]);
        emit_text(e, "    if (part == %d && y >= %lld) {\n"
                     "        part = %d;\n        y -= %lld;\n    }\n",
                  k, blocks, k + 1, blocks);
    }
    emit_text(e, "    const int row = y * %d + warp() / 2 * %d;\n"
                 "    const i64 bytes = %s, at = row * bytes;\n",
              rows_of_block(part), rows_of_block(part) / 4,
              products_rows_bytes(p, part->product[0]));
    product_gemm_tiles(p, choose(p, g, tile_rows), choose(p, g, first_matrix),
                       part->n_products == 2 ? choose(p, g, second_matrix)
                                             : NULL);
}

static void put_gemm_results(Products *p, const Together *g)
{
    for (int k = 0; k < g->n; k++) {
        if (g->n > 1)
            emit_text(p->e, "    if (part == %d)\n", k);
        product_gemm_results(p, g->part[k], "first + t");
    }
}

static void put_gemm_body(Products *p, const Together *g, const char *values)
{
    Emit *e = p->e;
    const Part *part = &p->part[g->part[0]];
    emit_text(e,
              "{\n    SHARED_BUFFER(shared);\n"
              "    u8 *table = shared + %lld;\n"
              "    %s::table(table, thread(), GEMM_THREADS);\n"
              "    stage_begin();\n"
              "    const int rows = %s * %lld, first = block_x() * GEMM_COLS;\n",
              (long long)product_ring(p), products_block(p, part->product[0]),
              emit_count(p->lead), (long long)p->rows);
    put_gemm_place(p, g);
    emit_text(e,
              "    if (first < rows) {\n"
              "        const GemmPlace place = %s, first, "
              "least(rows - first, GEMM_COLS), [](int t) { return t; });\n"
              "        GemmSums sum = {};\n",
              product_place(p, part, values));
    product_gemm(p, part);
    put_gemm_results(p, g);
    emit_text(e, "    }\n}\n");
}

static void emit_gemm(Products *p, const Together *g, int64_t from,
                      const char *values)
{
    Emit *e = p->e;
    int64_t blocks = 0;
    for (int k = 0; k < g->n; k++)
        blocks += gemm_blocks(&p->part[g->part[k]]);
    emit_include(e, "gemm.cuh");
    emit_kernel_alone(e, product_suffix(p, emit_format(e, "m%d", g->part[0])),
                      256, 1,
                      (CudaLaunch){.by = p->lead,
                                   .from = from,
                                   .to = INT64_MAX,
                                   .x = {p->rows, p->lead, 128},
                                   .y = {blocks, SYM_ONE, 1},
                                   .shared = product_ring(p) +
                                             products_table(p)});
    put_gemm_body(p, g, values);
}

/* The values for those products in scratch. */
static const char *gemm_values(Products *p, int64_t from, int split,
                               bool float_rows)
{
    const char *at = emit_scratch(p->e, product_values_bytes(p, split), p->lead);
    product_values(p, split,
                   emit_format(p->e, "%c%d", float_rows ? 'y' : 'x', split),
                   from, at);
    return at;
}

void product_gemms(Products *p, int64_t from, bool float_rows)
{
    for (int split = 0; split < 2; split++) {
        const char *values = NULL;
        bool *takes = ARENA_ARRAY(p->e->arena, bool, p->n);
        for (int i = 0; i < p->n; i++)
            takes[i] = is_gemm(p, i, split, float_rows);
        for (int i = 0; i < p->n; i++) {
            Together g = {0};
            if (takes[i])
                g = product_group(p, i, takes);
            if (g.n && !values)
                values = gemm_values(p, from, split, float_rows);
            if (g.n)
                emit_gemm(p, &g, from, values);
        }
    }
}

void product_launches(Products *p, bool single)
{
    Emit *e = p->e;
    bool tiles = false;
    for (int i = 0; i < p->n; i++)
        tiles = tiles || p->part[i].tiles;
    if (tiles) {
        emit_include(e, "matvec.cuh");
        product_gemms(p, product_vecs(p, single) + 1, false);
    }
    product_plain_launches(p);
    if (p->split)
        products_members(p);
}

const char *product_suffix(Products *p, const char *name)
{
    return emit_format(p->e, "_%s%s", p->prefix, name);
}

/* What the choice reads of products waits in scratch, if it is no result. */
static void keep_choices(Products *p)
{
    Emit *e = p->e;
    for (Ref i = e->g->n_params; i < e->g->n_nodes; i++)
        for (int k = 0; p->choice[i] && k < emit_node(e, i)->n_args; k++) {
            Ref r = emit_root(e, emit_node(e, i)->arg[k]);
            if (r >= e->g->n_params && emit_node(e, r)->op != OP_const &&
                !p->choice[r] && emit_arg(e, r) < 0)
                emit_keep(e, r);
        }
}

/* Row nodes in the kernel: a choice, and a rounding with the norm it is of. */
static void find_beside(Products *p)
{
    Emit *e = p->e;
    bool *only = ARENA_ARRAY(e->arena, bool, e->g->n_nodes);
    for (Ref i = 0; p->choice && i < e->g->n_nodes; i++)
        only[i] = p->choice[i];
    if (p->choice)
        keep_choices(p);
    if (p->left_rounded != NO_REF)
        only[p->left_rounded] = only[p->norm] = true;
    if (p->choice || p->left_rounded != NO_REF)
        p->beside = rows_beside(e, only);
}

void emit_matmul_class(Emit *e)
{
    Products *p = products_new(e, KIND_MATMUL, "");
    products_include(p);
    emit_ops(e);
    find_beside(p);
    for (int i = 0; i < p->n; i++)
        products_done(p, i);
    product_launches(p, true);
    if (p->beside)
        rows_launch(p->beside, "_c", product_plain_few(p) + 1, p->lead);
}
