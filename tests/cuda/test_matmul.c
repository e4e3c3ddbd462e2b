/* test_matmul.c - matrix products in the emulation against the interpreter. */
#include "rig.h"

Test(matmul, kernels) { rig_check(kernel_cases_matmul); }
Test(matmul, experts) { rig_check(kernel_cases_experts); }
