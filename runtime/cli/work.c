#include "runtime/cli/work.h"

static double elements(const Type *t, TrafficStep s)
{
    double n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= (double)dim_value(t->dim[i], s.tokens, s.outputs,
                               s.past + s.tokens);
    return n;
}

/* Every query with the keys before it and its own: a product for the score and
 * one for the sum. */
static double attention_ops(const Type *q, TrafficStep s)
{
    double keys = (double)s.past + ((double)s.tokens + 1) / 2;
    return 4 * elements(q, s) * keys;
}

static double node_ops(const Graph *g, const Node *n, TrafficStep s)
{
    const Node *x = n->n_args ? &g->node[n->arg[0]] : NULL;
    switch (op_info(n->op)->kind) {
    case KIND_MATMUL:
    case KIND_EXPERTS:
        return 2 * elements(&n->type, s) * (double)type_last(&x->type);
    case KIND_ATTENTION:
        return attention_ops(&x->type, s);
    case KIND_CONV:
        return 2 * elements(&n->type, s) *
               (double)g->node[n->arg[1]].type.dim[0].k;
    case KIND_DELTA:
        return 7 * elements(&g->node[n->arg[5]].type, s) * (double)s.tokens;
    case KIND_EW:
    case KIND_ROW: /* an append makes as many values as it is given */
        return elements(n->op == OP_append ? &x->type : &n->type, s);
    case KIND_SRC:
    case KIND_VIEW:
    case KIND_COMM:
    case KIND_CALL:
        return 0;
    }
    return 0;
}

double work_launch(const TrafficMap *m, const PlanStep *s, TrafficStep step)
{
    double sum = 0;
    if (s->kind != STEP_LAUNCH)
        return 0;
    const Graph *g = m->graph[s->kernel];
    for (Ref i = g->n_params; i < g->n_nodes; i++)
        sum += node_ops(g, &g->node[i], step);
    return sum;
}
