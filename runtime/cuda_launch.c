/* cuda_launch.c - launches on a device's stream. */
#include <inttypes.h>
#include <string.h>

#include "runtime/cuda_device.h"

enum { MOST_Y = 65535 };

/* What follows the addresses in struct Call<n>. */
typedef struct {
    CudaAddress scratch, counters, step;
    int32_t tokens, outputs;
    uint64_t early;
} CallTail;

size_t cuda_call_bytes(const CudaCode *c)
{
    int most = 2; /* a packer's */
    for (int i = 0; i < c->n_kernels; i++)
        if (c->kernel[i].n_args > most)
            most = c->kernel[i].n_args;
    return (size_t)most * sizeof(CudaAddress) + sizeof(CallTail);
}

/* May the step `before` write the argument?  States may be written by all who
 * have them. */
static bool is_written(const CudaDevice *c, const PlanStep *before,
                       const PlanArg *a)
{
    int n = cuda_kernels_spec(c->kernels)->code->kernel[before->kernel].n_results;
    for (int i = 0; i < before->n_args; i++)
        if ((before->arg[i].kind == ARG_STATE || i >= before->n_args - n) &&
            before->arg[i].kind == a->kind && before->arg[i].index == a->index)
            return true;
    return false;
}

/* struct Call's field; `before`: the launch before this one, NULL: who knows. */
static uint64_t early_arguments(const CudaDevice *c, const PlanStep *s,
                                const PlanStep *before)
{
    uint64_t early = 0;
    for (int i = 0; before && i < s->n_args && i < 64; i++)
        if (!is_written(c, before, &s->arg[i]))
            early |= (uint64_t)1 << i;
    return early;
}

static void fill_call(CudaDevice *c, const KernelCall *call, int n,
                      void *const *arg, uint64_t early)
{
    CallTail tail = {c->scratch, c->counters, c->step, (int32_t)call->tokens,
                     (int32_t)call->outputs, early};
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

typedef struct {
    int64_t x, y; /* 0: not launched */
} Grid;

static Grid grid_of(const CudaLaunch *l, const KernelCall *call)
{
    int64_t by = dim_value((Dim){1, l->by}, call->tokens, call->outputs, 0);
    Grid g = {cuda_extent(l->x, call->tokens, call->outputs),
              cuda_extent(l->y, call->tokens, call->outputs)};
    bool asked = by >= l->from && by <= l->to && g.x >= 1 && g.y >= 1;
    return asked ? g : (Grid){0, 0};
}

static Err *start_one(CudaDevice *c, const CudaLaunch *l, CudaFunction *f,
                      const KernelCall *call)
{
    Grid g = grid_of(l, call);
    if (!g.x)
        return NULL;
    Err *e = start(c, l, f, blocks(c, l, g.x), g.y);
    return e ? err_note(e, "kernel %s", l->symbol) : NULL;
}

static bool has_launches(const CudaDevice *c, const KernelCall *call,
                         const PlanStep *s)
{
    const CudaKernel *k =
        &cuda_kernels_spec(c->kernels)->code->kernel[s->kernel];
    bool any = false;
    for (int i = 0; i < k->n_launches; i++)
        any = any || grid_of(&k->launch[i], call).x;
    return any;
}

Err *cuda_launch_step(CudaDevice *c, const KernelCall *call, const PlanStep *s,
                      void *const *arg, const PlanStep *before)
{
    const CudaKernel *k =
        &cuda_kernels_spec(c->kernels)->code->kernel[s->kernel];
    CudaFunction **f = c->on->function + c->on->first[s->kernel];
    if (k->n_args != s->n_args)
        return err_new(ERR_DEVICE, "kernel %d takes %d arguments, not %d",
                       s->kernel, k->n_args, s->n_args);
    fill_call(c, call, s->n_args, arg, early_arguments(c, s, before));
    for (int i = 0; i < k->n_launches; i++)
        TRY(start_one(c, &k->launch[i], f[i], call));
    return NULL;
}

Err *cuda_launch_list(CudaDevice *c, const LaunchList *l)
{
    void *const *arg = l->call->arg;
    const PlanStep *before = NULL;
    for (int i = 0; i < l->n; i++) {
        TRY(cuda_launch_step(c, l->call, &l->step[i], arg, before));
        if (has_launches(c, l->call, &l->step[i]))
            before = &l->step[i];
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
              {c->scratch, c->counters, c->step, tokens, outputs, 0}};
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
