/* predict.h - how a prompt will go through the devices of a plan.
 *
 * A launch takes the larger of its bytes over the device's bandwidth and its
 * operations over the device's compute: both nominal, so this is a bound; a
 * copy its bytes over the link and the link's latency.  Where a device's
 * compute is unknown a launch takes as long as it has operations: times are
 * then relative.  What waits for what is flow.h's rule. */
#ifndef CLI_PREDICT_H
#define CLI_PREDICT_H

#include "runtime/cli/timeline.h"
#include "runtime/cli/traffic.h"

typedef struct {
    const Plan *plan;
    const PlanProgram *program;
    const TrafficMap *map;
    double link_bandwidth, link_latency; /* bytes per second, seconds; 0: none */
    int64_t past, tokens; /* in the sequence before, of the prompt */
    int64_t chunk;        /* tokens of one, at most the plan's batch; 0: that */
    int lanes;            /* devices at work at once at most; 0: all */
} PredictSpec;

/* Memory: a's.  Without stages in the plan one chunk is worked on at a time. */
Err *predict_prompt(Arena *a, const PredictSpec *spec, Timeline *out) MUST_USE;

/* The devices of a program's stages, with their layers; returns how many. */
int predict_rows(Arena *a, const Plan *p, const PlanProgram *q,
                 TimelineRow **out);

/* Makes all times longer or shorter so that the work adds up to `busy`
 * seconds: relative times become those of one speed for all devices. */
void predict_fit(Arena *a, Timeline *t, double busy);

#endif
