// prologue.cuh - rows of values as products want them: normed, rounded, or as
// they come.  Done by every block of a product for itself, or by a launch before
// the matrix units.
#pragma once
#include "common.cuh"

// How values reach a product, and what it multiplies: f32, or codes of 8 or 16
// bits with a scale a block of 32 (runtime/base/blocks.h, block_quantize).
struct ActF32 {
    CONSTANT int SHARED = 128; // bytes of 32 values in shared memory: f32
};
struct ActQ16 {
    CONSTANT int SHARED = 128; // f32, too
};
struct ActQ8 {
    CONSTANT int SHARED = 40; // codes, of all blocks; then scale, scale * sum
};

// Swaps the middle bytes: the order 0, 2, 1, 3 of codes in tiles.
DEVICE u32 swap_middle(u32 x) { return permute(x, 0, 0x3120); }

// ---- rounding: eight lanes hold a block, four values each

// The largest magnitude of a block; NaN if one of its values is no number.
DEVICE float block_extreme(const float (&v)[4])
{
    float most = 0;
    UNROLL for (int i = 0; i < 4; i++) {
        float a = fabsf(v[i]);
        most = a <= 3.402823466e38f ? fmaxf(most, a) : bits_float(0x7fffffff);
        if (!(most <= 3.402823466e38f))
            break;
    }
    UNROLL for (int m = 1; m < 8; m *= 2) {
        float other = shuffle_xor(most, m);
        most = most >= other || most != most ? most : other;
    }
    return most;
}

// q: the codes; returns the scale.
template <int MOST> DEVICE float round_block(const float (&v)[4], float (&q)[4])
{
    float d = exact_quotient(block_extreme(v), MOST);
    float inverse = d != 0 ? exact_quotient(1, d) : 0;
    UNROLL for (int i = 0; i < 4; i++) {
        float x = rounded_product(v[i], inverse);
        q[i] = x == x ? fminf(fmaxf((float)round_even(x), -(float)MOST), (float)MOST)
                      : 0;
    }
    return d;
}

template <class A> struct Round;
template <> struct Round<ActF32> {
    DEVICE float four(const float (&v)[4], float (&q)[4])
    {
        UNROLL for (int i = 0; i < 4; i++) q[i] = v[i];
        return 1;
    }
};
template <> struct Round<ActQ8> {
    DEVICE float four(const float (&v)[4], float (&q)[4])
    {
        return round_block<127>(v, q);
    }
};
template <> struct Round<ActQ16> {
    DEVICE float four(const float (&v)[4], float (&q)[4])
    {
        return round_block<32767>(v, q);
    }
};

// ---- codes of 8 bits, of N blocks at once: eight lanes hold a block, four values
// each.  The same codes and scales as round_block's; no step of a block waits for
// one of another.

// Of scales that keep all steps below within normal numbers: largest values.
CONSTANT u32 PLAIN_LEAST = 0x0d800000, PLAIN_MOST = 0x7f7fffff; // 2^-100, the last

DEVICE void plain_scale(u32 top, float &d, float &inverse)
{
    // top / 127 and 1 / d, each an estimate and one step of Newton's method,
    // which leaves the nearest number
    constexpr float part = 1.0f / 127;
    const float x = bits_float(top), q = x * part;
    d = fmaf(fmaf(-127.0f, q, x), part, q);
    const float r = reciprocal(d);
    inverse = top ? fmaf(r, -fmaf(r, d, -1.0f), r) : 0.0f;
}

// Four codes in the order 0, 2, 1, 3: the lowest bits of numbers so large that
// the last place of a float is 1.
DEVICE u32 plain_codes(const float (&v)[4], float inverse)
{
    u32 y[4];
    UNROLL for (int i = 0; i < 4; i++)
        y[i] = float_bits(rounded_sum(rounded_product(v[i], inverse), 12582912.0f));
    return permute(permute(y[0], y[2], 0x0040), permute(y[1], y[3], 0x0040), 0x5410);
}

