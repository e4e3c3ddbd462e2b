/* dev_host.c - the CPU as a device; several of them are logical ones that
 * share the thread pool and keep their memory apart. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/device.h"
#include "runtime/kernel_set.h"

enum { LARGE_PAGE = 2 << 20 };

typedef struct {
    void *block; /* as allocated */
    char *p;     /* aligned */
} Memory;

typedef struct {
    Device base;
    Pool *pool;
    const KernelSet *kernels;
    Memory region[REGION_COUNT];
    Memory scratch; /* of the threads, one after the other */
    int64_t scratch_each;
    Memory shared, counters; /* of the threads together */
} HostDevice;

static HostDevice *host(Device *d) { return (HostDevice *)d; }

/* Weights are read from end to end for every token: with pages of 2 MiB the
 * processor seldom has to look one up.  Only a wish: the system may not have
 * them. */
static void want_large_pages(char *p, int64_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)p + (uintptr_t)n) / page * page;
    if (n >= LARGE_PAGE)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
}

/* Zeroed and aligned; big blocks cost nothing until they are touched. */
static bool get_zeroed(int64_t n, Memory *m)
{
    m->block = calloc(1, (size_t)n + PLAN_ALIGN);
    if (!m->block)
        return false;
    size_t past = (uintptr_t)m->block % PLAN_ALIGN;
    m->p = (char *)m->block + (PLAN_ALIGN - past) % PLAN_ALIGN;
    want_large_pages(m->p, n);
    return true;
}

static void host_close(Device *d)
{
    HostDevice *h = host(d);
    for (int r = 0; r < REGION_COUNT; r++)
        free(h->region[r].block);
    free(h->scratch.block);
    free(h->shared.block);
    free(h->counters.block);
    free(h);
}

static bool allocate(HostDevice *h, const PlanDevice *d, KernelRoom room)
{
    const int64_t bytes[REGION_COUNT] = {[REGION_WEIGHTS] = d->weights,
                                         [REGION_STATES] = d->states,
                                         [REGION_SCRATCH] = d->scratch};
    for (int r = 0; r < REGION_COUNT; r++)
        if (!get_zeroed(bytes[r], &h->region[r]))
            return false;
    return get_zeroed(h->scratch_each * pool_threads(h->pool), &h->scratch) &&
           get_zeroed(room.shared, &h->shared) &&
           get_zeroed(room.counters, &h->counters);
}

static Err *host_open(const DeviceSpec *s, Device **out)
{
    const PlanDevice *d = s->plan;
    KernelRoom room = s->host ? kernel_set_room(s->host) : (KernelRoom){0};
    HostDevice *h = calloc(1, sizeof *h);
    if (!h)
        memory_out(sizeof *h);
    h->base = (Device){&device_host, d};
    h->pool = s->pool;
    h->kernels = s->host;
    h->scratch_each = (room.scratch + PLAN_ALIGN - 1) & -PLAN_ALIGN;
    if (!allocate(h, d, room)) {
        host_close(&h->base);
        return err_new(ERR_LIMIT, "%s: cannot get %" PRId64 " bytes of memory",
                       d->name, d->weights + d->states + d->scratch);
    }
    *out = &h->base;
    return NULL;
}

static void *host_address(Device *d, Place at)
{
    return host(d)->region[at.region].p + at.offset;
}

static Err *host_write(Device *d, Place at, const void *src, int64_t n)
{
    memcpy(host_address(d, at), src, (size_t)n);
    return NULL;
}

static Err *host_fill(Device *d, Place at, uint8_t value, int64_t n)
{
    memset(host_address(d, at), value, (size_t)n);
    return NULL;
}

static Err *host_fetch(Device *d, Place at, int64_t n, int slot,
                       const void **out)
{
    (void)n;
    (void)slot;
    *out = host_address(d, at);
    return NULL;
}

static Err *host_copy(Device *to, Place at, Device *from, Place src, int64_t n)
{
    return host_write(to, at, host_address(from, src), n);
}

typedef struct {
    const HostDevice *device;
    const KernelCall *call;
    KernelFn *fn;
} Job;

static void run_items(void *ctx, int64_t begin, int64_t end, int thread)
{
    const Job *j = ctx;
    j->fn(j->call, begin, end,
          j->device->scratch.p + thread * j->device->scratch_each);
}

static void run_kernel(HostDevice *h, int kernel, const KernelCall *c)
{
    const Kernel *k = kernel_set_get(h->kernels, kernel);
    Dim items = {k->info.items_k, (Sym)k->info.items_sym};
    Job j = {h, c, k->fn};
    pool_run(h->pool, run_items, &j,
             dim_value(items, c->tokens, c->outputs, c->past + c->tokens));
}

static Err *host_launch(Device *d, const LaunchList *l)
{
    HostDevice *h = host(d);
    KernelCall c = *l->call;
    c.shared = h->shared.p;
    c.counters = h->counters.p;
    for (int i = 0; i < l->n; i++) {
        double start = l->seconds ? clock_seconds() : 0;
        run_kernel(h, l->step[i].kernel, &c);
        c.arg += l->step[i].n_args;
        if (l->seconds)
            l->seconds[i] = clock_seconds() - start;
    }
    return NULL;
}

static void host_use(Device *d, Pool *pool) { host(d)->pool = pool; }

const DeviceKind device_host = {
    .kind = "host",
    .open = host_open,
    .close = host_close,
    .address = host_address,
    .host_address = host_address,
    .write = host_write,
    .fill = host_fill,
    .fetch = host_fetch,
    .launch = host_launch,
    .copy = host_copy,
    .use = host_use,
};
