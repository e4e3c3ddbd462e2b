/* emit_matmul.c - kernels of matrix products with one left side.
 *
 * Few rows: one launch, in which each block takes rows of tiles of one part after
 * the other.  Many: the values to f16, then a launch a part.  Matrices as in the
 * file have a slow launch of their own. */
#include <string.h>

#include "gen/cuda/emit_product.h"

enum { VEC_COLS = 4, VEC_SHARED = 96 << 10, GEMM_RING = 3 * (32 << 10) };

/* ---- few rows */

int product_warps(int64_t tiles)
{
    int w = 8;
    while (tiles % w)
        w /= 2;
    return w;
}

int64_t product_room_at(const Products *p, int64_t rows)
{
    return (p->k / 32 * p->act_shared * rows + 127) & -128;
}

int64_t product_table_at(const Products *p, int64_t rows, int cols)
{
    enum { WARPS = 8, MATRICES = 2, TILE_ROWS = 16 };
    return product_room_at(p, rows) + WARPS * MATRICES * TILE_ROWS * cols * 4;
}

static void put_weights(Products *p, const Part *part, const char *sep)
{
    for (int i = 0; i < part->n_products; i++)
        emit_text(p->e, "%scall.arg[%d]", i ? sep : "",
                  products_matrix(p, part->product[i]));
}

/* Part i's Vec and its object; the table lies behind everything else. */
static void put_vec(Products *p, int i, int cols)
{
    Emit *e = p->e;
    const Part *part = &p->part[i];
    int j = products_width(p);
    emit_text(e, "    typedef Vec<%s, %d, Act%s, %lld, %d, %d, %d> V%d;\n"
                 "    const V%d v%d = {{",
              products_block(p, part->product[0]), j, p->act, (long long)p->k,
              part->n_products, cols, product_warps(p->k / (128 * j)), i, i, i);
    put_weights(p, part, ", ");
    emit_text(e, "}, shared, shared + TABLES};\n    typename V%d::Raw r%d;\n", i,
              i);
}

static void put_vec_rows(Products *p, int i, int cols)
{
    Emit *e = p->e;
    const Part *part = &p->part[i];
    emit_text(e,
              "    sync_threads(0, VEC_THREADS);\n"
              "    %s::table(shared + TABLES, thread(), VEC_THREADS);\n"
              "    sync_threads(0, VEC_THREADS);\n"
              "    unit = vec_rows<V%d, %d, %d>(v%d, r%d, room, %lld, unit, "
              "blocks_x(), [&](int t, int n, const float *sum) {\n"
              "        if (t < rows)\n"
              "            %s_p%d(call, t, n, sum);\n"
              "    });\n",
              products_block(p, part->product[0]), i, part->n_products, cols, i,
              i, (long long)part->columns / 16, e->name, i);
}

static int64_t vec_units(Products *p, const Part *part)
{
    int64_t tiles = p->k / (128 * products_width(p));
    int slots = 8 / product_warps(tiles);
    return (part->columns / 16 + slots - 1) / slots;
}

static void put_vec_body(Products *p, int cols)
{
    Emit *e = p->e;
    int first = -1;
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n"
                 "    constexpr int TABLES = %lld;\n"
                 "    float *room = (float *)(shared + %lld);\n"
                 "    const i64 rows = (i64)%s * %lld;\n"
                 "    int unit = block_x();\n",
              (long long)product_table_at(p, cols, cols),
              (long long)product_room_at(p, cols), emit_count(p->lead),
              (long long)p->rows);
    for (int i = 0; i < p->n; i++) {
        if (!p->part[i].tiles)
            continue;
        put_vec(p, i, cols);
        emit_text(e, "    vec_first(v%d, r%d, %lld, unit);\n", i, i,
                  (long long)p->part[i].columns / 16);
        if (first < 0)
            emit_text(e, "    stage_begin();\n"
                         "    stage_values<Act%s>(shared, %s, %lld, (int)rows, "
                         "%lld);\n",
                      p->act, p->from, (long long)p->row_bytes,
                      (long long)p->k / 32);
        first = i;
        put_vec_rows(p, i, cols);
    }
    emit_text(e, "}\n");
}

