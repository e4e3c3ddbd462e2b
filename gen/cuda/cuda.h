/* cuda.h - the CUDA back end: kernels of a plan to CUDA source. */
#ifndef GEN_CUDA_CUDA_H
#define GEN_CUDA_CUDA_H

#include "runtime/cuda_code.h"

/* Writes every kernel of the plan as a unit, or several, and one more for each
 * type that weights in tiles have, to pack them.  *out owns its memory
 * (out->arena); kernels stand in it by their number in the plan. */
Err *cuda_code(const Plan *p, CudaCode **out) MUST_USE;
void cuda_code_free(CudaCode *c); /* NULL is fine */

#endif
