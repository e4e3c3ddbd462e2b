/* emit_plain.c - products with matrices as in the file: floats, and odd shapes. */
#include <string.h>

#include "gen/cuda/emit_product.h"

enum { PLAIN_WARPS = 8 };

/* Float matrices go to the matrix units from so many rows on. */
enum { FLOAT_ROWS_FEW = 8 };

/* Up to so many rows all parts share a launch, then only those that the matrix
 * units cannot take. */
static bool is_plain(const Part *part, bool few)
{
    return !part->tiles && (few || !part->float_rows);
}

/* A grid takes so many groups of columns; the blocks go on to the rest. */
static int64_t plain_turns(int64_t columns)
{
    enum { GROUP = PLAIN_WARPS / 2, MOST_Y = 65535 };
    return (columns + (int64_t)GROUP * MOST_Y - 1) / ((int64_t)GROUP * MOST_Y);
}

CudaExtent product_plain_groups(int64_t columns)
{
    return (CudaExtent){columns, SYM_ONE, plain_turns(columns) * (PLAIN_WARPS / 2)};
}

/* Blocks along an axis of the grid share the columns. */
static void put_begin(Products *p, int64_t turns, char axis)
{
    emit_text(p->e, "    for (int turn = 0; turn < %lld; turn++) {\n"
                    "    const int n = (block_%c() + turn * blocks_%c()) * "
                    "PLAIN_COLUMNS + plain_column();\n",
              (long long)turns, axis, axis);
    if (turns > 1)
        emit_text(p->e, "    sync_threads(0, PLAIN_THREADS);\n");
}

void product_plain_begin(Products *p, int64_t columns)
{
    put_begin(p, plain_turns(columns), 'y');
}

static void put_plain_values(Products *p)
{
    Emit *e = p->e;
    if (p->source)
        emit_text(e,
                  "    const %s source = %s;\n"
                  "    SourceRow<PLAIN_THREADS, Act%s, %lld, %s> values;\n"
                  "    source_weights(values, source);\n"
                  "    stage_begin();\n"
                  "    source_values(values, source, row);\n"
                  "    source_finish(values, source.eps, (float *)shared, "
                  "[&](int k, const float (&q)[4], float d) {\n"
                  "        *(float4 *)(x + k) = make_float4(q[0] * d, q[1] * d, "
                  "q[2] * d, q[3] * d);\n    });\n",
                  products_source_type(p), products_source(p), p->act,
                  (long long)p->k, p->norm != NO_REF ? "true" : "false");
    else
        emit_text(e, "    stage_begin();\n    %s%lld>(x, %s + row * %lld);\n",
                  strcmp(p->act, "F32") == 0
                      ? "plain_floats<"
                      : emit_format(e, "plain_values<Plain%s, ", p->act),
                  (long long)p->k, p->from, (long long)p->row_bytes);
    emit_text(e, "    sync_threads(0, PLAIN_THREADS);\n");
}

void product_plain_values(Products *p)
{
    emit_text(p->e, "    if (turn == 0) {\n");
    put_plain_values(p);
    emit_text(p->e, "    }\n");
}

/* A row of a matrix as floats, read four at a time. */
static bool is_wide(const Products *p, Ref product)
{
    return block_info[products_type(p, product)].kind == BLOCK_FLOAT &&
           p->k % PACK_TILE_UNIT == 0;
}

static const char *plain_row(Products *p, Ref product, const char *matrix_row)
{
    return emit_format(p->e, "call.arg[%d] + %s * %lld",
                       products_matrix(p, product), matrix_row,
                       (long long)block_bytes(products_type(p, product), p->k));
}

void product_plain_first(Products *p, int i, const char *matrix_row,
                         const char *when)
{
    const Part *part = &p->part[i];
    for (int k = 0; k < part->n_products; k++) {
        Ref product = part->product[k];
        if (!is_wide(p, product))
            continue;
        emit_text(p->e, "    PlainRow<File_%s, %lld> w%d_%d;\n"
                        "    if (%s)\n        plain_load(w%d_%d, %s, 0);\n",
                  block_info[products_type(p, product)].name, (long long)p->k, i,
                  k, when, i, k, plain_row(p, product, matrix_row));
    }
}

/* Where the halves of part i's sums begin; of all parts, if i is their number. */
static int64_t plain_room(const Products *p, int i)
{
    int64_t products = 0;
    for (int k = 0; k < i; k++)
        products += p->part[k].n_products;
    return products * PLAIN_WARPS;
}

