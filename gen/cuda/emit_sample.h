/* emit_sample.h - the kernel that chooses tokens (sample.cuh). */
#ifndef GEN_CUDA_EMIT_SAMPLE_H
#define GEN_CUDA_EMIT_SAMPLE_H

#include "gen/cuda/cuda.h"

/* Adds the kernel behind those of the plan, and its unit, for the widest
 * logits of the plan's programs; c->sample stays -1 if there are none, or more
 * ids than the kernel counts.  c->kernel and c->unit have room. */
void emit_sample(const Plan *p, CudaCode *c);

#endif
