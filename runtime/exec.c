#include "runtime/exec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/exec_inside.h"
#include "runtime/pipeline.h"
#include "runtime/weights.h"

/* ---- one step */

static Err *fill(Exec *x, const PlanBuffer *b, const void *src, int64_t bytes)
{
    if (bytes == 0)
        return NULL;
    Device *d = x->device[b->device];
    return d->kind->write(d, program_place(b, 0), src, bytes);
}

Err *exec_fill_inputs(Exec *x, const Program *p, const ProgramStage *g,
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
        if (g->fills[i] && in[i].src)
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

/* In the pipeline flow.h says when a slot is free and when it was filled; else
 * the devices wait for each other. */
static Err *run_copy(const ExecStage *g, const PlanStep *s,
                     const KernelCall *c)
{
    const Plan *plan = g->x->plan;
    const PlanBuffer *src = &plan->buffer[s->arg[0].index];
    const PlanBuffer *dst = &plan->buffer[s->arg[1].index];
    Device *from = g->x->device[src->device], *to = g->x->device[dst->device];
    const DeviceKind *kind = to->kind;
    bool wait = g->alone && kind->order;
    if (wait)
        TRY(kind->order(to, from));
    TRY(kind->copy(to, program_place(dst, g->slot), from,
                   program_place(src, g->slot), used_bytes(src, c)));
    return wait ? kind->order(from, to) : NULL;
}

/* Launches on one device, from step `first` on, at most up to `end`. */
static int count_launches(const PlanProgram *p, int first, int end)
{
    int i = first;
    while (i < end && p->step[i].kind == STEP_LAUNCH &&
           p->step[i].device == p->step[first].device)
        i++;
    return i - first;
}

static void tell(Exec *x, const ExecStage *g, const KernelCall *c, int step,
                 double seconds)
{
    if (x->trace)
        x->trace(x->trace_ctx, &(ExecTraced){g->p->plan, step, c->tokens,
                                             c->outputs, c->past, seconds});
}

static Err *run_launches(const ExecStage *g, const KernelCall *c, int first,
                         int n)
{
    Exec *x = g->x;
    const PlanStep *s = &g->p->plan->step[first];
    Device *d = x->device[s->device];
    bool end = first + n == g->stage->first + g->stage->n_steps;
    LaunchList l = {(g->p->first_step + first) * PLAN_SLOTS + g->slot, n, s, c,
                    x->trace ? x->seconds : NULL, end ? g->logits : NULL};
    TRY(d->kind->launch(d, &l));
    for (int i = 0; i < n && x->trace; i++)
        tell(x, g, c, first + i, x->seconds[i]);
    return NULL;
}

static Err *run_some(const ExecStage *g, KernelCall *c, int first, int n)
{
    const PlanStep *s = &g->p->plan->step[first];
    double start = g->x->trace ? clock_seconds() : 0;
    if (s->kind == STEP_LAUNCH)
        return run_launches(g, c, first, n);
    TRY(run_copy(g, s, c));
    tell(g->x, g, c, first, clock_seconds() - start);
    return NULL;
}

Err *exec_run_steps(const ExecStage *g, KernelCall *c)
{
    const PlanProgram *p = g->p->plan;
    int end = g->stage->first + g->stage->n_steps;
    c->arg = g->p->address[g->slot] + g->stage->first_arg;
    for (int i = g->stage->first, n; i < end; i += n) {
        n = count_launches(p, i, end);
        n = n ? n : 1; /* a copy */
        Err *e = run_some(g, c, i, n);
        if (e)
            return err_note(e, "step %d of '%.40s'", i, p->name);
        for (int k = i; k < i + n; k++)
            c->arg += p->step[k].n_args;
    }
    return NULL;
}

KernelCall exec_call(const Exec *x, const Step *s)
{
    return (KernelCall){.tokens = s->n,
                        .outputs = s->n_rows,
                        .past = s->past,
                        .capacity = x->plan->context};
}

static Err *run_stage(const ExecStage *g)
{
    KernelCall c = exec_call(g->x, g->step);
    TRY(exec_fill_inputs(g->x, g->p, g->stage, g->step));
    return exec_run_steps(g, &c);
}

static Err *finish(Device *d)
{
    return d->kind->finish ? d->kind->finish(d) : NULL;
}

static Err *finish_all(Exec *x)
{
    for (int i = 0; i < x->plan->n_devices; i++)
        TRY(finish(x->device[i]));
    return NULL;
}

static Err *read_result(const Exec *x, const PlanBuffer *b, const KernelCall *c,
                        int slot, const float **out)
{
    Device *d = x->device[b->device];
    const void *p;
    TRY(d->kind->fetch(d, program_place(b, 0), used_bytes(b, c), slot, &p));
    *out = p;
    return NULL;
}

/* They lie on the devices of the last stage, or on any if there are none. */
static Err *finish_results(Exec *x, const Program *p)
{
    int last = p->stage[p->n_stages - 1].device;
    return last < 0 ? finish_all(x) : finish(x->device[last]);
}

static Err *read_results(Exec *x, const Program *p, const Step *s,
                         StepResult *out)
{
    KernelCall c = exec_call(x, s);
    *out = (StepResult){.n_taps = p->plan->n_taps, .tap = p->tap};
    if (p->logits && !s->unread)
        TRY(read_result(x, p->logits, &c, FETCH_LOGITS, &out->logits));
    if (p->hidden && !s->logits_only)
        TRY(read_result(x, p->hidden, &c, FETCH_HIDDEN, &out->hidden));
    for (int i = 0; i < p->plan->n_taps; i++)
        TRY(read_result(x, p->tapped[i], &c, FETCH_TAPS + i,
                        &p->tap[i].values));
    return finish_results(x, p);
}

/* Fills bytes [from, to) of a device's scratch with NaNs. */
static Err *poison(Device *d, int64_t from, int64_t to)
{
    return to > from ? d->kind->fill(d, (Place){REGION_SCRATCH, from}, 0xff,
                                     to - from)
                     : NULL;
}

Err *exec_poison(Exec *x)
{
    for (int i = 0; i < x->plan->n_devices; i++)
        TRY(poison(x->device[i], 0, x->plan->device[i].scratch));
    return NULL;
}

static Err *exec_step(Executor *base, const Step *s, StepResult *out)
{
    Exec *x = exec_inside(base);
    const Program *p = &x->program[s->program];
    if (x->poison)
        TRY(exec_poison(x));
    for (int i = 0; i < p->n_stages; i++)
        TRY(run_stage(&(ExecStage){x, p, &p->stage[i], s, 0, true, NULL}));
    TRY(read_results(x, p, s, out));
    return finish_all(x);
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
static Err *poison_stage(Exec *x, const ProgramStage *g)
{
    Device *d = x->device[g->device];
    int64_t from = 0;
    for (int i = 0; i < g->n_landing; i++) {
        TRY(poison(d, from, g->landing[i]->offset));
        from = g->landing[i]->offset + plan_span(g->landing[i]);
    }
    return poison(d, from, x->plan->device[g->device].scratch);
}

static Err *stage_work(void *ctx, int stage, int64_t chunk, Pool *pool)
{
    const Flight *f = ctx;
    const ProgramStage *g = &f->p->stage[stage];
    Device *d = f->x->device[g->device];
    d->kind->use(d, pool);
    if (f->x->poison)
        TRY(poison_stage(f->x, g));
    TRY(run_stage(&(ExecStage){f->x, f->p, g, &f->step[chunk],
                           (int)(chunk % PLAN_SLOTS), false, NULL}));
    return finish(d);
}

static Err *chunk_done(void *ctx, int64_t chunk)
{
    const Flight *f = ctx;
    StepResult r;
    TRY(read_results(f->x, f->p, &f->step[chunk], &r));
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

/* Threads that a program's stages can use: the pool's compute for devices that
 * work while they are asked; others compute themselves, and need a thread each
 * that waits for them. */
static int stage_threads(const Exec *x, const Program *p)
{
    int threads = pool_threads(x->pool), n = p->n_stages;
    bool waits = n > 1 && x->device[p->stage[0].device]->kind->finish;
    return waits && n > threads ? n : threads;
}

static Err *fly(Flight *f, Pipeline **pipeline, int64_t n)
{
    Exec *x = f->x;
    int stages = f->p->n_stages;
    if (!*pipeline)
        TRY(pipeline_new(stages, stage_threads(x, f->p), pipeline));
    Err *e =
        pipeline_run(*pipeline, n, &(PipelineJob){stage_work, chunk_done, f});
    for (int i = 0; i < stages; i++) {
        Device *d = x->device[f->p->stage[i].device];
        d->kind->use(d, x->pool);
    }
    return e;
}

/* One lane has nothing to do at once; a trace wants a kernel's time with all
 * threads. */
static Err *exec_steps(Executor *base, const Step *s, int64_t n, StepDone *done,
                       void *ctx)
{
    Exec *x = exec_inside(base);
    const Program *p = &x->program[s->program];
    Flight f = {x, p, s, done, ctx};
    if (n == 1 || exec_lanes(base, s->program) == 1 || x->trace)
        return one_by_one(x, s, n, done, ctx);
    return fly(&f, &x->pipeline[s->program], n);
}

/* Per-token rows are written before they are read: only what a sequence is
 * born with must be cleared. */
static Err *exec_reset(Executor *base)
{
    Exec *x = exec_inside(base);
    for (int i = 0; i < x->plan->n_states; i++) {
        const PlanState *s = &x->plan->state[i];
        Device *d = x->device[s->device];
        if (s->kind == STATE_FIXED)
            TRY(d->kind->fill(d, (Place){REGION_STATES, s->offset}, 0,
                              s->bytes));
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
    const void *p;
    TRY(d->kind->fetch(d, (Place){REGION_STATES, s->offset}, s->bytes,
                       FETCH_STATE, &p));
    TRY(finish(d));
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
    Exec *x = exec_inside(base);
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
    return for_fixed_states(exec_inside(base), return_state, &bytes);
}

static void exec_close(Executor *base)
{
    Exec *x = exec_inside(base);
    free(x->kept);
    for (int i = 0; i < x->plan->n_programs; i++)
        pipeline_free(x->pipeline[i]);
    /* after an error one device may still send to another */
    for (int i = 0; i < x->plan->n_devices; i++)
        if (x->device[i] && x->device[i]->kind->finish)
            err_free(x->device[i]->kind->finish(x->device[i]));
    for (int i = 0; i < x->plan->n_devices; i++)
        device_close(x->device[i]);
    arena_free(x->arena);
    free(x);
}

static const ExecutorKind exec_kind = {.step = exec_step,
                                       .steps = exec_steps,
                                       .can_choose = exec_can_choose,
                                       .choose_begin = exec_choose_begin,
                                       .choose_next = exec_choose_next,
                                       .chosen = exec_chosen,
                                       .reset = exec_reset,
                                       .mark = exec_mark,
                                       .rewind = exec_rewind,
                                       .close = exec_close};

void exec_set_trace(Executor *base, ExecTrace *fn, void *ctx)
{
    if (base->kind != &exec_kind)
        return;
    exec_inside(base)->trace = fn;
    exec_inside(base)->trace_ctx = ctx;
}

int exec_lanes(const Executor *base, int program)
{
    if (base->kind != &exec_kind)
        return 1;
    const Exec *x = (const Exec *)base;
    const Program *p = &x->program[program];
    int threads = stage_threads(x, p);
    return threads < p->n_stages ? threads : p->n_stages;
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
        TRY(device_open(&(DeviceSpec){&p->device[i], spec->pool, spec->kernels,
                                      spec->cuda},
                        &x->device[i]));
    return weights_load(spec, x->device);
}

static Err *open_programs(Exec *x)
{
    const Plan *p = x->plan;
    ProgramInfo *info = ARENA_ARRAY(x->arena, ProgramInfo, p->n_programs);
    int steps = 0;
    x->program = ARENA_ARRAY(x->arena, Program, p->n_programs);
    for (int i = 0; i < p->n_programs; i++) {
        TRY(program_prepare(x->arena, p, x->device, &p->program[i],
                            &x->program[i], &info[i]));
        x->program[i].first_step = steps;
        steps += p->program[i].n_steps;
    }
    x->seconds = ARENA_ARRAY(x->arena, double, steps);
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
