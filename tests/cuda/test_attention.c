/* test_attention.c - attention in the emulation against the interpreter. */
#include "rig.h"

Test(attention, kernels) { rig_check(kernel_cases_attention); }
