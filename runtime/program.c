#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>

static const char *const input_name[IN_COUNT] = {"tokens", "positions",
                                                 "outputs", "hidden"};

typedef struct {
    Arena *arena;
    const Plan *plan;
    Device *const *device;
    Program *p;
    ProgramInfo *info;
} Making;

/* ---- looking up the ports of a program */

/* [sym] or [sym, width] of the given type; width is set to what stands there
 * (1 for a vector). */
static bool shaped(const PlanBuffer *b, BlockType type, Sym sym, int rank,
                   int64_t *width)
{
    *width = rank == 2 ? b->dim[1].k : 1;
    return b->type == type && b->rank == rank && b->dim[0].k == 1 &&
           b->dim[0].sym == sym && (rank == 1 || b->dim[1].sym == SYM_ONE);
}

static Err *bad_port(const PlanProgram *p, const char *name, const char *want)
{
    return err_new(ERR_INPUT, "entry point '%.40s': '%.40s' must be %s",
                   p->name, name, want);
}

static Err *find_input(Making *m, const PlanPort *port)
{
    const PlanBuffer *b = &m->plan->buffer[port->buffer];
    int64_t width;
    for (int i = 0; i < IN_COUNT; i++) {
        if (strcmp(port->name, input_name[i]) != 0)
            continue;
        bool floats = i == IN_HIDDEN;
        Sym sym = i == IN_OUTPUTS ? SYM_R : SYM_T;
        if (!shaped(b, floats ? BT_f32 : BT_i32, sym, floats ? 2 : 1, &width))
            return bad_port(m->p->plan, port->name,
                            floats            ? "f32 [T, width]"
                            : i == IN_OUTPUTS ? "i32 [R]"
                                              : "i32 [T]");
        m->p->input[i] = b;
        if (floats) {
            m->info->takes_hidden = true;
            m->info->width = width;
        }
        return NULL;
    }
    return err_new(ERR_INPUT,
                   "entry point '%.40s' wants '%.40s', which the runtime does "
                   "not know (tokens, positions, outputs, hidden)",
                   m->p->plan->name, port->name);
}

static Err *find_results(Making *m)
{
    const PlanProgram *q = m->p->plan;
    Program *p = m->p;
    ProgramInfo *info = m->info;
    int64_t width = info->width;
    p->logits = plan_port(m->plan, q->output, q->n_outputs, "logits");
    p->hidden = plan_port(m->plan, q->output, q->n_outputs, "hidden");
    if (p->logits && !shaped(p->logits, BT_f32, SYM_R, 2, &info->vocabulary))
        return bad_port(q, "logits", "f32 [R, vocabulary]");
    if (p->hidden && !shaped(p->hidden, BT_f32, SYM_T, 2, &info->width))
        return bad_port(q, "hidden", "f32 [T, width]");
    if (info->takes_hidden && p->hidden && info->width != width)
        return bad_port(q, "hidden", "as wide in as out");
    return NULL;
}

static Err *find_taps(Making *m)
{
    const PlanProgram *q = m->p->plan;
    m->p->tap = ARENA_ARRAY(m->arena, StepTap, q->n_taps);
    m->p->tapped = ARENA_ARRAY(m->arena, const PlanBuffer *, q->n_taps);
    for (int i = 0; i < q->n_taps; i++) {
        const PlanBuffer *b = &m->plan->buffer[q->tap[i].buffer];
        StepTap *t = &m->p->tap[i];
        m->p->tapped[i] = b;
        t->name = q->tap[i].name;
        if (!shaped(b, BT_f32, SYM_T, 2, &t->width))
            return bad_port(q, t->name, "f32 [T, width]");
    }
    return NULL;
}

/* ---- addresses */

