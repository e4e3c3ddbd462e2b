// block_iq3.cuh - iq3_xxs, iq3_s: indices into rows of four magnitudes, with
// signs.  The meaning: runtime/base/blocks_iq.c; the functions of a type:
// block_32.cuh.
//
// A word of the table is the four bytes.  The 32 signs of a block are one word,
// as even_signs() wants them: bit 8 p + g = byte p of the first
// four of group g of eight, bit 8 p + 4 + g = of the second four.
#pragma once
#include "block_lookup.cuh"

// Top bits of the bytes: the signs of weights 4s .. 4s + 3.
DEVICE u32 top_signs(u32 signs, int s)
{
    return signs << (7 - s / 2 - 4 * (s % 2));
}
DEVICE u32 placed_signs8(u32 file, int g, int most)
{
    u32 x = 0;
    for (int k = 0; k < most; k++)
        x |= (file >> k & 1) << (8 * byte_place(k % 4) + 4 * (k / 4) + g);
    return x;
}
// Codes as they are, then scale and signs.
DEVICE void signed_halves(u32 codes, u32 top, float scale, u32 (&w)[2])
{
    u32 factor = half_twice(scale);
    code_halves<0>(codes, w);
    w[0] = half2_mul(w[0], factor ^ (top << 8 & 0x80008000));
    w[1] = half2_mul(w[1], factor ^ (top & 0x80008000));
}

// ---- iq3_xxs: of a block eight indices, and a word of signs with its scale
template <int J> struct Block_iq3_xxs : TileType<Block_iq3_xxs<J>, J, 256, 98> {
    enum { GRID = table_iq3_xxs };
    CONSTANT int TABLE_BYTES = TABLE_ROOM<GRID>;
    CONSTANT float UNIT = 0.25f;
    struct Raw {
        Strip<16 * J> index;
        Strip<8 * J> sign;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.index);
        place(t, r.sign);
        place(t, r.d);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        fill_table<GRID>(room, codebook_iq3xxs, thread, threads);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        u32 file = file_u32(b, 66 + 4 * n), signs = 0;
        for (int g = 0; g < 4; g++)
            signs |= placed_signs8(file >> 7 * g, g, 7);
        r.index.w[2 * i] = turned_bytes(b + 2 + 8 * n);
        r.index.w[2 * i + 1] = turned_bytes(b + 6 + 8 * n);
        r.sign.w[i] = hidden_signs(signs, file >> 28);
        put_half(r.d, h, j / 2, file_u16(b, 0));
    }

    DEVICE u32 codes(const Raw &r, int i, int s, const u8 *table)
    {
        return table_word<GRID>(table,
                                byte_offset(r.index.w[2 * i + s / 4], s % 4));
    }
    // - x = ~x + 1: ones of the sign masks are subtracted as a sum of their
    // own.
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *table)
    {
        int i = h * J + j;
        u32 signs = even_signs(r.sign.w[i]);
        i32 sum = 0, ones = 0;
        UNROLL for (int s = 0; s < 8; s++) {
            u32 mask = byte_signs(top_signs(signs, s));
            sum = dot4(codes(r, i, s, table) ^ mask, a[s], sum);
            ones = dot4(mask, a[s], ones);
        }
        i32 units = r.sign.w[i] >> 27 | 1; // 2 s + 1
        return half_float(half_of(r.d, h, j / 2)) *
               ((float)((sum - ones) * units) * (d * 0.25f));
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        return half_float(half_of(r.d, h, j / 2)) *
               (0.5f + (float)(r.sign.w[h * J + j] >> 28)) * 0.5f;
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *table)
    {
        int i = h * J + j;
        signed_halves(codes(r, i, s, table),
                      top_signs(even_signs(r.sign.w[i]), s),
                      scale(r, h, j) / UNIT, w);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *table)
    {
        int i = h * J + j;
        float f = scale(r, h, j);
        u32 c = codes(r, i, s, table);
        u32 mask = byte_signs(top_signs(even_signs(r.sign.w[i]), s));
        UNROLL for (int t = 0; t < 4; t++) {
            float v = f * (float)code_of(c, t);
            w[t] = code_of(mask, t) ? -v : v;
        }
    }
};
DEVICE float file_value_iq3_xxs(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 98;
    int k = (int)(at % 256);
    u32 x = file_u32(b, 66 + k / 32 * 4);
    u32 signs = file_even_signs(x >> 7 * (k / 8 % 4) & 127);
    float scale = file_half(b, 0) * (0.5f + (float)(x >> 28)) * 0.5f;
    return scale * (float)code_of(codebook_iq3xxs[b[2 + k / 4]], k % 4) *
           file_sign(signs, k % 8);
}

