// sample.cuh - from a row of logits to a token id, where the logits are: what
// runtime/sampler.h says, in two launches.
//
// sample_scan, many blocks: biases and penalties, in place; of each slice of 128
// ids the largest logit and, where the sum over all ids is wanted, the sum of
// the shares, counted from that largest.
// sample_pick, one block: if k slices have a largest logit of at least t, the k
// most likely ids are among the logits of at least t, which lie in these slices
// alone.  So a t is looked for that leaves a list short enough to be sorted, and
// the filters work on the list.  Where that is not enough (a top-p whose list
// would be too long, a top-k of thousands, logits all alike) the block goes over
// all logits several times, as the host does.
//
// A logit and its id are one number, `ranked`: larger means more likely, equal
// logits count in the order of their ids; 0 is no candidate.  Shares are whole
// numbers, 2^43 for the most likely id, so that sums depend on no order.
#pragma once
#include "common.cuh"

CONSTANT int SAMPLE_SLICE = 128;  // ids of a warp
CONSTANT int SAMPLE_SCAN = 256;   // threads of a block that scans
CONSTANT int SAMPLE_PICK = 1024;  // of the one that picks
CONSTANT int SAMPLE_LIST = 2048;  // candidates that it can sort
CONSTANT int SAMPLE_OUT = 8;      // choices that the host may read late
CONSTANT int SAMPLE_ONE = 43;     // bits of a share behind the point
CONSTANT u32 SAMPLE_MASKED = 0x007fffff; // key of -Inf
CONSTANT u32 SAMPLE_BAD = 0xffffffff;    // in place of a key: NaN or +Inf
CONSTANT u64 SAMPLE_LEAST = (u64)(SAMPLE_MASKED + 1) << 32; // ranked, not masked

struct SampleBias {
    i32 id;
    float bias;
};

// How the tokens of a sequence are chosen, and where it stands: CudaSample in
// runtime/cuda_sample.h.
struct Sample {
    double temperature, top_p, min_p; // top_p 1, min_p 0: off
    double repeat, frequency, presence;
    i64 top_k; // 0: off
    i64 window, history; // tokens the ring holds, tokens so far
    u64 seed, position;  // of the token to be chosen
    u64 chosen;          // tokens so far
    u32 *count;          // [vocab] how often in the window; NULL: no penalties
    i32 *ring;           // [window]; NULL: the window is all
    const u32 *first;    // [vocab] number + 1 of the id's first bias; NULL: none
    const SampleBias *bias; // by id
    u64 *out;            // [SAMPLE_OUT] for the host
    i32 *tokens, *positions, *rows; // of the next step; NULL: others write them
    Step *step;
    i32 vocab, n_bias;
    i32 next; // the token chosen last
};

// ---- numbers

// Order-preserving; -0 and 0 agree.
DEVICE u32 key_of(float f)
{
    u32 u = float_bits(rounded_sum(f, 0.0f));
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}
DEVICE float key_float(u32 key)
{
    return bits_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}
DEVICE u64 ranked(float logit, i32 id) { return (u64)key_of(logit) << 32 | (u32)~id; }
DEVICE u32 ranked_key(u64 r) { return (u32)(r >> 32); }
DEVICE float ranked_logit(u64 r) { return key_float(ranked_key(r)); }
DEVICE i32 ranked_id(u64 r) { return (i32) ~(u32)r; }

DEVICE int sample_slices(const Sample &s)
{
    return (int)ceil_div(s.vocab, SAMPLE_SLICE);
}

DEVICE u64 shuffle_u64(u64 x, int from)
{
    return (u64)shuffle((u32)(x >> 32), from) << 32 | shuffle((u32)x, from);
}
DEVICE u64 warp_max_u64(u64 x)
{
    u32 high = warp_max_u32((u32)(x >> 32));
    return (u64)high << 32 | warp_max_u32((u32)(x >> 32) == high ? (u32)x : 0);
}
DEVICE u64 warp_sum_u64(u64 x)
{
    UNROLL for (int m = 16; m; m >>= 1) x += shuffle_u64(x, lane() ^ m);
    return x;
}
// The sum of what this lane and those below it hold.
DEVICE u64 warp_upto_u64(u64 x)
{
    UNROLL for (int d = 1; d < 32; d *= 2) {
        u64 other = shuffle_u64(x, lane() >= d ? lane() - d : lane());
        x += lane() >= d ? other : 0;
    }
    return x;
}

