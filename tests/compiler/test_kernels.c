/* test_kernels.c - groups cut out as functions, and what is no kernel. */
#include <criterion/criterion.h>
#include <string.h>

#include "compiler/kernel_cut.h"

static Module *parse(Arena *a, const char *text)
{
    Module *m;
    Buf b = {0};
    buf_printf(&b, "module t\n%s", text);
    Err *e = module_parse(a, b.data, &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    buf_free(&b);
    return m;
}

/* Group k of the only graph: its text, then the arguments by name, parameters
 * and results apart: "x w | y". */
static void expect_cut(const char *text, int k, const char *want,
                       const char *args)
{
    Arena *a = arena_new();
    const Graph *g = parse(a, text)->graph[0];
    KernelCutter *c = kernel_cutter(a, g);
    KernelCut cut;
    Buf b = {0};
    Err *e = kernel_cut(a, c, k, "k", &cut);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    cr_assert_str_eq(graph_text(a, cut.fn), want);
    for (int i = 0; i < cut.n_args; i++)
        buf_printf(&b, "%s%s%s", i == cut.n_params ? "| " : "",
                   g->node[cut.args[i]].name, i + 1 < cut.n_args ? " " : "");
    cr_assert_str_eq(b.data, args);
    buf_free(&b);
    arena_free(a);
}

/* Parameters in the order of first use, then results in run order: those that
 * another kernel, the caller or nobody but a probe reads. */
Test(kernels, arguments_in_order)
{
    static const char text[] =
        "entry @main(%x: f32[T,32], %z: f32[T,64]) {\n"
        "  $w = weight \"w\" : q8_0[32,64]\n"
        "  $v = weight \"v\" : f16[32,64]\n"
        "  %two = const {value=2} : f32[]\n"
        "  kernel products {\n"
        "    %a = matmul %x, $v : f32[T,64]\n"
        "    %b = matmul %x, $w : f32[T,64]\n"
        "    %c = mul %a, %b : f32[T,64]\n"
        "    %d = add %c, %z : f32[T,64]\n"
        "    %e = mul %d, %two : f32[T,64]\n"
        "  }\n"
        "  kernel rows {\n"
        "    %n = rmsnorm %b {eps=1e-06} : f32[T,64]\n"
        "    %t = tap \"n\" %n {index=3} : f32[T,64]\n"
        "  }\n"
        "  ret e=%e, d=%d\n}\n";
    expect_cut(text, 0,
               "func @k(%p0: f32[T,32], $p1: f16[32,64], $p2: q8_0[32,64], "
               "%p3: f32[T,64]) {\n"
               "  %v0 = matmul %p0, $p1 : f32[T,64]\n"
               "  %v1 = matmul %p0, $p2 : f32[T,64]\n"
               "  %v2 = mul %v0, %v1 : f32[T,64]\n"
               "  %v3 = add %v2, %p3 : f32[T,64]\n"
               "  %v4 = const {value=2} : f32[]\n"
               "  %v5 = mul %v3, %v4 : f32[T,64]\n"
               "  ret %v1, %v3, %v5\n}\n",
               "x v w z | b d e");
    expect_cut(text, 1,
               "func @k(%p0: f32[T,64]) {\n"
               "  %v0 = rmsnorm %p0 {eps=1e-06} : f32[T,64]\n"
               "  %v1 = tap \"n\" %v0 {index=3} : f32[T,64]\n"
               "  ret %v1\n}\n",
               "b | t");
}

static const char attention[] =
    "entry @main(%q: f32[T,4,8], %x: f32[T,32]) {\n"
    "  @s = state \"keys[0]\" : f16[C,16]\n"
    "  @r = state \"values[0]\" : f16[C,2,8]\n"
    "  %y = slice %x {begin=0} : f32[T,16]\n"
    "  kernel store {\n"
    "    %n = neg %y : f32[T,16]\n"
    "    %a = append %n, @s : f16[C,16]\n"
    "    %m = reshape %n : f32[T,2,8]\n"
    "    %b = append %m, @r : f16[C,2,8]\n"
    "  }\n"
    "  %k = reshape %a : f16[C,2,8]\n"
    "  kernel attention {\n"
    "    %o = attention %q, %k, %b {scale=0.5} : f32[T,4,8]\n"
    "  }\n"
    "  kernel last {\n"
    "    %z = exp %y : f32[T,16]\n"
    "  }\n"
    "  ret o=%o, z=%z\n}\n";

/* An append is no result; its readers take the state. */
Test(kernels, appends_live_in_their_states)
{
    expect_cut(attention, 0,
               "func @k(%p0: f32[T,32], @p1: f16[C,16], @p2: f16[C,2,8]) {\n"
               "  %v0 = slice %p0 {begin=0} : f32[T,16]\n"
               "  %v1 = neg %v0 : f32[T,16]\n"
               "  %v2 = append %v1, @p1 : f16[C,16]\n"
               "  %v3 = reshape %v1 : f32[T,2,8]\n"
               "  %v4 = append %v3, @p2 : f16[C,2,8]\n"
               "  ret\n}\n",
               "x s r");
    expect_cut(attention, 1,
               "func @k(%p0: f32[T,4,8], @p1: f16[C,16], @p2: f16[C,2,8]) {\n"
               "  %v0 = reshape @p1 : f16[C,2,8]\n"
               "  %v1 = attention %p0, %v0, @p2 {scale=0.5} : f32[T,4,8]\n"
               "  ret %v1\n}\n",
               "q s r | o");
}

/* A view that two kernels read is in both. */
Test(kernels, views_are_cloned)
{
    expect_cut(attention, 2,
               "func @k(%p0: f32[T,32]) {\n"
               "  %v0 = slice %p0 {begin=0} : f32[T,16]\n"
               "  %v1 = exp %v0 : f32[T,16]\n"
               "  ret %v1\n}\n",
               "x | z");
}

/* Cutting leaves no trace that a second cut would see. */
Test(kernels, cutting_twice_gives_the_same)
{
    Arena *a = arena_new();
    KernelCutter *c = kernel_cutter(a, parse(a, attention)->graph[0]);
    const char *text[3][2];
    for (int pass = 0; pass < 2; pass++)
        for (int k = 2; k >= 0; k--) {
            KernelCut cut;
            Err *e = kernel_cut(a, c, k, "k", &cut);
            cr_assert_null(e);
            text[k][pass] = graph_text(a, cut.fn);
        }
    for (int k = 0; k < 3; k++)
        cr_assert_str_eq(text[k][0], text[k][1]);
    arena_free(a);
}

typedef struct {
    const char *text, *message; /* message NULL: a kernel */
} Case;

/* A rule with heads of 8 values that reads `k` as keys and queries. */
#define RULE_HEAD                                                              \
    "func @f(%q: f32[T,2,8], %v: f32[T,2,8], %b: f32[T,2], @s: f32[2,8,8]) {\n"
#define RULE(k)                                                                \
    "  %o = delta_rule " k ", " k ", %v, %b, %b, @s {heads=tiled, form=auto}"  \
    " : f32[T,2,8]\n"

static const Case cases[] = {
    {"func @f(%x: f32[T,4], %i: i32[R]) {\n"
     "  %a = rows %x, %i : f32[R,4]\n  %b = neg %a : f32[R,4]\n"
     "  ret %b\n}\n", NULL},
    {"func @f(%x: f32[T,4], %i: i32[R]) {\n"
     "  %n = neg %x : f32[T,4]\n  %a = rows %n, %i : f32[R,4]\n"
     "  ret %a\n}\n", "rows of another axis"},
    {"func @f(%x: f32[T,4], %i: i32[T]) {\n"
     "  %n = neg %x : f32[T,4]\n  %v = reshape %n : f32[T,2,2]\n"
     "  %a = rows %v, %i : f32[T,2,2]\n"
     "  ret %a\n}\n", "picks rows of a value made here"},
    {"func @f(%x: f32[T,4], %y: f32[R,4]) {\n"
     "  %a = neg %x : f32[T,4]\n  %b = neg %y : f32[R,4]\n"
     "  ret %a, %b\n}\n", "rows of another axis"},
    {"func @f(%x: f32[T,32], $w: f32[32,8]) {\n"
     "  %a = matmul %x, $w : f32[T,8]\n  %b = rmsnorm %a {eps=0} : f32[T,8]\n"
     "  ret %b\n}\n", "only elementwise operations follow"},
    {"func @f(%x: f32[T,32], $w: f32[32,8]) {\n"
     "  %n = neg %x : f32[T,32]\n  %a = matmul %n, $w : f32[T,8]\n"
     "  ret %a\n}\n", "reads a value made in the same kernel"},
    {"func @f(%x: f32[T,32], %y: f32[T,32], $w: f32[32,8], $v: f32[32,8]) {\n"
     "  %a = matmul %x, $w : f32[T,8]\n  %b = matmul %y, $v : f32[T,8]\n"
     "  ret %a, %b\n}\n", "more than one input"},
    {"func @f(%x: f32[T,32], $w: f32[32,8], $v: f32[32,1]) {\n"
     "  %a = matmul %x, $w : f32[T,8]\n  %b = matmul %x, $v : f32[T,1]\n"
     "  %c = mul %a, %b : f32[T,8]\n  ret %c\n}\n",
     "reads a value of another shape"},
    {"func @f(%x: f32[T,32], $w: f32[32,8,2], %i: i32[T,2], %y: f32[2,8]) {\n"
     "  %a = matmul_experts %x, $w, %i : f32[T,2,8]\n"
     "  %c = mul %a, %y : f32[T,2,8]\n  ret %c\n}\n", "does not line up"},
    {"func @f(%x: f32[T,32], $w: f32[32,8], %y: f32[T,1], %z: f32[8], $b: "
     "f32[8]) {\n"
     "  %a = matmul %x, $w : f32[T,8]\n  %c = mul %a, %y : f32[T,8]\n"
     "  %d = add %c, %z : f32[T,8]\n  %e = add %d, $b : f32[T,8]\n"
     "  ret %e\n}\n", NULL},
    {"func @f(%x: f32[T,2,32], $w: f32[32,8,4], %i: i32[T,2], %p: f32[T,2], "
     "%y: f32[T,16], $v: f32[16,8]) {\n"
     "  %a = matmul_experts %x, $w, %i : f32[T,2,8]\n"
     "  %c = combine %a, %p : f32[T,8]\n"
     "  %b = matmul %y, $v : f32[T,8]\n"
     "  %d = add %c, %b : f32[T,8]\n  ret %d\n}\n", NULL},
    {"func @f(%x: f32[T,2,32], $w: f32[32,8,4], %i: i32[T,2], %p: f32[T,2], "
     "%y: f32[T,16], %z: f32[T,16], $v: f32[16,8]) {\n"
     "  %a = matmul_experts %x, $w, %i : f32[T,2,8]\n"
     "  %c = combine %a, %p : f32[T,8]\n"
     "  %b = matmul %y, $v : f32[T,8]\n  %d = add %c, %b : f32[T,8]\n"
     "  %e = matmul %z, $v : f32[T,8]\n  ret %d, %e\n}\n",
     "more than one input"},
    {"func @f(%x: f32[T,2,32], $w: f32[32,8,4], %i: i32[T,2], %p: f32[T,2], "
     "%y: f32[T,16], $v: f32[16,8]) {\n"
     "  %a = matmul_experts %x, $w, %i : f32[T,2,8]\n"
     "  %n = neg %a : f32[T,2,8]\n"
     "  %c = combine %n, %p : f32[T,8]\n"
     "  ret %c\n}\n", "reads a value made in the same kernel"},
    {"func @f(%x: f32[T,32], $w: f32[32,8]) {\n"
     "  %a = matmul %x, $w : f32[T,8]\n  %p = softmax %a : f32[T,8]\n"
     "  %i = topk %p : i32[T,2]\n  %t = take %p, %i : f32[T,2]\n"
     "  ret %i, %t\n}\n", NULL},
    {"func @f(%x: f32[T,32], $w: f32[32,8], %y: f32[T,8]) {\n"
     "  %a = matmul %x, $w : f32[T,8]\n  %p = softmax %a : f32[T,8]\n"
     "  %q = mul %p, %y : f32[T,8]\n  %i = topk %q : i32[T,2]\n"
     "  ret %i\n}\n", "chooses by a value from outside"},
    {"func @f(%x: f32[T,32], $w: f32[32,8]) {\n"
     "  %n = rmsnorm %x {eps=0} : f32[T,32]\n"
     "  %q = quantize %n : q8a[T,32]\n"
     "  %a = matmul %n, $w : f32[T,8]\n  ret %q, %a\n}\n", NULL},
    {"func @f(%x: f32[T,32], $w: f32[32,8], %y: f32[T,32]) {\n"
     "  %n = rmsnorm %x {eps=0} : f32[T,32]\n"
     "  %q = quantize %y : q8a[T,32]\n"
     "  %a = matmul %n, $w : f32[T,8]\n  ret %q, %a\n}\n",
     "only elementwise operations follow"},
    {"func @f(%q: f32[T,1,8], %r: f32[T,1,8], @k: f16[C,1,8]) {\n"
     "  %a = attention %q, @k, @k {scale=1} : f32[T,1,8]\n"
     "  %b = attention %r, @k, @k {scale=1} : f32[T,1,8]\n"
     "  ret %a, %b\n}\n", "more than one input"},
    {RULE_HEAD "  %n = l2norm %q {eps=0} : f32[T,2,8]\n" RULE("%n")
     "  ret %o\n}\n", NULL},
    {RULE_HEAD "  %n = l2norm %q {eps=0} : f32[T,2,8]\n" RULE("%n")
     "  ret %o, %n\n}\n", "is read before the rule and elsewhere"},
    {RULE_HEAD "  %n = l2norm %q {eps=0} : f32[T,2,8]\n" RULE("%n")
     "  %y = mul %o, %n : f32[T,2,8]\n  ret %y\n}\n",
     "reads what stands before the rule"},
    {RULE_HEAD "  %n = silu %q : f32[T,2,8]\n" RULE("%n")
     "  ret %o\n}\n", "reads another value made here"},
    {RULE_HEAD "  %i = slice %q {begin=0} : f32[T,2,4]\n"
     "  %j = reshape %i : f32[T,1,8]\n  %n = l2norm %j {eps=0} : f32[T,1,8]\n"
     RULE("%n") "  ret %o\n}\n", "reads heads in pieces"},
    {RULE_HEAD RULE("%q") "  %n = softmax %o : f32[T,2,8]\n  ret %n\n}\n",
     "only elementwise operations follow"},
};

Test(kernels, verifier_knows_the_classes)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Arena *a = arena_new();
        Err *e = kernel_verify(parse(a, cases[i].text)->graph[0]);
        const char *said = e ? err_text(e) : "a kernel";
        cr_assert(cases[i].message ? strstr(said, cases[i].message) != NULL
                                   : e == NULL,
                  "%s: %s", cases[i].text, said);
        err_free(e);
        arena_free(a);
    }
}

