#include "runtime/tokenizer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/tiny_vocab.h"

typedef struct {
    Tiny *v;
    Tokenizer *t;
} Fixture;

static Fixture open_with(const char *pre, NfcMode nfc, bool no_jit)
{
    Fixture f = {.v = tiny_new(pre)};
    TokenizerOptions o = {nfc, no_jit};
    Err *e = tokenizer_new(tiny_info(f.v), &o, &f.t);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    return f;
}

static Fixture open_tiny(void) { return open_with("qwen35", NFC_DEFAULT, 0); }

static void shut(Fixture *f)
{
    tokenizer_free(f->t);
    tiny_free(f->v);
}

/* The tokens of a text in their stored spelling, with bars between. */
static void spell(const Fixture *f, const char *text, size_t n, unsigned flags,
                  Buf *out)
{
    Tokens ids = {0};
    Err *e = tokenizer_encode(f->t, text, n, flags, &ids);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    buf_clear(out);
    buf_puts(out, "");
    for (size_t i = 0; i < ids.n; i++)
        buf_printf(out, "%s%s", i ? "/" : "", f->v->token[ids.id[i]]);
    tokens_free(&ids);
}

static void assert_tokens(const Fixture *f, const char *text, unsigned flags,
                          const char *want)
{
    Buf b = {0};
    spell(f, text, strlen(text), flags, &b);
    cr_assert_str_eq(b.data, want, "'%s' gave %s, wanted %s", text, b.data,
                     want);
    buf_free(&b);
}

static void assert_decodes(const Fixture *f, const char *spelling, bool special,
                           const char *want)
{
    Buf b = {0};
    buf_puts(&b, "");
    int32_t id = tiny_find(f->v, spelling);
    cr_assert(id >= 0);
    cr_assert_null(tokenizer_decode(f->t, &id, 1, special, &b));
    cr_assert_str_eq(b.data, want);
    buf_free(&b);
}

#define G "\xC4\xA0" /* a blank, spelt U+0120 */
#define N "\xC4\x8A" /* a newline, spelt U+010A */

Test(tokenizer, merges_by_rank_and_from_the_left)
{
    Fixture f = open_tiny();
    assert_tokens(&f, "", 0, "");
    Tokens none = {0};
    cr_assert_null(tokenizer_encode(f.t, NULL, 0, TOKENIZE_SPECIAL, &none));
    cr_assert_eq(none.n, 0);
    assert_tokens(&f, "h", 0, "h");
    assert_tokens(&f, "hello world", 0, "hello/" G "world");
    assert_tokens(&f, "hell", 0, "hell");
    assert_tokens(&f, "aaa", 0, "aa/a");
    assert_tokens(&f, "aaaaaaa", 0, "aaaa/aa/a");
    assert_tokens(&f, "ing", 0, "ing"); /* "in" has the lower rank than "ng" */
    assert_tokens(&f, "xng", 0, "x/ng");
    shut(&f);
}

Test(tokenizer, pieces_are_cut_before_merging)
{
    Fixture f = open_tiny();
    assert_tokens(&f, "12", 0, "1/2"); /* the merge "1 2" never applies */
    assert_tokens(&f, "aa1aa", 0, "aa/1/aa");
    assert_tokens(&f, "a's", 0, "a/'s");
    assert_tokens(&f, "a'S", 0, "a/'/S");
    assert_tokens(&f, "a  aa", 0, "a/" G "/" G "/aa");
    assert_tokens(&f, "a   world", 0, "a/" G G "/" G "world");
    assert_tokens(&f, "a  ", 0, "a/" G G);
    assert_tokens(&f, "a\n\n", 0, "a/" N N);
    assert_tokens(&f, "!\n\n", 0, "!/" N N);
    shut(&f);
}

/* U+0301 is a mark: part of a word for qwen35, of a symbol run for qwen2. */
Test(tokenizer, splitters_differ_in_marks)
{
    Fixture a = open_with("qwen35", NFC_DEFAULT, false);
    Fixture b = open_with("qwen2", NFC_DEFAULT, false);
    assert_tokens(&a, "x\xCC\x81", 0, "x\xC3\x8C/\xC4\xA3");
    assert_tokens(&b, "x\xCC\x81", 0, "x/\xC3\x8C/\xC4\xA3");
    shut(&a);
    shut(&b);
}

