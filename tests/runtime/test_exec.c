/* A hand-written plan through devices, kernels, copies, taps and sessions. */
#include "tests/runtime/toy.h"

enum { N = 33 };

/* Ids that visit the whole vocabulary. */
static void make_tokens(int32_t *tokens)
{
    for (int i = 0; i < N; i++)
        tokens[i] = (int32_t)((i * 7 + 3) % TOY_VOCABULARY);
}

typedef struct {
    const ToyWant *want;
    int64_t base; /* tokens fed before */
    int64_t tokens, rows, wrong;
} Check;

static int64_t differ(const float *got, const float *want, int n)
{
    int64_t wrong = 0;
    for (int i = 0; i < n; i++)
        wrong += !(got[i] == want[i]);
    return wrong;
}

static Err *check(void *ctx, const Chunk *c)
{
    Check *k = ctx;
    cr_assert_eq(c->result.n_taps, 1);
    cr_expect_str_eq(c->result.tap[0].name, "x[0]");
    cr_assert_eq(c->result.tap[0].width, TOY_WIDTH);
    for (int64_t i = 0; i < c->n; i++) {
        int64_t t = k->base + c->first + i;
        k->wrong +=
            differ(c->result.hidden + i * TOY_WIDTH, k->want->y[t], TOY_WIDTH);
        k->wrong +=
            differ(c->result.tap[0].values + i * TOY_WIDTH, k->want->x[t], TOY_WIDTH);
    }
    for (int64_t r = 0; r < c->n_rows; r++)
        k->wrong += differ(c->result.logits + r * TOY_VOCABULARY,
                           k->want->logits[k->base + c->first + c->rows[r]],
                           TOY_VOCABULARY);
    k->tokens += c->n;
    k->rows += c->n_rows;
    return NULL;
}

/* Feeds N tokens `piece` at a time; logits of the last `last` of each piece. */
static void feed_and_check(Toy *t, int piece, int last)
{
    int32_t tokens[N];
    make_tokens(tokens);
    ToyWant *want = toy_want(tokens, N);
    Check k = {.want = want};
    toy_ok(session_reset(t->session));
    for (int at = 0; at < N; at += piece) {
        int n = N - at < piece ? N - at : piece;
        Feed f = {.tokens = tokens + at,
                  .n = n,
                  .wanted = n > last ? n - last : 0,
                  .chunk = check,
                  .ctx = &k};
        k.base = at;
        toy_ok(session_feed(t->session, &f));
    }
    cr_expect_eq(k.wrong, 0, "piece %d, last %d", piece, last);
    cr_expect_eq(k.tokens, N);
    cr_expect_eq(session_past(t->session, 0), N);
    free(want);
}

Test(exec, any_pieces_any_threads)
{
    for (int threads = 1; threads <= 4; threads++) {
        Toy t;
        toy_ok(toy_open(&t, toy_plan, threads));
        for (int piece = 1; piece <= N; piece += 4) {
            feed_and_check(&t, piece, 1);
            feed_and_check(&t, piece, N);
            feed_and_check(&t, piece, 0);
        }
        toy_close(&t);
    }
}

Test(exec, describes_itself)
{
    Toy t;
    toy_ok(toy_open(&t, toy_plan, 1));
    const ExecutorInfo *info = session_info(t.session);
    int main_program = session_program(t.session, "main");
    int draft = session_program(t.session, "draft");
    cr_assert_eq(main_program, 0);
    cr_assert_eq(draft, 1);
    cr_expect_eq(session_program(t.session, "other"), -1);
    cr_expect_eq(info->context, TOY_CONTEXT);
    cr_expect_eq(info->program[0].vocabulary, TOY_VOCABULARY);
    cr_expect_eq(info->program[0].width, TOY_WIDTH);
    cr_expect(!info->program[0].takes_hidden);
    cr_expect(info->program[1].takes_hidden);
    toy_close(&t);
}

static Err *keep_hidden(void *ctx, const Chunk *c)
{
    memcpy((float *)ctx + c->first * TOY_WIDTH, c->result.hidden,
           (size_t)(c->n * TOY_WIDTH) * sizeof(float));
    return NULL;
}

