/* test_interp.c - the oracle itself, against values worked out by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/interp.h"

enum { MAX_VALUES = 64 };

typedef struct {
    Arena *a;
    Interp *x;
} Rig;

static Rig rig_new(const char *func, int64_t context)
{
    Rig r = {.a = arena_new()};
    Module *m;
    Buf b = {0};
    buf_printf(&b, "module t\n%s", func);
    Err *e = module_parse(r.a, arena_strndup(r.a, b.data, b.n), &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    buf_free(&b);
    r.x = interp_new(m, (InterpWeights){NULL, NULL}, context);
    return r;
}

static void rig_free(Rig *r)
{
    interp_free(r->x);
    arena_free(r->a);
}

static InterpValue value(int64_t n, double *v) { return (InterpValue){n, v}; }

static void expect(const InterpValue *got, int64_t n, const double *want)
{
    cr_assert_eq(got->n, n);
    for (int64_t i = 0; i < n; i++)
        cr_assert(fabs(got->v[i] - want[i]) < 1e-12, "[%d] %.17g, not %.17g",
                  (int)i, got->v[i], want[i]);
}

static void run(Rig *r, int64_t tokens, int64_t past, const InterpValue *in,
                InterpValue *out)
{
    InterpStep step = {tokens, 1, past};
    Err *e = interp_run(r->x, "f", step, in, out);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
}

Test(interp, broadcasts_like_numpy)
{
    Rig r = rig_new("func @f(%x: f32[T,2], %s: f32[T,1], $w: f32[2]) {\n"
                    "  %a = mul %x, %s : f32[T,2]\n"
                    "  %b = add %a, $w : f32[T,2]\n  ret %b\n}\n",
                    4);
    double x[] = {1, 2, 3, 4}, s[] = {10, 100}, w[] = {0.5, 0.25};
    InterpValue in[] = {value(4, x), value(2, s), value(2, w)}, out;
    run(&r, 2, 0, in, &out);
    expect(&out, 4, (double[]){10.5, 20.25, 300.5, 400.25});
    free(out.v);
    rig_free(&r);
}

Test(interp, topk_breaks_ties_downwards)
{
    Rig r = rig_new("func @f(%x: f32[T,5]) {\n"
                    "  %i = topk %x : i32[T,3]\n"
                    "  %v = take %x, %i : f32[T,3]\n  ret %i, %v\n}\n",
                    4);
    double x[] = {1, 7, 7, 0, 7};
    InterpValue in[] = {value(5, x)}, out[2];
    run(&r, 1, 0, in, out);
    expect(&out[0], 3, (double[]){1, 2, 4});
    expect(&out[1], 3, (double[]){7, 7, 7});
    free(out[0].v);
    free(out[1].v);
    rig_free(&r);
}

Test(interp, takes_from_one_vector_for_all_rows)
{
    Rig r = rig_new("func @f($w: f32[3], %i: i32[T,2]) {\n"
                    "  %y = take $w, %i : f32[T,2]\n  ret %y\n}\n",
                    4);
    double w[] = {5, 6, 7}, i[] = {2, 0, 1, 1};
    InterpValue in[] = {value(3, w), value(4, i)}, out;
    run(&r, 2, 0, in, &out);
    expect(&out, 4, (double[]){7, 5, 6, 6});
    free(out.v);
    rig_free(&r);
}

Test(interp, rope_turns_both_pairings)
{
    const char *text =
        "func @f(%%x: f32[T,1,4], %%p: i32[T]) {\n"
        "  %%y = rope %%x, %%p {dims=4, theta=10000, pairing=%s, stretch=1} : "
        "f32[T,1,4]\n  ret %%y\n}\n";
    const char *pairing[] = {"half", "adjacent"};
    double x[] = {1, 0, 0, 1}, p[] = {3};
    double c = cos(3), s = sin(3), c2 = cos(0.03), s2 = sin(0.03);
    double want[2][4] = {{c, -s2, s, c2}, {c, s, -s2, c2}};
    for (int k = 0; k < 2; k++) {
        char func[300];
        snprintf(func, sizeof func, text, pairing[k]);
        Rig r = rig_new(func, 4);
        InterpValue in[] = {value(4, x), value(1, p)}, out;
        run(&r, 1, 0, in, &out);
        expect(&out, 4, want[k]);
        free(out.v);
        rig_free(&r);
    }
}

Test(interp, rope_stretch_and_factors_divide_the_angle)
{
    Rig r = rig_new("func @f(%x: f32[T,1,4], %p: i32[T], $f: f32[2]) {\n"
                    "  %y = rope %x, %p, $f {dims=4, theta=10000, "
                    "pairing=half, stretch=4} : f32[T,1,4]\n  ret %y\n}\n",
                    4);
    double x[] = {1, 0, 0, 1}, p[] = {24}, f[] = {2, 1};
    double a = 24 / 4.0 / 2, b = 24 / 4.0 * 0.01;
    double want[] = {cos(a), -sin(b), sin(a), cos(b)};
    InterpValue in[] = {value(4, x), value(1, p), value(2, f)}, out;
    run(&r, 1, 0, in, &out);
    expect(&out, 4, want);
    free(out.v);
    rig_free(&r);
}

Test(interp, attention_sees_the_past_and_not_the_future)
{
    Rig r = rig_new("func @f(%q: f32[T,1,1], %k: f32[T,1,1], %v: f32[T,1,1]) {\n"
                    "  @K = state \"k\" : f32[C,1,1]\n"
                    "  @V = state \"v\" : f32[C,1,1]\n"
                    "  %a = append %k, @K : f32[C,1,1]\n"
                    "  %b = append %v, @V : f32[C,1,1]\n"
                    "  %o = attention %q, %a, %b {scale=1} : f32[T,1,1]\n"
                    "  ret %o\n}\n",
                    4);
    double q[] = {0, 0, 1}, k[] = {5, 9, 0}, v[] = {1, 3, 8};
    double want[] = {1, 2,
                     (exp(5) * 1 + exp(9) * 3 + 8) / (exp(5) + exp(9) + 1)};
    InterpValue first[] = {value(2, q), value(2, k), value(2, v)};
    InterpValue then[] = {value(1, q + 2), value(1, k + 2), value(1, v + 2)};
    InterpValue out;
    run(&r, 2, 0, first, &out);
    expect(&out, 2, want);
    free(out.v);
    run(&r, 1, 2, then, &out);
    expect(&out, 1, want + 2);
    free(out.v);
    rig_free(&r);
}

Test(interp, convolution_carries_its_window)
{
    Rig r = rig_new("func @f(%x: f32[T,1], $w: f32[3,1], @s: f32[2,1]) {\n"
                    "  %y = causal_conv1d %x, $w, @s : f32[T,1]\n"
                    "  ret %y\n}\n",
                    8);
    double x[] = {1, 2, 3, 4, 5}, w[] = {100, 10, 1}, s[] = {0, 0};
    InterpValue in[] = {value(1, x), value(3, w), value(2, s)}, out;
    run(&r, 1, 0, in, &out);
    expect(&out, 1, (double[]){1});
    free(out.v);
    in[0] = value(4, x + 1);
    run(&r, 4, 1, in, &out);
    expect(&out, 4, (double[]){12, 123, 234, 345});
    free(out.v);
    cr_assert_eq(s[0], 4);
    cr_assert_eq(s[1], 5);
    rig_free(&r);
}

Test(interp, delta_rule_by_hand)
{
    Rig r = rig_new("func @f(%q: f32[T,1,2], %k: f32[T,1,2], %v: f32[T,2,1], "
                    "%b: f32[T,2], %g: f32[T,2], @S: f32[2,2,1]) {\n"
                    "  %o = delta_rule %q, %k, %v, %b, %g, @S {heads=tiled, "
                    "form=auto} : f32[T,2,1]\n  ret %o\n}\n",
                    8);
    double q[] = {1, 2}, k[] = {3, 0}, v[] = {10, 20}, b[] = {0.5, 1};
    double g[] = {0, log(0.5)}, S[] = {1, 1, 2, 4};
    InterpValue in[] = {value(2, q), value(2, k), value(2, v),
                        value(2, b), value(2, g), value(4, S)};
    InterpValue out;
    run(&r, 1, 0, in, &out);
    /* head 0: S'k = 3, d = 3.5, S = {11.5, 1}; head 1: S = {1, 2}, S'k = 3,
     * d = 17, S = {52, 2} */
    expect(&out, 2, (double[]){13.5, 56});
    expect(&(InterpValue){4, S}, 4, (double[]){11.5, 1, 52, 2});
    free(out.v);
    rig_free(&r);
}

