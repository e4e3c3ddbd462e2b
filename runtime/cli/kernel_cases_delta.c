/* kernel_cases_delta.c - checks of kernels of class delta. */
#include "runtime/cli/kernel_cases.h"

#define FEW                                                                    \
    {                                                                          \
        {1, 1, 0}, {2, 1, 0}, {7, 1, 0}, { 31, 1, 0 }                          \
    }
#define BOTH                                                                   \
    {                                                                          \
        {1, 1, 0}, {2, 1, 0}, {31, 1, 0}, {32, 1, 0}, {63, 1, 0}, {64, 1, 0},  \
            {65, 1, 0},                                                        \
        {                                                                      \
            130, 1, 0                                                          \
        }                                                                      \
    }
#define CHUNKS                                                                 \
    {                                                                          \
        {1, 1, 0}, {7, 1, 0}, {63, 1, 0}, {64, 1, 0}, {127, 1, 0},             \
        {                                                                      \
            200, 1, 0                                                          \
        }                                                                      \
    }

/* The six arguments; sizes as text. */
#define RULE(Hk, dk, Hv, dv)                                                   \
    "(%unit_q: f32[T," Hk "," dk "], %unit_k: f32[T," Hk "," dk                \
    "], %v: f32[T," Hv "," dv "], %share_b: f32[T," Hv                         \
    "], %decay_g: f32[T," Hv "], @s: f32[" Hv "," dk "," dv "]"
#define MAKE_O(Hv, dv, heads, form)                                            \
    "  %o = delta_rule %unit_q, %unit_k, %v, %share_b, %decay_g, @s "          \
    "{heads=" heads ", form=" form "} : f32[T," Hv "," dv "]\n"
#define PLAIN(Hk, dk, Hv, dv, heads, form)                                     \
    RULE(Hk, dk, Hv, dv) ") {\n" MAKE_O(Hv, dv, heads, form) "  ret %o\n}\n"
#define NORMED(Hk, dk, Hv, dv, wide, heads, form)                              \
    RULE(Hk, dk, Hv, dv)                                                       \
    ", $w: f32[" dv "], %z: f32[T," wide "]) {\n" MAKE_O(                      \
        Hv, dv, heads, form) "  %n = rmsnorm %o, $w {eps=1e-6} : f32[T," Hv    \
                             "," dv "]\n"                                      \
                             "  %r = reshape %z : f32[T," Hv "," dv "]\n"      \
                             "  %t = silu %r : f32[T," Hv "," dv "]\n"         \
                             "  %y = mul %n, %t : f32[T," Hv "," dv            \
                             "]\n  ret %y\n}\n"

/* q, k and v cut out of one row, as models do. */
#define CUT(begin, heads, form)                                                \
    "(%unit_q: f32[T,2,64], %unit_k: f32[T,2,64], %u: f32[T,600], "            \
    "%share_b: f32[T,4], %decay_g: f32[T,4], @s: f32[4,64,128], "              \
    "$w: f32[128], %z: f32[T,4,128]) {\n"                                      \
    "  %c = slice %u {begin=" begin "} : f32[T,512]\n"                         \
    "  %v = reshape %c : f32[T,4,128]\n" MAKE_O(                               \
        "4", "128", heads,                                                     \
        form) "  %n = rmsnorm %o, $w {eps=1e-6} : f32[T,4,128]\n"              \
              "  %y = mul %n, %z : f32[T,4,128]\n  ret %y\n}\n"

