/* kernel_cases_experts.c - checks of kernels of class experts. */
#include "runtime/cli/kernel_cases.h"

#define FEW {{1, 1, 0}, {2, 1, 0}, {4, 1, 0}}
#define MANY {{5, 1, 0}, {40, 1, 0}, {300, 1, 0}}
#define EXACT 1e-10
#define F16 4e-7
#define F16_TWICE 1e-6 /* two such products multiplied */

#define GATED(x, g, u, k, n, e)                                                \
    "(%x: " x "[T," #k "], %i: i32[T,3], $g: " g "[" #k "," #n "," #e          \
    "], $u: " u "[" #k "," #n "," #e "]) {\n"                                  \
    "  %a = matmul_experts %x, $g, %i : f32[T,3," #n "]\n"                     \
    "  %b = matmul_experts %x, $u, %i : f32[T,3," #n "]\n"                     \
    "  %c = silu %a : f32[T,3," #n "]\n"                                       \
    "  %y = mul %c, %b : f32[T,3," #n "]\n"                                    \
    "  ret %y\n"                                                               \
    "}\n"

#define DOWN(x, w, k, n, e)                                                    \
    "(%x: " x "[T,3," #k "], %i: i32[T,3], $w: " w "[" #k "," #n "," #e        \
    "], %s: f32[T,3,1]) {\n"                                                   \
    "  %a = matmul_experts %x, $w, %i : f32[T,3," #n "]\n"                     \
    "  %y = mul %a, %s : f32[T,3," #n "]\n"                                    \
    "  ret %y\n"                                                               \
    "}\n"

#define COMBINED(w, s, k, v, l, n, e)                                          \
    "(%x: f32[T," #s "," #k "], %i: i32[T," #s "], %p: f32[T," #s "], $w: " w  \
    "[" #k "," #n "," #e "], %u: f32[T," #l "], $d: " v "[" #l "," #n          \
    "], %g: f32[T,1], %r: f32[T," #n "]) {\n"                                  \
    "  %q = quantize %x : q8a[T," #s "," #k "]\n"                              \
    "  %a = matmul_experts %q, $w, %i : f32[T," #s "," #n "]\n"                \
    "  %c = combine %a, %p : f32[T," #n "]\n"                                  \
    "  %v = quantize %u : q8a[T," #l "]\n"                                     \
    "  %b = matmul %v, $d : f32[T," #n "]\n"                                   \
    "  %m = mul %g, %b : f32[T," #n "]\n"                                      \
    "  %s = add %c, %m : f32[T," #n "]\n"                                      \
    "  %t = add %r, %s : f32[T," #n "]\n"                                      \
    "  ret %t\n"                                                               \
    "}\n"