void product_plain_dots(Products *p, int i, const char *matrix_row,
                        const char *when)
{
    const Part *part = &p->part[i];
    emit_text(p->e, "    float sum%d[%d] = {};\n    if (%s) {\n", i,
              part->n_products, when);
    for (int k = 0; k < part->n_products; k++) {
        Ref product = part->product[k];
        const char *row = plain_row(p, product, matrix_row);
        if (is_wide(p, product))
            emit_text(p->e, "        sum%d[%d] = plain_dot_row(w%d_%d, x, %s);\n",
                      i, k, i, k, row);
        else
            emit_text(p->e,
                      "        sum%d[%d] = plain_dot<%lld>(x, [&](int k) {\n"
                      "            return file_value_%s(%s, k);\n        });\n",
                      i, k, (long long)p->k,
                      block_info[products_type(p, product)].name, row);
    }
    emit_text(p->e, "    }\n    plain_total(sum%d, (float *)shared + %lld);\n", i,
              (long long)plain_room(p, i));
}

/* The halves of each part's products, then the values. */
int64_t product_plain_values_at(const Products *p)
{
    enum { ROOM = 33 };
    int64_t floats = plain_room(p, p->n);
    return ((floats > ROOM ? floats : ROOM) * 4 + 127) & -128;
}

int64_t product_plain_shared(const Products *p)
{
    return product_plain_values_at(p) + p->k * 4;
}

static void put_plain_part(Products *p, int i, const char *when,
                           const char *column)
{
    product_plain_dots(p, i, column, when);
    emit_text(p->e, "    if ((%s) && plain_half() == 0 && lane() == 0)\n"
                    "        %s_%sp%d(call, row, (int)%s, sum%d);\n",
              when, p->e->name, p->prefix, i, column, i);
}

/* Products, one a part, of float matrices of one type: a warp's row of weights
 * is the same in registers, whichever matrix it is of. */
static bool is_uniform(const Products *p, bool few)
{
    BlockType type = BT_COUNT;
    for (int i = 0; i < p->n; i++) {
        const Part *part = &p->part[i];
        BlockType t = products_type(p, part->product[0]);
        if (!is_plain(part, few))
            continue;
        if (part->n_products != 1 || !is_wide(p, part->product[0]) ||
            (type != BT_COUNT && type != t))
            return false;
        type = t;
    }
    return true;
}

/* row_of_n: the row of weights of column n of all parts, or NULL. */
static void put_uniform_row(Products *p, bool few)
{
    Emit *e = p->e;
    int64_t first = 0;
    Ref product = NO_REF;
    emit_text(e, "    const u8 *row_of_n = 0;\n");
    for (int i = 0; i < p->n; i++) {
        const Part *part = &p->part[i];
        if (!is_plain(part, few))
            continue;
        product = part->product[0];
        emit_text(e, "    if (n >= %lld && n < %lld)\n        row_of_n = %s;\n",
                  (long long)first, (long long)(first + part->columns),
                  plain_row(p, product,
                            emit_format(e, "(i64)(n - %lld)",
                                        (long long)first)));
        first += part->columns;
    }
    emit_text(e, "    PlainRow<File_%s, %lld> w;\n"
                 "    if (row_of_n)\n        plain_load(w, row_of_n, 0);\n",
              block_info[products_type(p, product)].name, (long long)p->k);
}

static void put_uniform_body(Products *p, bool few, int64_t columns)
{
    Emit *e = p->e;
    int64_t first = 0;
    put_uniform_row(p, few);
    product_plain_values(p);
    emit_text(e, "    float sum[1] = {};\n"
                 "    if (row_of_n)\n"
                 "        sum[0] = plain_dot_row(w, x, row_of_n);\n"
                 "    plain_total(sum, (float *)shared);\n"
                 "    const int at = plain_half() == 0 && lane() == 0 ? n : "
                 "%lld;\n",
              (long long)columns);
    for (int i = 0; i < p->n; i++) {
        if (!is_plain(&p->part[i], few))
            continue;
        int64_t end = first + p->part[i].columns;
        emit_text(e, "    if (at >= %lld && at < %lld)\n"
                     "        %s_%sp%d(call, row, at - %lld, sum);\n",
                  (long long)first, (long long)end, e->name, p->prefix, i,
                  (long long)first);
        first = end;
    }
}

