/* work.h - the floating-point operations of a launch, from the text of its
 * kernel: a multiply and an add are two. */
#ifndef CLI_WORK_H
#define CLI_WORK_H

#include "runtime/cli/traffic.h"

/* 0 for a copy.  Products and attention count exactly, the delta rule as seven
 * for each element of its state and token, the rest as one for each value. */
double work_launch(const TrafficMap *m, const PlanStep *s, TrafficStep step);

#endif
