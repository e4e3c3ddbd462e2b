#include "compiler/clone.h"

#include <string.h>

void clone_print_name(Buf *b, const char *pattern, int64_t index)
{
    for (const char *hole; (hole = strstr(pattern, "{i}")); pattern = hole + 3) {
        buf_add(b, pattern, (size_t)(hole - pattern));
        buf_printf(b, "%lld", (long long)index);
    }
    buf_puts(b, pattern);
}

const char *clone_name(Arena *a, const char *pattern, int64_t index)
{
    if (!strstr(pattern, "{i}"))
        return pattern;
    Buf b = {0};
    clone_print_name(&b, pattern, index);
    const char *s = arena_strndup(a, b.data, b.n);
    buf_free(&b);
    return s;
}

static Ref copy_node(Graph *to, const Node *n, const Ref *map)
{
    Node copy = *n;
    for (int k = 0; k < n->n_args; k++)
        copy.arg[k] = map[n->arg[k]];
    Ref r = graph_add(to, copy);
    to->node[r].kernel = n->kernel;
    to->node[r].device = n->device;
    return r;
}

Graph *clone_graph(Arena *a, const Graph *g, const char *name)
{
    Graph *to = graph_new(a, g->kind, name);
    Ref *map = ARENA_ARRAY(a, Ref, g->n_nodes + 1);
    for (int i = 0; i < g->n_groups; i++)
        graph_add_group(to, g->group[i].rule);
    for (Ref i = 0; i < g->n_nodes; i++)
        map[i] = copy_node(to, &g->node[i], map);
    to->n_params = g->n_params;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, map[g->result[i].ref]);
    return to;
}

Ref clone_into(Graph *g, const Graph *f, const Ref *args, int64_t index,
               int device, const char *prefix)
{
    Ref *map = ARENA_ARRAY(g->arena, Ref, f->n_nodes + 1);
    int groups = g->n_groups;
    for (int i = 0; i < f->n_groups; i++)
        graph_add_group(g, f->group[i].rule);
    for (Ref i = 0; i < f->n_nodes; i++) {
        if (i < f->n_params) {
            map[i] = args[i];
            continue;
        }
        Node n = f->node[i];
        Buf name = {0};
        buf_printf(&name, "%s%s", prefix, n.name);
        n.name = arena_strndup(g->arena, name.data, name.n);
        buf_free(&name);
        if (n.op == OP_weight || n.op == OP_state)
            n.text = clone_name(g->arena, n.text, index);
        map[i] = copy_node(g, &n, map);
        if (n.kernel >= 0)
            g->node[map[i]].kernel = groups + n.kernel;
        if (op_info(n.op)->kind != KIND_SRC)
            g->node[map[i]].device = device;
    }
    return map[f->result[0].ref];
}
