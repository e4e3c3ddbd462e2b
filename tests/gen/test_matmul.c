/* test_matmul.c - matrix products of every block type against the
 * interpreter: float and integer activations, few and many rows, column counts
 * that are no whole tile, fused epilogues. */
#include "rig.h"

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};
static const RigStep steps[] = {
    {1, 1, 0, 1}, {3, 1, 0, 1}, {7, 1, 0, 1}, {66, 1, 0, 1}};

static bool is_matrix_type(BlockType t)
{
    return block_info[t].kind == BLOCK_FLOAT ||
           block_info[t].kind == BLOCK_QUANT;
}

/* Two blocks a row, or a length that is no whole vector. */
static int row_length(BlockType t, bool blocks)
{
    return block_info[t].elems > 1 ? 2 * block_info[t].elems : blocks ? 96 : 77;
}

static void add_product(Buf *b, BlockType t, const char *x)
{
    const char *name = block_info[t].name;
    int k = row_length(t, strcmp(x, "f32") != 0);
    buf_printf(b,
               "func @%s_%s(%%x: %s[T,%d], $w: %s[%d,21]) {\n"
               "  %%y = matmul %%x, $w : f32[T,21]\n  ret %%y\n}\n",
               name, x, x, k, name, k);
}

static void every_type(const char *x, double limit)
{
    Buf b = {0};
    char name[64];
    for (int t = 0; t < BT_COUNT; t++)
        if (is_matrix_type((BlockType)t))
            add_product(&b, (BlockType)t, x);
    for (int i = 0; i < 3; i++) {
        Rig r = rig_new(cpus[i], b.data, 2000);
        for (int t = 0; t < BT_COUNT; t++) {
            if (!is_matrix_type((BlockType)t))
                continue;
            snprintf(name, sizeof name, "%s_%s", block_info[t].name, x);
            for (int s = 0; s < 4; s++)
                rig_run(&r, name, steps[s], (RigOptions){limit, NULL});
        }
        rig_free(&r);
    }
    buf_free(&b);
}

/* ---- packed: weights with eight rows side by side ---- */

static const char *const rounded[] = {"q8a", "q16a"};

/* Packed code does not depend on the width of a register beyond 8 lanes: what
 * matters is whether there are so many, and products of bytes in one step. */
static int packed_cpus(const char **cpu)
{
    cpu[0] = "native";
    cpu[1] = "x86-64-v2";
    cpu[2] = "x86-64-v3";
    return strstr(rig_provider()->native_cpu(), "+avx512vnni") ? 3 : 2;
}

/* Whole tiles and half a one, and rows fetched from such a matrix. */
static void add_packed(Buf *b, BlockType t)
{
    const char *name = block_info[t].name;
    int k = 2 * block_info[t].elems;
    for (int i = 0; i < 2; i++)
        buf_printf(b,
                   "func @%s_%s(%%x: %s[T,%d], $w: %s/x8[%d,%d]) {\n"
                   "  %%y = matmul %%x, $w : f32[T,%d]\n  ret %%y\n}\n",
                   name, rounded[i], rounded[i], k, name, k, 40, 40);
    buf_printf(b,
               "func @%s_rows(%%i: i32[T], $w: %s/x8[%d,24]) {\n"
               "  %%y = embed $w, %%i : f32[T,%d]\n  ret %%y\n}\n",
               name, name, k, k);
}

/* Weights of one byte but for their scale, and activations of one value: all
 * products are as large as they can be. */
static int same_byte;
static float same_value;

static void fill_same(const Graph *g, RigValue *p)
{
    RigValue *x = &p[0], *w = &p[1];
    const int *scale = random_scales(w->type);
    int64_t k = g->node[1].type.dim[0].k, bytes = block_info[w->type].bytes;
    float v[32];
    for (int i = 0; i < 32; i++)
        v[i] = same_value;
    for (int64_t i = 0; i < x->n; i += 32)
        block_quantize(x->type, v, 32,
                       x->bytes.p + block_bytes(x->type, i));
    for (int64_t i = 0; i < w->n / block_info[w->type].elems; i++) {
        uint8_t *b = w->bytes.p + i * bytes;
        memset(b, same_byte, (size_t)bytes);
        for (int s = 0; s < 2 && scale[s] >= 0; s++)
            rig_put_half(b + scale[s], 0.01F);
    }
    free(x->v);
    free(w->v);
    x->v = rig_decoded(x);
    w->v = rig_decoded(w);
    rig_pack(w, k);
}

static void run_largest(Rig *r, const char *name, BlockType t)
{
    static const uint8_t bytes[] = {0xff, 0x80, 0x7f};
    bool nan = t == BT_iq1_m; /* the same byte for its scale is no number */
    for (int i = nan ? 1 : 0; i < 3; i++)
        for (int sign = -1; sign < 2; sign += 2) {
            same_byte = bytes[i];
            same_value = (float)sign;
            rig_run(r, name, steps[0], (RigOptions){1e-10, fill_same});
        }
}

