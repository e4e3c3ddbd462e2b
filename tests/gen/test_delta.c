/* test_delta.c - both forms of the gated delta rule against the interpreter,
 * with head orders, odd sizes, chunk borders and the fused norm. */
#include "rig.h"

static const char *const cpus[] = {"native", "x86-64-v3/16", "x86-64-v2"};

/* Keys of length about one, decays below zero: what models make. */
static void tame(const Graph *g, RigValue *p)
{
    for (int i = 0; i < 5; i++) {
        float *x = (float *)(void *)p[i].bytes.p;
        int64_t d = type_last(&g->node[i].type);
        for (int64_t k = 0; k < p[i].n; k++) {
            if (i < 2)
                x[k] /= sqrtf((float)d);
            if (i == 3)
                x[k] = 1 / (1 + expf(-x[k]));
            if (i == 4)
                x[k] = -fabsf(x[k]);
            p[i].v[k] = x[k];
        }
    }
}

typedef struct {
    int Hk, dk, Hv, dv;
} Heads;

static void add_rule(Buf *b, Heads h, const char *order, const char *form)
{
    buf_printf(b,
               "func @f(%%q: f32[T,%d,%d], %%k: f32[T,%d,%d], "
               "%%v: f32[T,%d,%d], %%b: f32[T,%d], %%g: f32[T,%d], "
               "@s: f32[%d,%d,%d]",
               h.Hk, h.dk, h.Hk, h.dk, h.Hv, h.dv, h.Hv, h.Hv, h.Hv, h.dk,
               h.dv);
    buf_printf(b,
               ", %%z: f32[T,%d], $w: f32[%d]) {\n"
               "  %%o = delta_rule %%q, %%k, %%v, %%b, %%g, @s "
               "{heads=%s, form=%s} : f32[T,%d,%d]\n",
               h.Hv * h.dv, h.dv, order, form, h.Hv, h.dv);
}

static void plain(Buf *b, Heads h, const char *order, const char *form)
{
    add_rule(b, h, order, form);
    buf_puts(b, "  ret %o\n}\n");
}

static void with_norm(Buf *b, Heads h, const char *order, const char *form)
{
    add_rule(b, h, order, form);
    buf_printf(b,
               "  %%n = rmsnorm %%o, $w {eps=1e-6} : f32[T,%d,%d]\n"
               "  %%r = reshape %%z : f32[T,%d,%d]\n"
               "  %%t = silu %%r : f32[T,%d,%d]\n"
               "  %%y = mul %%n, %%t : f32[T,%d,%d]\n  ret %%y\n}\n",
               h.Hv, h.dv, h.Hv, h.dv, h.Hv, h.dv, h.Hv, h.dv);
}

static void run_all(const Buf *b, const int *tokens, int n, double limit)
{
    for (int k = 0; k < 3; k++) {
        Rig r = rig_new(cpus[k], b->data, 256);
        for (int s = 0; s < n; s++)
            rig_run(&r, "f", (RigStep){tokens[s], 1, 0, 256},
                    (RigOptions){limit, tame});
        rig_free(&r);
    }
}

static const Heads shapes[] = {
    {2, 32, 4, 32}, {1, 13, 3, 21}, {2, 128, 2, 128}};

Test(delta, recurrent)
{
    static const int tokens[] = {1, 2, 20};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            Buf b = {0};
            (k ? with_norm : plain)(&b, shapes[i], k ? "grouped" : "tiled",
                                    "recurrent");
            run_all(&b, tokens, 3, 1e-10);
            buf_free(&b);
        }
}

Test(delta, chunked)
{
    static const int tokens[] = {1, 7, 63, 64, 65, 130};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            Buf b = {0};
            (k ? with_norm : plain)(&b, shapes[i], k ? "tiled" : "grouped",
                                    "chunked");
            run_all(&b, tokens, 6, 1e-8);
            buf_free(&b);
        }
}

Test(delta, chosen_by_tokens)
{
    static const int tokens[] = {15, 16, 17};
    Buf b = {0};
    with_norm(&b, shapes[0], "tiled", "auto");
    run_all(&b, tokens, 3, 1e-8);
    buf_free(&b);
}

/* Strong decay: exponents that would overflow if taken alone. */
static void decay_fast(const Graph *g, RigValue *p)
{
    float *x = (float *)(void *)p[4].bytes.p;
    tame(g, p);
    for (int64_t k = 0; k < p[4].n; k++)
        p[4].v[k] = x[k] *= 30;
}

Test(delta, strong_decay)
{
    Buf b = {0};
    plain(&b, shapes[0], "tiled", "chunked");
    Rig r = rig_new("native", b.data, 256);
    rig_run(&r, "f", (RigStep){100, 1, 0, 256}, (RigOptions){1e-8, decay_fast});
    rig_free(&r);
    buf_free(&b);
}