static void emit_vec(Products *p, int cols, int64_t from, int64_t to)
{
    Emit *e = p->e;
    int64_t units = 0;
    for (int i = 0; i < p->n; i++)
        units += p->part[i].tiles ? vec_units(p, &p->part[i]) : 0;
    emit_kernel(e, emit_format(e, "_v%d", cols), 256, 2,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = to,
                             .x = {units, SYM_ONE, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = 2,
                             .shared = product_table_at(p, cols, cols) +
                                       products_table(p)});
    put_vec_body(p, cols);
}

/* ---- many rows */

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
    emit_include(e, "plain.cuh");
    emit_kernel(e, suffix, 256, 2,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = INT64_MAX,
                             .x = {p->rows * p->k, p->lead, 4 * 256 * 4},
                             .y = {1, SYM_ONE, 1}});
    emit_text(e, "{\n    stage_begin();\n"
                 "    gemm_values<Plain%s, %lld, %s>(%s, %s, %lld, (i64)%s * "
                 "%lld);\n}\n",
              p->act, (long long)p->k, split ? "true" : "false", to, p->from,
              (long long)p->row_bytes, emit_count(p->lead), (long long)p->rows);
}

void product_gemm(Products *p, const Part *part)
{
    const char *b = products_block(p, part->product[0]);
    int j = products_width(p);
    if (product_is_split(p, part))
        emit_text(p->e, "        gemm_block_floats<%s, %s, %d, %lld>(sum, shared, "
                        "place, w0, w1);\n",
                  b, b, j, (long long)p->k);
    else
        emit_text(p->e, "        gemm_block<%s, %s, %d, %lld, %lld>(sum, shared, "
                        "place, w0, w1, table, table);\n",
                  b, b, j, (long long)p->k, (long long)p->k);
}

/* Tile rows of a block, and what its warps' two tiles are: of two matrices, or
 * two rows of one. */
static void put_gemm_body(Products *p, int i, const char *values)
{
    Emit *e = p->e;
    const Part *part = &p->part[i];
    const char *b = products_block(p, part->product[0]);
    bool two = part->n_products == 2;
    long long tiles = p->k / (128 * products_width(p)),
              all = part->columns / 16;
    emit_text(e,
              "{\n    SHARED_BUFFER(shared);\n"
              "    u8 *table = shared + GEMM_SHARED;\n"
              "    %s::table(table, thread(), GEMM_THREADS);\n"
              "    stage_begin();\n"
              "    const int rows = %s * %lld, first = block_x() * GEMM_COLS;\n"
              "    const int row = block_y() * %d + warp() / 2 * %d;\n"
              "    const i64 bytes = (i64)%lld * %s::BYTES;\n"
              "    const u8 *w0 = row < %lld ? call.arg[%d] + row * bytes : 0;\n",
              b, emit_count(p->lead), (long long)p->rows, two ? 4 : 8,
              two ? 1 : 2, tiles, b, all, products_matrix(p, part->product[0]));
    if (two)
        emit_text(e, "    const u8 *w1 = call.arg[%d] + row * bytes;\n",
                  products_matrix(p, part->product[1]));
    else
        emit_text(e, "    const u8 *w1 = row + 1 < %lld ? w0 + bytes : w0;\n",
                  all);
    emit_text(e,
              "    if (first < rows) {\n"
              "        const GemmPlace place = gemm_place_tokens(%s, first, "
              "least(rows - first, GEMM_COLS), [](int t) { return t; });\n"
              "        GemmSums sum = {};\n",
              values);
    product_gemm(p, part);
    emit_text(e, "        if (w0)\n"
                 "            gemm_results(sum, place.count, [&](int t, int m, "
                 "float a, float b) {\n");
    if (two)
        emit_text(e, "                const float sums[2] = {a, b};\n"
                     "                %s_p%d(call, first + t, row * 16 + m, "
                     "sums);\n",
                  e->name, i);
    else
        emit_text(e, "                %s_p%d(call, first + t, row * 16 + m, &a);\n"
                     "                if (row + 1 < %lld)\n"
                     "                    %s_p%d(call, first + t, row * 16 + 16 "
                     "+ m, &b);\n",
                  e->name, i, all, e->name, i);
    emit_text(e, "            });\n    }\n}\n");
}

