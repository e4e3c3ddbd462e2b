/* tiny_vocab.h - a hand-made vocabulary as a ModelInfo, for tests and fuzzers.
 *
 * Ids: 0..255 the byte alphabet in code point order, then one per merge, then
 * the added tokens.  Everything lives in the arena; a test may change any
 * array before it hands the ModelInfo on. */
#ifndef TESTS_TINY_VOCAB_H
#define TESTS_TINY_VOCAB_H

#include <string.h>

#include "base/arena.h"
#include "base/model_info.h"
#include "runtime/unicode.h"

enum { TINY_MAX = 512, TINY_META = 16 };

typedef struct {
    Arena *a;
    ModelInfo info;
    MetaValue meta[TINY_META];
    const char *token[TINY_MAX], *merge[TINY_MAX];
    uint32_t token_len[TINY_MAX], merge_len[TINY_MAX];
    int64_t type[TINY_MAX];
    int n_tokens, n_merges;
} Tiny;

/* "left right" in the stored spelling; the result becomes the next token
 * unless it is there already. */
static const char *const tiny_merges[] = {
    "h e",
    "l l",
    "he ll",
    "hell o",
    "\xC4\xA0 w",
    "o r",
    "\xC4\xA0w or",
    "l d",
    "\xC4\xA0wor ld",
    "a a",
    "aa aa",
    "aaaa aaaa",
    "\xC4\xA0 \xC4\xA0",
    "\xC4\x8A \xC4\x8A",
    "\xC3\x83 \xC2\xA9", /* the two bytes of U+00E9 */
    "x \xC3\x8C",        /* x and the first byte of U+0301 */
    "' s",
    "1 2",
    "i n",
    "in g",
    "n g",
};
static const struct {
    const char *text;
    int type;
} tiny_added[] = {
    {"<|endoftext|>", 3}, {"<|im_start|>", 3}, {"<|im_end|>", 3},
    {"<think>", 4},       {"</think>", 4},     {"<think>more", 4},
    {"<|fim_pad|>", 3},   {"<unk>", 2},        {"[PAD0]", 5},
};

static inline void tiny_token(Tiny *t, const char *s, size_t n, int type)
{
    t->token[t->n_tokens] = arena_strndup(t->a, s, n);
    t->token_len[t->n_tokens] = (uint32_t)n;
    t->type[t->n_tokens++] = type;
}

static inline int tiny_find(const Tiny *t, const char *s)
{
    for (int i = 0; i < t->n_tokens; i++)
        if (t->token_len[i] == strlen(s) && strcmp(t->token[i], s) == 0)
            return i;
    return -1;
}

static inline void tiny_bytes(Tiny *t)
{
    for (uint32_t cp = 33; cp < 0x144; cp++) {
        char text[UNICODE_MAX_BYTES];
        if ((cp > 126 && cp < 161) || cp == 173)
            continue;
        tiny_token(t, text, (size_t)unicode_put(cp, text), 1);
    }
}

static inline void tiny_merge(Tiny *t, const char *s)
{
    char joined[64];
    const char *gap = strchr(s + 1, ' ');
    size_t left = (size_t)(gap - s), right = strlen(gap + 1);
    t->merge[t->n_merges] = arena_strndup(t->a, s, strlen(s));
    t->merge_len[t->n_merges++] = (uint32_t)strlen(s);
    memcpy(joined, s, left);
    memcpy(joined + left, gap + 1, right + 1);
    if (tiny_find(t, joined) < 0)
        tiny_token(t, joined, left + right, 1);
}

/* A new key, or a replacement of the one that is there. */
static inline MetaValue *tiny_meta(Tiny *t, const char *key, MetaKind kind)
{
    int64_t i = 0;
    while (i < t->info.n_meta && strcmp(t->meta[i].key, key) != 0)
        i++;
    if (i == t->info.n_meta)
        t->info.n_meta++;
    t->meta[i] = (MetaValue){.key = key, .kind = kind, .n = 1};
    return &t->meta[i];
}

static inline void tiny_string(Tiny *t, const char *key, const char *s)
{
    const char **p = ARENA_NEW(t->a, const char *);
    uint32_t *n = ARENA_NEW(t->a, uint32_t);
    MetaValue *v = tiny_meta(t, key, META_STRING);
    *p = s;
    *n = (uint32_t)strlen(s);
    v->strings = p;
    v->lengths = n;
}

static inline void tiny_int(Tiny *t, const char *key, MetaKind kind,
                            int64_t value)
{
    int64_t *p = ARENA_NEW(t->a, int64_t);
    *p = value;
    tiny_meta(t, key, kind)->ints = p;
}

/* (Re)writes the three arrays from the fields above. */
static inline void tiny_arrays(Tiny *t)
{
    MetaValue *v = tiny_meta(t, "tokenizer.ggml.tokens", META_STRING);
    v->is_array = 1;
    v->n = t->n_tokens;
    v->strings = t->token;
    v->lengths = t->token_len;
    v = tiny_meta(t, "tokenizer.ggml.merges", META_STRING);
    v->is_array = 1;
    v->n = t->n_merges;
    v->strings = t->merge;
    v->lengths = t->merge_len;
    v = tiny_meta(t, "tokenizer.ggml.token_type", META_INT);
    v->is_array = 1;
    v->n = t->n_tokens;
    v->ints = t->type;
}

static inline Tiny *tiny_new(const char *pre)
{
    Arena *a = arena_new();
    Tiny *t = ARENA_NEW(a, Tiny);
    t->a = a;
    t->info.path = "tiny";
    t->info.meta = t->meta;
    tiny_bytes(t);
    for (size_t i = 0; i < sizeof tiny_merges / sizeof *tiny_merges; i++)
        tiny_merge(t, tiny_merges[i]);
    for (size_t i = 0; i < sizeof tiny_added / sizeof *tiny_added; i++)
        tiny_token(t, tiny_added[i].text, strlen(tiny_added[i].text),
                   tiny_added[i].type);
    tiny_string(t, "tokenizer.ggml.model", "gpt2");
    tiny_string(t, "tokenizer.ggml.pre", pre);
    tiny_int(t, "tokenizer.ggml.eos_token_id", META_INT,
             tiny_find(t, "<|im_end|>"));
    tiny_arrays(t);
    return t;
}

/* Call after the last change and before tokenizer_new. */
static inline const ModelInfo *tiny_info(Tiny *t)
{
    const char *twice = NULL;
    model_index(t->a, &t->info, &twice);
    return &t->info;
}

static inline void tiny_free(Tiny *t) { arena_free(t->a); }

#endif