/* What is asked for early of all parts, then the values and products: columns of
 * one part after those of the other. */
static void put_plain_body(Products *p, bool few)
{
    Emit *e = p->e;
    for (int turn = 0; turn < 2; turn++) {
        int64_t first = 0;
        if (turn)
            product_plain_values(p);
        for (int i = 0; i < p->n; i++) {
            const Part *part = &p->part[i];
            if (!is_plain(part, few))
                continue;
            const char *when =
                emit_format(e, "n >= %lld && n < %lld", (long long)first,
                            (long long)(first + part->columns));
            const char *column = emit_format(e, "(i64)(n - %lld)",
                                             (long long)first);
            if (turn)
                put_plain_part(p, i, when, column);
            else
                product_plain_first(p, i, column, when);
            first += part->columns;
        }
    }
}

int64_t product_plain_few(const Products *p)
{
    bool all = p->rows == 1 && !p->split, floats = false;
    for (int i = 0; i < p->n; i++) {
        all = all && !p->part[i].tiles;
        floats = floats || p->part[i].float_rows;
    }
    return all && floats ? FLOAT_ROWS_FEW : 0;
}

/* Blocks share what is left rounded; their values are all there. */
static void put_left(Products *p)
{
    const Type *t = &emit_node(p->e, p->left_rounded)->type;
    const BlockInfo *b = &block_info[t->dtype];
    emit_text(p->e,
              "    if (warp() == 0)\n"
              "        for (int b = block_x(); b < %lld; b += blocks_x())\n"
              "            encode_%s(call.arg[%d] + row * %lld + b * %d, x[b * %d + "
              "lane()]);\n",
              (long long)p->k / b->elems, b->name, emit_arg(p->e, p->left_rounded),
              (long long)block_bytes(t->dtype, p->k), b->bytes, b->elems);
}

/* The last block of a row of values goes on to the choice. */
static void put_choice(Products *p)
{
    int64_t counters = emit_counters(p->e, FLOAT_ROWS_FEW);
    emit_text(p->e, "    if (plain_last(call.counters + %lld + row, blocks_x(), "
                    "(u32 *)shared)) {\n",
              (long long)counters);
    rows_put(p->beside, p->choice);
    emit_text(p->e, "    }\n");
}

static void emit_plain(Products *p, bool few, int64_t from)
{
    Emit *e = p->e;
    int64_t columns = 0;
    for (int i = 0; i < p->n; i++)
        columns += is_plain(&p->part[i], few) ? p->part[i].columns : 0;
    if (!columns)
        return;
    emit_include(e, "plain.cuh");
    emit_include(e, "prologue.cuh");
    CudaExtent rows = {p->rows, p->lead, 1};
    bool choice = few && p->choice && product_plain_few(p);
    int64_t shared = product_plain_shared(p);
    if (choice && rows_shared(p->beside, p->choice) > shared)
        shared = rows_shared(p->beside, p->choice);
    emit_kernel(e, product_suffix(p, few ? "f" : "r"), 256, 2,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = few ? FLOAT_ROWS_FEW : INT64_MAX,
                             /* x may be large, y not */
                             .x = few ? (CudaExtent){columns, SYM_ONE, 4} : rows,
                             .y = few ? rows : product_plain_groups(columns),
                             .shared = shared});
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n"
                 "    float *x = (float *)(shared + %lld);\n"
                 "    const i64 row = block_%c();\n",
              (long long)product_plain_values_at(p), few ? 'y' : 'x');
    put_begin(p, few ? 1 : plain_turns(columns), few ? 'x' : 'y');
    if (is_uniform(p, few))
        put_uniform_body(p, few, columns);
    else
        put_plain_body(p, few);
    emit_text(e, "    }\n");
    if (few && p->left_rounded != NO_REF && product_plain_few(p))
        put_left(p);
    if (choice)
        put_choice(p);
    emit_text(e, "}\n");
}

void product_plain_launches(Products *p)
{
    bool floats = false;
    for (int i = 0; i < p->n; i++)
        floats = floats || p->part[i].float_rows;
    if (floats) {
        emit_plain(p, true, 1);
        product_gemms(p, FLOAT_ROWS_FEW + 1, true);
    }
    emit_plain(p, false, floats ? FLOAT_ROWS_FEW + 1 : 1);
}
