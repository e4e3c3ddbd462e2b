// block_iq2.cuh - iq2_xxs, iq2_xs, iq2_s: indices into rows of eight magnitudes
// (8, 25 or 43), with signs.  The meaning: runtime/base/blocks_iq.c; the
// functions of a type: block_32.cuh.
//
// A word of the table has a magnitude's number in each nibble, in the order 0,
// 2, 1, 3, 4, 6, 5, 7.  With a sign as the third bit a nibble picks a byte of
// eight: permute() makes four weights of four nibbles.
//
// The 32 signs of a block are one word: bit 4 i + g = nibble i of group g of
// eight.
#pragma once
#include "block_lookup.cuh"

DEVICE u32 group_selectors(u32 row, u32 signs, int g)
{
    return row | ((g < 2 ? signs << (2 - g) : signs >> (g - 2)) & 0x44444444);
}
// Signs of group g, as in the file; the eighth is dropped if `most` is 7.
DEVICE u32 placed_signs(u32 file, int g, int most)
{
    u32 x = 0;
    for (int k = 0; k < most; k++)
        x |= (file >> k & 1) << (4 * (k / 4 * 4 + byte_place(k % 4)) + g);
    return x;
}

// Groups FROM .. FROM + N - 1 times codes; row(g) is the table's word of group
// g.
template <int FROM, int N, class Rows>
DEVICE i32 dot_groups(Rows row, u32 signs, const u32 (&a)[8])
{
    u32 bytes = load_held(iq2_bytes);
    i32 sum = 0;
    UNROLL for (int g = FROM; g < FROM + N; g++) {
        u32 pick = group_selectors(row(g), signs, g);
        sum = dot4(permute(bytes, iq2_bytes_1, pick), a[2 * g], sum);
        sum = dot4(permute(bytes, iq2_bytes_1, pick >> 16), a[2 * g + 1], sum);
    }
    return sum;
}
CONSTANT float iq2_unit = 0.125f;
DEVICE void group_halves(u32 pick, int s, float scale, u32 (&w)[2])
{
    u32 factor = half_twice(scale / iq2_unit);
    pick >>= 16 * (s % 2);
    u32 low = permute(load_held(iq2_half_low), iq2_half_low_1, pick);
    u32 high = permute(load_held(iq2_half_high), iq2_half_high_1, pick);
    w[0] = half2_mul(permute(low, high, 0x6240), factor);
    w[1] = half2_mul(permute(low, high, 0x7351), factor);
}
DEVICE void group_floats(u32 pick, int s, float scale, float (&w)[4])
{
    u32 v = permute(iq2_bytes_0, iq2_bytes_1, pick >> 16 * (s % 2));
    UNROLL for (int t = 0; t < 4; t++)
        w[t] = scale * (float)(i8)code_of(v, t);
}
// Weight k of the eight of a table's row.
DEVICE float grid_value_iq2(u32 row, int k)
{
    u32 pick = row >> 4 * (k / 4 * 4 + byte_place(k % 4)) & 3;
    return (float)(permute(iq2_bytes_0, iq2_bytes_1, pick) & 255);
}

