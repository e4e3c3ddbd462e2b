/* kernel_cases_conv.c - checks of kernels of class conv. */
#include "runtime/cli/kernel_cases.h"

#define STEPS                                                                  \
    {{1, 1, 0}, {2, 1, 0}, {3, 1, 0}, {4, 1, 0}, {9, 1, 0}, {300, 1, 0}}
const KernelCase kernel_cases_conv[] = {
    {"silu", 1e-11, STEPS,
     .text =
        "(%x: f32[T,100], $w: f32[4,100], @s: f32[3,100]) {\n"
        "  %a = causal_conv1d %x, $w, @s : f32[T,100]\n"
        "  %y = silu %a : f32[T,100]\n"
        "  ret %y\n"
        "}\n"},
    {"bias_gate", 1e-11, STEPS,
     .text =
        "(%x: f32[T,128], $w: bf16[4,128], @s: f32[3,128], $bias: f32[128], "
        "%z: f32[T,128]) {\n"
        "  %a = causal_conv1d %x, $w, @s : f32[T,128]\n"
        "  %b = add %a, $bias : f32[T,128]\n"
        "  %c = mul %b, %z : f32[T,128]\n"
        "  %y = mul %c, %x : f32[T,128]\n"
        "  ret %y, %a\n"
        "}\n"},
    {"slice", 1e-11, STEPS,
     .text =
        "(%u: f32[T,90], $w: f16[2,65], @s: f32[1,65]) {\n"
        "  %x = slice %u {begin=25} : f32[T,65]\n"
        "  %a = causal_conv1d %x, $w, @s : f32[T,65]\n"
        "  ret %a\n"
        "}\n"},
    {"many_taps", 1e-11, STEPS,
     .text =
        "(%x: f32[T,5], $w: f32[6,5], @s: f32[5,5]) {\n"
        "  %a = causal_conv1d %x, $w, @s : f32[T,5]\n"
        "  ret %a\n"
        "}\n"},
    {"large", 1e-11, {{1, 1, 0}, {5, 1, 0}},
     .text =
        "(%p0: f32[T,12288], $p1: f32[4,12288], @p2: f32[3,12288]) {\n"
        "  %v0 = causal_conv1d %p0, $p1, @p2 : f32[T,12288]\n"
        "  %v1 = silu %v0 : f32[T,12288]\n"
        "  ret %v1\n"
        "}\n"},
    {0},
};
