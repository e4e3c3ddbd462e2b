#include "gen/cuda/emit_sample.h"

#include "gen/cuda/emit_pack.h"

/* As in sample.cuh and sample_list.cuh; the unit checks it. */
enum {
    SLICE = 128,
    SCAN_THREADS = 256,
    PICK_THREADS = 1024,
    PICK_SHARED = 33 << 10,
    SLICE_BYTES = 16,
};
static const int64_t most_ids = (int64_t)1 << 20;

static const char text[] =
    "#include \"sample_pick.cuh\"\n"
    "static_assert(SAMPLE_SLICE == 128 && SAMPLE_SCAN == 256 &&\n"
    "              SAMPLE_PICK == 1024 && SAMPLE_SHARED <= 33 << 10);\n"
    "KERNEL(sample_first, 2, 256, 4) { sample_scan(call); }\n"
    "KERNEL(sample_second, 2, 1024, 1)\n"
    "{\n"
    "    SHARED_BUFFER(shared);\n"
    "    sample_pick(call, shared);\n"
    "}\n";

void emit_sample(const Plan *p, CudaCode *c)
{
    int64_t ids = plan_vocabulary(p), slices = (ids + SLICE - 1) / SLICE;
    int64_t per_block = SCAN_THREADS / 32;
    const CudaExtent one = {1, SYM_ONE, 1};
    c->sample = -1;
    if (!ids || ids > most_ids)
        return;
    int unit = emit_unit(c, (CudaSource){.name = "sample", .source = text});
    CudaLaunch *l = ARENA_ARRAY(c->arena, CudaLaunch, 2);
    l[0] = (CudaLaunch){.symbol = "sample_first",
                        .by = SYM_ONE, .from = 1, .to = 1,
                        .x = {slices, SYM_ONE, per_block},
                        .y = one,
                        .threads = SCAN_THREADS,
                        .unit = unit};
    l[1] = (CudaLaunch){.symbol = "sample_second",
                        .by = SYM_ONE, .from = 1, .to = 1,
                        .x = one,
                        .y = one,
                        .threads = PICK_THREADS,
                        .shared = PICK_SHARED,
                        .unit = unit};
    c->sample = c->n_kernels++;
    c->kernel[c->sample] =
        (CudaKernel){.n_args = 2,
                     .n_launches = 2,
                     .launch = l,
                     .scratch = {slices * SLICE_BYTES, SYM_ONE, 1}};
}
