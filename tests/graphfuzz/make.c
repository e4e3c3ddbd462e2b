/* make.c - layers and entry points at random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/graphfuzz/make.h"

/* ---- single operations ---- */

/* At least a quarter. */
static Ref positive(Maker *m, Ref x)
{
    return binary(m, OP_add, unary(m, OP_abs, x), constant(m, 0.25));
}

static void add_unary(Maker *m, Ref x)
{
    static const Op op[] = {
        OP_neg,  OP_abs,      OP_square, OP_tanh,      OP_relu, OP_sigmoid,
        OP_silu, OP_softplus, OP_gelu,   OP_gelu_tanh, OP_sqrt, OP_log,
        OP_exp,
    };
    Op o = op[below(m, sizeof op / sizeof *op)];
    if (o == OP_sqrt || o == OP_log)
        x = positive(m, x);
    if (o == OP_exp)
        x = binary(m, OP_min, x, constant(m, 1.5));
    unary(m, o, x);
}

/* Something that x can be combined with, most of the time. */
static Ref partner(Maker *m, Ref x)
{
    switch (below(m, 5)) {
    case 0:
        return weight(m, 1, type_last(type_of(m, x)), 0, 0);
    case 1:
        return constant(m, chance(m, 2) ? 0.5 : -1.25);
    case 2:
        return unary(m, chance(m, 2) ? OP_sum : OP_mean, x);
    default:
        return pick(m, type_of(m, x)->dim[0].sym);
    }
}

static void add_binary(Maker *m, Ref x)
{
    static const Op op[] = {OP_add, OP_add, OP_sub, OP_mul,
                            OP_mul, OP_max, OP_min, OP_div};
    Op o = op[below(m, 8)];
    for (int i = 0; i < 4; i++) {
        Ref y = partner(m, x);
        if (o == OP_div) /* no operation on numbers alone: lowering folds */
            y = y == NO_REF || !type_of(m, y)->rank ? constant(m, -0.75)
                                                    : positive(m, y);
        bool turn = o != OP_div && chance(m, 2);
        if ((turn ? binary(m, o, y, x) : binary(m, o, x, y)) != NO_REF)
            return;
    }
}

static void add_row(Maker *m, Ref x)
{
    static const Op op[] = {OP_sum, OP_mean, OP_softmax};
    int64_t d = type_last(type_of(m, x));
    switch (below(m, 5)) {
    case 0:
        with_eps(m, OP_rmsnorm, 2, x, weight(m, 1, d, 0, 0));
        break;
    case 1:
        with_eps(m, OP_rmsnorm, 1, x, 0);
        break;
    case 2:
        with_eps(m, OP_l2norm, 1, x, 0);
        break;
    default:
        unary(m, op[below(m, 3)], x);
    }
}

static void add_products(Maker *m, Ref x)
{
    int64_t out = some_width(m);
    x = chance(m, 4) ? x : flatten(m, x);
    Ref y = product(m, x, out);
    if (chance(m, 2))
        y = binary(m, OP_mul, unary(m, OP_silu, y), product(m, x, out));
    if (chance(m, 4))
        product(m, x, some_width(m));
    if (chance(m, 3))
        product(m, y, type_last(type_of(m, x)));
}

static void add_reshape(Maker *m, Ref x)
{
    int64_t n = type_elements(type_of(m, x)).k, a = 1 + below(m, 5);
    int64_t b = 1 + below(m, 4);
    if (n == 1 && chance(m, 3))
        reshape(m, x, 1, 0, 0, 0);
    else if (n % (a * b) == 0 && chance(m, 3))
        reshape(m, x, 4, a, n / a / b, b);
    else if (n % a == 0)
        reshape(m, x, 3, a, n / a, 0);
    else
        flatten(m, x);
}

static void add_slice(Maker *m, Ref x)
{
    int64_t n = type_last(type_of(m, x)), size = 1 + below(m, n);
    slice(m, x, below(m, n - size + 1), size);
}

static void add_concat(Maker *m, Ref x)
{
    Sym sym = type_of(m, x)->dim[0].sym;
    if (binary(m, OP_concat, x, pick(m, sym)) == NO_REF)
        binary(m, OP_concat, flatten(m, x), flatten(m, pick(m, sym)));
}

static void add_rows(Maker *m, Ref x)
{
    if (m->outputs != NO_REF)
        binary(m, OP_rows, x, m->outputs);
}

