#include "runtime/cli/kernel_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { GUARD = 256, ALIGN = 64 };

/* ---- buffers ---- */

static int64_t aligned(int64_t n) { return (n + ALIGN - 1) / ALIGN * ALIGN; }

Err *machine_buf_new(const KernelMachine *m, const void *from, int64_t n,
                     MachineBuf *out)
{
    int64_t all = GUARD + aligned(n) + aligned(m->behind);
    uint8_t *bytes = memory_must(malloc((size_t)all), (size_t)all);
    memset(bytes, 0xff, (size_t)all);
    if (from && n)
        memcpy(bytes + GUARD, from, (size_t)n);
    *out = (MachineBuf){.n = n, .n_all = all};
    Err *e = m->alloc(m->ctx, all, &out->all);
    if (!e)
        e = m->write(m->ctx, out->all, bytes, all);
    out->at = out->all + GUARD;
    free(bytes);
    return e;
}

Err *machine_buf_read(const KernelMachine *m, const MachineBuf *b, void *to,
                      bool *clean)
{
    uint8_t *bytes = memory_must(malloc((size_t)b->n_all), (size_t)b->n_all);
    Err *e = m->read(m->ctx, b->all, bytes, b->n_all);
    *clean = !e;
    for (int64_t i = 0; !e && i < b->n_all; i++)
        if ((i < GUARD || i >= GUARD + b->n) && bytes[i] != 0xff)
            *clean = false;
    if (!e && to && b->n)
        memcpy(to, bytes + GUARD, (size_t)b->n);
    free(bytes);
    return e;
}

void machine_buf_free(const KernelMachine *m, MachineBuf *b)
{
    if (b->all)
        m->release(m->ctx, b->all);
    *b = (MachineBuf){0};
}

/* ---- launches ---- */

/* struct Call<n> of gen/cuda/common.cuh */
typedef struct {
    uint64_t word[40];
    int n;
} CallBytes;

static void add_address(CallBytes *c, const void *at)
{
    c->word[c->n++] = (uint64_t)(uintptr_t)at;
}

static void add_counts(CallBytes *c, int64_t tokens, int64_t outputs)
{
    int32_t pair[2] = {(int32_t)tokens, (int32_t)outputs};
    memcpy(&c->word[c->n++], pair, sizeof pair);
}

/* No launch is under way, so all arguments are early ones, or none if kernels are
 * to wait for them all. */
static void add_early(CallBytes *c, bool early)
{
    c->word[c->n++] = early ? UINT64_MAX : 0;
}

static KernelRun run_of(const KernelMachine *m, const CudaLaunch *l,
                        KernelStep s, const CallBytes *call)
{
    int64_t x = cuda_extent(l->x, s.at.tokens, s.at.outputs);
    int64_t most = (int64_t)l->per_sm * m->multiprocessors;
    return (KernelRun){
        .unit = l->unit,
        .symbol = l->symbol,
        .x = l->per_sm && x > most ? most : x,
        .y = cuda_extent(l->y, s.at.tokens, s.at.outputs),
        .shared = l->shared,
        .threads = l->threads,
        .call = call->word,
        .call_bytes = call->n * (int64_t)sizeof *call->word,
    };
}

/* What a launch says is no failure of the check as a whole. */
static const char *fault_text(Arena *a, Err *e)
{
    const char *text =
        e ? arena_strndup(a, err_text(e), strlen(err_text(e))) : NULL;
    err_free(e);
    return text;
}

static const char *launch_all(const KernelMachine *m, const CudaKernel *k,
                              KernelStep s, const CallBytes *call,
                              Random *random, Arena *a)
{
    const char *fault = NULL;
    for (int i = 0; i < k->n_launches && !fault; i++) {
        const CudaLaunch *l = &k->launch[i];
        int64_t n = dim_value((Dim){1, l->by}, s.at.tokens, s.at.outputs, 0);
        if (n < l->from || n > l->to)
            continue;
        KernelRun run = run_of(m, l, s, call);
        run.seed = random_below(random, 3) ? random_bits(random) : 0;
        fault = fault_text(a, m->run(m->ctx, &run));
    }
    return fault;
}

