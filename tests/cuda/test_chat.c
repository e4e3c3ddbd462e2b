/* test_chat.c - texts of the demo model, whose DeltaNet states cannot be rolled
 * back, on the fake card: what has been fed when a text ends, and that a chat
 * goes on from there as if nothing had been queued ahead. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/load.h"
#include "runtime/generate.h"

enum { PROMPT = 5, MORE = 2, WIDTH = 8192, MOST = 8 };
static const int32_t prompt[PROMPT] = {500, 17, 3000, 42, 7};
static const int32_t more[MORE] = {900, 1234};

typedef struct {
    Session *session;
    int32_t id[MOST];
    int n, last; /* tokens so far; the number of the one that ends the text */
} Text;

static void ok(Err *e) { cr_assert(!e, "%s", e ? err_text(e) : ""); }

static Err *add(void *ctx, int32_t id, bool *go_on)
{
    Text *t = ctx;
    t->id[t->n++] = id;
    *go_on = t->n != t->last;
    return NULL;
}

/* A text behind the prompt: it ends by itself after `last` tokens or because
 * no more than `most` are wanted. */
static Text write_text(Session *s, int last, int64_t most, bool on_host)
{
    SamplerParams p = sampler_defaults();
    Text t = {.session = s, .last = last};
    p.seed = 3;
    p.frequency_penalty = 0.5;
    ok(generate(s, &(Generate){.tokens = prompt,
                               .n = PROMPT,
                               .params = &p,
                               .vocab = WIDTH - 40,
                               .most = most,
                               .on_host = on_host,
                               .token = add,
                               .ctx = &t}));
    cr_assert_eq(t.n, last ? last : most);
    return t;
}

static Err *keep(void *ctx, const Chunk *c)
{
    memcpy(ctx, c->result.logits, WIDTH * sizeof(float));
    return NULL;
}

static void feed(Session *s, const int32_t *ids, int64_t n, float *logits)
{
    ok(session_feed(s, &(Feed){.tokens = ids, .n = n, .wanted = n - 1,
                               .chunk = logits ? keep : NULL, .ctx = logits}));
}

/* What follows a text of three tokens of which `fed` were fed, and what follows
 * the same tokens given: the same bits. */
static void go_on(Session *s, const Text *t, int fed)
{
    static float got[WIDTH], want[WIDTH];
    cr_assert_eq(session_past(s, 0), PROMPT + fed);
    feed(s, more, MORE, got);
    ok(session_reset(s));
    feed(s, prompt, PROMPT, NULL);
    for (int i = 0; i < fed; i++)
        feed(s, &t->id[i], 1, NULL);
    feed(s, more, MORE, want);
    cr_assert_arr_eq(got, want, sizeof got);
}

static void check_texts(Session *s, int rounds)
{
    Text host = write_text(s, 3, 0, true);
    go_on(s, &host, 2);
    for (int i = 0; i < rounds; i++) { /* the second one from the recording */
        ok(session_reset(s));
        Text ended = write_text(s, 3, 0, false);
        cr_assert_arr_eq(ended.id, host.id, sizeof host.id);
        go_on(s, &ended, 3);
        ok(session_reset(s));
        Text whole = write_text(s, 0, 3, false);
        cr_assert_arr_eq(whole.id, host.id, sizeof host.id);
        go_on(s, &whole, 2);
    }
    /* back to a mark that lies before a text */
    ok(session_reset(s));
    feed(s, more, MORE, NULL);
    ok(session_mark(s));
    Text first = write_text(s, 6, 0, false);
    ok(session_rewind(s));
    Text again = write_text(s, 0, 6, false);
    cr_assert_arr_eq(first.id, again.id, sizeof first.id);
}

/* A list of biases for which no room was kept is the host's to choose by. */
static void check_biases(Session *s)
{
    enum { LONG = 3 * WIDTH };
    static SamplerBias bias[LONG];
    SamplerParams p = sampler_defaults();
    Choosing how = {.params = &p, .vocab = WIDTH - 40};
    Text text[2] = {{.last = 3}, {.last = 3}};
    for (int i = 0; i < LONG; i++)
        bias[i] = (SamplerBias){i % (WIDTH - 40), (float)(i % 7) * 0.1F};
    p.bias = bias;
    p.n_bias = WIDTH - 40;
    cr_assert(session_can_choose(s, 0, &how));
    p.n_bias = LONG;
    cr_assert(!session_can_choose(s, 0, &how));
    for (int i = 0; i < 2; i++) {
        ok(session_reset(s));
        ok(generate(s, &(Generate){.tokens = prompt,
                                   .n = PROMPT,
                                   .params = &p,
                                   .vocab = WIDTH - 40,
                                   .on_host = i == 0,
                                   .token = add,
                                   .ctx = &text[i]}));
    }
    cr_expect_arr_eq(text[0].id, text[1].id, sizeof text[0].id);
    ok(session_reset(s));
}

static void check_devices(const char *devices, const char *cache, int rounds)
{
    Options o;
    Loaded l;
    char *argv[] = {(char *)"sextet", (char *)"run", (char *)"--quiet",
                    (char *)devices, (char *)cache,
                    (char *)SOURCE_DIR "/models/demo/demo-q4_k.gguf", NULL};
    Arena *a = arena_new();
    ok(options_parse(a, 6, argv, &o));
    ok(load_open(&o, o.args[0], &(LoadWish){.context = 64, .outputs = 1}, &l));
    check_biases(l.session);
    check_texts(l.session, rounds);
    load_close(&l);
    arena_free(a);
}

/* Libraries that are open are found by their names. */
Test(chat, goes_on_where_a_text_ended)
{
    char cache[] = "--cache-dir=/tmp/sextet-chat-XXXXXX";
    char remove[sizeof cache + 20];
    cr_assert(dlopen(BUILD_DIR "/fakecuda/libcuda.so.1", RTLD_NOW));
    cr_assert(dlopen(BUILD_DIR "/fakecuda/libnvrtc.so.13", RTLD_NOW));
    cr_assert(mkdtemp(cache + strlen("--cache-dir=")));
    check_devices("--devices=cuda", cache, 2);
    check_devices("--devices=cuda:0*2", cache, 1);
    snprintf(remove, sizeof remove, "rm -r %s", cache + strlen("--cache-dir="));
    cr_assert_eq(system(remove), 0);
}
