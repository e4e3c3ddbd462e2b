/* plan_schedule.h - `sextet plan --prompt-tokens=N`: which device works on
 * which chunk of the prompt when. */
#ifndef CLI_PLAN_SCHEDULE_H
#define CLI_PLAN_SCHEDULE_H

#include <stdio.h>

#include "compiler/machine.h"
#include "runtime/cli/options.h"
#include "runtime/plan.h"

/* The context that --prompt-tokens asks for: the longest prompt of `plan`, or 0
 * if it was not given. */
int64_t plan_schedule_context(const Options *o);

/* As text, or as the member "prompts" of a JSON object that is open; the
 * picture to --svg.  Nothing if neither option is given. */
Err *plan_schedule(Arena *a, const Options *o, const Plan *p, const Machine *m,
                   FILE *f) MUST_USE;

#endif
