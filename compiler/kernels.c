#include "compiler/kernels.h"

#include <string.h>

const char *const kernel_class_name[KERNEL_CLASS_COUNT] = {
    "row", "matmul", "experts", "attention", "conv", "delta"};

static KernelClass class_of_kind(OpKind k)
{
    switch (k) {
    case KIND_MATMUL:
        return KERNEL_MATMUL;
    case KIND_EXPERTS:
        return KERNEL_EXPERTS;
    case KIND_ATTENTION:
        return KERNEL_ATTENTION;
    case KIND_CONV:
        return KERNEL_CONV;
    case KIND_DELTA:
        return KERNEL_DELTA;
    case KIND_SRC:
    case KIND_VIEW:
    case KIND_EW:
    case KIND_ROW:
    case KIND_COMM:
    case KIND_CALL:
        break;
    }
    return KERNEL_ROW;
}

KernelClass kernel_class(const Graph *k)
{
    for (Ref i = 0; i < k->n_nodes; i++) {
        KernelClass c = class_of_kind(op_info(k->node[i].op)->kind);
        if (c != KERNEL_ROW)
            return c;
    }
    return KERNEL_ROW;
}

/* ---- what a group reads and makes ---- */

static bool is_view(const Node *n) { return op_info(n->op)->kind == KIND_VIEW; }

/* The value behind views; an append is its state to everybody else. */
static Ref root_of(const Graph *g, Ref r, int kernel)
{
    while (is_view(&g->node[r]))
        r = g->node[r].arg[0];
    if (g->node[r].op == OP_append && g->node[r].kernel != kernel)
        return g->node[r].arg[1];
    return r;
}

static bool is_outside(const Graph *g, Ref root, int kernel)
{
    return g->node[root].op != OP_const &&
           (root < g->n_params || g->node[root].kernel != kernel);
}

static void add_once(Ref *list, int *n, Ref r)
{
    for (int i = 0; i < *n; i++)
        if (list[i] == r)
            return;
    list[(*n)++] = r;
}

/* Values of the group that somebody else needs as a buffer. */
static bool *mark_results(Arena *a, const Graph *g, int k)
{
    bool *out = ARENA_ARRAY(a, bool, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        if (n->kernel == k && n->op == OP_tap)
            out[i] = true;
        if (n->kernel == k || is_view(n))
            continue;
        for (int j = 0; j < n->n_args; j++)
            out[root_of(g, n->arg[j], k)] = true;
    }
    for (int i = 0; i < g->n_results; i++)
        out[root_of(g, g->result[i].ref, k)] = true;
    return out;
}

static Err *find_args(Arena *a, const Graph *g, int k, KernelCut *c)
{
    Ref *list = ARENA_ARRAY(a, Ref, g->n_nodes + 1);
    bool *wanted = mark_results(a, g, k);
    int n = 0;
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *node = &g->node[i];
        if (node->kernel != k)
            continue;
        for (int j = 0; j < node->n_args; j++) {
            Ref root = root_of(g, node->arg[j], k);
            if (is_outside(g, root, k))
                add_once(list, &n, root);
        }
    }
    c->n_params = n;
    for (Ref i = 0; i < g->n_nodes; i++)
        if (g->node[i].kernel == k && wanted[i] && g->node[i].op != OP_append &&
            !is_view(&g->node[i]))
            list[n++] = i;
    c->args = list;
    c->n_args = n;
    return n ? NULL
             : err_new(ERR_INPUT, "@%s: kernel %s has no arguments", g->name,
                       g->group[k].name);
}

/* ---- outlining ---- */

typedef struct {
    const Graph *g;
    int kernel;
    Graph *to;
    Ref *map;
} Outline;

static void add_param(Outline *o, Ref r)
{
    const Node *n = &o->g->node[r];
    char name[16];
    snprintf(name, sizeof name, "p%u", o->to->n_params);
    Node p = {.op = n->op == OP_weight || n->op == OP_state ? n->op : OP_input,
              .name = arena_strndup(o->to->arena, name, strlen(name)),
              .type = n->type};
    o->map[r] = graph_add(o->to, p);
    o->to->n_params++;
}

/* Views and constants are cheap: every kernel makes its own. */
static Ref bring(Outline *o, Ref r)
{
    Node n = o->g->node[r];
    if (o->map[r] != NO_REF)
        return o->map[r];
    if (n.op == OP_append && n.kernel != o->kernel)
        return o->map[r] = bring(o, n.arg[1]);
    for (int i = 0; i < n.n_args; i++)
        n.arg[i] = bring(o, n.arg[i]);
    char name[16];
    snprintf(name, sizeof name, "v%u", o->to->n_nodes - o->to->n_params);
    n.name = arena_strndup(o->to->arena, name, strlen(name));
    o->map[r] = graph_add(o->to, n);
    return o->map[r];
}

