/* cuda_choose.c - tokens chosen on a card: the kernel reads and writes a
 * CudaSample, whose address never changes, so that recorded steps stay good;
 * choices come to pinned memory, and an event says when.
 *
 * Where one device does all of a step, the kernel also writes what the next
 * step reads, so that it can be queued before the choice is known. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/cuda_device.h"
#include "runtime/cuda_sample.h"

struct CudaChooser {
    CudaAddress sample;  /* CudaSample */
    CudaAddress tables;  /* what it points to */
    int64_t room;        /* bytes of the tables */
    Pinned out;          /* u64 [CUDA_SAMPLE_OUT] */
    CudaEvent *event[CUDA_SAMPLE_OUT];
    uint64_t asked;      /* choices queued since the beginning */
    bool feeds;          /* the next step's inputs are its to write */
    int32_t vocab;
};

static Err *open_chooser(CudaDevice *c)
{
    CudaChooser *h = memory_array(1, sizeof *h);
    c->chooser = h;
    Err *e = CUDA_ON(c, cuMemAlloc_v2, &h->sample, sizeof(CudaSample));
    if (!e)
        e = pinned_grow(c, &h->out, CUDA_SAMPLE_OUT * (int64_t)sizeof(uint64_t));
    for (int i = 0; i < CUDA_SAMPLE_OUT && !e; i++)
        e = CUDA_ON(c, cuEventCreate, &h->event[i], CUDA_EVENT_UNTIMED);
    if (e)
        cuda_choose_free(c);
    return e;
}

void cuda_choose_free(CudaDevice *c)
{
    CudaChooser *h = c->chooser;
    const CudaApi *api = cuda_api();
    if (!h)
        return;
    for (int i = 0; i < CUDA_SAMPLE_OUT; i++)
        if (h->event[i])
            api->cuEventDestroy_v2(h->event[i]);
    if (h->sample)
        api->cuMemFree_v2(h->sample);
    if (h->tables)
        api->cuMemFree_v2(h->tables);
    pinned_free(&h->out);
    free(h);
    c->chooser = NULL;
}

/* The fixed part first, then the tables behind it. */
static Err *send_sample(CudaDevice *c, CudaChooser *h, const Choosing *how,
                        const NextInputs *next)
{
    int64_t context = cuda_kernels_spec(c->kernels)->plan->context;
    CudaSampleRoom room = cuda_sample_room(how, context);
    int64_t head = (int64_t)sizeof(CudaSample);
    TRY(cuda_grow(c, &h->tables, &h->room, room.bytes));
    char *bytes = memory_must(malloc((size_t)room.bytes), (size_t)room.bytes);
    CudaSample *s = (CudaSample *)(void *)bytes;
    cuda_sample_fill(how, &room, h->tables, bytes);
    s->out = (CudaAddress)(uintptr_t)h->out.p;
    s->tokens = (CudaAddress)(uintptr_t)next->tokens;
    s->positions = (CudaAddress)(uintptr_t)next->positions;
    s->rows = (CudaAddress)(uintptr_t)next->rows;
    s->step = c->step;
    Err *e = cuda_send(c, h->sample, bytes, head);
    if (!e && room.bytes > head)
        e = cuda_send(c, h->tables + (CudaAddress)head, bytes + head,
                      room.bytes - head);
    free(bytes);
    return e;
}

/* More memory than was kept free is not asked for now: it may be gone. */
bool cuda_can_choose(const Device *d, const Choosing *how)
{
    const CudaDevice *c = (const CudaDevice *)d;
    const CudaKernelsSpec *k = cuda_kernels_spec(c->kernels);
    return k->code->sample >= 0 &&
           cuda_sample_fits(how, plan_vocabulary(k->plan), k->plan->context);
}

Err *cuda_choose_begin(Device *d, const Choosing *how, const NextInputs *next)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_device_enter(c));
    if (!c->chooser)
        TRY(open_chooser(c));
    CudaChooser *h = c->chooser;
    TRY(CUDA_ON(c, cuStreamSynchronize, c->stream)); /* older choices */
    c->sent_at = 0;
    h->asked = 0;
    h->feeds = next->tokens != NULL;
    h->vocab = how->vocab;
    return send_sample(c, h, how, next);
}

Err *cuda_choose_launch(CudaDevice *c, const KernelCall *call, void *logits)
{
    int kernel = cuda_kernels_spec(c->kernels)->code->sample;
    void *arg[] = {logits, (void *)(uintptr_t)c->chooser->sample};
    PlanStep step = {.kind = STEP_LAUNCH, .kernel = kernel, .n_args = 2};
    return cuda_launch_step(c, call, &step, arg, NULL);
}

Err *cuda_choose_queued(CudaDevice *c, const KernelCall *call)
{
    CudaChooser *h = c->chooser;
    if (h->feeds)
        c->now.past = call->past + call->tokens;
    return CUDA_ON(c, cuEventRecord, h->event[h->asked++ % CUDA_SAMPLE_OUT],
                   c->stream);
}

Err *cuda_chosen(Device *d, int64_t i, int32_t *id)
{
    CudaDevice *c = cuda_device(d);
    CudaChooser *h = c->chooser;
    int slot = (int)(i % CUDA_SAMPLE_OUT);
    TRY(cuda_device_enter(c));
    TRY(CUDA_ON(c, cuEventSynchronize, h->event[slot]));
    return cuda_sample_read(((const volatile uint64_t *)h->out.p)[slot],
                            h->vocab, id);
}

Err *cuda_choose_send(Device *d, Device *to, Place at)
{
    CudaDevice *a = cuda_device(d), *b = cuda_device(to);
    CudaAddress p = a->chooser->sample + offsetof(CudaSample, next);
    return cuda_copy(a, p, b, at, sizeof(int32_t));
}