static void *arg_address(const Making *m, PlanArg a, int slot)
{
    const Plan *p = m->plan;
    Device *d = NULL;
    Place at = {0};
    switch (a.kind) {
    case ARG_BUFFER:
        d = m->device[p->buffer[a.index].device];
        at = program_place(&p->buffer[a.index], slot);
        break;
    case ARG_WEIGHT:
        d = m->device[p->weight[a.index].device];
        at = (Place){REGION_WEIGHTS, p->weight[a.index].offset};
        break;
    case ARG_STATE:
        d = m->device[p->state[a.index].device];
        at = (Place){REGION_STATES, p->state[a.index].offset};
        break;
    }
    return d ? d->kind->address(d, at) : NULL;
}

static void find_addresses(Making *m, int slot)
{
    const PlanProgram *q = m->p->plan;
    int64_t n = 0;
    for (int i = 0; i < q->n_steps; i++)
        n += q->step[i].n_args;
    void **address = ARENA_ARRAY(m->arena, void *, n);
    n = 0;
    for (int i = 0; i < q->n_steps; i++)
        for (int k = 0; k < q->step[i].n_args; k++)
            address[n++] = arg_address(m, q->step[i].arg[k], slot);
    m->p->address[slot] = address;
}

/* ---- stages */

static int by_offset(const void *a, const void *b)
{
    const PlanBuffer *x = *(const PlanBuffer *const *)a;
    const PlanBuffer *y = *(const PlanBuffer *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* What the steps of stage i - 1 copy to stage i. */
static void find_landing(Making *m, int i)
{
    const ProgramStage *before = &m->p->stage[i - 1];
    ProgramStage *g = &m->p->stage[i];
    g->landing = ARENA_ARRAY(m->arena, const PlanBuffer *, before->n_steps);
    for (int k = 0; k < before->n_steps; k++) {
        const PlanStep *s = &m->p->plan->step[before->first + k];
        if (s->kind == STEP_COPY)
            g->landing[g->n_landing++] = &m->plan->buffer[s->arg[1].index];
    }
    if (g->n_landing)
        qsort(g->landing, (size_t)g->n_landing, sizeof *g->landing, by_offset);
}

/* An input is written when the stage of its device begins; one that nobody
 * reads may lie on a device without a stage. */
static void find_filling(Program *p)
{
    for (int i = 0; i < IN_COUNT; i++) {
        int at = 0;
        for (int k = 0; k < p->n_stages; k++)
            if (p->input[i] && p->input[i]->device == p->stage[k].device)
                at = k;
        p->stage[at].fills[i] = p->input[i] != NULL;
    }
}

static void find_stages(Making *m)
{
    const PlanProgram *q = m->p->plan;
    Program *p = m->p;
    int step = 0;
    int64_t arg = 0;
    p->n_stages = q->n_stages ? q->n_stages : 1;
    p->stage = ARENA_ARRAY(m->arena, ProgramStage, p->n_stages);
    for (int i = 0; i < p->n_stages; i++) {
        ProgramStage *g = &p->stage[i];
        g->device = q->n_stages ? q->stage[i].device : -1;
        g->n_steps = q->n_stages ? q->stage[i].n_steps : q->n_steps;
        g->first = step;
        g->first_arg = arg;
        for (int end = step + g->n_steps; step < end; step++)
            arg += q->step[step].n_args;
        if (i > 0)
            find_landing(m, i);
    }
    find_filling(p);
}

Err *program_prepare(Arena *a, const Plan *plan, Device *const *device,
                     const PlanProgram *q, Program *out, ProgramInfo *info)
{
    Making m = {a, plan, device, out, info};
    out->plan = q;
    info->name = q->name;
    for (int i = 0; i < q->n_inputs; i++)
        TRY(find_input(&m, &q->input[i]));
    if (!out->input[IN_TOKENS])
        return err_new(ERR_INPUT, "entry point '%.40s' takes no tokens",
                       q->name);
    TRY(find_results(&m));
    TRY(find_taps(&m));
    for (int slot = 0; slot < PLAN_SLOTS; slot++)
        find_addresses(&m, slot);
    find_stages(&m);
    return NULL;
}