/* Each head a slice of a wider one; what follows is used more than once. */
#define MIXED(form)                                                            \
    "(%unit_q: f32[T,3,32], %unit_k: f32[T,3,32], %u: f32[T,3,96], "           \
    "%share_bg: f32[T,6], %decay_g: f32[T,3], @s: f32[3,32,32], "              \
    "%z: f32[T,3,32], $w: f32[32], %f: f32[T,3,1]) {\n"                        \
    "  %v = slice %u {begin=64} : f32[T,3,32]\n"                               \
    "  %a = slice %share_bg {begin=3} : f32[T,3]\n"                            \
    "  %o = delta_rule %unit_q, %unit_k, %v, %a, %decay_g, @s "                \
    "{heads=grouped, form=" form "} : f32[T,3,32]\n"                           \
    "  %p = mul %o, %z : f32[T,3,32]\n"                                        \
    "  %n = rmsnorm %p {eps=1e-5} : f32[T,3,32]\n"                             \
    "  %m = add %n, %o : f32[T,3,32]\n"                                        \
    "  %l = rmsnorm %m, $w {eps=1} : f32[T,3,32]\n"                            \
    "  %x = mul %l, %f : f32[T,3,32]\n"                                        \
    "  %y = add %x, %z : f32[T,3,32]\n  ret %y, %n, %p\n}\n"

#define MODEL_397B                                                             \
    "(%unit_q: f32[T,16,128], %unit_k: f32[T,16,128], %p2: f32[T,12288], "     \
    "%share_b: f32[T,64], %decay_g: f32[T,64], @s: f32[64,128,128], "          \
    "$w: f32[128], %z: f32[T,64,128]) {\n"                                     \
    "  %c = slice %p2 {begin=4096} : f32[T,8192]\n"                            \
    "  %v = reshape %c : f32[T,64,128]\n" MAKE_O(                              \
        "64", "128", "tiled",                                                  \
        "auto") "  %n = rmsnorm %o, $w {eps=1e-6} : f32[T,64,128]\n"           \
                "  %y = mul %n, %z : f32[T,64,128]\n  ret %y\n}\n"

/* What follows reads two parts of one row. */
#define PARTS(form)                                                            \
    RULE("2", "32", "4", "32")                                                 \
    ", %z: f32[T,4,64], $w: f32[32]) {\n" MAKE_O(                              \
        "4", "32", "tiled",                                                    \
        form) "  %a = slice %z {begin=0} : f32[T,4,32]\n"                      \
              "  %b = slice %z {begin=32} : f32[T,4,32]\n"                     \
              "  %p = mul %o, %a : f32[T,4,32]\n"                              \
              "  %n = rmsnorm %p, $w {eps=1e-6} : f32[T,4,32]\n"               \
              "  %y = add %n, %b : f32[T,4,32]\n  ret %y, %o\n}\n"

/* As --fuse=layer joins them: q and k normed, all three parts of what a
 * convolution of `taps` (keeping `past`) makes of C channels; k, wide: values of
 * all heads of k, of v; at_k, at_v: where they begin. */
#define LAYER(Hk, dk, Hv, dv, taps, past, C, k, at_k, wide, at_v, heads, form) \
    "(%x: f32[T," C "], $c: f32[" taps "," C "], @p: f32[" past "," C          \
    "], %share_b: f32[T," Hv "], %decay_g: f32[T," Hv "], @s: f32[" Hv         \
    "," dk "," dv "], $w: f32[" dv "], %z: f32[T," wide "]) {\n"               \
    "  %c0 = causal_conv1d %x, $c, @p : f32[T," C "]\n"                        \
    "  %u = silu %c0 : f32[T," C "]\n"                                         \
    "  %q0 = slice %u {begin=0} : f32[T," k "]\n"                              \
    "  %q1 = reshape %q0 : f32[T," Hk "," dk "]\n"                             \
    "  %q2 = l2norm %q1 {eps=1e-06} : f32[T," Hk "," dk "]\n"                  \
    "  %n = const {value=11.313708498984761} : f32[]\n"                        \
    "  %q = div %q2, %n : f32[T," Hk "," dk "]\n"                              \
    "  %k0 = slice %u {begin=" at_k "} : f32[T," k "]\n"                       \
    "  %k1 = reshape %k0 : f32[T," Hk "," dk "]\n"                             \
    "  %k = l2norm %k1 {eps=1e-06} : f32[T," Hk "," dk "]\n"                   \
    "  %v0 = slice %u {begin=" at_v "} : f32[T," wide "]\n"                    \
    "  %v = reshape %v0 : f32[T," Hv "," dv "]\n"                              \
    "  %o = delta_rule %q, %k, %v, %share_b, %decay_g, @s {heads=" heads       \
    ", form=" form "} : f32[T," Hv "," dv "]\n"                                \
    "  %r = rmsnorm %o, $w {eps=1e-6} : f32[T," Hv "," dv "]\n"                \
    "  %y = reshape %z : f32[T," Hv "," dv "]\n"                               \
    "  %t = silu %y : f32[T," Hv "," dv "]\n"                                  \
    "  %m = mul %r, %t : f32[T," Hv "," dv "]\n"
