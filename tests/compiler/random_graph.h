/* random_graph.h - modules at random, for tests: a layer function, and a main
 * that calls it and does what models do. */
#ifndef TESTS_COMPILER_RANDOM_GRAPH_H
#define TESTS_COMPILER_RANDOM_GRAPH_H

#include <criterion/criterion.h>
#include <string.h>

#include "compiler/graph.h"

enum { WIDE = 32, HEADS = 4, HEAD = 8, TOKENS = 3, ROWS = 2, STEPS = 2 };

typedef struct {
    uint64_t state;
    Graph *g;
    int n_weights, n_states;
} Maker;

static inline uint32_t below(Maker *m, uint32_t n)
{
    m->state = m->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->state >> 33) % n;
}

/* A value of that shape that is there already, NO_REF if there is none. */
static inline Ref pick(Maker *m, int rank, Sym sym, int64_t last)
{
    Ref found = NO_REF;
    uint32_t n = 0;
    for (Ref i = 0; i < m->g->n_nodes; i++) {
        const Node *x = &m->g->node[i];
        const Type *t = &x->type;
        if (x->op != OP_weight && x->op != OP_state && x->op != OP_append &&
            t->dtype == BT_f32 && t->rank == rank && t->dim[0].sym == sym &&
            type_last(t) == last && below(m, ++n) == 0)
            found = i;
    }
    return found;
}

static inline Ref emit(Maker *m, Op op, int n, const Ref *args, const Attr *attrs)
{
    Ref r;
    Err *e = graph_emit(m->g, op, op_info(op)->name, n, args, attrs, &r);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    return r;
}

static inline Ref view(Maker *m, Op op, Ref x, Type t, int64_t begin)
{
    Node n = {.op = op, .n_args = 1, .arg = {x}, .type = t, .name = "view"};
    n.attr[ATTR_begin].i = begin;
    Err *e = infer_type(m->g, &n, &n.type);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    return graph_add(m->g, n);
}

/* Named after the graph, so that no two functions share a state. */
static inline Ref source(Maker *m, Op op, int rank, const Dim *dims)
{
    char text[80];
    snprintf(text, sizeof text, "%s.%s.{i}.%d", m->g->name, op_info(op)->name,
             op == OP_weight ? (int)below(m, 4) : m->n_states++);
    Node n = {.op = op, .name = op == OP_weight ? "w" : "s",
              .type = type_make(BT_f32, rank, dims)};
    Buf b = {0};
    buf_puts(&b, text);
    for (int i = 0; i < rank; i++)
        buf_printf(&b, ".%d", (int)dims[i].k);
    n.text = arena_strndup(m->g->arena, b.data, b.n);
    buf_free(&b);
    return graph_add(m->g, n);
}

static inline Type by_token(Sym sym, int rank, int64_t a, int64_t b)
{
    return type_make(BT_f32, rank,
                     (Dim[]){dim_sym(sym), dim_const(a), dim_const(b)});
}

static inline void add_elementwise(Maker *m, Ref x)
{
    static const Op one[] = {OP_neg, OP_square, OP_sigmoid, OP_silu, OP_tanh};
    static const Op two[] = {OP_add, OP_sub, OP_mul, OP_max, OP_min};
    const Type *t = &m->g->node[x].type;
    Sym sym = t->dim[0].sym;
    Ref arg[2] = {x, NO_REF};
    Attr half = {.f = 0.5};
    switch (below(m, 5)) {
    case 0:
        emit(m, one[below(m, 5)], 1, arg, NULL);
        return;
    case 1:
        arg[1] = pick(m, t->rank, sym, 1);
        break;
    case 2:
        arg[1] = source(m, OP_weight, 1, (Dim[]){dim_const(type_last(t))});
        break;
    case 3:
        arg[1] = emit(m, OP_const, 0, NULL, &half);
        break;
    default:
        arg[1] = pick(m, t->rank, sym, type_last(t));
    }
    if (arg[1] != NO_REF)
        emit(m, two[below(m, 5)], 2, arg, NULL);
}

static inline void add_row(Maker *m, Ref x)
{
    static const Op ops[] = {OP_sum, OP_mean, OP_softmax, OP_rmsnorm, OP_l2norm};
    Attr eps = {.f = 1e-6};
    emit(m, ops[below(m, 5)], 1, &x, &eps);
}

static inline void add_matmul(Maker *m, Ref x)
{
    Ref arg[2] = {x};
    int64_t out = below(m, 2) ? WIDE : 1;
    arg[1] = source(m, OP_weight, 2, (Dim[]){dim_const(WIDE), dim_const(out)});
    emit(m, OP_matmul, 2, arg, NULL);
}

