/* kernel_cases_attention.c - checks of kernels of class attention.
 *
 * Few tokens, many, and those between; tiles of keys begun, filled and one
 * over; keys enough for sums of several blocks in one and in two rounds.  With
 * matrix units weights are f16. */
#include "runtime/cli/kernel_cases.h"

#define KV_TYPES "f32 f16 bf16 q8_0 q4_0"
#define STEPS                                                                  \
    {{1, 1, 0}, {2, 1, 1}, {3, 1, 31}, {8, 1, 63}, {9, 1, 0}, {1, 1, 700},     \
     {70, 1, 63}}
#define FEW {{1, 1, 0}, {4, 1, 1}, {7, 1, 511}}
#define MANY {{33, 1, 0}, {63, 1, 1}, {64, 1, 63}, {65, 1, 511}}

/* q [T,H,d], k and v [C,G,d] of types kt and vt. */
#define ATTENTION(H, G, d, kt, vt, scale)                                      \
    .text =                                                                    \
    "(%q: f32[T," #H "," #d "], @k: " kt "[C," #G "," #d "], @v: " vt          \
    "[C," #G "," #d "]) {\n"                                                   \
    "  %o = attention %q, @k, @v {scale=" #scale "} : f32[T," #H "," #d        \
    "]\n"                                                                      \
    "  ret %o\n"                                                               \
    "}\n"

/* Gated by halves of rows, then rounded. */
#define ROUNDED(H, G, d, all, t, type)                                         \
    .text =                                                                    \
    "(%q: f32[T," #H "," #d "], %g: f32[T," #all ",2], @k: " t "[C," #G        \
    "," #d "], @v: " t "[C," #G "," #d "]) {\n"                                \
    "  %o = attention %q, @k, @v {scale=0.1} : f32[T," #H "," #d "]\n"         \
    "  %r = reshape %g : f32[T," #H "," #d ",2]\n"                             \
    "  %p = slice %r {begin=1} : f32[T," #H "," #d ",1]\n"                     \
    "  %c = reshape %p : f32[T," #H "," #d "]\n"                               \
    "  %s = sigmoid %c : f32[T," #H "," #d "]\n"                               \
    "  %m = mul %o, %s : f32[T," #H "," #d "]\n"                               \
    "  %y = reshape %m : f32[T," #all "]\n"                                    \
    "  %z = quantize %y : " type "[T," #all "]\n"                              \
    "  ret %z\n"                                                               \
    "}\n"