/* The second entry point takes hidden vectors and counts for itself. */
Test(exec, draft)
{
    Toy t;
    int32_t tokens[N];
    float in[N * TOY_WIDTH], out[N * TOY_WIDTH];
    make_tokens(tokens);
    for (int i = 0; i < N * TOY_WIDTH; i++)
        in[i] = (float)i;
    toy_ok(toy_open(&t, toy_plan, 2));
    feed_and_check(&t, N, 1);
    Feed f = {.program = 1,
              .tokens = tokens,
              .n = N,
              .wanted = N,
              .hidden = in,
              .chunk = keep_hidden,
              .ctx = out};
    toy_ok(session_feed(t.session, &f));
    for (int i = 0; i < N * TOY_WIDTH; i++)
        cr_assert_eq(out[i],
                     (float)i + toy_weight(tokens[i / TOY_WIDTH] * TOY_WIDTH +
                                           i % TOY_WIDTH));
    cr_expect_eq(session_past(t.session, 0), N);
    cr_expect_eq(session_past(t.session, 1), N);
    toy_close(&t);
}

/* Frees e. */
static bool err_is(Err *e, const char *part)
{
    bool same = e && strstr(err_text(e), part);
    err_free(e);
    return same;
}

/* Back to a mark from further on, twice: the rest must come out the same. */
Test(exec, mark_and_rewind)
{
    enum { MARK = 14 };
    Toy t;
    int32_t tokens[N];
    make_tokens(tokens);
    ToyWant *want = toy_want(tokens, N);
    Check k = {.want = want};
    Feed head = {.tokens = tokens, .n = MARK, .wanted = MARK};
    Feed rest = {.tokens = tokens + MARK,
                 .n = N - MARK,
                 .chunk = check,
                 .ctx = &k};
    toy_ok(toy_open(&t, toy_plan, 2));
    cr_assert(err_is(session_rewind(t.session), "no mark"));
    toy_ok(session_feed(t.session, &head));
    toy_ok(session_mark(t.session));
    k.base = MARK;
    for (int i = 0; i < 3; i++) {
        toy_ok(session_feed(t.session, &rest));
        cr_expect_eq(session_past(t.session, 0), N);
        toy_ok(session_rewind(t.session));
        cr_expect_eq(session_past(t.session, 0), MARK);
    }
    cr_expect_eq(k.wrong, 0);
    cr_expect_eq(k.tokens, 3 * (N - MARK));
    toy_ok(session_reset(t.session));
    cr_expect(err_is(session_rewind(t.session), "no mark"));
    free(want);
    toy_close(&t);
}

static void expect_feed_error(Toy *t, const Feed *f, ErrCode code,
                              const char *part)
{
    Err *e = session_feed(t->session, f);
    cr_assert(e);
    cr_expect_eq(err_code(e), code);
    cr_expect(strstr(err_text(e), part), "\"%s\" lacks \"%s\"", err_text(e),
              part);
    err_free(e);
}

static Err *refuse(void *ctx, const Chunk *c)
{
    (void)c;
    ++*(int *)ctx;
    return err_new(ERR_IO, "the reader had enough");
}

Test(exec, refused_feeds)
{
    Toy t;
    int calls = 0;
    volatile sig_atomic_t stop = 1;
    int32_t many[TOY_CONTEXT + 1] = {0}, bad[] = {0, 1, TOY_VOCABULARY},
                               negative[] = {-1};
    toy_ok(toy_open(&t, toy_plan, 1));
    expect_feed_error(&t, &(Feed){.tokens = many, .n = TOY_CONTEXT + 1},
                      ERR_LIMIT, "context is full");
    expect_feed_error(&t, &(Feed){.tokens = bad, .n = 3}, ERR_INPUT,
                      "token id 16 is outside");
    expect_feed_error(&t, &(Feed){.tokens = negative, .n = 1}, ERR_INPUT,
                      "token id -1 is outside");
    expect_feed_error(&t, &(Feed){.program = 1, .tokens = many, .n = 1},
                      ERR_INPUT, "needs hidden");
    expect_feed_error(
        &t, &(Feed){.tokens = many, .n = 20, .chunk = refuse, .ctx = &calls},
        ERR_IO, "had enough");
    cr_expect_eq(calls, 1);
    session_set_stop(t.session, &stop);
    expect_feed_error(&t, &(Feed){.tokens = many, .n = 1}, ERR_STOPPED, "");
    session_set_stop(t.session, NULL);
    toy_ok(session_reset(t.session));
    toy_ok(session_feed(t.session, &(Feed){.tokens = many, .n = TOY_CONTEXT}));
    expect_feed_error(&t, &(Feed){.tokens = many, .n = 1}, ERR_LIMIT,
                      "room for 0 of 40");
    toy_close(&t);
}

