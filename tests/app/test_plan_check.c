/* test_plan_check.c - a plan's launches against the kernels they run: a plan
 * that is right, and the same one with a word changed. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "runtime/cli/plan_check.h"

static const char plan_file[] =
    SOURCE_DIR "/tests/fuzz/corpus/fuzz_plan/packed.plan";

/* text with `from`, which it has, replaced by `to`. */
static void replace(Buf *out, const char *text, const char *from,
                    const char *to)
{
    const char *at = strstr(text, from);
    cr_assert(at, "no '%s' in the plan", from);
    buf_add(out, text, (size_t)(at - text));
    buf_printf(out, "%s%s", to, at + strlen(from));
}

static Err *check(const char *text)
{
    Plan *p = NULL;
    Err *e = plan_parse(text, &p);
    if (!e)
        e = plan_verify(p);
    if (!e)
        e = plan_check_kernels(p);
    plan_free(p);
    return e;
}

static const struct {
    const char *from, *to, *message; /* NULL: fine */
} cases[] = {
    {"model", "model", NULL},
    /* packed in the file's order, or the other way about */
    {"q4_0/x8 [32, 24]", "q4_0 [32, 24]", "argument 1 of kernel 'product'"},
    {"$w: q4_0/x8", "$w: q4_0", "argument 1 of kernel 'product'"},
    {"q4_0/x8 [32, 24]", "q4_0/x8 [64, 12]", "cannot be packed like that"},
    {"q4_0/x8 [32, 24]", "q4_0/x8 [768]", "cannot be packed like that"},
    {"q4_0/x8 [32, 24]", "q4_0/x9 [32, 24]", "a packing"},
    {"%q: q8a[T,32], $w", "%q: f32[T,32], $w", "cannot read a packed weight"},
    /* types, shapes and numbers of arguments */
    {"func @round(%x: f32[T,32]", "func @round(%x: f32[R,32]", "quantize gives"},
    {"b1 \"q\" q8a [T, 32] d0 at 512 bytes 144",
     "b1 \"q\" q8a [R, 32] d0 at 512 bytes 36", "argument 1 of kernel 'round'"},
    {"(b1, w0, b2)", "(b1, w0)", "takes 3 arguments, not 2"},
    {"(b1, w0, b2)", "(w0, b1, b2)", "argument 0 of kernel 'product'"},
    {"(b0, b1)", "(b0, w0)", "argument 1 of kernel 'round'"},
};

Test(plan_check, launches)
{
    Arena *a = arena_new();
    char *text;
    size_t n;
    cr_assert_null(file_read(a, plan_file, 1 << 16, &text, &n));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf changed = {0};
        replace(&changed, text, cases[i].from, cases[i].to);
        Err *e = check(changed.data);
        const char *got = e ? err_text(e) : "nothing";
        if (cases[i].message)
            cr_expect(strstr(got, cases[i].message), "%s: %s", cases[i].to, got);
        else
            cr_expect_null(e, "%s", got);
        err_free(e);
        buf_free(&changed);
    }
    arena_free(a);
}
