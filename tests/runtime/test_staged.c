/* test_staged.c - a hand-written plan of three stages through the executor:
 * several chunks in flight must give what one after the other gives. */
#include "tests/runtime/toy.h"

enum { N = 37 };

/* Embedding, states and head on a device each.  The head's `hidden` is y + y:
 * results have no slots. */
static const char staged_plan[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 40\n"
    "batch 6\n"
    "outputs 3\n"
    "d0 \"host:0\" \"host\" capacity 0 reserve 0 bandwidth 0 "
    "weights 512 states 0 scratch 256\n"
    "d1 \"host:1\" \"host\" capacity 0 reserve 0 bandwidth 0 "
    "weights 0 states 1344 scratch 640\n"
    "d2 \"host:2\" \"host\" capacity 0 reserve 0 bandwidth 0 "
    "weights 512 states 0 scratch 1024\n"
    "w0 \"table\" f32 [8, 16] embedding d0 at 0 bytes 512\n"
    "w1 \"table\" f32 [8, 16] head d2 at 0 bytes 512\n"
    "s0 \"rows\" per_token f32 8 d1 at 0 bytes 1280\n"
    "s1 \"sum\" fixed f32 8 d1 at 1280 bytes 32\n"
    "b0 \"tokens\" i32 [T] d0 at 0 bytes 24\n"
    "b1 \"x\" f32 [T, 8] d0 at 64 bytes 192\n"
    "b2 \"x\" f32 [T, 8] slots 2 d1 at 192 bytes 192\n"
    "b3 \"y\" f32 [T, 8] d1 at 0 bytes 192\n"
    "b4 \"y\" f32 [T, 8] slots 2 d2 at 64 bytes 192\n"
    "b5 \"outputs\" i32 [R] d2 at 0 bytes 12\n"
    "b6 \"logits\" f32 [R, 16] d2 at 448 bytes 192\n"
    "b7 \"hidden\" f32 [T, 8] d2 at 640 bytes 192\n"
    "k0 \"embed\"\n| func embed\n"
    "k1 \"append\"\n| func append\n"
    "k2 \"mix\"\n| func mix\n"
    "k3 \"head\"\n| func head\n"
    "k4 \"add\"\n| func add\n"
    "program \"main\"\n"
    "input \"tokens\" b0\n"
    "input \"outputs\" b5\n"
    "output \"logits\" b6\n"
    "output \"hidden\" b7\n"
    "stage d0\n"
    "launch k0 on d0 (b0, w0, b1) \"x\"\n"
    "copy on d1 (b1, b2) \"x\"\n"
    "stage d1\n"
    "launch k1 on d1 (b2, s0) \"rows\"\n"
    "launch k2 on d1 (s0, s1, b3) \"y\"\n"
    "copy on d2 (b3, b4) \"y\"\n"
    "stage d2\n"
    "launch k3 on d2 (b4, w1, b5, b6) \"logits\"\n"
    "launch k4 on d2 (b4, b4, b7) \"hidden\"\n";

typedef struct {
    const ToyWant *want;
    int64_t base; /* tokens fed before */
    int64_t tokens, rows, wrong;
    int64_t fail_at; /* tokens after which the reader has enough; 0: never */
} Check;

static Err *check(void *ctx, const Chunk *c)
{
    Check *k = ctx;
    k->wrong += k->base + c->first != k->tokens;
    for (int64_t i = 0; i < c->n * TOY_WIDTH; i++) {
        float y = k->want->y[k->tokens + i / TOY_WIDTH][i % TOY_WIDTH];
        k->wrong += !(c->result.hidden[i] == y + y);
    }
    for (int64_t r = 0; r < c->n_rows; r++)
        for (int v = 0; v < TOY_VOCABULARY; v++)
            k->wrong += !(c->result.logits[r * TOY_VOCABULARY + v] ==
                          k->want->logits[k->tokens + c->rows[r]][v]);
    k->tokens += c->n;
    k->rows += c->n_rows;
    return k->fail_at && k->tokens >= k->fail_at
               ? err_new(ERR_IO, "the reader had enough")
               : NULL;
}

static void make_tokens(int32_t *tokens)
{
    for (int i = 0; i < N; i++)
        tokens[i] = (int32_t)((i * 7 + 3) % TOY_VOCABULARY);
}

/* A prompt of `prompt` tokens at once, then one token at a time. */
static void feed_and_check(Toy *t, int prompt, int last)
{
    int32_t tokens[N];
    make_tokens(tokens);
    ToyWant *want = toy_want(tokens, N);
    Check k = {.want = want};
    toy_ok(session_reset(t->session));
    for (int at = 0, n = prompt; at < N; at += n, n = 1) {
        Feed f = {.tokens = tokens + at,
                  .n = n,
                  .wanted = n > last ? n - last : 0,
                  .chunk = check,
                  .ctx = &k};
        k.base = at;
        toy_ok(session_feed(t->session, &f));
    }
    cr_expect_eq(k.wrong, 0, "prompt %d, last %d", prompt, last);
    cr_expect_eq(k.tokens, N);
    free(want);
}

Test(staged, any_prompt_any_threads)
{
    for (int threads = 1; threads <= 5; threads++) {
        Toy t;
        toy_ok(toy_open(&t, staged_plan, threads));
        for (int prompt = 1; prompt <= N; prompt += 3) {
            feed_and_check(&t, prompt, 1);
            feed_and_check(&t, prompt, N);
            feed_and_check(&t, prompt, 0);
        }
        toy_close(&t);
    }
}

Test(staged, nothing_is_read_before_it_is_made)
{
    Toy t;
    toy_ok(toy_open(&t, staged_plan, 3));
    ExecSpec spec = {.plan = t.plan,
                     .file = t.gguf,
                     .kernels = t.kernels,
                     .pool = t.pool,
                     .poison = true};
    session_free(t.session);
    toy_ok(exec_open(&spec, &t.executor));
    t.session = session_new(t.executor);
    for (int prompt = 1; prompt <= N; prompt += 4)
        feed_and_check(&t, prompt, 2);
    toy_close(&t);
}

/* A chunk behind the other through every stage. */
static void expect_order(const Span *s, int64_t chunks, int stages)
{
    for (int64_t c = 0; c < chunks; c++)
        for (int i = 0; i < stages; i++) {
            const Span *here = &s[c * stages + i];
            cr_expect(here->start <= here->end);
            if (i > 0)
                cr_expect(here->start >= here[-1].end);
            if (c > 0)
                cr_expect(here->start >= s[(c - 1) * stages + i].end);
        }
}

Test(staged, says_when_who_did_what)
{
    Toy t;
    int64_t n = -1;
    toy_ok(toy_open(&t, staged_plan, 2));
    cr_expect(!exec_spans(t.executor, 0, &n) && n == 0);
    feed_and_check(&t, N, 1);
    const Span *s = exec_spans(t.executor, 0, &n);
    cr_assert(s);
    cr_expect_eq(n, (N + TOY_BATCH - 1) / TOY_BATCH);
    expect_order(s, n, 3);
    toy_close(&t);
}

/* Processor cores are shared: as many devices work as there are threads. */
Test(staged, threads_bound_what_works_at_once)
{
    for (int threads = 1; threads <= 5; threads++) {
        Toy t;
        toy_ok(toy_open(&t, staged_plan, threads));
        cr_expect_eq(exec_lanes(t.executor, 0), threads < 3 ? threads : 3);
        toy_close(&t);
    }
}

Test(staged, an_error_ends_it_and_a_reset_mends_it)
{
    Toy t;
    int32_t tokens[N];
    make_tokens(tokens);
    ToyWant *want = toy_want(tokens, N);
    toy_ok(toy_open(&t, staged_plan, 3));
    for (int64_t fail_at = 1; fail_at < N; fail_at += 9) {
        Check k = {.want = want, .fail_at = fail_at};
        toy_ok(session_reset(t.session));
        Err *e = session_feed(t.session, &(Feed){.tokens = tokens,
                                                 .n = N,
                                                 .wanted = N,
                                                 .chunk = check,
                                                 .ctx = &k});
        cr_assert(e);
        cr_expect_eq(err_code(e), ERR_IO);
        cr_expect_eq(k.wrong, 0);
        cr_expect_lt(k.tokens, fail_at + TOY_BATCH);
        err_free(e);
        feed_and_check(&t, N, 1);
    }
    toy_close(&t);
    free(want);
}

static volatile sig_atomic_t stop;

static Err *set_stop(void *ctx, const Chunk *c)
{
    (void)c;
    ++*(int *)ctx;
    stop = 1;
    return NULL;
}

Test(staged, stops_between_steps)
{
    Toy t;
    int32_t tokens[N];
    int calls = 0;
    make_tokens(tokens);
    toy_ok(toy_open(&t, staged_plan, 2));
    session_set_stop(t.session, &stop);
    Err *e = session_feed(t.session, &(Feed){.tokens = tokens,
                                             .n = N,
                                             .wanted = N,
                                             .chunk = set_stop,
                                             .ctx = &calls});
    cr_assert(e);
    cr_expect_eq(err_code(e), ERR_STOPPED);
    cr_expect_eq(calls, 1);
    err_free(e);
    toy_close(&t);
}
