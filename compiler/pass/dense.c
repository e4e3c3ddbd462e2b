/* dense.c - copies of what kernels could not read where it lies.
 *
 * A view costs nothing but address arithmetic as long as its reader finds what
 * it needs in one piece: a product the rows of its input at one stride, a
 * convolution the channels of a token, the delta rule the rows of its heads.
 * Part of each head, flattened, has gaps: such a value is multiplied by one,
 * which gives it memory of its own. */
#include "compiler/pass.h"

/* What lies between a value and what it is a view of. */
typedef struct {
    int slices;
    int64_t rows, size; /* of the slice: for each token `rows` pieces of `size` */
} View;

static View look_through(const Graph *g, Ref x)
{
    View v = {0, 1, 0};
    for (; op_info(g->node[x].op)->kind == KIND_VIEW; x = g->node[x].arg[0]) {
        const Type *t = &g->node[x].type;
        if (g->node[x].op != OP_slice)
            continue;
        v.slices++;
        v.size = type_last(t);
        v.rows = type_elements(t).k / v.size;
    }
    return v;
}

/* `rows` rows a token, all at one stride */
static bool suits_product(const View *v, const Type *x)
{
    int64_t width = type_last(x), rows = type_elements(x).k / width;
    return (rows == 1 && v->rows == 1) ||
           (rows == v->rows && width == v->size);
}

static bool suits(const View *v, const Type *x, OpKind reader, int arg)
{
    if (v->slices != 1)
        return v->slices == 0;
    switch ((int)reader) {
    case KIND_MATMUL:
    case KIND_EXPERTS:
        return arg != 0 || suits_product(v, x);
    case KIND_CONV:
        return v->rows == 1;
    case KIND_DELTA:
        return arg > 2 || v->rows == 1 || v->size % type_last(x) == 0;
    default:
        return true;
    }
}

static bool wants_copy(const Graph *g, const Node *n, int k)
{
    OpKind kind = op_info(n->op)->kind;
    const Node *x = &g->node[n->arg[k]];
    if (kind != KIND_MATMUL && kind != KIND_EXPERTS && kind != KIND_CONV &&
        kind != KIND_DELTA && kind != KIND_ATTENTION)
        return false;
    View v = look_through(g, n->arg[k]);
    return x->type.dtype == BT_f32 && x->type.rank &&
           x->type.dim[0].sym != SYM_C && !suits(&v, &x->type, kind, k);
}

static Err *add_copy(Graph *to, Ref x, Ref *out)
{
    Attr one = {.f = 1};
    Ref arg[] = {x, NO_REF};
    TRY(graph_emit(to, OP_const, "one", 0, NULL, &one, &arg[1]));
    return graph_emit(to, OP_mul, "copy", 2, arg, NULL, out);
}

static Err *copy_graph(PassContext *c, const Graph *g, Graph *to)
{
    Ref *map = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1);
    Ref *copied = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1); /* 0: not */
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node n = g->node[i];
        for (int k = 0; k < n.n_args; k++) {
            Ref x = g->node[i].arg[k];
            n.arg[k] = map[x];
            if (!wants_copy(g, &g->node[i], k))
                continue;
            if (!copied[x])
                TRY(add_copy(to, map[x], &copied[x]));
            n.arg[k] = copied[x];
        }
        map[i] = graph_add(to, n);
    }
    to->n_params = g->n_params;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, map[g->result[i].ref]);
    return NULL;
}

static bool needs_copies(const Graph *g)
{
    for (Ref i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_args; k++)
            if (wants_copy(g, &g->node[i], k))
                return true;
    return false;
}

PassFn pass_dense;
Err *pass_dense(PassContext *c, Module **m)
{
    Module *out = module_new(c->arena, (*m)->name);
    for (int i = 0; i < (*m)->n_graphs; i++) {
        Graph *g = (*m)->graph[i];
        if (!needs_copies(g)) {
            module_append(out, g);
            continue;
        }
        pass_explain(c, "dense", "@%s: a view has gaps where its reader has "
                                 "none: copied", g->name);
        Graph *to = module_add(out, g->kind, g->name);
        TRY(copy_graph(c, g, to));
    }
    *m = out;
    return NULL;
}
