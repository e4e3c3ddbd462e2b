/* test_random.c - random row kernels: views, broadcasts, reductions and
 * elementwise chains in any order, against the interpreter.  What is tested is
 * which nodes share a loop and where values lie; the seed is fixed. */
#include <stdio.h>

#include "rig.h"

enum { FUNCS = 150, MAX_STEPS = 14 };

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};

static Ref pick_value(const Graph *g) { return (Ref)rig_below(g->n_nodes); }

/* Adds the node if its type rule accepts it, it scales with T (a row kernel has
 * one axis of rows) and is not too large. */
static bool try_node(Graph *g, Node n)
{
    n.name = "v";
    Err *e = infer_type(g, &n, &n.type);
    bool fits = !e && n.type.rank && dim_equal(n.type.dim[0], dim_sym(SYM_T)) &&
                type_elements(&n.type).k <= 4000;
    err_free(e);
    if (fits)
        graph_add(g, n);
    return fits;
}

static Node node_of(Op op, int n_args, Ref a, Ref b)
{
    Node n = {.op = op, .n_args = n_args, .arg = {a, b}};
    return n;
}

static bool add_unary(Graph *g)
{
    static const Op op[] = {OP_sigmoid, OP_tanh, OP_silu, OP_neg,
                            OP_abs,     OP_gelu, OP_relu, OP_softplus};
    return try_node(g, node_of(op[rig_below(8)], 1, pick_value(g), 0));
}

/* Two values of any shapes, until the op takes them. */
static bool add_pair(Graph *g, Op op)
{
    for (int i = 0; i < 20; i++)
        if (try_node(g, node_of(op, 2, pick_value(g), pick_value(g))))
            return true;
    return false;
}

static bool add_binary(Graph *g)
{
    static const Op op[] = {OP_add, OP_mul, OP_max, OP_min};
    return add_pair(g, op[rig_below(4)]);
}

static bool add_concat(Graph *g) { return add_pair(g, OP_concat); }

static bool add_reduction(Graph *g)
{
    static const Op op[] = {OP_sum, OP_mean, OP_softmax, OP_rmsnorm, OP_l2norm};
    Node n = node_of(op[rig_below(5)], 1, pick_value(g), 0);
    if (op_info(n.op)->n_attrs)
        n.attr[ATTR_eps].f = 1e-3;
    return try_node(g, n);
}

static bool add_slice(Graph *g)
{
    Node n = node_of(OP_slice, 1, pick_value(g), 0);
    n.type = g->node[n.arg[0]].type;
    if (n.type.rank < 2)
        return false;
    int64_t last = type_last(&n.type), size = 1 + rig_below(last);
    n.type.dim[n.type.rank - 1] = dim_const(size);
    n.attr[ATTR_begin].i = rig_below(last - size + 1);
    return try_node(g, n);
}

/* Splits the last axis in two, or joins the last two. */
static bool add_reshape(Graph *g)
{
    Node n = node_of(OP_reshape, 1, pick_value(g), 0);
    Type *t = &n.type;
    *t = g->node[n.arg[0]].type;
    int64_t last = type_last(t), by = 2 + rig_below(3);
    if (t->rank > 2 && rig_below(2)) {
        t->rank--;
        t->dim[t->rank - 1].k *= last;
    } else if (t->rank > 1 && t->rank < MAX_RANK && last % by == 0) {
        t->dim[t->rank - 1] = dim_const(last / by);
        t->dim[t->rank++] = dim_const(by);
    } else {
        return false;
    }
    return try_node(g, n);
}

static void add_param(Graph *g, Op op, const char *name, Type t)
{
    Node n = {.op = op, .name = name, .type = t};
    graph_add(g, n);
    g->n_params++;
}

static void add_params(Graph *g)
{
    Dim t = dim_sym(SYM_T), h = dim_const(1 + rig_below(5));
    Dim d = dim_const(1 + rig_below(40)), one = dim_const(1);
    Dim all = dim_const(h.k * d.k);
    add_param(g, OP_input, "a", type_make(BT_f32, 3, (Dim[]){t, h, d}));
    add_param(g, OP_input, "b", type_make(BT_f32, 2, (Dim[]){t, all}));
    add_param(g, OP_input, "c", type_make(BT_f32, 3, (Dim[]){t, h, one}));
    add_param(g, OP_weight, "w", type_make(BT_bf16, 1, &d));
}

static void add_results(Graph *g)
{
    for (Ref n = g->n_params; n < g->n_nodes; n++)
        if (n + 1 == g->n_nodes || rig_below(4) == 0)
            graph_add_result(g, NULL, n);
}

static bool (*const add[])(Graph *) = {add_unary,     add_unary,  add_binary,
                                       add_binary,    add_concat, add_slice,
                                       add_reduction, add_reshape};

static void random_func(Module *m, const char *name)
{
    Graph *g = module_add(m, GRAPH_FUNC, name);
    add_params(g);
    int steps = 3 + (int)rig_below(MAX_STEPS - 2);
    for (int i = 0; i < steps || g->n_nodes < 6; i++)
        add[rig_below(8)](g);
    add_results(g);
}

static char *random_text(void)
{
    Arena *a = arena_new();
    Module *m = module_new(a, "t");
    char *text = NULL, name[16];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < FUNCS; i++) {
        snprintf(name, sizeof name, "f%d", i);
        random_func(m, arena_strndup(a, name, strlen(name)));
        graph_print(m->graph[i], f);
    }
    fclose(f);
    arena_free(a);
    return text;
}

Test(random, row_kernels)
{
    char *text = random_text(), name[16];
    for (int k = 0; k < 3; k++) {
        Rig r = rig_new(cpus[k], text, 8);
        for (int i = 0; i < FUNCS; i++) {
            snprintf(name, sizeof name, "f%d", i);
            rig_run(&r, name, (RigStep){3, 1, 0, 8}, (RigOptions){1e-9, NULL});
        }
        rig_free(&r);
    }
    free(text);
}
