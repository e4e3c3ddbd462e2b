// place.cuh - rounding rows to storage types and activations, fetching rows of
// tables.  Bit for bit what runtime/base/blocks_encode.c says.
#pragma once
#include "row.cuh"

// A number from outside kept inside [0, n): memory safety, not meaning.
DEVICE i64 bounded(i32 id, i64 n)
{
    return (u64)(u32)id < (u64)n ? (i64)(u32)id : n - 1;
}

// y(j) weighted by w(j)
template <int K, class W, class Y> DEVICE float weighted_sum(W w, Y y)
{
    float sum = 0;
    UNROLL for (int j = 0; j < K; j++) sum = fmaf(w(j), y(j), sum);
    return sum;
}

// ---- blocks of 32, one value a lane
// The value of largest magnitude, the first of equals; 0 if all are; NaN if any
// is not finite.
DEVICE float extreme32(float x)
{
    u32 magnitude = float_bits(x) & 0x7fffffffu;
    u32 top = warp_max_u32(magnitude);
    u32 first = warp_ballot(magnitude == top);
    float y = shuffle(x, 31 - leading_zeros(first & (0u - first)));
    if (top >= 0x7f800000u)
        return bits_float(0x7fc00000u);
    return top ? y : 0.0f;
}
// Its magnitude.
DEVICE float largest32(float x)
{
    u32 top = warp_max_u32(float_bits(x) & 0x7fffffffu);
    return bits_float(top >= 0x7f800000u ? 0x7fc00000u : top);
}
DEVICE float reciprocal_or_0(float d) { return d != 0 ? exact_quotient(1, d) : 0; }
// NaN, from a scale without a finite reciprocal, becomes 0.
DEVICE int clamp_code(float v, float lo, float hi)
{
    return v == v ? (int)fminf(fmaxf(v, lo), hi) : 0;
}
DEVICE void put_half(u8 *at, float d) { *(u16 *)at = float_half(d); }

DEVICE void encode_q8_0(u8 *b, float x)
{
    float d = exact_quotient(largest32(x), 127), id = reciprocal_or_0(d);
    if (lane() == 0)
        put_half(b, d);
    b[2 + lane()] = (u8)clamp_code(roundf(x * id), -127, 127);
}
DEVICE void encode_q4_0(u8 *b, float x)
{
    float d = exact_quotient(extreme32(x), -8), id = reciprocal_or_0(d);
    if (lane() == 0)
        put_half(b, d);
    u32 code = (u32)clamp_code(rounded_sum(rounded_product(x, id), 8.5f), 0, 15);
    u32 high = shuffle(code, (lane() + 16) & 31);
    if (lane() < 16)
        b[2 + lane()] = (u8)(code | high << 4);
}
DEVICE void encode_q8a(u8 *b, float x)
{
    float d = exact_quotient(largest32(x), 127), id = reciprocal_or_0(d);
    b[lane()] = (u8)clamp_code(rintf(x * id), -127, 127);
    if (lane() == 0)
        *(float *)(b + 32) = d;
}
DEVICE void encode_q16a(u8 *b, float x)
{
    float d = exact_quotient(largest32(x), 32767), id = reciprocal_or_0(d);
    ((u16 *)b)[lane()] = (u16)clamp_code(rintf(x * id), -32767, 32767);
    if (lane() == 0)
        *(float *)(b + 64) = d;
}
// N blocks of q8a or q16a (codes of BITS bits) at at(n), nowhere if that is NULL;
// x[n]: the lane's value of each.  Lane n makes the scale of block n.
template <int BITS, int N, class At>
DEVICE void encode_codes(const At &at, const float (&x)[N])
{
    static_assert(N <= 32, "a lane a block");
    constexpr int MOST = BITS == 8 ? 127 : 32767;
    float top = 0;
    UNROLL for (int n = 0; n < N; n++) {
        float y = largest32(x[n]);
        top = lane() == n ? y : top;
    }
    float d = exact_quotient(top, MOST), id = reciprocal_or_0(d);
    UNROLL for (int n = 0; n < N; n++) {
        int code = clamp_code(rintf(x[n] * shuffle(id, n)), -MOST, MOST);
        u8 *b = at(n);
        if (b && BITS == 8)
            b[lane()] = (u8)code;
        else if (b)
            ((u16 *)b)[lane()] = (u16)code;
        if (b && lane() == n)
            *(float *)(b + 4 * BITS) = d;
    }
}
// One function a type, by the index i of the lane's value in the row at `b`.
DEVICE void encode_f32(u8 *b, float x) { *(float *)b = x; }
DEVICE void encode_f16(u8 *b, float x) { put_half(b, x); }
DEVICE void encode_bf16(u8 *b, float x) { *(u16 *)b = float_bf16(x); }

// A row of D values, in blocks of ELEMS values and BYTES bytes, encoded by
// encode(block, value).
template <int D, int ELEMS, int BYTES, class T, class X, class F>
DEVICE void row_encode(T team, u8 *to, X x, F encode)
{
    each<D>(team,
            [&](int, int i) { encode(to + (i64)(i / ELEMS) * BYTES, x(i)); });
}

// ---- a row of a table in tiles
// Thread u of the units takes 32 weights: of the tile's lane 4 (id % 8) + c,
// block j of the row's half.
template <class Block, int J, class Put>
DEVICE void tile_unit(const u8 *tiles, i64 across, i64 id, int u,
                      const u8 *table, Put put)
{
    int c = u % 4, j = u / 4 % J, k = 128 * J * (u / (4 * J)) + 32 * (c + 4 * j);
    typename Block::Raw raw;
    i64 tile = id / 16 * across + u / (4 * J);
    Block::load(raw, tiles + tile * Block::BYTES, 4 * (int)(id % 8) + c);
    UNROLL for (int at = 0; at < 2 * J; at++) {
        if (at / J != id % 16 / 8 || at % J != j)
            continue;
        UNROLL for (int s = 0; s < 8; s++) {
            float w[4];
            Block::floats(raw, at / J, at % J, s, w, table);
            UNROLL for (int n = 0; n < 4; n++) put(k + 4 * s + n, w[n]);
        }
    }
}
template <int D, template <int> class Block, class T, class Put>
DEVICE void row_of_tiles(T team, const u8 *tiles, i64 id, u8 *table, Put put)
{
    constexpr int J = D % 512 == 0 ? 4 : D % 256 == 0 ? 2 : 1;
    using B = Block<J>;
    B::table(table, team_rank(team), T::SIZE);
    team_sync(team);
    each<D / 32>(team, [&](int, int u) {
        tile_unit<B, J>(tiles, D / (128 * J), id, u, table, put);
    });
}
