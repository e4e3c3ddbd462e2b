/* weights.h - from the model file into the devices' memory. */
#ifndef RUNTIME_WEIGHTS_H
#define RUNTIME_WEIGHTS_H

#include "runtime/device.h"
#include "runtime/exec.h"
#include "runtime/gguf.h"

/* Every weight of the plan must be in the file with its type and shape. */
Err *weights_check(const Plan *p, const ModelInfo *m) MUST_USE;

/* Reads all weights to where the plan puts them, with all threads of the pool;
 * device[i] is the plan's device i. */
Err *weights_load(const ExecSpec *spec, Device *const *device) MUST_USE;

#endif
