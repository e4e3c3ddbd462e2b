/* expand.c - calls become what they call, and functions go.
 *
 * From here on an entry is one graph, in which layer 3's value %x is %l3.x and
 * its weights and states carry their full names. */
#include "compiler/clone.h"
#include "compiler/pass.h"

static const char *layer_prefix(Arena *a, int64_t index)
{
    Buf b = {0};
    buf_printf(&b, "l%lld.", (long long)index);
    const char *s = arena_strndup(a, b.data, b.n);
    buf_free(&b);
    return s;
}

/* Functions stand before their callers, so a callee is already flat in `out`. */
static void expand_graph(PassContext *c, const Graph *g, const Module *out,
                         Graph *to)
{
    Ref *map = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1);
    for (int i = 0; i < g->n_groups; i++)
        graph_add_group(to, g->group[i].rule);
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node n = g->node[i];
        for (int k = 0; k < n.n_args; k++)
            n.arg[k] = map[n.arg[k]];
        if (n.op == OP_call) {
            int64_t index = n.attr[ATTR_index].i;
            map[i] = clone_into(to, module_find(out, n.text), n.arg, index,
                                n.device, layer_prefix(c->arena, index));
            continue;
        }
        map[i] = graph_add(to, n);
        to->node[map[i]].kernel = n.kernel;
        to->node[map[i]].device = n.device;
    }
    to->n_params = g->n_params;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, map[g->result[i].ref]);
}

PassFn pass_expand;
Err *pass_expand(PassContext *c, Module **m)
{
    Module *flat = module_new(c->arena, (*m)->name);
    Module *out = module_new(c->arena, (*m)->name);
    for (int i = 0; i < (*m)->n_graphs; i++) {
        const Graph *g = (*m)->graph[i];
        Graph *to = graph_new(c->arena, g->kind, g->name);
        expand_graph(c, g, flat, to);
        module_append(flat, to);
        if (g->kind == GRAPH_ENTRY)
            module_append(out, to);
    }
    *m = out;
    return NULL;
}
