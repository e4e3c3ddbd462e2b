/* kernel_cases_row.c - checks of kernels of class row. */
#include "runtime/cli/kernel_cases.h"

#define STEPS {{1, 1, 0}, {6, 3, 2}}
#define MANY {{1, 1, 0}, {40, 1, 3}}
const KernelCase kernel_cases_row[] = {
    {"scaled", 1e-11, STEPS,
     .text =
        "(%x: f32[T,4,8], %s: f32[T,4,1], $w: bf16[8]) {\n"
        "  %a = mul %x, %s : f32[T,4,8]\n"
        "  %b = add %a, $w : f32[T,4,8]\n"
        "  %c = reshape %b : f32[T,32]\n"
        "  %d = silu %c : f32[T,32]\n"
        "  ret %d\n"
        "}\n"},
    {"norm_chain", 1e-11, STEPS,
     .text =
        "(%x: f32[T,100], %y: f32[T,100], $w: f16[100]) {\n"
        "  %k = const {value=0.25} : f32[]\n"
        "  %a = add %x, %y : f32[T,100]\n"
        "  %b = mul %a, %k : f32[T,100]\n"
        "  %c = rmsnorm %b, $w {eps=1e-6} : f32[T,100]\n"
        "  %d = sub %c, %a : f32[T,100]\n"
        "  ret %a, %d\n"
        "}\n"},
    {"slices", 1e-11, STEPS,
     .text =
        "(%x: f32[T,60]) {\n"
        "  %r = reshape %x : f32[T,3,20]\n"
        "  %p = slice %r {begin=0} : f32[T,3,12]\n"
        "  %q = slice %r {begin=12} : f32[T,3,8]\n"
        "  %a = sigmoid %q : f32[T,3,8]\n"
        "  %b = slice %p {begin=4} : f32[T,3,8]\n"
        "  %c = mul %a, %b : f32[T,3,8]\n"
        "  %d = reshape %c : f32[T,24]\n"
        "  %e = slice %d {begin=5} : f32[T,7]\n"
        "  %g = exp %e : f32[T,7]\n"
        "  ret %c, %g\n"
        "}\n"},
    {"unit_axis", 1e-11, STEPS,
     .text =
        "(%x: f32[T,3,4], %y: f32[T,3,1]) {\n"
        "  %a = exp %y : f32[T,3,1]\n"
        "  %b = mul %x, %a : f32[T,3,4]\n"
        "  %c = max %b, %x : f32[T,3,4]\n"
        "  ret %c, %a\n"
        "}\n"},
    {"block_vectors", 1e-11, STEPS,
     .text =
        "(%x: f32[T,96], $w: q8_0[96], $v: q4_k[256], %z: f32[T,256]) {\n"
        "  %a = mul %x, $w : f32[T,96]\n"
        "  %b = add %z, $v : f32[T,256]\n"
        "  ret %a, %b\n"
        "}\n"},
    {"outputs", 1e-11, STEPS,
     .text =
        "(%x: f32[R,33]) {\n"
        "  %a = neg %x : f32[R,33]\n"
        "  ret %a\n"
        "}\n"},
    {"weights_only", 1e-11, STEPS,
     .text =
        "($v: f32[37], $w: f32[37]) {\n"
        "  %a = mul $v, $w : f32[37]\n"
        "  ret %a\n"
        "}\n"},
    {"scalars", 1e-11, STEPS,
     .text =
        "(%x: f32[T], %y: f32[T]) {\n"
        "  %a = div %x, %y : f32[T]\n"
        "  ret %a\n"
        "}\n"},
    {"sums", 1e-11, STEPS,
     .text =
        "(%x: f32[T,5,33]) {\n"
        "  %a = square %x : f32[T,5,33]\n"
        "  %s = sum %a : f32[T,5,1]\n"
        "  %m = mean %a : f32[T,5,1]\n"
        "  %y = div %s, %m : f32[T,5,1]\n"
        "  ret %s, %m, %y\n"
        "}\n"},
    {"softmax", 1e-11, STEPS,
     .text =
        "(%x: f32[T,77]) {\n"
        "  %a = softmax %x : f32[T,77]\n"
        "  ret %a\n"
        "}\n"},
    {"norms", 1e-11, STEPS,
     .text =
        "(%x: f32[T,4,40], $w: f32[40]) {\n"
        "  %a = rmsnorm %x, $w {eps=1e-6} : f32[T,4,40]\n"
        "  %b = rmsnorm %x {eps=1e-5} : f32[T,4,40]\n"
        "  %c = l2norm %x {eps=1e-6} : f32[T,4,40]\n"
        "  ret %a, %b, %c\n"
        "}\n"},
    {"long_norm", 1e-11, STEPS,
     .text =
        "(%x: f32[T,4096]) {\n"
        "  %a = rmsnorm %x {eps=1e-6} : f32[T,4096]\n"
        "  ret %a\n"
        "}\n"},
    {"rope", 1e-11, STEPS,
     .text =
        "(%x: f32[T,3,24], %p: i32[T]) {\n"
        "  %a = rope %x, %p {dims=18, theta=10000, pairing=half, stretch=1} : "
        "f32[T,3,24]\n"
        "  %b = rope %x, %p {dims=18, theta=1e7, pairing=adjacent, stretch=8} "
        ": f32[T,3,24]\n"
        "  ret %a, %b\n"
        "}\n"},
    {"rope_factors", 1e-11, STEPS,
     .text =
        "(%x: f32[T,2,64], %p: i32[T], $w: f32[32]) {\n"
        "  %a = rope %x, %p, $w {dims=64, theta=10000, pairing=half, "
        "stretch=2.5} : f32[T,2,64]\n"
        "  ret %a\n"
        "}\n"},
    {"topk_take", 0, STEPS,
     .text =
        "(%x: f32[T,19]) {\n"
        "  %a = topk %x : i32[T,4]\n"
        "  %b = take %x, %a : f32[T,4]\n"
        "  ret %a, %b\n"
        "}\n"},
    {"topk_all", 0, STEPS,
     .text =
        "(%x: f32[T,3,5]) {\n"
        "  %a = topk %x : i32[T,3,5]\n"
        "  ret %a\n"
        "}\n"},
    {"routed", 1e-11, STEPS,
     .text =
        "(%x: f32[T,16]) {\n"
        "  %s = softmax %x : f32[T,16]\n"
        "  %i = topk %s : i32[T,3]\n"
        "  %w = take %s, %i : f32[T,3]\n"
        "  %t = sum %w : f32[T,1]\n"
        "  %y = div %w, %t : f32[T,3]\n"
        "  ret %i, %y\n"
        "}\n"},
    {"routed_weights", 1e-11, STEPS,
     .text =
        "(%x: f32[T,16], $w: f32[16], $v: f32[1]) {\n"
        "  %i = topk %x : i32[T,3]\n"
        "  %a = take $w, %i : f32[T,3]\n"
        "  %b = mul %a, $v : f32[T,3]\n"
        "  %c = mul %x, $v : f32[T,16]\n"
        "  ret %a, %b, %c\n"
        "}\n"},
    {"combine", 1e-11, STEPS,
     .text =
        "(%y: f32[T,3,21], %w: f32[T,3], %z: f32[T,21]) {\n"
        "  %a = combine %y, %w : f32[T,21]\n"
        "  %b = add %a, %z : f32[T,21]\n"
        "  ret %b\n"
        "}\n"},
    {"concat", 0, STEPS,
     .text =
        "(%x: f32[T,2,5], %y: f32[T,2,9]) {\n"
        "  %a = concat %x, %y : f32[T,2,14]\n"
        "  ret %a\n"
        "}\n"},
    {"rounded", 1e-14, STEPS,
     .text =
        "(%x: f32[T,96]) {\n"
        "  %a = quantize %x : q8a[T,96]\n"
        "  %b = tap \"x\" %x {index=2} : f32[T,96]\n"
        "  ret %a, %b\n"
        "}\n"},
    {"rows", 0, STEPS,
     .text =
        "(%x: f32[T,40], %i: i32[R]) {\n"
        "  %a = rows %x, %i : f32[R,40]\n"
        "  %b = neg %a : f32[R,40]\n"
        "  ret %a, %b\n"
        "}\n"},
    {"append", 1e-11, STEPS,
     .text =
        "(%x: f32[T,2,20], %y: f32[T,40], @k: f16[C,2,20]) {\n"
        "  %a = reshape %y : f32[T,2,20]\n"
        "  %b = append %a, @k : f16[C,2,20]\n"
        "  %c = add %x, %a : f32[T,2,20]\n"
        "  ret %c\n"
        "}\n"},
    /* every elementwise op; no logarithms and roots of negative numbers */
    {"unary", 1e-11, STEPS,
     .text =
        "(%x: f32[T,3,13]) {\n"
        "  %y = ? %x : f32[T,3,13]\n"
        "  ret %y\n"
        "}\n", .each = case_unary_ops, .fill = FILL_POSITIVE},
    {"negative", 1e-11, STEPS,
     .text =
        "(%x: f32[T,39]) {\n"
        "  %y = ? %x : f32[T,39]\n"
        "  ret %y\n"
        "}\n", .each = "neg abs square exp tanh relu sigmoid silu softplus "
        "gelu gelu_tanh"},
    {"binary", 1e-11, STEPS,
     .text =
        "(%x: f32[T,37], %z: f32[T,37]) {\n"
        "  %y = ? %x, %z : f32[T,37]\n"
        "  ret %y\n"
        "}\n", .each = case_binary_ops},
    {"embed", 0, STEPS,
     .text =
        "($w: ?[512,9], %i: i32[T]) {\n"
        "  %y = embed $w, %i : f32[T,512]\n"
        "  ret %y\n"
        "}\n", .each = case_quant_types},
    {"embed_tiles", 0, STEPS,
     .text =
        "($w: ?/t16[512,32], %i: i32[T]) {\n"
        "  %y = embed $w, %i : f32[T,512]\n"
        "  ret %y\n"
        "}\n", .each = case_quant_types},
    {"embed_tiles_norm", 1e-11, STEPS,
     .text =
        "($w: ?/t16[1280,48], %i: i32[T], $v: f32[1280]) {\n"
        "  %y = embed $w, %i : f32[T,1280]\n"
        "  %z = rmsnorm %y, $v {eps=1e-6} : f32[T,1280]\n"
        "  ret %y, %z\n"
        "}\n", .each = "q6_k q8_0 iq4_xs iq1_s f16"},
    {"embed_norm", 1e-11, STEPS,
     .text =
        "($w: ?[5120,48], %i: i32[T], $v: f32[5120]) {\n"
        "  %y = embed $w, %i : f32[T,5120]\n"
        "  %z = rmsnorm %y, $v {eps=1e-6} : f32[T,5120]\n"
        "  ret %y, %z\n"
        "}\n", .each = "q6_k q4_k bf16"},
    {"embed_floats", 0, STEPS,
     .text =
        "($w: ?[77,9], %i: i32[T]) {\n"
        "  %y = embed $w, %i : f32[T,77]\n"
        "  ret %y\n"
        "}\n", .each = case_float_types},
    {"states", 0, STEPS,
     .text =
        "(%x: f32[T,3,32], @s: ?[C,3,32]) {\n"
        "  %y = append %x, @s : ?[C,3,32]\n"
        "  ret\n"
        "}\n", .each = "f32 f16 bf16 q8_0 q4_0"},
    {"states_spread", 0, MANY,
     .text =
        "(%x: f32[T,2,160], @s: ?[C,2,160]) {\n"
        "  %y = append %x, @s : ?[C,2,160]\n"
        "  ret\n"
        "}\n", .each = "f32 f16 bf16 q8_0 q4_0", .fill = FILL_SPREAD},
    {"states_odd", 0, MANY,
     .text =
        "(%x: f32[T,2,160], @s: ?[C,2,160]) {\n"
        "  %y = append %x, @s : ?[C,2,160]\n"
        "  ret\n"
        "}\n", .each = "f32 f16 bf16 q8_0 q4_0", .fill = FILL_ODD},
    {"rounded_spread", 0, MANY,
     .text =
        "(%x: f32[T,640]) {\n"
        "  %y = quantize %x : ?[T,640]\n"
        "  ret %y\n"
        "}\n", .each = "q8a q16a", .fill = FILL_SPREAD},
    {"rounded_odd", 0, MANY,
     .text =
        "(%x: f32[T,640]) {\n"
        "  %y = quantize %x : ?[T,640]\n"
        "  ret %y\n"
        "}\n", .each = "q8a q16a", .fill = FILL_ODD},
    {"topk_spread", 0, MANY,
     .text =
        "(%x: f32[T,500]) {\n"
        "  %y = topk %x : i32[T,10]\n"
        "  ret %y\n"
        "}\n", .fill = FILL_SPREAD},
    /* a whole block for a row: heads and rows mixed, more than fits into shared
     * memory, the largest of many */
    {"mixed", 1e-11, STEPS,
     .text =
        "(%x: f32[T,6,700], $w: f32[700]) {\n"
        "  %n = rmsnorm %x, $w {eps=1e-6} : f32[T,6,700]\n"
        "  %r = reshape %n : f32[T,4200]\n"
        "  %s = softmax %r : f32[T,4200]\n"
        "  %q = reshape %s : f32[T,6,700]\n"
        "  %m = sum %q : f32[T,6,1]\n"
        "  %d = div %q, %m : f32[T,6,700]\n"
        "  %p = slice %d {begin=30} : f32[T,6,64]\n"
        "  %k = topk %p : i32[T,6,5]\n"
        "  %t = take %p, %k : f32[T,6,5]\n"
        "  ret %d, %k, %t\n"
        "}\n"},
    {"scratch", 1e-11, MANY,
     .text =
        "(%x: f32[T,9000]) {\n"
        "  %a = square %x : f32[T,9000]\n"
        "  %s = softmax %a : f32[T,9000]\n"
        "  %m = rmsnorm %s {eps=1e-6} : f32[T,9000]\n"
        "  %p = slice %m {begin=4500} : f32[T,4500]\n"
        "  %q = slice %a {begin=0} : f32[T,4500]\n"
        "  %c = concat %p, %q : f32[T,9000]\n"
        "  ret %c, %s\n"
        "}\n"},
    {"topk_large", 0, STEPS,
     .text =
        "(%x: f32[T,20000]) {\n"
        "  %i = topk %x : i32[T,40]\n"
        "  %v = take %x, %i : f32[T,40]\n"
        "  ret %i, %v\n"
        "}\n", .fill = FILL_SPREAD},
    /* of a large model */
    {"large_heads", 1e-11, STEPS,
     .text =
        "(%p0: f32[T,12288], %p1: f32[T,8192]) {\n"
        "  %v0 = slice %p0 {begin=0} : f32[T,2048]\n"
        "  %v1 = reshape %v0 : f32[T,16,128]\n"
        "  %v2 = l2norm %v1 {eps=1e-6} : f32[T,16,128]\n"
        "  %v3 = const {value=11.313708498984761} : f32[]\n"
        "  %v4 = div %v2, %v3 : f32[T,16,128]\n"
        "  %v5 = slice %p0 {begin=2048} : f32[T,2048]\n"
        "  %v6 = reshape %v5 : f32[T,16,128]\n"
        "  %v7 = l2norm %v6 {eps=1e-6} : f32[T,16,128]\n"
        "  %v8 = reshape %p1 : f32[T,64,128]\n"
        "  %v9 = silu %v8 : f32[T,64,128]\n"
        "  ret %v4, %v7, %v9\n"
        "}\n"},
    {"large_norm", 1e-11, STEPS,
     .text =
        "(%p0: f32[T,4096], $p1: f32[4096]) {\n"
        "  %v0 = rmsnorm %p0, $p1 {eps=1e-6} : f32[T,4096]\n"
        "  ret %v0\n"
        "}\n"},
    {"large_router", 1e-11, MANY,
     .text =
        "(%p0: f32[T,512]) {\n"
        "  %v0 = softmax %p0 : f32[T,512]\n"
        "  %v1 = topk %v0 : i32[T,10]\n"
        "  %v2 = take %v0, %v1 : f32[T,10]\n"
        "  %v3 = sum %v2 : f32[T,1]\n"
        "  %v4 = div %v2, %v3 : f32[T,10]\n"
        "  ret %v1, %v4\n"
        "}\n"},
    {"large_combine", 1e-11, STEPS,
     .text =
        "(%p0: f32[T,10,4096], %p1: f32[T,10]) {\n"
        "  %v0 = combine %p0, %p1 : f32[T,4096]\n"
        "  ret %v0\n"
        "}\n"},
    {"large_keys", 1e-11, STEPS,
     .text =
        "(%p0: f32[T,16384], $p1: f32[256], %p2: f32[T,512], $p3: f32[256], "
        "%p4: i32[T], @p5: q8_0[C,2,256], %p6: f32[T,512], @p7: q8_0[C,2,256]) "
        "{\n"
        "  %v0 = reshape %p0 : f32[T,32,512]\n"
        "  %v1 = slice %v0 {begin=0} : f32[T,32,256]\n"
        "  %v2 = rmsnorm %v1, $p1 {eps=1e-6} : f32[T,32,256]\n"
        "  %v3 = reshape %p2 : f32[T,2,256]\n"
        "  %v4 = rmsnorm %v3, $p3 {eps=1e-6} : f32[T,2,256]\n"
        "  %v5 = rope %v2, %p4 {dims=64, theta=1e+07, pairing=half, stretch=1} "
        ": f32[T,32,256]\n"
        "  %v6 = rope %v4, %p4 {dims=64, theta=1e+07, pairing=half, stretch=1} "
        ": f32[T,2,256]\n"
        "  %v7 = append %v6, @p5 : q8_0[C,2,256]\n"
        "  %v8 = reshape %p6 : f32[T,2,256]\n"
        "  %v9 = append %v8, @p7 : q8_0[C,2,256]\n"
        "  %v10 = slice %v0 {begin=256} : f32[T,32,256]\n"
        "  %v11 = sigmoid %v10 : f32[T,32,256]\n"
        "  ret %v5, %v11\n"
        "}\n"},
    {"large_rows", 0, STEPS,
     .text =
        "(%p0: f32[T,4096], %p1: i32[R]) {\n"
        "  %v0 = rows %p0, %p1 : f32[R,4096]\n"
        "  ret %v0\n"
        "}\n"},
    {0},
};
