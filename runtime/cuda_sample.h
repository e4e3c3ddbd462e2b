/* cuda_sample.h - how tokens of a sequence are chosen on a card: what the
 * kernels of gen/cuda/sample.cuh read and write. */
#ifndef RUNTIME_CUDA_SAMPLE_H
#define RUNTIME_CUDA_SAMPLE_H

#include "runtime/choice.h"
#include "runtime/cuda_api.h"

enum { CUDA_SAMPLE_OUT = 8 }; /* choices that may be read late */

/* struct Sample of gen/cuda/sample.cuh, which explains it.  In device memory;
 * what `out` points to is the host's. */
typedef struct {
    double temperature, top_p, min_p, repeat, frequency, presence;
    int64_t top_k, window, history;
    uint64_t seed, position, chosen;
    CudaAddress count, ring, first, bias, out;
    CudaAddress tokens, positions, rows, step;
    int32_t vocab, n_bias, next, unused;
} CudaSample;

/* The tables that it points to: offsets in one piece of memory, 0 for those
 * that are not wanted; CudaSample itself stands at its start. */
typedef struct {
    int64_t count, ring, first, bias, bytes;
    int64_t window; /* tokens of the ring */
} CudaSampleRoom;

/* `most`: tokens that a history may have. */
CudaSampleRoom cuda_sample_room(const Choosing *c, int64_t most);
/* Bytes of both that are kept free: for any settings with as many biases as
 * there are ids. */
int64_t cuda_sample_most(int64_t vocab, int64_t most);
/* Are so many enough? */
bool cuda_sample_fits(const Choosing *c, int64_t vocab, int64_t most);
/* Fills `to` [room.bytes] as it must lie at `at`, all but out and what the next
 * step reads. */
void cuda_sample_fill(const Choosing *c, const CudaSampleRoom *room,
                      CudaAddress at, char *to);

/* A word of `out`; an error names what is wrong with the logits. */
Err *cuda_sample_read(uint64_t word, int32_t vocab, int32_t *id) MUST_USE;

#endif