const KernelCase kernel_cases_attention[] = {
    {"gated", 4e-7, STEPS,
     .text =
        "(%q: f32[T,4,64], %g: f32[T,256], @k: ?[C,2,64], @v: ?[C,2,64]) {\n"
        "  %o = attention %q, @k, @v {scale=0.125} : f32[T,4,64]\n"
        "  %r = reshape %g : f32[T,4,64]\n"
        "  %s = sigmoid %r : f32[T,4,64]\n"
        "  %y = mul %o, %s : f32[T,4,64]\n"
        "  ret %y\n"
        "}\n", .each = KV_TYPES},
    /* queries that are part of a row; two results */
    {"views", 4e-7, STEPS,
     .text =
        "(%u: f32[T,4,256], %z: f32[T,512], @k: f16[C,256], "
        "@v: q8_0[C,256]) {\n"
        "  %q = slice %u {begin=128} : f32[T,4,128]\n"
        "  %i = reshape @k : f16[C,2,128]\n"
        "  %j = reshape @v : q8_0[C,2,128]\n"
        "  %o = attention %q, %i, %j {scale=0.09} : f32[T,4,128]\n"
        "  %r = reshape %o : f32[T,512]\n"
        "  %y = add %r, %z : f32[T,512]\n"
        "  ret %y, %o\n"
        "}\n"},

    /* as --fuse=layer joins them; a value between two codes may become either */
    {"rounded", 3e-5, STEPS, ROUNDED(32, 2, 256, 8192, "q8_0", "q8a")},
    {"rounded_d64", 4e-7, STEPS, ROUNDED(5, 1, 64, 320, "f16", "q16a")},
    {"rounded_d128", 3e-5, STEPS, ROUNDED(8, 2, 128, 1024, "f16", "q8a")},
    {"rounded_plain", 3e-5, STEPS, ROUNDED(9, 1, 96, 864, "f32", "q8a")},

    /* types in pairs; heads of a group: 1 2 3 4 8 16 and more; groups 1 2 3 */
    {"d64_with_f16", 4e-7, FEW, ATTENTION(3, 3, 64, "?", "f16", 0.125),
     .each = KV_TYPES},
    {"d64_q8_0_with", 4e-7, FEW, ATTENTION(6, 3, 64, "q8_0", "?", 0.125),
     .each = KV_TYPES},
    {"d128_with_q8_0", 4e-7, FEW, ATTENTION(3, 1, 128, "?", "q8_0", 0.09),
     .each = KV_TYPES},
    {"d128_q4_0_with", 4e-7, FEW, ATTENTION(8, 2, 128, "q4_0", "?", 0.09),
     .each = KV_TYPES},
    {"d256", 4e-7, FEW, ATTENTION(16, 2, 256, "?", "?", 0.0625),
     .each = KV_TYPES},
    {"d256_wide_group", 4e-7, FEW,
     ATTENTION(16, 1, 256, "q8_0", "q8_0", 0.0625)},
    {"d64_wider_group", 4e-7, FEW, ATTENTION(20, 1, 64, "q8_0", "f16", 0.125)},
    {"many_d64_with_f16", 4e-7, MANY, ATTENTION(3, 3, 64, "?", "f16", 0.125),
     .each = KV_TYPES},
    {"many_d64_q8_0_with", 4e-7, MANY, ATTENTION(2, 1, 64, "q8_0", "?", 0.125),
     .each = KV_TYPES},
    {"many_d128", 4e-7, MANY, ATTENTION(8, 2, 128, "?", "?", 0.09),
     .each = KV_TYPES},
    {"many_d256", 4e-7, {{33, 1, 100}, {65, 1, 0}},
     ATTENTION(16, 1, 256, "?", "?", 0.0625), .each = KV_TYPES},
    {"many_wider_group", 4e-7, {{33, 1, 0}, {40, 1, 63}},
     ATTENTION(67, 1, 64, "q8_0", "q4_0", 0.125)},

    /* long: sums of sums of blocks */
    {"long", 4e-7,
     {{1, 1, 127}, {1, 1, 1100}, {1, 1, 2046}, {1, 1, 2047}, {1, 1, 2048},
      {1, 1, 4500}, {2, 1, 9000}},
     ATTENTION(4, 1, 64, "?", "?", 0.125), .each = "f16 q8_0"},

    /* other widths, and groups that begin anywhere: without matrix units */
    {"plain", 1e-10, STEPS, ATTENTION(6, 2, 32, "?", "f32", 0.17),
     .each = KV_TYPES},
    {"plain_values", 1e-10, STEPS, ATTENTION(3, 3, 96, "f16", "?", 0.1),
     .each = KV_TYPES},
    {"plain_d1", 1e-10, STEPS, ATTENTION(1, 1, 1, "f32", "f32", 1.5)},
    {"plain_d33", 1e-10, STEPS, ATTENTION(7, 1, 33, "f16", "bf16", 0.17)},
    {"plain_d160", 1e-10, STEPS, ATTENTION(5, 5, 160, "bf16", "f32", 0.08)},
    {"plain_wide_group", 1e-10, STEPS,
     ATTENTION(20, 1, 48, "f32", "f16", 0.14)},
    {"plain_long", 1e-10, {{1, 1, 4500}, {3, 1, 9000}},
     ATTENTION(2, 1, 20, "f32", "f32", 0.2)},
    {"plain_many", 1e-10, {{150, 1, 0}, {260, 1, 10}},
     ATTENTION(2, 2, 24, "f32", "f32", 0.2)},
    {0},
};
