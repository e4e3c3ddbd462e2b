/* recompute.c - a norm and a rounding for each kernel that reads them.
 *
 * Products read values that are normed and rounded first.  On a GPU every block
 * of a product can do that for itself in less time than a launch takes, if it
 * need not share the result: so each set of products with one left side gets
 * nodes of its own, which the rules *_prologue then join to it.  Only with
 * --fuse=layer. */
#include "compiler/pass.h"

/* Products that would be one launch: they read the same values and choices. */
typedef struct {
    Ref left, ids; /* of the old graph */
    Ref made;      /* of the new one */
} Own;

typedef struct {
    PassContext *c;
    const Graph *from;
    Graph *to;
    Ref *map;
    Own *own;
    int n, made;
} Recompute;

static bool is_row_value(const Node *n)
{
    return n->op == OP_rmsnorm || n->op == OP_quantize;
}

static bool is_view(const Node *n)
{
    return op_info(n->op)->kind == KIND_VIEW;
}

static bool is_product(const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    return k == KIND_MATMUL || k == KIND_EXPERTS;
}

static Ref add_node(Recompute *r, Node n)
{
    Ref at = graph_add(r->to, n);
    r->to->node[at].device = n.device;
    return at;
}

/* The value in `to` of a chain of norms, roundings and views, made anew. */
static Ref copy_chain(Recompute *r, Ref at)
{
    Node n = r->from->node[at];
    if (at < r->from->n_params || (!is_row_value(&n) && !is_view(&n)))
        return r->map[at];
    n.arg[0] = copy_chain(r, n.arg[0]);
    for (int k = 1; k < n.n_args; k++)
        n.arg[k] = r->map[n.arg[k]];
    r->made += is_row_value(&n);
    return add_node(r, n);
}

static bool has_row_value(const Graph *g, Ref at)
{
    while (is_view(&g->node[at]))
        at = g->node[at].arg[0];
    return at >= g->n_params && is_row_value(&g->node[at]);
}

static Ref own_left(Recompute *r, const Node *n)
{
    Ref ids = n->n_args > 2 ? n->arg[2] : NO_REF;
    for (int i = 0; i < r->n; i++)
        if (r->own[i].left == n->arg[0] && r->own[i].ids == ids)
            return r->own[i].made;
    Own *o = &r->own[r->n++];
    *o = (Own){n->arg[0], ids, copy_chain(r, n->arg[0])};
    return o->made;
}

static void copy_nodes(Recompute *r)
{
    for (Ref i = 0; i < r->from->n_nodes; i++) {
        Node n = r->from->node[i];
        for (int k = 0; k < n.n_args; k++)
            n.arg[k] = r->map[n.arg[k]];
        if (is_product(&n) && has_row_value(r->from, r->from->node[i].arg[0]))
            n.arg[0] = own_left(r, &r->from->node[i]);
        r->map[i] = add_node(r, n);
    }
    r->to->n_params = r->from->n_params;
    for (int i = 0; i < r->from->n_results; i++)
        graph_add_result(r->to, r->from->result[i].name,
                         r->map[r->from->result[i].ref]);
}

/* Norms, roundings and views that nobody reads any more. */
static void drop_unread(Recompute *r)
{
    Graph *g = r->to;
    bool *keep = ARENA_ARRAY(r->c->arena, bool, g->n_nodes + 1);
    for (int i = 0; i < g->n_results; i++)
        keep[g->result[i].ref] = true;
    for (Ref i = g->n_nodes; i-- > 0;) {
        const Node *n = &g->node[i];
        keep[i] = keep[i] || i < g->n_params ||
                  !(is_row_value(n) || is_view(n));
        for (int k = 0; keep[i] && k < n->n_args; k++)
            keep[n->arg[k]] = true;
    }
    graph_compact(g, keep);
}

PassFn pass_recompute;
Err *pass_recompute(PassContext *c, Module **m)
{
    if (c->settings->fuse < FUSE_LAYER)
        return NULL;
    Module *out = module_new(c->arena, (*m)->name);
    for (int i = 0; i < (*m)->n_graphs; i++) {
        const Graph *g = (*m)->graph[i];
        Recompute r = {.c = c, .from = g,
                       .to = module_add(out, g->kind, g->name),
                       .map = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1),
                       .own = ARENA_ARRAY(c->arena, Own, g->n_nodes + 1)};
        copy_nodes(&r);
        drop_unread(&r);
        pass_explain(c, "recompute",
                     "@%s: %d norms and roundings for %d sets of products",
                     g->name, r.made, r.n);
    }
    *m = out;
    return NULL;
}
