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
