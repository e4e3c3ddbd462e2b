/* test_vecmath.c - how far the transcendental functions are off, over floats
 * spread evenly through all bit patterns: every exponent, both signs,
 * infinities and NaN.  The limits are those that vecmath.h states. */
#include "rig.h"

enum { WIDTH = 4096, ROWS = 256 };

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};

typedef struct {
    const char *op;
    double (*exact)(double);
    double relative; /* of the result, where that is a normal float */
    double absolute;
    double low, high; /* finite arguments tested */
} Function;

static double sigmoid(double a) { return 1 / (1 + exp(-a)); }
static double softplus(double a) { return a > 20 ? a : log1p(exp(a)); }
static double gelu(double a)
{
    return 0.5 * a * erfc(-a * 0.70710678118654752440);
}
static double gelu_tanh(double a)
{
    double u = 0.79788456080286535588 * (a + 0.044715 * a * a * a);
    return a / (1 + exp(-2 * u));
}

static const Function functions[] = {
    {"exp", exp, 2e-7, 0, -1e30, 1e30},
    {"log", log, 2e-7, 0, 0, 1e38},
    {"tanh", tanh, 3e-7, 0, -1e30, 1e30},
    {"sigmoid", sigmoid, 3e-7, 1e-37, -1e30, 1e30},
    {"softplus", softplus, 4e-7, 0, -1e30, 1e30},
    {"gelu", gelu, 2e-5, 1e-30, -12, 1e30},
    {"gelu", gelu, 2e-6, 0, -3, 1e30},
    {"gelu_tanh", gelu_tanh, 2e-5, 1e-30, -8, 1e30},
    {"gelu_tanh", gelu_tanh, 1e-6, 0, -2, 1e30},
};

static void fill(float *x, const Function *f)
{
    static const float edge[] = {0.0F, -0.0F, INFINITY, -INFINITY, NAN};
    uint32_t u = 12345;
    for (int i = 0; i < WIDTH * ROWS; i++) {
        u += 4099 * 2;
        memcpy(&x[i], &u, 4);
        if (i % 4) /* most of them where functions bend */
            x[i] = rig_real() * (float)(1 << i % 6);
        if (!(x[i] >= f->low && x[i] <= f->high))
            x[i] = fabsf(rig_real());
    }
    memcpy(x, edge, sizeof edge);
}

static bool is_right(const Function *f, float x, float y)
{
    double want = f->exact(x), off = fabs((double)y - want);
    if (isnan(want) || isinf((float)want))
        return isnan(want) ? isnan(y) : y == (float)want;
    return off <= f->absolute + 0x1p-149 + f->relative * fabs(want);
}

static void check(const char *cpu, const Function *f)
{
    char text[200];
    snprintf(text, sizeof text,
             "func @f(%%x: f32[T,%d]) {\n  %%y = %s %%x : f32[T,%d]\n"
             "  ret %%y\n}\n",
             WIDTH, f->op, WIDTH);
    Rig r = rig_new(cpu, text, 1);
    float *x = malloc(4 * WIDTH * ROWS), *y = malloc(4 * WIDTH * ROWS);
    void *arg[] = {x, y};
    KernelCall call = {arg, ROWS, 1, 0, 1};
    fill(x, f);
    rig_items(&r, "f", &call);
    for (int i = 0; i < WIDTH * ROWS; i++)
        cr_assert(is_right(f, x[i], y[i]), "%s: %s(%.9g) = %.9g, not %.9g", cpu,
                  f->op, (double)x[i], (double)y[i], f->exact((double)x[i]));
    rig_free(&r);
    free(x);
    free(y);
}

Test(vecmath, errors_within_limits)
{
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
            check(cpus[k], &functions[i]);
}