// Philox4x32-10 as in runtime/sampler.c; 53 bits.
DEVICE u64 sample_uniform(u64 seed, u64 position)
{
    u32 c[4] = {(u32)position, (u32)(position >> 32), 0, 0};
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
    NO_UNROLL for (int round = 0; round < 10; round++) {
        u64 a = (u64)0xD2511F53u * c[0], b = (u64)0xCD9E8D57u * c[2];
        u32 c1 = c[1], c3 = c[3];
        c[0] = (u32)(b >> 32) ^ c1 ^ k0;
        c[1] = (u32)b;
        c[2] = (u32)(a >> 32) ^ c3 ^ k1;
        c[3] = (u32)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return ((u64)c[0] << 32 | c[1]) >> 11;
}

// ---- what is left, and with which share

// Shares of many ids are computed in f32, those of a list in f64.
struct Kept {
    u64 bound;   // ranked at least so
    float best, temperature, min_p;
};

DEVICE u64 share_of(double x) { return (u64)(x * (double)(1ull << SAMPLE_ONE)); }
DEVICE u64 kept_share(const Kept &k, u64 r)
{
    float x = r ? expf((ranked_logit(r) - k.best) / k.temperature) : 0.0f;
    return r < k.bound || x < k.min_p ? 0 : share_of(x);
}
// Of a logit as sample_scan left it.
DEVICE u64 rank_at(const float *logits, const Sample &s, i32 id)
{
    float l = id < s.vocab ? logits[id] : -1.0f / 0.0f;
    return l > -1.0f / 0.0f ? ranked(l, id) : 0;
}
// The temperature; never 0 in f32.
DEVICE float sample_heat(const Sample &s)
{
    return most((float)s.temperature, 1e-37f);
}
// Is the sum over all ids wanted?
DEVICE bool sample_sums(const Sample &s)
{
    return s.temperature > 0 && !s.top_k && (s.top_p < 1 || s.min_p <= 0);
}

// ---- launch 1

DEVICE float sample_finite(double x)
{
    const double most = 3.4028234663852886e38;
    return (float)(x > most ? most : x < -most ? -most : x);
}
// Rounded step by step, as on the host.
DEVICE float add_biases(const Sample &s, float l, i32 id)
{
    for (u32 at = s.first[id]; at && at <= (u32)s.n_bias; at++) {
        SampleBias b = s.bias[at - 1];
        if (b.id != id)
            break;
        if (b.bias <= -100.0f)
            l = -1.0f / 0.0f;
        else if (l > -1.0f / 0.0f)
            l = sample_finite((double)l + b.bias);
    }
    return l;
}
DEVICE float penalise(const Sample &s, float l, u32 count)
{
    if (!count || l == -1.0f / 0.0f)
        return l;
    double x = l > 0 ? l / s.repeat : rounded_product((double)l, s.repeat);
    x = rounded_sum(x, -rounded_product((double)count, s.frequency));
    return sample_finite(rounded_sum(x, -s.presence));
}
// An id that exists; masked ones and those that no sampler takes tell
// themselves apart.
DEVICE u64 scan_one(const Sample &s, float *logits, i32 id)
{
    float raw = logits[id], l = raw;
    if (!(raw < 1.0f / 0.0f))
        return (u64)SAMPLE_BAD << 32 | (u32)~id;
    if (raw == -1.0f / 0.0f)
        return 0;
    if (s.first)
        l = add_biases(s, l, id);
    if (s.count)
        l = penalise(s, l, s.count[id]);
    if (s.first || s.count)
        logits[id] = l;
    return ranked(l, id);
}

DEVICE void sample_scan(const Call<2> &call)
{
    stage_begin();
    float *logits = (float *)call.arg[0];
    const Sample &s = *(const Sample *)call.arg[1];
    int slice = block_x() * (SAMPLE_SCAN / 32) + warp();
    int slices = sample_slices(s);
    u64 *largest = (u64 *)call.scratch, *sum = largest + slices;
    u64 r[SAMPLE_SLICE / 32], top = 0, shares = 0;
    UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++) {
        i32 id = slice * SAMPLE_SLICE + 32 * j + lane();
        r[j] = id < s.vocab ? scan_one(s, logits, id) : 0;
        top = r[j] > top ? r[j] : top;
    }
    top = warp_max_u64(top);
    if (sample_sums(s) && top >= SAMPLE_LEAST && ranked_key(top) != SAMPLE_BAD) {
        Kept all = {SAMPLE_LEAST, ranked_logit(top), sample_heat(s), 0};
        UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++)
            shares += kept_share(all, r[j]);
    }
    shares = warp_sum_u64(shares);
    if (lane() == 0 && slice < slices) {
        largest[slice] = top;
        sum[slice] = shares;
    }
}

