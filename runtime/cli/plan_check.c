#include "runtime/cli/plan_check.h"

#include <string.h>

#include "compiler/kernels.h"

static Err *parse_kernel(Arena *a, const PlanKernel *k, const Graph **out)
{
    Buf text = {0};
    Module *m = NULL;
    buf_printf(&text, "module kernel\n%s\n", k->text);
    Err *e = module_parse(a, text.data, &m);
    buf_free(&text);
    if (!e && (m->n_graphs != 1 || strcmp(m->graph[0]->name, k->name) != 0))
        e = err_new(ERR_INPUT, "its text is not one func @%s", k->name);
    if (!e)
        e = kernel_verify(m->graph[0]);
    *out = e ? NULL : m->graph[0];
    return e ? err_note(e, "kernel '%.80s'", k->name) : NULL;
}

Err *plan_kernel_graphs(Arena *a, const Plan *p, const Graph *const **out)
{
    const Graph **graph = ARENA_ARRAY(a, const Graph *, p->n_kernels);
    for (int i = 0; i < p->n_kernels; i++)
        TRY(parse_kernel(a, &p->kernel[i], &graph[i]));
    *out = graph;
    return NULL;
}

/* ---- one argument */

static bool fits_buffer(const Type *t, const PlanBuffer *b)
{
    Type of_buffer = type_make(b->type, b->rank, b->dim);
    return t->dtype == b->type &&
           dim_equal(type_elements(t), type_elements(&of_buffer));
}

static bool fits_weight(const Type *t, const PlanWeight *w)
{
    bool same = t->dtype == w->type && t->packing == w->packing;
    for (int i = 0; i < PLAN_MAX_RANK && same; i++) {
        int64_t ne = i < t->rank ? t->dim[i].k : 1;
        same = ne == w->ne[i] && (i >= t->rank || t->dim[i].sym == SYM_ONE);
    }
    return same;
}

static bool fits_state(const Type *t, const PlanState *s)
{
    Sym sym = s->kind == STATE_PER_TOKEN ? SYM_C : SYM_ONE;
    Dim want = {s->elems, sym};
    return t->dtype == s->type && dim_equal(type_elements(t), want);
}

static bool fits(const Plan *p, const Node *n, PlanArg a)
{
    switch (a.kind) {
    case ARG_BUFFER:
        return n->op != OP_weight && n->op != OP_state &&
               fits_buffer(&n->type, &p->buffer[a.index]);
    case ARG_WEIGHT:
        return n->op == OP_weight && fits_weight(&n->type, &p->weight[a.index]);
    case ARG_STATE:
        return n->op == OP_state && fits_state(&n->type, &p->state[a.index]);
    }
    return false;
}

/* ---- one launch */

static Err *check_launch(const Plan *p, const PlanStep *s, const Graph *g)
{
    int n_params = (int)g->n_params;
    if (s->n_args != n_params + g->n_results)
        return err_new(ERR_INPUT, "kernel '%.80s' takes %d arguments, not %d",
                       g->name, n_params + g->n_results, s->n_args);
    for (int i = 0; i < s->n_args; i++) {
        bool is_param = i < n_params;
        Ref r = is_param ? (Ref)i : g->result[i - n_params].ref;
        if (!fits(p, &g->node[r], s->arg[i]) ||
            (!is_param && s->arg[i].kind != ARG_BUFFER))
            return err_new(ERR_INPUT,
                           "argument %d of kernel '%.80s' has another type "
                           "than the kernel expects",
                           i, g->name);
    }
    return NULL;
}

static Err *check_program(const Plan *p, const PlanProgram *q,
                          const Graph *const *graph)
{
    for (int i = 0; i < q->n_steps; i++) {
        const PlanStep *s = &q->step[i];
        Err *e = s->kind == STEP_LAUNCH ? check_launch(p, s, graph[s->kernel])
                                        : NULL;
        if (e)
            return err_note(e, "plan: step %d of '%.80s'", i, q->name);
    }
    return NULL;
}

Err *plan_check_kernels(const Plan *p)
{
    Arena *a = arena_new();
    const Graph *const *graph;
    Err *e = plan_kernel_graphs(a, p, &graph);
    for (int i = 0; i < p->n_programs && !e; i++)
        e = check_program(p, &p->program[i], graph);
    arena_free(a);
    return e;
}
