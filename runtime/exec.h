/* exec.h - runs the programs of a plan on its devices. */
#ifndef RUNTIME_EXEC_H
#define RUNTIME_EXEC_H

#include "runtime/executor.h"
#include "runtime/gguf.h"
#include "runtime/kernel_set.h"
#include "runtime/pipeline.h"
#include "runtime/plan.h"
#include "runtime/pool.h"

/* Called now and then by the calling thread while weights are read. */
typedef void ExecProgress(void *ctx, int64_t done, int64_t total);

/* A step of a program that was run: what for, and the seconds that it took. */
typedef struct {
    const PlanProgram *program;
    int step;
    int64_t tokens, outputs, past; /* T, R; C = past + tokens */
    double seconds;
} ExecTraced;
typedef void ExecTrace(void *ctx, const ExecTraced *t);

typedef struct {
    const Plan *plan; /* passed plan_verify */
    const Gguf *file; /* its weights; NULL only if the plan has none */
    const KernelSet *kernels;  /* NULL if no device is of kind "host" */
    struct CudaKernels *cuda;  /* NULL if none is of kind "cuda" */
    Pool *pool;
    ExecProgress *progress; /* may be NULL */
    void *progress_ctx;
    bool poison; /* before each step every byte of scratch becomes 0xff, a NaN:
                    shows what is read before it is made */
} ExecSpec;

/* Allocates every region and reads the weights.  What spec points to must
 * outlive the executor, the file excepted. */
Err *exec_open(const ExecSpec *spec, Executor **out) MUST_USE;

/* fn NULL: stop tracing.  Executors of other kinds have no steps to trace.
 * While it is traced a program runs one step of the model after the other. */
void exec_set_trace(Executor *x, ExecTrace *fn, void *ctx);

/* How many stages of a program work at once when several chunks are in flight:
 * all on devices that compute by themselves, no more than the pool has threads
 * on others. */
int exec_lanes(const Executor *x, int program);

/* When each stage of a program worked on each chunk, the last time that several
 * were in flight: stage s on chunk c at [c * n_stages + s], valid until the
 * next step.  No chunks: it never happened. */
const Span *exec_spans(const Executor *x, int program, int64_t *n_chunks);

#endif
