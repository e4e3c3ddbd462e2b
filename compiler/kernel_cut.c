#include "compiler/kernel_cut.h"

#include <string.h>

/* ---- what a group reads and makes ---- */

/* The value behind views; an append is its state to everybody else. */
static Ref root_of(const Graph *g, Ref r, int kernel)
{
    r = graph_behind_views(g, r);
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

KernelCutter *kernel_cutter(Arena *a, const Graph *g)
{
    KernelCutter *c = ARENA_NEW(a, KernelCutter);
    c->g = g;
    c->first = ARENA_ARRAY(a, Ref, g->n_groups + 1);
    c->wanted = ARENA_ARRAY(a, bool, g->n_nodes + 1);
    c->map = ARENA_ARRAY(a, Ref, g->n_nodes + 1);
    c->cut = ARENA_ARRAY(a, int, g->n_nodes + 1);
    for (Ref i = g->n_nodes; i-- > 0;) {
        const Node *n = &g->node[i];
        c->wanted[i] = c->wanted[i] || n->op == OP_tap;
        if (n->kernel >= 0)
            c->first[n->kernel] = i;
        for (int k = 0; k < n->n_args && !node_is_view(n); k++) {
            Ref root = graph_behind_views(g, n->arg[k]);
            if (n->kernel < 0 || g->node[root].kernel != n->kernel)
                c->wanted[root] = true;
        }
    }
    for (int i = 0; i < g->n_results; i++)
        c->wanted[graph_behind_views(g, g->result[i].ref)] = true;
    return c;
}

/* The node behind the group's last. */
static Ref group_end(const Graph *g, Ref first)
{
    Ref end = first;
    while (end < g->n_nodes && g->node[end].kernel == g->node[first].kernel)
        end++;
    return end;
}

static Err *find_args(Arena *a, const KernelCutter *c, int k, KernelCut *out)
{
    const Graph *g = c->g;
    Ref first = c->first[k], end = group_end(g, first);
    Ref *list = ARENA_ARRAY(a, Ref, (end - first) * (MAX_ARGS + 1));
    int n = 0;
    for (Ref i = first; i < end; i++)
        for (int j = 0; j < g->node[i].n_args; j++) {
            Ref root = root_of(g, g->node[i].arg[j], k);
            if (is_outside(g, root, k))
                add_once(list, &n, root);
        }
    out->n_params = n;
    for (Ref i = first; i < end; i++)
        if (c->wanted[i] && g->node[i].op != OP_append && !node_is_view(&g->node[i]))
            list[n++] = i;
    out->args = list;
    out->n_args = n;
    return n ? NULL
             : err_new(ERR_INPUT, "@%s: kernel %s has no arguments", g->name,
                       g->group[k].name);
}

/* ---- outlining ---- */

typedef struct {
    KernelCutter *c;
    int kernel;
    Graph *to;
} Outline;

/* What node r became: NO_REF as long as it is not there. */
static Ref known(const Outline *o, Ref r)
{
    return o->c->cut[r] == o->c->n_cuts ? o->c->map[r] : NO_REF;
}

static Ref remember(const Outline *o, Ref r, Ref to)
{
    o->c->cut[r] = o->c->n_cuts;
    return o->c->map[r] = to;
}

static Ref add_numbered(const Outline *o, char letter, uint32_t i, Node n)
{
    char name[16];
    snprintf(name, sizeof name, "%c%u", letter, i);
    n.name = arena_strndup(o->to->arena, name, strlen(name));
    return graph_add(o->to, n);
}

static void add_param(const Outline *o, Ref r)
{
    const Node *n = &o->c->g->node[r];
    Node p = {.op = n->op == OP_weight || n->op == OP_state ? n->op : OP_input,
              .type = n->type};
    remember(o, r, add_numbered(o, 'p', o->to->n_params, p));
    o->to->n_params++;
}

/* Views and constants are cheap: every kernel makes its own. */
static Ref bring(const Outline *o, Ref r)
{
    Node n = o->c->g->node[r];
    if (known(o, r) != NO_REF)
        return known(o, r);
    if (n.op == OP_append && n.kernel != o->kernel)
        return remember(o, r, bring(o, n.arg[1]));
    for (int i = 0; i < n.n_args; i++)
        n.arg[i] = bring(o, n.arg[i]);
    return remember(o, r, add_numbered(o, 'v', o->to->n_nodes - o->to->n_params, n));
}

Err *kernel_cut(Arena *a, KernelCutter *c, int k, const char *name,
                KernelCut *out)
{
    const Graph *g = c->g;
    Outline o = {c, k, graph_new(a, GRAPH_FUNC, name)};
    c->n_cuts++;
    TRY(find_args(a, c, k, out));
    for (int i = 0; i < out->n_params; i++)
        add_param(&o, out->args[i]);
    Ref first = c->first[k], end = group_end(g, first);
    for (Ref i = first; i < end; i++)
        if (!node_is_view(&g->node[i]))
            bring(&o, i);
    for (int i = out->n_params; i < out->n_args; i++)
        graph_add_result(o.to, NULL, known(&o, out->args[i]));
    out->fn = o.to;
    Err *e = kernel_verify(o.to);
    return e ? err_note(e, "kernel %s of @%s", g->group[k].name, g->name)
             : NULL;
}