static void run_packed(Rig *r, BlockType t)
{
    char name[64];
    for (int k = 0; k < 2; k++) {
        snprintf(name, sizeof name, "%s_%s", block_info[t].name, rounded[k]);
        for (int s = 0; s < 4; s++)
            rig_run(r, name, steps[s], (RigOptions){1e-10, NULL});
        run_largest(r, name, t);
    }
    snprintf(name, sizeof name, "%s_rows", block_info[t].name);
    for (int s = 0; s < 4; s++)
        rig_run(r, name, steps[s], (RigOptions){0, NULL});
}

Test(matmul, every_packed_type)
{
    Buf b = {0};
    const char *cpu[3];
    int n = packed_cpus(cpu);
    for (int t = 0; t < BT_COUNT; t++)
        if (packing_fits(PACK_X8, (BlockType)t, 256, 8))
            add_packed(&b, (BlockType)t);
    for (int i = 0; i < n; i++) {
        Rig r = rig_new(cpu[i], b.data, 2000);
        for (int t = 0; t < BT_COUNT; t++)
            if (packing_fits(PACK_X8, (BlockType)t, 256, 8))
                run_packed(&r, (BlockType)t);
        rig_free(&r);
    }
    buf_free(&b);
}

Test(matmul, every_type_float) { every_type("f32", 1e-10); }
Test(matmul, every_type_integer) { every_type("q8a", 1e-10); }
Test(matmul, every_type_int16) { every_type("q16a", 1e-10); }

static const char *const cases[] = {
    /* gate and up in one part, with all kinds of operands */
    "func @f(%x: f32[T,64], $g: q8_0[64,48], $u: q4_0[64,48], %z: f32[T,48], "
    "$bias: bf16[48], %s: f32[T,1], $one: f32[1]) {\n"
    "  %a = matmul %x, $g : f32[T,48]\n"
    "  %c = matmul %x, $u : f32[T,48]\n"
    "  %d = silu %a : f32[T,48]\n"
    "  %e = mul %d, %c : f32[T,48]\n"
    "  %f = add %e, $bias : f32[T,48]\n"
    "  %m = mul %f, %s : f32[T,48]\n"
    "  %k = const {value=3} : f32[]\n"
    "  %n = mul %m, %k : f32[T,48]\n"
    "  %o = mul %n, $one : f32[T,48]\n"
    "  %y = add %o, %z : f32[T,48]\n  ret %y, %a\n}\n",
    /* parts of different widths, one of them a single column */
    "func @f(%x: f32[T,40], $p: f32[40,33], $q: f16[40,1], $r: bf16[40,16], "
    "$d: f32[1]) {\n"
    "  %a = matmul %x, $p : f32[T,33]\n"
    "  %b = matmul %x, $q : f32[T,1]\n"
    "  %c = matmul %x, $r : f32[T,16]\n"
    "  %e = add %b, $d : f32[T,1]\n"
    "  %s = sigmoid %e : f32[T,1]\n  ret %a, %s, %c\n}\n",
    /* x and an operand seen through views */
    "func @f(%x: f32[T,2,64], $w: q8_0[64,24], %g: f32[T,2,2,12]) {\n"
    "  %r = reshape %x : f32[T,128]\n"
    "  %t = slice %r {begin=64} : f32[T,64]\n"
    "  %a = matmul %t, $w : f32[T,24]\n"
    "  %h = reshape %g : f32[T,4,12]\n"
    "  %i = reshape %h : f32[T,48]\n"
    "  %j = reshape %i : f32[T,2,24]\n"
    "  %k = slice %j {begin=4} : f32[T,2,12]\n"
    "  %l = reshape %k : f32[T,24]\n"
    "  %y = mul %a, %l : f32[T,24]\n  ret %y\n}\n",
    /* rows wanted, a rank-3 left side, integer activations with a float matrix
     */
    "func @f(%x: q8a[R,256], $w: q4_k[256,40], $v: f32[256,5]) {\n"
    "  %a = matmul %x, $w : f32[R,40]\n"
    "  %b = matmul %x, $v : f32[R,5]\n  ret %a, %b\n}\n",
    /* int16: packed and plain matrices of one left side */
    "func @f(%x: q16a[T,256], $w: q4_k/x8[256,40], $u: q2_k[256,40], "
    "$v: f32[256,5]) {\n"
    "  %a = matmul %x, $w : f32[T,40]\n"
    "  %b = matmul %x, $u : f32[T,40]\n"
    "  %c = mul %a, %b : f32[T,40]\n"
    "  %d = matmul %x, $v : f32[T,5]\n  ret %c, %d\n}\n",
    "func @f(%x: f32[T,3,32], $w: q5_0[32,20]) {\n"
    "  %a = matmul %x, $w : f32[T,3,20]\n"
    "  %b = relu %a : f32[T,3,20]\n  ret %b\n}\n",
    /* a panel larger than its share of the cache */
    "func @f(%x: f32[T,16384], $w: q8_0[16384,5]) {\n"
    "  %a = matmul %x, $w : f32[T,5]\n  ret %a\n}\n",
};

Test(matmul, kernels)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 3; k++) {
            Rig r = rig_new(cpus[k], cases[i], 2000);
            for (int s = 0; s < 4; s++) {
                RigStep step = steps[s];
                step.outputs = step.tokens;
                rig_run(&r, "f", step, (RigOptions){1e-10, NULL});
            }
            rig_free(&r);
        }
}