/* Heads and back, halves and back. */
static inline void add_views(Maker *m, Ref x)
{
    Sym sym = m->g->node[x].type.dim[0].sym;
    Ref arg[2];
    if (below(m, 2)) {
        Ref h = view(m, OP_reshape, x, by_token(sym, 3, HEADS, HEAD), 0);
        add_row(m, h);
        if (below(m, 2))
            view(m, OP_reshape, h, by_token(sym, 2, WIDE, 0), 0);
        return;
    }
    for (int i = 0; i < 2; i++)
        arg[i] = view(m, OP_slice, x, by_token(sym, 2, WIDE / 2, 0),
                      (int64_t)below(m, WIDE / 2 + 1));
    emit(m, OP_concat, 2, arg, NULL);
}

static inline void add_attention(Maker *m)
{
    Ref arg[3], append[2];
    Attr scale = {.f = 0.25};
    for (int i = 0; i < 3; i++)
        if ((arg[i] = pick(m, 3, SYM_T, HEAD)) == NO_REF)
            return;
    for (int i = 0; i < 2; i++) {
        append[0] = arg[i + 1];
        append[1] = source(m, OP_state, 3,
                           (Dim[]){dim_sym(SYM_C), dim_const(HEADS),
                                   dim_const(HEAD)});
        arg[i + 1] = emit(m, OP_append, 2, append, NULL);
    }
    emit(m, OP_attention, 3, arg, &scale);
}

static inline void add_conv(Maker *m, Ref x)
{
    Ref arg[3] = {x};
    arg[1] = source(m, OP_weight, 2, (Dim[]){dim_const(3), dim_const(WIDE)});
    arg[2] = source(m, OP_state, 2, (Dim[]){dim_const(2), dim_const(WIDE)});
    emit(m, OP_causal_conv1d, 3, arg, NULL);
}

static inline void add_random(Maker *m)
{
    Sym sym = below(m, 8) ? SYM_T : SYM_R;
    Ref x = pick(m, below(m, 4) ? 2 : 3, sym,
                 below(m, 6) == 0 ? 1 : below(m, 4) ? WIDE : HEAD);
    if (x == NO_REF)
        return;
    const Type *t = &m->g->node[x].type;
    bool wide = t->rank == 2 && type_last(t) == WIDE;
    switch (below(m, 8)) {
    case 0:
        add_row(m, x);
        break;
    case 1:
    case 2:
        if (wide)
            add_matmul(m, x);
        break;
    case 3:
        if (wide)
            add_views(m, x);
        break;
    case 4:
        add_attention(m);
        break;
    case 5:
        if (wide && t->dim[0].sym == SYM_T)
            add_conv(m, x);
        break;
    default:
        add_elementwise(m, x);
    }
}

static inline Graph *start(Maker *m, Module *to, GraphKind kind, const char *name)
{
    Node x = {.op = OP_input, .name = "x",
              .type = by_token(SYM_T, 2, WIDE, 0)};
    m->g = module_add(to, kind, name);
    graph_add(m->g, x);
    m->g->n_params = 1;
    m->n_states = 0;
    return m->g;
}

static inline void make_layer(Maker *m, Module *to)
{
    Graph *g = start(m, to, GRAPH_FUNC, "layer");
    for (int i = 0; i < 12; i++)
        add_random(m);
    Ref arg[2] = {0, pick(m, 2, SYM_T, WIDE)};
    graph_add_result(g, NULL, emit(m, OP_add, 2, arg, NULL));
}

/* main(x: f32[T,32], ids: i32[R]) -> (y: f32[T,32], z: f32[R,32], last: any
 * shape); the same for the same seed. */
static inline Module *random_module(Arena *a, uint64_t seed)
{
    Module *to = module_new(a, "t");
    Maker m = {.state = seed * 77 + 1};
    make_layer(&m, to);
    Graph *g = start(&m, to, GRAPH_ENTRY, "main");
    Node ids = {.op = OP_input, .name = "ids",
                .type = type_make(BT_i32, 1, (Dim[]){dim_sym(SYM_R)})};
    Ref rows[2] = {0, graph_add(g, ids)};
    g->n_params++;
    for (int i = 0; i < 25; i++) {
        add_random(&m);
        rows[0] = pick(&m, 2, SYM_T, WIDE);
        if (i % 10 == 0) {
            Node call = {.op = OP_call, .name = "l", .text = "layer",
                         .n_args = 1, .arg = {rows[0]},
                         .type = g->node[0].type};
            call.attr[ATTR_index].i = i / 10;
            graph_add(g, call);
        }
        if (i % 12 == 3)
            emit(&m, OP_rows, 2, rows, NULL);
    }
    graph_add_result(g, "y", pick(&m, 2, SYM_T, WIDE));
    graph_add_result(g, "z", pick(&m, 2, SYM_R, WIDE));
    graph_add_result(g, "last", g->n_nodes - 1);
    for (Ref i = g->n_nodes - 1; g->node[i].type.rank == 0 ||
                                 g->node[i].type.dim[0].sym == SYM_C ||
                                 g->node[i].op == OP_weight ||
                                 g->node[i].op == OP_state;)
        g->result[2].ref = --i;
    return to;
}

#endif