// ---- iq2_xxs: of a block a word of indices, a word of signs with its scale s
template <int J> struct Block_iq2_xxs : TileType<Block_iq2_xxs<J>, J, 256, 66> {
    enum { GRID = table_iq2_xxs };
    CONSTANT int TABLE_BYTES = TABLE_ROOM<GRID>;
    CONSTANT float UNIT = iq2_unit;
    struct Raw {
        Strip<16 * J> block;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.block);
        place(t, r.d);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        fill_table<GRID>(room, codebook_iq2xxs, thread, threads);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        u32 *x = r.block.w + 2 * (h * J + j);
        u32 file = file_u32(b, 6 + 8 * n), signs = 0;
        for (int g = 0; g < 4; g++)
            signs |= placed_signs(file >> 7 * g, g, 7);
        x[0] = turned_bytes(b + 2 + 8 * n);
        x[1] = hidden_signs(signs, file >> 28);
        put_half(r.d, h, j / 2, file_u16(b, 0));
    }

    // 2 s + 1.
    DEVICE i32 scale_units(u32 x) { return x >> 27 | 1; }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *table)
    {
        const u32 *x = r.block.w + 2 * (h * J + j);
        auto row = [&](int g) {
            return table_word<GRID>(table, byte_offset(x[0], g));
        };
        i32 sum = dot_groups<0, 4>(row, even_signs(x[1]), a);
        return half_float(half_of(r.d, h, j / 2)) *
               ((float)(sum * scale_units(x[1])) * (d * 0.125f));
    }
    DEVICE float scale(const Raw &r, int h, int j)
    {
        u32 x = r.block.w[2 * (h * J + j) + 1];
        return half_float(half_of(r.d, h, j / 2)) * (0.5f + (float)(x >> 28)) *
               0.25f;
    }
    DEVICE u32 selectors(const Raw &r, int h, int j, int g, const u8 *table)
    {
        const u32 *x = r.block.w + 2 * (h * J + j);
        u32 row = table_word<GRID>(table, byte_offset(x[0], g));
        return group_selectors(row, even_signs(x[1]), g);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *table)
    {
        group_halves(selectors(r, h, j, s / 2, table), s, scale(r, h, j), w);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *table)
    {
        group_floats(selectors(r, h, j, s / 2, table), s, scale(r, h, j), w);
    }
};
DEVICE float file_value_iq2_xxs(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 66;
    int k = (int)(at % 256), g = k / 8 % 4;
    const u8 *q = b + 2 + 8 * (k / 32);
    u32 x = file_u32(q, 4);
    float scale = file_half(b, 0) * (0.5f + (float)(x >> 28)) * 0.25f;
    u32 signs = file_even_signs(x >> 7 * g & 127);
    return scale * grid_value_iq2(codebook_iq2xxs[q[g]], k % 8) *
           file_sign(signs, k % 8);
}

// ---- iq2_xs and iq2_s: a scale for each 16 weights, two to a byte
DEVICE float iq2_scale(float d, u32 byte, int half)
{
    return d * (0.5f + (float)(byte >> 4 * half & 15)) * 0.25f;
}
// The sum over 32 weights without d / 8, first and second 16 scaled by 2 s + 1.
DEVICE i32 scaled_halves(u32 byte, i32 first, i32 second)
{
    return (i32)(2 * (byte & 15) + 1) * first +
           (i32)(2 * (byte >> 4) + 1) * second;
}

// S has for a type: SIGNS words and offset() of table words.  A Raw has
// `block`, two words of a block, `scale` and `d`.
template <class S, int J, int GRID, int FILE_BYTES>
struct Iq2Type : TileType<S, J, 256, FILE_BYTES> {
    CONSTANT int TABLE_BYTES = TABLE_ROOM<GRID>;
    CONSTANT float UNIT = iq2_unit;
    template <class Raw>
    DEVICE u32 row(const Raw &r, int i, int g, const u8 *table)
    {
        return table_word<GRID>(table, S::offset(r, i, g));
    }
    template <class Raw>
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *table)
    {
        int i = h * J + j;
        u32 signs = S::signs(r, i);
        auto row_of = [&](int g) { return row(r, i, g, table); };
        i32 sum = scaled_halves(byte_of(r.scale, i),
                                dot_groups<0, 2>(row_of, signs, a),
                                dot_groups<2, 2>(row_of, signs, a));
        return half_float(half_of(r.d, h, j / 2)) * ((float)sum * (d * 0.125f));
    }
    template <class Raw> DEVICE float scale16(const Raw &r, int h, int j, int s)
    {
        return iq2_scale(half_float(half_of(r.d, h, j / 2)),
                         byte_of(r.scale, h * J + j), s / 4);
    }
    template <class Raw>
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *table)
    {
        int i = h * J + j;
        u32 pick =
            group_selectors(row(r, i, s / 2, table), S::signs(r, i), s / 2);
        group_halves(pick, s, scale16(r, h, j, s), w);
    }
    template <class Raw>
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *table)
    {
        int i = h * J + j;
        u32 pick =
            group_selectors(row(r, i, s / 2, table), S::signs(r, i), s / 2);
        group_floats(pick, s, scale16(r, h, j, s), w);
    }
};

