/* cuda_compile.h - the units of a plan's kernels to machine code for one
 * architecture, through the cache.
 *
 * Without NVRTC the cache alone may do: it remembers which version made its
 * entries. */
#ifndef RUNTIME_CUDA_COMPILE_H
#define RUNTIME_CUDA_COMPILE_H

#include "runtime/cuda_code.h"
#include "runtime/module_cache.h"
#include "runtime/nvrtc.h"
#include "runtime/pool.h"

typedef struct {
    NvrtcTarget target;
    int n_units, cached; /* and how many of them the cache held */
    Buf *unit;           /* cubin or PTX; heap */
} CudaBinary;

/* driver: its CUDA version, 0: unknown. */
Err *cuda_compile(const CudaCode *c, int arch, int driver, ModuleCache *cache,
                  Pool *pool, CudaBinary *out) MUST_USE;
void cuda_binary_free(CudaBinary *b);
/* A cached unit that the driver does not take, once more. */
Err *cuda_compile_again(const CudaCode *c, int unit, int driver,
                        CudaBinary *b) MUST_USE;

#endif
