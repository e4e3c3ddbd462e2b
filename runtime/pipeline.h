/* pipeline.h - chunks of a prompt in flight on several devices at once.
 *
 * Each stage has a thread that does its work in order, with a share of the
 * computing threads (a pool) of its own: the queue of a device.  What may begin
 * when is flow.h's to say.  The caller's thread hands out results meanwhile.
 * One pipeline_run at a time. */
#ifndef RUNTIME_PIPELINE_H
#define RUNTIME_PIPELINE_H

#include <stdint.h>

#include "base/err.h"
#include "runtime/pool.h"

typedef struct Pipeline Pipeline;

/* When a stage worked on a chunk: seconds since the run began. */
typedef struct {
    double start, end;
} Span;

typedef struct {
    /* A stage's work on a chunk; the work of different stages runs on different
     * threads at once.  pool is the stage's to use. */
    Err *(*work)(void *ctx, int stage, int64_t chunk, Pool *pool);
    /* Chunk by chunk in order, on the caller's thread, once the last stage is
     * through with it. */
    Err *(*done)(void *ctx, int64_t chunk);
    void *ctx;
} PipelineJob;

/* `threads` compute at most: with more stages than that, so many stages work
 * at once with one thread each. */
Err *pipeline_new(int n_stages, int threads, Pipeline **out) MUST_USE;
void pipeline_free(Pipeline *p); /* NULL is fine */

/* All chunks through all stages.  The first error ends it, when the work under
 * way has ended. */
Err *pipeline_run(Pipeline *p, int64_t n_chunks,
                  const PipelineJob *job) MUST_USE;

/* How many stages work at once. */
int pipeline_lanes(const Pipeline *p);
/* Of the last run: stage s on chunk c at [c * stages + s]; valid until the
 * next. */
const Span *pipeline_spans(const Pipeline *p, int64_t *n_chunks);

#endif
