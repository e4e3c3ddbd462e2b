/* round.c - integer activations as nodes of the graph.
 *
 * A product with a block-quantised matrix reads its input rounded to int8 or
 * int16 with a scale per 32 values: integer products are several times faster.
 * Eight bits are about as rough as the weights, sixteen are nearly exact.  One
 * rounding serves all the products that read the same value.  Float matrices
 * (routers, small heads) keep float inputs. */
#include "compiler/pass.h"

static bool wants_rounding(const Graph *g, const Node *n)
{
    if (n->op != OP_matmul && n->op != OP_matmul_experts)
        return false;
    const Type *w = &g->node[n->arg[1]].type, *x = &g->node[n->arg[0]].type;
    return w->dtype < BT_COUNT && block_info[w->dtype].kind == BLOCK_QUANT &&
           x->dtype == BT_f32 && type_last(x) % block_info[BT_q8a].elems == 0;
}

static Ref rounding(Graph *to, Ref x, BlockType t)
{
    Node n = {.op = OP_quantize, .n_args = 1, .arg = {x}, .kernel = -1,
              .device = -1, .type = to->node[x].type,
              .name = t == BT_q8a ? "q8" : "q16"};
    n.type.dtype = t;
    return graph_add(to, n);
}

/* g again with a quantize node in front of each product's first reader. */
static Err *round_graph(PassContext *c, const Graph *g, Graph *to)
{
    Ref *map = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1);
    Ref *rounded = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1);
    int n_rounded = 0;
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node n = g->node[i];
        for (int k = 0; k < n.n_args; k++)
            n.arg[k] = map[n.arg[k]];
        if (wants_rounding(g, &g->node[i])) {
            Ref *q = &rounded[g->node[i].arg[0]];
            if (!*q) {
                *q = rounding(to, n.arg[0], c->settings->activations);
                n_rounded++;
            }
            n.arg[0] = *q;
        }
        map[i] = graph_add(to, n);
    }
    to->n_params = g->n_params;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, map[g->result[i].ref]);
    pass_explain(c, "round", "@%s: %d values rounded to %s for products",
                 g->name, n_rounded,
                 block_info[c->settings->activations].name);
    return NULL;
}

PassFn pass_round;
Err *pass_round(PassContext *c, Module **m)
{
    if (c->settings->activations == BT_f32)
        return NULL;
    Module *out = module_new(c->arena, (*m)->name);
    for (int i = 0; i < (*m)->n_graphs; i++) {
        const Graph *g = (*m)->graph[i];
        TRY(round_graph(c, g, module_add(out, g->kind, g->name)));
    }
    *m = out;
    return NULL;
}