typedef struct {
    int steps, wrong;
    double seconds;
} Traced;

static void trace(void *ctx, const ExecTraced *of)
{
    Traced *t = ctx;
    t->wrong += strcmp(of->program->name, "main") != 0 ||
                of->step != t->steps % 5 || of->tokens != 6 ||
                of->past != t->steps / 5 * 6;
    t->steps++;
    t->seconds += of->seconds;
}

Test(exec, trace)
{
    Toy t;
    int32_t tokens[N];
    Traced traced = {0};
    make_tokens(tokens);
    toy_ok(toy_open(&t, toy_plan, 1));
    exec_set_trace(t.executor, trace, &traced);
    toy_ok(session_feed(t.session,
                        &(Feed){.tokens = tokens, .n = 12, .wanted = 12}));
    cr_expect_eq(traced.steps, 10); /* two steps of six tokens, five launches */
    cr_expect_eq(traced.wrong, 0);
    cr_expect(traced.seconds > 0);
    toy_close(&t);
}

/* ---- opening what cannot work */

static char *changed(const char *from, const char *to)
{
    const char *at = strstr(toy_plan, from);
    cr_assert(at);
    size_t head = (size_t)(at - toy_plan);
    char *text = calloc(1, sizeof toy_plan + strlen(to));
    memcpy(text, toy_plan, head);
    strcpy(text + head, to);
    strcat(text, at + strlen(from));
    return text;
}

Test(exec, refused_plans)
{
    static const char *const cases[][3] = {
        {"d1 \"host:1\" \"host\" capacity 0",
         "d1 \"host:1\" \"host\" capacity 1500", "36 more than its memory"},
        {"d1 \"host:1\" \"host\"", "d1 \"host:1\" \"disk\"", "kind 'disk'"},
        {"d1 \"host:1\" \"host\"", "d1 \"host:1\" \"cuda\"",
         "no kernels were made for this card"},
        {"w0 \"table\"", "w0 \"chair\"", "no tensor 'chair'"},
        {"w0 \"table\" f32 [8, 16]", "w0 \"table\" i32 [8, 16]",
         "is f32, the plan expects i32"},
        {"w0 \"table\" f32 [8, 16]", "w0 \"table\" f32 [16, 8]",
         "not the shape"},
        {"func mix", "func mix\n| fault:compile", "told to fail"},
        {"func mix", "func mix\n| fault:load", "told to fail"},
        {"func mix", "func mix\n| fault:info", "wrongly"},
        {"func mix", "func max", "lacks kernel 'mix'"},
        {"input \"outputs\"", "input \"inputs\"", "does not know"},
        {"input \"tokens\" b0\ninput \"outputs\" b5", "input \"outputs\" b5",
         "takes no tokens"},
        {"input \"tokens\" b0", "input \"tokens\" b5", "must be i32 [T]"},
        {"input \"hidden\" b3", "input \"hidden\" b6",
         "must be f32 [T, width]"},
        {"output \"logits\" b6", "output \"logits\" b1", "must be f32 [R"},
        {"tap \"x[0]\" b1", "tap \"x[0]\" b0", "must be f32 [T, width]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Toy t;
        char *text = changed(cases[i][0], cases[i][1]);
        Err *e = toy_open(&t, text, 2);
        cr_assert(e, "'%s' must be refused", cases[i][1]);
        cr_expect(strstr(err_text(e), cases[i][2]), "'%s': \"%s\" lacks \"%s\"",
                  cases[i][1], err_text(e), cases[i][2]);
        err_free(e);
        toy_close(&t);
        free(text);
    }
}

Test(exec, provider_must_be_there)
{
    static const char *const cases[][2] = {
        {"/nonexistent.so", "cannot open the host compiler"},
        {"libm.so.6", "is not a host compiler"},
    };
    for (int i = 0; i < 2; i++) {
        const HostProvider *p;
        Err *e = provider_open(cases[i][0], &p);
        cr_assert(e && !p);
        cr_expect(strstr(err_text(e), cases[i][1]), "%s", err_text(e));
        err_free(e);
    }
}
