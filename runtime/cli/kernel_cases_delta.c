/* kernel_cases_delta.c - checks of kernels of class delta. */
#include "runtime/cli/kernel_cases.h"

#define STEPS {{1, 1, 0}, {2, 1, 0}, {20, 1, 0}}
const KernelCase kernel_cases_delta[] = {
    {"normed", 1e-10, STEPS,
     .text =
        "(%unit_q: f32[T,2,32], %unit_k: f32[T,2,32], %v: f32[T,4,32], "
        "%share_b: f32[T,4], %decay_g: f32[T,4], @s: f32[4,32,32], $w: "
        "f32[32], %z: f32[T,128]) {\n"
        "  %o = delta_rule %unit_q, %unit_k, %v, %share_b, %decay_g, @s "
        "{heads=tiled, form=recurrent} : f32[T,4,32]\n"
        "  %n = rmsnorm %o, $w {eps=1e-6} : f32[T,4,32]\n"
        "  %r = reshape %z : f32[T,4,32]\n"
        "  %t = silu %r : f32[T,4,32]\n"
        "  %y = mul %n, %t : f32[T,4,32]\n"
        "  ret %y\n"
        "}\n"},
    {0},
};