// ---- iq3_s: eight bits of an index, a ninth in `high`; all signs; four bits
// of scale.  Magnitudes are odd: a byte n means 2 n + 1, and ~n then - (2 n +
// 1).
template <int J> struct Block_iq3_s : TileType<Block_iq3_s<J>, J, 256, 110> {
    enum { GRID = table_iq3_s };
    CONSTANT int TABLE_BYTES = TABLE_ROOM<GRID>;
    struct Raw {
        Strip<16 * J> index;
        Strip<8 * J> sign;
        Strip<2 * J> high;
        Strip<J> scale; // of (0, j) low, of (1, j) high
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.index);
        place(t, r.sign);
        place(t, r.high);
        place(t, r.scale);
        place(t, r.d);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        fill_table<GRID>(room, codebook_iq3s, thread, threads);
    }
    DEVICE u32 file_scale(const u8 *b, int n)
    {
        return b[106 + n / 2] >> 4 * (n % 2) & 15;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        r.index.w[2 * i] = turned_bytes(b + 2 + 8 * n);
        r.index.w[2 * i + 1] = turned_bytes(b + 6 + 8 * n);
        for (int g = 0; g < 4; g++)
            r.sign.w[i] |= placed_signs8(b[74 + 4 * n + g], g, 8);
        put_byte(r.high, i, b[66 + n]);
        put_byte(r.scale, j, file_scale(b, n) << 4 * h);
        put_half(r.d, h, j / 2, file_u16(b, 0));
    }

    DEVICE u32 codes(const Raw &r, int i, int s, const u8 *table)
    {
        int up = 10 - (8 * (i % 4) + s); // the ninth bit to bit 10
        u32 high = r.high.w[i / 4];
        u32 ninth = (up >= 0 ? high << up : high >> -up) & 0x400;
        u32 low = byte_offset(r.index.w[2 * i + s / 4], s % 4);
        return table_word<GRID>(table, low | ninth);
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        u32 s = byte_of(r.scale, j) >> 4 * h & 15;
        return half_float(half_of(r.d, h, j / 2)) * (float)(1 + 2 * s);
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *table)
    {
        int i = h * J + j;
        i32 sum = 0;
        UNROLL for (int s = 0; s < 8; s++) {
            u32 mask = byte_signs(top_signs(r.sign.w[i], s));
            sum = dot4(codes(r, i, s, table) ^ mask, a[s], sum);
        }
        return scale(r, h, j) * ((float)sum * (2 * d) + ds);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *table)
    {
        int i = h * J + j;
        u32 odd = codes(r, i, s, table) << 1 | 0x01010101;
        signed_halves(odd, top_signs(r.sign.w[i], s), scale(r, h, j), w);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *table)
    {
        int i = h * J + j;
        float f = scale(r, h, j);
        u32 c = codes(r, i, s, table),
            mask = byte_signs(top_signs(r.sign.w[i], s));
        UNROLL for (int t = 0; t < 4; t++) {
            float v = f * (float)(2 * code_of(c, t) + 1);
            w[t] = code_of(mask, t) ? -v : v;
        }
    }
};
DEVICE float file_value_iq3_s(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 110;
    int k = (int)(at % 256);
    u32 index = b[2 + k / 4] | (b[66 + k / 32] >> k / 4 % 8 & 1u) << 8;
    u32 s = Block_iq3_s<2>::file_scale(b, k / 32);
    u32 n = code_of(codebook_iq3s[index], k % 4);
    return file_half(b, 0) * (float)(1 + 2 * s) * (float)(2 * n + 1) *
           file_sign(b[74 + k / 8], k % 8);
}
