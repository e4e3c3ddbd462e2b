/* kernel_set.h - the kernels of a plan as machine code.
 *
 * The kernels are compiled in a few groups, one object each, by several
 * threads at once; the grouping depends on the plan alone, so that the cache
 * serves any number of threads. */
#ifndef RUNTIME_KERNEL_SET_H
#define RUNTIME_KERNEL_SET_H

#include "runtime/host_provider.h"
#include "runtime/module_cache.h"
#include "runtime/plan.h"
#include "runtime/pool.h"

typedef struct {
    KernelFn *fn;
    KernelInfo info;
} Kernel;

/* What the kernels that will run want besides their arguments (KernelInfo). */
typedef struct {
    int64_t scratch;          /* bytes for each thread */
    int64_t shared, counters; /* bytes */
} KernelRoom;

/* How it was made: for --stats and bench. */
typedef struct {
    int groups, cached;       /* objects, and those that the cache held */
    int64_t bytes;            /* of object code */
    double compile_s, load_s; /* wall seconds */
} KernelStats;

typedef struct KernelSet KernelSet;

/* cpu: as HostProvider.compile takes it. */
Err *kernel_set_new(const Plan *plan, const HostProvider *provider,
                    const char *cpu, ModuleCache *cache, Pool *pool,
                    KernelSet **out) MUST_USE;
void kernel_set_free(KernelSet *s); /* NULL is fine */

/* kernel i of the plan */
const Kernel *kernel_set_get(const KernelSet *s, int i);
/* The most that any of them wants. */
KernelRoom kernel_set_room(const KernelSet *s);
KernelStats kernel_set_stats(const KernelSet *s);

#endif
