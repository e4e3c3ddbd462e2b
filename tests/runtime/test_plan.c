/* Plans as text and what the verifier refuses. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/plan.h"

static const char sample[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 8\n"
    "batch 4\n"
    "outputs 2\n"
    "d0 \"host:0\" \"host\" capacity 1000000 reserve 64 bandwidth "
    "12500000000.5 weights 512 states 1024 scratch 512\n"
    "d1 \"host:1\" \"host\" capacity 0 reserve 0 bandwidth 0 compute 7.5 "
    "weights 64 states 64 scratch 512\n"
    "w0 \"a.weight\" q8_0 [32, 3] attention d0 at 0 bytes 102\n"
    "w1 \"b\\\"\\\\\\x0a.weight\" f32 [16] norms d0 at 128 bytes 64\n"
    "w2 \"b.weight\" f32 [16] norms d1 at 0 bytes 64\n"
    "s0 \"keys[0]\" per_token f16 16 d0 at 0 bytes 256\n"
    "s1 \"S[0]\" fixed f32 16 d1 at 0 bytes 64\n"
    "b0 \"tokens\" i32 [T] d0 at 0 bytes 16\n"
    "b1 \"x\" f32 [T, 8] d0 at 64 bytes 128\n"
    "b2 \"x\" f32 [T, 8] d1 at 64 bytes 128\n"
    "b3 \"logits\" f32 [R, 2*C] d1 at 256 bytes 128\n"
    "k0 \"embed\"\n"
    "| func @embed(%0: i32[T]) {\n"
    "|\n"
    "|     return\n"
    "| }\n"
    "|\n"
    "k1 \"head\"\n"
    "| one line\n"
    "program \"main\"\n"
    "input \"tokens\" b0\n"
    "output \"logits\" b3\n"
    "tap \"hidden[0]\" b1\n"
    "launch k0 on d0 (b0, w0, s0, b1) \"x\"\n"
    "copy on d1 (b1, b2) \"\"\n"
    "launch k1 on d1 (b2, w2, s1, b3) \"logits, h\"\n"
    "program \"empty\"\n";

static Plan *parse_good(const char *text)
{
    Plan *p = NULL;
    Err *e = plan_parse(text, &p);
    cr_assert(!e, "%s", e ? err_text(e) : "");
    return p;
}

static char *print(const Plan *p)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    plan_print(p, f);
    fclose(f);
    return text;
}

/* A text with the first `from` replaced. */
static char *replaced_in(const char *in, const char *from, const char *to)
{
    const char *at = strstr(in, from);
    cr_assert(at, "no '%s' in the sample", from);
    size_t head = (size_t)(at - in), n = strlen(from);
    char *text = calloc(1, strlen(in) + strlen(to) + 1);
    memcpy(text, in, head);
    strcpy(text + head, to);
    strcat(text, at + n);
    return text;
}

static char *replaced(const char *from, const char *to)
{
    return replaced_in(sample, from, to);
}

Test(plan, round_trip)
{
    Plan *p = parse_good(sample);
    Err *e = plan_verify(p);
    cr_assert(!e, "%s", e ? err_text(e) : "");
    char *text = print(p);
    cr_expect_str_eq(text, sample);
    cr_expect_str_eq(p->kernel[0].text,
                     "func @embed(%0: i32[T]) {\n\n    return\n}\n");
    cr_expect_str_eq(p->kernel[1].text, "one line");
    cr_expect_str_eq(p->weight[1].tensor, "b\"\\\n.weight");
    free(text);
    plan_free(p);
}

Test(plan, comments_and_blank_lines)
{
    char *text =
        replaced("context 8\n", "\n# a comment\n  context 8 # more\n\n");
    Plan *p = parse_good(text);
    char *again = print(p);
    cr_expect_str_eq(again, sample);
    free(again);
    free(text);
    plan_free(p);
}

