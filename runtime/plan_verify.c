/* plan_verify.c - what exec.c and the loader take for granted, checked.
 *
 * After this no index is out of range, no offset outside its region, and the
 * bytes of every thing are those of its type and shape. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/plan.h"

/* Positions and token counts travel as int32. */
enum { MAX_DEVICES = 256, MAX_TOKENS = INT32_MAX, MAX_NAME = 255 };
/* So large that nothing has so many, so small that a few of them add up. */
static const int64_t MAX_BYTES = INT64_MAX / 8;

static Err *bad(const char *what, const char *name, const char *why)
{
    return err_new(ERR_INPUT, "plan: %s '%.80s' %s", what, name, why);
}

/* ---- sizes */

/* a * b for numbers that are not negative; -1 on overflow or if one is. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t r;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &r) ? -1 : r;
}

/* Bytes of rows * n values of type t, each row whole blocks; -1 if none. */
static int64_t row_bytes(BlockType t, int64_t n, int64_t rows)
{
    return n < 1 || rows < 1 ? -1 : times(block_bytes(t, n), rows);
}

static int64_t weight_bytes(const PlanWeight *w)
{
    int64_t rows = 1;
    for (int i = 1; i < w->rank; i++)
        rows = w->ne[i] < 1 ? -1 : times(rows, w->ne[i]);
    return row_bytes(w->type, w->ne[0], rows);
}

/* The largest value a dimension takes. */
static int64_t dim_max(const Plan *p, Dim d)
{
    int64_t one = dim_value((Dim){1, d.sym}, p->batch, p->outputs, p->context);
    return d.k < 1 ? -1 : times(d.k, one);
}

static int64_t buffer_bytes(const Plan *p, const PlanBuffer *b)
{
    int64_t rows = 1;
    for (int i = 0; i < b->rank - 1; i++)
        rows = times(rows, dim_max(p, b->dim[i]));
    return row_bytes(b->type, dim_max(p, b->dim[b->rank - 1]), rows);
}

static bool good_type(BlockType t) { return (unsigned)t < BT_COUNT; }
static bool good_rank(int rank) { return rank >= 1 && rank <= PLAN_MAX_RANK; }
static bool good_index(int i, int n) { return i >= 0 && i < n; }

/* [offset, offset + bytes) inside a region that is `size` bytes long. */
static bool inside(int64_t offset, int64_t bytes, int64_t size)
{
    return offset >= 0 && offset % PLAN_ALIGN == 0 && bytes <= size &&
           offset <= size - bytes;
}

/* ---- one thing at a time */

static Err *check_device(const PlanDevice *d)
{
    int64_t sum = d->weights;
    if (!d->name || !d->kind)
        return err_new(ERR_INPUT, "plan: a device has no name");
    if (d->capacity < 0 || d->reserve < 0 || d->weights < 0 || d->states < 0 ||
        d->scratch < 0 || !isfinite(d->bandwidth) || d->bandwidth < 0 ||
        !isfinite(d->compute) || d->compute < 0 ||
        __builtin_add_overflow(sum, d->states, &sum) ||
        __builtin_add_overflow(sum, d->scratch, &sum) ||
        __builtin_add_overflow(sum, d->reserve, &sum))
        return bad("device", d->name, "has impossible sizes");
    return NULL;
}

static Err *check_weight(const Plan *p, const PlanWeight *w)
{
    if (!w->tensor)
        return err_new(ERR_INPUT, "plan: a weight has no name");
    if (!good_type(w->type) || !good_rank(w->rank) ||
        (unsigned)w->cls >= WEIGHT_CLASS_COUNT)
        return bad("weight", w->tensor, "has no known type, rank or class");
    if (!good_index(w->device, p->n_devices))
        return bad("weight", w->tensor, "lies on no device");
    if ((unsigned)w->packing >= PACK_COUNT ||
        !packing_fits(w->packing, w->type, w->ne[0], w->ne[1]))
        return bad("weight", w->tensor, "cannot be packed like that");
    if (w->bytes < 1 || w->bytes != weight_bytes(w))
        return bad("weight", w->tensor, "has bytes that its shape has not");
    if (!inside(w->offset, w->bytes, p->device[w->device].weights))
        return bad("weight", w->tensor, "lies outside its region");
    return NULL;
}

