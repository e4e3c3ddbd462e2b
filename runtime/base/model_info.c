#include "base/model_info.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/arena.h"

/* Open addressing; a slot holds an entry's number plus one, 0 if free. */
typedef struct {
    uint64_t mask; /* slots - 1, a power of two less one */
    uint32_t *slot;
} Table;

/* The names come from a file that may be hostile.  With a secret key its
 * author cannot choose names that all fall into one slot. */
typedef struct {
    uint64_t key[2];
    Table meta, tensors;
} Index;

static uint64_t rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"). */
static uint64_t hash(const uint64_t key[2], const char *s)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    size_t n = strlen(s), at = 0;
    for (bool last = false; !last; at += 8) {
        uint64_t word = 0;
        last = n - at < 8;
        memcpy(&word, s + at, last ? n - at : 8);
        if (last)
            word |= (uint64_t)n << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void make_key(uint64_t key[2])
{
    if (getrandom(key, 16, GRND_NONBLOCK) == 16)
        return;
    struct timespec t; /* early boot: better than a constant */
    clock_gettime(CLOCK_MONOTONIC, &t);
    key[0] = (uint64_t)t.tv_nsec ^ (uint64_t)(uintptr_t)key;
    key[1] = (uint64_t)t.tv_sec * 0x9e3779b97f4a7c15 ^ (uint64_t)(uintptr_t)&t;
}

static const char *meta_name(const ModelInfo *m, uint32_t i)
{
    return m->meta[i].key;
}
static const char *tensor_name(const ModelInfo *m, uint32_t i)
{
    return m->tensors[i].name;
}

typedef const char *NameOf(const ModelInfo *m, uint32_t i);

/* The slot that holds `name`, or the free one where it belongs. */
static uint32_t *find(const ModelInfo *m, const Table *t, uint64_t h,
                      NameOf *name_of, const char *name)
{
    uint64_t at = h & t->mask;
    while (t->slot[at] && strcmp(name_of(m, t->slot[at] - 1), name) != 0)
        at = (at + 1) & t->mask;
    return &t->slot[at];
}

static const char *fill(Arena *a, const ModelInfo *m, const uint64_t key[2],
                        Table *t, int64_t n, NameOf *name_of)
{
    uint64_t slots = 8;
    const char *dup = NULL;
    while (slots < (uint64_t)n * 2)
        slots *= 2;
    t->mask = slots - 1;
    t->slot = ARENA_ARRAY(a, uint32_t, slots);
    for (uint32_t i = 0; i < (uint64_t)n; i++) {
        const char *name = name_of(m, i);
        uint32_t *slot = find(m, t, hash(key, name), name_of, name);
        if (!*slot)
            *slot = i + 1;
        else if (!dup)
            dup = name;
    }
    return dup;
}

void model_index(Arena *a, ModelInfo *m, const char **dup)
{
    Index *x = ARENA_NEW(a, Index);
    make_key(x->key);
    const char *key = fill(a, m, x->key, &x->meta, m->n_meta, meta_name);
    const char *tensor =
        fill(a, m, x->key, &x->tensors, m->n_tensors, tensor_name);
    m->index = x;
    *dup = key ? key : tensor;
}

const MetaValue *model_meta(const ModelInfo *m, const char *key)
{
    const Index *x = m->index;
    uint32_t slot = *find(m, &x->meta, hash(x->key, key), meta_name, key);
    return slot ? &m->meta[slot - 1] : NULL;
}

const TensorInfo *model_tensor(const ModelInfo *m, const char *name)
{
    const Index *x = m->index;
    uint32_t slot =
        *find(m, &x->tensors, hash(x->key, name), tensor_name, name);
    return slot ? &m->tensors[slot - 1] : NULL;
}
