/* dev_cuda.c - a card, or a part of its memory, as a device.
 *
 * Logical devices of a card share its context and its kernels; each has a
 * stream and memory of its own.  What is asked for is queued on the stream, and
 * only finish waits. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/cuda_device.h"

enum { SENT_BYTES = 1 << 20 };

Err *cuda_device_enter(const CudaDevice *c)
{
    return CUDA_ON(c, cuCtxSetCurrent, c->on->context);
}

/* ---- pinned memory */

void pinned_free(Pinned *m)
{
    if (m->p)
        cuda_api()->cuMemFreeHost(m->p);
    *m = (Pinned){0};
}

Err *pinned_grow(const CudaDevice *c, Pinned *m, int64_t n)
{
    if (n <= m->n)
        return NULL;
    pinned_free(m);
    TRY(CUDA_ON(c, cuMemHostAlloc, &m->p, (size_t)n, CUDA_HOST_PORTABLE));
    m->n = n;
    return NULL;
}

Err *cuda_grow(CudaDevice *c, CudaAddress *p, int64_t *room, int64_t n)
{
    if (n <= *room)
        return NULL;
    *room = 0;
    if (*p)
        TRY(CUDA_ON(c, cuMemFree_v2, *p));
    *p = 0;
    TRY(CUDA_ON(c, cuMemAlloc_v2, p, (size_t)n));
    *room = n;
    return NULL;
}

/* ---- opening */

static int64_t region_bytes(const PlanDevice *d, Region r)
{
    const int64_t bytes[REGION_COUNT] = {[REGION_WEIGHTS] = d->weights,
                                         [REGION_STATES] = d->states,
                                         [REGION_SCRATCH] = d->scratch};
    return bytes[r];
}

static Err *get(CudaDevice *c, CudaAddress *p, int64_t n)
{
    size_t bytes = n > 0 ? (size_t)n : PLAN_ALIGN;
    Err *e = CUDA_ON(c, cuMemAlloc_v2, p, bytes);
    return e ? err_note(e, "no memory for %.2f GiB", (double)bytes / (1 << 30))
             : NULL;
}

static Err *clear(CudaDevice *c, CudaAddress p, int64_t n)
{
    return n > 0 ? CUDA_ON(c, cuMemsetD8Async, p, 0, (size_t)n, c->stream)
                 : NULL;
}

static Err *allocate(CudaDevice *c)
{
    const PlanDevice *d = c->base.plan;
    const CudaKernelsSpec *k = cuda_kernels_spec(c->kernels);
    int64_t counters = cuda_code_counters(k->code);
    for (int r = 0; r < REGION_COUNT; r++)
        TRY(get(c, &c->region[r], region_bytes(d, (Region)r)));
    TRY(get(c, &c->scratch, cuda_code_scratch(k->code, k->plan)));
    TRY(get(c, &c->counters, counters));
    TRY(get(c, &c->step, sizeof(CudaStep)));
    TRY(clear(c, c->region[REGION_STATES], d->states));
    TRY(clear(c, c->region[REGION_SCRATCH], d->scratch));
    TRY(clear(c, c->counters, counters));
    return clear(c, c->step, sizeof(CudaStep));
}

static Err *prepare(CudaDevice *c, const DeviceSpec *s)
{
    const CudaCode *code = cuda_kernels_spec(c->kernels)->code;
    size_t bytes = cuda_call_bytes(code);
    c->parameters = memory_must(calloc(1, bytes), bytes);
    TRY(cuda_device_enter(c));
    TRY(CUDA_ON(c, cuStreamCreate, &c->stream, CUDA_STREAM_NON_BLOCKING));
    TRY(CUDA_ON(c, cuEventCreate, &c->reached, CUDA_EVENT_UNTIMED));
    TRY(pinned_grow(c, &c->sent, SENT_BYTES));
    TRY(allocate(c));
    cuda_load_begin(c, pool_threads(s->pool));
    return CUDA_ON(c, cuStreamSynchronize, c->stream);
}

static void close_cuda(Device *d)
{
    CudaDevice *c = cuda_device(d);
    const CudaApi *api = cuda_api();
    const CudaAddress memory[] = {
        c->region[REGION_WEIGHTS], c->region[REGION_STATES],
        c->region[REGION_SCRATCH], c->scratch, c->counters, c->step};
    api->cuCtxSetCurrent(c->on->context);
    if (c->stream)
        api->cuStreamSynchronize(c->stream);
    cuda_load_free(c);
    cuda_graph_free(c);
    cuda_time_free(c);
    cuda_choose_free(c);
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i])
            api->cuMemFree_v2(memory[i]);
    for (int i = 0; i < c->n_fetched; i++)
        pinned_free(&c->fetched[i]);
    pinned_free(&c->sent);
    if (c->reached)
        api->cuEventDestroy_v2(c->reached);
    if (c->stream)
        api->cuStreamDestroy_v2(c->stream);
    free(c->fetched);
    free(c->parameters);
    free(c);
}

static Err *open_cuda(const DeviceSpec *s, Device **out)
{
    const CudaOnCard *on =
        s->cuda ? cuda_kernels_card(s->cuda, s->plan) : NULL;
    if (!on)
        return err_new(ERR_DEVICE, "%s: no kernels were made for this card",
                       s->plan->name);
    CudaDevice *c = memory_must(calloc(1, sizeof *c), sizeof *c);
    c->base = (Device){&device_cuda, s->plan};
    c->kernels = s->cuda;
    c->on = on;
    Err *e = prepare(c, s);
    if (e) {
        close_cuda(&c->base);
        return e;
    }
    *out = &c->base;
    return NULL;
}

/* ---- memory */

