/* test_conv.c - causal convolution against the interpreter, its state too. */
#include "rig.h"

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};

static const char *const cases[] = {
    "func @f(%x: f32[T,100], $w: f32[4,100], @s: f32[3,100]) {\n"
    "  %a = causal_conv1d %x, $w, @s : f32[T,100]\n"
    "  %y = silu %a : f32[T,100]\n  ret %y\n}\n",
    "func @f(%x: f32[T,128], $w: bf16[4,128], @s: f32[3,128], $bias: f32[128], "
    "%z: f32[T,128]) {\n"
    "  %a = causal_conv1d %x, $w, @s : f32[T,128]\n"
    "  %b = add %a, $bias : f32[T,128]\n"
    "  %c = mul %b, %z : f32[T,128]\n"
    "  %y = mul %c, %x : f32[T,128]\n  ret %y, %a\n}\n",
    "func @f(%u: f32[T,90], $w: f16[2,65], @s: f32[1,65]) {\n"
    "  %x = slice %u {begin=25} : f32[T,65]\n"
    "  %a = causal_conv1d %x, $w, @s : f32[T,65]\n  ret %a\n}\n",
    "func @f(%x: f32[T,5], $w: f32[6,5], @s: f32[5,5]) {\n"
    "  %a = causal_conv1d %x, $w, @s : f32[T,5]\n  ret %a\n}\n",
};

Test(conv, kernels)
{
    static const int tokens[] = {1, 2, 3, 4, 9, 40};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 3; k++) {
            Rig r = rig_new(cpus[k], cases[i], 64);
            for (int s = 0; s < 6; s++)
                rig_run(&r, "f", (RigStep){tokens[s], 1, 0, 64},
                        (RigOptions){1e-11, NULL});
            rig_free(&r);
        }
}
