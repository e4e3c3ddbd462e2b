// block_iq4.cuh - four bits that number one of 16 values: iq4_nl, iq4_xs,
// mxfp4, nvfp4.  The meaning: runtime/base/blocks_iq.c, blocks_small.c; the
// functions of a type: block_32.cuh.
//
// The nibbles of eight weights stand in a word in the order 0, 2, 1, 3, 4, 6,
// 5, 7: permute() picks four bytes by four nibbles from the first eight values
// and from the last eight, and once more between the two.
#pragma once
#include "block_lookup.cuh"

template <int J> struct Nibbles {
    Strip<32 * J> plane;
};
template <class T, int J> DEVICE void place(T &t, Nibbles<J> &n)
{
    place(t, n.plane);
}
template <int J> DEVICE void put_nibble(Nibbles<J> &n, int i, int k, u32 v)
{
    n.plane.w[4 * i + k / 8] |= v << 4 * (k / 4 % 2 * 4 + byte_place(k % 4));
}
// The nibble of weight k of 32 in the file: low ones first.
DEVICE u32 file_nibble(const u8 *q, int k, int half)
{
    return q[k % half] >> 4 * (k / half) & 15u;
}

// The values, in memory and (of 4 .. 7 and 12 .. 15) as constants.
struct ValuesNl4 {
    DEVICE u32 first(u32 pick)
    {
        return permute(load_held(codebook_nl4), codebook_nl4_1, pick);
    }
    DEVICE u32 last(u32 pick)
    {
        return permute(load_held(codebook_nl4 + 2), codebook_nl4_3, pick);
    }
    DEVICE float value(u32 n)
    {
        return (float)(i8)(codebook_nl4[n / 4] >> 8 * (n % 4));
    }
};
struct ValuesE2m1 {
    DEVICE u32 first(u32 pick)
    {
        return permute(load_held(codebook_e2m1), codebook_e2m1_1, pick);
    }
    DEVICE u32 last(u32 pick)
    {
        return permute(load_held(codebook_e2m1 + 2), codebook_e2m1_3, pick);
    }
    DEVICE float value(u32 n)
    {
        return (float)(i8)(codebook_e2m1[n / 4] >> 8 * (n % 4));
    }
};

// Values of weights 4s .. 4s + 3 of block i, as bytes.
HELD nibble_tops[1] = {0x44444444};
template <class V, int J>
DEVICE u32 nibble_values(const Nibbles<J> &n, int i, int s)
{
    u32 x = n.plane.w[4 * i + s / 2];
    u32 pick = x & 0x77777777;
    u32 which = (x >> 1 & load_held(nibble_tops)) | 0x32103210;
    if (s % 2) {
        pick >>= 16;
        which >>= 16;
    }
    return permute(V::first(pick), V::last(pick), which);
}
template <class V, int FROM, int N, int J>
DEVICE i32 dot_values(const Nibbles<J> &n, int i, const u32 (&a)[8])
{
    i32 sum = 0;
    UNROLL for (int s = FROM; s < FROM + N; s++)
        sum = dot4(nibble_values<V>(n, i, s), a[s], sum);
    return sum;
}
DEVICE void value_halves(u32 values, float scale, u32 (&w)[2])
{
    u32 factor = half_twice(scale);
    code_halves<128>(values ^ 0x80808080, w);
    UNROLL for (int n = 0; n < 2; n++)
        w[n] = half2_mul(w[n], factor);
}
DEVICE void value_floats(u32 values, float scale, float (&w)[4])
{
    UNROLL for (int t = 0; t < 4; t++)
        w[t] = scale * (float)(i8)code_of(values, t);
}

// Blocks of a type S with one scale() of each.
template <class S, class V, int J, int ELEMS, int FILE_BYTES>
struct ValueType : TileType<S, J, ELEMS, FILE_BYTES> {
    template <class Raw>
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        i32 sum = dot_values<V, 0, 8>(r.code, h * J + j, a);
        return S::scale(r, h, j) * (d * (float)sum);
    }
    template <class Raw>
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        value_halves(nibble_values<V>(r.code, h * J + j, s), S::scale(r, h, j),
                     w);
    }
    template <class Raw>
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        value_floats(nibble_values<V>(r.code, h * J + j, s), S::scale(r, h, j),
                     w);
    }
};

// ---- iq4_nl
template <int J>
struct Block_iq4_nl : ValueType<Block_iq4_nl<J>, ValuesNl4, J, 32, 18> {
    struct Raw {
        Nibbles<J> code;
        Strip<4 * J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.d);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int)
    {
        int i = h * J + j;
        for (int k = 0; k < 32; k++)
            put_nibble(r.code, i, k, file_nibble(b + 2, k, 16));
        put_half(r.d, i, file_u16(b, 0));
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        return half_float(half_of(r.d, h * J + j));
    }
};
DEVICE float file_value_iq4_nl(const u8 *row, i64 at)
{
    const u8 *b = row + at / 32 * 18;
    return file_half(b, 0) *
           ValuesNl4::value(file_nibble(b + 2, (int)(at % 32), 16));
}