const KernelCase kernel_cases_experts[] = {
    {"few_gated", EXACT, FEW, .text = GATED("q8a", "?/t16", "?/t16", 512, 48, 7),
     .each = "q4_k iq1_s q8_0"},
    {"many_gated", F16_TWICE, MANY, .text = GATED("q8a", "?/t16", "?/t16", 512, 80, 7),
     .each = "q4_k iq1_s"},
    {"few_down", EXACT, FEW, .text = DOWN("q8a", "?/t16", 256, 96, 5),
     .each = "q6_k iq1_m iq2_xxs"},
    {"many_down", F16, MANY, .text = DOWN("q8a", "?/t16", 256, 144, 5),
     .each = "q6_k iq1_m iq2_xxs"},
    {"many_apart", F16, MANY, .fill = FILL_ROWS,
     .text = "(%x: q8a[T,3,256], %i: i32[T,3], $w: ?/t16[256,144,5]) {\n"
             "  %a = matmul_experts %x, $w, %i : f32[T,3,144]\n"
             "  ret %a\n"
             "}\n", .each = "q6_k iq2_xxs"},
    {"few_float", EXACT, FEW, .text = DOWN("f32", "bf16/t16", 128, 16, 5)},
    {"many_float", EXACT, MANY, .text = DOWN("f32", "bf16/t16", 128, 48, 5)},
    {"few_mixed", EXACT, FEW, .text = GATED("q8a", "q4_k/t16", "q5_k/t16", 512, 16, 3)},
    {"many_mixed", F16_TWICE, MANY, .text = GATED("q8a", "q4_k/t16", "q5_k", 512, 16, 3)},
    {"plain", EXACT, {{1, 1, 0}, {6, 1, 0}},
     .text = GATED("f32", "q8_0", "q4_0", 64, 24, 7)},
    {"plain_columns", EXACT, {{1, 1, 0}}, /* over 65535 groups of four */
     .text = DOWN("q8a", "q8_0", 32, 262149, 3)},
    {"prologue", F16, {{1, 1, 0}, {3, 1, 0}, {20, 1, 0}},
     .text = "(%x: f32[T,3,256], %i: i32[T,3], $w: q4_k/t16[256,48,5]) {\n"
             "  %q = quantize %x : q8a[T,3,256]\n"
             "  %y = matmul_experts %q, $w, %i : f32[T,3,48]\n"
             "  ret %y\n"
             "}\n"},
    {"beside", F16_TWICE, {{1, 1, 0}, {3, 1, 0}, {40, 1, 0}},
     .text = "(%x: q8a[T,512], %i: i32[T,3], $g: ?/t16[512,48,7], "
             "$u: ?/t16[512,48,7], $s: q5_k/t16[512,32], $t: q5_k/t16[512,32]) "
             "{\n"
             "  %a = matmul_experts %x, $g, %i : f32[T,3,48]\n"
             "  %b = matmul_experts %x, $u, %i : f32[T,3,48]\n"
             "  %c = silu %a : f32[T,3,48]\n"
             "  %y = mul %c, %b : f32[T,3,48]\n"
             "  %d = matmul %x, $s : f32[T,32]\n"
             "  %e = matmul %x, $t : f32[T,32]\n"
             "  %f = silu %d : f32[T,32]\n"
             "  %z = mul %f, %e : f32[T,32]\n"
             "  ret %y, %z\n"
             "}\n", .each = "q4_k iq1_s"},
    {"beside_mixed", F16_TWICE, {{1, 1, 0}, {3, 1, 0}, {40, 1, 0}},
     .text = "(%x: q8a[T,512], %i: i32[T,3], $g: q4_k/t16[512,48,7], "
             "$u: q5_k/t16[512,48,7], $s: q5_k/t16[512,48], $t: q8_0/t16[512,48]) "
             "{\n"
             "  %a = matmul_experts %x, $g, %i : f32[T,3,48]\n"
             "  %b = matmul_experts %x, $u, %i : f32[T,3,48]\n"
             "  %c = silu %a : f32[T,3,48]\n"
             "  %y = mul %c, %b : f32[T,3,48]\n"
             "  %d = matmul %x, $s : f32[T,48]\n"
             "  %e = matmul %x, $t : f32[T,48]\n"
             "  %f = silu %d : f32[T,48]\n"
             "  %z = mul %f, %e : f32[T,48]\n"
             "  ret %y, %z\n"
             "}\n"},
    {"combined", F16, {{1, 1, 0}, {3, 1, 0}, {40, 1, 0}},
     .text = COMBINED("?/t16", 3, 512, "q5_k/t16", 1024, 528, 7),
     .each = "iq2_xxs iq1_m q4_k q8_0"},
    {"combined_many_tiles", F16, {{1, 1, 0}, {6, 1, 0}},
     .text = COMBINED("?/t16", 10, 2048, "q6_k/t16", 256, 48, 12),
     .each = "iq2_xxs bf16"},
    {"combined_plain", F16, {{1, 1, 0}, {4, 1, 0}},
     .text = COMBINED("q8_0", 2, 96, "?", 64, 24, 3), .each = "q8_0 f16"},
    {"combined_apart", F16, {{1, 1, 0}, {5, 1, 0}},
     .text = COMBINED("iq1_m/t16", 2, 256, "?", 512, 32, 3),
     .each = "bf16 q4_0"},
    {"combined_rounded", F16, {{1, 1, 0}, {2, 1, 0}, {9, 1, 0}},
     .text = "(%x: q8a[T,512], %i: i32[T,3], %p: f32[T,3], "
             "$w: q4_k/t16[512,48,7], %u: f32[T,256], $d: bf16/t16[256,48]) {\n"
             "  %a = matmul_experts %x, $w, %i : f32[T,3,48]\n"
             "  %c = combine %a, %p : f32[T,48]\n"
             "  %b = matmul %u, $d : f32[T,48]\n"
             "  %s = add %c, %b : f32[T,48]\n"
             "  ret %s\n"
             "}\n"},
    {"rows", F16, {{5, 2, 0}, {9, 7, 0}},
     .text = "(%x: q8a[R,512], %i: i32[R,3], $g: q4_k/t16[512,48,7]) {\n"
             "  %y = matmul_experts %x, $g, %i : f32[R,3,48]\n"
             "  ret %y\n"
             "}\n"},
    {"split_and_not", F16_TWICE, {{2, 1, 0}, {9, 1, 0}},
     .text = "(%x: f32[T,512], %i: i32[T,3], $g: bf16/t16[512,48,7], "
             "$u: q4_k/t16[512,48,7]) {\n"
             "  %a = matmul_experts %x, $g, %i : f32[T,3,48]\n"
             "  %b = matmul_experts %x, $u, %i : f32[T,3,48]\n"
             "  %y = mul %a, %b : f32[T,3,48]\n"
             "  ret %y\n"
             "}\n"},
    {0},
};
