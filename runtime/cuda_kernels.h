/* cuda_kernels.h - the kernels of a plan as machine code on its cards.
 *
 * Units are compiled side by side, by threads of their own, once for each
 * architecture among the cards, or come from the cache; then every card gets
 * them loaded, once for all logical devices that share it.  Weights can be
 * loaded in the meantime: that takes the packers alone. */
#ifndef RUNTIME_CUDA_KERNELS_H
#define RUNTIME_CUDA_KERNELS_H

#include "runtime/cuda_code.h"
#include "runtime/cuda_driver.h"
#include "runtime/module_cache.h"
#include "runtime/pool.h"

typedef struct CudaKernels CudaKernels;

typedef struct {
    const Plan *plan;     /* all devices of kind "cuda" */
    const CudaCode *code; /* of this plan */
    ModuleCache *cache; /* until they are finished */
    Pool *pool;
    bool graphs; /* steps of one token are recorded and replayed */
    bool early;  /* sm_90: a kernel may begin before the last one has ended */
} CudaKernelsSpec;

/* A card in use. */
typedef struct {
    const CudaCard *card;
    CudaContext *context;
    int64_t free_before; /* bytes, when it held nothing but an empty context */
    CudaModule **module;        /* by unit */
    CudaFunction **function;    /* of all launches, kernel after kernel */
    const int *first;           /* of each kernel, in `function` */
    CudaFunction **packer;      /* by number in CudaCode */
} CudaOnCard;

/* How it was made: for --stats and bench. */
typedef struct {
    int units, cached;        /* of all architectures */
    int64_t bytes;            /* of machine code */
    double compile_s, load_s; /* wall seconds */
} CudaKernelStats;

/* What the spec points to must outlive it.  Refuses cards whose memory is taken.
 * begin: what compiles goes on behind it; devices can be opened and loaded.
 * finish: before the first launch.  new: both. */
Err *cuda_kernels_begin(const CudaKernelsSpec *s, CudaKernels **out) MUST_USE;
Err *cuda_kernels_finish(CudaKernels *k) MUST_USE;
Err *cuda_kernels_new(const CudaKernelsSpec *s, CudaKernels **out) MUST_USE;
/* What has gone wrong behind begin so far; any thread may ask. */
Err *cuda_kernels_trouble(const CudaKernels *k) MUST_USE;
void cuda_kernels_free(CudaKernels *k); /* after its devices; NULL is fine */

const CudaKernelsSpec *cuda_kernels_spec(const CudaKernels *k);
/* The card of a device of the plan. */
const CudaOnCard *cuda_kernels_card(const CudaKernels *k, const PlanDevice *d);
CudaKernelStats cuda_kernels_stats(const CudaKernels *k);
/* Bytes of scratch and of counters that a device needs for its kernels, and
 * all that it needs besides the plan's regions: these, and what tokens are chosen
 * by, which lies there from the first choice on. */
int64_t cuda_code_scratch(const CudaCode *c, const Plan *p);
int64_t cuda_code_counters(const CudaCode *c);
int64_t cuda_code_room(const CudaCode *c, const Plan *p);

/* Bytes in use on the card of a device above an empty context, as the driver
 * counts them; other programs that come and go are counted too. */
Err *cuda_kernels_used(const CudaKernels *k, const PlanDevice *d,
                       int64_t *bytes) MUST_USE;

#endif
