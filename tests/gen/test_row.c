/* test_row.c - row kernels against the interpreter. */
#include "rig.h"

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};

/* Every elementwise op alone, on rows whose length is no whole vector. */
static void add_unary(Buf *b, const char *op)
{
    buf_printf(b,
               "func @%s(%%x: f32[T,3,13]) {\n"
               "  %%y = %s %%x : f32[T,3,13]\n  ret %%y\n}\n",
               op, op);
}

static void add_binary(Buf *b, const char *op)
{
    buf_printf(b,
               "func @%s(%%x: f32[T,37], %%z: f32[T,37]) {\n"
               "  %%y = %s %%x, %%z : f32[T,37]\n  ret %%y\n}\n",
               op, op);
}

static void each_elementwise(void (*visit)(void *ctx, const OpInfo *o),
                             void *ctx)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (op_info((Op)op)->kind == KIND_EW)
            visit(ctx, op_info((Op)op));
}

static void add_op(void *ctx, const OpInfo *o)
{
    (o->max_args == 1 ? add_unary : add_binary)(ctx, o->name);
}

/* Logarithms and roots of positive numbers only. */
static void make_positive(const Graph *g, RigValue *p)
{
    float *x = (float *)(void *)p[0].bytes.p;
    (void)g;
    for (int64_t i = 0; i < p[0].n; i++) {
        x[i] = fabsf(x[i]) + 1e-3F;
        p[0].v[i] = x[i];
    }
}

static void run_op(void *ctx, const OpInfo *o)
{
    bool positive = !strcmp(o->name, "log") || !strcmp(o->name, "sqrt");
    RigOptions opt = {1e-11, positive ? make_positive : NULL};
    rig_run(ctx, o->name, (RigStep){5, 1, 0, 8}, opt);
}

Test(row, elementwise_ops)
{
    Buf b = {0};
    each_elementwise(add_op, &b);
    for (int i = 0; i < 3; i++) {
        Rig r = rig_new(cpus[i], b.data, 8);
        each_elementwise(run_op, &r);
        rig_free(&r);
    }
    buf_free(&b);
}

typedef struct {
    double limit;
    const char *text; /* a func @f */
} Case;