Test(plan, lookups)
{
    Plan *p = parse_good(sample);
    const PlanProgram *q = plan_program(p, "main");
    cr_assert(q);
    cr_expect(!plan_program(p, "draft"));
    const PlanBuffer *b = plan_port(p, q->output, q->n_outputs, "logits");
    cr_expect_eq(b, &p->buffer[3]);
    cr_expect(!plan_port(p, q->output, q->n_outputs, "tokens"));
    cr_expect_eq(dim_value(b->dim[1], 4, 2, 8), 16);
    cr_expect_eq(dim_value(b->dim[0], 4, 2, 8), 2);
    cr_expect_eq(dim_value(p->buffer[1].dim[0], 4, 2, 8), 4);
    cr_expect_eq(dim_value((Dim){7, SYM_ONE}, 4, 2, 8), 7);
    plan_free(p);
}

/* `to` instead of `from` must be refused by the reader, in words. */
Test(plan, malformed_text)
{
    static const char *const cases[][3] = {
        {"sextet-plan 1", "sextet-plan 2", "version"},
        {"sextet-plan 1", "ELF", "line 1: expected sextet-plan"},
        {"context 8", "context -8", "line 3: expected a number"},
        {"context 8", "context 99999999999999999999", "smaller number"},
        {"context 8\n", "", "expected context"},
        {"\"toy\"", "\"toy", "'\"'"},
        {"\"toy\"", "\"\\x00\"", "xHH"},
        {"\"toy\"", "\"\\q\"", "escape"},
        {"12500000000.5", "nan", "a number"},
        {"12500000000.5", "1e999", "finite"},
        {"d1 \"host:1\"", "d2 \"host:1\"", "next number"},
        {"q8_0 [32, 3]", "q9_9 [32, 3]", "element type"},
        {"q8_0 [32, 3]", "q8_0 [32, 3", "]"},
        {"q8_0 [32, 3]", "q8_0 [1, 2, 3, 4, 5]", "]"},
        {"q8_0 [32, 3]", "q8_0 [T, 3]", "plain numbers"},
        {"q8_0 [32, 3]", "q8_0 []", "dimension"},
        {" attention ", " attentions ", "class"},
        {"per_token", "per_word", "per_token or fixed"},
        {"2*C", "2*Q", "dimension"},
        {"d0 at 0 bytes 102", "d0 at 0", "expected bytes"},
        {"| func @embed", "func @embed", "'|'"},
        {"launch k0 on", "launch q0 on", "kN"},
        {"(b0, w0", "(b0 w0", "expected ,"},
        {"(b0, w0", "(b0, x0", "bN, wN or sN"},
        {"(b0, w0, s0, b1)", "(b0, w0, s0, b1", "expected ,"},
        {"tap \"hidden", "top \"hidden", "input, output"},
        {"program \"main\"\n", "", "a line of a plan"},
        {"bytes 102", "bytes 102 7", "end of the line"},
        {"launch k0", "launch k99999999999", "smaller"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Plan *p = NULL;
        char *text = replaced(cases[i][0], cases[i][1]);
        Err *e = plan_parse(text, &p);
        cr_assert(e && !p, "'%s' must be refused", cases[i][1]);
        cr_expect(strstr(err_text(e), cases[i][2]), "'%s': \"%s\" lacks \"%s\"",
                  cases[i][1], err_text(e), cases[i][2]);
        err_free(e);
        free(text);
    }
}

/* Well formed, but not to be run. */
Test(plan, refused_by_the_verifier)
{
    static const char *const cases[][3] = {
        {"context 8", "context 0", "out of range"},
        {"context 8", "context 3000000000", "out of range"},
        {"batch 4", "batch 5", "bytes that its shape has not"},
        {"weights 512", "weights 64", "outside its region"},
        {"weights 512", "weights 9223372036854775807", "impossible sizes"},
        {"at 0 bytes 102", "at 0 bytes 103", "bytes that its shape"},
        {"at 0 bytes 102", "at 1 bytes 102", "outside its region"},
        {"at 128 bytes 64", "at 64 bytes 64", "overlap"},
        {"at 128 bytes 64", "at 9223372036854775744 bytes 64", "outside"},
        {"d0 at 128", "d7 at 128", "lies on no device"},
        {"[32, 3]", "[31, 3]", "bytes that its shape"},
        {"[32, 3]", "[32, 0]", "bytes that its shape"},
        {"[32, 3]", "[32, 4611686018427387904, 4]", "bytes that its shape"},
        {"f16 16 d0", "f16 0 d0", "bytes that its shape"},
        {"states 1024", "states 128", "outside its region"},
        {"s1 \"S[0]\" fixed f32 16 d1 at 0", "s1 \"S\" fixed f32 16 d0 at 0",
         "overlap"},
        {"f32 [R, 2*C]", "q8_0 [R, 2*C]", "rows of blocks"},
        {"2*C] d1 at 256", "2*C] d1 at 448", "outside its region"},
        {"k1 \"head\"", "k1 \"he ad\"", "no symbol"},
        {"k1 \"head\"", "k1 \"1head\"", "no symbol"},
        {"k1 \"head\"", "k1 \"\"", "no symbol"},
        {"k1 \"head\"", "k1 \"embed\"", "stands twice"},
        {"\"tokens\" b0", "\"tokens\" b9", "names no buffer"},
        {"launch k0", "launch k2", "launches no kernel"},
        {"launch k0 on d0", "launch k0 on d1", "other devices"},
        {"launch k0 on d0", "launch k0 on d2", "no device"},
        {"(b0, w0, s0", "(b0, w3, s0", "does not exist"},
        {"copy on d1 (b1, b2)", "copy on d0 (b1, b2)", "does not run on"},
        {"copy on d1 (b1, b2)", "copy on d1 (b1, b3)", "different shapes"},
        {"copy on d1 (b1, b2)", "copy on d1 (b1)", "from a buffer"},
        {"copy on d1 (b1, b2)", "copy on d1 (w1, w2)", "from a buffer"},
        {"program \"empty\"", "program \"main\"", "stands twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = replaced(cases[i][0], cases[i][1]);
        Plan *p = parse_good(text);
        Err *e = plan_verify(p);
        cr_assert(e, "'%s' must be refused", cases[i][1]);
        cr_expect(strstr(err_text(e), cases[i][2]), "'%s': \"%s\" lacks \"%s\"",
                  cases[i][1], err_text(e), cases[i][2]);
        err_free(e);
        free(text);
        plan_free(p);
    }
}

/* ---- stages */

static const char staged[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 8\n"
    "batch 4\n"
    "outputs 2\n"
    "d0 \"host:0\" \"host\" capacity 0 reserve 0 bandwidth 0 weights 0 "
    "states 0 scratch 512\n"
    "d1 \"host:1\" \"host\" capacity 0 reserve 0 bandwidth 0 weights 0 "
    "states 0 scratch 640\n"
    "d2 \"host:2\" \"host\" capacity 0 reserve 0 bandwidth 0 weights 0 "
    "states 0 scratch 640\n"
    "b0 \"tokens\" i32 [T] d0 at 0 bytes 16\n"
    "b1 \"x\" f32 [T, 8] d0 at 64 bytes 128\n"
    "b2 \"x\" f32 [T, 8] slots 2 d1 at 128 bytes 128\n"
    "b3 \"y\" f32 [T, 8] d1 at 0 bytes 128\n"
    "b4 \"y\" f32 [T, 8] slots 2 d2 at 0 bytes 128\n"
    "b5 \"z\" f32 [T, 8] d2 at 256 bytes 128\n"
    "k0 \"run\"\n"
    "| one line\n"
    "program \"main\"\n"
    "input \"tokens\" b0\n"
    "output \"hidden\" b5\n"
    "stage d0\n"
    "launch k0 on d0 (b0, b1) \"x\"\n"
    "copy on d1 (b1, b2) \"x\"\n"
    "stage d1\n"
    "launch k0 on d1 (b2, b3) \"y\"\n"
    "copy on d2 (b3, b4) \"y\"\n"
    "stage d2\n"
    "launch k0 on d2 (b4, b5) \"z\"\n";

Test(plan, stages_round_trip)
{
    Plan *p = parse_good(staged);
    Err *e = plan_verify(p);
    cr_assert(!e, "%s", e ? err_text(e) : "");
    char *text = print(p);
    cr_expect_str_eq(text, staged);
    const PlanProgram *q = plan_program(p, "main");
    cr_assert_eq(q->n_stages, 3);
    cr_expect_eq(q->stage[0].n_steps, 2);
    cr_expect_eq(q->stage[2].device, 2);
    cr_expect_eq(plan_stride(&p->buffer[0]), 64);
    cr_expect_eq(plan_span(&p->buffer[0]), 16);
    cr_expect_eq(plan_span(&p->buffer[2]), 256);
    free(text);
    plan_free(p);
}

/* What would let two chunks in flight touch the same bytes. */
Test(plan, stages_refused)
{
    static const char *const cases[][3] = {
        {"slots 2 d1", "slots 3 d1", "neither one slot nor two"},
        {"slots 2 d1", "slots 0 d1", "neither one slot nor two"},
        {"slots 2 d1", "d1", "in stage 0, copies to a buffer without slots"},
        {"d1 at 128 bytes", "d1 at 448 bytes", "outside its region"},
        {"d1 at 128 bytes", "d1 at 64 bytes", "shares bytes"},
        {"\"y\" f32 [T, 8] d1 at 0", "\"y\" f32 [T, 8] d1 at 320",
         "shares bytes"},
        {"\"z\" f32 [T, 8] d2 at 256", "\"z\" f32 [T, 8] d2 at 128",
         "shares bytes"},
        {"stage d1", "stage d0", "without a device or steps of its own"},
        {"stage d1", "stage d7", "without a device or steps of its own"},
        {"stage d1\n", "stage d1\nstage d2\n", "without a device or steps"},
        {"stage d2\n", "", "step 3 of 'main', in stage 1, copies to a device"},
        {"stage d0\n", "stage d0\nlaunch k0 on d2 (b4, b5) \"\"\n",
         "step 0 of 'main', in stage 0, runs on another"},
        {"copy on d1 (b1, b2)", "copy on d1 (b3, b2)",
         "copies from another device"},
        {"copy on d1 (b1, b2)", "copy on d2 (b1, b4)",
         "a device that is not the next one"},
        {"output \"hidden\" b5", "output \"hidden\" b3",
         "is not on the last stage's device"},
        {"output \"hidden\" b5", "output \"hidden\" b4", "has slots"},
        {"output \"hidden\" b5", "tap \"x[0]\" b1",
         "is not on the last stage's device"},
        {"input \"tokens\" b0", "input \"tokens\" b2", "has slots"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = replaced_in(staged, cases[i][0], cases[i][1]);
        Plan *p = parse_good(text);
        Err *e = plan_verify(p);
        cr_assert(e, "'%s' must be refused", cases[i][1]);
        cr_expect(strstr(err_text(e), cases[i][2]), "'%s': \"%s\" lacks \"%s\"",
                  cases[i][1], err_text(e), cases[i][2]);
        err_free(e);
        free(text);
        plan_free(p);
    }
    Plan *p = NULL;
    char *text = replaced_in(staged, "stage d0\n", "");
    Err *e = plan_parse(text, &p);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "stages from the first step on"), "%s",
              err_text(e));
    err_free(e);
    free(text);
}

/* Every prefix and every changed byte: an error or a plan, never worse. */
static void damage(const char *good)
{
    size_t size = strlen(good);
    char *text = malloc(size + 1);
    for (size_t n = 0; n < size; n++)
        for (int flip = 0; flip < 3; flip++) {
            memcpy(text, good, size + 1);
            text[n] = (char)(flip ? text[n] ^ (flip == 1 ? 1 : 0x51) : 0);
            Plan *p = NULL;
            Err *e = plan_parse(text, &p);
            cr_assert((e != NULL) == (p == NULL));
            err_free(e);
            if (p)
                err_free(plan_verify(p));
            plan_free(p);
        }
    free(text);
}

Test(plan, damaged_text)
{
    damage(sample);
    damage(staged);
}