#define KEPT "  ret %m\n}\n"
#define ROUNDED(type, wide)                                                    \
    "  %a = reshape %m : f32[T," wide "]\n"                                    \
    "  %b = quantize %a : " type "[T," wide "]\n  ret %b\n}\n"

/* Norms without a convolution; q also times a number. */
#define HEADS(form)                                                            \
    "(%q0: f32[T,4,64], %k0: f32[T,4,64], %v: f32[T,8,32], "                   \
    "%share_b: f32[T,8], %decay_g: f32[T,8], @s: f32[8,64,32]) {\n"            \
    "  %q1 = l2norm %q0 {eps=0} : f32[T,4,64]\n"                               \
    "  %f = const {value=0.125} : f32[]\n"                                     \
    "  %g = const {value=3} : f32[]\n"                                         \
    "  %q2 = mul %q1, %f : f32[T,4,64]\n"                                      \
    "  %q = div %q2, %g : f32[T,4,64]\n"                                       \
    "  %k = l2norm %k0 {eps=0.5} : f32[T,4,64]\n"                              \
    "  %o = delta_rule %q, %k, %v, %share_b, %decay_g, @s {heads=tiled, "      \
    "form=" form "} : f32[T,8,32]\n"                                           \
    "  %y = quantize %o : q8a[T,8,32]\n  ret %o, %y\n}\n"

/* Decays near 1, so that all tokens of a chunk and many before count; and such
 * that single exponents would overflow. */
#define PACE(pace, form)                                                       \
    "(%unit_q: f32[T,1,128], %unit_k: f32[T,1,128], %v: f32[T,2,128], "        \
    "%share_b: f32[T,2], %" pace ": f32[T,2], @s: f32[2,128,128]) {\n"         \
    "  %o = delta_rule %unit_q, %unit_k, %v, %share_b, %" pace ", @s "         \
    "{heads=tiled, form=" form "} : f32[T,2,128]\n  ret %o\n}\n"