static void assert_cut(const char *pre, const char *text, const char *want)
{
    Fixture f = open_with(pre, NFC_DEFAULT, false);
    assert_tokens(&f, text, 0, want);
    shut(&f);
}

/* "12" is a merge, so what stays together shows. */
Test(tokenizer, splitters_differ_in_digits)
{
    static const char text[] = "x  121234!  12\xC3\xA9";
    assert_cut("gpt-2", text,
               "x/" G "/" G "/12/12/3/4/!/" G "/" G "/12/\xC3\x83\xC2\xA9");
    assert_cut("llama-bpe", text,
               "x/" G "/" G "/12/1/2/3/4/!/" G "/" G "/12/\xC3\x83\xC2\xA9");
    assert_cut("smollm", text,
               "x/" G G "/1/2/1/2/3/4/!/" G G "/1/2/\xC3\x83\xC2\xA9");
    assert_cut("default", text,
               "x/" G "/" G "/12/1/2/3/4/!/" G "/" G "/12/\xC3\x83\xC2\xA9");
    assert_cut("qwen2", text,
               "x/" G "/" G "/1/2/1/2/3/4/!/" G "/" G "/1/2/\xC3\x83\xC2\xA9");
}

/* Which signs a word, a number or a blank goes with. */
Test(tokenizer, splitters_differ_in_signs)
{
    assert_cut("gpt-2", "a's A'S", "a/'s/" G "/A/'/S");
    assert_cut("default", "aa's", "aa/'/s");
    assert_cut("llama-bpe", "aa'S", "aa/'/S");
    assert_cut("gpt-2", "a !\n\n", "a/" G "/!/" N N);
    assert_cut("llama-bpe", "a!\n\n", "a/!/" N N);
    assert_cut("default", "a  !", "a/" G G "/!");
    assert_cut("gpt-2", "a  !", "a/" G "/" G "/!");
    assert_cut("smollm", "aa  1", "aa/" G G "/1");
    assert_cut("smollm", "aa  aa", "aa/" G "/" G "/aa");
}

/* Merging never reaches "ellow"; whoever takes whole pieces does. */
Test(tokenizer, whole_pieces_come_before_merges)
{
    const char *const pre[] = {"llama-bpe", "gpt-2"};
    const char *const want[] = {"ellow/" G "world", "e/ll/o/w/" G "world"};
    for (int i = 0; i < 2; i++) {
        Fixture f = {.v = tiny_new(pre[i])};
        tiny_token(f.v, "ellow", 5, 1);
        tiny_arrays(f.v);
        cr_assert_null(tokenizer_new(tiny_info(f.v), NULL, &f.t));
        assert_tokens(&f, "ellow world", 0, want[i]);
        assert_tokens(&f, "", 0, "");
        shut(&f);
    }
}

Test(tokenizer, nfc_by_default_and_on_demand)
{
    Fixture on = open_tiny(), off = open_with("qwen35", NFC_OFF, false);
    assert_tokens(&on, "e\xCC\x81", 0, "\xC3\x83\xC2\xA9");
    assert_tokens(&off, "e\xCC\x81", 0, "e/\xC3\x8C/\xC4\xA3");
    assert_tokens(&off, "\xC3\xA9", 0, "\xC3\x83\xC2\xA9");
    shut(&on);
    shut(&off);
}

/* ---- added tokens */

Test(tokenizer, user_defined_always_control_on_demand)
{
    Fixture f = open_tiny();
    int32_t start = tiny_find(f.v, "<|im_start|>");
    assert_tokens(&f, "aa<think>aa</think>", 0, "aa/<think>/aa/</think>");
    assert_tokens(&f, "<|im_start|>aa<think>", TOKENIZE_SPECIAL,
                  "<|im_start|>/aa/<think>");
    Tokens ids = {0};
    cr_assert_null(tokenizer_encode(f.t, "<|im_start|>", 12, 0, &ids));
    for (size_t i = 0; i < ids.n; i++)
        cr_assert_neq(ids.id[i], start);
    tokens_free(&ids);
    assert_tokens(&f, "<unk>", TOKENIZE_SPECIAL, "<unk>");
    assert_tokens(&f, "[PAD0]", TOKENIZE_SPECIAL, "[/P/A/D/0/]");
    shut(&f);
}

