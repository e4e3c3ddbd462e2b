#include "gen/cuda/emit_product.h"

#include <string.h>

#include "gen/cuda/emit_pack.h"

static bool is_product(const Products *p, Ref r)
{
    return op_info(emit_node(p->e, r)->op)->kind == p->kind;
}

static const Node *matrix_of(const Products *p, Ref product)
{
    return emit_node(p->e, emit_node(p->e, product)->arg[1]);
}

BlockType products_type(const Products *p, Ref product)
{
    return matrix_of(p, product)->type.dtype;
}

int products_matrix(const Products *p, Ref product)
{
    return emit_arg(p->e, emit_node(p->e, product)->arg[1]);
}

int products_width(const Products *p)
{
    return packing_tile_units(p->k);
}

const char *products_block(Products *p, Ref product)
{
    if (matrix_of(p, product)->type.packing != PACK_TILE)
        return emit_format(p->e, "FileRows<File_%s, %d, %lld>",
                           block_info[products_type(p, product)].name,
                           products_width(p), (long long)p->k);
    return emit_format(p->e, "Block_%s<%d>",
                       block_info[products_type(p, product)].name,
                       products_width(p));
}

const char *products_rows_bytes(Products *p, Ref product)
{
    return emit_format(p->e, "(i64)%lld",
                       (long long)block_bytes(products_type(p, product), p->k) *
                           PACK_TILE_ROWS);
}

const char *products_matrix_bytes(Products *p, const Part *part)
{
    return emit_format(p->e, "%lld * %s",
                       (long long)part->columns / PACK_TILE_ROWS,
                       products_rows_bytes(p, part->product[0]));
}

/* ---- which products meet */

static int find(int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* Every node's set: products and the EW nodes that read them, in any way. */
static void join_readers(const Products *p, int *set)
{
    const Graph *g = p->e->g;
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        bool joins = op_info(n->op)->kind == KIND_EW &&
                     !(p->choice && p->choice[i]);
        for (int k = 0; k < n->n_args && joins; k++) {
            Ref root = emit_root(p->e, n->arg[k]);
            if (root >= g->n_params && g->node[root].op != OP_const)
                set[find(set, (int)root)] = find(set, (int)i);
        }
    }
}

static bool all_in_tiles(const Products *p, const Part *part)
{
    bool same = part->n_products <= 2;
    for (int i = 0; i < part->n_products; i++)
        same = same &&
               matrix_of(p, part->product[i])->type.packing == PACK_TILE &&
               products_type(p, part->product[i]) ==
                   products_type(p, part->product[0]);
    return same;
}

static bool none_in_tiles(const Products *p, const Part *part)
{
    for (int i = 0; i < part->n_products; i++)
        if (matrix_of(p, part->product[i])->type.packing == PACK_TILE)
            return false;
    return true;
}

/* Floats as in the file whose rows and columns fill tiles. */
static bool are_float_rows(const Products *p, const Part *part)
{
    bool fit = part->n_products <= 2 && part->columns % PACK_TILE_ROWS == 0 &&
               p->k % PACK_TILE_UNIT == 0;
    for (int i = 0; i < part->n_products; i++) {
        BlockType t = products_type(p, part->product[i]);
        fit = fit && block_info[t].kind == BLOCK_FLOAT &&
              t == products_type(p, part->product[0]);
    }
    return fit && none_in_tiles(p, part);
}

static void add_part(Products *p, int *set, Ref first)
{
    const Graph *g = p->e->g;
    Part *part = &p->part[p->n++];
    part->product = ARENA_ARRAY(p->e->arena, Ref, g->n_nodes);
    part->member = ARENA_ARRAY(p->e->arena, bool, g->n_nodes);
    part->columns = type_last(&g->node[first].type);
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        if (find(set, (int)i) != find(set, (int)first))
            continue;
        if (is_product(p, i))
            part->product[part->n_products++] = i;
        else
            part->member[i] = op_info(g->node[i].op)->kind == KIND_EW ||
                              g->node[i].op == OP_combine;
    }
    for (Ref i = 0; i < g->n_nodes; i++)
        p->member[i] = p->member[i] || part->member[i];
    part->tiles = all_in_tiles(p, part);
    part->float_rows = are_float_rows(p, part);
    p->split = p->split || (!part->tiles && !none_in_tiles(p, part));
}

/* Each product alone, what follows in a launch of its own. */
static void split_parts(Products *p)
{
    Emit *e = p->e;
    int n = 0;
    for (Ref i = 0; i < e->g->n_nodes; i++)
        n += is_product(p, i);
    p->part = ARENA_ARRAY(e->arena, Part, n);
    p->raw = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    p->n = 0;
    for (Ref i = 0; i < e->g->n_nodes; i++) {
        if (!is_product(p, i))
            continue;
        Part *part = &p->part[p->n++];
        *part = (Part){.n_products = 1,
                       .product = ARENA_NEW(e->arena, Ref),
                       .member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes),
                       .columns = type_last(&emit_node(e, i)->type)};
        part->product[0] = i;
        part->tiles = all_in_tiles(p, part);
        part->float_rows = are_float_rows(p, part);
        p->raw[i] = emit_scratch(
            e, emit_row_size(&emit_node(e, i)->type) * 4, p->lead);
    }
}

