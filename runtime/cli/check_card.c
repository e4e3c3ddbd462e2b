#include "runtime/cli/check_card.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/cuda_kernels.h"

enum { BEHIND = 256 }; /* guard bytes */

struct CheckCard {
    char name[32]; /* "cuda:0" */
    PlanDevice device;
    Plan plan; /* of that device alone */
    ModuleCache *cache;
    Pool *pool;
    const CudaCard *card;
    CudaContext *context;
    CudaStream *stream;
    CudaKernels *kernels; /* of the last load */
};

#define CARD(c, call, ...) CUDA((c)->name, call, __VA_ARGS__)

static Err *load(void *ctx, const CudaCode *code)
{
    CheckCard *c = ctx;
    CudaKernelsSpec spec = {.plan = &c->plan, .code = code,
                            .cache = c->cache, .pool = c->pool};
    cuda_kernels_free(c->kernels);
    c->kernels = NULL;
    TRY(cuda_kernels_new(&spec, &c->kernels));
    return CARD(c, cuCtxSetCurrent, c->context);
}

static void unload(void *ctx)
{
    CheckCard *c = ctx;
    cuda_kernels_free(c->kernels);
    c->kernels = NULL;
    cuda_api()->cuCtxSetCurrent(c->context);
}

static Err *run(void *ctx, const KernelRun *r)
{
    CheckCard *c = ctx;
    const CudaOnCard *on = cuda_kernels_card(c->kernels, &c->device);
    CudaFunction *f;
    uint8_t call[1024];
    void *parameters[] = {call};
    CudaLaunchConfig config = {.grid_x = (unsigned)r->x,
                               .grid_y = (unsigned)r->y,
                               .grid_z = 1,
                               .block_x = (unsigned)r->threads,
                               .block_y = 1,
                               .block_z = 1,
                               .shared = (unsigned)r->shared,
                               .stream = c->stream};
    if (r->call_bytes > (int64_t)sizeof call)
        return err_new(ERR_LIMIT, "%s: too many arguments", r->symbol);
    memcpy(call, r->call, (size_t)r->call_bytes);
    TRY(CARD(c, cuModuleGetFunction, &f, on->module[r->unit], r->symbol));
    TRY(CARD(c, cuLaunchKernelEx, &config, f, parameters, NULL));
    return CARD(c, cuStreamSynchronize, c->stream);
}

static Err *alloc(void *ctx, int64_t n, uint8_t **out)
{
    CudaAddress p = 0;
    TRY(CARD((CheckCard *)ctx, cuMemAlloc_v2, &p, (size_t)n));
    *out = (uint8_t *)(uintptr_t)p;
    return NULL;
}

static CudaAddress address(const uint8_t *p)
{
    return (CudaAddress)(uintptr_t)p;
}

static void release(void *ctx, uint8_t *at)
{
    (void)ctx;
    cuda_api()->cuMemFree_v2(address(at));
}

static Err *put(void *ctx, uint8_t *to, const void *from, int64_t n)
{
    CheckCard *c = ctx;
    TRY(CARD(c, cuMemcpyHtoDAsync_v2, address(to), from, (size_t)n,
             c->stream));
    return CARD(c, cuStreamSynchronize, c->stream);
}

static Err *get(void *ctx, const uint8_t *from, void *to, int64_t n)
{
    CheckCard *c = ctx;
    TRY(CARD(c, cuMemcpyDtoHAsync_v2, to, address(from), (size_t)n,
             c->stream));
    return CARD(c, cuStreamSynchronize, c->stream);
}

KernelMachine check_card_machine(CheckCard *c)
{
    return (KernelMachine){.ctx = c, .multiprocessors = c->card->sms,
                           .behind = BEHIND, .load = load, .unload = unload,
                           .run = run, .alloc = alloc, .release = release,
                           .write = put, .read = get};
}

const char *check_card_name(const CheckCard *c) { return c->card->name; }

static Err *enter(CheckCard *c)
{
    CudaContext *context;
    TRY(CARD(c, cuDevicePrimaryCtxRetain, &context, c->card->ordinal));
    c->context = context;
    TRY(CARD(c, cuCtxSetCurrent, context));
    return CARD(c, cuStreamCreate, &c->stream, CUDA_STREAM_NON_BLOCKING);
}

Err *check_card_open(int card, ModuleCache *cache, Pool *pool, CheckCard **out)
{
    const CudaDriver *d;
    *out = NULL;
    TRY(cuda_driver(&d));
    if (card >= d->n_cards)
        return err_new(ERR_DEVICE, "there is no card %d", card);
    CheckCard *c = memory_must(calloc(1, sizeof *c), sizeof *c);
    c->cache = cache;
    c->pool = pool;
    c->card = &d->card[card];
    snprintf(c->name, sizeof c->name, "cuda:%d", card);
    c->device = (PlanDevice){.name = c->name, .kind = "cuda"};
    c->plan = (Plan){.n_devices = 1, .device = &c->device};
    Err *e = enter(c);
    if (e)
        check_card_close(c);
    else
        *out = c;
    return e;
}

void check_card_close(CheckCard *c)
{
    if (!c)
        return;
    cuda_kernels_free(c->kernels);
    if (c->context) {
        cuda_api()->cuCtxSetCurrent(c->context);
        if (c->stream)
            cuda_api()->cuStreamDestroy_v2(c->stream);
        cuda_api()->cuCtxSetCurrent(NULL);
        cuda_api()->cuDevicePrimaryCtxRelease_v2(c->card->ordinal);
    }
    free(c);
}
