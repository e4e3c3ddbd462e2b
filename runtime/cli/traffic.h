/* traffic.h - the bytes of weights and states that kernels touch, worked out
 * from a plan and the text of its kernels.
 *
 * Counted is what has to come from, or go to, the devices' memory however well
 * the caches hold the values between kernels:
 *   matrices     once a launch; of experts those chosen (for one token that
 *                many; for T tokens the expected number of different ones if
 *                each token chose at random: E (1 - (1 - k/E)^T))
 *   tables       the rows that are looked up
 *   fixed states read and written once
 *   keys, values the rows that attention reads, once; those that append writes
 */
#ifndef CLI_TRAFFIC_H
#define CLI_TRAFFIC_H

#include "compiler/graph.h"
#include "runtime/plan.h"

/* Bytes; fractions come from expected numbers. */
typedef struct {
    double weights, states, rows;
} Traffic;

/* T, R and past of one step. */
typedef struct {
    int64_t tokens, outputs, past;
} TrafficStep;

/* The kernels of a plan, read for this purpose. */
typedef struct {
    const Plan *plan;
    const Graph *const *graph;     /* by kernel */
    const Node *const *const *use; /* by kernel and parameter: the first
                                      operation on it, or NULL */
} TrafficMap;
/* Memory: a's.  Keeps p, which passed plan_verify and plan_check_kernels. */
Err *traffic_map(Arena *a, const Plan *p, TrafficMap *out) MUST_USE;

Traffic traffic_launch(const TrafficMap *m, const PlanStep *s,
                       TrafficStep step);
/* All launches of a program. */
Traffic traffic_program(const TrafficMap *m, const PlanProgram *program,
                        TrafficStep step);
double traffic_sum(Traffic t);

/* What a launch does, for people: the class of its kernel, and the matrices
 * (with their types) or the operations in it: "experts ffn_down_exps iq1_m",
 * "row softmax+topk".  Cut to TRAFFIC_LABEL bytes. */
enum { TRAFFIC_LABEL = 80 };
const char *traffic_label(const TrafficMap *m, const PlanStep *s,
                          char out[TRAFFIC_LABEL]);

#endif
