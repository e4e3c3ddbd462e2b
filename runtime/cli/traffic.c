#include "runtime/cli/traffic.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "compiler/kernels.h"
#include "runtime/cli/plan_check.h"

static bool takes(const Node *n, Ref r)
{
    for (int i = 0; i < n->n_args; i++)
        if (n->arg[i] == r)
            return true;
    return false;
}

/* The first operation of g on r, or on a view of it. */
static const Node *reader_of(const Graph *g, Ref r)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        if (takes(n, r))
            return op_info(n->op)->kind == KIND_VIEW ? reader_of(g, i) : n;
    }
    return NULL;
}

static const Node *const *uses_of(Arena *a, const Graph *g)
{
    const Node **use = ARENA_ARRAY(a, const Node *, g->n_params + 1);
    for (Ref i = 0; i < g->n_params; i++)
        use[i] = reader_of(g, i);
    return use;
}

Err *traffic_map(Arena *a, const Plan *p, TrafficMap *out)
{
    const Node *const **use = ARENA_ARRAY(a, const Node *const *, p->n_kernels);
    *out = (TrafficMap){.plan = p, .use = use};
    TRY(plan_kernel_graphs(a, p, &out->graph));
    for (int i = 0; i < p->n_kernels; i++)
        use[i] = uses_of(a, out->graph[i]);
    return NULL;
}

/* ---- bytes */

/* Different experts that a launch uses, as a part of all. */
static double chosen(const Graph *g, const Node *experts, TrafficStep step)
{
    double all = (double)g->node[experts->arg[1]].type.dim[2].k;
    double each = (double)type_last(&g->node[experts->arg[2]].type) / all;
    return 1 - pow(1 - each, (double)step.tokens);
}

static double weight_bytes(const Graph *g, const Node *use, const PlanWeight *w,
                           TrafficStep step)
{
    double all = (double)w->bytes, rows = (double)step.tokens;
    if (use->op == OP_matmul_experts)
        return all * chosen(g, use, step);
    if (use->op == OP_embed && rows < (double)w->ne[1])
        return all * rows / (double)w->ne[1];
    return all;
}

static void add_state(const Node *use, const PlanState *s, TrafficStep step,
                      Traffic *sum)
{
    double row = (double)block_bytes(s->type, s->elems);
    if (s->kind == STATE_FIXED)
        sum->states += 2 * (double)s->bytes;
    else if (use->op == OP_append)
        sum->rows += row * (double)step.tokens;
    else
        sum->rows += row * (double)(step.past + step.tokens);
}

Traffic traffic_launch(const TrafficMap *m, const PlanStep *s, TrafficStep step)
{
    Traffic sum = {0};
    if (s->kind != STEP_LAUNCH)
        return sum;
    const Graph *g = m->graph[s->kernel];
    for (Ref i = 0; i < g->n_params; i++) {
        const Node *use = m->use[s->kernel][i];
        PlanArg a = s->arg[i];
        if (use && a.kind == ARG_WEIGHT)
            sum.weights +=
                weight_bytes(g, use, &m->plan->weight[a.index], step);
        if (use && a.kind == ARG_STATE)
            add_state(use, &m->plan->state[a.index], step, &sum);
    }
    return sum;
}

Traffic traffic_program(const TrafficMap *m, const PlanProgram *program,
                        TrafficStep step)
{
    Traffic sum = {0};
    for (int i = 0; i < program->n_steps; i++) {
        Traffic t = traffic_launch(m, &program->step[i], step);
        sum.weights += t.weights;
        sum.states += t.states;
        sum.rows += t.rows;
    }
    return sum;
}

double traffic_sum(Traffic t) { return t.weights + t.states + t.rows; }

/* ---- labels */

enum { MAX_WORDS = 8 };

/* Different words, joined by '+'. */
typedef struct {
    int n;
    char word[MAX_WORDS][TRAFFIC_LABEL];
} Words;

static void add_word(Words *w, const char *text)
{
    for (int i = 0; i < w->n; i++)
        if (strncmp(w->word[i], text, TRAFFIC_LABEL - 1) == 0)
            return;
    if (w->n < MAX_WORDS)
        snprintf(w->word[w->n++], TRAFFIC_LABEL, "%s", text);
}

/* "blk.3.ffn_up.weight" -> "ffn_up" */
static void add_tensor(Words *w, const char *tensor)
{
    char name[TRAFFIC_LABEL];
    snprintf(name, sizeof name, "%s", tensor);
    char *tail = strstr(name, ".weight");
    if (tail)
        *tail = '\0';
    char *dot = strrchr(name, '.');
    add_word(w, dot ? dot + 1 : name);
}

static void add_matrices(const TrafficMap *m, const PlanStep *s, Words *names,
                         Words *types)
{
    for (Ref i = 0; i < m->graph[s->kernel]->n_params; i++) {
        const Node *use = m->use[s->kernel][i];
        if (!use || s->arg[i].kind != ARG_WEIGHT ||
            (use->op != OP_matmul && use->op != OP_matmul_experts))
            continue;
        const PlanWeight *w = &m->plan->weight[s->arg[i].index];
        add_tensor(names, w->tensor);
        add_word(types, block_info[w->type].name);
    }
}

static void add_ops(const Graph *g, Words *names)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const OpInfo *op = op_info(g->node[i].op);
        if (op->kind != KIND_VIEW && op->kind != KIND_SRC)
            add_word(names, op->name);
    }
}

static void print_words(Buf *b, const Words *w)
{
    for (int i = 0; i < w->n; i++)
        buf_printf(b, "%c%s", i ? '+' : ' ', w->word[i]);
}

const char *traffic_label(const TrafficMap *m, const PlanStep *s,
                          char out[TRAFFIC_LABEL])
{
    Buf b = {0};
    Words names = {0}, types = {0};
    if (s->kind == STEP_LAUNCH) {
        const Graph *g = m->graph[s->kernel];
        add_matrices(m, s, &names, &types);
        if (!names.n)
            add_ops(g, &names);
        buf_puts(&b, kernel_class_name[kernel_class(g)]);
        print_words(&b, &names);
        print_words(&b, &types);
    } else {
        buf_puts(&b, "copy");
    }
    snprintf(out, TRAFFIC_LABEL, "%s", b.data);
    buf_free(&b);
    return out;
}
