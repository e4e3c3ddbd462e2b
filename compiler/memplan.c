/* memplan.c - every byte of every device, before anything is loaded. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compiler/schedule.h"

static int64_t align_up(int64_t n)
{
    return (n + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

/* Far from 2^63, so that sums of a few regions need no checks. */
static const int64_t MAX_REGION = (int64_t)1 << 60;

/* `bytes` at the end of a region. */
static Err *append(int64_t *end, int64_t bytes, const char *name,
                   int64_t *offset)
{
    if (bytes > MAX_REGION - *end)
        return err_new(ERR_LIMIT, "with %s a device holds more than 2^60 bytes",
                       name);
    *offset = *end;
    *end = align_up(*end + bytes);
    return NULL;
}

static Err *place_weights(Plan *p)
{
    for (int i = 0; i < p->n_weights; i++) {
        PlanWeight *w = &p->weight[i];
        TRY(append(&p->device[w->device].weights, w->bytes, w->tensor,
                   &w->offset));
    }
    return NULL;
}

static Err *place_states(Plan *p)
{
    for (int i = 0; i < p->n_states; i++) {
        PlanState *s = &p->state[i];
        TRY(append(&p->device[s->device].states, s->bytes, s->name,
                   &s->offset));
    }
    return NULL;
}

/* ---- scratch ---- */

/* Steps [first, last] of a program during which a buffer must keep its bytes. */
typedef struct {
    int first, last;
} Life;

static void touch(Life *l, int step)
{
    if (step < l->first)
        l->first = step;
    if (step > l->last)
        l->last = step;
}

static void touch_ports(Life *life, const PlanPort *port, int n, int step)
{
    for (int i = 0; i < n; i++)
        touch(&life[port[i].buffer], step);
}

/* Inputs live from before the first step; outputs and taps to the end.  What has
 * slots is written while this chunk is still worked on, at any step. */
static void find_lives(const Plan *p, const PlanProgram *g, Life *life)
{
    touch_ports(life, g->input, g->n_inputs, -1);
    touch_ports(life, g->output, g->n_outputs, g->n_steps);
    touch_ports(life, g->tap, g->n_taps, g->n_steps);
    for (int s = 0; s < g->n_steps; s++)
        for (int k = 0; k < g->step[s].n_args; k++)
            if (g->step[s].arg[k].kind == ARG_BUFFER)
                touch(&life[g->step[s].arg[k].index], s);
    for (int i = 0; i < p->n_buffers; i++)
        if (p->buffer[i].slots > 1 && life[i].last >= 0)
            life[i] = (Life){-1, g->n_steps};
}

/* The buffers of one device that live at a step, by offset. */
typedef struct {
    int n;
    int *at; /* room for all buffers */
} Live;

static void drop_ended(Live *l, const Life *life, int step)
{
    int n = 0;
    for (int i = 0; i < l->n; i++)
        if (life[l->at[i]].last >= step)
            l->at[n++] = l->at[i];
    l->n = n;
}

/* The lowest gap that is large enough. */
static Err *place_buffer(Plan *p, Live *l, int at)
{
    PlanBuffer *b = &p->buffer[at];
    bool counted = b->bytes <= MAX_REGION / PLAN_SLOTS;
    int64_t offset = 0, bytes = counted ? plan_span(b) : MAX_REGION + 1;
    int i = 0;
    for (; i < l->n; i++) {
        const PlanBuffer *x = &p->buffer[l->at[i]];
        if (x->offset - offset >= bytes)
            break;
        offset = align_up(x->offset + plan_span(x));
    }
    if (bytes > MAX_REGION - offset)
        return err_new(ERR_LIMIT, "with %s a device holds more than 2^60 bytes",
                       b->name);
    b->offset = offset;
    memmove(&l->at[i + 1], &l->at[i], sizeof *l->at * (size_t)(l->n - i));
    l->at[i] = at;
    l->n++;
    int64_t *size = &p->device[b->device].scratch;
    if (offset + bytes > *size)
        *size = align_up(offset + bytes);
    return NULL;
}

/* The program's buffers by the step that first touches them; returns how
 * many. */
static int sort_by_birth(const Plan *p, const PlanProgram *g, const Life *life,
                         Arena *a, int *order)
{
    int *at = ARENA_ARRAY(a, int, g->n_steps + 3), n = 0;
    for (int i = 0; i < p->n_buffers; i++)
        if (life[i].first <= g->n_steps)
            at[life[i].first + 2]++;
    for (int s = 0; s < g->n_steps + 2; s++)
        at[s + 1] += at[s];
    for (int i = 0; i < p->n_buffers; i++)
        if (life[i].first <= g->n_steps) {
            order[at[life[i].first + 1]++] = i;
            n++;
        }
    return n;
}

/* Programs never run at once, so they share the region. */
static Err *place_scratch(Plan *p, const PlanProgram *g, Arena *a)
{
    Life *life = ARENA_ARRAY(a, Life, p->n_buffers + 1);
    int *order = ARENA_ARRAY(a, int, p->n_buffers + 1);
    Live *live = ARENA_ARRAY(a, Live, p->n_devices);
    for (int d = 0; d < p->n_devices; d++)
        live[d].at = ARENA_ARRAY(a, int, p->n_buffers + 1);
    for (int i = 0; i < p->n_buffers; i++)
        life[i] = (Life){INT32_MAX, -2};
    find_lives(p, g, life);
    int n = sort_by_birth(p, g, life, a, order);
    for (int i = 0; i < n; i++) {
        Live *l = &live[p->buffer[order[i]].device];
        drop_ended(l, life, life[order[i]].first);
        TRY(place_buffer(p, l, order[i]));
    }
    return NULL;
}

