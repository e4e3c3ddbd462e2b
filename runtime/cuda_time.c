/* cuda_time.c - what each launch of a list takes on the device.
 *
 * Events between launches tell, but only if the device never waits for us to
 * make the next call.  So a batch of launches is queued behind a gate, a host
 * function that holds the stream until the batch is complete. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/cuda_device.h"

enum { BATCH = 100 };
/* A driver that makes the call at once, or has no room for the batch, is not
 * held for longer. */
static const double longest_hold = 0.02;

struct CudaTimer {
    CudaEvent *event[BATCH + 1];
    atomic_bool open;
};

static void hold(void *ctx)
{
    struct CudaTimer *t = ctx;
    double end = clock_seconds() + longest_hold;
    while (!atomic_load(&t->open) && clock_seconds() < end)
        ;
}

static Err *make_timer(CudaDevice *c)
{
    if (c->timer)
        return NULL;
    c->timer = memory_must(calloc(1, sizeof *c->timer), sizeof *c->timer);
    for (int i = 0; i <= BATCH; i++)
        TRY(CUDA_ON(c, cuEventCreate, &c->timer->event[i], CUDA_EVENT_TIMED));
    return NULL;
}

static Err *queue(CudaDevice *c, const KernelCall *call, const PlanStep *s,
                  int n, void *const *arg)
{
    CudaTimer *t = c->timer;
    TRY(CUDA_ON(c, cuLaunchHostFunc, c->stream, hold, t));
    TRY(CUDA_ON(c, cuEventRecord, t->event[0], c->stream));
    for (int i = 0; i < n; i++) {
        TRY(cuda_launch_step(c, call, &s[i], arg, NULL));
        TRY(CUDA_ON(c, cuEventRecord, t->event[i + 1], c->stream));
        arg += s[i].n_args;
    }
    return NULL;
}

static Err *time_batch(CudaDevice *c, const KernelCall *call,
                       const PlanStep *s, int n, void *const *arg,
                       double *seconds)
{
    CudaTimer *t = c->timer;
    atomic_store(&t->open, false);
    Err *e = queue(c, call, s, n, arg);
    atomic_store(&t->open, true);
    if (e)
        return e;
    TRY(CUDA_ON(c, cuStreamSynchronize, c->stream));
    for (int i = 0; i < n; i++) {
        float ms = 0;
        TRY(CUDA_ON(c, cuEventElapsedTime, &ms, t->event[i], t->event[i + 1]));
        seconds[i] = 1e-3 * (double)ms;
    }
    return NULL;
}

Err *cuda_time_list(CudaDevice *c, const LaunchList *l)
{
    void *const *arg = l->call->arg;
    TRY(make_timer(c));
    for (int i = 0; i < l->n; i += BATCH) {
        int n = l->n - i < BATCH ? l->n - i : BATCH;
        TRY(time_batch(c, l->call, &l->step[i], n, arg, &l->seconds[i]));
        for (int k = i; k < i + n; k++)
            arg += l->step[k].n_args;
    }
    return NULL;
}

void cuda_time_free(CudaDevice *c)
{
    for (int i = 0; c->timer && i <= BATCH; i++)
        if (c->timer->event[i])
            cuda_api()->cuEventDestroy_v2(c->timer->event[i]);
    free(c->timer);
    c->timer = NULL;
}
