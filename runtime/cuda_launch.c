/* cuda_launch.c - launches on a device's stream. */
#include <inttypes.h>
#include <string.h>

#include "runtime/cuda_device.h"

enum { MOST_Y = 65535 };

/* What follows the addresses in struct Call<n>. */
typedef struct {
    CudaAddress scratch, counters, step;
    int32_t tokens, outputs;
} CallTail;

size_t cuda_call_bytes(const CudaCode *c)
{
    int most = 2; /* a packer's */
    for (int i = 0; i < c->n_kernels; i++)
        if (c->kernel[i].n_args > most)
            most = c->kernel[i].n_args;
    return (size_t)most * sizeof(CudaAddress) + sizeof(CallTail);
}

static void fill_call(CudaDevice *c, const KernelCall *call, int n,
                      void *const *arg)
{
    CallTail tail = {c->scratch, c->counters, c->step, (int32_t)call->tokens,
                     (int32_t)call->outputs};
    for (int i = 0; i < n; i++) {
        CudaAddress p = (CudaAddress)(uintptr_t)arg[i];
        memcpy(c->parameters + (size_t)i * sizeof p, &p, sizeof p);
    }
    memcpy(c->parameters + (size_t)n * sizeof(CudaAddress), &tail,
           sizeof tail);
}

static int64_t blocks(const CudaDevice *c, const CudaLaunch *l, int64_t x)
{
    int64_t most = (int64_t)l->per_sm * c->on->card->sms;
    return l->per_sm && x > most ? most : x;
}

/* With `early` a kernel's blocks may start while those before it end; the
 * kernels wait by themselves (stage_begin in device.cuh). */
static Err *start(CudaDevice *c, const CudaLaunch *l, CudaFunction *f,
                  int64_t x, int64_t y)
{
    CudaLaunchAttribute early = {.id = CUDA_LAUNCH_PROGRAMMATIC,
                                 .value.allowed = 1};
    bool use_early =
        cuda_kernels_spec(c->kernels)->early && c->on->card->arch >= 90;
    CudaLaunchConfig config = {.grid_x = (unsigned)x,
                               .grid_y = (unsigned)y,
                               .grid_z = 1,
                               .block_x = (unsigned)l->threads,
                               .block_y = 1,
                               .block_z = 1,
                               .shared = (unsigned)l->shared,
                               .stream = c->stream,
                               .attribute = &early,
                               .n_attributes = use_early};
    void *parameters[] = {c->parameters};
    if (x > INT32_MAX || y > MOST_Y)
        return err_new(ERR_LIMIT, "a grid of %" PRId64 " x %" PRId64 " blocks",
                       x, y);
    return CUDA_ON(c, cuLaunchKernelEx, &config, f, parameters, NULL);
}

static Err *start_one(CudaDevice *c, const CudaLaunch *l, CudaFunction *f,
                      const KernelCall *call)
{
    int64_t by = dim_value((Dim){1, l->by}, call->tokens, call->outputs, 0);
    if (by < l->from || by > l->to)
        return NULL;
    int64_t x = cuda_extent(l->x, call->tokens, call->outputs);
    int64_t y = cuda_extent(l->y, call->tokens, call->outputs);
    if (x < 1 || y < 1)
        return NULL;
    Err *e = start(c, l, f, blocks(c, l, x), y);
    return e ? err_note(e, "kernel %s", l->symbol) : NULL;
}

Err *cuda_launch_step(CudaDevice *c, const KernelCall *call, const PlanStep *s,
                      void *const *arg)
{
    const CudaKernel *k =
        &cuda_kernels_spec(c->kernels)->code->kernel[s->kernel];
    CudaFunction **f = c->on->function + c->on->first[s->kernel];
    if (k->n_args != s->n_args)
        return err_new(ERR_DEVICE, "kernel %d takes %d arguments, not %d",
                       s->kernel, k->n_args, s->n_args);
    fill_call(c, call, s->n_args, arg);
    for (int i = 0; i < k->n_launches; i++)
        TRY(start_one(c, &k->launch[i], f[i], call));
    return NULL;
}

Err *cuda_launch_list(CudaDevice *c, const LaunchList *l)
{
    void *const *arg = l->call->arg;
    for (int i = 0; i < l->n; i++) {
        TRY(cuda_launch_step(c, l->call, &l->step[i], arg));
        arg += l->step[i].n_args;
    }
    return l->logits ? cuda_choose_launch(c, l->call, l->logits) : NULL;
}

Err *cuda_launch_plain(CudaDevice *c, CudaStream *stream, CudaFunction *f,
                       const char *symbol, const CudaAddress arg[2],
                       int32_t tokens, int32_t outputs, int64_t n_blocks,
                       int threads)
{
    struct {
        CudaAddress arg[2];
        CallTail tail;
    } call = {{arg[0], arg[1]},
              {c->scratch, c->counters, c->step, tokens, outputs}};
    CudaLaunchConfig config = {.grid_x = (unsigned)n_blocks,
                               .grid_y = 1,
                               .grid_z = 1,
                               .block_x = (unsigned)threads,
                               .block_y = 1,
                               .block_z = 1,
                               .stream = stream};
    void *parameters[] = {&call};
    Err *e = CUDA_ON(c, cuLaunchKernelEx, &config, f, parameters, NULL);
    return e ? err_note(e, "kernel %s", symbol) : NULL;
}