// ---- launch 2: the block together

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

// ---- over all ids

// Draws from what is left; sum[] holds the slices' sums.
DEVICE i32 draw_of_all(const Pick &p, const Kept &kept, u64 all)
{
    PickRoom *room = p.room;
    u64 at = multiply_high(sample_uniform(p.s->seed, p.s->position) << 11, all);
    u64 base = 0, part;
    for (int from = 0; from < p.slices; from += SAMPLE_PICK) {
        int i = from + thread();
        u64 x = i < p.slices ? p.sum[i] : 0;
        u64 before = base + pick_before(room, x, &part);
        if (at >= before && at - before < x) {
            room->digit = (u32)i;
            room->found[0] = at - before;
        }
        base += part;
    }
    sync_pick();
    int slice = (int)room->digit;
    u64 left = room->found[0], upto = 0, last = p.largest[slice], hit = 0;
    UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++) {
        i32 id = slice * SAMPLE_SLICE + 32 * j + lane();
        u64 r = rank_at(p.logits, *p.s, id), x = kept_share(kept, r);
        u64 sum = warp_upto_u64(x) + upto;
        u32 some = warp_ballot(x > 0), over = warp_ballot(x > 0 && sum > left);
        u32 which = over ? over & -over : some;
        u64 r_which = shuffle_u64(r, 31 - leading_zeros(which | 1));
        last = which && !hit ? r_which : last;
        hit |= over;
        upto = shuffle_u64(sum, 31);
    }
    return ranked_id(last);
}

// The bins of a pass of select_bound, largest digit first, two a thread: the
// digit at which the weights reach the target, or the smallest that is there.
DEVICE u32 find_digit(PickRoom *room, double target, u64 *above)
{
    u64 x[2], all, before;
    u32 digit[2];
    UNROLL for (int j = 0; j < 2; j++) {
        digit[j] = (u32)(SAMPLE_LIST - 1 - 2 * thread() - j);
        x[j] = room->list[digit[j]];
    }
    before = *above + pick_before(room, x[0] + x[1], &all);
    u64 lowest = 0; // the most thread that has anything
    UNROLL for (int j = 0; j < 2; j++)
        if (room->share[digit[j]])
            lowest = (u64)(SAMPLE_LIST - digit[j]);
    lowest = pick_max(room, lowest);
    bool reached = (double)(*above + all) >= target;
    UNROLL for (int j = 0; j < 2; j++) {
        u64 upto = before + x[j];
        bool here = reached ? (double)before < target && (double)upto >= target
                            : digit[j] == SAMPLE_LIST - (u32)lowest;
        if (here) {
            room->digit = digit[j];
            room->found[0] = before;
        }
        before = upto;
    }
    sync_pick();
    *above = room->found[0];
    return room->digit;
}

// The least of those kept, if so many of the most likely stay that their
// weights, 1 each or their shares, reach the target > 0.
DEVICE u64 select_bound(const Pick &p, const Kept &kept, bool shares, double target)
{
    PickRoom *room = p.room;
    const int shift[] = {53, 42, 32, 10, 0};
    const u32 last[] = {2047, 2047, 1023, 1023, 1023};
    u64 above = 0, prefix = 0, fixed = 0;
    NO_UNROLL for (int pass = 0; pass < 5; pass++) {
        sync_pick();
        for (int i = thread(); i < SAMPLE_LIST; i += SAMPLE_PICK)
            room->list[i] = room->share[i] = 0;
        sync_pick();
        for (int id = thread(); id < p.s->vocab; id += SAMPLE_PICK) {
            u64 r = rank_at(p.logits, *p.s, id);
            if (r < kept.bound || (r & fixed) != prefix)
                continue;
            u32 digit = (u32)(r >> shift[pass]) & last[pass];
            add_u64(&room->list[digit], shares ? kept_share(kept, r) : 1);
            room->share[digit] = 1;
        }
        sync_pick();
        prefix |= (u64)find_digit(room, target, &above) << shift[pass];
        fixed |= (u64)last[pass] << shift[pass];
    }
    return prefix | 0xfff00000u; // ids are below 2^20, the bits of ~id above are 1
}

// Each slice's sum of what is left, to sum[]; returns all.
DEVICE u64 sum_all(const Pick &p, const Kept &kept)
{
    u64 mine = 0, all;
    for (int i = warp(); i < p.slices; i += SAMPLE_PICK / 32) {
        u64 x = 0;
        UNROLL for (int j = 0; j < SAMPLE_SLICE / 32; j++)
            x += kept_share(kept, rank_at(p.logits, *p.s,
                                          i * SAMPLE_SLICE + 32 * j + lane()));
        x = warp_sum_u64(x);
        if (lane() == 0)
            p.sum[i] = x;
        mine += lane() == 0 ? x : 0;
    }
    pick_before(p.room, mine, &all); // its barriers order sum[], too
    return all;
}

