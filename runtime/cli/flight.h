/* flight.h - what `sextet bench` says about chunks in flight on several
 * devices. */
#ifndef CLI_FLIGHT_H
#define CLI_FLIGHT_H

#include "runtime/cli/bench.h"
#include "runtime/cli/predict.h"
#include "runtime/exec.h"

typedef struct {
    Samples at_once, idle; /* TimelineSums of each repetition */
    Timeline last;         /* of the latest; no chunks: there was none */
    Span *span;            /* last.span, ours */
} Flight;

/* After a prompt was read: spec says of which program on which devices, and its
 * lanes are those of the executor.  Nothing if it was no pipeline. */
void flight_add(Flight *f, Arena *a, const Executor *x, int program,
                const PredictSpec *spec);
void flight_report(Flight *f, Report *r);

/* The latest run and, above it, what spec predicts. */
Err *flight_draw(const Flight *f, Arena *a, const PredictSpec *spec,
                 const char *path) MUST_USE;

#endif