Err *memplan_assign(Plan *p)
{
    Err *e = NULL;
    Arena *a = arena_new();
    DO(place_weights(p));
    DO(place_states(p));
    for (int i = 0; i < p->n_programs; i++)
        DO(place_scratch(p, &p->program[i], a));
    e = plan_verify(p);
out:
    arena_free(a);
    return e;
}

/* ---- does it fit ---- */

/* Bytes that device d lacks with that context; not above 0: it fits.  besides:
 * what it must hold beside its regions. */
static int64_t lacks(const Plan *p, int d, int64_t context, int64_t besides)
{
    const PlanDevice *dev = &p->device[d];
    int64_t sum = dev->weights + dev->scratch + besides;
    if (dev->capacity == 0)
        return 0; /* no limit */
    for (int i = 0; i < p->n_states; i++) {
        const PlanState *s = &p->state[i];
        if (s->device == d)
            sum += align_up(s->kind == STATE_PER_TOKEN
                                ? s->bytes / p->context * context
                                : s->bytes);
    }
    return sum - (dev->capacity - dev->reserve);
}

static bool fits(const Plan *p, int64_t context, int64_t besides)
{
    for (int d = 0; d < p->n_devices; d++)
        if (lacks(p, d, context, besides) > 0)
            return false;
    return true;
}

/* The longest context with which every device holds what lies there now; 0 if
 * there is none. */
static int64_t longest_context(const Plan *p, int64_t besides)
{
    int64_t low = 0, high = p->context;
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (fits(p, mid, besides))
            low = mid;
        else
            high = mid;
    }
    return low;
}

static int by_number(const void *a, const void *b)
{
    const long *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Layers, by the numbers in the names of their weights; 0: no such names. */
static int count_layers(const Plan *p)
{
    static const char prefix[] = "blk.";
    long *number = calloc((size_t)p->n_weights + 1, sizeof *number);
    int n = 0, layers = 0;
    if (!number)
        memory_out(((size_t)p->n_weights + 1) * sizeof *number);
    for (int i = 0; i < p->n_weights; i++)
        if (strncmp(p->weight[i].tensor, prefix, sizeof prefix - 1) == 0)
            number[n++] = strtol(p->weight[i].tensor + sizeof prefix - 1, NULL,
                                 10);
    qsort(number, (size_t)n, sizeof *number, by_number);
    for (int i = 0; i < n; i++)
        layers += i == 0 || number[i] != number[i - 1];
    free(number);
    return layers;
}

/* How many devices like these hold everything, if layers could be cut at any
 * byte; each needs its own scratch.  Says nothing if layers, which stay whole,
 * do not suffice for so many. */
static void advise_devices(const Plan *p, Buf *b)
{
    int64_t total = 0, room = 0, scratch = 0;
    for (int i = 0; i < p->n_devices; i++) {
        const PlanDevice *d = &p->device[i];
        total += d->weights + d->states;
        room += d->capacity - d->reserve;
        scratch = d->scratch > scratch ? d->scratch : scratch;
        if (d->capacity == 0)
            return;
    }
    int64_t each = room / p->n_devices - scratch;
    int64_t need = each > 0 ? (total + each - 1) / each : 0;
    int layers = count_layers(p);
    if (need > p->n_devices && (layers == 0 || need <= layers))
        buf_printf(b, ", or at least %" PRId64 " such devices (%" PRId64
                      " bytes of weights and states, %" PRId64
                      " there besides scratch)",
                   need, total, each * p->n_devices);
}

/* What is computed in one step takes scratch: about in proportion. */
static void advise_batch(const Plan *p, int worst, int64_t lack, Buf *b)
{
    if (p->batch > 1 && p->device[worst].scratch > lack)
        buf_printf(b, ", or a smaller --batch (with %" PRId64
                      " tokens scratch takes %" PRId64 " bytes)",
                   p->batch, p->device[worst].scratch);
}

/* What a person could change, with numbers. */
static void advise(const Plan *p, int worst, int64_t lack, int64_t besides,
                   Buf *b)
{
    int64_t context = longest_context(p, besides);
    if (context)
        buf_printf(b, "; --context=%" PRId64 " would fit", context);
    else
        buf_printf(b, "; no context is short enough");
    advise_devices(p, b);
    advise_batch(p, worst, lack, b);
    buf_printf(b, ", or a smaller --kv type or a file of fewer bits");
}

Err *memplan_check(const Plan *p, int64_t besides)
{
    int worst = -1;
    int64_t most = 0;
    for (int i = 0; i < p->n_devices; i++) {
        int64_t over = lacks(p, i, p->context, besides);
        if (over > most) {
            most = over;
            worst = i;
        }
    }
    if (worst < 0)
        return NULL;
    Buf b = {0};
    advise(p, worst, most, besides, &b);
    Err *e = err_new(ERR_LIMIT,
                     "does not fit: %s lacks %" PRId64 " bytes (%.2f GiB)%s",
                     p->device[worst].name, most,
                     (double)most / (1024. * 1024 * 1024), b.data);
    buf_free(&b);
    return e;
}
