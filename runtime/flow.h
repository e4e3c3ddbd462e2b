/* flow.h - the rule of the pipeline: which stage may work on which chunk when.
 *
 * A prompt longer than a step is cut into chunks 0, 1, 2, ..; a program that
 * lies on several devices into stages 0, 1, .., one a device.  Every chunk goes
 * through every stage, and
 *   - a stage does one chunk at a time, in order: its states are handed on;
 *   - chunk c needs what stage s - 1 made of it, which lies in slot c % 2 of
 *     the buffers between the two;
 *   - so stage s may not begin chunk c before stage s + 1 is through with chunk
 *     c - 2, whose slot it will fill;
 *   - the last stage may not begin a chunk before the results of the one before
 *     were taken;
 *   - no more than `lanes` stages work at once (processor cores are shared;
 *     devices with cores of their own have as many lanes as stages).
 *
 * This is bookkeeping only, the same for threads (pipeline.c), for streams with
 * events, and for a prediction (cli/predict.c): ask flow_next what to begin until it has
 * nothing, then report what ended.  One thread at a time. */
#ifndef RUNTIME_FLOW_H
#define RUNTIME_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum { FLOW_MAX_STAGES = 256 };

typedef struct {
    int stage;
    int64_t chunk;
} FlowWork;

typedef struct {
    int n_stages, lanes;
    int64_t n_chunks;
    int n_busy;
    int64_t taken;                 /* chunks whose results were taken */
    int64_t done[FLOW_MAX_STAGES]; /* chunks that a stage is through with */
    bool busy[FLOW_MAX_STAGES];    /* with chunk done[s] */
} Flow;

/* 1 to FLOW_MAX_STAGES stages, at least one lane. */
void flow_init(Flow *f, int n_stages, int lanes, int64_t n_chunks);

/* Work that may begin now, which is then under way; false: none.  The oldest
 * chunk goes first. */
bool flow_next(Flow *f, FlowWork *out);

/* A stage's work has ended. */
void flow_done(Flow *f, int stage);

/* The last stage is through with a chunk whose results nobody has taken. */
static inline bool flow_has_result(const Flow *f)
{
    return f->done[f->n_stages - 1] > f->taken;
}

/* The results of the oldest chunk were taken. */
static inline void flow_take(Flow *f) { f->taken++; }

#endif
