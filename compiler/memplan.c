/* memplan.c - every byte of every device, before anything is loaded. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compiler/schedule.h"

static int64_t align_up(int64_t n)
{
    return (n + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

static void place_weights(Plan *p)
{
    for (int i = 0; i < p->n_weights; i++) {
        PlanWeight *w = &p->weight[i];
        int64_t *end = &p->device[w->device].weights;
        w->offset = *end;
        *end = align_up(*end + w->bytes);
    }
}

static void place_states(Plan *p)
{
    for (int i = 0; i < p->n_states; i++) {
        PlanState *s = &p->state[i];
        int64_t *end = &p->device[s->device].states;
        s->offset = *end;
        *end = align_up(*end + s->bytes);
    }
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

/* Inputs live from before the first step; outputs and taps to the end. */
static void find_lives(const PlanProgram *g, Life *life)
{
    touch_ports(life, g->input, g->n_inputs, -1);
    touch_ports(life, g->output, g->n_outputs, g->n_steps);
    touch_ports(life, g->tap, g->n_taps, g->n_steps);
    for (int s = 0; s < g->n_steps; s++)
        for (int k = 0; k < g->step[s].n_args; k++)
            if (g->step[s].arg[k].kind == ARG_BUFFER)
                touch(&life[g->step[s].arg[k].index], s);
}

static bool overlap(Life a, Life b)
{
    return a.first <= b.last && b.first <= a.last;
}

/* Lowest offset clear of every placed buffer that lives at the same time. */
static int64_t first_fit(const Plan *p, const Life *life, int at,
                         const int *placed, int n_placed)
{
    int64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < n_placed; i++) {
            const PlanBuffer *b = &p->buffer[placed[i]];
            if (b->device != p->buffer[at].device ||
                !overlap(life[placed[i]], life[at]) ||
                b->offset >= offset + p->buffer[at].bytes ||
                b->offset + b->bytes <= offset)
                continue;
            offset = align_up(b->offset + b->bytes);
            moved = true;
        }
    }
    return offset;
}

/* Programs never run at once, so they share the region. */
static void place_scratch(Plan *p, const PlanProgram *g, Arena *a)
{
    Life *life = ARENA_ARRAY(a, Life, p->n_buffers + 1);
    int *placed = ARENA_ARRAY(a, int, p->n_buffers + 1), n = 0;
    for (int i = 0; i < p->n_buffers; i++)
        life[i] = (Life){INT32_MAX, -2};
    find_lives(g, life);
    for (int step = -1; step <= g->n_steps; step++)
        for (int i = 0; i < p->n_buffers; i++) {
            PlanBuffer *b = &p->buffer[i];
            if (life[i].first != step)
                continue;
            b->offset = first_fit(p, life, i, placed, n);
            placed[n++] = i;
            int64_t *size = &p->device[b->device].scratch;
            if (b->offset + b->bytes > *size)
                *size = align_up(b->offset + b->bytes);
        }
}

Err *memplan_assign(Plan *p)
{
    Arena *a = arena_new();
    place_weights(p);
    place_states(p);
    for (int i = 0; i < p->n_programs; i++)
        place_scratch(p, &p->program[i], a);
    arena_free(a);
    return plan_verify(p);
}

/* ---- does it fit ---- */

static int64_t used(const PlanDevice *d)
{
    return d->weights + d->states + d->scratch;
}

static int64_t row_bytes_on(const Plan *p, int device)
{
    int64_t n = 0;
    for (int i = 0; i < p->n_states; i++)
        if (p->state[i].kind == STATE_PER_TOKEN && p->state[i].device == device)
            n += p->state[i].bytes / p->context;
    return n;
}

/* What a person could change, with numbers. */
static void advise(const Plan *p, int device, int64_t over, Buf *b)
{
    int64_t rows = row_bytes_on(p, device), total = 0, room = 0;
    for (int i = 0; i < p->n_devices; i++) {
        total += used(&p->device[i]);
        room += p->device[i].capacity - p->device[i].reserve;
    }
    if (rows && over / rows + 1 < p->context)
        buf_printf(b, "; --context=%" PRId64 " would fit",
                   p->context - over / rows - 1);
    else
        buf_printf(b, "; no context is short enough");
    int64_t each = room / p->n_devices;
    int64_t need = each > 0 ? (total + each - 1) / each : 0;
    if (need > p->n_devices)
        buf_printf(b, ", or at least %" PRId64 " such devices (%" PRId64
                      " bytes in all, %" PRId64 " there)",
                   need, total, room);
    buf_printf(b, ", or a smaller --kv type or a file of fewer bits");
}

Err *memplan_check(const Plan *p)
{
    int worst = -1;
    int64_t most = 0;
    for (int i = 0; i < p->n_devices; i++) {
        const PlanDevice *d = &p->device[i];
        int64_t over = used(d) - (d->capacity - d->reserve);
        if (d->capacity && over > most) {
            most = over;
            worst = i;
        }
    }
    if (worst < 0)
        return NULL;
    Buf b = {0};
    advise(p, worst, most, &b);
    Err *e = err_new(ERR_LIMIT,
                     "does not fit: %s lacks %" PRId64 " bytes (%.2f GiB)%s",
                     p->device[worst].name, most,
                     (double)most / (1024. * 1024 * 1024), b.data);
    buf_free(&b);
    return e;
}
