/* plan_check.h - do the kernels of a plan fit the arguments they are given? */
#ifndef CLI_PLAN_CHECK_H
#define CLI_PLAN_CHECK_H

#include "compiler/graph.h"
#include "runtime/plan.h"

/* The text of each kernel as a verified graph, [n_kernels] in a's memory. */
Err *plan_kernel_graphs(Arena *a, const Plan *p,
                        const Graph *const **out) MUST_USE;

/* Parses and verifies every kernel's text, and compares the parameters and
 * results of each with the types and sizes of the arguments of its launches:
 * what plan_verify, which cannot read graphs, leaves open.  p must have passed
 * plan_verify.  Indices that are computed at run time (token ids, rows, expert
 * numbers) are not followed. */
Err *plan_check_kernels(const Plan *p) MUST_USE;

#endif
