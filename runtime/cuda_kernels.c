#include "runtime/cuda_kernels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "runtime/cuda_compile.h"
#include "runtime/cuda_sample.h"
#include "runtime/nvml.h"

/* What a launch may ask for without saying so before. */
enum { PLAIN_SHARED = 48 << 10 };

struct CudaKernels {
    CudaKernelsSpec spec;
    const CudaDriver *driver;
    int n_binaries, n_cards, n_functions;
    CudaBinary binary[CUDA_MAX_CARDS]; /* by architecture */
    int arch[CUDA_MAX_CARDS];
    CudaCompiler *compiler;     /* NULL once all is compiled */
    int *first;                 /* of each kernel in CudaOnCard.function */
    int card[CUDA_MAX_CARDS];   /* numbers in the driver's list */
    CudaOnCard on[CUDA_MAX_CARDS];
    CudaKernelStats stats;
};

/* ---- the cards of the plan */

static int find_card(const CudaKernels *k, int card)
{
    for (int i = 0; i < k->n_cards; i++)
        if (k->card[i] == card)
            return i;
    return -1;
}

static Err *use_card(CudaKernels *k, int card)
{
    CudaOnCard *on = &k->on[k->n_cards];
    size_t free_now, total;
    k->card[k->n_cards++] = card;
    on->card = &k->driver->card[card];
    const char *name = on->card->name;
    TRY(CUDA(name, cuDevicePrimaryCtxRetain, &on->context, on->card->ordinal));
    TRY(CUDA(name, cuCtxSetCurrent, on->context));
    TRY(CUDA(name, cuMemGetInfo_v2, &free_now, &total));
    on->free_before = (int64_t)free_now;
    return NULL;
}

static Err *use_cards(CudaKernels *k)
{
    const Plan *p = k->spec.plan;
    for (int i = 0; i < p->n_devices; i++) {
        int card;
        TRY(cuda_card_of(&p->device[i], &card));
        if (find_card(k, card) < 0)
            TRY(use_card(k, card));
    }
    return NULL;
}

/* Cards that can read each other's memory do so; others go through the
 * host's, which is the driver's business. */
static Err *link_cards(CudaKernels *k)
{
    for (int i = 0; i < k->n_cards; i++)
        for (int j = 0; j < k->n_cards; j++) {
            const CudaCard *a = k->on[i].card, *b = k->on[j].card;
            int yes = 0;
            if (i == j)
                continue;
            TRY(CUDA(a->name, cuDeviceCanAccessPeer, &yes, a->ordinal,
                     b->ordinal));
            TRY(CUDA(a->name, cuCtxSetCurrent, k->on[i].context));
            CudaResult r = yes ? cuda_api()->cuCtxEnablePeerAccess(
                                     k->on[j].context, 0)
                               : CUDA_OK;
            /* some drivers allow few such pairs: copies work without */
            yes = yes && (r == CUDA_OK || r == CUDA_PEER_ALREADY_ENABLED);
            log_info("cuda", "cuda:%d %s cuda:%d", k->card[i],
                     yes ? "reads the memory of" : "goes through the host to",
                     k->card[j]);
        }
    return NULL;
}

/* ---- is there room? */

static int64_t device_bytes(const CudaKernels *k, const PlanDevice *d)
{
    return d->weights + d->states + d->scratch +
           cuda_code_room(k->spec.code, k->spec.plan);
}

static Err *no_room(const CudaKernels *k, int at, int64_t need)
{
    static const double gib = 1 << 30;
    const CudaOnCard *on = &k->on[at];
    Buf users = {0};
    nvml_users(on->card->pci_id, &users);
    Err *e = err_new(ERR_LIMIT,
                     "cuda:%d (%s): the plan needs %.2f GiB, but only %.2f of "
                     "its %.2f GiB are free%s.  End what else runs there, or "
                     "use more cards (--devices=cuda), a shorter --context, a "
                     "smaller --batch or --kv=q8_0",
                     k->card[at], on->card->name, (double)need / gib,
                     (double)on->free_before / gib,
                     (double)on->card->memory / gib,
                     users.data ? users.data : "");
    buf_free(&users);
    return e;
}

