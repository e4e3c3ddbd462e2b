/* test_delta.c - the gated delta rule in the emulation against the interpreter. */
#include "rig.h"

Test(delta, kernels) { rig_check(kernel_cases_delta); }