Test(tokenizer, longest_added_token_wins)
{
    Fixture f = open_tiny();
    assert_tokens(&f, "<think>more", 0, "<think>more");
    assert_tokens(&f, "<think>mor", 0, "<think>/m/or");
    assert_tokens(&f, "<think<think>", 0, "</t/h/in/k/<think>");
    assert_tokens(&f, "<think><think>", 0, "<think>/<think>");
    shut(&f);
}

/* Look-ahead stops at an added token, and NFC does not reach across one. */
Test(tokenizer, added_tokens_bound_everything)
{
    Fixture f = open_tiny();
    assert_tokens(&f, "a  <think>", 0, "a/" G G "/<think>");
    assert_tokens(&f, "e<think>\xCC\x81", 0, "e/<think>/\xC3\x8C/\xC4\xA3");
    shut(&f);
}

Test(tokenizer, find_looks_up_added_tokens)
{
    Fixture f = open_tiny();
    cr_assert_eq(tokenizer_find(f.t, "<think>", 7), tiny_find(f.v, "<think>"));
    cr_assert_eq(tokenizer_find(f.t, "<|im_end|>", 10),
                 tiny_find(f.v, "<|im_end|>"));
    cr_assert_eq(tokenizer_find(f.t, "<thin", 5), -1);
    cr_assert_eq(tokenizer_find(f.t, "hello", 5), -1);
    cr_assert_eq(tokenizer_find(f.t, "", 0), -1);
    shut(&f);
}

Test(tokenizer, ends_by_key_and_by_text)
{
    Fixture f = open_tiny();
    int n = 0;
    const int32_t *ends = tokenizer_ends(f.t, &n);
    cr_assert_eq(n, 3);
    cr_assert_eq(ends[0], tiny_find(f.v, "<|endoftext|>"));
    cr_assert_eq(ends[1], tiny_find(f.v, "<|im_end|>"));
    cr_assert_eq(ends[2], tiny_find(f.v, "<|fim_pad|>"));
    cr_assert(tokenizer_is_end(f.t, ends[1]));
    cr_assert(!tokenizer_is_end(f.t, tiny_find(f.v, "<|im_start|>")));
    cr_assert_eq(tokenizer_size(f.t), f.v->n_tokens);
    cr_assert_eq(tokenizer_real_size(f.t), f.v->n_tokens - 1);
    shut(&f);
}

Test(tokenizer, keys_add_ends_and_replace_fim)
{
    Fixture f = {.v = tiny_new("qwen2")};
    int n = 0;
    tiny_int(f.v, "tokenizer.ggml.eot_token_id", META_INT,
             tiny_find(f.v, "hello"));
    tiny_int(f.v, "tokenizer.ggml.fim_pad_token_id", META_INT,
             tiny_find(f.v, "<|im_start|>"));
    cr_assert_null(tokenizer_new(tiny_info(f.v), NULL, &f.t));
    tokenizer_ends(f.t, &n);
    cr_assert_eq(n, 3);
    cr_assert(tokenizer_is_end(f.t, tiny_find(f.v, "hello")));
    cr_assert(!tokenizer_is_end(f.t, tiny_find(f.v, "<|fim_pad|>")));
    shut(&f);
}

/* A user-defined end token would be printed and matched in user text. */
Test(tokenizer, end_tokens_are_control_whatever_the_file_says)
{
    Fixture f = {.v = tiny_new("qwen2")};
    f.v->type[tiny_find(f.v, "<|im_end|>")] = 4;
    f.v->type[tiny_find(f.v, "<|endoftext|>")] = 1;
    cr_assert_null(tokenizer_new(tiny_info(f.v), NULL, &f.t));
    assert_decodes(&f, "<|im_end|>", false, "");
    assert_decodes(&f, "<|endoftext|>", false, "");
    assert_tokens(&f, "<|im_end|>", TOKENIZE_SPECIAL, "<|im_end|>");
    Tokens ids = {0};
    cr_assert_null(tokenizer_encode(f.t, "<|im_end|>", 10, 0, &ids));
    cr_assert(ids.n > 1);
    tokens_free(&ids);
    shut(&f);
}