/* A group that is no kernel is refused where it is cut, by name. */
Test(kernels, cutting_verifies)
{
    Arena *a = arena_new();
    const Module *m = parse(a,
                            "entry @main(%x: f32[T,32]) {\n"
                            "  $w = weight \"w\" : f32[32,8]\n"
                            "  kernel wrong {\n"
                            "    %a = matmul %x, $w : f32[T,8]\n"
                            "    %b = softmax %a : f32[T,8]\n  }\n"
                            "  ret y=%b\n}\n");
    KernelCut cut;
    Err *e = kernel_cut(a, kernel_cutter(a, m->graph[0]), 0, "k", &cut);
    cr_assert_not_null(e);
    cr_assert(strstr(err_text(e), "kernel k0 of @main"), "%s", err_text(e));
    err_free(e);
    arena_free(a);
}

/* What only a GPU's kernels do. */
Test(kernels, layered_ones_are_told_apart)
{
    static const struct {
        const char *text;
        bool layered;
    } layered[] = {
        {"func @f(%x: f32[T,32], $w: f32[32,8], %y: f32[T,16]) {\n"
         "  %a = matmul %x, $w : f32[T,8]\n  %s = slice %y {begin=8} : "
         "f32[T,8]\n  %c = mul %a, %s : f32[T,8]\n  ret %c\n}\n", true},
        {"func @f(%x: f32[T,32], $w: q8_0[32,8]) {\n"
         "  %n = rmsnorm %x {eps=1e-06} : f32[T,32]\n"
         "  %q = quantize %n : q8a[T,32]\n"
         "  %a = matmul %q, $w : f32[T,8]\n  ret %a\n}\n", true},
        {"func @f(%x: f32[T,32], $w: f32[32,8], %y: f32[T,2,8], %p: f32[T,2]) {\n"
         "  %a = matmul %x, $w : f32[T,8]\n  %b = combine %y, %p : f32[T,8]\n"
         "  %c = add %a, %b : f32[T,8]\n  ret %c\n}\n", true},
        {"func @f(%x: f32[T,32], $w: f32[32,8]) {\n"
         "  %a = matmul %x, $w : f32[T,8]\n  %i = topk %a : i32[T,2]\n"
         "  ret %i\n}\n", true},
        {"func @f(%x: f32[T,32], $w: f32[32,8], %y: f32[T,8]) {\n"
         "  %a = matmul %x, $w : f32[T,8]\n  %c = add %a, %y : f32[T,8]\n"
         "  ret %c\n}\n", false},
    };
    for (size_t i = 0; i < sizeof layered / sizeof *layered; i++) {
        Arena *a = arena_new();
        const Graph *g = parse(a, layered[i].text)->graph[0];
        Err *e = kernel_verify(g);
        cr_assert_null(e, "%s", e ? err_text(e) : "");
        cr_expect(kernel_is_layered(g) == layered[i].layered, "%s",
                  layered[i].text);
        arena_free(a);
    }
}
