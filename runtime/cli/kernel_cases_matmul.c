/* kernel_cases_matmul.c - checks of kernels of class matmul.  Few rows multiply
 * in integers or f32, many in f16 on the matrix units. */
#include "runtime/cli/kernel_cases.h"

#define FEW {{1, 1, 0}, {3, 1, 0}, {4, 1, 0}}
#define MANY {{5, 1, 0}, {40, 1, 0}, {130, 1, 0}}
#define EXACT 1e-10
/* a value near the middle of two codes may be rounded to either */
#define ROUNDED 1e-5
#define F16 4e-7
#define F16_TWICE 1e-6 /* two such products multiplied */

#define ONE(x, w, k, n)                                                        \
    "(%x: " x "[T," #k "], $w: " w "[" #k "," #n "]) {\n"                      \
    "  %y = matmul %x, $w : f32[T," #n "]\n"                                   \
    "  ret %y\n"                                                               \
    "}\n"

/* Two matrices that meet, one beside them, a bias, a residual. */
#define SIBLINGS(x, a, b, c)                                                   \
    "(%x: " x "[T,512], $g: " a "[512,48], $u: " b "[512,48], $s: " c          \
    "[512,32], $d: f32[32], %r: f32[T,48], $one: f32[512,1]) {\n"              \
    "  %g1 = matmul %x, $g : f32[T,48]\n"                                      \
    "  %u1 = matmul %x, $u : f32[T,48]\n"                                      \
    "  %s1 = matmul %x, $s : f32[T,32]\n"                                      \
    "  %s2 = add %s1, $d : f32[T,32]\n"                                        \
    "  %s3 = softplus %s2 : f32[T,32]\n"                                       \
    "  %g2 = silu %g1 : f32[T,48]\n"                                           \
    "  %h = mul %g2, %u1 : f32[T,48]\n"                                        \
    "  %y = add %r, %h : f32[T,48]\n"                                          \
    "  ret %s3, %y\n"                                                          \
    "}\n"

/* Normed and rounded by every block. */
#define PROLOGUE(act, w)                                                       \
    "(%x: f32[T,512], $n: f32[512], $w: " w "[512,48], $u: " w                 \
    "[512,32]) {\n"                                                            \
    "  %a = rmsnorm %x, $n {eps=1e-06} : f32[T,512]\n"                         \
    "  %b = quantize %a : " act "[T,512]\n"                                    \
    "  %y = matmul %b, $w : f32[T,48]\n"                                       \
    "  %z = matmul %b, $u : f32[T,32]\n"                                       \
    "  ret %y, %z\n"                                                           \
    "}\n"

#define CHOICE(w, k, e, a)                                                     \
    "(%x: f32[T," #k "], $n: f32[" #k "], $w: " w "[" #k "," #e "], "          \
    "$u: f32[" #k ",1]) {\n"                                                   \
    "  %a = rmsnorm %x, $n {eps=1e-06} : f32[T," #k "]\n"                      \
    "  %l = matmul %a, $w : f32[T," #e "]\n"                                   \
    "  %p = softmax %l : f32[T," #e "]\n"                                      \
    "  %i = topk %p : i32[T," #a "]\n"                                         \
    "  %t = take %p, %i : f32[T," #a "]\n"                                     \
    "  %s = sum %t : f32[T,1]\n"                                               \
    "  %d = div %t, %s : f32[T," #a "]\n"                                      \
    "  %z = matmul %a, $u : f32[T,1]\n"                                        \
    "  %g = sigmoid %z : f32[T,1]\n"                                           \
    "  ret %i, %d, %g\n"                                                       \
    "}\n"

#define BIASED(w)                                                              \
    "(%x: q8a[T,512], $w: " w "[512,64], $b: f32[64]) {\n"                     \
    "  %l = matmul %x, $w : f32[T,64]\n"                                       \
    "  %p = sigmoid %l : f32[T,64]\n"                                          \
    "  %q = add %p, $b : f32[T,64]\n"                                          \
    "  %i = topk %q : i32[T,6]\n"                                              \
    "  %t = take %p, %i : f32[T,6]\n"                                          \
    "  ret %i, %t, %l\n"                                                       \
    "}\n"