static Err *check_state(const Plan *p, const PlanState *s)
{
    if (!s->name)
        return err_new(ERR_INPUT, "plan: a state has no name");
    if (!good_type(s->type) ||
        (s->kind != STATE_PER_TOKEN && s->kind != STATE_FIXED))
        return bad("state", s->name, "has no known type or kind");
    if (!good_index(s->device, p->n_devices))
        return bad("state", s->name, "lies on no device");
    int64_t rows = s->kind == STATE_PER_TOKEN ? p->context : 1;
    if (s->bytes < 1 || s->bytes != row_bytes(s->type, s->elems, rows))
        return bad("state", s->name, "has bytes that its shape has not");
    if (!inside(s->offset, s->bytes, p->device[s->device].states))
        return bad("state", s->name, "lies outside its region");
    return NULL;
}

static Err *check_buffer(const Plan *p, const PlanBuffer *b)
{
    if (!b->name)
        return err_new(ERR_INPUT, "plan: a buffer has no name");
    if (!good_type(b->type) || !good_rank(b->rank))
        return bad("buffer", b->name, "has no known type or rank");
    for (int i = 0; i < b->rank; i++)
        if ((unsigned)b->dim[i].sym >= SYM_COUNT)
            return bad("buffer", b->name, "has an unknown dimension");
    if (!good_index(b->device, p->n_devices))
        return bad("buffer", b->name, "lies on no device");
    if (b->slots != 1 && b->slots != PLAN_SLOTS)
        return bad("buffer", b->name, "has neither one slot nor two");
    if (block_info[b->type].elems > 1 && b->dim[b->rank - 1].sym != SYM_ONE)
        return bad("buffer", b->name, "has rows of blocks of unknown length");
    if (b->bytes < 1 || b->bytes != buffer_bytes(p, b))
        return bad("buffer", b->name, "has bytes that its shape has not");
    if (b->bytes > MAX_BYTES ||
        !inside(b->offset, plan_span(b), p->device[b->device].scratch))
        return bad("buffer", b->name, "lies outside its region");
    return NULL;
}

/* Kernel names become symbols: letters, digits and '_' only. */
static Err *check_kernel(const PlanKernel *k)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    if (!k->name || !k->text)
        return err_new(ERR_INPUT, "plan: a kernel has no name or text");
    size_t n = strlen(k->name);
    if (n < 1 || n > MAX_NAME || strspn(k->name, allowed) != n ||
        (k->name[0] >= '0' && k->name[0] <= '9'))
        return bad("kernel", k->name, "has a name that is no symbol");
    return NULL;
}

/* ---- overlaps and duplicates, by sorting */

typedef struct {
    int device;
    int64_t offset, bytes;
    const char *name;
} Span;