DEVICE u32 any_codes(const float (&v)[4], float &d)
{
    float q[4];
    u32 word = 0;
    d = round_block<127>(v, q);
    UNROLL for (int i = 0; i < 4; i++) word |= ((u32)(i32)q[i] & 255) << 8 * i;
    return swap_middle(word);
}

template <int N>
DEVICE void round_codes(const float (&v)[N][4], u32 (&word)[N], float (&d)[N])
{
    u32 top[N];
    bool plain = true;
    UNROLL for (int n = 0; n < N; n++) {
        top[n] = 0;
        UNROLL for (int i = 0; i < 4; i++)
            top[n] = most(top[n], float_bits(v[n][i]) & 0x7fffffffu);
    }
    UNROLL for (int m = 1; m < 8; m *= 2)
        UNROLL for (int n = 0; n < N; n++)
            top[n] = most(top[n], shuffle_xor(top[n], m));
    UNROLL for (int n = 0; n < N; n++)
        plain = plain && (!top[n] || top[n] - PLAIN_LEAST <= PLAIN_MOST - PLAIN_LEAST);
    if (warp_ballot(!plain) == 0) {
        UNROLL for (int n = 0; n < N; n++) {
            float inverse;
            plain_scale(top[n], d[n], inverse);
            word[n] = plain_codes(v[n], inverse);
        }
    } else { // rare, so small: one at a time, each picked out by number
        NO_UNROLL for (int k = 0; k < N; k++) {
            float x[4] = {}, scale;
            UNROLL for (int n = 0; n < N; n++)
                UNROLL for (int i = 0; i < 4; i++) x[i] = n == k ? v[n][i] : x[i];
            u32 codes = any_codes(x, scale);
            UNROLL for (int n = 0; n < N; n++) {
                word[n] = n == k ? codes : word[n];
                d[n] = n == k ? scale : d[n];
            }
        }
    }
}

// Values k[n] .. k[n] + 3, of `blocks` blocks at `to`; k < 0: none.
template <int N>
DEVICE void put_codes(u8 *to, int blocks, const int (&k)[N], const float (&v)[N][4])
{
    u32 word[N] = {};
    float d[N] = {};
    i32 sum[N];
    round_codes(v, word, d);
    UNROLL for (int n = 0; n < N; n++) sum[n] = dot4(word[n], 0x01010101u, 0);
    UNROLL for (int m = 1; m < 8; m *= 2)
        UNROLL for (int n = 0; n < N; n++)
            sum[n] += (i32)shuffle_xor((u32)sum[n], m);
    UNROLL for (int n = 0; n < N; n++) {
        if (k[n] < 0)
            continue;
        *(u32 *)(to + k[n]) = word[n];
        if (k[n] % 32 == 0)
            ((float2 *)(to + blocks * 32))[k[n] / 32] =
                make_float2(d[n], d[n] * (float)sum[n]);
    }
}

// ---- blocks of q8a or q16a in memory, values k .. k + 3; b is NULL: none
struct FourCodes {
    u8 *b;
    int k;
};
template <int BITS, int N, class At>
DEVICE void encode_fours(const At &at, const float (&v)[N][4])
{
    u32 word[N][BITS / 8];
    float d[N];
    if constexpr (BITS == 8) {
        u32 codes[N];
        round_codes(v, codes, d);
        UNROLL for (int n = 0; n < N; n++) word[n][0] = swap_middle(codes[n]);
    } else {
        UNROLL for (int n = 0; n < N; n++) {
            float q[4];
            d[n] = round_block<32767>(v[n], q);
            UNROLL for (int i = 0; i < 2; i++)
                word[n][i] = ((u32)(i32)q[2 * i] & 65535) | (u32)(i32)q[2 * i + 1] << 16;
        }
    }
    UNROLL for (int n = 0; n < N; n++) {
        const FourCodes to = at(n);
        if (!to.b)
            continue;
        UNROLL for (int i = 0; i < BITS / 8; i++)
            ((u32 *)to.b)[to.k / 4 * (BITS / 8) + i] = word[n][i];
        if (to.k == 0)
            *(float *)(to.b + 4 * BITS) = d[n];
    }
}

