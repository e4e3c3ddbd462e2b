/* exec_choose.c - tokens chosen on the device that has their logits, without a
 * look at them here: what is chosen is the next step's input. */
#include "runtime/exec_inside.h"

static bool on_device(const Exec *x, const PlanBuffer *b, const Device *d)
{
    return !b || x->device[b->device] == d;
}

static void *input_address(const Program *p, Input i, Device *d)
{
    const PlanBuffer *b = p->input[i];
    return b ? d->kind->address(d, program_place(b, 0)) : NULL;
}

/* The chooser writes the inputs itself if they all lie on its device, unless
 * all of scratch is filled before a step. */
static NextInputs next_inputs(const Exec *x, const Program *p, Device *d)
{
    for (int i = 0; i < IN_COUNT; i++)
        if (!on_device(x, p->input[i], d) || x->poison)
            return (NextInputs){0};
    return (NextInputs){input_address(p, IN_TOKENS, d),
                        input_address(p, IN_POSITIONS, d),
                        input_address(p, IN_OUTPUTS, d)};
}

static void *logits_address(const Program *p, Device *d)
{
    return d->kind->address(d, program_place(p->logits, 0));
}

/* Launches on the last stage's device end a step, the logits lie there, and
 * nothing else is to be read. */
bool exec_can_choose(Executor *base, int program, const Choosing *how)
{
    const Exec *x = exec_inside(base);
    const Program *p = &x->program[program];
    const ProgramStage *last = &p->stage[p->n_stages - 1];
    const PlanProgram *q = p->plan;
    int end = last->first + last->n_steps;
    if (!p->logits || p->input[IN_HIDDEN] || q->n_taps || end < 1 ||
        q->step[end - 1].kind != STEP_LAUNCH ||
        q->step[end - 1].device != p->logits->device)
        return false;
    const Device *d = x->device[p->logits->device];
    return d->kind->can_choose && d->kind->can_choose(d, how);
}

Err *exec_choose_begin(Executor *base, const Step *last, const Choosing *how)
{
    Exec *x = exec_inside(base);
    const Program *p = &x->program[last->program];
    Device *d = x->device[p->logits->device];
    NextInputs next = next_inputs(x, p, d);
    TRY(d->kind->choose_begin(d, how, &next));
    KernelCall c = exec_call(x, last);
    x->chooser = d;
    x->feeds = next.tokens != NULL;
    return d->kind->launch(
        d, &(LaunchList){.call = &c, .logits = logits_address(p, d)});
}

/* The chosen token goes to where the step reads it, once that is free. */
static Err *send_choice(Exec *x, const Program *p)
{
    const PlanBuffer *b = p->input[IN_TOKENS];
    Device *d = x->chooser, *to = x->device[b->device];
    const DeviceKind *kind = d->kind;
    if (d != to && kind->order)
        TRY(kind->order(to, d));
    TRY(kind->choose_send(d, to, program_place(b, 0)));
    return d != to && kind->order ? kind->order(d, to) : NULL;
}

static Err *feed_choice(Exec *x, const Program *p, const Step *s)
{
    if (x->feeds)
        return NULL;
    if (x->poison)
        TRY(exec_poison(x));
    for (int i = 0; i < p->n_stages; i++)
        TRY(exec_fill_inputs(x, p, &p->stage[i], s));
    return send_choice(x, p);
}

Err *exec_choose_next(Executor *base, const Step *s)
{
    Exec *x = exec_inside(base);
    const Program *p = &x->program[s->program];
    void *logits = logits_address(p, x->chooser);
    TRY(feed_choice(x, p, s));
    for (int i = 0; i < p->n_stages; i++) {
        bool last = i == p->n_stages - 1;
        KernelCall c = exec_call(x, s);
        TRY(exec_run_steps(&(ExecStage){x, p, &p->stage[i], s, 0, true,
                                        last ? logits : NULL},
                           &c));
    }
    return NULL;
}

Err *exec_chosen(Executor *base, int64_t i, int32_t *id)
{
    Device *d = exec_inside(base)->chooser;
    return d->kind->chosen(d, i, id);
}