Test(tokenizer, bos_only_if_named_and_wanted)
{
    const struct {
        bool id, add;
    } row[] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    for (int i = 0; i < 4; i++) {
        Fixture f = {.v = tiny_new("qwen2")};
        int32_t bos = tiny_find(f.v, "<|endoftext|>");
        if (row[i].id)
            tiny_int(f.v, "tokenizer.ggml.bos_token_id", META_INT, bos);
        tiny_int(f.v, "tokenizer.ggml.add_bos_token", META_BOOL, row[i].add);
        cr_assert_null(tokenizer_new(tiny_info(f.v), NULL, &f.t));
        cr_assert_eq(tokenizer_bos(f.t), i == 3 ? bos : -1);
        assert_tokens(&f, "aa", TOKENIZE_BOS,
                      i == 3 ? "<|endoftext|>/aa" : "aa");
        assert_tokens(&f, "aa", 0, "aa");
        shut(&f);
    }
}

Test(tokenizer, bos_is_never_doubled)
{
    Fixture f = {.v = tiny_new("llama-bpe")};
    tiny_int(f.v, "tokenizer.ggml.bos_token_id", META_INT,
             tiny_find(f.v, "<|im_start|>"));
    cr_assert_null(tokenizer_new(tiny_info(f.v), NULL, &f.t));
    unsigned both = TOKENIZE_BOS | TOKENIZE_SPECIAL;
    assert_tokens(&f, "<|im_start|>aa", both, "<|im_start|>/aa");
    assert_tokens(&f, "aa<|im_start|>", both, "<|im_start|>/aa/<|im_start|>");
    assert_tokens(&f, "", both, "<|im_start|>");
    Tokens ids = {0};
    cr_assert_null(
        tokenizer_encode(f.t, "<|im_start|>", 12, TOKENIZE_BOS, &ids));
    cr_assert_eq(ids.id[0], tiny_find(f.v, "<|im_start|>"));
    cr_assert(ids.n > 2); /* and the text as text */
    tokens_free(&ids);
    shut(&f);
}

/* Llama 3 begins every text with its BOS unless the file says otherwise. */
Test(tokenizer, bos_by_default_of_the_splitter)
{
    for (int add = -1; add < 2; add++) {
        Fixture f = {.v = tiny_new("llama-bpe")};
        int32_t bos = tiny_find(f.v, "<|endoftext|>");
        tiny_int(f.v, "tokenizer.ggml.bos_token_id", META_INT, bos);
        if (add >= 0)
            tiny_int(f.v, "tokenizer.ggml.add_bos_token", META_BOOL, add);
        cr_assert_null(tokenizer_new(tiny_info(f.v), NULL, &f.t));
        cr_assert_eq(tokenizer_bos(f.t), add == 0 ? -1 : bos);
        shut(&f);
    }
    Fixture f = open_with("llama-bpe", NFC_DEFAULT, false);
    cr_assert_eq(tokenizer_bos(f.t), -1); /* the file names none */
    shut(&f);
}

/* ---- ill-formed text */

Test(tokenizer, ill_formed_text_is_refused_with_the_offset)
{
    Fixture f = open_tiny();
    Tokens ids = {0};
    Err *e = tokenizer_encode(f.t, "hello \xFFworld", 12, 0, &ids);
    cr_assert(e && strstr(err_text(e), "byte 6 of the text (0xFF)"));
    err_free(e);
    e = tokenizer_encode(f.t, "h\xE2\x82", 3, 0, &ids);
    cr_assert(e && strstr(err_text(e), "byte 1 of the text (0xE2)"));
    err_free(e);
    cr_assert_eq(ids.n, 0);
    tokens_free(&ids);
    shut(&f);
}

Test(tokenizer, ill_formed_text_is_repaired_on_demand)
{
    Fixture f = open_tiny();
    Buf a = {0}, b = {0};
    spell(&f, "hello \xFFworld\xE2\x82", 14, TOKENIZE_REPAIR, &a);
    spell(&f, "hello \xEF\xBF\xBDworld\xEF\xBF\xBD", 17, 0, &b);
    cr_assert_str_eq(a.data, b.data);
    buf_free(&a);
    buf_free(&b);
    shut(&f);
}

