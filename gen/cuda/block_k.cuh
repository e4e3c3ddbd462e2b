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

// ---- sixteen weights a sub-scale

// q6_k: code - 32 times a signed byte of 16 weights.
template <int J>
struct Block_q6_k : TileType<Block_q6_k<J>, J, 256, 210> {
    struct Raw {
        Codes<6, J> code;
        Strip<4 * J> scale; // bytes 2i, 2i + 1 of block i
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
        place(t, r.d);
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        int n = k / 128, g = k % 128 / 32, l = k % 32;
        u32 low = b[64 * n + 32 * (g & 1) + l] >> 4 * (g / 2) & 15u;
        return low | (b[128 + 32 * n + l] >> 2 * g & 3u) << 4;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        UNROLL for (int k = 0; k < 32; k++)
            put_code(r.code, i, k, file_code(b, 32 * n + k));
        put_byte(r.scale, 2 * i, b[192 + 2 * n]);
        put_byte(r.scale, 2 * i + 1, b[193 + 2 * n]);
        put_half(r.d, h, j / 2, file_u16(b, 208));
    }
    // Of the n-th 16 weights of block i.
    DEVICE i32 scale_of(const Raw &r, int i, int n)
    {
        return (i8)byte_of(r.scale, 2 * i + n);
    }
    DEVICE float factor(const Raw &r, int h, int j, int n)
    {
        return half_float(half_of(r.d, h, j / 2)) *
               (float)scale_of(r, h * J + j, n);
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        int i = h * J + j;
        i32 first = dot_codes<0, 4>(r.code, i, a, -32 * sum16<0>(a));
        i32 second = dot_codes<4, 4>(r.code, i, a, -32 * sum16<4>(a));
        i32 sum = scale_of(r, i, 0) * first + scale_of(r, i, 1) * second;
        return half_float(half_of(r.d, h, j / 2)) * (d * (float)sum);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        u32 scale = half_twice(factor(r, h, j, s / 4));
        code_halves<32>(codes4(r.code, h * J + j, s), w);
        UNROLL for (int n = 0; n < 2; n++) w[n] = half2_mul(w[n], scale);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        float scale = factor(r, h, j, s / 4);
        u32 codes = codes4(r.code, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = scale * (float)((int)code_of(codes, t) - 32);
    }
};
DEVICE float file_value_q6_k(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 210;
    int k = (int)(at % 256);
    float scale = file_half(b, 208) * (float)(i8)b[192 + k / 16];
    return scale * (float)((int)Block_q6_k<2>::file_code(b, k) - 32);
}

// Two bits of 256: 128 weights share 32 bytes.
DEVICE u32 file_pair_k(const u8 *qs, int k)
{
    return qs[32 * (k / 128) + k % 32] >> 2 * (k % 128 / 32) & 3u;
}

// q3_k: code - 4 times six bits - 32 of 16 weights.
template <int J>
struct Block_q3_k : TileType<Block_q3_k<J>, J, 256, 110> {
    struct Raw {
        Codes<3, J> code;
        Strip<2 * J> low; // of block i in byte i: low nibbles of both scales
        Strip<J> high;    // of block i in nibble i: two high bits of both
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.low);
        place(t, r.high);
        place(t, r.d);
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        return file_pair_k(b + 32, k) | (b[k % 32] >> k / 32 & 1u) << 2;
    }
    DEVICE u32 file_scale(const u8 *b, int k)
    {
        const u8 *sc = b + 96;
        u32 low = k < 8 ? sc[k] & 15u : sc[k - 8] >> 4;
        return low | (sc[8 + k % 4] >> 2 * (k / 4) & 3u) << 4;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        u32 first = file_scale(b, 2 * n), second = file_scale(b, 2 * n + 1);
        UNROLL for (int k = 0; k < 32; k++)
            put_code(r.code, i, k, file_code(b, 32 * n + k));
        put_byte(r.low, i, (first & 15) | (second & 15) << 4);
        put_byte(r.high, i / 2, (first >> 4 | second >> 4 << 2) << 4 * (i % 2));
        put_half(r.d, h, j / 2, file_u16(b, 108));
    }
    DEVICE i32 scale_of(const Raw &r, int i, int n)
    {
        u32 low = byte_of(r.low, i) >> 4 * n & 15;
        u32 high = byte_of(r.high, i / 2) >> (4 * (i % 2) + 2 * n) & 3;
        return (i32)(low | high << 4) - 32;
    }
    DEVICE float factor(const Raw &r, int h, int j, int n)
    {
        return half_float(half_of(r.d, h, j / 2)) *
               (float)scale_of(r, h * J + j, n);
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        int i = h * J + j;
        i32 first = dot_codes<0, 4>(r.code, i, a, -4 * sum16<0>(a));
        i32 second = dot_codes<4, 4>(r.code, i, a, -4 * sum16<4>(a));
        i32 sum = scale_of(r, i, 0) * first + scale_of(r, i, 1) * second;
        return half_float(half_of(r.d, h, j / 2)) * (d * (float)sum);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        u32 scale = half_twice(factor(r, h, j, s / 4));
        code_halves<4>(codes4(r.code, h * J + j, s), w);
        UNROLL for (int n = 0; n < 2; n++) w[n] = half2_mul(w[n], scale);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        float scale = factor(r, h, j, s / 4);
        u32 codes = codes4(r.code, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = scale * (float)((int)code_of(codes, t) - 4);
    }
};
DEVICE float file_value_q3_k(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 110;
    int k = (int)(at % 256);
    i32 scale = (i32)Block_q3_k<2>::file_scale(b, k / 16) - 32;
    return file_half(b, 108) * (float)scale *
           (float)((int)Block_q3_k<2>::file_code(b, k) - 4);
}

// q2_k: of 16 weights a byte, scale below minimum.
template <int J>
struct Block_q2_k : TileType<Block_q2_k<J>, J, 256, 84> {
    struct Raw {
        Codes<2, J> code;
        Strip<4 * J> scale; // bytes 2i, 2i + 1 of block i
        Rows<2 * J> d;      // d, dmin
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
        place(t, r.d);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        UNROLL for (int k = 0; k < 32; k++)
            put_code(r.code, i, k, file_pair_k(b + 16, 32 * n + k));
        put_byte(r.scale, 2 * i, b[2 * n]);
        put_byte(r.scale, 2 * i + 1, b[2 * n + 1]);
        put_half(r.d, h, j / 2 * 2, file_u16(b, 80));
        put_half(r.d, h, j / 2 * 2 + 1, file_u16(b, 82));
    }
    DEVICE void superscales(const Raw &r, int h, int j, float &d, float &dmin)
    {
        d = half_float(half_of(r.d, h, j / 2 * 2));
        dmin = half_float(half_of(r.d, h, j / 2 * 2 + 1));
    }
    DEVICE void scales_of(const Raw &r, int h, int j, int n, float &scale,
                          float &min)
    {
        u32 both = byte_of(r.scale, 2 * (h * J + j) + n);
        superscales(r, h, j, scale, min);
        scale *= (float)(both & 15);
        min *= (float)(both >> 4);
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        int i = h * J + j;
        u32 first = byte_of(r.scale, 2 * i), second = byte_of(r.scale, 2 * i + 1);
        i32 sum = (i32)(first & 15) * dot_codes<0, 4>(r.code, i, a, 0) +
                  (i32)(second & 15) * dot_codes<4, 4>(r.code, i, a, 0);
        i32 less = (i32)(first >> 4) * sum16<0>(a) +
                   (i32)(second >> 4) * sum16<4>(a);
        float scale, min;
        superscales(r, h, j, scale, min);
        return d * (scale * (float)sum - min * (float)less);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        float scale, min;
        scales_of(r, h, j, s / 4, scale, min);
        u32 factor = half_twice(scale), offset = half_twice(2 * scale - min);
        code_halves<2>(codes4(r.code, h * J + j, s), w);
        UNROLL for (int n = 0; n < 2; n++)
            w[n] = half2_fma(w[n], factor, offset);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        float scale, min;
        scales_of(r, h, j, s / 4, scale, min);
        u32 codes = codes4(r.code, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = rounded_sum(
                rounded_product(scale, (float)code_of(codes, t)), -min);
    }
};
DEVICE float file_value_q2_k(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 84;
    int k = (int)(at % 256), both = b[k / 16];
    float scale = file_half(b, 80) * (float)(both & 15);
    float min = file_half(b, 82) * (float)(both >> 4);
    return rounded_sum(
        rounded_product(scale, (float)file_pair_k(b + 16, k)), -min);
}