static void add_embed(Maker *m, Ref x)
{
    (void)x;
    if (m->tokens != NO_REF)
        binary(m, OP_embed, weight(m, 2, some_width(m), FUZZ_VOCABULARY, 0),
               m->tokens);
}

static void add_tap(Maker *m, Ref x)
{
    Node n = {.op = OP_tap, .n_args = 1, .arg = {flatten(m, x)}};
    char text[16];
    if (m->tokens == NO_REF)
        return; /* a layer's stands for many */
    snprintf(text, sizeof text, "tap%d", m->n_sources++);
    n.text = arena_strndup(m->g->arena, text, strlen(text));
    n.attr[ATTR_index].i = below(m, 3);
    add_node(m, n);
}

/* ---- any operation ---- */

typedef struct {
    int weight; /* how often, out of the sum */
    bool tokens; /* wants one row a token */
    MakeBlock *make;
} Row;

static const Row rows[] = {
    {6, false, add_unary},   {8, false, add_binary},  {5, false, add_row},
    {8, false, add_products}, {3, false, add_reshape}, {2, false, add_slice},
    {2, false, add_concat},  {2, true, add_rows},     {1, true, add_embed},
    {1, true, add_tap},      {3, true, block_attention},
    {2, true, block_conv},   {2, true, block_delta},  {2, false, block_experts},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static const Row *some_row(Maker *m)
{
    int sum = 0, i = 0;
    for (int k = 0; k < N_ROWS; k++)
        sum += rows[k].weight;
    int64_t at = below(m, sum);
    while ((at -= rows[i].weight) >= 0)
        i++;
    return &rows[i];
}

static void add_something(Maker *m)
{
    const Row *row = some_row(m);
    Ref x = row->tokens || !chance(m, 4) ? NO_REF : pick(m, SYM_R);
    x = x == NO_REF ? pick(m, SYM_T) : x;
    if (x != NO_REF && m->g->n_nodes < MAKE_MAX_NODES / 2)
        row->make(m, x);
}

/* ---- graphs ---- */

static Ref add_param(Maker *m, const char *name, Type t)
{
    Node n = {.op = OP_input, .name = name, .type = t};
    Ref r = add_node(m, n);
    m->g->n_params++;
    m->size[r] = 1;
    return r;
}

static Ref add_ids(Maker *m, const char *name, Sym sym)
{
    return add_param(m, name, type_make(BT_i32, 1, (Dim[]){dim_sym(sym)}));
}

static Ref add_hidden(Maker *m, const char *name, int64_t width)
{
    Dim dim[] = {dim_sym(SYM_T), dim_const(width)};
    return add_param(m, name, type_make(BT_f32, 2, dim));
}

static void start(Maker *m, GraphKind kind, const char *name)
{
    m->g = graph_new(m->m->arena, kind, name);
    m->tokens = m->positions = m->outputs = NO_REF;
    m->n_sources = 0;
}

static Ref last_of_width(const Maker *m)
{
    Ref r = m->g->n_nodes;
    while (r-- > 0) {
        const Type *t = type_of(m, r);
        if (t->dtype == BT_f32 && t->rank == 2 &&
            t->dim[0].sym == SYM_T && type_last(t) == m->width &&
            m->g->node[r].op != OP_append)
            return r;
    }
    return 0;
}

/* x and what was made of it, so that little is computed for nobody. */
static Ref gathered(Maker *m, Ref x)
{
    int *uses = graph_uses(m->g->arena, m->g);
    Ref n = m->g->n_nodes;
    for (Ref i = m->g->n_params; i < n; i++) {
        const Node *y = &m->g->node[i];
        if (uses[i] || y->type.dtype != BT_f32 || y->type.rank == 0 ||
            y->type.dim[0].sym != SYM_T || y->op == OP_append || chance(m, 5))
            continue;
        Ref sum = binary(m, OP_add, x, shaped(m, i, m->width, 0));
        x = sum == NO_REF ? x : sum;
    }
    return x;
}

static void make_layer(Maker *m, int number)
{
    char name[16];
    snprintf(name, sizeof name, "blk%d", number);
    start(m, GRAPH_FUNC, arena_strndup(m->m->arena, name, strlen(name)));
    Ref x = add_hidden(m, "x", m->width);
    if (chance(m, 2))
        m->positions = add_ids(m, "positions", SYM_T);
    int64_t steps = 1 + below(m, m->large ? 6 : 3);
    for (int i = 0; i < steps; i++)
        add_something(m);
    Ref y = gathered(m, x);
    y = y == x ? last_of_width(m) : y;
    if (m->size[y] > 2 || chance(m, 2)) /* or layers on layers would explode */
        y = with_eps(m, OP_rmsnorm, 1, y, 0);
    graph_add_result(m->g, NULL, y);
    module_append(m->m, m->g);
}

static Ref add_call(Maker *m, Ref x, int64_t index)
{
    const Graph *f = m->m->graph[below(m, m->m->n_graphs)];
    Node n = {.op = OP_call, .name = "layer", .text = f->name,
              .n_args = (int)f->n_params, .arg = {x, m->positions},
              .type = f->node[f->result[0].ref].type};
    n.attr[ATTR_index].i = index;
    return add_node(m, n);
}

/* All values that nobody reads, side by side. */
static Ref leaves(Maker *m, Sym sym)
{
    int *uses = graph_uses(m->g->arena, m->g);
    Ref y = NO_REF, n = m->g->n_nodes;
    for (Ref i = m->g->n_params; i < n; i++) {
        const Node *x = &m->g->node[i];
        if (x->type.dtype != BT_f32 || x->type.rank == 0 ||
            x->type.dim[0].sym != sym || x->op == OP_append ||
            x->op == OP_tap || (uses[i] && !chance(m, 30)))
            continue;
        Ref flat = flatten(m, i);
        Ref both = y == NO_REF ? flat : binary(m, OP_concat, y, flat);
        y = both == NO_REF ? y : both;
    }
    return y;
}

static Ref head(Maker *m, Ref x, Ref table)
{
    Ref r = binary(m, OP_rows, x, m->outputs);
    Ref y = chance(m, 3) ? binary(m, OP_matmul, r, table)
                         : product(m, r, some_width(m));
    return y == NO_REF ? r : y;
}

static void make_main(Maker *m)
{
    start(m, GRAPH_ENTRY, "main");
    m->tokens = add_ids(m, "tokens", SYM_T);
    m->positions = add_ids(m, "positions", SYM_T);
    m->outputs = add_ids(m, "outputs", SYM_R);
    Ref table = weight(m, 2, m->width, FUZZ_VOCABULARY, 0);
    Ref x = binary(m, OP_embed, table, m->tokens);
    int64_t calls = below(m, m->large ? 5 : 3);
    for (int64_t i = 0; i < calls; i++) {
        x = add_call(m, x, i);
        if (chance(m, 4))
            add_something(m);
        x = chance(m, 4) ? last_of_width(m) : x;
    }
    int64_t steps = below(m, m->large ? 7 : 4);
    for (int i = 0; i < steps; i++)
        add_something(m);
    head(m, last_of_width(m), table);
    graph_add_result(m->g, "logits", leaves(m, SYM_R));
    Ref hidden = leaves(m, SYM_T);
    graph_add_result(m->g, "hidden", hidden == NO_REF ? x : hidden);
    module_append(m->m, m->g);
}

/* A second entry point with states of its own. */
static void make_draft(Maker *m)
{
    start(m, GRAPH_ENTRY, "draft");
    m->tokens = add_ids(m, "tokens", SYM_T);
    m->positions = add_ids(m, "positions", SYM_T);
    m->outputs = add_ids(m, "outputs", SYM_R);
    Ref h = add_hidden(m, "hidden", m->width);
    Ref table = weight(m, 2, m->width, FUZZ_VOCABULARY, 0);
    binary(m, OP_add, binary(m, OP_embed, table, m->tokens), h);
    for (int i = 0; i < 3; i++)
        add_something(m);
    Ref y = gathered(m, last_of_width(m));
    graph_add_result(m->g, "logits", head(m, y, table));
    graph_add_result(m->g, "hidden", y);
    module_append(m->m, m->g);
}

Module *make_module(Arena *a, Random *r, const FuzzPalette *p)
{
    Maker m = {.r = r, .m = module_new(a, "fuzz"), .palette = p};
    m.width = some_width(&m);
    m.large = chance(&m, 8);
    int64_t layers = chance(&m, 3) ? 2 : 1;
    for (int i = 0; i < layers; i++)
        make_layer(&m, i);
    make_main(&m);
    if (chance(&m, 8))
        make_draft(&m);
    return m.m;
}