// ---- rows as kernels hand them over

// Rows of f32; with NORM multiplied by weight[k] / rms (weight NULL: 1).
template <class A, int K, bool NORM> struct Source {
    const u8 *from;
    i64 stride; // bytes
    const float *weight;
    float eps;
};

// A row on its way, spread over THREADS threads: what can be asked for early is.
// Values k .. k + 3 are with one thread, eight lanes in a row have a block.
template <int THREADS, class A, int K, bool NORM> struct SourceRow {
    CONSTANT int EACH = (K / 4 + THREADS - 1) / THREADS;
    float4 x[EACH], w[NORM ? EACH : 1];
};

// Before stage_begin().
template <int THREADS, class A, int K, bool NORM>
DEVICE void source_weights(SourceRow<THREADS, A, K, NORM> &r,
                           const Source<A, K, NORM> &s)
{
    if constexpr (NORM)
        UNROLL for (int i = 0; i < r.EACH; i++) {
            int at = i * THREADS + thread();
            r.w[i] = make_float4(1, 1, 1, 1);
            if (s.weight && at < K / 4) {
                uint4 v = load_weight16(s.weight + 4 * at);
                r.w[i] = make_float4(bits_float(v.x), bits_float(v.y),
                                     bits_float(v.z), bits_float(v.w));
            }
        }
}

template <int THREADS, class A, int K, bool NORM>
DEVICE void source_values(SourceRow<THREADS, A, K, NORM> &r,
                          const Source<A, K, NORM> &s, i64 row)
{
    const float4 *x = (const float4 *)(s.from + row * s.stride);
    UNROLL for (int i = 0; i < r.EACH; i++) {
        int at = i * THREADS + thread();
        r.x[i] = at < K / 4 ? x[at] : make_float4(0, 0, 0, 0);
    }
}

// Place i's first value; negative: none.
template <int THREADS, class A, int K, bool NORM>
DEVICE int source_place(const SourceRow<THREADS, A, K, NORM> &, int i)
{
    int at = i * THREADS + thread();
    return at < K / 4 ? 4 * at : -1;
}

// v: the values, normed.  room: 33 floats of shared memory.
template <int THREADS, class A, int K, bool NORM>
DEVICE void source_norm(const SourceRow<THREADS, A, K, NORM> &r, float eps,
                        float *room,
                        float (&v)[SourceRow<THREADS, A, K, NORM>::EACH][4])
{
    float sum = 0, scale = 1;
    if constexpr (NORM) {
        UNROLL for (int i = 0; i < r.EACH; i++)
            sum += r.x[i].x * r.x[i].x + r.x[i].y * r.x[i].y +
                   (r.x[i].z * r.x[i].z + r.x[i].w * r.x[i].w);
        scale = 1 / sqrtf(block_sum<THREADS>(sum, room) / (float)K + eps);
    }
    UNROLL for (int i = 0; i < r.EACH; i++) {
        v[i][0] = r.x[i].x, v[i][1] = r.x[i].y;
        v[i][2] = r.x[i].z, v[i][3] = r.x[i].w;
        if constexpr (NORM) {
            v[i][0] *= scale * r.w[i].x;
            v[i][1] *= scale * r.w[i].y;
            v[i][2] *= scale * r.w[i].z;
            v[i][3] *= scale * r.w[i].w;
        }
    }
}

// Calls sink(k, q, d) for values k .. k + 3 = q * d, k in steps of 4.
template <int THREADS, class A, int K, bool NORM, class Sink>
DEVICE void source_finish(const SourceRow<THREADS, A, K, NORM> &r, float eps,
                          float *room, const Sink &sink)
{
    constexpr int N = SourceRow<THREADS, A, K, NORM>::EACH;
    float v[N][4];
    source_norm(r, eps, room, v);
    UNROLL for (int i = 0; i < N; i++) {
        float q[4], d = Round<A>::four(v[i], q);
        int k = source_place(r, i);
        if (k >= 0)
            sink(k, q, d);
    }
}