static int compare_spans(const void *a, const void *b)
{
    const Span *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static Err *check_overlap(Span *s, int n, const char *what)
{
    Err *e = NULL;
    if (n)
        qsort(s, (size_t)n, sizeof *s, compare_spans);
    for (int i = 1; i < n && !e; i++)
        if (s[i].device == s[i - 1].device &&
            s[i].offset - s[i - 1].offset < s[i - 1].bytes)
            e = err_new(ERR_INPUT, "plan: %s '%.80s' and '%.80s' overlap", what,
                        s[i - 1].name, s[i].name);
    free(s);
    return e;
}

static Err *check_weight_overlap(const Plan *p)
{
    Span *s = memory_array(p->n_weights, sizeof *s);
    for (int i = 0; i < p->n_weights; i++) {
        const PlanWeight *w = &p->weight[i];
        s[i] = (Span){w->device, w->offset, w->bytes, w->tensor};
    }
    return check_overlap(s, p->n_weights, "weights");
}

static Err *check_state_overlap(const Plan *p)
{
    Span *s = memory_array(p->n_states, sizeof *s);
    for (int i = 0; i < p->n_states; i++) {
        const PlanState *t = &p->state[i];
        s[i] = (Span){t->device, t->offset, t->bytes, t->name};
    }
    return check_overlap(s, p->n_states, "states");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Takes and frees an array of names. */
static Err *check_unique(const char **name, int n, const char *what)
{
    Err *e = NULL;
    if (n)
        qsort(name, (size_t)n, sizeof *name, compare_names);
    for (int i = 1; i < n && !e; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            e = bad(what, name[i], "stands twice");
    free(name);
    return e;
}

static Err *check_kernel_names(const Plan *p)
{
    const char **name = memory_array(p->n_kernels, sizeof *name);
    for (int i = 0; i < p->n_kernels; i++)
        name[i] = p->kernel[i].name;
    return check_unique(name, p->n_kernels, "kernel");
}

/* ---- ports */

static Err *check_ports(const Plan *p, const PlanPort *port, int n,
                        const char *what)
{
    const char **name = memory_array(n, sizeof *name);
    Err *e = NULL;
    for (int i = 0; i < n && !e; i++) {
        name[i] = port[i].name ? port[i].name : "";
        if (!good_index(port[i].buffer, p->n_buffers))
            e = bad(what, name[i], "names no buffer");
    }
    if (!e)
        return check_unique(name, n, what);
    free(name);
    return e;
}

/* ---- the steps of a program */

/* The device of an argument, -1 if there is no such thing. */
static int arg_device(const Plan *p, PlanArg a)
{
    switch (a.kind) {
    case ARG_BUFFER:
        return good_index(a.index, p->n_buffers) ? p->buffer[a.index].device
                                                 : -1;
    case ARG_WEIGHT:
        return good_index(a.index, p->n_weights) ? p->weight[a.index].device
                                                 : -1;
    case ARG_STATE:
        return good_index(a.index, p->n_states) ? p->state[a.index].device : -1;
    }
    return -1;
}

static bool same_shape(const PlanBuffer *a, const PlanBuffer *b)
{
    if (a->type != b->type || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i].k != b->dim[i].k || a->dim[i].sym != b->dim[i].sym)
            return false;
    return true;
}

/* NULL or what is wrong. */
static const char *copy_fault(const Plan *p, const PlanStep *s)
{
    if (s->n_args != 2 || s->arg[0].kind != ARG_BUFFER ||
        s->arg[1].kind != ARG_BUFFER)
        return "is a copy that is not from a buffer to a buffer";
    if (!same_shape(&p->buffer[s->arg[0].index], &p->buffer[s->arg[1].index]))
        return "copies between different shapes";
    if (arg_device(p, s->arg[1]) != s->device)
        return "copies to a device that it does not run on";
    return NULL;
}

static const char *launch_fault(const Plan *p, const PlanStep *s)
{
    if (!good_index(s->kernel, p->n_kernels))
        return "launches no kernel";
    for (int i = 0; i < s->n_args; i++)
        if (arg_device(p, s->arg[i]) != s->device)
            return "has arguments on other devices";
    return NULL;
}

static const char *step_fault(const Plan *p, const PlanStep *s)
{
    if (!good_index(s->device, p->n_devices))
        return "runs on no device";
    if (s->n_args < 0 || (s->n_args && !s->arg))
        return "has no arguments";
    for (int i = 0; i < s->n_args; i++)
        if (arg_device(p, s->arg[i]) < 0)
            return "has an argument that does not exist";
    switch (s->kind) {
    case STEP_LAUNCH:
        return launch_fault(p, s);
    case STEP_COPY:
        return copy_fault(p, s);
    }
    return "is of no known kind";
}

/* ---- the stages of a program */

/* NULL or what is wrong with a step of a stage; next: the device that the
 * stage's copies go to, -1: none. */
static const char *staged_step_fault(const Plan *p, const PlanStep *s,
                                     int device, int next)
{
    if (s->kind == STEP_LAUNCH)
        return s->device == device ? NULL : "runs on another device";
    if (arg_device(p, s->arg[0]) != device)
        return "copies from another device";
    if (s->device != next)
        return "copies to a device that is not the next one";
    return p->buffer[s->arg[1].index].slots == PLAN_SLOTS
               ? NULL
               : "copies to a buffer without slots";
}

/* They partition the steps, each on a device of its own. */
static Err *check_stage_shapes(const Plan *p, const PlanProgram *q)
{
    bool used[MAX_DEVICES] = {false};
    int left = q->n_steps;
    for (int i = 0; i < q->n_stages; i++) {
        const PlanStage *g = &q->stage[i];
        if (!good_index(g->device, p->n_devices) || used[g->device] ||
            g->n_steps < 1 || g->n_steps > left)
            return bad("program", q->name,
                       "has a stage without a device or steps of its own");
        used[g->device] = true;
        left -= g->n_steps;
    }
    return left ? bad("program", q->name, "has steps outside its stages")
                : NULL;
}

static Err *check_stage_steps(const Plan *p, const PlanProgram *q)
{
    int step = 0;
    for (int i = 0; i < q->n_stages; i++) {
        const PlanStage *g = &q->stage[i];
        int next = i + 1 < q->n_stages ? q->stage[i + 1].device : -1;
        for (int end = step + g->n_steps; step < end; step++) {
            const char *fault =
                staged_step_fault(p, &q->step[step], g->device, next);
            if (fault)
                return err_new(ERR_INPUT,
                               "plan: step %d of '%.80s', in stage %d, %s",
                               step, q->name, i, fault);
        }
    }
    return NULL;
}

static void mark_ports(const PlanPort *port, int n, bool *used)
{
    for (int i = 0; i < n; i++)
        used[port[i].buffer] = true;
}

static void mark_buffers(const PlanProgram *q, bool *used)
{
    mark_ports(q->input, q->n_inputs, used);
    mark_ports(q->output, q->n_outputs, used);
    mark_ports(q->tap, q->n_taps, used);
    for (int i = 0; i < q->n_steps; i++)
        for (int k = 0; k < q->step[i].n_args; k++)
            if (q->step[i].arg[k].kind == ARG_BUFFER)
                used[q->step[i].arg[k].index] = true;
}

typedef struct {
    Span span;
    bool has_slots;
} BufferSpan;

/* Sorted: no buffer with slots shares a byte with another one. */
static Err *check_slots_apart(const BufferSpan *s, int n)
{
    int64_t end = 0, slots_end = 0; /* of all before, of those with slots */
    for (int i = 0; i < n; i++) {
        if (i == 0 || s[i].span.device != s[i - 1].span.device)
            end = slots_end = 0;
        if (s[i].span.offset < (s[i].has_slots ? end : slots_end))
            return bad("buffer", s[i].span.name,
                       "shares bytes with one that has slots, or has slots "
                       "and shares bytes");
        int64_t stop = s[i].span.offset + s[i].span.bytes;
        end = stop > end ? stop : end;
        if (s[i].has_slots && stop > slots_end)
            slots_end = stop;
    }
    return NULL;
}

/* What arrives for the next chunk may not touch what this one still uses. */
static Err *check_slots(const Plan *p, const PlanProgram *q)
{
    bool *used = memory_array(p->n_buffers, sizeof *used);
    BufferSpan *s = memory_array(p->n_buffers, sizeof *s);
    int n = 0;
    mark_buffers(q, used);
    for (int i = 0; i < p->n_buffers; i++) {
        const PlanBuffer *b = &p->buffer[i];
        if (used[i])
            s[n++] = (BufferSpan){{b->device, b->offset, plan_span(b), b->name},
                                  b->slots > 1};
    }
    if (n)
        qsort(s, (size_t)n, sizeof *s, compare_spans);
    Err *e = check_slots_apart(s, n);
    free(used);
    free(s);
    return e;
}

/* device -1: any. */
static Err *check_stage_port(const Plan *p, const PlanPort *port, int n,
                             int device, const char *what)
{
    for (int i = 0; i < n; i++) {
        const PlanBuffer *b = &p->buffer[port[i].buffer];
        if (b->slots > 1)
            return bad(what, port[i].name, "has slots");
        if (device >= 0 && b->device != device)
            return bad(what, port[i].name, "is not on the last stage's device");
    }
    return NULL;
}

/* Results wait on the last device until they are taken; inputs are written
 * where a stage reads them, one chunk at a time. */
static Err *check_stage_ports(const Plan *p, const PlanProgram *q)
{
    int last = q->stage[q->n_stages - 1].device;
    TRY(check_stage_port(p, q->input, q->n_inputs, -1, "input"));
    TRY(check_stage_port(p, q->output, q->n_outputs, last, "output"));
    return check_stage_port(p, q->tap, q->n_taps, last, "tap");
}

static Err *check_stages(const Plan *p, const PlanProgram *q)
{
    TRY(check_stage_shapes(p, q));
    TRY(check_stage_steps(p, q));
    TRY(check_stage_ports(p, q));
    return check_slots(p, q);
}

/* ---- programs */

static Err *check_program(const Plan *p, const PlanProgram *q)
{
    if (!q->name)
        return err_new(ERR_INPUT, "plan: a program has no name");
    TRY(check_ports(p, q->input, q->n_inputs, "input"));
    TRY(check_ports(p, q->output, q->n_outputs, "output"));
    TRY(check_ports(p, q->tap, q->n_taps, "tap"));
    for (int i = 0; i < q->n_steps; i++) {
        const char *fault = step_fault(p, &q->step[i]);
        if (fault)
            return err_new(ERR_INPUT, "plan: step %d of '%.80s' %s", i, q->name,
                           fault);
    }
    return q->n_stages ? check_stages(p, q) : NULL;
}

static Err *check_programs(const Plan *p)
{
    const char **name = memory_array(p->n_programs, sizeof *name);
    Err *e = NULL;
    for (int i = 0; i < p->n_programs && !e; i++) {
        name[i] = p->program[i].name;
        e = check_program(p, &p->program[i]);
    }
    if (!e)
        return check_unique(name, p->n_programs, "program");
    free(name);
    return e;
}

/* ---- the whole */

static bool good_count(int64_t v) { return v >= 1 && v <= MAX_TOKENS; }

static Err *check_limits(const Plan *p)
{
    if (!p->model)
        return err_new(ERR_INPUT, "plan: no model name");
    if (!good_count(p->context) || !good_count(p->batch) ||
        !good_count(p->outputs))
        return err_new(ERR_INPUT,
                       "plan: context %" PRId64 ", batch %" PRId64
                       " or outputs %" PRId64 " is out of range",
                       p->context, p->batch, p->outputs);
    if (p->n_devices < 1 || p->n_devices > MAX_DEVICES)
        return err_new(ERR_INPUT, "plan: %d devices, expected 1 to %d",
                       p->n_devices, MAX_DEVICES);
    return NULL;
}

static Err *check_memory(const Plan *p)
{
    for (int i = 0; i < p->n_devices; i++)
        TRY(check_device(&p->device[i]));
    for (int i = 0; i < p->n_weights; i++)
        TRY(check_weight(p, &p->weight[i]));
    for (int i = 0; i < p->n_states; i++)
        TRY(check_state(p, &p->state[i]));
    for (int i = 0; i < p->n_buffers; i++)
        TRY(check_buffer(p, &p->buffer[i]));
    TRY(check_weight_overlap(p));
    return check_state_overlap(p);
}

Err *plan_verify(const Plan *p)
{
    TRY(check_limits(p));
    TRY(check_memory(p));
    for (int i = 0; i < p->n_kernels; i++)
        TRY(check_kernel(&p->kernel[i]));
    TRY(check_kernel_names(p));
    return check_programs(p);
}
