/* recompute.c - a norm and a rounding of its own for a kernel that reads them.
 *
 * Products read values that are normed and rounded first.  On a GPU every block
 * of a product can do that for itself, in about the time of a launch, if nobody
 * else reads the result: so a set of products with one left side, the only one
 * that reads a norm, gets nodes of its own, which the rules *_prologue then join
 * to it.  A norm for several sets is quicker computed once.  Only with
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
    int *sets; /* by node of `from`: sets of products that read it */
    Own *own;
    int n, made;
} Recompute;

static bool is_row_value(const Node *n)
{
    return n->op == OP_rmsnorm || n->op == OP_quantize;
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
    if (at < r->from->n_params || (!is_row_value(&n) && !node_is_view(&n)))
        return r->map[at];
    n.arg[0] = copy_chain(r, n.arg[0]);
    for (int k = 1; k < n.n_args; k++)
        n.arg[k] = r->map[n.arg[k]];
    r->made += is_row_value(&n);
    return add_node(r, n);
}

static bool has_row_value(const Graph *g, Ref at)
{
    at = graph_behind_views(g, at);
    return at >= g->n_params && is_row_value(&g->node[at]);
}

static Own *find_set(Recompute *r, const Node *n)
{
    Ref ids = n->n_args > 2 ? n->arg[2] : NO_REF;
    for (int i = 0; i < r->n; i++)
        if (r->own[i].left == n->arg[0] && r->own[i].ids == ids)
            return &r->own[i];
    Own *o = &r->own[r->n++];
    *o = (Own){n->arg[0], ids, NO_REF};
    return o;
}

/* Counts sets at every norm and rounding they read. */
static void count_sets(Recompute *r)
{
    for (Ref i = 0; i < r->from->n_nodes; i++) {
        const Node *n = &r->from->node[i];
        int before = r->n;
        if (!is_product(n) || (find_set(r, n), r->n == before))
            continue;
        for (Ref at = n->arg[0];
             at >= r->from->n_params && (is_row_value(&r->from->node[at]) ||
                                         node_is_view(&r->from->node[at]));
             at = r->from->node[at].arg[0])
            r->sets[at]++;
    }
}

static bool is_shared(const Recompute *r, Ref at)
{
    for (; at >= r->from->n_params; at = r->from->node[at].arg[0]) {
        const Node *n = &r->from->node[at];
        if (!is_row_value(n) && !node_is_view(n))
            return false;
        if (r->sets[at] > 1)
            return true;
    }
    return false;
}

static Ref own_left(Recompute *r, const Node *n)
{
    Own *o = find_set(r, n);
    if (o->made == NO_REF)
        o->made = copy_chain(r, n->arg[0]);
    return o->made;
}

static void copy_nodes(Recompute *r)
{
    for (Ref i = 0; i < r->from->n_nodes; i++) {
        Node n = r->from->node[i];
        for (int k = 0; k < n.n_args; k++)
            n.arg[k] = r->map[n.arg[k]];
        if (is_product(&n) && has_row_value(r->from, r->from->node[i].arg[0]) &&
            !is_shared(r, r->from->node[i].arg[0]))
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
                  !(is_row_value(n) || node_is_view(n));
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
                       .sets = ARENA_ARRAY(c->arena, int, g->n_nodes + 1),
                       .own = ARENA_ARRAY(c->arena, Own, g->n_nodes + 1)};
        count_sets(&r);
        copy_nodes(&r);
        drop_unread(&r);
        pass_explain(c, "recompute",
                     "@%s: %d norms and roundings for %d sets of products",
                     g->name, r.made, r.n);
    }
    *m = out;
    return NULL;
}