// ---- iq4_xs: a scale of six bits for each 32 weights
template <int J>
struct Block_iq4_xs : ValueType<Block_iq4_xs<J>, ValuesNl4, J, 256, 136> {
    struct Raw {
        Nibbles<J> code;
        RowScales<J> scale;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
    }
    DEVICE u32 file_scale(const u8 *b, int n)
    {
        u32 low = b[4 + n / 2] >> 4 * (n % 2) & 15u;
        return low | (file_u16(b, 2) >> 2 * n & 3u) << 4;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        for (int k = 0; k < 32; k++)
            put_nibble(r.code, h * J + j, k,
                       file_nibble(b + 8 + 16 * n, k, 16));
        for (int k = 0; k < 8; k++)
            put_scale6(r.scale, h, j, k, file_scale(b, k));
        put_scale_d(r.scale, h, j, file_u16(b, 0));
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        i32 s = (i32)(scale6_at<0>(r.scale, h, j) & 63) - 32;
        return scale_d(r.scale, h, j) * (float)s;
    }
};
DEVICE float file_value_iq4_xs(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 136;
    int k = (int)(at % 256);
    float s = (float)((i32)Block_iq4_xs<2>::file_scale(b, k / 32) - 32);
    return file_half(b, 0) * s *
           ValuesNl4::value(file_nibble(b + 8 + k / 32 * 16, k % 32, 16));
}

// ---- mxfp4: the scale is 2^(e - 128)
DEVICE float e8m0_half(u32 e)
{
    return bits_float(e < 2 ? 0x200000u << e : (e - 1) << 23);
}
template <int J>
struct Block_mxfp4 : ValueType<Block_mxfp4<J>, ValuesE2m1, J, 32, 17> {
    struct Raw {
        Nibbles<J> code;
        Strip<2 * J> e;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.e);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int)
    {
        int i = h * J + j;
        for (int k = 0; k < 32; k++)
            put_nibble(r.code, i, k, file_nibble(b + 1, k, 16));
        put_byte(r.e, i, b[0]);
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        return e8m0_half(byte_of(r.e, h * J + j));
    }
};
DEVICE float file_value_mxfp4(const u8 *row, i64 at)
{
    const u8 *b = row + at / 32 * 17;
    return ValuesE2m1::value(file_nibble(b + 1, (int)(at % 32), 16)) *
           e8m0_half(b[0]);
}

// ---- nvfp4: of each 16 weights a scale in E4M3 without sign
// Half of it; 0x7f, its NaN, counts as 0.  As f32 bits the exponent is too
// small by 120; numbers without a leading one are those of f32, then.
DEVICE float ue4m3_half(u32 x)
{
    return x == 0x7f ? 0.0f : bits_float((x & 127) << 20) * 0x1p119f;
}
template <int J> struct Block_nvfp4 : TileType<Block_nvfp4<J>, J, 64, 36> {
    struct Raw {
        Nibbles<J> code;
        Strip<4 * J> scale;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        return file_nibble(b + 4 + k / 16 * 8, k % 16, 8);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        for (int k = 0; k < 32; k++)
            put_nibble(r.code, i, k, file_code(b, 32 * n + k));
        for (int k = 0; k < 2; k++)
            put_byte(r.scale, 2 * i + k, b[2 * n + k]);
    }
    DEVICE float scale16(const Raw &r, int h, int j, int s)
    {
        return ue4m3_half(byte_of(r.scale, 2 * (h * J + j) + s / 4));
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        int i = h * J + j;
        float first = (float)dot_values<ValuesE2m1, 0, 4>(r.code, i, a);
        float last = (float)dot_values<ValuesE2m1, 4, 4>(r.code, i, a);
        return d * (scale16(r, h, j, 0) * first + scale16(r, h, j, 4) * last);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        value_halves(nibble_values<ValuesE2m1>(r.code, h * J + j, s),
                     scale16(r, h, j, s), w);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        value_floats(nibble_values<ValuesE2m1>(r.code, h * J + j, s),
                     scale16(r, h, j, s), w);
    }
};
DEVICE float file_value_nvfp4(const u8 *row, i64 at)
{
    const u8 *b = row + at / 64 * 36;
    int k = (int)(at % 64);
    return ValuesE2m1::value(Block_nvfp4<1>::file_code(b, k)) *
           ue4m3_half(b[k / 16]);
}
