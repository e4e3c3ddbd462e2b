#include "runtime/cli/predict.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "runtime/cli/work.h"
#include "runtime/flow.h"

enum { MAX_CHUNKS = 1 << 16 };

/* ---- who takes part */

/* The device whose work a step is: a copy's is where it comes from. */
static int works_on(const Plan *p, const PlanStep *s)
{
    return s->kind == STEP_COPY ? p->buffer[s->arg[0].index].device : s->device;
}

static void count_layer(const char *tensor, long *low, long *high)
{
    char *end;
    if (strncmp(tensor, "blk.", 4) != 0)
        return;
    long n = strtol(tensor + 4, &end, 10);
    if (end == tensor + 4)
        return;
    *low = *high < 0 || n < *low ? n : *low;
    *high = n > *high ? n : *high;
}

/* "0-10": the numbers in the names of the weights that a device reads. */
static const char *layers_on(Arena *a, const Plan *p, const PlanProgram *q,
                             int device)
{
    long low = -1, high = -1;
    Buf b = {0};
    for (int i = 0; i < q->n_steps; i++)
        for (int k = 0; k < q->step[i].n_args; k++) {
            PlanArg arg = q->step[i].arg[k];
            if (arg.kind == ARG_WEIGHT && q->step[i].device == device)
                count_layer(p->weight[arg.index].tensor, &low, &high);
        }
    if (high >= 0)
        buf_printf(&b, high > low ? "%ld-%ld" : "%ld", low, high);
    const char *text = arena_strndup(a, b.data ? b.data : "", b.n);
    buf_free(&b);
    return text;
}

/* Devices that work, in the order in which they first do. */
static int find_devices(Arena *a, const Plan *p, const PlanProgram *q,
                        int **device)
{
    bool *seen = ARENA_ARRAY(a, bool, p->n_devices);
    int n = 0;
    *device = ARENA_ARRAY(a, int, p->n_devices);
    for (int i = 0; i < q->n_steps; i++) {
        int d = works_on(p, &q->step[i]);
        if (!seen[d])
            (*device)[n++] = d;
        seen[d] = true;
    }
    return n;
}

int predict_rows(Arena *a, const Plan *p, const PlanProgram *q,
                 TimelineRow **out)
{
    int *device, n = find_devices(a, p, q, &device);
    *out = ARENA_ARRAY(a, TimelineRow, n);
    for (int i = 0; i < n; i++)
        (*out)[i] = (TimelineRow){p->device[device[i]].name,
                                  layers_on(a, p, q, device[i])};
    return n;
}

/* ---- what a step takes */

/* No work item: what it makes are rows of logits that nobody wants. */
static bool makes_nothing(const PredictSpec *s, const PlanStep *step,
                          TrafficStep at)
{
    const Graph *g = s->map->graph[step->kernel];
    for (int i = step->n_args - g->n_results; i < step->n_args; i++) {
        const PlanBuffer *b = &s->plan->buffer[step->arg[i].index];
        if (dim_value(b->dim[0], at.tokens, at.outputs, at.past + at.tokens))
            return false;
    }
    return g->n_results > 0;
}

static double copy_seconds(const PredictSpec *s, const PlanStep *step,
                           TrafficStep at)
{
    const PlanBuffer *b = &s->plan->buffer[step->arg[0].index];
    double part = (double)at.tokens / (double)s->plan->batch;
    return s->link_bandwidth > 0
               ? (double)b->bytes * part / s->link_bandwidth + s->link_latency
               : 0;
}

static double launch_seconds(const PredictSpec *s, const PlanStep *step,
                             TrafficStep at, bool relative)
{
    const PlanDevice *d = &s->plan->device[step->device];
    if (makes_nothing(s, step, at))
        return 0;
    double ops = work_launch(s->map, step, at);
    if (relative)
        return ops;
    double bytes = traffic_sum(traffic_launch(s->map, step, at));
    double reading = d->bandwidth > 0 ? bytes / d->bandwidth : 0;
    double computing = ops / d->compute;
    return reading > computing ? reading : computing;
}

static double step_seconds(const PredictSpec *s, const PlanStep *step,
                           TrafficStep at, bool relative)
{
    if (step->kind == STEP_LAUNCH)
        return launch_seconds(s, step, at, relative);
    return relative ? 0 : copy_seconds(s, step, at);
}

/* ---- the run */

typedef struct {
    const PredictSpec *spec;
    int64_t chunk; /* tokens */
    bool relative;
    int n_rows;
    int *row_of; /* by device */
    int64_t n_chunks;
    Span *span;
} Prediction;

