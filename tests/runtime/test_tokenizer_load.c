/* Vocabularies that no trainer makes: each is refused in words, nothing leaks.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/tiny_vocab.h"
#include "runtime/tokenizer.h"

static void assert_refused(Tiny *v, const char *words)
{
    Tokenizer *t = NULL;
    Err *e = tokenizer_new(tiny_info(v), NULL, &t);
    cr_assert(e && strstr(err_text(e), words), "wanted '%s', got '%s'", words,
              e ? err_text(e) : "no error");
    cr_assert_null(t);
    err_free(e);
    tiny_free(v);
}

static void drop_key(Tiny *v, const char *key)
{
    int64_t n = 0;
    for (int64_t i = 0; i < v->info.n_meta; i++)
        if (strcmp(v->meta[i].key, key) != 0)
            v->meta[n++] = v->meta[i];
    v->info.n_meta = n;
}

static void set_merge(Tiny *v, int i, const char *s)
{
    v->merge[i] = s;
    v->merge_len[i] = (uint32_t)strlen(s);
}

static void set_token(Tiny *v, int i, const char *s)
{
    v->token[i] = s;
    v->token_len[i] = (uint32_t)strlen(s);
}

Test(tokenizer_load, missing_keys)
{
    static const char *const keys[] = {"tokenizer.ggml.model",
                                       "tokenizer.ggml.tokens",
                                       "tokenizer.ggml.merges"};
    for (int i = 0; i < 3; i++) {
        Tiny *v = tiny_new("qwen35");
        drop_key(v, keys[i]);
        assert_refused(v, keys[i]);
    }
}

Test(tokenizer_load, no_splitter_is_the_default_one)
{
    Tiny *v = tiny_new("qwen35");
    Tokenizer *t = NULL;
    Tokens ids = {0};
    drop_key(v, "tokenizer.ggml.pre");
    cr_assert_null(tokenizer_new(tiny_info(v), NULL, &t));
    cr_assert_null(tokenizer_encode(t, "12", 2, 0, &ids));
    cr_assert_eq(ids.n, 1); /* qwen35 makes two of it */
    tokens_free(&ids);
    tokenizer_free(t);
    tiny_free(v);
}

Test(tokenizer_load, types_of_keys)
{
    static const char *const keys[] = {
        "tokenizer.ggml.model",        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",       "tokenizer.ggml.merges",
        "tokenizer.ggml.token_type",   "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.add_bos_token"};
    static const double half = 0.5;
    for (int i = 0; i < 7; i++) {
        Tiny *v = tiny_new("qwen35");
        tiny_meta(v, keys[i], META_FLOAT)->floats = &half;
        assert_refused(v, keys[i]);
    }
    Tiny *v = tiny_new("qwen35");
    tiny_meta(v, "tokenizer.ggml.model", META_STRING)->is_array = 1;
    assert_refused(v, "tokenizer.ggml.model is not a string");
}

Test(tokenizer_load, unknown_kinds_are_named)
{
    Tiny *v = tiny_new("qwen35");
    tiny_string(v, "tokenizer.ggml.model", "llama");
    assert_refused(v, "tokenizer.ggml.model is 'llama'");
    assert_refused(tiny_new("qwen3"), "'qwen3', which is not known here "
                                      "(known: default, gpt-2, ");
}

Test(tokenizer_load, token_type_is_optional)
{
    Tiny *v = tiny_new("qwen35");
    Tokenizer *t = NULL;
    drop_key(v, "tokenizer.ggml.token_type");
    cr_assert_null(tokenizer_new(tiny_info(v), NULL, &t));
    cr_assert_eq(tokenizer_real_size(t), v->n_tokens);
    cr_assert(tokenizer_is_end(t, tiny_find(v, "<|im_end|>")));
    tokenizer_free(t);
    tiny_free(v);
}

Test(tokenizer_load, token_types)
{
    Tiny *v = tiny_new("qwen35");
    v->type[5] = 0;
    assert_refused(v, "token_type[5] is 0");
    v = tiny_new("qwen35");
    v->type[6] = 7;
    assert_refused(v, "token_type[6] is 7");
    v = tiny_new("qwen35");
    v->type[7] = INT64_MIN;
    assert_refused(v, "token_type[7] is -9223372036854775808");
    v = tiny_new("qwen35");
    tiny_meta(v, "tokenizer.ggml.token_type", META_INT)->is_array = 1;
    v->meta[v->info.n_meta - 1].n = 0;
    assert_refused(v, "token_type has 0 entries");
}

