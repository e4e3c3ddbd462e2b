/* tokenizer_whole.c - normal tokens by their bytes. */
#include <string.h>

#include "hash.h"
#include "tokenizer_impl.h"

void tokenizer_whole_init(Tokenizer *t)
{
    uint32_t cap = 1024;
    while (cap < 2 * (uint32_t)t->n)
        cap *= 2;
    t->whole = ARENA_ARRAY(t->arena, uint32_t, cap);
    t->whole_mask = cap - 1;
}

/* The slot of these bytes, or a free one; NULL if too many share a bucket. */
static uint32_t *slot_of(const Tokenizer *t, const char *s, size_t n)
{
    uint32_t at = (uint32_t)hash_mix(hash_bytes(HASH_START, s, n));
    for (int probe = 0; probe < HASH_MAX_PROBES; probe++, at++) {
        uint32_t *slot = &t->whole[at & t->whole_mask];
        size_t have = 0;
        const char *p =
            *slot ? tokenizer_bytes(t, (int32_t)*slot - 1, &have) : "";
        if (!*slot || (have == n && memcmp(p, s, n) == 0))
            return slot;
    }
    return NULL;
}

Err *tokenizer_whole_add(Tokenizer *t, int32_t id)
{
    size_t n;
    const char *s = tokenizer_bytes(t, id, &n);
    uint32_t *slot = slot_of(t, s, n);
    if (!slot)
        return err_new(ERR_INPUT,
                       "tokenizer.ggml.tokens[%d]: too many entries fall into "
                       "one hash bucket",
                       id);
    *slot = (uint32_t)id + 1;
    return NULL;
}

int32_t tokenizer_whole_find(const Tokenizer *t, const char *s, size_t n)
{
    const uint32_t *slot = slot_of(t, s, n);
    return slot ? (int32_t)*slot - 1 : -1;
}
