/* schedule.h - expanded, fused, placed graphs -> a Plan.
 *
 * Each kernel becomes a launch, each send a copy, in graph order; equal kernels
 * share one text.  memplan.c then gives every byte its place. */
#ifndef COMPILER_SCHEDULE_H
#define COMPILER_SCHEDULE_H

#include "compiler/pass.h"
#include "runtime/plan.h"

/* *kernels receives the distinct kernels as a module.  The Plan has an arena of
 * its own: it outlives the compile. */
Err *schedule_build(PassContext *c, const Module *m, Module **kernels,
                    Plan **out) MUST_USE;

/* memplan.c: offsets and region sizes.  Weights and states one after another;
 * scratch by lifetimes, first fit. */
Err *memplan_assign(Plan *p) MUST_USE;
/* ERR_LIMIT if a device cannot hold its regions and so many bytes besides: by how
 * many bytes, on which device, and what would help. */
Err *memplan_check(const Plan *p, int64_t besides) MUST_USE;

#endif
