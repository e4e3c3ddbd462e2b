// block_32.cuh - blocks of 32 weights with one scale, and perhaps an offset:
// q4_0, q4_1, q5_0, q5_1, q8_0.  The meaning: runtime/base/blocks_32.c.
//
// The functions of every type:
//   dot8    the sum of 32 weights times activations: int8 codes a (in words of
//           four, in the order 0, 2, 1, 3), their scale d, ds = d * sum of codes
//   halves  weights 4s .. 4s + 3 of block (h, j) as f16 pairs (0, 1), (2, 3), in
//           units of UNIT.  An f16 times a whole number is no smaller than the
//           smallest f16: small weights lose no more digits than others
//   floats  the same as f32, bit for bit what block_decode says
#pragma once
#include "tile.cuh"

template <int J>
struct Block_q8_0 : TileType<Block_q8_0<J>, J, 32, 34> {
    struct Raw {
        Codes<8, J> code;
        Strip<4 * J> scale; // a half of each block
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int)
    {
        int i = h * J + j;
        UNROLL for (int k = 0; k < 32; k++) put_code(r.code, i, k, b[2 + k]);
        put_half(r.scale, i, file_u16(b, 0));
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        int i = h * J + j;
        i32 sum = 0;
        UNROLL for (int s = 0; s < 8; s++)
            sum = dot4(codes4(r.code, i, s), a[s], sum);
        return half_float(half_of(r.scale, i)) * (d * (float)sum);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        int i = h * J + j;
        u32 scale = half_twice(half_of(r.scale, i));
        code_halves<128>(codes4(r.code, i, s) ^ 0x80808080, w);
        UNROLL for (int n = 0; n < 2; n++) w[n] = half2_mul(w[n], scale);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        int i = h * J + j;
        float d = half_float(half_of(r.scale, i));
        u32 codes = codes4(r.code, i, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = (float)(i8)code_of(codes, t) * d;
    }
};

DEVICE float file_value_q8_0(const u8 *row, i64 k)
{
    const u8 *b = row + k / 32 * 34;
    return (float)(i8)b[2 + k % 32] * file_half(b, 0);
}

// The others: 4 or 5 bits; (code - middle) scale, or code scale + min.  In the
// file: scale, min, fifth bits, nibbles.
template <int J, int BITS, bool MIN>
struct Block32 : TileType<Block32<J, BITS, MIN>, J, 32,
                          (MIN ? 4 : 2) + (BITS == 5 ? 20 : 16)> {
    enum {
        MIDDLE = MIN ? 0 : 1 << (BITS - 1),
        FIFTHS = MIN ? 4 : 2, // where they are
        NIBBLES = FIFTHS + (BITS == 5 ? 4 : 0),
        HALVES = MIN ? 2 : 1
    };
    struct Raw {
        Codes<BITS, J> code;
        Strip<4 * HALVES * J> scale; // of each block a half, or two
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        u32 code = b[NIBBLES + k % 16] >> 4 * (k / 16) & 15u;
        if (BITS == 5)
            code |= (b[FIFTHS + k / 8] >> k % 8 & 1u) << 4;
        return code;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int)
    {
        int i = h * J + j;
        UNROLL for (int k = 0; k < 32; k++)
            put_code(r.code, i, k, file_code(b, k));
        UNROLL for (int n = 0; n < HALVES; n++)
            put_half(r.scale, HALVES * i + n, file_u16(b, 2 * n));
    }
    DEVICE float value(u32 code, float scale, float min)
    {
        float x = rounded_product((float)((int)code - MIDDLE), scale);
        return MIN ? rounded_sum(x, min) : x;
    }
    DEVICE float file_value(const u8 *row, i64 k)
    {
        const u8 *b = row + k / 32 * (NIBBLES + 16);
        return value(file_code(b, (int)(k % 32)), file_half(b, 0),
                     MIN ? file_half(b, 2) : 0);
    }
    DEVICE u16 half_at(const Raw &r, int h, int j, int n)
    {
        return half_of(r.scale, HALVES * (h * J + j) + n);
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *)
    {
        float sum = d * (float)dot_codes<0, 8>(r.code, h * J + j, a, 0);
        float scale = half_float(half_at(r, h, j, 0));
        if constexpr (MIN)
            return scale * sum + half_float(half_at(r, h, j, 1)) * ds;
        return scale * (sum - MIDDLE * ds);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        u32 scale = half_twice(half_at(r, h, j, 0));
        code_halves<MIDDLE>(codes4(r.code, h * J + j, s), w);
        UNROLL for (int n = 0; n < 2; n++)
            if constexpr (MIN)
                w[n] = half2_fma(w[n], scale, half_twice(half_at(r, h, j, 1)));
            else
                w[n] = half2_mul(w[n], scale);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        float scale = half_float(half_at(r, h, j, 0)), min = 0;
        if constexpr (MIN)
            min = half_float(half_at(r, h, j, 1));
        u32 codes = codes4(r.code, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = value(code_of(codes, t), scale, min);
    }
};
template <int J> struct Block_q4_0 : Block32<J, 4, false> {};
template <int J> struct Block_q4_1 : Block32<J, 4, true> {};
template <int J> struct Block_q5_0 : Block32<J, 5, false> {};
template <int J> struct Block_q5_1 : Block32<J, 5, true> {};
DEVICE float file_value_q4_0(const u8 *row, i64 k)
{
    return Block32<1, 4, false>::file_value(row, k);
}
DEVICE float file_value_q4_1(const u8 *row, i64 k)
{
    return Block32<1, 4, true>::file_value(row, k);
}
DEVICE float file_value_q5_0(const u8 *row, i64 k)
{
    return Block32<1, 5, false>::file_value(row, k);
}
DEVICE float file_value_q5_1(const u8 *row, i64 k)
{
    return Block32<1, 5, true>::file_value(row, k);
}
