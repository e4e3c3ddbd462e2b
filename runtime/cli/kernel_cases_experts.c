/* kernel_cases_experts.c - checks of kernels of class experts. */
#include "runtime/cli/kernel_cases.h"

#define STEPS {{1, 1, 0}, {2, 1, 0}, {9, 1, 0}, {40, 1, 0}}
const KernelCase kernel_cases_experts[] = {
    {"gated", 1e-10, STEPS,
     .text =
        "(%x: f32[T,64], %i: i32[T,3], $g: q8_0[64,24,7], $u: q4_0[64,24,7]) "
        "{\n"
        "  %a = matmul_experts %x, $g, %i : f32[T,3,24]\n"
        "  %b = matmul_experts %x, $u, %i : f32[T,3,24]\n"
        "  %c = silu %a : f32[T,3,24]\n"
        "  %y = mul %c, %b : f32[T,3,24]\n"
        "  ret %y\n"
        "}\n"},
    {0},
};