#define STEPPED "recurrent"
#define CLOSED "chunked"
const KernelCase kernel_cases_delta[] = {
    {"normed", 1e-10, FEW,
     .text = NORMED("2", "32", "4", "32", "128", "tiled", STEPPED)},
    {"stepped_128", 1e-10, FEW,
     .text = NORMED("1", "128", "4", "128", "512", "grouped", STEPPED)},
    {"stepped_odd", 1e-10, FEW,
     .text = PLAIN("1", "13", "3", "21", "tiled", STEPPED)},
    {"stepped_one", 1e-10, FEW,
     .text = NORMED("2", "33", "2", "1", "2", "tiled", STEPPED)},
    {"stepped_large",
     1e-10,
     {{1, 1, 0}, {5, 1, 0}},
     .text = PLAIN("1", "256", "2", "256", "tiled", STEPPED)},
    {"stepped_96", 1e-10, FEW,
     .text = NORMED("3", "64", "3", "96", "288", "grouped", "auto")},
    {"stepped_cut", 1e-10, FEW, .text = CUT("88", "tiled", STEPPED)},
    {"stepped_mixed", 1e-10, FEW, .text = MIXED(STEPPED)},
    {"never_closed",
     1e-10,
     {{70, 1, 0}},
     .text = NORMED("1", "160", "2", "32", "64", "tiled", CLOSED)},

    {"closed_32", 4e-7, CHUNKS,
     .text = PLAIN("2", "32", "4", "32", "tiled", CLOSED)},
    {"closed_128", 4e-7, CHUNKS,
     .text = NORMED("1", "128", "4", "128", "512", "grouped", CLOSED)},
    {"closed_64_32", 4e-7, CHUNKS,
     .text = NORMED("3", "64", "3", "32", "96", "grouped", CLOSED)},
    {"closed_32_64", 4e-7, CHUNKS,
     .text = PLAIN("4", "32", "8", "64", "tiled", CLOSED)},
    {"closed_many",
     4e-7,
     {{70, 1, 0}, {130, 1, 0}},
     .text = NORMED("24", "32", "96", "64", "6144", "grouped", CLOSED)},
    {"closed_cut", 4e-7, CHUNKS, .text = CUT("88", "grouped", CLOSED)},
    {"closed_askew", 4e-7, CHUNKS, .text = CUT("51", "tiled", CLOSED)},
    {"closed_mixed", 4e-7, CHUNKS, .text = MIXED(CLOSED)},
    {"closed_slow", 4e-7, CHUNKS, .text = PACE("slow", CLOSED)},
    {"closed_steep", 4e-7, CHUNKS, .text = PACE("steep", CLOSED)},
    {"stepped_parts", 1e-10, FEW, .text = PARTS("recurrent")},
    {"closed_parts", 4e-7, CHUNKS, .text = PARTS("chunked")},
    {"by_tokens", 4e-7, BOTH,
     .text = NORMED("2", "128", "4", "128", "512", "tiled", "auto")},
    {"model", 4e-7, {{1, 1, 0}, {40, 1, 0}}, .text = MODEL_397B},

    {"layer_32", 1e-10, FEW,
     .text = LAYER("2", "32", "4", "32", "4", "3", "256", "64", "64", "128",
                   "128", "tiled", STEPPED) KEPT},
    {"layer_128", 1e-10, FEW,
     .text = LAYER("1", "128", "4", "128", "4", "3", "768", "128", "128", "512",
                   "256", "grouped", STEPPED) KEPT},
    {"layer_odd", 1e-10, FEW,
     .text = LAYER("2", "13", "2", "21", "2", "1", "94", "26", "26", "42", "52",
                   "tiled", STEPPED) KEPT},
    {"layer_long", 1e-10, FEW,
     .text = LAYER("1", "160", "3", "200", "3", "2", "920", "160", "160", "600",
                   "320", "tiled", STEPPED) KEPT},
    /* channels that no head reads; a convolution too long for the block */
    {"layer_gap", 1e-10, FEW,
     .text = LAYER("2", "32", "4", "32", "4", "3", "260", "64", "64", "128",
                   "132", "tiled", STEPPED) KEPT},
    {"layer_taps", 1e-10, FEW,
     .text = LAYER("2", "32", "4", "32", "9", "8", "256", "64", "64", "128",
                   "128", "grouped", STEPPED) KEPT},
    {"layer_closed", 4e-7, CHUNKS,
     .text = LAYER("2", "32", "4", "64", "4", "3", "384", "64", "64", "256",
                   "128", "grouped", CLOSED) KEPT},
    {"layer_both", 4e-7, BOTH,
     .text = LAYER("2", "128", "4", "128", "4", "3", "1024", "256", "256",
                   "512", "512", "tiled", "auto") KEPT},
    /* A value near the middle of two codes may become either. */
    {"layer_rounded", 3e-5, BOTH,
     .text = LAYER("2", "128", "4", "128", "4", "3", "1024", "256", "256",
                   "512", "512", "tiled", "auto") ROUNDED("q8a", "512")},
    {"layer_finer", 4e-7, BOTH,
     .text = LAYER("2", "32", "4", "64", "4", "3", "384", "64", "64", "256",
                   "128", "grouped", "auto") ROUNDED("q16a", "256")},
    {"layer_397B", 3e-5, {{1, 1, 0}, {40, 1, 0}},
     .text = LAYER("16", "128", "64", "128", "4", "3", "12288", "2048", "2048",
                   "8192", "4096", "tiled", "auto") ROUNDED("q8a", "8192")},
    {"heads_few", 3e-5, FEW, .text = HEADS("recurrent")},
    {"heads_many", 3e-5, CHUNKS, .text = HEADS("chunked")},
    {0},
};
