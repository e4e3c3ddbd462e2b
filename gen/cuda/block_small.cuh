// block_small.cuh - weights of one, two and three values: q1_0, q2_0, tq1_0,
// tq2_0. The meaning: runtime/base/blocks_small.c; the functions of a type:
// block_32.cuh.
#pragma once
#include "tile.cuh"

// Codes 0 .. 3 that stand for code - 1, times d.
DEVICE void trit_halves(u32 codes, float d, u32 (&w)[2])
{
    u32 factor = half_twice(d);
    code_halves<1>(codes, w);
    UNROLL for (int n = 0; n < 2; n++)
        w[n] = half2_mul(w[n], factor);
}
DEVICE void trit_floats(u32 codes, float d, float (&w)[4])
{
    UNROLL for (int t = 0; t < 4; t++)
        w[t] = (float)((i32)code_of(codes, t) - 1) * d;
}

// ---- q1_0: the sign of d; 128 weights share it, so the lane's (0, j) and (1,
// j) have those of the rows' block j
template <int J> struct Block_q1_0 : TileType<Block_q1_0<J>, J, 128, 18> {
    struct Raw {
        Codes<1, J> code;
        Rows<2 * J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.d);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        for (int k = 0; k < 32; k++)
            put_code(r.code, h * J + j, k, b[2 + 4 * n + k / 8] >> k % 8 & 1u);
        put_half(r.d, h, j, file_u16(b, 0));
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *)
    {
        i32 sum = dot_codes<0, 8>(r.code, h * J + j, a, 0);
        return half_float(half_of(r.d, h, j)) * (2 * d * (float)sum - ds);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        u32 d = half_twice(half_of(r.d, h, j));
        u32 plus = ~codes4(r.code, h * J + j, s) & 0x01010101; // 1: negative
        w[0] = d ^ (plus & 0x00010001) << 15;
        w[1] = d ^ (plus & 0x01000100) << 7;
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        float d = half_float(half_of(r.d, h, j));
        u32 codes = codes4(r.code, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = code_of(codes, t) ? d : -d;
    }
};
DEVICE float file_value_q1_0(const u8 *row, i64 at)
{
    const u8 *b = row + at / 128 * 18;
    int k = (int)(at % 128);
    return b[2 + k / 8] >> k % 8 & 1 ? file_half(b, 0) : -file_half(b, 0);
}

// ---- q2_0: 64 weights share d, and so do two lanes
// P bytes of each pair of lanes.
template <int P> struct Pairs {
    u32 w[(P + 3) / 4];
};
template <int P> DEVICE void place(TileReader &t, Pairs<P> &s)
{
    load_words<P, 0>(t.at + t.lane / 2 * P, s.w);
    t.at += 16 * P;
}
template <int P> DEVICE void place(TileWriter &t, Pairs<P> &s)
{
    if (t.lane % 2 == 0)
        UNROLL for (int n = 0; n < P / 4; n++)
            ((u32 *)t.at)[t.lane / 2 * (P / 4) + n] = s.w[n];
    t.at += 16 * P;
}
template <int J> struct Block_q2_0 : TileType<Block_q2_0<J>, J, 64, 18> {
    struct Raw {
        Codes<2, J> code;
        Pairs<4 * J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.d);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        for (int k = 0; k < 32; k++)
            put_code(r.code, i, k, b[2 + 8 * n + k / 4] >> 2 * (k % 4) & 3u);
        r.d.w[i / 2] |= (u32)file_u16(b, 0) << 16 * (i % 2);
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        int i = h * J + j;
        return half_float((u16)(r.d.w[i / 2] >> 16 * (i % 2)));
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *)
    {
        i32 sum = dot_codes<0, 8>(r.code, h * J + j, a, 0);
        return scale(r, h, j) * (d * (float)sum - ds);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        trit_halves(codes4(r.code, h * J + j, s), scale(r, h, j), w);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        trit_floats(codes4(r.code, h * J + j, s), scale(r, h, j), w);
    }
};
DEVICE float file_value_q2_0(const u8 *row, i64 at)
{
    const u8 *b = row + at / 64 * 18;
    int k = (int)(at % 64);
    return (float)((b[2 + k / 4] >> 2 * (k % 4) & 3) - 1) * file_half(b, 0);
}

