/* emit_matvec.c - products of a few rows of values with matrices in tiles: one
 * launch, in which each block takes rows of tiles of one group of parts after the
 * other (matvec.cuh). */
#include "gen/cuda/emit_product.h"

enum { VEC_COLS = 4, VEC_SHARED = 96 << 10 };

int product_warps(const Products *p)
{
    int64_t tiles = p->k / (PACK_TILE_UNIT * products_width(p));
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
    enum { TURNS = 2, WARPS = 8, MATRICES = 2, TILE_ROWS = 16 };
    return product_room_at(p, rows) +
           TURNS * WARPS * MATRICES * TILE_ROWS * cols * 4;
}

/* Products of one matrix each in one group of rows; those of two stay alone. */
static Together vec_group(Products *p, int i)
{
    bool *takes = ARENA_ARRAY(p->e->arena, bool, p->n);
    if (!p->part[i].tiles)
        return (Together){0};
    for (int k = 0; k < p->n; k++)
        takes[k] = p->part[k].tiles &&
                   (k == i || p->part[i].n_products == 1);
    return product_group(p, i, takes);
}

static int64_t group_rows(const Products *p, const Together *g, int n)
{
    int64_t rows = 0;
    for (int k = 0; k < n; k++)
        rows += p->part[g->part[k]].columns / PACK_TILE_ROWS;
    return rows;
}

/* The group's Vec and its object, with the number of its first part; the table
 * lies behind everything else. */
static void put_vec(Products *p, const Together *g, int cols)
{
    Emit *e = p->e;
    int i = g->part[0], j = products_width(p);
    const Part *part = &p->part[i];
    emit_text(e, "    typedef Vec<%s, %d, Act%s, %lld, %d, %d, %d, %d> V%d;\n"
                 "    const V%d v%d = {{",
              products_block(p, part->product[0]), j, p->act, (long long)p->k,
              part->n_products, cols, product_warps(p), g->n, i, i,
              i);
    for (int k = 0; k < g->n; k++)
        for (int m = 0; m < part->n_products; m++)
            emit_text(e, "%scall.arg[%d]", k + m ? ", " : "",
                      products_matrix(p, p->part[g->part[k]].product[m]));
    emit_text(e, "}, shared, shared + TABLES, {");
    for (int k = 0; k < g->n; k++)
        emit_text(e, "%s%lld", k ? ", " : "", (long long)group_rows(p, g, k));
    emit_text(e, "}};\n    typename V%d::Raw r%d;\n", i, i);
}

/* Before the values are there. */
static void put_vec_first(Products *p, const Together *g)
{
    int i = g->part[0];
    emit_text(p->e, "    vec_first(v%d, r%d, %lld, unit);\n", i, i,
              (long long)group_rows(p, g, g->n));
}

static void put_vec_done(Products *p, const Together *g)
{
    for (int k = 0; k < g->n; k++) {
        const Part *part = &p->part[g->part[k]];
        long long from = group_rows(p, g, k) * PACK_TILE_ROWS;
        if (k + 1 < g->n)
            emit_text(p->e, "        if (n < %lld)\n    ",
                      from + (long long)part->columns);
        emit_text(p->e, "        %s_%sp%d(call, t, n - %lld, sum);\n",
                  p->e->name, p->prefix, g->part[k], from);
        if (k + 1 < g->n)
            emit_text(p->e, "        else\n    ");
    }
}

static void put_vec_rows(Products *p, const Together *g)
{
    Emit *e = p->e;
    int i = g->part[0];
    emit_text(e,
              "    sync_threads(0, VEC_THREADS);\n"
              "    %s::table(shared + TABLES, thread(), VEC_THREADS);\n"
              "    sync_threads(0, VEC_THREADS);\n"
              "    unit = vec_rows(v%d, r%d, room, %lld, unit, all, "
              "[&](int t, int n, const float *sum) {\n"
              "        if (t >= rows)\n"
              "            return;\n",
              products_block(p, p->part[i].product[0]), i, i,
              (long long)group_rows(p, g, g->n));
    put_vec_done(p, g);
    emit_text(e, "    });\n");
}

int64_t product_units(const Products *p, int64_t rows)
{
    int slots = 8 / product_warps(p);
    return (rows + slots - 1) / slots;
}

/* Where things lie, and what is asked for before the values are there. */
static void put_vec_begin(Products *p, int cols)
{
    emit_text(p->e, "    constexpr int TABLES = %lld;\n"
                    "    float *room = (float *)(shared + %lld);\n"
                    "    const i64 rows = (i64)%s * %lld;\n"
                    "    const int all = blocks_x();\n"
                    "    int unit = block_x();\n",
              (long long)product_table_at(p, cols, cols),
              (long long)product_room_at(p, cols), emit_count(p->lead),
              (long long)p->rows);
    int first = 0;
    while (!p->part[first].tiles)
        first++;
    Together g = vec_group(p, first);
    put_vec(p, &g, cols);
    put_vec_first(p, &g);
}

static void put_vec_parts(Products *p, int cols)
{
    bool first = true;
    for (int i = 0; i < p->n; i++) {
        Together g = vec_group(p, i);
        if (!g.n)
            continue;
        if (!first) {
            put_vec(p, &g, cols);
            put_vec_first(p, &g);
        }
        first = false;
        put_vec_rows(p, &g);
    }
}

int64_t product_vec_shared(const Products *p, int cols)
{
    return product_table_at(p, cols, cols) + products_table(p);
}

static int64_t all_vec_units(Products *p)
{
    int64_t units = 0;
    for (int i = 0; i < p->n; i++) {
        Together g = vec_group(p, i);
        units += g.n ? product_units(p, group_rows(p, &g, g.n)) : 0;
    }
    return units;
}

static void emit_vec(Products *p, int cols, int64_t from, int64_t to)
{
    Emit *e = p->e;
    emit_kernel(e, product_suffix(p, emit_format(e, "v%d", cols)), 256, 2,
                (CudaLaunch){.by = p->lead,
                             .from = from,
                             .to = to,
                             .x = {all_vec_units(p), SYM_ONE, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = 2,
                             .shared = product_vec_shared(p, cols)});
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n");
    put_vec_begin(p, cols);
    products_stage(p, "(int)rows", "room");
    put_vec_parts(p, cols);
    emit_text(e, "}\n");
}

bool product_has_single(const Products *p)
{
    bool all = p->rows == 1 && !p->split && product_vec_shared(p, 1) <= VEC_SHARED;
    for (int i = 0; i < p->n; i++)
        all = all && p->part[i].tiles;
    return all;
}

int64_t product_single_units(Products *p) { return all_vec_units(p); }
void product_single_begin(Products *p) { put_vec_begin(p, 1); }
void product_single_parts(Products *p) { put_vec_parts(p, 1); }

int64_t product_vecs(Products *p, bool single)
{
    int64_t few = 0;
    for (int cols = 1; cols <= VEC_COLS; cols += VEC_COLS - 1)
        if (p->rows * cols <= VEC_COLS &&
            product_vec_shared(p, (int)p->rows * cols) <= VEC_SHARED) {
            if (cols > 1 || single)
                emit_vec(p, (int)p->rows * cols, few + 1, cols);
            few = cols;
        }
    return few;
}
