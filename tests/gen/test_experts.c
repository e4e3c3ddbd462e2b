/* test_experts.c - products with chosen matrices against the interpreter. */
#include "rig.h"

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};
static const RigStep steps[] = {
    {1, 1, 0, 1}, {2, 1, 0, 1}, {9, 1, 0, 1}, {130, 1, 0, 1}};

static const char *const cases[] = {
    "func @f(%x: f32[T,64], %i: i32[T,3], $g: q8_0[64,24,7], "
    "$u: q4_0[64,24,7]) {\n"
    "  %a = matmul_experts %x, $g, %i : f32[T,3,24]\n"
    "  %b = matmul_experts %x, $u, %i : f32[T,3,24]\n"
    "  %c = silu %a : f32[T,3,24]\n"
    "  %y = mul %c, %b : f32[T,3,24]\n  ret %y\n}\n",
    "func @f(%x: f32[T,2,37], %i: i32[T,2], $w: f32[37,19,5], "
    "%s: f32[T,2,1], $bias: f32[19], %z: f32[T,2,19], $one: f32[1]) {\n"
    "  %a = matmul_experts %x, $w, %i : f32[T,2,19]\n"
    "  %b = add %a, $bias : f32[T,2,19]\n"
    "  %c = mul %b, %s : f32[T,2,19]\n"
    "  %d = mul %c, $one : f32[T,2,19]\n"
    "  %y = add %d, %z : f32[T,2,19]\n  ret %y\n}\n",
    "func @f(%x: q8a[T,256], %i: i32[T,4], $g: q4_k[256,32,8], "
    "$u: iq1_s[256,32,8], $v: bf16[256,3,8]) {\n"
    "  %a = matmul_experts %x, $g, %i : f32[T,4,32]\n"
    "  %b = matmul_experts %x, $u, %i : f32[T,4,32]\n"
    "  %c = matmul_experts %x, $v, %i : f32[T,4,3]\n"
    "  %d = add %a, %b : f32[T,4,32]\n  ret %d, %c\n}\n",
    "func @f(%x: q8a[T,2,64], %i: i32[T,2], $w: q8_0[64,20,3]) {\n"
    "  %a = matmul_experts %x, $w, %i : f32[T,2,20]\n  ret %a\n}\n",
    "func @f(%x: f32[T,32], %i: i32[T,1], $w: f16[32,8,2]) {\n"
    "  %a = matmul_experts %x, $w, %i : f32[T,1,8]\n  ret %a\n}\n",
    /* packed: a tile and a half, beside rows as in the file */
    "func @f(%x: q16a[T,256], %i: i32[T,3], $g: q4_k/x8[256,24,7], "
    "$u: iq2_xxs/x8[256,24,7], $v: q2_k[256,24,7]) {\n"
    "  %a = matmul_experts %x, $g, %i : f32[T,3,24]\n"
    "  %b = matmul_experts %x, $u, %i : f32[T,3,24]\n"
    "  %c = matmul_experts %x, $v, %i : f32[T,3,24]\n"
    "  %d = add %a, %b : f32[T,3,24]\n"
    "  %e = mul %d, %c : f32[T,3,24]\n  ret %e\n}\n",
    "func @f(%x: q8a[T,2,64], %i: i32[T,2], $w: q8_0/x8[64,8,3]) {\n"
    "  %a = matmul_experts %x, $w, %i : f32[T,2,8]\n  ret %a\n}\n",
};

Test(experts, kernels)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 3; k++) {
            Rig r = rig_new(cpus[k], cases[i], 2000);
            for (int s = 0; s < 4; s++)
                rig_run(&r, "f", steps[s], (RigOptions){1e-10, NULL});
            rig_free(&r);
        }
}

/* More tokens than are sorted at once. */
Test(experts, many_tokens)
{
    Rig r = rig_new("native", cases[4], 2000);
    rig_run(&r, "f", (RigStep){1100, 1, 0, 1}, (RigOptions){1e-10, NULL});
    rig_free(&r);
}

/* With one token, only the matrices that it chose are read: all others are
 * NaN here. */
static void spoil_others(const Graph *g, RigValue *p)
{
    float *w = (float *)(void *)p[2].bytes.p;
    const int32_t *id = (const int32_t *)(const void *)p[1].bytes.p;
    const Type *t = &g->node[2].type;
    int64_t size = t->dim[0].k * t->dim[1].k;
    for (int64_t e = 0; e < t->dim[2].k; e++)
        for (int64_t i = 0; i < size && e != id[0] && e != id[1]; i++)
            w[e * size + i] = NAN;
    for (int64_t i = 0; i < p[2].n; i++)
        p[2].v[i] = w[i];
}

Test(experts, touches_only_the_chosen)
{
    Rig r = rig_new("native",
                    "func @f(%x: f32[T,32], %i: i32[T,2], $w: f32[32,40,9]) "
                    "{\n  %a = matmul_experts %x, $w, %i : f32[T,2,40]\n"
                    "  ret %a\n}\n",
                    2000);
    rig_run(&r, "f", steps[0], (RigOptions){1e-10, spoil_others});
    rig_free(&r);
}