static void emit_gemm(Products *p, int i, int64_t from, const char *values)
{
    Emit *e = p->e;
    const Part *part = &p->part[i];
    int64_t each = part->n_products == 2 ? 4 : 8;
    emit_kernel(e, emit_format(e, "_m%d", i), 256, 1,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = INT64_MAX,
                             .x = {p->rows, p->lead, 128},
                             .y = {part->columns / 16, SYM_ONE, each},
                             .shared = GEMM_RING + products_table(p)});
    put_gemm_body(p, i, values);
}

static void emit_gemms(Products *p, int64_t from)
{
    Emit *e = p->e;
    for (int split = 0; split < 2; split++) {
        const char *values = NULL;
        for (int i = 0; i < p->n; i++) {
            if (!p->part[i].tiles || product_is_split(p, &p->part[i]) != split)
                continue;
            if (!values) {
                values = emit_scratch(e, p->rows * p->k * (split ? 4 : 2),
                                      p->lead);
                product_values(p, split, split ? "_y" : "_x", from, values);
            }
            emit_gemm(p, i, from, values);
        }
    }
}

/* ---- matrices as in the file */

static void emit_plain(Products *p, int i)
{
    Emit *e = p->e;
    const Part *part = &p->part[i];
    emit_include(e, "plain.cuh");
    emit_kernel(e, emit_format(e, "_r%d", i), 128, 4,
                (CudaLaunch){.by = p->lead,
                             .from = 1,
                             .to = INT64_MAX,
                             .x = {part->columns, SYM_ONE, 1},
                             .y = {p->rows, p->lead, 1},
                             .shared = 33 * 4});
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n    stage_begin();\n"
                 "    const i64 row = block_y();\n    const int n = block_x();\n"
                 "    const u8 *x = %s + row * %lld;\n    float sum[%d];\n",
              p->from, (long long)p->row_bytes, part->n_products);
    for (int k = 0; k < part->n_products; k++) {
        BlockType t = products_type(p, part->product[k]);
        long long bytes = block_bytes(t, p->k);
        emit_text(e, "    sum[%d] = plain_dot<Plain%s, %lld>(x, [&](int k) {\n"
                     "        return file_value_%s(call.arg[%d] + (i64)n * %lld, "
                     "k);\n    }, (float *)shared);\n",
                  k, p->act, (long long)p->k, block_info[t].name,
                  products_matrix(p, part->product[k]), bytes);
    }
    emit_text(e, "    if (thread() == 0)\n        %s_p%d(call, row, n, sum);\n}\n",
              e->name, i);
}

void emit_matmul_class(Emit *e)
{
    Products *p = products_new(e, KIND_MATMUL);
    bool tiles = false;
    int64_t few = 0;
    products_include(p);
    emit_ops(e);
    for (int i = 0; i < p->n; i++) {
        products_done(p, i);
        tiles = tiles || p->part[i].tiles;
    }
    if (tiles) {
        emit_include(e, "matvec.cuh");
        emit_include(e, "gemm.cuh");
        for (int cols = 1; cols <= VEC_COLS; cols += VEC_COLS - 1)
            if (p->rows * cols <= VEC_COLS &&
                product_table_at(p, cols, cols) + products_table(p) <=
                    VEC_SHARED) {
                emit_vec(p, (int)p->rows * cols, few + 1, cols);
                few = cols;
            }
        emit_gemms(p, few + 1);
    }
    for (int i = 0; i < p->n; i++)
        if (!p->part[i].tiles)
            emit_plain(p, i);
    if (p->split)
        products_members(p);
}