Test(interp, experts_read_their_own_matrix)
{
    Rig r = rig_new("func @f(%x: f32[T,2], $w: f32[2,1,3], %i: i32[T,2], "
                    "%p: f32[T,2]) {\n"
                    "  %y = matmul_experts %x, $w, %i : f32[T,2,1]\n"
                    "  %c = combine %y, %p : f32[T,1]\n  ret %y, %c\n}\n",
                    4);
    double x[] = {1, 10}, w[] = {1, 2, 3, 4, 5, 6}, i[] = {2, 0};
    double p[] = {0.5, 2};
    InterpValue in[] = {value(2, x), value(6, w), value(2, i), value(2, p)};
    InterpValue out[2];
    run(&r, 1, 0, in, out);
    expect(&out[0], 2, (double[]){65, 21});
    expect(&out[1], 1, (double[]){74.5});
    free(out[0].v);
    free(out[1].v);
    rig_free(&r);
}

Test(interp, rounding_keeps_127_steps)
{
    Rig r = rig_new("func @f(%x: f32[T,32]) {\n"
                    "  %q = quantize %x : q8a[T,32]\n  ret %q\n}\n",
                    4);
    double x[32] = {127, 1.4, -2.6}, want[32] = {127, 1, -3};
    InterpValue in[] = {value(32, x)}, out;
    run(&r, 1, 0, in, &out);
    expect(&out, 32, want);
    free(out.v);
    rig_free(&r);
}

