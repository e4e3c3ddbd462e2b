/* cuda_code.h - the kernels of a plan as CUDA source: what gen/cuda writes and
 * the CUDA device compiles and launches.  Plain data in one arena.
 *
 * A kernel of the plan becomes one or more launches, one after the other, in one
 * unit or several.  All
 * take one argument, the struct Call<n_args> of gen/cuda/common.cuh:
 *     n_args device addresses (the step's arguments), scratch, counters, step,
 *     i32 tokens, i32 outputs, u64 early
 * `early` has bit k set if argument k was complete before the launch right before
 * this one began. */
#ifndef RUNTIME_CUDA_CODE_H
#define RUNTIME_CUDA_CODE_H

#include "runtime/plan.h"

/* ceil(k * value of sym / per); per >= 1. */
typedef struct {
    int64_t k;
    Sym sym;
    int64_t per;
} CudaExtent;

typedef struct {
    const char *symbol; /* extern "C" name in the unit */
    /* Launched if from <= value of `by` <= to: SYM_T tokens, SYM_R rows. */
    Sym by;
    int64_t from, to;
    CudaExtent x, y; /* blocks of the grid, at least 1 each */
    int per_sm;      /* not 0: x is at most so many blocks a multiprocessor; the
                        kernel loops over what x says */
    int threads;     /* of a block */
    int64_t shared;  /* bytes of dynamic shared memory */
    int unit;
} CudaLaunch;

typedef struct {
    int n_args;
    int n_launches;
    CudaLaunch *launch;
    CudaExtent scratch; /* bytes that its launches share; undefined at the start.
                           Largest over steps up to the plan's batch and outputs. */
    int64_t counters;   /* u32 words: zero at the start, left zero */
    int n_results;      /* the last arguments, which it writes */
} CudaKernel;

/* Moves rows of a matrix from the file's layout into tiles (PACK_TILE): one
 * launch with Call<2> {source, tiles}, tokens = tiles of 16 rows, outputs = K /
 * 128; threads as in `threads`, blocks = ceil(tokens * K / tile width /
 * tiles_per_block). */
typedef struct {
    BlockType type;
    int unit;
    const char *symbol;
    int threads, tiles_per_block;
} CudaPacker;

/* A translation unit or a header: a name for messages, and the text. */
typedef struct {
    const char *name, *source;
    bool slow; /* takes longer to compile than most: is begun first */
} CudaSource;

typedef struct {
    Arena *arena;
    int n_units, n_headers, n_kernels, n_packers;
    CudaSource *unit;
    CudaSource *header; /* name as it stands in #include */
    CudaKernel *kernel; /* by kernel of the plan; then perhaps one more: */
    int sample; /* the one that chooses tokens, Call<2> {logits, Sample}, see
                   cuda_sample.h; -1: there is none */
    CudaPacker *packer; /* of the types that the plan's tiles have */
} CudaCode;

/* The value of an extent in a step. */
static inline int64_t cuda_extent(CudaExtent e, int64_t tokens, int64_t outputs)
{
    int64_t n = dim_value((Dim){e.k, e.sym}, tokens, outputs, 0);
    return (n + e.per - 1) / e.per;
}

#endif
