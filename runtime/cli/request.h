/* request.h - what the command line asks of the compiler. */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include "compiler/pipeline.h"
#include "runtime/cli/options.h"

/* Fills *r from --mdl, --set, --fuse, --activations, --kv, --context, --batch,
 * --place, --devices, --machine, --dump, --explain.  `outputs` is the largest
 * number of rows of logits in a step.  Memory is the arena's. */
Err *request_make(Arena *a, const Options *o, const ModelInfo *model,
                  int64_t outputs, CompileRequest *r) MUST_USE;

#endif