static void find_parts(Products *p)
{
    const Graph *g = p->e->g;
    int *set = ARENA_ARRAY(p->e->arena, int, g->n_nodes);
    bool *done = ARENA_ARRAY(p->e->arena, bool, g->n_nodes);
    for (Ref i = 0; i < g->n_nodes; i++)
        set[i] = (int)i;
    p->member = ARENA_ARRAY(p->e->arena, bool, g->n_nodes);
    join_readers(p, set);
    p->part = ARENA_ARRAY(p->e->arena, Part, g->n_nodes);
    for (Ref i = 0; i < g->n_nodes; i++)
        if (is_product(p, i) && !done[find(set, (int)i)]) {
            done[find(set, (int)i)] = true;
            add_part(p, set, i);
        }
    if (p->split)
        split_parts(p);
}

/* ---- the values */

/* Behind the prologue and views: the parameter.  *x: its view. */
static void find_prologue(Products *p, Ref *x)
{
    Emit *e = p->e;
    Ref at = emit_root(e, *x);
    p->norm = NO_REF;
    p->act = "F32";
    while (at >= e->g->n_params) {
        const Node *n = emit_node(e, at);
        if (n->op == OP_quantize)
            p->act = n->type.dtype == BT_q8a ? "Q8" : "Q16";
        else
            p->norm = at;
        p->source = true;
        *x = n->arg[0];
        at = emit_root(e, *x);
    }
}

static void find_values(Products *p, Ref product)
{
    Emit *e = p->e;
    Ref x = emit_node(e, product)->arg[0];
    const Type *t = &emit_node(e, x)->type;
    p->k = type_last(t);
    p->lead = emit_lead(t);
    p->rows = emit_row_size(t) / p->k;
    find_prologue(p, &x);
    p->left = emit_root(e, x);
    const Type *root = &emit_node(e, p->left)->type;
    const BlockInfo *b = &block_info[root->dtype];
    p->row_bytes = emit_row_size(root) / p->rows / b->elems * b->bytes;
    p->from = emit_format(e, "(call.arg[%d] + %s / %d * %d)",
                          emit_arg(e, p->left), emit_view_index(e, x, "0"),
                          b->elems, b->bytes);
    if (root->dtype == BT_q8a || root->dtype == BT_q16a)
        p->act = root->dtype == BT_q8a ? "Q8" : "Q16";
    else if (root->dtype != BT_f32)
        emit_fail(e, err_new(ERR_DEVICE, "products with values in %s",
                             block_info[root->dtype].name));
    p->act_shared = strcmp(p->act, "Q8") == 0 ? 40 : 128;
}

const char *products_source_type(Products *p)
{
    return emit_format(p->e, "Source<Act%s, %lld, %s>", p->act, (long long)p->k,
                       p->norm != NO_REF ? "true" : "false");
}

const char *products_source(Products *p)
{
    const Node *norm = p->norm != NO_REF ? emit_node(p->e, p->norm) : NULL;
    const char *weight = "0";
    if (norm && norm->n_args > 1)
        weight = emit_format(p->e, "(const float *)call.arg[%d]",
                             emit_arg(p->e, emit_root(p->e, norm->arg[1])));
    return emit_format(p->e, "{%s, %lld, %s, (float)%.9g}", p->from,
                       (long long)p->row_bytes, weight,
                       norm ? norm->attr[ATTR_eps].f : 0.0);
}

void products_stage(Products *p, const char *rows, const char *room)
{
    if (p->source)
        emit_text(p->e, "    stage_source<VEC_THREADS>(shared, %s%s, %s, %s);\n",
                  products_source_type(p), products_source(p), rows, room);
    else
        emit_text(p->e, "    stage_begin();\n    stage_values<VEC_THREADS, Act%s>(shared, %s, %lld, "
                        "%s, %lld);\n",
                  p->act, p->from, (long long)p->row_bytes, rows,
                  (long long)p->k / 32);
}

Products *products_new(Emit *e, OpKind kind, const char *prefix)
{
    Products *p = ARENA_NEW(e->arena, Products);
    p->e = e;
    p->kind = kind;
    p->prefix = prefix;
    p->choice = kernel_choice(e->g);
    p->left_rounded = NO_REF;
    for (Ref i = 0; i < e->g->n_nodes; i++)
        if (kernel_is_left(e->g, i))
            p->left_rounded = i;
    find_values(p, emit_find(e, kind));
    find_parts(p);
    return p;
}

