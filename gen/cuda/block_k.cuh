// block_k.cuh - superblocks of 256 weights whose sub-scales are codes:
// q2_k, q3_k, q4_k, q5_k, q6_k.  The meaning: runtime/base/blocks_k.c; the
// functions of a type: block_32.cuh.  Tiles are at least two blocks wide (J = 2).
//
// Products of 16 bits: a weight (q - C) S - (M - C S), with C in the middle of
// the codes, loses less by rounding S and the offset than q S - M.
#pragma once
#include "tile.cuh"

// Sub-block n of 8: six bits of scale S and of minimum M in sc[12].
DEVICE u32 file_scale_6(const u8 *sc, int n)
{
    return n < 4 ? sc[n] & 63u : (sc[n + 4] & 15u) | sc[n - 4] >> 6 << 4;
}
DEVICE u32 file_min_6(const u8 *sc, int n)
{
    return n < 4 ? sc[n + 4] & 63u : sc[n + 4] >> 4 | sc[n] >> 6 << 4;
}
DEVICE u32 file_nibble_k(const u8 *qs, int k)
{
    return qs[32 * (k / 64) + k % 32] >> 4 * (k / 32 % 2) & 15u;
}

// The scales of q4_k and q5_k: byte i = S of block i of the lane, above it the
// high two bits of M; the low four of M of blocks (0, j) and (1, j) in byte j; d
// and dmin of each superblock.
template <int J> struct MinScales {
    Strip<2 * J> scale;
    Strip<J> min;
    Rows<2 * J> d;
};
template <class T, int J> DEVICE void place(T &t, MinScales<J> &m)
{
    place(t, m.scale);
    place(t, m.min);
    place(t, m.d);
}
// The file's block begins with d, dmin, sc[12].
template <int J>
DEVICE void take_scales(MinScales<J> &m, int h, int j, const u8 *b, int n)
{
    u32 min = file_min_6(b + 4, n);
    put_byte(m.scale, h * J + j, file_scale_6(b + 4, n) | min >> 4 << 6);
    put_byte(m.min, j, (min & 15) << 4 * h);
    put_half(m.d, h, j / 2 * 2, file_u16(b, 0));
    put_half(m.d, h, j / 2 * 2 + 1, file_u16(b, 2));
}
// weight = scale * code - min.  Both words are the same for all j.
template <int J>
DEVICE void scales_of(const MinScales<J> &m, int h, int j, float &scale,
                      float &min)
{
    u32 both = m.scale.w[h * J / 4] >> 8 * (h * J % 4);
    u32 s = both & 0x3f3f3f3f;
    u32 lows = m.min.w[0] >> 4 * h & 0x0f0f0f0f;
    u32 mins = lows | (both >> 2 & 0x30303030);
    scale = half_float(half_of(m.d, h, j / 2 * 2)) * (float)(s >> 8 * j & 255);
    min = half_float(half_of(m.d, h, j / 2 * 2 + 1)) *
          (float)(mins >> 8 * j & 255);
}

// q4_k (BITS = 4) and q5_k (5).
template <int J, int BITS>
struct MinBlock
    : TileType<MinBlock<J, BITS>, J, 256, BITS == 4 ? 144 : 176> {
    struct Raw {
        Codes<BITS, J> code;
        MinScales<J> scale;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        if (BITS == 4)
            return file_nibble_k(b + 16, k);
        return file_nibble_k(b + 48, k) | (b[16 + k % 32] >> k / 32 & 1u) << 4;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        UNROLL for (int k = 0; k < 32; k++)
            put_code(r.code, h * J + j, k, file_code(b, 32 * n + k));
        take_scales(r.scale, h, j, b, n);
    }
    DEVICE float file_value(const u8 *row, i64 at)
    {
        const u8 *b = row + at / 256 * (BITS == 4 ? 144 : 176);
        int k = (int)(at % 256);
        float scale = file_half(b, 0) * (float)file_scale_6(b + 4, k / 32);
        float min = file_half(b, 2) * (float)file_min_6(b + 4, k / 32);
        return rounded_sum(rounded_product(scale, (float)file_code(b, k)), -min);
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *)
    {
        float scale, min;
        scales_of(r.scale, h, j, scale, min);
        i32 sum = dot_codes<0, 8>(r.code, h * J + j, a, 0);
        return scale * (d * (float)sum) - min * ds;
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        enum { MIDDLE = 1 << (BITS - 1) };
        float scale, min;
        scales_of(r.scale, h, j, scale, min);
        u32 factor = half_twice(scale),
            offset = half_twice(MIDDLE * scale - min);
        code_halves<MIDDLE>(codes4(r.code, h * J + j, s), w);
        UNROLL for (int n = 0; n < 2; n++)
            w[n] = half2_fma(w[n], factor, offset);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        float scale, min;
        scales_of(r.scale, h, j, scale, min);
        u32 codes = codes4(r.code, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = rounded_sum(
                rounded_product(scale, (float)code_of(codes, t)), -min);
    }
};
template <int J> struct Block_q4_k : MinBlock<J, 4> {};
template <int J> struct Block_q5_k : MinBlock<J, 5> {};
DEVICE float file_value_q4_k(const u8 *row, i64 k)
{
    return MinBlock<2, 4>::file_value(row, k);
}
DEVICE float file_value_q5_k(const u8 *row, i64 k)
{
    return MinBlock<2, 5>::file_value(row, k);
}
