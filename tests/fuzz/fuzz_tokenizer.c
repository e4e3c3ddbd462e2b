/* Any text goes through encode and decode and comes back; any ids decode.
 *
 * Byte 0 of the input picks splitter, engine, NFC and repair.  Without control
 * tokens: decode(encode(x)) == NFC of x between the user-defined tokens, which
 * for a vocabulary without such tokens would be NFC(x); the stretches are found
 *   here by plain search.  The stream decoder gives the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer.h"
#include "tests/runtime/tiny_vocab.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

/* One of each pattern; half of them by PCRE2's interpreter. */
static Tokenizer *tokenizer_of(unsigned how)
{
    static const char *const pre[] = {"qwen35",  "qwen2",  "gpt-2",  "smollm",
                                      "default", "llama3", "qwen35", "smollm"};
    static Tokenizer *made[256];
    Tokenizer **t = &made[how & 0xF2];
    if (!*t) {
        Tiny *v = tiny_new(pre[how >> 5 & 7]);
        TokenizerOptions o = {how & 2 ? NFC_ON : NFC_OFF, (how & 16) != 0};
        check(!tokenizer_new(tiny_info(v), &o, t));
        tiny_free(v); /* the tokenizer keeps nothing of it */
    }
    return *t;
}

static void normal(const char *s, size_t n, int nfc, Buf *out)
{
    if (nfc)
        check(!unicode_nfc(s, n, out));
    else
        buf_add(out, s, n);
}

/* Length of the user-defined token at s, the longest first; 0 if none. */
static size_t user_token(const char *s, size_t n)
{
    static const char *const text[] = {"<think>more", "</think>", "<think>"};
    for (int i = 0; i < 3; i++)
        if (strlen(text[i]) <= n && memcmp(s, text[i], strlen(text[i])) == 0)
            return strlen(text[i]);
    return 0;
}

static void expected(const char *s, size_t n, int nfc, Buf *out)
{
    size_t done = 0;
    for (size_t i = 0; i < n;) {
        size_t len = user_token(s + i, n - i);
        if (len) {
            normal(s + done, i - done, nfc, out);
            buf_add(out, s + i, len);
            done = i + len;
        }
        i += len ? len : 1;
    }
    normal(s + done, n - done, nfc, out);
}

static void same(const Buf *a, const Buf *b)
{
    check(a->n == b->n && (!a->n || memcmp(a->data, b->data, a->n) == 0));
}

static void round_trip(unsigned how, const char *s, size_t n)
{
    const Tokenizer *t = tokenizer_of(how);
    Tokens ids = {0};
    Buf text = {0}, back = {0}, want = {0}, streamed = {0};
    TokenStream stream = {0};
    buf_add(&text, "", 0);
    if (how & 4)
        unicode_repair(s, n, &text);
    else
        buf_add(&text, s, n);
    Err *e = tokenizer_encode(t, s, n, how & 4 ? TOKENIZE_REPAIR : 0, &ids);
    check(!e == (unicode_valid(text.data, text.n) == text.n));
    if (!e) {
        expected(text.data, text.n, (how & 2) != 0, &want);
        check(!tokenizer_decode(t, ids.id, ids.n, false, &back));
        for (size_t i = 0; i < ids.n; i++)
            check(!tokenizer_stream(t, &stream, ids.id[i], &streamed));
        tokenizer_stream_end(&stream, &streamed);
        same(&back, &want);
        same(&back, &streamed);
    }
    err_free(e);
    tokens_free(&ids);
    buf_free(&text);
    buf_free(&back);
    buf_free(&want);
    buf_free(&streamed);
}

/* The input as ids: the stream equals repairing the whole. */
static void any_ids(unsigned how, const unsigned char *p, size_t n)
{
    const Tokenizer *t = tokenizer_of(how);
    Buf bytes = {0}, want = {0}, got = {0};
    TokenStream stream = {.special = (how & 8) != 0};
    for (size_t i = 0; i + 1 < n; i += 2) {
        int32_t id = (p[i] << 8 | p[i + 1]) % (tokenizer_size(t) + 2) - 1;
        Err *a = tokenizer_decode(t, &id, 1, stream.special, &bytes);
        Err *b = tokenizer_stream(t, &stream, id, &got);
        check(!a == !b && !a == (id >= 0 && id < tokenizer_size(t)));
        err_free(a);
        err_free(b);
    }
    tokenizer_stream_end(&stream, &got);
    unicode_repair(bytes.data, bytes.n, &want);
    same(&want, &got);
    buf_free(&bytes);
    buf_free(&want);
    buf_free(&got);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    if (n == 0)
        return 0;
    round_trip(data[0], (const char *)data + 1, n - 1);
    any_ids(data[0], data + 1, n - 1);
    return 0;
}
