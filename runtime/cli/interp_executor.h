/* interp_executor.h - the double-precision interpreter as an executor:
 * --devices=interp, the oracle for everything faster. */
#ifndef CLI_INTERP_EXECUTOR_H
#define CLI_INTERP_EXECUTOR_H

#include "compiler/pipeline.h"
#include "runtime/executor.h"
#include "runtime/gguf.h"

/* Compiles r as far as the graph.  `file` must outlive the executor. */
Err *interp_executor_open(const CompileRequest *r, Gguf *file,
                          Executor **out) MUST_USE;

#endif
