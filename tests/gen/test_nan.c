/* test_nan.c - a NaN or an infinity that goes in must be seen at the end: in
 * the rows that depend on it, and nowhere else. */
#include "rig.h"

typedef struct {
    const char *text;
    int param, value; /* which element of which parameter is spoilt, as it is
                         before it is rounded to the parameter's type */
    int tokens;
    int first, last; /* rows of result 0 that must be NaN */
} Case;

static const Case cases[] = {
    {"func @f(%x: f32[T,40], $w: f32[40]) {\n"
     "  %a = rmsnorm %x, $w {eps=1e-6} : f32[T,40]\n  ret %a\n}\n",
     0, 50, 3, 1, 1},
    {"func @f(%x: f32[T,40]) {\n"
     "  %a = softmax %x : f32[T,40]\n  ret %a\n}\n",
     0, 81, 3, 2, 2},
    {"func @f(%x: f32[T,40]) {\n"
     "  %a = silu %x : f32[T,40]\n  %b = sum %a : f32[T,1]\n  ret %b\n}\n",
     0, 39, 3, 0, 0},
    {"func @f(%x: f32[T,64], $w: q8_0[64,20]) {\n"
     "  %a = matmul %x, $w : f32[T,20]\n  ret %a\n}\n",
     0, 5 * 64 + 7, 9, 5, 5},
    {"func @f(%x: f32[T,64], $w: q4_1[64,20]) {\n"
     "  %a = matmul %x, $w : f32[T,20]\n  ret %a\n}\n",
     0, 7, 1, 0, 0},
    {"func @f(%x: f32[T,2,32], @k: f32[C,2,32], @v: f32[C,2,32]) {\n"
     "  %a = attention %x, @k, @v {scale=0.2} : f32[T,2,32]\n"
     "  %b = reshape %a : f32[T,64]\n  %c = square %b : f32[T,64]\n"
     "  %d = reshape %c : f32[T,2,32]\n  ret %d\n}\n",
     1, 3 * 64, 6, 6, 11}, /* key 3, head 0 of tokens 3, 4, 5: rows 6, 8, 10 */
    /* rounded activations: packed, as in the file, float; few rows and many */
    {"func @f(%x: q8a[T,64], $w: q8_0/x8[64,24]) {\n"
     "  %a = matmul %x, $w : f32[T,24]\n  ret %a\n}\n",
     0, 2 * 64 + 40, 3, 2, 2},
    {"func @f(%x: q8a[T,64], $w: q8_0/x8[64,24]) {\n"
     "  %a = matmul %x, $w : f32[T,24]\n  ret %a\n}\n",
     0, 7 * 64 + 40, 9, 7, 7},
    {"func @f(%x: q16a[T,64], $w: q4_1/x8[64,24]) {\n"
     "  %a = matmul %x, $w : f32[T,24]\n  ret %a\n}\n",
     0, 2 * 64 + 3, 3, 2, 2},
    {"func @f(%x: q16a[T,64], $w: q4_1/x8[64,24]) {\n"
     "  %a = matmul %x, $w : f32[T,24]\n  ret %a\n}\n",
     0, 6 * 64, 9, 6, 6},
    {"func @f(%x: q16a[T,64], $w: q4_0[64,12], $v: f32[64,12]) {\n"
     "  %a = matmul %x, $w : f32[T,12]\n  %b = matmul %x, $v : f32[T,12]\n"
     "  %c = add %a, %b : f32[T,12]\n  ret %c\n}\n",
     0, 8 * 64 + 63, 9, 8, 8},
    {"func @f(%x: q16a[T,64], %i: i32[T,2], $w: q5_0/x8[64,8,3]) {\n"
     "  %a = matmul_experts %x, $w, %i : f32[T,2,8]\n"
     "  %b = reshape %a : f32[T,16]\n  %c = square %b : f32[T,16]\n"
     "  ret %c\n}\n",
     0, 5 * 64, 9, 5, 5},
    /* many tokens, keys or values after those that a token sees; stored as
     * they are and rounded; key 33, head 1 */
#define ATTENTION(type)                                                        \
    "func @f(%x: f32[T,2,32], @k: " type "[C,2,32], @v: " type "[C,2,32]) {\n" \
    "  %a = attention %x, @k, @v {scale=0.2} : f32[T,2,32]\n  ret %a\n}\n"
    {ATTENTION("f32"), 1, 33 * 64 + 32, 70, 67, 139},
    {ATTENTION("f32"), 2, 33 * 64 + 32, 70, 67, 139},
    {ATTENTION("q8_0"), 1, 33 * 64 + 63, 70, 67, 139},
    {ATTENTION("q4_0"), 2, 33 * 64 + 63, 70, 67, 139},
    {ATTENTION("f16"), 2, 33 * 64 + 63, 40, 67, 79},
    {"func @f(%q: f32[T,1,16], %k: f32[T,1,16], %v: f32[T,1,16], "
     "%b: f32[T,1], %g: f32[T,1], @s: f32[1,16,16]) {\n"
     "  %o = delta_rule %q, %k, %v, %b, %g, @s {heads=tiled, form=chunked} : "
     "f32[T,1,16]\n  ret %o\n}\n",
     2, 21 * 16, 40, 21, 39},
};

/* A row counts as spoilt if any of it is NaN. */
static bool row_is_nan(const float *y, int width)
{
    for (int i = 0; i < width; i++)
        if (isnan(y[i]))
            return true;
    return false;
}

