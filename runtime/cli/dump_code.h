/* dump_code.h - what the host JIT made, for --dump=DIR. */
#ifndef CLI_DUMP_CODE_H
#define CLI_DUMP_CODE_H

#include "runtime/host_provider.h"
#include "runtime/plan.h"

/* Compiles the plan's kernels once more and writes DIR/14-kernels.ll (LLVM IR
 * before and after optimisation) and DIR/15-kernels.o (for objdump -d). */
Err *dump_code(const HostProvider *p, const Plan *plan, const char *cpu,
               const char *dir) MUST_USE;

#endif
