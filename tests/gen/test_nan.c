/* test_nan.c - a NaN or an infinity that goes in must be seen at the end: in
 * the rows that depend on it, and nowhere else. */
#include "rig.h"

typedef struct {
    const char *text;
    int param, value; /* which element of which parameter is spoilt */
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

static void run_case(const Case *c, float spoil)
{
    Rig r = rig_new("native", c->text, 64);
    const Graph *g = module_find(r.m, "f");
    RigStep step = {c->tokens, 1, 0, 64};
    RigValue in[8], out;
    void *arg[9];
    int n = (int)g->n_params, width, heads;
    for (int i = 0; i < n; i++) {
        in[i] = rig_param(g, (Ref)i, step);
        arg[i] = in[i].bytes.p;
    }
    float *x = (float *)(void *)in[c->param].bytes.p;
    x[c->value] = spoil;
    const Type *t = &g->node[g->result[0].ref].type;
    out = rig_value(t, step, false);
    arg[n] = out.bytes.p;
    rig_items(&r, "f", &(KernelCall){arg, c->tokens, 1, 0, 64});
    width = (int)type_last(t);
    heads = (int)(out.n / width / c->tokens);
    for (int row = 0; row < c->tokens * heads; row++) {
        bool nan =
            row_is_nan((float *)(void *)out.bytes.p + row * width, width);
        bool want = row >= c->first && row <= c->last;
        if (heads > 1)
            want = want && row % heads == 0;
        cr_expect(nan == want, "%s row %d is %sNaN", c->text, row,
                  nan ? "" : "not ");
    }
    for (int i = 0; i < n; i++)
        rig_value_free(&in[i]);
    rig_value_free(&out);
    rig_free(&r);
}

Test(nan, is_seen_where_it_belongs)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&cases[i], NAN);
}

Test(nan, infinity_in_a_norm)
{
    run_case(&cases[0], INFINITY); /* inf / inf */
    run_case(&cases[1], INFINITY); /* e^(inf - inf) */
}
