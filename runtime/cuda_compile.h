/* cuda_compile.h - the units of a plan's kernels to machine code for one
 * architecture, through the cache.
 *
 * Without NVRTC the cache alone may do: it remembers which version made its
 * entries.  What the cache has not is compiled by threads of its own while the
 * caller does other things. */
#ifndef RUNTIME_CUDA_COMPILE_H
#define RUNTIME_CUDA_COMPILE_H

#include "runtime/cuda_code.h"
#include "runtime/module_cache.h"
#include "runtime/nvrtc.h"

typedef struct {
    NvrtcTarget target;
    int n_units, cached; /* and how many of them the cache held */
    Buf *unit;           /* cubin or PTX; heap */
    CacheKey *key;
    bool *hit; /* the cache held it */
} CudaBinary;

/* What the cache holds.  driver: its CUDA version, 0: unknown.  An error if a
 * unit is missing and there is no NVRTC. */
Err *cuda_binary_new(const CudaCode *c, int arch, int driver,
                     ModuleCache *cache, CudaBinary *out) MUST_USE;
void cuda_binary_free(CudaBinary *b);
/* The units that were compiled go into the cache. */
void cuda_binary_keep(const CudaBinary *b, ModuleCache *cache);
/* A cached unit that the driver does not take, once more; it takes the place of
 * the cache's. */
Err *cuda_compile_again(const CudaCode *c, int unit, int driver,
                        ModuleCache *cache, CudaBinary *b) MUST_USE;

/* Compiles what n binaries miss.  The packers' units come first, then those that
 * take long. */
typedef struct CudaCompiler CudaCompiler;

/* Begins, by up to `threads` threads.  The code and the binaries must outlive it
 * and be left alone until it is free. */
CudaCompiler *cuda_compiler_new(const CudaCode *c, CudaBinary *b, int n,
                                int threads);
/* Waits for the packers' units, or for all; the first error, again if it was said
 * before.  The caller lends a hand where no thread could be started. */
Err *cuda_compiler_wait(CudaCompiler *c, bool all) MUST_USE;
/* The first error so far; does not wait, any thread may ask. */
Err *cuda_compiler_trouble(CudaCompiler *c) MUST_USE;
/* Seconds from its begin to the last unit's end. */
double cuda_compiler_seconds(const CudaCompiler *c);
/* Begins no further unit and waits for those in work; NULL is fine. */
void cuda_compiler_free(CudaCompiler *c);

#endif
