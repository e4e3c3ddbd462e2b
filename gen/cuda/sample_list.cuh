// sample_list.cuh - the second launch of sample.cuh: what its block does together,
// and the list of the most likely ids.
#pragma once
#include "sample.cuh"

// ---- the block together

struct PickRoom {
    u64 list[SAMPLE_LIST];
    u64 share[SAMPLE_LIST];
    u64 word[64], found[2];
    u32 count[64], n, digit;
};
CONSTANT int SAMPLE_SHARED = sizeof(PickRoom);

struct Pick {
    const float *logits;
    const Sample *s;
    const u64 *largest;
    u64 *sum;
    int slices;
    u64 best; // ranked
    PickRoom *room;
};

DEVICE void sync_pick() { sync_threads(0, SAMPLE_PICK); }

DEVICE u64 pick_max(PickRoom *room, u64 x)
{
    x = warp_max_u64(x);
    sync_pick();
    if (lane() == 0)
        room->word[warp()] = x;
    sync_pick();
    return warp_max_u64(room->word[lane()]);
}
DEVICE u32 pick_count(PickRoom *room, i32 n)
{
    n = warp_sum_i32(n);
    sync_pick();
    if (lane() == 0)
        room->count[warp()] = (u32)n;
    sync_pick();
    return (u32)warp_sum_i32((i32)room->count[lane()]);
}
// The sum of what the threads below hold; *all: of all threads.
DEVICE u64 pick_before(PickRoom *room, u64 x, u64 *all)
{
    u64 upto = warp_upto_u64(x);
    sync_pick();
    if (lane() == 31)
        room->word[warp()] = upto;
    sync_pick();
    u64 warps = warp_upto_u64(room->word[lane()]);
    u64 before = shuffle_u64(warps, warp() ? warp() - 1 : 0);
    *all = shuffle_u64(warps, 31);
    return (warp() ? before : 0) + upto - x;
}

// Sorts n numbers, a power of two, largest first (Batcher 1968, bitonic).
DEVICE void pick_sort(u64 *list, int n)
{
    sync_pick();
    NO_UNROLL for (int k = 2; k <= n; k *= 2)
        NO_UNROLL for (int j = k / 2; j; j /= 2) {
            int a = thread() / j * 2 * j + thread() % j, b = a + j;
            if (b < n) {
                u64 x = list[a], y = list[b];
                if ((x < y) == ((a & k) == 0)) {
                    list[a] = y;
                    list[b] = x;
                }
            }
            sync_pick();
        }
}

DEVICE int power_above(int n)
{
    int p = 2;
    while (p < n)
        p *= 2;
    return p;
}

// ---- the list of candidates

DEVICE u32 slices_from(const Pick &p, u32 key)
{
    int n = 0;
    for (int i = thread(); i < p.slices; i += SAMPLE_PICK)
        n += ranked_key(p.largest[i]) >= key;
    return pick_count(p.room, n);
}

// The key of the slice whose largest logit is least.
DEVICE u32 least_key(const Pick &p)
{
    u32 under = 0; // keys counted from above
    for (int i = thread(); i < p.slices; i += SAMPLE_PICK)
        under = most(under, ~ranked_key(p.largest[i]));
    return ~(u32)pick_max(p.room, under);
}

// A key that the largest logits of `wanted` slices reach, and of few more if
// there is such a key; SAMPLE_MASKED + 1 if few slices have anything.  *n:
// slices that reach it.
DEVICE u32 find_key(const Pick &p, u32 wanted, u32 *n)
{
    u32 low = SAMPLE_MASKED + 1, high = ranked_key(p.best) + 1;
    *n = slices_from(p, low);
    if (*n <= wanted + wanted / 2)
        return low;
    low = most(low, least_key(p));
    while (high - low > 1 && *n > wanted + wanted / 2) {
        u32 middle = low + (high - low) / 2;
        u32 more = slices_from(p, middle);
        if (more < wanted) {
            high = middle;
        } else {
            low = middle;
            *n = more;
        }
    }
    return low;
}

