/* test_attention.c - attention over every storage type against the
 * interpreter: group sizes, head sizes, tails of the key tiles, epilogues. */
#include "rig.h"

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};
static const RigStep steps[] = {
    {1, 1, 0, 2700}, {5, 1, 0, 2700}, {3, 1, 31, 2700}, {2, 1, 150, 2700},
    {8, 1, 60, 2700}, {70, 1, 63, 2700}, /* many tokens: blocks of them */
    {1, 1, 2600, 2700}, {7, 1, 700, 2700}}; /* many keys: parts of them */
enum { STEPS = sizeof steps / sizeof *steps };

static void run_text(const char *text, double limit)
{
    for (int k = 0; k < 3; k++) {
        Rig r = rig_new(cpus[k], text, 2700);
        for (int s = 0; s < STEPS; s++)
            rig_run(&r, "f", steps[s], (RigOptions){limit, NULL});
        rig_free(&r);
    }
}

static void run_shape(const char *kt, const char *vt, int H, int G, int d)
{
    char text[512];
    snprintf(text, sizeof text,
             "func @f(%%q: f32[T,%d,%d], @k: %s[C,%d,%d], @v: %s[C,%d,%d]) {\n"
             "  %%y = attention %%q, @k, @v {scale=0.17} : f32[T,%d,%d]\n"
             "  ret %%y\n}\n",
             H, d, kt, G, d, vt, G, d, H, d);
    run_text(text, 1e-10);
}

Test(attention, storage_types)
{
    static const char *const types[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
    for (int i = 0; i < 5; i++) {
        run_shape(types[i], types[i], 6, 2, 64);
        run_shape(types[i], types[(i + 1) % 5], 4, 1, 32);
    }
}

Test(attention, shapes)
{
    run_shape("f32", "f32", 1, 1, 1);
    run_shape("f32", "f16", 5, 5, 20);
    run_shape("f16", "f16", 7, 1, 33);
    run_shape("f32", "f32", 16, 2, 128);
    run_shape("f16", "bf16", 10, 2, 48);
}

Test(attention, gated)
{
    run_text("func @f(%q: f32[T,4,64], %g: f32[T,256], @k: f16[C,2,64], "
             "@v: f16[C,2,64]) {\n"
             "  %o = attention %q, @k, @v {scale=0.125} : f32[T,4,64]\n"
             "  %r = reshape %g : f32[T,4,64]\n"
             "  %s = sigmoid %r : f32[T,4,64]\n"
             "  %y = mul %o, %s : f32[T,4,64]\n  ret %y\n}\n",
             1e-10);
    run_text("func @f(%u: f32[T,4,128], @k: f16[C,2,64], @v: f16[C,2,64]) {\n"
             "  %q = slice %u {begin=64} : f32[T,4,64]\n"
             "  %o = attention %q, @k, @v {scale=0.125} : f32[T,4,64]\n"
             "  ret %o\n}\n",
             1e-10);
    run_text("func @f(%q: f32[T,4,32], %z: f32[T,128], @k: f32[C,4,32], "
             "@v: f32[C,4,32]) {\n"
             "  %o = attention %q, @k, @v {scale=0.2} : f32[T,4,32]\n"
             "  %r = reshape %o : f32[T,128]\n"
             "  %y = add %r, %z : f32[T,128]\n  ret %y, %o\n}\n",
             1e-10);
}

/* Code must not grow with sizes that a hostile text may name. */
Test(attention, huge_heads_compile, .timeout = 60)
{
    Buf object = {0};
    const char *text =
        "module t\nfunc @f(%q: f32[T,1,67108864], @k: f32[C,1,67108864], "
        "@v: f16[C,1,67108864]) {\n"
        "  %y = attention %q, @k, @v {scale=1} : f32[T,1,67108864]\n"
        "  ret %y\n}\n";
    rig_ok(rig_provider()->compile(text, "native", &object, NULL));
    cr_expect(object.n < 1 << 20);
    buf_free(&object);
}

/* One score far above the rest, first or last. */
static void sharpen(const Graph *g, RigValue *p)
{
    float *q = (float *)(void *)p[0].bytes.p;
    (void)g;
    for (int64_t i = 0; i < p[0].n; i++)
        p[0].v[i] = q[i] *= 100;
}

Test(attention, large_scores)
{
    Rig r = rig_new("native",
                    "func @f(%q: f32[T,2,32], @k: f32[C,2,32], @v: "
                    "f32[C,2,32]) {\n  %y = attention %q, @k, @v {scale=1} : "
                    "f32[T,2,32]\n  ret %y\n}\n",
                    2700);
    rig_run(&r, "f", steps[3], (RigOptions){1e-8, sharpen});
    rig_free(&r);
}
