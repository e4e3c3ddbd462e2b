#include "compiler/dot.h"

static bool is_drawn(const Node *n)
{
    return n->op != OP_weight && n->op != OP_const;
}

static void print_node(const Node *n, int graph, Ref i, FILE *f)
{
    fprintf(f, "    g%dn%u [label=\"%s\\n%s%s%s\"%s];\n", graph, i, n->name,
            op_info(n->op)->name, n->text ? " " : "", n->text ? n->text : "",
            n->op == OP_state ? ",shape=cylinder" : "");
}

static void print_edges(const Graph *g, int graph, FILE *f)
{
    for (Ref i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_args; k++)
            if (is_drawn(&g->node[g->node[i].arg[k]]))
                fprintf(f, "    g%dn%u -> g%dn%u;\n", graph, g->node[i].arg[k],
                        graph, i);
}

static void print_graph(const Graph *g, int graph, FILE *f)
{
    int open = -1;
    fprintf(f, "  subgraph cluster_%d {\n    label=\"@%s\";\n", graph, g->name);
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        if (!is_drawn(n))
            continue;
        if (n->kernel != open && open >= 0)
            fputs("    }\n", f);
        if (n->kernel != open && n->kernel >= 0)
            fprintf(f, "    subgraph cluster_%d_%d {\n    label=\"%s\";\n"
                       "    style=filled;\n    color=lightgrey;\n",
                    graph, n->kernel, g->group[n->kernel].rule);
        open = n->kernel;
        print_node(n, graph, i, f);
    }
    if (open >= 0)
        fputs("    }\n", f);
    print_edges(g, graph, f);
    fputs("  }\n", f);
}

void dot_print(const Module *m, FILE *f)
{
    fprintf(f, "digraph \"%s\" {\n  node [shape=box,fontname=monospace];\n",
            m->name);
    for (int i = 0; i < m->n_graphs; i++)
        print_graph(m->graph[i], i, f);
    fputs("}\n", f);
}
