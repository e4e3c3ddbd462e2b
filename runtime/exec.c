#include "runtime/exec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "runtime/device.h"
#include "runtime/weights.h"

/* The inputs that the runtime knows how to fill, and the results that it reads:
 * the language's entry points declare them. */
typedef enum { IN_TOKENS, IN_POSITIONS, IN_OUTPUTS, IN_HIDDEN, IN_COUNT } Input;
static const char *const input_name[IN_COUNT] = {"tokens", "positions",
                                                 "outputs", "hidden"};

/* A program with its ports looked up and its addresses worked out. */
typedef struct {
    const PlanProgram *plan;
    const PlanBuffer *input[IN_COUNT]; /* NULL: not taken */
    const PlanBuffer *logits, *hidden; /* NULL: not made */
    void **address;                    /* of all steps' arguments */
    StepTap *tap;
} Program;

typedef struct {
    Executor base;
    const Plan *plan;
    const KernelSet *kernels;
    Arena *arena;
    Device **device;
    Program *program;
    char *kept; /* all fixed states, one after the other; NULL: no mark */
    bool poison;
    ExecTrace *trace;
    void *trace_ctx;
} Exec;

static Exec *exec(Executor *x) { return (Exec *)x; }

static Place buffer_place(const PlanBuffer *b)
{
    return (Place){REGION_SCRATCH, b->offset};
}

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

static Err *find_input(const Plan *plan, Program *p, ProgramInfo *info,
                       const PlanPort *port)
{
    const PlanBuffer *b = &plan->buffer[port->buffer];
    int64_t width;
    for (int i = 0; i < IN_COUNT; i++) {
        if (strcmp(port->name, input_name[i]) != 0)
            continue;
        bool floats = i == IN_HIDDEN;
        Sym sym = i == IN_OUTPUTS ? SYM_R : SYM_T;
        if (!shaped(b, floats ? BT_f32 : BT_i32, sym, floats ? 2 : 1, &width))
            return bad_port(p->plan, port->name,
                            floats            ? "f32 [T, width]"
                            : i == IN_OUTPUTS ? "i32 [R]"
                                              : "i32 [T]");
        p->input[i] = b;
        if (floats) {
            info->takes_hidden = true;
            info->width = width;
        }
        return NULL;
    }
    return err_new(ERR_INPUT,
                   "entry point '%.40s' wants '%.40s', which the runtime does "
                   "not know (tokens, positions, outputs, hidden)",
                   p->plan->name, port->name);
}

static Err *find_results(const Plan *plan, Program *p, ProgramInfo *info)
{
    const PlanProgram *q = p->plan;
    int64_t width = info->width;
    p->logits = plan_port(plan, q->output, q->n_outputs, "logits");
    p->hidden = plan_port(plan, q->output, q->n_outputs, "hidden");
    if (p->logits && !shaped(p->logits, BT_f32, SYM_R, 2, &info->vocabulary))
        return bad_port(q, "logits", "f32 [R, vocabulary]");
    if (p->hidden && !shaped(p->hidden, BT_f32, SYM_T, 2, &info->width))
        return bad_port(q, "hidden", "f32 [T, width]");
    if (info->takes_hidden && p->hidden && info->width != width)
        return bad_port(q, "hidden", "as wide in as out");
    return NULL;
}

/* An address that the runtime reads: the result must lie where it can. */
static Err *readable(const Exec *x, const PlanBuffer *b, const float **out)
{
    Device *d = x->device[b->device];
    *out = d->kind->host_address(d, buffer_place(b));
    return *out ? NULL
                : err_new(ERR_DEVICE, "cannot read results on %s",
                          d->plan->name);
}

static Err *find_taps(Exec *x, Program *p)
{
    const PlanProgram *q = p->plan;
    p->tap = ARENA_ARRAY(x->arena, StepTap, q->n_taps);
    for (int i = 0; i < q->n_taps; i++) {
        const PlanBuffer *b = &x->plan->buffer[q->tap[i].buffer];
        StepTap *t = &p->tap[i];
        t->name = q->tap[i].name;
        if (!shaped(b, BT_f32, SYM_T, 2, &t->width))
            return bad_port(q, t->name, "f32 [T, width]");
        TRY(readable(x, b, &t->values));
    }
    return NULL;
}

static void *arg_address(const Exec *x, PlanArg a)
{
    const Plan *p = x->plan;
    Device *d = NULL;
    Place at = {0};
    switch (a.kind) {
    case ARG_BUFFER:
        d = x->device[p->buffer[a.index].device];
        at = buffer_place(&p->buffer[a.index]);
        break;
    case ARG_WEIGHT:
        d = x->device[p->weight[a.index].device];
        at = (Place){REGION_WEIGHTS, p->weight[a.index].offset};
        break;
    case ARG_STATE:
        d = x->device[p->state[a.index].device];
        at = (Place){REGION_STATES, p->state[a.index].offset};
        break;
    }
    return d ? d->kind->address(d, at) : NULL;
}