static Err *check_room(const CudaKernels *k, int at)
{
    const CudaOnCard *on = &k->on[at];
    const Plan *p = k->spec.plan;
    int64_t need = 0;
    for (int i = 0; i < p->n_devices; i++)
        if (cuda_kernels_card(k, &p->device[i]) == on)
            need += device_bytes(k, &p->device[i]);
    return need <= on->free_before ? NULL : no_room(k, at, need);
}

/* ---- loading machine code */

static CudaBinary *binary_of(CudaKernels *k, const CudaCard *c)
{
    for (int i = 0; i < k->n_binaries; i++)
        if (k->arch[i] == c->arch)
            return &k->binary[i];
    return NULL;
}

static Err *load_module(CudaModule **m, const void *image)
{
    char log[512] = "";
    CudaJitOption option[] = {CUDA_JIT_ERROR_LOG, CUDA_JIT_ERROR_LOG_BYTES};
    void *value[] = {log, (void *)(uintptr_t)sizeof log};
    Err *e = CUDA("cuda", cuModuleLoadDataEx, m, image, 2, option, value);
    log[sizeof log - 1] = '\0';
    return e && log[0] ? err_note(e, "%s", log) : e;
}

/* Loads a unit, if the card has not got it. */
static Err *load_unit(CudaKernels *k, const CudaOnCard *on, int unit)
{
    CudaBinary *b = binary_of(k, on->card);
    CudaModule **m = &on->module[unit];
    if (*m)
        return NULL;
    Err *e = load_module(m, b->unit[unit].data);
    if (e && b->hit[unit]) {
        /* Sound on disk, but not to this driver: make it anew. */
        log_warning("a cached kernel does not load (%s): compiling again",
                    err_text(e));
        err_free(e);
        TRY(cuda_compile_again(k->spec.code, unit, k->driver->version,
                               k->spec.cache, b));
        e = load_module(m, b->unit[unit].data);
    }
    return e ? err_note(e, "unit %s for %s, driver of CUDA %d.%d%s",
                        k->spec.code->unit[unit].name, b->target.name,
                        k->driver->version / 1000,
                        k->driver->version % 1000 / 10,
                        nvrtc_is_newer(k->driver->version)
                            ? ", which is older than NVRTC: install one of its "
                              "version, or a newer driver"
                            : "")
             : NULL;
}

/* What the driver says of a function against what the launch wants of it. */
static Err *check_function(const CudaOnCard *on, const CudaLaunch *l,
                           CudaFunction *f)
{
    int fixed = 0, threads = 0;
    TRY(CUDA(l->symbol, cuFuncGetAttribute, &fixed, CUDA_FUNCTION_STATIC_SHARED,
             f));
    TRY(CUDA(l->symbol, cuFuncGetAttribute, &threads, CUDA_FUNCTION_THREADS, f));
    if (l->shared + fixed > on->card->shared)
        return err_new(ERR_LIMIT,
                       "kernel %s takes %" PRId64 " bytes of shared memory, "
                       "blocks on %s have %d",
                       l->symbol, l->shared + fixed, on->card->name,
                       on->card->shared);
    if (l->threads > threads)
        return err_new(ERR_LIMIT,
                       "kernel %s has blocks of %d threads, its registers "
                       "suffice for %d on %s",
                       l->symbol, l->threads, threads, on->card->name);
    return NULL;
}

/* Shared memory above the plain limit must be asked for. */
static Err *ask_for_shared(const CudaOnCard *on, const CudaLaunch *l,
                           CudaFunction *f)
{
    TRY(check_function(on, l, f));
    if (l->shared <= PLAIN_SHARED)
        return NULL;
    return CUDA(l->symbol, cuFuncSetAttribute, f, CUDA_FUNCTION_DYNAMIC_SHARED,
                (int)l->shared);
}