Test(interp, refuses_what_does_not_fit)
{
    Rig r = rig_new("func @f(%x: f32[T,2]) {\n  %y = silu %x : f32[T,2]\n"
                    "  ret %y\n}\n",
                    4);
    double x[MAX_VALUES] = {0};
    InterpValue in[] = {value(3, x)}, out;
    Err *e = interp_run(r.x, "f", (InterpStep){1, 1, 0}, in, &out);
    cr_assert_not_null(e);
    cr_assert(strstr(err_text(e), "3 values, not 2"));
    err_free(e);
    e = interp_run(r.x, "f", (InterpStep){2, 1, 3}, in, &out);
    cr_assert_not_null(e);
    err_free(e);
    rig_free(&r);
}

/* Row numbers are data: none may lead outside. */
Test(interp, checks_row_numbers)
{
    static const struct {
        const char *func;
        int n_in;
        int64_t n[3];
    } cases[] = {
        {"func @f($w: f32[2,3], %i: i32[T]) {\n"
         "  %y = embed $w, %i : f32[T,2]\n  ret %y\n}\n", 2, {6, 1}},
        {"func @f(%x: f32[T,2], %i: i32[R]) {\n"
         "  %y = rows %x, %i : f32[R,2]\n  ret %y\n}\n", 2, {2, 1}},
        {"func @f(%x: f32[T,3], %i: i32[T,1]) {\n"
         "  %y = take %x, %i : f32[T,1]\n  ret %y\n}\n", 2, {3, 1}},
        {"func @f($w: f32[3], %i: i32[T,1]) {\n"
         "  %y = take $w, %i : f32[T,1]\n  ret %y\n}\n", 2, {3, 1}},
        {"func @f(%x: f32[T,2], $w: f32[2,1,3], %i: i32[T,1]) {\n"
         "  %y = matmul_experts %x, $w, %i : f32[T,1,1]\n  ret %y\n}\n",
         3, {2, 6, 1}},
    };
    static const double ids[] = {-1, 3, 1e18, 0};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
            double zero[6] = {0}, id = ids[i];
            InterpValue in[3], out = {0, NULL};
            Rig r = rig_new(cases[k].func, 4);
            for (int j = 0; j < cases[k].n_in; j++)
                in[j] = value(cases[k].n[j], zero);
            in[cases[k].n_in - 1].v = &id;
            Err *e = interp_run(r.x, "f", (InterpStep){1, 1, 0}, in, &out);
            cr_assert_eq(e == NULL, id == 0, "case %d, row %g", (int)k, id);
            cr_assert(!e || strstr(err_text(e), "no row"), "%s", err_text(e));
            err_free(e);
            free(out.v);
            rig_free(&r);
        }
}

static Err *load_once(void *ctx, const char *tensor, float *dst, int64_t n)
{
    int *calls = ctx;
    if (++*calls == 1)
        return err_new(ERR_IO, "%s cannot be read", tensor);
    for (int64_t i = 0; i < n; i++)
        dst[i] = 3;
    return NULL;
}

/* A weight that could not be read is not taken for zeros the next time. */
Test(interp, loads_again_after_an_error)
{
    int calls = 0;
    Arena *a = arena_new();
    Module *m;
    Err *e = module_parse(a,
                          "module t\nfunc @f(%x: f32[T,1]) {\n"
                          "  $w = weight \"w\" : f32[1]\n"
                          "  %y = mul %x, $w : f32[T,1]\n  ret %y\n}\n",
                          &m);
    cr_assert_null(e);
    Interp *x = interp_new(m, (InterpWeights){&calls, load_once}, 4);
    double v[] = {2};
    InterpValue in[] = {value(1, v)}, out;
    e = interp_run(x, "f", (InterpStep){1, 1, 0}, in, &out);
    cr_assert_not_null(e);
    err_free(e);
    e = interp_run(x, "f", (InterpStep){1, 1, 0}, in, &out);
    cr_assert_null(e);
    expect(&out, 1, (double[]){6});
    free(out.v);
    interp_free(x);
    arena_free(a);
}