Together product_group(Products *p, int i, const bool *takes)
{
    Together g = {.part = ARENA_ARRAY(p->e->arena, int, p->n)};
    const Part *first = &p->part[i];
    for (int k = 0; k < p->n; k++) {
        const Part *part = &p->part[k];
        if (!takes[k] || part->n_products != first->n_products ||
            products_type(p, part->product[0]) !=
                products_type(p, first->product[0]))
            continue;
        if (k < i)
            return (Together){0};
        g.part[g.n++] = k;
    }
    return g;
}

void products_include(Products *p)
{
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->part[i].n_products; k++) {
            BlockType t = products_type(p, p->part[i].product[k]);
            if (p->part[i].float_rows)
                emit_include(p->e, "plain.cuh");
            const char *file = emit_pack_file(t);
            if (file)
                emit_include(p->e, file);
            else
                emit_fail(p->e, err_new(ERR_DEVICE, "no CUDA decoder of %s",
                                        block_info[t].name));
        }
}

int64_t products_table(const Products *p)
{
    int64_t most = 0;
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->part[i].n_products && p->part[i].tiles; k++) {
            int64_t n =
                emit_table_bytes(products_type(p, p->part[i].product[k]));
            most = n > most ? n : most;
        }
    return most;
}

/* ---- what becomes of sums */

/* Rows of products in a step of the leading axis. */
static int64_t made_rows(const Products *p)
{
    const Type *t = &emit_node(p->e, p->part[0].product[0])->type;
    return emit_row_size(t) / type_last(t);
}

/* t and i of element n of row `row`: which step of the leading axis, and where
 * in it. */
static void put_place(Products *p, int64_t columns)
{
    long long rows = made_rows(p);
    if (rows == 1)
        emit_text(p->e, "    const i64 t = row;\n    const int i = n;\n");
    else
        emit_text(p->e, "    const i64 t = row / %lld;\n"
                        "    const int i = (int)(row %% %lld) * %lld + n;\n",
                  rows, rows, (long long)columns);
}

void products_done(Products *p, int i)
{
    Emit *e = p->e;
    const Part *part = &p->part[i];
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    emit_text(e, "\nDEVICE void %s_%sp%d(const Call<%d> &call, i64 row, int n, "
                 "const float *sum)\n{\n",
              e->name, p->prefix, i, e->n_args);
    if (!p->split)
        put_place(p, part->columns);
    for (int k = 0; k < part->n_products; k++)
        given[part->product[k]] = emit_format(e, "sum[%d]", k);
    if (p->split)
        emit_text(e, "    ((float *)%s)[row * %lld + n] = sum[0];\n",
                  p->raw[part->product[0]], (long long)part->columns);
    else
        emit_elements(e, &(Element){part->member, given, "t", "i"});
    emit_text(e, "}\n");
}

static void members_of_columns(Products *p, int64_t columns)
{
    Emit *e = p->e;
    bool *member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes);
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    for (Ref i = e->g->n_params; i < e->g->n_nodes; i++) {
        const Node *n = emit_node(e, i);
        if (type_last(&n->type) != columns)
            continue;
        member[i] = p->member[i];
        if (p->raw[i])
            given[i] = emit_format(e, "((const float *)%s)[row * %lld + n]",
                                   p->raw[i], (long long)columns);
    }
    emit_text(e, "    for (i64 at = (i64)block_x() * 256 + thread(); at < rows * "
                 "%lld; at += (i64)blocks_x() * 256) {\n"
                 "    const i64 row = at / %lld;\n"
                 "    const int n = (int)(at %% %lld);\n",
              (long long)columns, (long long)columns, (long long)columns);
    put_place(p, columns);
    emit_elements(e, &(Element){member, given, "t", "i"});
    emit_text(e, "    }\n");
}

void products_members(Products *p)
{
    Emit *e = p->e;
    int64_t widest = 1;
    for (int i = 0; i < p->n; i++)
        widest = p->part[i].columns > widest ? p->part[i].columns : widest;
    int64_t rows = made_rows(p);
    emit_kernel(e, product_suffix(p, "e"), 256, 1,
                (CudaLaunch){.by = p->lead, .from = 1, .to = INT64_MAX,
                             .x = {widest * rows, p->lead, 1024},
                             .y = {1, SYM_ONE, 1}});
    emit_text(e, "{\n    stage_begin();\n    const i64 rows = (i64)%s * %lld;\n",
              emit_count(p->lead), (long long)rows);
    for (int i = 0; i < p->n; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++)
            seen = seen || p->part[k].columns == p->part[i].columns;
        if (!seen)
            members_of_columns(p, p->part[i].columns);
    }
    emit_text(e, "}\n");
}