Test(tokenizer, nul_is_a_character)
{
    Fixture f = open_tiny();
    Tokens ids = {0};
    Buf b = {0};
    cr_assert_null(tokenizer_encode(f.t, "aa\0aa", 5, 0, &ids));
    cr_assert_eq(ids.n, 3);
    cr_assert_null(tokenizer_decode(f.t, ids.id, ids.n, false, &b));
    cr_assert(b.n == 5 && memcmp(b.data, "aa\0aa", 5) == 0);
    buf_free(&b);
    tokens_free(&ids);
    shut(&f);
}

/* ---- decoding */

Test(tokenizer, decode_hides_control_and_unused)
{
    Fixture f = open_tiny();
    assert_decodes(&f, G "world", false, " world");
    assert_decodes(&f, "<think>", false, "<think>");
    assert_decodes(&f, "<|im_end|>", false, "");
    assert_decodes(&f, "<|im_end|>", true, "<|im_end|>");
    assert_decodes(&f, "<unk>", false, "");
    assert_decodes(&f, "[PAD0]", false, "");
    assert_decodes(&f, "[PAD0]", true, "[PAD0]");
    shut(&f);
}

Test(tokenizer, decode_refuses_ids_outside)
{
    Fixture f = open_tiny();
    Buf b = {0};
    TokenStream s = {0};
    const int32_t bad[] = {-1, tokenizer_size(f.t), INT32_MAX, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        Err *e = tokenizer_decode(f.t, &bad[i], 1, false, &b);
        cr_assert(e && strstr(err_text(e), "outside the vocabulary"));
        err_free(e);
        e = tokenizer_stream(f.t, &s, bad[i], &b);
        cr_assert(e && strstr(err_text(e), "outside the vocabulary"));
        err_free(e);
    }
    shut(&f);
}

/* Feeds bytes one token each; `steps` is what came out after each, with bars.
 */
static void assert_stream(const Fixture *f, const char *bytes,
                          const char *steps)
{
    TokenStream s = {0};
    Buf out = {0};
    for (const char *p = bytes; *p; p++) {
        size_t n;
        int32_t id = 0;
        while (tokenizer_bytes(f->t, id, &n)[0] != *p)
            id++;
        cr_assert_eq(n, 1);
        cr_assert_null(tokenizer_stream(f->t, &s, id, &out));
        buf_puts(&out, "|");
    }
    tokenizer_stream_end(&s, &out);
    cr_assert_str_eq(out.data, steps, "'%s'", out.data);
    buf_free(&out);
}

#define FFFD "\xEF\xBF\xBD"

Test(tokenizer, stream_holds_back_half_characters)
{
    Fixture f = open_tiny();
    assert_stream(&f, "ab", "a|b|");
    assert_stream(&f, "\xF0\x9F\x98\x80!", "|||\xF0\x9F\x98\x80|!|");
    assert_stream(&f, "\xE2\x82", "||" FFFD);
    assert_stream(&f, "\xE2\x82x", "||" FFFD "x|");
    assert_stream(&f, "\x80\xC3\xA9", FFFD "||\xC3\xA9|");
    assert_stream(&f, "\xC0\xAF", FFFD "|" FFFD "|");
    assert_stream(&f, "\xED\xA0\x80", "|" FFFD FFFD "|" FFFD "|");
    assert_stream(&f, "\xF1\xBF\xF0\x9F\x98\x80",
                  "||" FFFD "|||\xF0\x9F\x98\x80|");
    shut(&f);
}

/* Any bytes, any cutting into tokens: the stream gives what repairing the
 * whole gives. */
Test(tokenizer, stream_equals_repairing_the_whole)
{
    Fixture f = open_tiny();
    uint32_t state = 1;
    for (int round = 0; round < 2000; round++) {
        Buf bytes = {0}, want = {0}, got = {0};
        TokenStream s = {0};
        for (int i = 0; i < 12; i++) {
            state = state * 1664525 + 1013904223;
            /* lead and tail bytes often, others sometimes */
            uint32_t r = state >> 16;
            int32_t id = (int32_t)(r % 3 ? r / 3 % 188 + 68 : r / 3 % 276);
            cr_assert_null(tokenizer_decode(f.t, &id, 1, false, &bytes));
            cr_assert_null(tokenizer_stream(f.t, &s, id, &got));
            cr_assert_eq(unicode_valid(got.data ? got.data : "", got.n), got.n);
        }
        tokenizer_stream_end(&s, &got);
        unicode_repair(bytes.data, bytes.n, &want);
        cr_assert_str_eq(got.data, want.data);
        buf_free(&bytes);
        buf_free(&want);
        buf_free(&got);
    }
    shut(&f);
}