// ---- tq2_0 and tq1_0: S has codes(r, i, s) and d in rows
template <class S, int J, int FILE_BYTES>
struct TritType : TileType<S, J, 256, FILE_BYTES> {
    template <class Raw>
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *)
    {
        i32 sum = 0;
        UNROLL for (int s = 0; s < 8; s++)
            sum = dot4(S::codes(r, h, j, s), a[s], sum);
        return half_float(half_of(r.d, h, j / 2)) * (d * (float)sum - ds);
    }
    template <class Raw>
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        trit_halves(S::codes(r, h, j, s), half_float(half_of(r.d, h, j / 2)),
                    w);
    }
    template <class Raw>
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        trit_floats(S::codes(r, h, j, s), half_float(half_of(r.d, h, j / 2)),
                    w);
    }
};

template <int J> struct Block_tq2_0 : TritType<Block_tq2_0<J>, J, 66> {
    struct Raw {
        Codes<2, J> code;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.d);
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        return b[k / 128 * 32 + k % 32] >> 2 * (k % 128 / 32) & 3u;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        for (int k = 0; k < 32; k++)
            put_code(r.code, h * J + j, k, file_code(b, 32 * n + k));
        put_half(r.d, h, j / 2, file_u16(b, 64));
    }
    DEVICE u32 codes(const Raw &r, int h, int j, int s)
    {
        return codes4(r.code, h * J + j, s);
    }
};
DEVICE float file_value_tq2_0(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 66;
    u32 code = Block_tq2_0<2>::file_code(b, (int)(at % 256));
    return (float)((i32)code - 1) * file_half(b, 64);
}

// tq1_0: five digits to a byte, which is a binary fraction of base-3 digits:
// the leading one is the carry of the byte times three.  The lane has 64
// weights of a row and superblock in 13 bytes: three words, whose four bytes
// hold five groups of four weights each, and a byte with the 16th group.
template <int J> struct Block_tq1_0 : TritType<Block_tq1_0<J>, J, 54> {
    struct Raw {
        Strip<12 * J> word;
        Strip<J> last;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.word);
        place(t, r.last);
        place(t, r.d);
    }
    DEVICE u32 file_digit(u32 byte, u32 power)
    {
        return (byte * power & 255) * 3 >> 8;
    }
    DEVICE u32 power3(int n)
    {
        return n ? n > 1 ? n > 2 ? n > 3 ? 81 : 27 : 9 : 3 : 1;
    }
    DEVICE u32 file_code(const u8 *b, int k)
    {
        if (k < 160)
            return file_digit(b[k % 32], power3(k / 32));
        if (k < 240)
            return file_digit(b[32 + k % 16], power3((k - 160) / 16));
        return file_digit(b[48 + k % 4], power3((k - 240) / 4));
    }
    // The byte whose digits are group `first`'s, first + 1's ... weight t.
    DEVICE u32 packed_digits(const u8 *b, int c, int first, int n, int t)
    {
        u32 x = 0;
        for (int i = 0; i < 5; i++) {
            int s = first + i;
            u32 digit =
                i < n ? file_code(b, 32 * (c + 4 * (s / 8)) + s % 8 * 4 + t)
                      : 0;
            x = 3 * x + digit;
        }
        return (x * 256 + 242) / 243;
    }
    // The first of a lane's two blocks in a superblock brings both.
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int unit = h * (J / 2) + j / 2;
        if (j % 2)
            return;
        for (int q = 0; q < 3; q++)
            for (int t = 0; t < 4; t++)
                r.word.w[3 * unit + q] |= packed_digits(b, n, 5 * q, 5, t)
                                          << 8 * byte_place(t);
        u32 x = 0;
        for (int t = 0; t < 4; t++)
            x = 3 * x + file_code(b, 32 * (n + 4) + 28 + t);
        put_byte(r.last, unit, (x * 3 * 256 + 242) / 243);
        put_half(r.d, h, j / 2, file_u16(b, 52));
    }

    // Leading digits of bytes 0, 2 (even) and 1, 3 (odd) of words of 16 bits.
    DEVICE u32 leading(u32 even, u32 odd)
    {
        return permute((even & 0x00ff00ff) * 3, (odd & 0x00ff00ff) * 3, 0x7351);
    }
    DEVICE u32 codes(const Raw &r, int h, int j, int s)
    {
        int unit = h * (J / 2) + j / 2, group = j % 2 * 8 + s;
        if (group == 15) {
            u32 x = byte_of(r.last, unit);
            return leading(x | x * 3 << 16, x * 9 | x * 27 << 16);
        }
        u32 x = r.word.w[3 * unit + group / 5], power = power3(group % 5);
        return leading((x & 0x00ff00ff) * power, (x >> 8 & 0x00ff00ff) * power);
    }
};
DEVICE float file_value_tq1_0(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 54;
    u32 code = Block_tq1_0<2>::file_code(b, (int)(at % 256));
    return (float)((i32)code - 1) * file_half(b, 52);
}
