/* check_kernels.h - `sextet check --kernels`: do this machine's kernels compute
 * what the interpreter does? */
#ifndef CLI_CHECK_KERNELS_H
#define CLI_CHECK_KERNELS_H

#include "runtime/cli/options.h"

Err *check_kernels(const Options *o) MUST_USE;

#endif
