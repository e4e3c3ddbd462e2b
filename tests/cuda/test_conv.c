/* test_conv.c - convolutions in the emulation against the interpreter. */
#include "rig.h"

Test(conv, kernels) { rig_check(kernel_cases_conv); }
