#include "runtime/bpe.h"

#include <criterion/criterion.h>
#include <string.h>

#include "runtime/hash.h"

enum { IDS = 40, LONGEST = 200 };

static uint32_t state;
static uint32_t rnd(uint32_t n)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % n;
}

/* Any table of distinct pairs will do, not only what a trainer would make: a
 * later rank may well have been possible before an earlier one. */
static uint32_t random_merges(Bpe *b, BpeMerge m[IDS * 4])
{
    bool seen[IDS][IDS] = {{false}};
    uint32_t n = 0;
    for (int i = 0; i < IDS * 4; i++) {
        uint32_t l = rnd(IDS), r = rnd(IDS);
        if (seen[l][r])
            continue;
        seen[l][r] = true;
        m[n] = (BpeMerge){(int32_t)l, (int32_t)r, (int32_t)rnd(IDS)};
        cr_assert_null(bpe_add(b, m[n++]));
    }
    return n;
}

/* The definition, word by word: as long as some neighbours merge, those of the
 * lowest rank, leftmost, become one. */
static size_t slow_run(const BpeMerge *m, uint32_t n_merges, int32_t *id,
                       size_t n)
{
    for (;;) {
        uint32_t best = n_merges;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (uint32_t r = 0; r < best; r++)
                if (m[r].left == id[i] && m[r].right == id[i + 1]) {
                    best = r;
                    at = i;
                }
        if (best == n_merges)
            return n;
        id[at] = m[best].result;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

Test(bpe, equals_the_definition)
{
    BpeWork w = {0};
    for (state = 1; state < 150; state++) {
        uint32_t seed = state;
        Arena *a = arena_new();
        Bpe b;
        BpeMerge m[IDS * 4];
        bpe_init(a, &b, IDS * 4);
        uint32_t n_merges = random_merges(&b, m);
        for (int round = 0; round < 20; round++) {
            int32_t fast[LONGEST], slow[LONGEST];
            size_t n = rnd(LONGEST), got = 0;
            uint32_t kinds = 1 + rnd(IDS); /* 1: a run of one id */
            for (size_t i = 0; i < n; i++)
                fast[i] = slow[i] = (int32_t)rnd(kinds);
            size_t want = slow_run(m, n_merges, slow, n);
            cr_assert_null(bpe_run(&b, &w, fast, n, &got));
            cr_assert_eq(got, want, "seed %u", seed);
            cr_assert(memcmp(fast, slow, want * sizeof *fast) == 0, "seed %u",
                      seed);
        }
        arena_free(a);
        state = seed;
    }
    bpe_work_free(&w);
}

Test(bpe, a_pair_has_one_rank)
{
    Arena *a = arena_new();
    Bpe b;
    bpe_init(a, &b, 3);
    cr_assert_null(bpe_add(&b, (BpeMerge){1, 2, 3}));
    cr_assert_null(bpe_add(&b, (BpeMerge){2, 1, 3}));
    Err *e = bpe_add(&b, (BpeMerge){1, 2, 4});
    cr_assert(e && strstr(err_text(e), "the same pair as merge 0"));
    err_free(e);
    arena_free(a);
}

/* hash_mix backwards, so that keys can be made whose hashes are alike. */
static uint64_t unshift(uint64_t x, int by)
{
    uint64_t y = x;
    for (int i = by; i < 64; i += by)
        y = x ^ y >> by;
    return y;
}

static uint64_t unmix(uint64_t x)
{
    x = unshift(x, 31) * 0x319642b2d24d8ec3u;
    x = unshift(x, 27) * 0x96de1b173f119089u;
    return unshift(x, 30);
}

Test(bpe, pairs_made_to_collide_are_refused)
{
    enum { N = 4096 };
    Arena *a = arena_new();
    Bpe b;
    uint32_t added = 0;
    Err *e = NULL;
    bpe_init(a, &b, N);
    cr_assert_eq(unmix(hash_mix(0x0123456789abcdef)), 0x0123456789abcdef);
    for (uint64_t i = 0; !e && added < N; i++) {
        uint64_t key = unmix(i << 32 | 7); /* the low half picks the slot */
        int32_t left = (int32_t)(key >> 32), right = (int32_t)key;
        if (left < 0 || right < 0)
            continue;
        e = bpe_add(&b, (BpeMerge){left, right, 0});
        added += !e;
    }
    cr_assert(e && strstr(err_text(e), "one hash bucket"));
    cr_assert_eq(added, HASH_MAX_PROBES);
    err_free(e);
    arena_free(a);
}