// All logits from the key on, sorted; their number, or more than SAMPLE_LIST if
// there are too many.
DEVICE int make_list(const Pick &p, u32 key, u32 n_slices)
{
    PickRoom *room = p.room;
    u32 *slice = (u32 *)room->share;
    if (n_slices > SAMPLE_LIST)
        return SAMPLE_LIST + 1;
    sync_pick();
    if (thread() == 0)
        room->n = room->digit = 0;
    for (int i = thread(); i < SAMPLE_LIST; i += SAMPLE_PICK)
        room->list[i] = 0;
    sync_pick();
    for (int i = thread(); i < p.slices; i += SAMPLE_PICK)
        if (ranked_key(p.largest[i]) >= key)
            slice[add_u32(&room->digit, 1)] = (u32)i;
    sync_pick();
    for (u32 i = (u32)warp(); i < n_slices; i += SAMPLE_PICK / 32)
        UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++) {
            i32 id = (i32)slice[i] * SAMPLE_SLICE + 32 * j + lane();
            u64 r = rank_at(p.logits, *p.s, id);
            u32 at = ranked_key(r) >= key ? add_u32(&room->n, 1) : SAMPLE_LIST;
            if (at < SAMPLE_LIST)
                room->list[at] = r;
        }
    sync_pick();
    int n = (int)room->n;
    if (n <= SAMPLE_LIST)
        pick_sort(room->list, power_above(n));
    return n;
}

// ---- filters and choice on the list; two entries a thread

// How many entries of the list, from the first on, are needed for `target`;
// n if all of them are not enough.  *sum: of all n.
DEVICE int head_of(PickRoom *room, int n, double target, u64 *sum)
{
    u64 x[2], before;
    UNROLL for (int j = 0; j < 2; j++)
        x[j] = 2 * thread() + j < n ? room->share[2 * thread() + j] : 0;
    before = pick_before(room, x[0] + x[1], sum);
    if (thread() == 0)
        room->n = (u32)n;
    sync_pick();
    UNROLL for (int j = 0; j < 2; j++) {
        u64 upto = before + x[j];
        if (x[j] && (double)before < target && (double)upto >= target)
            room->n = (u32)(2 * thread() + j + 1);
        before = upto;
    }
    sync_pick();
    return (int)room->n;
}

// Draws one of the first n of the list, counted in the order of their ids.
DEVICE i32 draw_of_list(const Pick &p, int n)
{
    PickRoom *room = p.room;
    u64 all, x[2], before;
    int size = power_above(n);
    for (int i = thread(); i < size; i += SAMPLE_PICK)
        room->list[i] =
            i < n ? ~((u64)(u32)ranked_id(room->list[i]) << 32 | (u32)i) : 0;
    pick_sort(room->list, size);
    UNROLL for (int j = 0; j < 2; j++) {
        int i = 2 * thread() + j;
        x[j] = i < n ? room->share[(u32)~room->list[i]] : 0;
    }
    before = pick_before(room, x[0] + x[1], &all);
    u64 at = multiply_high(sample_uniform(p.s->seed, p.s->position) << 11, all);
    UNROLL for (int j = 0; j < 2; j++) {
        if (at >= before && at - before < x[j])
            room->n = (u32)(~room->list[2 * thread() + j] >> 32);
        before += x[j];
    }
    sync_pick();
    return (i32)room->n;
}

// The sum over all ids, of the slices' sums.
DEVICE u64 sum_of_slices(const Pick &p)
{
    u64 mine = 0, all;
    float t = sample_heat(*p.s), best = ranked_logit(p.best);
    for (int i = thread(); i < p.slices; i += SAMPLE_PICK) {
        u64 top = p.largest[i];
        float x = top >= SAMPLE_LEAST ? expf((ranked_logit(top) - best) / t) : 0;
        p.sum[i] = (u64)((double)p.sum[i] * x);
        mine += p.sum[i];
    }
    pick_before(p.room, mine, &all);
    return all;
}

// From the n most likely ids, sorted; `whole`: there are no others, or top-k
// takes them away.  all: the sum of shares over all ids.  -1: the list is too
// short.
DEVICE i32 pick_of_list(const Pick &p, int n, bool whole, u64 all)
{
    const Sample &s = *p.s;
    PickRoom *room = p.room;
    double x[2];
    int passed = 0;
    u64 sum;
    if (s.top_k && s.top_k <= n) {
        n = (int)s.top_k;
        whole = true;
    }
    UNROLL for (int j = 0; j < 2; j++) {
        int i = thread() + j * SAMPLE_PICK;
        double l = i < n ? ranked_logit(room->list[i]) : 0;
        x[j] = i < n ? exp((l - ranked_logit(p.best)) / s.temperature) : 0;
        room->share[i] = share_of(x[j]);
    }
    sync_pick();
    if (s.top_p < 1) {
        head_of(room, n, 0, &sum);
        double target = s.top_p * (double)(whole ? sum : all);
        if (!whole && (double)sum < target)
            return -1;
        n = head_of(room, n, target, &sum);
    }
    UNROLL for (int j = 0; j < 2; j++)
        passed += thread() + j * SAMPLE_PICK < n && x[j] >= s.min_p;
    passed = (int)pick_count(room, passed);
    if (!whole && s.top_p >= 1 && passed == n)
        return -1;
    return draw_of_list(p, passed);
}