static CudaAddress at_place(const CudaDevice *c, Place at)
{
    return c->region[at.region] + (CudaAddress)at.offset;
}

static void *address(Device *d, Place at)
{
    return (void *)(uintptr_t)at_place(cuda_device(d), at);
}

static void *host_address(Device *d, Place at)
{
    (void)d;
    (void)at;
    return NULL;
}

/* Through `sent`, whose bytes stay until the stream was waited for. */
Err *cuda_send(CudaDevice *c, CudaAddress to, const char *src, int64_t n)
{
    for (int64_t part; n > 0; n -= part, src += part, to += (CudaAddress)part) {
        if (c->sent_at == c->sent.n) {
            TRY(CUDA_ON(c, cuStreamSynchronize, c->stream));
            c->sent_at = 0;
        }
        part = c->sent.n - c->sent_at;
        part = n < part ? n : part;
        char *p = (char *)c->sent.p + c->sent_at;
        memcpy(p, src, (size_t)part);
        TRY(CUDA_ON(c, cuMemcpyHtoDAsync_v2, to, p, (size_t)part, c->stream));
        c->sent_at += part;
    }
    return NULL;
}

static Err *write(Device *d, Place at, const void *src, int64_t n)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_device_enter(c));
    return cuda_send(c, at_place(c, at), src, n);
}

static Err *fill(Device *d, Place at, uint8_t value, int64_t n)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_device_enter(c));
    if (n <= 0)
        return NULL;
    return CUDA_ON(c, cuMemsetD8Async, at_place(c, at), value, (size_t)n,
                   c->stream);
}

static void want_slot(CudaDevice *c, int slot)
{
    if (slot < c->n_fetched)
        return;
    size_t old = (size_t)c->n_fetched, n = (size_t)slot + 1;
    c->fetched = memory_must(realloc(c->fetched, n * sizeof *c->fetched),
                             n * sizeof *c->fetched);
    memset(c->fetched + old, 0, (n - old) * sizeof *c->fetched);
    c->n_fetched = (int)n;
}

static Err *fetch(Device *d, Place at, int64_t n, int slot, const void **out)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_device_enter(c));
    want_slot(c, slot);
    Pinned *m = &c->fetched[slot];
    TRY(pinned_grow(c, m, n > 0 ? n : 1));
    *out = m->p;
    return n > 0 ? CUDA_ON(c, cuMemcpyDtoHAsync_v2, m->p, at_place(c, at),
                           (size_t)n, c->stream)
                 : NULL;
}

Err *cuda_copy(CudaDevice *from, CudaAddress src, CudaDevice *to, Place at,
               int64_t n)
{
    CudaAddress q = at_place(to, at);
    TRY(cuda_device_enter(from));
    if (from->on == to->on)
        return CUDA_ON(from, cuMemcpyDtoDAsync_v2, q, src, (size_t)n,
                       from->stream);
    return CUDA_ON(from, cuMemcpyPeerAsync, q, to->on->context, src,
                   from->on->context, (size_t)n, from->stream);
}

static Err *copy(Device *to, Place at, Device *from, Place src, int64_t n)
{
    CudaDevice *a = cuda_device(from);
    return n > 0 ? cuda_copy(a, at_place(a, src), cuda_device(to), at, n)
                 : NULL;
}

/* ---- order */

static Err *order(Device *first, Device *then)
{
    CudaDevice *a = cuda_device(first), *b = cuda_device(then);
    TRY(cuda_device_enter(a));
    TRY(CUDA_ON(a, cuEventRecord, a->reached, a->stream));
    TRY(cuda_device_enter(b));
    return CUDA_ON(b, cuStreamWaitEvent, b->stream, a->reached, 0);
}

static Err *finish(Device *d)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_device_enter(c));
    TRY(CUDA_ON(c, cuStreamSynchronize, c->stream));
    c->sent_at = 0;
    return NULL;
}

/* The computing threads are the card's. */
static void use(Device *d, Pool *pool)
{
    (void)d;
    (void)pool;
}

/* ---- launches */

static Err *tell_step(CudaDevice *c, const KernelCall *call)
{
    CudaStep now = {call->past, call->capacity};
    if (now.past == c->now.past && now.capacity == c->now.capacity)
        return NULL;
    TRY(cuda_send(c, c->step, (const char *)&now, sizeof now));
    c->now = now;
    return NULL;
}

/* Timed one by one, all of them by a graph, or as they come. */
static Err *launch_some(CudaDevice *c, const LaunchList *l)
{
    bool done = false;
    if (l->seconds) {
        TRY(cuda_time_list(c, l));
        return l->logits ? cuda_choose_launch(c, l->call, l->logits) : NULL;
    }
    TRY(cuda_graph_launch(c, l, &done));
    return done ? NULL : cuda_launch_list(c, l);
}

static Err *launch(Device *d, const LaunchList *l)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_device_enter(c));
    TRY(tell_step(c, l->call));
    TRY(launch_some(c, l));
    return l->logits ? cuda_choose_queued(c, l->call) : NULL;
}

const DeviceKind device_cuda = {
    .kind = "cuda",
    .open = open_cuda,
    .close = close_cuda,
    .address = address,
    .host_address = host_address,
    .write = write,
    .fill = fill,
    .fetch = fetch,
    .launch = launch,
    .copy = copy,
    .order = order,
    .finish = finish,
    .use = use,
    .staging = cuda_load_staging,
    .write_rows = cuda_load_rows,
    .loaded = cuda_load_end,
    .can_choose = cuda_can_choose,
    .choose_begin = cuda_choose_begin,
    .chosen = cuda_chosen,
    .choose_send = cuda_choose_send,
};