static const Case cases[] = {
    /* fused chains, broadcasting, views */
    {1e-11, "func @f(%x: f32[T,4,8], %s: f32[T,4,1], $w: bf16[8]) {\n"
            "  %a = mul %x, %s : f32[T,4,8]\n"
            "  %b = add %a, $w : f32[T,4,8]\n"
            "  %c = reshape %b : f32[T,32]\n"
            "  %d = silu %c : f32[T,32]\n  ret %d\n}\n"},
    {1e-11, "func @f(%x: f32[T,100], %y: f32[T,100], $w: f16[100]) {\n"
            "  %k = const {value=0.25} : f32[]\n"
            "  %a = add %x, %y : f32[T,100]\n"
            "  %b = mul %a, %k : f32[T,100]\n"
            "  %c = rmsnorm %b, $w {eps=1e-6} : f32[T,100]\n"
            "  %d = sub %c, %a : f32[T,100]\n  ret %a, %d\n}\n"},
    {1e-11, "func @f(%x: f32[T,60]) {\n"
            "  %r = reshape %x : f32[T,3,20]\n"
            "  %p = slice %r {begin=0} : f32[T,3,12]\n"
            "  %q = slice %r {begin=12} : f32[T,3,8]\n"
            "  %a = sigmoid %q : f32[T,3,8]\n"
            "  %b = slice %p {begin=4} : f32[T,3,8]\n"
            "  %c = mul %a, %b : f32[T,3,8]\n"
            "  %d = reshape %c : f32[T,24]\n"
            "  %e = slice %d {begin=5} : f32[T,7]\n"
            "  %g = exp %e : f32[T,7]\n  ret %c, %g\n}\n"},
    {1e-11, "func @f(%x: f32[T,3,4], %y: f32[T,3,1]) {\n"
            "  %a = exp %y : f32[T,3,1]\n"
            "  %b = mul %x, %a : f32[T,3,4]\n"
            "  %c = max %b, %x : f32[T,3,4]\n  ret %c, %a\n}\n"},
    {1e-11, "func @f(%x: f32[T,96], $w: q8_0[96], $v: q4_k[256], "
            "%z: f32[T,256]) {\n"
            "  %a = mul %x, $w : f32[T,96]\n"
            "  %b = add %z, $v : f32[T,256]\n  ret %a, %b\n}\n"},
    {1e-11, "func @f(%x: f32[R,33]) {\n"
            "  %a = neg %x : f32[R,33]\n  ret %a\n}\n"},
    {1e-11, "func @f($v: f32[37], $w: f32[37]) {\n"
            "  %a = mul $v, $w : f32[37]\n  ret %a\n}\n"},
    {1e-11, "func @f(%x: f32[T], %y: f32[T]) {\n"
            "  %a = div %x, %y : f32[T]\n  ret %a\n}\n"},
    /* reductions and norms */
    {1e-11, "func @f(%x: f32[T,5,33]) {\n"
            "  %a = square %x : f32[T,5,33]\n"
            "  %s = sum %a : f32[T,5,1]\n"
            "  %m = mean %a : f32[T,5,1]\n"
            "  %y = div %s, %m : f32[T,5,1]\n  ret %s, %m, %y\n}\n"},
    {1e-11, "func @f(%x: f32[T,77]) {\n"
            "  %a = softmax %x : f32[T,77]\n  ret %a\n}\n"},
    {1e-11, "func @f(%x: f32[T,4,40], $w: f32[40]) {\n"
            "  %a = rmsnorm %x, $w {eps=1e-6} : f32[T,4,40]\n"
            "  %b = rmsnorm %x {eps=1e-5} : f32[T,4,40]\n"
            "  %c = l2norm %x {eps=1e-6} : f32[T,4,40]\n"
            "  ret %a, %b, %c\n}\n"},
    {1e-11, "func @f(%x: f32[T,4096]) {\n"
            "  %a = rmsnorm %x {eps=1e-6} : f32[T,4096]\n  ret %a\n}\n"},
    /* rope */
    {1e-11, "func @f(%x: f32[T,3,24], %p: i32[T]) {\n"
            "  %a = rope %x, %p {dims=18, theta=10000, pairing=half, stretch=1} : "
            "f32[T,3,24]\n"
            "  %b = rope %x, %p {dims=18, theta=1e7, pairing=adjacent, stretch=8} : "
            "f32[T,3,24]\n  ret %a, %b\n}\n"},
    {1e-11, "func @f(%x: f32[T,2,64], %p: i32[T], $w: f32[32]) {\n"
            "  %a = rope %x, %p, $w {dims=64, theta=10000, pairing=half, "
            "stretch=2.5} : f32[T,2,64]\n  ret %a\n}\n"},
    /* choosing, placing, rounding */
    {0, "func @f(%x: f32[T,19]) {\n"
        "  %a = topk %x : i32[T,4]\n"
        "  %b = take %x, %a : f32[T,4]\n  ret %a, %b\n}\n"},
    {0, "func @f(%x: f32[T,3,5]) {\n"
        "  %a = topk %x : i32[T,3,5]\n  ret %a\n}\n"},
    {1e-11, "func @f(%x: f32[T,16]) {\n"
            "  %s = softmax %x : f32[T,16]\n"
            "  %i = topk %s : i32[T,3]\n"
            "  %w = take %s, %i : f32[T,3]\n"
            "  %t = sum %w : f32[T,1]\n"
            "  %y = div %w, %t : f32[T,3]\n  ret %i, %y\n}\n"},
    {1e-11, "func @f(%x: f32[T,16], $w: f32[16], $v: f32[1]) {\n"
            "  %i = topk %x : i32[T,3]\n"
            "  %a = take $w, %i : f32[T,3]\n"
            "  %b = mul %a, $v : f32[T,3]\n"
            "  %c = mul %x, $v : f32[T,16]\n  ret %a, %b, %c\n}\n"},
    {1e-11, "func @f(%y: f32[T,3,21], %w: f32[T,3], %z: f32[T,21]) {\n"
            "  %a = combine %y, %w : f32[T,21]\n"
            "  %b = add %a, %z : f32[T,21]\n  ret %b\n}\n"},
    {0, "func @f(%x: f32[T,2,5], %y: f32[T,2,9]) {\n"
        "  %a = concat %x, %y : f32[T,2,14]\n  ret %a\n}\n"},
    {1e-14, "func @f(%x: f32[T,96]) {\n"
            "  %a = quantize %x : q8a[T,96]\n"
            "  %b = tap \"x\" %x {index=2} : f32[T,96]\n  ret %a, %b\n}\n"},
    {0, "func @f(%x: f32[T,40], %i: i32[R]) {\n"
        "  %a = rows %x, %i : f32[R,40]\n"
        "  %b = neg %a : f32[R,40]\n  ret %a, %b\n}\n"},
    {1e-11, "func @f(%x: f32[T,2,20], %y: f32[T,40], @k: f16[C,2,20]) {\n"
            "  %a = reshape %y : f32[T,2,20]\n"
            "  %b = append %a, @k : f16[C,2,20]\n"
            "  %c = add %x, %a : f32[T,2,20]\n  ret %c\n}\n"},
};