Err *kernel_cut(Arena *a, const Graph *g, int k, const char *name,
                KernelCut *out)
{
    Outline o = {g, k, graph_new(a, GRAPH_FUNC, name),
                 ARENA_ARRAY(a, Ref, g->n_nodes + 1)};
    TRY(find_args(a, g, k, out));
    for (Ref i = 0; i < g->n_nodes; i++)
        o.map[i] = NO_REF;
    for (int i = 0; i < out->n_params; i++)
        add_param(&o, out->args[i]);
    for (Ref i = 0; i < g->n_nodes; i++)
        if (g->node[i].kernel == k && !is_view(&g->node[i]))
            bring(&o, i);
    for (int i = out->n_params; i < out->n_args; i++)
        graph_add_result(o.to, NULL, o.map[out->args[i]]);
    out->fn = o.to;
    Err *e = kernel_verify(o.to);
    return e ? err_note(e, "kernel %s of @%s", g->group[k].name, g->name)
             : NULL;
}

/* ---- what back ends may rely on ---- */

static Err *bad(const Graph *k, const Node *n, const char *what)
{
    return err_new(ERR_INPUT, "%s %%%s in a %s kernel: %s",
                   op_info(n->op)->name, n->name,
                   kernel_class_name[kernel_class(k)], what);
}

static bool is_made(const Graph *k, Ref r)
{
    return r >= k->n_params && k->node[r].op != OP_const &&
           !is_view(&k->node[r]);
}

static Ref behind_views(const Graph *k, Ref r)
{
    while (is_view(&k->node[r]))
        r = k->node[r].arg[0];
    return r;
}

/* Row kernels: one symbol, whole rows; picked rows come from outside. */
static Err *verify_row(const Graph *k)
{
    Sym sym = SYM_COUNT;
    for (Ref i = k->n_params; i < k->n_nodes; i++) {
        const Node *n = &k->node[i];
        if (!is_made(k, i) || n->op == OP_append)
            continue;
        Sym s = n->type.rank ? n->type.dim[0].sym : SYM_ONE;
        if (sym == SYM_COUNT)
            sym = s;
        if (s != sym || (s != SYM_ONE && n->type.dim[0].k != 1))
            return bad(k, n, "rows of another axis");
        if (n->op == OP_rows && is_made(k, behind_views(k, n->arg[0])))
            return bad(k, n, "picks rows of a value made here");
    }
    return NULL;
}

/* What an epilogue may read besides values of its own shape. */
static bool epilogue_operand(const Graph *k, const Type *y, Ref r)
{
    const Type *t = &k->node[r].type;
    if (k->node[r].op == OP_const || t->rank == 0)
        return true;
    bool same = t->rank == y->rank;
    for (int i = 0; same && i < y->rank; i++)
        same = dim_equal(t->dim[i], y->dim[i]) ||
               (i == y->rank - 1 && dim_equal(t->dim[i], dim_const(1)));
    return same || (t->rank == 1 && dim_equal(t->dim[0], y->dim[y->rank - 1]));
}

static Err *verify_epilogue(const Graph *k, const Node *n)
{
    if (op_info(n->op)->kind != KIND_EW)
        return bad(k, n, "only elementwise operations follow the product");
    for (int i = 0; i < n->n_args; i++) {
        const Node *x = &k->node[n->arg[i]];
        if (is_made(k, n->arg[i]) && !type_equal(&x->type, &n->type))
            return bad(k, n, "reads a value of another shape");
        if (!epilogue_operand(k, &n->type, n->arg[i]))
            return bad(k, n, "reads an operand that does not line up");
        if (x->op == OP_slice)
            return bad(k, n, "reads part of a row");
    }
    return NULL;
}

/* One anchor, or several products of one input; then elementwise. */
static Err *verify_anchored(const Graph *k, KernelClass c)
{
    Ref x = NO_REF;
    bool many = c == KERNEL_MATMUL || c == KERNEL_EXPERTS;
    for (Ref i = k->n_params; i < k->n_nodes; i++) {
        const Node *n = &k->node[i];
        if (!is_made(k, i))
            continue;
        if (class_of_kind(op_info(n->op)->kind) == KERNEL_ROW) {
            if (c != KERNEL_DELTA || n->op != OP_rmsnorm)
                TRY(verify_epilogue(k, n));
            continue;
        }
        if (x != NO_REF && (!many || n->arg[0] != x))
            return bad(k, n, "more than one input");
        x = n->arg[0];
        for (int j = 0; j < n->n_args; j++)
            if (is_made(k, behind_views(k, n->arg[j])))
                return bad(k, n, "reads a value made in the same kernel");
    }
    return NULL;
}

Err *kernel_verify(const Graph *k)
{
    KernelClass c = kernel_class(k);
    return c == KERNEL_ROW ? verify_row(k) : verify_anchored(k, c);
}