/* ---- the splitter's two engines, and size */

static const char *const classes[] = {
    "a",
    "A",
    " ",
    "\n",
    "\r",
    "\t",
    "0",
    "!",
    "'",
    "\xCC\x81",
    "\xC3\xA9",
    "\xE4\xB8\xAD",
    "\xEA\xB0\x80",
    "\xF0\x9F\x98\x80",
    "\xE2\x80\x8D",
    "\xC2\xA0",
    "\xE3\x80\x80",
    "\xD9\xA3",
    "\xCE\x90",
    "he",
    " a",
    " \n",
    "\n ",
    "'s",
    "\xCC\x88\xCC\xA3",
    "<",
    "<think",
    "<|im_end|",
};

/* One name of each pattern. */
static const char *const patterns[] = {"qwen35", "qwen2",   "gpt-2",
                                       "smollm", "default", "llama-bpe"};
enum { N_CLASSES = sizeof classes / sizeof *classes, N_PATTERNS = 6 };

static void fill(Buf *b, const char *s, size_t n)
{
    buf_clear(b);
    while (b->n < n)
        buf_puts(b, s);
}

static void random_text(Buf *b, uint32_t *state)
{
    buf_clear(b);
    for (int i = 0; i < 60; i++) {
        *state = *state * 1664525 + 1013904223;
        buf_puts(b, classes[(*state >> 16) % N_CLASSES]);
    }
}

Test(tokenizer, jit_and_interpreter_agree)
{
    Buf text = {0}, x = {0}, y = {0};
    uint32_t state = 7;
    for (int round = 0; round < N_PATTERNS * 60; round++) {
        const char *pre = patterns[round / 60];
        Fixture a = open_with(pre, NFC_DEFAULT, false);
        Fixture b = open_with(pre, NFC_DEFAULT, true);
        random_text(&text, &state);
        spell(&a, text.data, text.n, 0, &x);
        spell(&b, text.data, text.n, 0, &y);
        cr_assert_str_eq(x.data, y.data);
        shut(&a);
        shut(&b);
    }
    buf_free(&text);
    buf_free(&x);
    buf_free(&y);
}

/* Long runs of one class: no recursion, no limit hit, and no quadratic time,
 * which would be hours. */
static void assert_runs(const char *pre, bool no_jit, size_t bytes, size_t only)
{
    Fixture f = open_with(pre, NFC_DEFAULT, no_jit);
    Buf text = {0};
    for (size_t i = 0; i < N_CLASSES; i++) {
        Tokens ids = {0};
        if (only < N_CLASSES && i != only)
            continue;
        fill(&text, classes[i], bytes);
        buf_puts(&text, "a");
        Err *e =
            tokenizer_encode(f.t, text.data, text.n, TOKENIZE_SPECIAL, &ids);
        cr_assert_null(e, "%s, class %zu: %s", pre, i, e ? err_text(e) : "");
        cr_assert(ids.n > 0);
        tokens_free(&ids);
    }
    buf_free(&text);
    shut(&f);
}

Test(tokenizer, long_runs_with_jit)
{
    for (int i = 0; i < N_PATTERNS; i++)
        assert_runs(patterns[i], false, 1 << 18, N_CLASSES);
}

Test(tokenizer, long_runs_interpreted)
{
    for (int i = 0; i < N_PATTERNS; i++)
        assert_runs(patterns[i], true, 1 << 17, N_CLASSES);
}

/* Letters, blanks, digits, marks, signs. */
Test(tokenizer, ten_megabytes)
{
    static const size_t some[] = {0, 2, 6, 9, 7};
    for (int i = 0; i < 5; i++)
        assert_runs(patterns[i], false, 10000000, some[i]);
}
