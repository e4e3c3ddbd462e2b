#include "runtime/exec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/device.h"
#include "runtime/pipeline.h"
#include "runtime/program.h"
#include "runtime/weights.h"

typedef struct {
    Executor base;
    const Plan *plan;
    const KernelSet *kernels;
    Arena *arena;
    Pool *pool;
    Device **device;
    Program *program;
    Pipeline **pipeline; /* by program; made when it is first needed */
    char *kept; /* all fixed states, one after the other; NULL: no mark */
    bool poison;
    ExecTrace *trace;
    void *trace_ctx;
} Exec;

static Exec *exec(Executor *x) { return (Exec *)x; }

/* ---- one step */

static Err *fill(Exec *x, const PlanBuffer *b, const void *src, int64_t bytes)
{
    if (bytes == 0)
        return NULL;
    Device *d = x->device[b->device];
    return d->kind->write(d, program_place(b, 0), src, bytes);
}

static Err *fill_inputs(Exec *x, const Program *p, const ProgramStage *g,
                        const Step *s)
{
    int64_t width = x->base.info.program[s->program].width;
    const struct {
        const void *src;
        int64_t bytes;
    } in[IN_COUNT] = {
        [IN_TOKENS] = {s->tokens, s->n * (int64_t)sizeof *s->tokens},
        [IN_POSITIONS] = {s->positions, s->n * (int64_t)sizeof *s->positions},
        [IN_OUTPUTS] = {s->rows, s->n_rows * (int64_t)sizeof *s->rows},
        [IN_HIDDEN] = {s->hidden, s->n * width * (int64_t)sizeof *s->hidden},
    };
    for (int i = 0; i < IN_COUNT; i++)
        if (g->fills[i])
            TRY(fill(x, p->input[i], in[i].src, in[i].bytes));
    return NULL;
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

static Err *run_copy(Exec *x, const PlanStep *s, const KernelCall *c, int slot)
{
    const PlanBuffer *from = &x->plan->buffer[s->arg[0].index];
    const PlanBuffer *to = &x->plan->buffer[s->arg[1].index];
    return device_copy(x->device[to->device], program_place(to, slot),
                       x->device[from->device], program_place(from, slot),
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

static Err *run_step(Exec *x, const PlanStep *s, const KernelCall *c, int slot)
{
    switch (s->kind) {
    case STEP_LAUNCH:
        return run_launch(x, s, c);
    case STEP_COPY:
        return run_copy(x, s, c, slot);
    }
    return NULL;
}

static Err *run_steps(Exec *x, const Program *p, const ProgramStage *g,
                      KernelCall *c, int slot)
{
    void **address = p->address[slot] + g->first_arg;
    for (int i = g->first; i < g->first + g->n_steps; i++) {
        const PlanStep *s = &p->plan->step[i];
        double start = x->trace ? clock_seconds() : 0;
        c->arg = address;
        address += s->n_args;
        Err *e = run_step(x, s, c, slot);
        if (e)
            return err_note(e, "step %d of '%.40s'", i, p->plan->name);
        if (x->trace)
            x->trace(x->trace_ctx,
                     &(ExecTraced){p->plan, i, c->tokens, c->outputs, c->past,
                                   clock_seconds() - start});
    }
    return NULL;
}

static Err *run_stage(Exec *x, const Program *p, const ProgramStage *g,
                      const Step *s, int slot)
{
    KernelCall c = {.tokens = s->n,
                    .outputs = s->n_rows,
                    .past = s->past,
                    .capacity = x->plan->context};
    TRY(fill_inputs(x, p, g, s));
    return run_steps(x, p, g, &c, slot);
}

static Err *read_results(Exec *x, const Program *p, StepResult *out)
{
    *out = (StepResult){.n_taps = p->plan->n_taps, .tap = p->tap};
    if (p->logits)
        TRY(program_readable(x->device, p->logits, &out->logits));
    return p->hidden ? program_readable(x->device, p->hidden, &out->hidden)
                     : NULL;
}

/* Fills bytes [from, to) of a device's scratch with NaNs. */
static void poison(Device *d, int64_t from, int64_t to)
{
    void *p = d->kind->host_address(d, (Place){REGION_SCRATCH, from});
    if (p && to > from)
        memset(p, 0xff, (size_t)(to - from));
}

static void poison_all(Exec *x)
{
    for (int i = 0; i < x->plan->n_devices; i++)
        poison(x->device[i], 0, x->plan->device[i].scratch);
}

static Err *exec_step(Executor *base, const Step *s, StepResult *out)
{
    Exec *x = exec(base);
    const Program *p = &x->program[s->program];
    if (x->poison)
        poison_all(x);
    for (int i = 0; i < p->n_stages; i++)
        TRY(run_stage(x, p, &p->stage[i], s, 0));
    return read_results(x, p, out);
}

/* ---- several steps, in flight at once */

/* One call of exec_steps. */
typedef struct {
    Exec *x;
    const Program *p;
    const Step *step;
    StepDone *done;
    void *ctx;
} Flight;

/* All but what has arrived for this chunk and the next. */
static void poison_stage(Exec *x, const ProgramStage *g)
{
    Device *d = x->device[g->device];
    int64_t from = 0;
    for (int i = 0; i < g->n_landing; i++) {
        poison(d, from, g->landing[i]->offset);
        from = g->landing[i]->offset + plan_span(g->landing[i]);
    }
    poison(d, from, x->plan->device[g->device].scratch);
}

static Err *stage_work(void *ctx, int stage, int64_t chunk, Pool *pool)
{
    const Flight *f = ctx;
    const ProgramStage *g = &f->p->stage[stage];
    Device *d = f->x->device[g->device];
    if (f->x->poison)
        poison_stage(f->x, g);
    d->kind->use(d, pool);
    return run_stage(f->x, f->p, g, &f->step[chunk], (int)(chunk % PLAN_SLOTS));
}

static Err *chunk_done(void *ctx, int64_t chunk)
{
    const Flight *f = ctx;
    StepResult r;
    TRY(read_results(f->x, f->p, &r));
    return f->done(f->ctx, chunk, &r);
}

static Err *one_by_one(Exec *x, const Step *s, int64_t n, StepDone *done,
                       void *ctx)
{
    for (int64_t i = 0; i < n; i++) {
        StepResult r;
        TRY(exec_step(&x->base, &s[i], &r));
        TRY(done(ctx, i, &r));
    }
    return NULL;
}

static Err *fly(Flight *f, Pipeline **pipeline, int64_t n)
{
    Exec *x = f->x;
    int stages = f->p->n_stages;
    if (!*pipeline)
        TRY(pipeline_new(stages, pool_threads(x->pool), pipeline));
    Err *e =
        pipeline_run(*pipeline, n, &(PipelineJob){stage_work, chunk_done, f});
    for (int i = 0; i < stages; i++) {
        Device *d = x->device[f->p->stage[i].device];
        d->kind->use(d, x->pool);
    }
    return e;
}

/* One thread alone has nothing to do at once; a trace wants a kernel's time
 * with all threads. */
static Err *exec_steps(Executor *base, const Step *s, int64_t n, StepDone *done,
                       void *ctx)
{
    Exec *x = exec(base);
    const Program *p = &x->program[s->program];
    Flight f = {x, p, s, done, ctx};
    if (n == 1 || p->n_stages == 1 || pool_threads(x->pool) == 1 || x->trace)
        return one_by_one(x, s, n, done, ctx);
    return fly(&f, &x->pipeline[s->program], n);
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
    for (int i = 0; i < x->plan->n_programs; i++)
        pipeline_free(x->pipeline[i]);
    for (int i = 0; i < x->plan->n_devices; i++)
        device_close(x->device[i]);
    arena_free(x->arena);
    free(x);
}

static const ExecutorKind exec_kind = {.step = exec_step,
                                       .steps = exec_steps,
                                       .reset = exec_reset,
                                       .mark = exec_mark,
                                       .rewind = exec_rewind,
                                       .close = exec_close};

void exec_set_trace(Executor *base, ExecTrace *fn, void *ctx)
{
    if (base->kind != &exec_kind)
        return;
    exec(base)->trace = fn;
    exec(base)->trace_ctx = ctx;
}

const Span *exec_spans(const Executor *base, int program, int64_t *n_chunks)
{
    *n_chunks = 0;
    if (base->kind != &exec_kind)
        return NULL;
    const Pipeline *p = ((const Exec *)base)->pipeline[program];
    return p ? pipeline_spans(p, n_chunks) : NULL;
}

/* ---- opening */

static Err *open_devices(Exec *x, const ExecSpec *spec)
{
    const Plan *p = spec->plan;
    for (int i = 0; i < p->n_devices; i++)
        TRY(device_open(&p->device[i], spec->pool,
                        kernel_set_room(spec->kernels), &x->device[i]));
    return weights_load(spec, x->device);
}

static Err *open_programs(Exec *x)
{
    const Plan *p = x->plan;
    ProgramInfo *info = ARENA_ARRAY(x->arena, ProgramInfo, p->n_programs);
    x->program = ARENA_ARRAY(x->arena, Program, p->n_programs);
    for (int i = 0; i < p->n_programs; i++)
        TRY(program_prepare(x->arena, p, x->device, &p->program[i],
                            &x->program[i], &info[i]));
    x->base.info =
        (ExecutorInfo){p->context, p->batch, p->outputs, p->n_programs, info};
    return NULL;
}

Err *exec_open(const ExecSpec *spec, Executor **out)
{
    Exec *x = calloc(1, sizeof *x);
    Err *e = NULL;
    if (!x)
        memory_out(sizeof *x);
    x->base.kind = &exec_kind;
    x->plan = spec->plan;
    x->kernels = spec->kernels;
    x->poison = spec->poison;
    x->arena = arena_new();
    x->pool = spec->pool;
    x->device = ARENA_ARRAY(x->arena, Device *, spec->plan->n_devices);
    x->pipeline = ARENA_ARRAY(x->arena, Pipeline *, spec->plan->n_programs);
    *out = NULL;
    DO(open_devices(x, spec));
    DO(open_programs(x));
    *out = &x->base;
    return NULL;
out:
    exec_close(&x->base);
    return e;
}