// Applies the filters; returns the sum of what is left.
DEVICE u64 filter_all(const Pick &p, Kept &kept)
{
    const Sample &s = *p.s;
    if (s.top_k) {
        int valid = 0;
        for (int id = thread(); id < s.vocab; id += SAMPLE_PICK)
            valid += rank_at(p.logits, s, id) != 0;
        if (s.top_k < (i64)pick_count(p.room, valid))
            kept.bound = select_bound(p, kept, false, (double)s.top_k);
    }
    if (s.top_p < 1) {
        double target = s.top_p * (double)sum_all(p, kept);
        kept.bound = select_bound(p, kept, true, target);
    }
    kept.min_p = (float)s.min_p;
    return sum_all(p, kept);
}

// ---- the choice

// By a short list first, then by a long one; -1: by none.
DEVICE i32 pick_of_lists(const Pick &p, u64 all)
{
    const Sample &s = *p.s;
    const u32 longest = SAMPLE_LIST / 2;
    u32 wanted = s.top_k ? (u32)least(s.top_k, (i64)longest + 1) : 64;
    NO_UNROLL for (; wanted <= longest; wanted *= 8) {
        u32 n_slices, key = find_key(p, wanted, &n_slices);
        int n = make_list(p, key, n_slices);
        if (n > SAMPLE_LIST)
            break;
        i32 id = pick_of_list(p, n, key == SAMPLE_MASKED + 1, all);
        if (id >= 0)
            return id;
    }
    return -1;
}

DEVICE i32 pick_one(const Pick &p)
{
    const Sample &s = *p.s;
    bool filters = s.top_k || s.top_p < 1 || s.min_p > 0;
    u64 all = sample_sums(s) ? sum_of_slices(p) : 0;
    i32 id = filters ? pick_of_lists(p, all) : -1;
    if (id >= 0)
        return id;
    Kept kept = {SAMPLE_LEAST, ranked_logit(p.best), sample_heat(s), 0};
    if (filters)
        all = filter_all(p, kept);
    sync_pick();
    return draw_of_all(p, kept, all);
}

DEVICE void remember_token(Sample &s, i32 id)
{
    i64 at = s.ring ? s.history % s.window : 0;
    if (!s.count)
        return;
    if (s.ring && s.history >= s.window) {
        i32 old = s.ring[at];
        if (old >= 0 && old < s.vocab)
            s.count[old]--;
    }
    if (s.ring)
        s.ring[at] = id;
    s.count[id]++;
    s.history++;
}

// For the next step, the next choice and the host.  error: 0, or what the
// logits are: 1 NaN at id, 2 all -Inf, 3 all banned, 4 +Inf at id.  A step of n
// tokens has ended.
DEVICE void tell_choice(Sample &s, i32 id, u32 error, i32 n)
{
    i32 next = error ? 0 : id;
    s.out[s.chosen % SAMPLE_OUT] = (u64)error << 32 | (u32)id;
    s.chosen++;
    if (s.tokens) {
        i64 past = s.step->past + n;
        s.step->past = past;
        *s.tokens = next;
        if (s.positions)
            *s.positions = (i32)past;
        if (s.rows)
            *s.rows = 0;
    }
    s.next = next;
    s.position++;
    if (!error)
        remember_token(s, id);
}

DEVICE void sample_pick(const Call<2> &call, u8 *shared)
{
    stage_begin();
    Sample &s = *(Sample *)call.arg[1];
    u64 *largest = (u64 *)call.scratch;
    int slices = sample_slices(s);
    Pick p = {(const float *)call.arg[0], &s, largest, largest + slices, slices, 0,
              (PickRoom *)shared};
    for (int i = thread(); i < slices; i += SAMPLE_PICK)
        p.best = largest[i] > p.best ? largest[i] : p.best;
    p.best = pick_max(p.room, p.best);
    u32 key = ranked_key(p.best);
    u32 error = !p.best ? 2 : key == SAMPLE_MASKED ? 3 : 0;
    i32 id = ranked_id(p.best);
    if (key == SAMPLE_BAD)
        error = isnan(p.logits[id]) ? 1 : 4;
    if (!error && s.temperature > 0)
        id = pick_one(p);
    sync_pick();
    if (thread() == 0)
        tell_choice(s, id, error, call.tokens);
}