/* The end of each work as if it began at 0. */
static void find_lengths(Prediction *p, int64_t chunk)
{
    const PredictSpec *s = p->spec;
    int64_t first = chunk * p->chunk;
    bool last = chunk == p->n_chunks - 1;
    TrafficStep at = {last ? s->tokens - first : p->chunk, last,
                      s->past + first};
    for (int i = 0; i < s->program->n_steps; i++) {
        const PlanStep *step = &s->program->step[i];
        int row = p->row_of[works_on(s->plan, step)];
        p->span[chunk * p->n_rows + row].end +=
            step_seconds(s, step, at, p->relative);
    }
}

/* Time goes on to the next end of a work. */
static void run(Prediction *p, int lanes)
{
    Flow f;
    FlowWork w;
    double now = 0;
    flow_init(&f, p->n_rows, lanes, p->n_chunks);
    while (f.taken < p->n_chunks) {
        Span *next = NULL;
        int row = 0;
        while (flow_next(&f, &w)) {
            Span *s = &p->span[w.chunk * p->n_rows + w.stage];
            s->start = now;
            s->end += now;
        }
        for (int r = 0; r < p->n_rows; r++) {
            Span *s = &p->span[f.done[r] * p->n_rows + r];
            if (f.busy[r] && (!next || s->end < next->end)) {
                next = s;
                row = r;
            }
        }
        now = next->end;
        flow_done(&f, row);
        while (flow_has_result(&f))
            flow_take(&f);
    }
}

/* So that a work of mean length takes 1. */
static void make_relative(Prediction *p)
{
    int64_t n = p->n_chunks * p->n_rows;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += p->span[i].end;
    for (int64_t i = 0; i < n && sum > 0; i++)
        p->span[i].end *= (double)n / sum;
}

static bool lacks_speed(const Plan *p)
{
    for (int i = 0; i < p->n_devices; i++)
        if (p->device[i].compute <= 0)
            return true;
    return false;
}

static Timeline describe(Arena *a, const Prediction *p, int lanes)
{
    const PredictSpec *s = p->spec;
    Timeline t = {.title = p->relative
                               ? "by operations alone (no speeds known): a "
                                 "unit is a device's mean time for a chunk"
                               : "at best: nominal bandwidth and compute",
                  .relative = p->relative,
                  .lanes = lanes,
                  .n_chunks = p->n_chunks,
                  .tokens = s->tokens,
                  .chunk_tokens = s->tokens < p->chunk ? s->tokens : p->chunk,
                  .span = p->span};
    t.n_rows = predict_rows(a, s->plan, s->program, &t.row);
    return t;
}

Err *predict_prompt(Arena *a, const PredictSpec *s, Timeline *out)
{
    int *device;
    Prediction p = {.spec = s, .relative = lacks_speed(s->plan)};
    p.chunk = s->chunk ? s->chunk : s->plan->batch;
    p.n_chunks = (s->tokens + p.chunk - 1) / p.chunk;
    if (s->tokens < 1 || p.n_chunks > MAX_CHUNKS)
        return err_new(ERR_USAGE, "a prompt of %" PRId64 " tokens in chunks of "
                                  "%" PRId64 ": expected 1 to %d chunks",
                       s->tokens, p.chunk, MAX_CHUNKS);
    p.n_rows = find_devices(a, s->plan, s->program, &device);
    p.row_of = ARENA_ARRAY(a, int, s->plan->n_devices);
    for (int i = 0; i < p.n_rows; i++)
        p.row_of[device[i]] = i;
    p.span = ARENA_ARRAY(a, Span, p.n_chunks * p.n_rows);
    for (int64_t c = 0; c < p.n_chunks; c++)
        find_lengths(&p, c);
    if (p.relative)
        make_relative(&p);
    int most = s->program->n_stages ? p.n_rows : 1;
    int lanes = s->lanes && s->lanes < most ? s->lanes : most;
    run(&p, lanes);
    *out = describe(a, &p, lanes);
    return NULL;
}

void predict_fit(Arena *a, Timeline *t, double busy)
{
    double have = timeline_sums(t).busy;
    int64_t n = t->n_chunks * t->n_rows;
    Span *span = ARENA_ARRAY(a, Span, n);
    for (int64_t i = 0; i < n && have > 0; i++)
        span[i] = (Span){t->span[i].start * busy / have,
                         t->span[i].end * busy / have};
    t->span = span;
    t->relative = false;
}
