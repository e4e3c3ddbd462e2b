/* kernel_cases_attention.c - checks of kernels of class attention. */
#include "runtime/cli/kernel_cases.h"

#define STEPS {{1, 1, 0}, {5, 1, 0}, {3, 1, 31}, {1, 1, 700}, {70, 1, 63}}
const KernelCase kernel_cases_attention[] = {
    {"gated", 4e-7, STEPS,
     .text =
        "(%q: f32[T,4,64], %g: f32[T,256], @k: ?[C,2,64], @v: ?[C,2,64]) {\n"
        "  %o = attention %q, @k, @v {scale=0.125} : f32[T,4,64]\n"
        "  %r = reshape %g : f32[T,4,64]\n"
        "  %s = sigmoid %r : f32[T,4,64]\n"
        "  %y = mul %o, %s : f32[T,4,64]\n"
        "  ret %y\n"
        "}\n", .each = "f32 f16 bf16 q8_0 q4_0"},
    {0},
};