// The four indices, of nine bits, begin at bit 2 of the first word; the last
// one's end is the top nibble of the second word, before bits 0 and 1 of the
// first.
template <int J> struct Block_iq2_xs : Iq2Type<Block_iq2_xs<J>, J, table_iq2_xs, 74> {
    struct Raw {
        Strip<16 * J> block;
        Strip<2 * J> scale;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.block);
        place(t, r.scale);
        place(t, r.d);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        fill_table<table_iq2_xs>(room, codebook_iq2xs, thread, threads);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        u32 *x = r.block.w + 2 * i, signs = 0;
        for (int g = 0; g < 4; g++) {
            u32 q = file_u16(b, 2 + 8 * n + 2 * g);
            x[0] |= (q & 511) << (2 + 9 * g);
            signs |= placed_signs(q >> 9, g, 7);
        }
        u32 last = file_u16(b, 8 + 8 * n) & 511;
        x[0] |= last >> 7;
        x[1] = hidden_signs(signs, last >> 3 & 15);
        put_byte(r.scale, i, b[66 + n]);
        put_half(r.d, h, j / 2, file_u16(b, 0));
    }
    DEVICE u32 signs(const Raw &r, int i)
    {
        return even_signs(r.block.w[2 * i + 1]);
    }
    DEVICE u32 offset(const Raw &r, int i, int g)
    {
        u32 x = r.block.w[2 * i];
        if (g < 3)
            return x >> 9 * g & 0x7fc;
        u32 rest = funnel_right(r.block.w[2 * i + 1], x, 28);
        return funnel_right(x, rest, 27) & 0x7fc;
    }
};
DEVICE float file_value_iq2_xs(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 74;
    int k = (int)(at % 256);
    u32 q = file_u16(b, 2 + k / 8 * 2);
    float scale = iq2_scale(file_half(b, 0), b[66 + k / 32], k / 16 % 2);
    return scale * grid_value_iq2(codebook_iq2xs[q & 511], k % 8) *
           file_sign(file_even_signs(q >> 9), k % 8);
}

// Three indices of ten bits begin at bit 2 of the first word, the fourth is a
// byte of `rest` and the first word's bits 0 and 1.
template <int J> struct Block_iq2_s : Iq2Type<Block_iq2_s<J>, J, table_iq2_s, 82> {
    struct Raw {
        Strip<16 * J> block;
        Strip<2 * J> rest;
        Strip<2 * J> scale;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.block);
        place(t, r.rest);
        place(t, r.scale);
        place(t, r.d);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        fill_table<table_iq2_s>(room, codebook_iq2s, thread, threads);
    }
    DEVICE u32 file_index(const u8 *b, int n)
    {
        return b[2 + n] | (b[66 + n / 4] >> 2 * (n % 4) & 3u) << 8;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        int i = h * J + j;
        u32 *x = r.block.w + 2 * i;
        u32 last = file_index(b, 4 * n + 3);
        for (int g = 0; g < 4; g++) {
            if (g < 3)
                x[0] |= file_index(b, 4 * n + g) << (2 + 10 * g);
            x[1] |= placed_signs(b[34 + 4 * n + g], g, 8);
        }
        x[0] |= last >> 8;
        put_byte(r.rest, i, last & 255);
        put_byte(r.scale, i, b[74 + n]);
        put_half(r.d, h, j / 2, file_u16(b, 0));
    }
    DEVICE u32 signs(const Raw &r, int i) { return r.block.w[2 * i + 1]; }
    DEVICE u32 offset(const Raw &r, int i, int g)
    {
        u32 x = r.block.w[2 * i];
        if (g < 3)
            return x >> 10 * g & 0xffc;
        u32 last = r.rest.w[i / 4] << (24 - 8 * (i % 4));
        return funnel_right(last, x, 22) & 0xffc;
    }
};
DEVICE float file_value_iq2_s(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 82;
    int k = (int)(at % 256);
    u32 index = Block_iq2_s<2>::file_index(b, k / 8);
    float scale = iq2_scale(file_half(b, 0), b[74 + k / 32], k / 16 % 2);
    return scale * grid_value_iq2(codebook_iq2s[index], k % 8) *
           file_sign(b[34 + k / 8], k % 8);
}