Test(tokenizer_load, ids_of_keys)
{
    static const char *const keys[] = {
        "tokenizer.ggml.bos_token_id", "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.eot_token_id", "tokenizer.ggml.some_new_token_id"};
    static const int64_t bad[] = {-1, TINY_MAX, INT64_MAX, (int64_t)1 << 32};
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 4; i++) {
            Tiny *v = tiny_new("qwen35");
            tiny_int(v, keys[k], META_INT, bad[i]);
            assert_refused(v, keys[k]);
        }
}

Test(tokenizer_load, duplicate_and_empty_tokens)
{
    Tiny *v = tiny_new("qwen35");
    set_token(v, v->n_tokens - 1, "hello");
    assert_refused(v, "is the same as [");
    v = tiny_new("qwen35");
    set_token(v, v->n_tokens - 1, "");
    assert_refused(v, "has 0 bytes");
    v = tiny_new("qwen35");
    v->n_tokens = 0;
    tiny_arrays(v);
    tiny_int(v, "tokenizer.ggml.eos_token_id", META_INT, 0);
    assert_refused(v, "outside the vocabulary of 0");
}

Test(tokenizer_load, token_lengths)
{
    static char big[TOKEN_MAX_BYTES + 2];
    memset(big, 'b', sizeof big - 1);
    Tiny *v = tiny_new("qwen35");
    set_token(v, v->n_tokens - 1, big);
    assert_refused(v, "has 65537 bytes");
    v = tiny_new("qwen35");
    int last = v->n_tokens - 1;
    v->type[last] = 4;
    big[SPECIAL_MAX_BYTES + 1] = '\0';
    set_token(v, last, big);
    assert_refused(v, "added token of 513 bytes");
}

/* As Hugging Face does: the neighbours of a byte that is left out may merge. */
Test(tokenizer_load, bytes_without_a_token_are_left_out)
{
    Tiny *v = tiny_new("qwen35");
    Tokenizer *t = NULL;
    Tokens ids = {0};
    set_token(v, tiny_find(v, "Z"), "ZZ");
    cr_assert_null(tokenizer_new(tiny_info(v), NULL, &t));
    cr_assert_null(tokenizer_encode(t, "aZaZ", 4, 0, &ids));
    cr_assert_eq(ids.n, 1);
    cr_assert_eq(ids.id[0], tiny_find(v, "aa"));
    tokens_free(&ids);
    tokenizer_free(t);
    tiny_free(v);
}

Test(tokenizer_load, merges)
{
    static const struct {
        const char *merge, *words;
    } row[] = {
        {"", "not two tokens"},     {"he", "not two tokens"},
        {" he", "not two tokens"},  {"zz h", "its left half"},
        {"h zz", "its right half"}, {"h ", "its right half"},
        {"h h", "its result"},      {"l d", "the same pair as merge"},
        {"h  e", "its right half"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Tiny *v = tiny_new("qwen35");
        set_merge(v, v->n_merges - 1, row[i].merge);
        assert_refused(v, row[i].words);
    }
    Tiny *v = tiny_new("qwen35");
    v->n_merges = 0;
    tiny_arrays(v);
    Tokenizer *t = NULL;
    cr_assert_null(tokenizer_new(tiny_info(v), NULL, &t));
    tokenizer_free(t);
    tiny_free(v);
}

/* Tokens may hold any bytes; those outside the alphabet are taken as they are.
 */
Test(tokenizer_load, odd_spellings_are_text)
{
    Tiny *v = tiny_new("qwen35");
    Tokenizer *t = NULL;
    size_t n;
    int at = v->n_tokens - 1;
    v->type[at] = 1;
    set_token(v, at, "\xFF\xFE not UTF-8");
    cr_assert_null(tokenizer_new(tiny_info(v), NULL, &t));
    const char *s = tokenizer_bytes(t, at, &n);
    cr_assert(n == 12 && memcmp(s, "\xFF\xFE not UTF-8", n) == 0);
    tokenizer_free(t);
    tiny_free(v);
}