/* Value i of v becomes x; the block it stands in is rounded anew. */
static void put(const RigValue *v, int i, float x)
{
    const BlockInfo *info = &block_info[v->type];
    uint8_t *block = v->bytes.p + i / info->elems * info->bytes;
    float y[32];
    cr_assert_leq(info->elems, 32);
    block_decode(v->type, block, info->elems, y);
    y[i % info->elems] = x;
    if (info->kind == BLOCK_ACT)
        block_quantize(v->type, y, info->elems, block);
    else
        cr_assert(block_encode(v->type, y, info->elems, block));
}

static void run_case(const char *cpu, const Case *c, float spoil)
{
    Rig r = rig_new(cpu, c->text, 100);
    const Graph *g = module_find(r.m, "f");
    RigStep step = {c->tokens, 1, 0, 100};
    RigValue in[8], out;
    void *arg[9];
    int n = (int)g->n_params, width, heads;
    for (int i = 0; i < n; i++) {
        in[i] = rig_param(g, (Ref)i, step);
        arg[i] = in[i].bytes.p;
    }
    put(&in[c->param], c->value, spoil);
    const Type *t = &g->node[g->result[0].ref].type;
    out = rig_value(t, step, false);
    arg[n] = out.bytes.p;
    rig_items(&r, "f", &(KernelCall){arg, c->tokens, 1, 0, 100});
    width = (int)type_last(t);
    heads = (int)(out.n / width / c->tokens);
    for (int row = 0; row < c->tokens * heads; row++) {
        bool nan =
            row_is_nan((float *)(void *)out.bytes.p + row * width, width);
        bool want = row >= c->first && row <= c->last;
        if (heads > 1)
            want = want && row % heads == c->first % heads;
        cr_expect(nan == want, "%s: %s row %d is %sNaN", cpu, c->text, row,
                  nan ? "" : "not ");
    }
    for (int i = 0; i < n; i++)
        rig_value_free(&in[i]);
    rig_value_free(&out);
    rig_free(&r);
}

static const char *const cpus[] = {"native", "x86-64-v2"};

Test(nan, is_seen_where_it_belongs)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 2; k++)
            run_case(cpus[k], &cases[i], NAN);
}

Test(nan, infinity_in_a_norm)
{
    run_case("native", &cases[0], INFINITY); /* inf / inf */
    run_case("native", &cases[1], INFINITY); /* e^(inf - inf) */
}

/* ---- a weight's scale ---- */

enum { COLS = 24, SPOILT = 13 };

/* Makes NaN of the scale of row SPOILT of packed rows of two blocks. */
static void spoil_scale(const RigValue *w, const PackField *f)
{
    const BlockInfo *info = &block_info[w->type];
    uint8_t *at = w->bytes.p;
    at += SPOILT / PACK_LANES * PACK_LANES * 2 * info->bytes;
    at += PACK_LANES * info->bytes; /* the second block */
    at += PACK_LANES * f->offset + SPOILT % PACK_LANES * f->unit;
    rig_put_half(at, NAN);
}

static void run_scale(const Rig *r, const char *name, const PackField *f,
                      int tokens)
{
    const Graph *g = module_find(r->m, name);
    RigStep step = {tokens, 1, 0, 1};
    RigValue x = rig_param(g, 0, step), w = rig_param(g, 1, step);
    RigValue y = rig_value(&g->node[g->result[0].ref].type, step, false);
    void *arg[] = {x.bytes.p, w.bytes.p, y.bytes.p};
    const float *v = (const float *)(const void *)y.bytes.p;
    spoil_scale(&w, f);
    rig_items(r, name, &(KernelCall){arg, tokens, 1, 0, 1});
    for (int i = 0; i < y.n; i++)
        cr_expect(!isfinite(v[i]) == (i % COLS == SPOILT),
                  "%s: row %d, column %d is %g", name, i / COLS, i % COLS,
                  (double)v[i]);
    rig_value_free(&x);
    rig_value_free(&w);
    rig_value_free(&y);
}

/* Of each packed type, as integers and decoded for many rows: a scale that is
 * no number spoils its column. */
Test(nan, weight_scales)
{
    const PackField *f;
    Buf b = {0};
    char name[32];
    for (int t = 0; t < BT_COUNT; t++) {
        int k = 2 * block_info[t].elems;
        if (random_scales((BlockType)t)[0] >= 0 &&
            packing_fields((BlockType)t, &f))
            buf_printf(&b,
                       "func @%s(%%x: q16a[T,%d], $w: %s/x8[%d,%d]) {\n"
                       "  %%y = matmul %%x, $w : f32[T,%d]\n  ret %%y\n}\n",
                       block_info[t].name, k, block_info[t].name, k, COLS,
                       COLS);
    }
    Rig r = rig_new("native", b.data, 64);
    for (int t = 0; t < BT_COUNT; t++) {
        int n = packing_fields((BlockType)t, &f);
        snprintf(name, sizeof name, "%s", block_info[t].name);
        for (int i = 0; i < n; i++) {
            if (f[i].offset != random_scales((BlockType)t)[0])
                continue;
            run_scale(&r, name, &f[i], 1);
            run_scale(&r, name, &f[i], 9);
        }
    }
    rig_free(&r);
    buf_free(&b);
}