static void find_addresses(Exec *x, Program *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->plan->n_steps; i++)
        n += p->plan->step[i].n_args;
    p->address = ARENA_ARRAY(x->arena, void *, n);
    n = 0;
    for (int i = 0; i < p->plan->n_steps; i++) {
        const PlanStep *s = &p->plan->step[i];
        for (int k = 0; k < s->n_args; k++)
            p->address[n++] = arg_address(x, s->arg[k]);
    }
}

static Err *prepare_program(Exec *x, const PlanProgram *q, Program *p,
                            ProgramInfo *info)
{
    p->plan = q;
    info->name = q->name;
    for (int i = 0; i < q->n_inputs; i++)
        TRY(find_input(x->plan, p, info, &q->input[i]));
    if (!p->input[IN_TOKENS])
        return err_new(ERR_INPUT, "entry point '%.40s' takes no tokens",
                       q->name);
    TRY(find_results(x->plan, p, info));
    TRY(find_taps(x, p));
    find_addresses(x, p);
    return NULL;
}

/* ---- one step */

static Err *fill(Exec *x, const PlanBuffer *b, const void *src, int64_t bytes)
{
    if (!b || bytes == 0)
        return NULL;
    Device *d = x->device[b->device];
    return d->kind->write(d, buffer_place(b), src, bytes);
}

static Err *fill_inputs(Exec *x, const Program *p, const Step *s)
{
    const int64_t each = (int64_t)sizeof(int32_t);
    int64_t width = x->base.info.program[s->program].width;
    TRY(fill(x, p->input[IN_TOKENS], s->tokens, s->n * each));
    TRY(fill(x, p->input[IN_POSITIONS], s->positions, s->n * each));
    TRY(fill(x, p->input[IN_OUTPUTS], s->rows, s->n_rows * each));
    return fill(x, p->input[IN_HIDDEN], s->hidden,
                s->n * width * (int64_t)sizeof(float));
}

/* Bytes of a buffer that hold values in this step: the slowest axes are the
 * ones that vary, so they stand at its start. */
static int64_t used_bytes(const PlanBuffer *b, const KernelCall *c)
{
    int64_t n = 1;
    for (int i = 0; i < b->rank; i++)
        n *= dim_value(b->dim[i], c->tokens, c->outputs, c->past + c->tokens);
    return block_bytes(b->type, n);
}

static Err *run_copy(Exec *x, const PlanStep *s, const KernelCall *c)
{
    const PlanBuffer *from = &x->plan->buffer[s->arg[0].index];
    const PlanBuffer *to = &x->plan->buffer[s->arg[1].index];
    return device_copy(x->device[to->device], buffer_place(to),
                       x->device[from->device], buffer_place(from),
                       used_bytes(from, c));
}

static Err *run_launch(Exec *x, const PlanStep *s, const KernelCall *c)
{
    const Kernel *k = kernel_set_get(x->kernels, s->kernel);
    Dim items = {k->info.items_k, (Sym)k->info.items_sym};
    Launch l = {c, k->fn,
                dim_value(items, c->tokens, c->outputs, c->past + c->tokens)};
    Device *d = x->device[s->device];
    return d->kind->launch(d, &l);
}

static Err *run_step(Exec *x, const PlanStep *s, const KernelCall *c)
{
    switch (s->kind) {
    case STEP_LAUNCH:
        return run_launch(x, s, c);
    case STEP_COPY:
        return run_copy(x, s, c);
    }
    return NULL;
}

static Err *run_steps(Exec *x, const Program *p, KernelCall *c)
{
    void **address = p->address;
    for (int i = 0; i < p->plan->n_steps; i++) {
        const PlanStep *s = &p->plan->step[i];
        double start = x->trace ? clock_seconds() : 0;
        c->arg = address;
        address += s->n_args;
        Err *e = run_step(x, s, c);
        if (e)
            return err_note(e, "step %d of '%.40s'", i, p->plan->name);
        if (x->trace)
            x->trace(x->trace_ctx,
                     &(ExecTraced){p->plan, i, c->tokens, c->outputs, c->past,
                                   clock_seconds() - start});
    }
    return NULL;
}

static void poison_scratch(Exec *x)
{
    for (int i = 0; i < x->plan->n_devices; i++) {
        Device *d = x->device[i];
        void *p = d->kind->host_address(d, (Place){REGION_SCRATCH, 0});
        if (p)
            memset(p, 0xff, (size_t)x->plan->device[i].scratch);
    }
}