static Err *find_functions(CudaKernels *k, CudaOnCard *on)
{
    const CudaCode *c = k->spec.code;
    for (int i = 0; i < c->n_kernels; i++) {
        const CudaKernel *q = &c->kernel[i];
        for (int j = 0; j < q->n_launches; j++) {
            CudaFunction **f = &on->function[k->first[i] + j];
            const CudaLaunch *l = &q->launch[j];
            TRY(CUDA(l->symbol, cuModuleGetFunction, f, on->module[l->unit],
                     l->symbol));
            TRY(ask_for_shared(on, l, *f));
        }
    }
    return NULL;
}

static Err *load_card(CudaKernels *k, CudaOnCard *on)
{
    TRY(CUDA(on->card->name, cuCtxSetCurrent, on->context));
    for (int i = 0; i < k->spec.code->n_units; i++)
        TRY(load_unit(k, on, i));
    return find_functions(k, on);
}

/* What loading weights takes. */
static Err *load_packers(CudaKernels *k, CudaOnCard *on)
{
    const CudaCode *c = k->spec.code;
    on->module = memory_array(c->n_units, sizeof(void *));
    on->function = memory_array(k->n_functions, sizeof(void *));
    on->packer = memory_array(c->n_packers, sizeof(void *));
    on->first = k->first;
    TRY(CUDA(on->card->name, cuCtxSetCurrent, on->context));
    for (int i = 0; i < c->n_packers; i++) {
        const CudaPacker *q = &c->packer[i];
        TRY(load_unit(k, on, q->unit));
        TRY(CUDA(q->symbol, cuModuleGetFunction, &on->packer[i],
                 on->module[q->unit], q->symbol));
    }
    return NULL;
}

static void count_functions(CudaKernels *k)
{
    const CudaCode *c = k->spec.code;
    k->first = memory_array(c->n_kernels, sizeof *k->first);
    for (int i = 0; i < c->n_kernels; i++) {
        k->first[i] = k->n_functions;
        k->n_functions += c->kernel[i].n_launches;
    }
}

/* ---- making and ending */

static Err *find_binaries(CudaKernels *k)
{
    for (int i = 0; i < k->n_cards; i++) {
        const CudaCard *c = k->on[i].card;
        if (binary_of(k, c))
            continue;
        CudaBinary *b = &k->binary[k->n_binaries];
        k->arch[k->n_binaries++] = c->arch;
        TRY(cuda_binary_new(k->spec.code, c->arch, k->driver->version,
                            k->spec.cache, b));
        k->stats.units += b->n_units;
        k->stats.cached += b->cached;
    }
    return NULL;
}

static Err *begin(CudaKernels *k)
{
    TRY(cuda_driver(&k->driver));
    TRY(use_cards(k));
    for (int i = 0; i < k->n_cards; i++)
        TRY(check_room(k, i));
    TRY(find_binaries(k));
    k->compiler = cuda_compiler_new(k->spec.code, k->binary, k->n_binaries,
                                    pool_threads(k->spec.pool));
    TRY(link_cards(k));
    count_functions(k);
    TRY(cuda_compiler_wait(k->compiler, false));
    for (int i = 0; i < k->n_cards; i++)
        TRY(load_packers(k, &k->on[i]));
    return NULL;
}

Err *cuda_kernels_begin(const CudaKernelsSpec *s, CudaKernels **out)
{
    CudaKernels *k = memory_array(1, sizeof *k);
    k->spec = *s;
    *out = NULL;
    Err *e = begin(k);
    if (e)
        cuda_kernels_free(k);
    else
        *out = k;
    return e;
}

Err *cuda_kernels_trouble(const CudaKernels *k)
{
    return k->compiler ? cuda_compiler_trouble(k->compiler) : NULL;
}