const KernelCase kernel_cases_matmul[] = {
    {"few_int8", EXACT, FEW, .text = ONE("q8a", "?/t16", 512, 48), .each = case_quant_types},
    {"few_f32", EXACT, FEW, .text = ONE("f32", "?/t16", 512, 48), .each = case_float_types},
    {"few_int16", EXACT, FEW, .text = ONE("q16a", "?/t16", 512, 48), .each = "q5_k q8_0 iq1_s"},
    {"few_f32_blocks", EXACT, FEW, .text = ONE("f32", "?/t16", 512, 48),
     .each = "q6_k q4_0 iq2_xxs"},
    {"many_int8", F16, MANY, .text = ONE("q8a", "?/t16", 512, 48), .each = case_quant_types},
    {"many_f32", EXACT, MANY, .text = ONE("f32", "?/t16", 512, 48), .each = case_float_types},
    {"many_int16", F16, MANY, .text = ONE("q16a", "?/t16", 512, 48), .each = "q5_k q8_0"},
    {"width_128", EXACT, FEW, .text = ONE("q8a", "q8_0/t16", 128, 16)},
    {"width_256", EXACT, FEW, .text = ONE("q8a", "q4_k/t16", 256, 16)},
    {"width_384", EXACT, FEW, .text = ONE("q8a", "q4_0/t16", 384, 16)},
    {"width_1536", EXACT, FEW, .text = ONE("q8a", "q5_k/t16", 1536, 80)},
    {"width_4096", EXACT, FEW, .text = ONE("q8a", "q6_k/t16", 4096, 144)},
    {"many_128", F16, MANY, .text = ONE("q8a", "q8_0/t16", 128, 16)},
    {"many_256", F16, MANY, .text = ONE("q8a", "q4_k/t16", 256, 272)},
    {"many_384", F16, MANY, .text = ONE("q8a", "q4_0/t16", 384, 16)},
    {"many_1536", F16, MANY, .text = ONE("q8a", "q5_k/t16", 1536, 80)},
    {"many_4096", F16, MANY, .text = ONE("q8a", "q6_k/t16", 4096, 144)},
    {"few_apart", EXACT, FEW, .text = ONE("?", "q6_k/t16", 512, 48),
     .each = "q8a q16a f32", .fill = FILL_ROWS},
    {"many_apart", F16, MANY, .text = ONE("?", "q6_k/t16", 512, 48),
     .each = "q8a q16a f32", .fill = FILL_ROWS},
    {"many_wide_apart", F16, MANY, .text = ONE("?", "q6_k/t16", 2560, 16),
     .each = "q8a q16a f32", .fill = FILL_ROWS},
    {"many_floats_apart", EXACT, MANY, .text = ONE("f32", "?", 512, 48),
     .each = case_float_types, .fill = FILL_ROWS},
    {"many_rounded_apart", F16, MANY, .fill = FILL_ROWS,
     .text = "(%x: f32[T,512], $w: q5_k/t16[512,48]) {\n"
             "  %b = quantize %x : q8a[T,512]\n"
             "  %y = matmul %b, $w : f32[T,48]\n"
             "  ret %y\n"
             "}\n"},
    {"plain", EXACT, {{1, 1, 0}, {5, 1, 0}}, .text = ONE("q8a", "?", 512, 7),
     .each = case_quant_types},
    {"plain_columns", EXACT, {{1, 1, 0}, {2, 1, 0}}, /* over 65535 groups of four */
     .text = ONE("q8a", "q8_0", 32, 262149)},
    {"plain_f32", EXACT, {{1, 1, 0}, {5, 1, 0}}, .text = ONE("f32", "?", 77, 3),
     .each = case_float_types},
    {"rows", EXACT, {{3, 1, 0}, {7, 4, 0}},
     .text = "(%x: f32[R,512], $w: f32/t16[512,48]) {\n"
     "  %y = matmul %x, $w : f32[R,48]\n"
     "  ret %y\n"
     "}\n"},
    {"few_siblings", EXACT, FEW,
     .text = SIBLINGS("q8a", "q5_k/t16", "q5_k/t16", "q8_0/t16")},
    {"many_siblings", F16_TWICE, MANY,
     .text = SIBLINGS("q8a", "q5_k/t16", "q5_k/t16", "q8_0/t16")},
    {"few_mixed", EXACT, FEW,
     .text = SIBLINGS("q8a", "q5_k/t16", "q6_k/t16", "q8_0")},
    {"many_mixed", F16_TWICE, MANY,
     .text = SIBLINGS("q8a", "q5_k/t16", "q6_k/t16", "q8_0")},
    {"few_slice", EXACT, FEW,
     .text = "(%x: f32[T,1024], $w: q4_k/t16[512,16]) {\n"
     "  %v = slice %x {begin=512} : f32[T,512]\n"
     "  %y = matmul %v, $w : f32[T,16]\n"
     "  ret %y\n"
     "}\n"},
    {"few_prologue", ROUNDED, FEW, .text = PROLOGUE("?", "q5_k/t16"),
     .each = "q8a q16a"},
    {"many_prologue", ROUNDED, MANY, .text = PROLOGUE("?", "q5_k/t16"),
     .each = "q8a q16a"},
    {"rounding", EXACT, FEW,
     .text = "(%x: f32[T,8,128], $w: q6_k/t16[1024,16]) {\n"
             "  %v = reshape %x : f32[T,1024]\n"
             "  %b = quantize %v : q8a[T,1024]\n"
             "  %y = matmul %b, $w : f32[T,16]\n"
             "  ret %y\n"
             "}\n"},
    {"router", EXACT, {{1, 1, 0}, {8, 1, 0}, {9, 1, 0}, {130, 1, 0}},
     .text = "(%x: f32[T,512], $n: f32[512], $w: f32[512,48], $u: f32[512,1]) "
             "{\n"
             "  %a = rmsnorm %x, $n {eps=1e-06} : f32[T,512]\n"
             "  %y = matmul %a, $w : f32[T,48]\n"
             "  %z = matmul %a, $u : f32[T,1]\n"
             "  %s = sigmoid %z : f32[T,1]\n"
             "  ret %y, %s\n"
             "}\n"},
    {"choice", EXACT, {{1, 1, 0}, {3, 1, 0}, {8, 1, 0}, {9, 1, 0}, {70, 1, 0}},
     .text = CHOICE("?", 512, 512, 10), .each = case_float_types},
    {"choice_odd", EXACT, {{1, 1, 0}, {5, 1, 0}, {11, 1, 0}},
     .text = CHOICE("f32", 100, 37, 7)},
    {"choice_wide", EXACT, {{1, 1, 0}, {2, 1, 0}, {9, 1, 0}},
     .text = CHOICE("f32", 128, 1056, 8)},
    {"router_norm", F16, {{1, 1, 0}, {7, 1, 0}, {9, 1, 0}, {40, 1, 0}},
     .text = "(%x: f32[T,512], $n: f32[512], $w: ?[512,48], $u: ?[512,1]) {\n"
             "  %a = rmsnorm %x, $n {eps=1e-06} : f32[T,512]\n"
             "  %q = quantize %a : q8a[T,512]\n"
             "  %l = matmul %a, $w : f32[T,48]\n"
             "  %i = topk %l : i32[T,4]\n"
             "  %g = matmul %a, $u : f32[T,1]\n"
             "  ret %q, %i, %g\n"
             "}\n", .each = "f32 bf16 q8_0"},
    {"choice_of_tiles", EXACT, {{1, 1, 0}, {3, 1, 0}},
     .text = BIASED("?/t16"), .each = "q8_0 q4_k"},
    {"choice_of_rounded", EXACT, {{1, 1, 0}, {3, 1, 0}},
     .text = BIASED("?"), .each = "q4_k f16"},
    {"combined", EXACT, FEW,
     .text = "(%x: f32[T,512], $w: q5_k/t16[512,48], %y: f32[T,5,48], "
             "%p: f32[T,5], %g: f32[T,1], %r: f32[T,48]) {\n"
             "  %b = quantize %x : q8a[T,512]\n"
             "  %a = matmul %b, $w : f32[T,48]\n"
             "  %c = combine %y, %p : f32[T,48]\n"
             "  %m = mul %g, %a : f32[T,48]\n"
             "  %s = add %c, %m : f32[T,48]\n"
             "  %t = add %r, %s : f32[T,48]\n"
             "  ret %t\n"
             "}\n"},
    {0},
};
