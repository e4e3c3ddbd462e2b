/* kernel_cases_matmul.c - checks of kernels of class matmul. */
#include "runtime/cli/kernel_cases.h"

#define STEPS {{1, 1, 0}, {3, 1, 0}, {9, 1, 0}, {40, 1, 0}}
const KernelCase kernel_cases_matmul[] = {
    {"tiles", 1e-10, STEPS,
     .text =
        "(%x: f32[T,512], $w: ?/t16[512,48]) {\n"
        "  %y = matmul %x, $w : f32[T,48]\n"
        "  ret %y\n"
        "}\n", .each = case_quant_types},
    {0},
};