static Err *await_code(CudaKernels *k)
{
    TRY(cuda_compiler_wait(k->compiler, true));
    k->stats.compile_s = cuda_compiler_seconds(k->compiler);
    cuda_compiler_free(k->compiler);
    k->compiler = NULL;
    for (int i = 0; i < k->n_binaries; i++) {
        cuda_binary_keep(&k->binary[i], k->spec.cache);
        for (int u = 0; u < k->binary[i].n_units; u++)
            k->stats.bytes += (int64_t)k->binary[i].unit[u].n;
    }
    return NULL;
}

Err *cuda_kernels_finish(CudaKernels *k)
{
    TRY(await_code(k));
    double start = clock_seconds();
    for (int i = 0; i < k->n_cards; i++)
        TRY(load_card(k, &k->on[i]));
    k->stats.load_s = clock_seconds() - start;
    for (int i = 0; i < k->n_binaries; i++)
        cuda_binary_free(&k->binary[i]);
    k->spec.cache = NULL;
    return NULL;
}

Err *cuda_kernels_new(const CudaKernelsSpec *s, CudaKernels **out)
{
    TRY(cuda_kernels_begin(s, out));
    Err *e = cuda_kernels_finish(*out);
    if (e) {
        cuda_kernels_free(*out);
        *out = NULL;
    }
    return e;
}

/* What goes wrong now has been said before. */
static void leave_card(CudaKernels *k, CudaOnCard *on)
{
    const CudaApi *api = cuda_api();
    if (on->context) {
        api->cuCtxSetCurrent(on->context);
        for (int i = 0; i < k->spec.code->n_units && on->module; i++)
            if (on->module[i])
                api->cuModuleUnload(on->module[i]);
        api->cuCtxSetCurrent(NULL);
        api->cuDevicePrimaryCtxRelease_v2(on->card->ordinal);
    }
    free(on->module);
    free(on->function);
    free(on->packer);
}

void cuda_kernels_free(CudaKernels *k)
{
    if (!k)
        return;
    cuda_compiler_free(k->compiler);
    for (int i = 0; i < k->n_cards; i++)
        leave_card(k, &k->on[i]);
    for (int i = 0; i < k->n_binaries; i++)
        cuda_binary_free(&k->binary[i]);
    free(k->first);
    free(k);
}

const CudaKernelsSpec *cuda_kernels_spec(const CudaKernels *k)
{
    return &k->spec;
}

const CudaOnCard *cuda_kernels_card(const CudaKernels *k, const PlanDevice *d)
{
    int card = -1;
    err_free(cuda_card_of(d, &card));
    int at = find_card(k, card);
    return at < 0 ? NULL : &k->on[at];
}

CudaKernelStats cuda_kernels_stats(const CudaKernels *k) { return k->stats; }

int64_t cuda_code_scratch(const CudaCode *c, const Plan *p)
{
    int64_t most = 0;
    for (int i = 0; i < c->n_kernels; i++) {
        CudaExtent e = c->kernel[i].scratch;
        int64_t n = e.k ? cuda_extent(e, p->batch, p->outputs) : 0;
        most = n > most ? n : most;
    }
    return (most + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

int64_t cuda_code_counters(const CudaCode *c)
{
    int64_t most = 0;
    for (int i = 0; i < c->n_kernels; i++)
        if (c->kernel[i].counters > most)
            most = c->kernel[i].counters;
    return most * (int64_t)sizeof(uint32_t);
}

int64_t cuda_code_room(const CudaCode *c, const Plan *p)
{
    int64_t choosing =
        c->sample < 0 ? 0 : cuda_sample_most(plan_vocabulary(p), p->context);
    return cuda_code_scratch(c, p) + cuda_code_counters(c) + choosing;
}

Err *cuda_kernels_used(const CudaKernels *k, const PlanDevice *d,
                       int64_t *bytes)
{
    const CudaOnCard *on = cuda_kernels_card(k, d);
    size_t free_now, total;
    TRY(CUDA(d->name, cuCtxSetCurrent, on->context));
    TRY(CUDA(d->name, cuMemGetInfo_v2, &free_now, &total));
    *bytes = on->free_before - (int64_t)free_now;
    return NULL;
}
