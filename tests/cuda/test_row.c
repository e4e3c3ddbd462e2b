/* test_row.c - row kernels in the emulation against the interpreter. */
#include "rig.h"

Test(row, kernels) { rig_check(kernel_cases_row); }
