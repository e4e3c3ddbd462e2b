/* pool.h - persistent threads that share one job after another.
 *
 * One thread owns a pool: it alone calls pool_run and takes part in the work.
 * Idle threads spin for a moment and then sleep, so that the hundreds of small
 * jobs of a decode step cost no system calls. */
#ifndef RUNTIME_POOL_H
#define RUNTIME_POOL_H

#include <stdint.h>

#include "base/err.h"

typedef struct Pool Pool;

enum { POOL_MAX_THREADS = 1024 };

/* CPUs that this process may run on (its affinity mask). */
int pool_cpus(void);

/* threads counts the owner; at least 1, at most POOL_MAX_THREADS. */
Err *pool_new(int threads, Pool **out) MUST_USE;
void pool_free(Pool *p); /* no job may be running; NULL is fine */
int pool_threads(const Pool *p);

/* Work items [begin, end) on thread 0 .. threads-1 (0 is the owner). */
typedef void PoolFn(void *ctx, int64_t begin, int64_t end, int thread);

/* Calls fn for every item of [0, n) once, in pieces, on any threads in any
 * order; returns when all are done and their writes are visible. */
void pool_run(Pool *p, PoolFn *fn, void *ctx, int64_t n);

#endif