static const RigStep steps[] = {{1, 1, 0, 9}, {6, 3, 2, 9}};

Test(row, kernels)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 3; k++) {
            Rig r = rig_new(cpus[k], cases[i].text, 9);
            for (int s = 0; s < 2; s++)
                rig_run(&r, "f", steps[s], (RigOptions){cases[i].limit, NULL});
            rig_free(&r);
        }
}

/* Embeddings of every type, and states of every storage type. */
static void add_embed(Buf *b, BlockType t)
{
    const char *name = block_info[t].name;
    int d = 2 * block_info[t].elems + (block_info[t].elems == 1 ? 35 : 0);
    buf_printf(b,
               "func @embed_%s($w: %s[%d,9], %%i: i32[T]) {\n"
               "  %%y = embed $w, %%i : f32[T,%d]\n  ret %%y\n}\n",
               name, name, d, d);
}

static bool is_matrix_type(BlockType t)
{
    return block_info[t].kind == BLOCK_FLOAT ||
           block_info[t].kind == BLOCK_QUANT;
}

Test(row, embeddings_of_every_type)
{
    Buf b = {0};
    char name[64];
    for (int t = 0; t < BT_COUNT; t++)
        if (is_matrix_type((BlockType)t))
            add_embed(&b, (BlockType)t);
    for (int k = 0; k < 3; k++) {
        Rig r = rig_new(cpus[k], b.data, 8);
        for (int t = 0; t < BT_COUNT; t++) {
            snprintf(name, sizeof name, "embed_%s", block_info[t].name);
            if (is_matrix_type((BlockType)t))
                rig_run(&r, name, steps[1], (RigOptions){0, NULL});
        }
        rig_free(&r);
    }
    buf_free(&b);
}

Test(row, states_of_every_type)
{
    static const char *const types[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
    char text[256];
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 3; k++) {
            snprintf(text, sizeof text,
                     "func @f(%%x: f32[T,3,32], @s: %s[C,3,32]) {\n"
                     "  %%y = append %%x, @s : %s[C,3,32]\n  ret\n}\n",
                     types[i], types[i]);
            Rig r = rig_new(cpus[k], text, 9);
            rig_run(&r, "f", steps[1], (RigOptions){0, NULL});
            rig_free(&r);
        }
}

/* Rounding of activations: the very bytes, non-finite values included (a NaN
 * may have any bits). */
static void check_rounding(Rig *r, BlockType t, int n)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 1e-44F, 0, -0.0F};
    const int64_t each = block_info[t].bytes, codes = each - 4;
    float x[64], d;
    uint8_t want[136];
    RigBuf got = rig_alloc((size_t)(2 * each));
    void *arg[] = {x, got.p};
    KernelCall call = {arg, 1, 1, 0, 1};
    for (int i = 0; i < 64; i++)
        x[i] = n % 7 == 6 ? 0 : rig_real() * (float)n;
    x[n % 64] = n % 3 ? x[n % 64] : odd[n / 3 % 6];
    rig_items(r, "f", &call);
    block_quantize(t, x, 64, want);
    for (int64_t i = 0; i < 2 * each; i += each) {
        memcpy(&d, want + i + codes, 4);
        cr_assert_arr_eq(got.p + i, want + i,
                         (size_t)(isnan(d) ? codes : each));
        memcpy(&d, got.p + i + codes, 4);
        cr_assert(isnan(d) || !memcmp(&d, want + i + codes, 4));
    }
    rig_check_guards(&got, "quantize");
    rig_buf_free(&got);
}

Test(row, quantize_is_exact)
{
    static const BlockType types[] = {BT_q8a, BT_q16a};
    for (int k = 0; k < 6; k++) {
        char text[128];
        BlockType t = types[k % 2];
        snprintf(text, sizeof text,
                 "func @f(%%x: f32[T,64]) {\n"
                 "  %%a = quantize %%x : %s[T,64]\n  ret %%a\n}\n",
                 block_info[t].name);
        Rig r = rig_new(cpus[k / 2], text, 1);
        for (int n = 0; n < 200; n++)
            check_rounding(&r, t, n);
        rig_free(&r);
    }
}