static Err *exec_step(Executor *base, const Step *s, StepResult *out)
{
    Exec *x = exec(base);
    const Program *p = &x->program[s->program];
    KernelCall c = {.tokens = s->n,
                    .outputs = s->n_rows,
                    .past = s->past,
                    .capacity = x->plan->context};
    *out = (StepResult){.n_taps = p->plan->n_taps, .tap = p->tap};
    if (x->poison)
        poison_scratch(x);
    TRY(fill_inputs(x, p, s));
    TRY(run_steps(x, p, &c));
    if (p->logits)
        TRY(readable(x, p->logits, &out->logits));
    return p->hidden ? readable(x, p->hidden, &out->hidden) : NULL;
}

/* Per-token rows are written before they are read: only what a sequence is
 * born with must be cleared. */
static Err *exec_reset(Executor *base)
{
    Exec *x = exec(base);
    for (int i = 0; i < x->plan->n_states; i++) {
        const PlanState *s = &x->plan->state[i];
        Device *d = x->device[s->device];
        if (s->kind == STATE_FIXED)
            TRY(d->kind->zero(d, (Place){REGION_STATES, s->offset}, s->bytes));
    }
    return NULL;
}

/* Calls `each` for every fixed state with its place in a packed copy. */
typedef Err *FixedFn(Exec *x, const PlanState *s, int64_t at);
static Err *for_fixed_states(Exec *x, FixedFn *each, int64_t *bytes)
{
    *bytes = 0;
    for (int i = 0; i < x->plan->n_states; i++) {
        const PlanState *s = &x->plan->state[i];
        if (s->kind != STATE_FIXED)
            continue;
        if (each)
            TRY(each(x, s, *bytes));
        *bytes += s->bytes;
    }
    return NULL;
}

static Err *keep_state(Exec *x, const PlanState *s, int64_t at)
{
    Device *d = x->device[s->device];
    const void *p =
        d->kind->host_address(d, (Place){REGION_STATES, s->offset});
    if (!p)
        return err_new(ERR_DEVICE, "cannot read states on %s", d->plan->name);
    memcpy(x->kept + at, p, (size_t)s->bytes);
    return NULL;
}

static Err *return_state(Exec *x, const PlanState *s, int64_t at)
{
    Device *d = x->device[s->device];
    return d->kind->write(d, (Place){REGION_STATES, s->offset}, x->kept + at,
                          s->bytes);
}

static Err *exec_mark(Executor *base)
{
    Exec *x = exec(base);
    int64_t bytes;
    TRY(for_fixed_states(x, NULL, &bytes));
    if (!x->kept && !(x->kept = malloc((size_t)bytes + 1)))
        return err_new(ERR_LIMIT, "no memory for a copy of the states, %" PRId64
                                  " bytes", bytes);
    return for_fixed_states(x, keep_state, &bytes);
}

static Err *exec_rewind(Executor *base)
{
    int64_t bytes;
    return for_fixed_states(exec(base), return_state, &bytes);
}

static void exec_close(Executor *base)
{
    Exec *x = exec(base);
    free(x->kept);
    for (int i = 0; i < x->plan->n_devices; i++)
        device_close(x->device[i]);
    arena_free(x->arena);
    free(x);
}

static const ExecutorKind exec_kind = {exec_step, exec_reset, exec_mark,
                                       exec_rewind, exec_close};

void exec_set_trace(Executor *base, ExecTrace *fn, void *ctx)
{
    if (base->kind != &exec_kind)
        return;
    exec(base)->trace = fn;
    exec(base)->trace_ctx = ctx;
}

/* ---- opening */

static Err *open_devices(Exec *x, const ExecSpec *spec)
{
    const Plan *p = spec->plan;
    for (int i = 0; i < p->n_devices; i++)
        TRY(device_open(&p->device[i], spec->pool,
                        kernel_set_scratch(spec->kernels), &x->device[i]));
    return weights_load(spec, x->device);
}

static Err *open_programs(Exec *x)
{
    const Plan *p = x->plan;
    ProgramInfo *info = ARENA_ARRAY(x->arena, ProgramInfo, p->n_programs);
    x->program = ARENA_ARRAY(x->arena, Program, p->n_programs);
    for (int i = 0; i < p->n_programs; i++)
        TRY(prepare_program(x, &p->program[i], &x->program[i], &info[i]));
    x->base.info =
        (ExecutorInfo){p->context, p->batch, p->outputs, p->n_programs, info};
    return NULL;
}

Err *exec_open(const ExecSpec *spec, Executor **out)
{
    Exec *x = calloc(1, sizeof *x);
    Err *e = NULL;
    if (!x)
        abort();
    x->base.kind = &exec_kind;
    x->plan = spec->plan;
    x->kernels = spec->kernels;
    x->poison = spec->poison;
    x->arena = arena_new();
    x->device = ARENA_ARRAY(x->arena, Device *, spec->plan->n_devices);
    *out = NULL;
    DO(open_devices(x, spec));
    DO(open_programs(x));
    *out = &x->base;
    return NULL;
out:
    exec_close(&x->base);
    return e;
}