// ---- to shared memory

// N times four values, v[n] at k[n], of a row of `blocks` blocks.
template <class A> struct Put {
    template <int N>
    DEVICE void all(u8 *to, int, const int (&k)[N], const float (&v)[N][4])
    {
        UNROLL for (int n = 0; n < N; n++) {
            float q[4], d = Round<A>::four(v[n], q);
            if (k[n] >= 0)
                *(float4 *)(to + k[n] * 4) =
                    make_float4(q[0] * d, q[1] * d, q[2] * d, q[3] * d);
        }
    }
};
template <> struct Put<ActQ8> {
    template <int N>
    DEVICE void all(u8 *to, int blocks, const int (&k)[N], const float (&v)[N][4])
    {
        put_codes(to, blocks, k, v);
    }
};

template <int THREADS, class A, int K, bool NORM>
DEVICE void source_put(u8 *to, const SourceRow<THREADS, A, K, NORM> &r, float eps,
                       float *room)
{
    constexpr int N = SourceRow<THREADS, A, K, NORM>::EACH;
    float v[N][4];
    int k[N];
    source_norm(r, eps, room, v);
    UNROLL for (int i = 0; i < N; i++) k[i] = source_place(r, i);
    Put<A>::all(to, K / 32, k, v);
}

// `rows` rows, dense; begins the stage.
template <int THREADS, class A, int K, bool NORM>
DEVICE void stage_source(u8 *to, const Source<A, K, NORM> &s, int rows, float *room)
{
    SourceRow<THREADS, A, K, NORM> r;
    source_weights(r, s);
    stage_begin();
    NO_UNROLL for (int i = 0; i < rows; i++) {
        source_values(r, s, i);
        source_put(to + i * (K / 32) * A::SHARED, r, s.eps, room);
    }
}

// Rows that another kernel has rounded: `rows` rows of K / 32 blocks.
template <class A> struct Stage;
template <> struct Stage<ActQ8> {
    DEVICE void block(u8 *to, const u8 *from, int b, int blocks)
    {
        const u32 *x = (const u32 *)(from + (i64)b * 36);
        uint4 *codes = (uint4 *)(to + b * 32);
        u32 w[8];
        i32 sum = 0;
        UNROLL for (int i = 0; i < 8; i++) {
            w[i] = x[i];
            sum = dot4(w[i], 0x01010101u, sum);
            w[i] = swap_middle(w[i]);
        }
        float d = bits_float(x[8]);
        codes[0] = make_uint4(w[0], w[1], w[2], w[3]);
        codes[1] = make_uint4(w[4], w[5], w[6], w[7]);
        ((float2 *)(to + blocks * 32))[b] = make_float2(d, d * (float)sum);
    }
};
template <> struct Stage<ActF32> {
    DEVICE void block(u8 *to, const u8 *from, int b, int)
    {
        UNROLL for (int i = 0; i < 8; i++)
            ((float4 *)to)[b * 8 + i] = ((const float4 *)from)[b * 8 + i];
    }
};
template <> struct Stage<ActQ16> {
    DEVICE void block(u8 *to, const u8 *from, int b, int)
    {
        const u32 *x = (const u32 *)(from + (i64)b * 68);
        float d = bits_float(x[16]);
        UNROLL for (int i = 0; i < 16; i++) {
            u32 two = x[i];
            ((float2 *)to)[b * 16 + i] =
                make_float2((float)(i16)two * d, (float)(i16)(two >> 16) * d);
        }
    }
};

template <int THREADS, class A>
DEVICE void stage_values(u8 *to, const u8 *from, i64 stride, int rows, int blocks)
{
    for (int i = thread(); i < rows * blocks; i += THREADS)
        Stage<A>::block(to + i / blocks * blocks * A::SHARED,
                        from + i / blocks * stride, i % blocks, blocks);
}