static Err *check_room(const KernelMachine *m, const MachineBuf *scratch,
                       const MachineBuf *counters, const char **fault)
{
    bool clean, clean_counters;
    uint8_t *left = memory_must(calloc((size_t)counters->n + 1, 1), 1);
    Err *e = NULL;
    DO(machine_buf_read(m, scratch, NULL, &clean));
    DO(machine_buf_read(m, counters, left, &clean_counters));
    for (int64_t i = 0; i < counters->n; i++)
        if (left[i])
            *fault = "a counter is not zero at the end";
    if (!clean || !clean_counters)
        *fault = "bytes outside scratch or counters changed";
out:
    free(left);
    return e;
}

Err *kernel_run(const KernelMachine *m, const CudaKernel *k, KernelStep s,
                InterpStep most, const MachineBuf *arg,
                Random *random, Arena *a, const char **fault)
{
    Err *e = NULL;
    MachineBuf scratch = {0}, counters = {0}, step = {0};
    CallBytes call = {0};
    int64_t where[2] = {s.at.past, s.capacity}, n = k->counters * 4;
    void *zeros = memory_must(calloc((size_t)n + 1, 1), (size_t)n + 1);
    int64_t room = cuda_extent(k->scratch, most.tokens, most.outputs);
    DO(machine_buf_new(m, NULL, room, &scratch));
    DO(machine_buf_new(m, zeros, n, &counters));
    DO(machine_buf_new(m, where, sizeof where, &step));
    for (int i = 0; i < k->n_args; i++)
        add_address(&call, arg[i].at);
    add_address(&call, scratch.at);
    add_address(&call, counters.at);
    add_address(&call, step.at);
    add_counts(&call, s.at.tokens, s.at.outputs);
    add_early(&call, random_below(random, 2));
    *fault = launch_all(m, k, s, &call, random, a);
    if (!*fault)
        DO(check_room(m, &scratch, &counters, fault));
out:
    machine_buf_free(m, &scratch);
    machine_buf_free(m, &counters);
    machine_buf_free(m, &step);
    free(zeros);
    return e;
}

/* ---- tiles ---- */

static const CudaPacker *find_packer(const CudaCode *c, BlockType t)
{
    for (int i = 0; i < c->n_packers; i++)
        if (c->packer[i].type == t)
            return &c->packer[i];
    return NULL;
}

Err *kernel_pack(const KernelMachine *m, const CudaCode *code, const Type *t,
                 const KernelValue *v, MachineBuf *out)
{
    Err *e = NULL;
    MachineBuf from = {0};
    CallBytes call = {0};
    const CudaPacker *p = find_packer(code, t->dtype);
    int64_t k = t->dim[0].k, tiles = v->n / k / PACK_TILE_ROWS;
    if (!p)
        return err_new(ERR_DEVICE, "no kernel packs %s",
                       block_info[t->dtype].name);
    int64_t n = tiles * (k / PACK_TILE_UNIT / packing_tile_units(k));
    DO(machine_buf_new(m, v->bytes, v->n_bytes, &from));
    DO(machine_buf_new(m, NULL, v->n_bytes, out));
    add_address(&call, from.at);
    add_address(&call, out->at);
    for (int i = 0; i < 3; i++)
        add_address(&call, NULL); /* scratch, counters, step */
    add_counts(&call, tiles, k / PACK_TILE_UNIT);
    add_early(&call, false);
    KernelRun run = {.unit = p->unit, .symbol = p->symbol, .y = 1,
                     .x = (n + p->tiles_per_block - 1) / p->tiles_per_block,
                     .threads = p->threads, .call = call.word,
                     .call_bytes = call.n * (int64_t)sizeof *call.word};
    DO(m->run(m->ctx, &run));
out:
    machine_buf_free(m, &from);
    return e;
}
