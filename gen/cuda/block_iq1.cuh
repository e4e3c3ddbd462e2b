// block_iq1.cuh - iq1_s and iq1_m: indices into 2048 rows of eight ternary
// values, all shifted by delta = +-1/8.  The meaning: runtime/base/blocks_iq.c;
// the functions of a type: block_32.cuh.
//
// Indices of two blocks stand one after the other in three words, from bit 2 of
// the first on, so that a shift and a mask make the byte offset of a table's
// word.  A word of the table is a row: nibbles of the weights 0, 2, 1, 3 low in
// its bytes, 4, 6, 5, 7 high.  The high ones are multiplied where they are.
#pragma once
#include "block_lookup.cuh"

// ---- fields of BITS bits in three words; x is the first word
template <int BITS> DEVICE u32 field_offset(const u32 *x, int i)
{
    int n = BITS * i / 32;
    u32 mask = ((1u << BITS) - 1) << 2;
    return funnel_right(x[n], x[(n + 1) % 3], BITS * i % 32) & mask;
}
template <int BITS> DEVICE void put_field(u32 *x, int i, u32 v)
{
    int at = BITS * i + 2, n = at / 32, bit = at % 32;
    x[n % 3] |= v << bit;
    if (bit + BITS > 32)
        x[(n + 1) % 3] |= v >> (32 - bit);
}
// The first of the three words of block (h, j).
template <int J> DEVICE int field_words(int h, int j)
{
    return 3 * (h * (J / 2) + j / 2);
}

// Pair n, (0, 1) or (2, 3), of half s % 2 of a row as f16: its nibbles / PER -
// 1, exactly.  0x64 above a nibble makes it 1024 + nibble, or + 16 nibble.
HELD nibble_masks[2] = {0x000f000f, 0x00f000f0};
template <int PER> DEVICE u32 nibble_halves(u32 row, int s, int n)
{
    u32 x = n ? row >> 8 : row;
    x = (x & load_held(nibble_masks + s % 2)) | 0x64006400;
    float unit = s % 2 ? 1.0f / (16 * PER) : 1.0f / PER;
    return half2_fma(x, half_twice(unit), half_twice(-1024 * unit - 1));
}
DEVICE u32 row_nibble(u32 row, int s, int t)
{
    return row >> (8 * byte_place(t) + 4 * (s % 2)) & 15;
}

// ---- iq1_s
// A nibble of the table is weight + 1.  The indices of two blocks leave eight
// bits of their words: from bit 26 of the third on whether delta is negative,
// in the first and in the second block, then their scales, the end of which is
// in bits 0 and 1 of the first word.
template <int J> struct Block_iq1_s : TileType<Block_iq1_s<J>, J, 256, 50> {
    enum { GRID = table_iq1_s };
    CONSTANT int TABLE_BYTES = TABLE_ROOM<GRID>;
    CONSTANT float UNIT = 0.125f;
    struct Raw {
        Strip<12 * J> index;
        Rows<J> d;
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.index);
        place(t, r.d);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        fill_table<GRID>(room, codebook_iq1, thread, threads);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        u32 *x = r.index.w + field_words<J>(h, j);
        u32 high = file_u16(b, 34 + 2 * n);
        for (int g = 0; g < 4; g++)
            put_field<11>(x, 4 * (j % 2) + g,
                          b[2 + 4 * n + g] | (high >> 3 * g & 7) << 8);
        u32 scale = high >> 12 & 7;
        x[2] |= high >> 15 << (26 + j % 2);
        x[2] |= j % 2 ? scale << 31 : scale << 28;
        x[0] |= j % 2 ? scale >> 1 : 0;
        put_half(r.d, h, j / 2, file_u16(b, 0));
    }

    // 2 s + 1
    DEVICE i32 scale_units(const u32 *x, int j)
    {
        return (i32)odd_scale(j % 2 ? funnel_right(x[2], x[0], 30)
                                    : x[2] >> 27);
    }
    DEVICE bool negative(const u32 *x, int j)
    {
        return x[2] & 1u << (26 + j % 2);
    }
    DEVICE u32 row(const u32 *x, int j, int g, const u8 *table)
    {
        return table_word<GRID>(table, field_offset<11>(x, 4 * (j % 2) + g));
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float ds, const u8 *table)
    {
        const u32 *x = r.index.w + field_words<J>(h, j);
        i32 low = 0, high = 0;
        UNROLL for (int g = 0; g < 4; g++) {
            u32 w = row(x, j, g, table);
            low = dot4_us(w & 0x0f0f0f0f, a[2 * g], low);
            high = dot4_us(w & 0xf0f0f0f0, a[2 * g + 1], high);
        }
        float shift = ds * (negative(x, j) ? -1.125f : -0.875f);
        float sum = (float)(16 * low + high) * (d * 0.0625f) + shift;
        return scale(r, x, h, j) * sum;
    }
    DEVICE float scale(const Raw &r, const u32 *x, int h, int j)
    {
        return half_float(half_of(r.d, h, j / 2)) * (float)scale_units(x, j);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *table)
    {
        const u32 *x = r.index.w + field_words<J>(h, j);
        u32 values = row(x, j, s / 2, table);
        float f = scale(r, x, h, j);
        u32 factor = half_twice(f / UNIT), shift = half_twice(negative(x, j) ? -f : f);
        UNROLL for (int n = 0; n < 2; n++)
            w[n] = half2_fma(nibble_halves<1>(values, s, n), factor, shift);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *table)
    {
        const u32 *x = r.index.w + field_words<J>(h, j);
        u32 values = row(x, j, s / 2, table);
        float f = scale(r, x, h, j), delta = negative(x, j) ? -0.125f : 0.125f;
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = f * ((float)row_nibble(values, s, t) - 1 + delta);
    }
};

// Weight k of row `index` of the grid, -1, 0 or 1.
DEVICE float grid_value_iq1(u32 index, int k)
{
    return (float)row_nibble(codebook_iq1[index], k / 4, k % 4) - 1;
}
DEVICE float file_value_iq1_s(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 50;
    int k = (int)(at % 256);
    u32 high = file_u16(b, 34 + k / 32 * 2);
    u32 index = b[2 + k / 8] | (high >> 3 * (k / 8 % 4) & 7) << 8;
    float scale = file_half(b, 0) * (float)(2 * (high >> 12 & 7) + 1);
    float delta = high >> 15 ? -0.125f : 0.125f;
    return scale * (grid_value_iq1(index, k % 8) + delta);
}

// ---- iq1_m
// An index has delta's sign on top, and a nibble of the table is n = 4 (weight
// + 1)
// + (delta > 0): the shifted weight is (2 n - 9) / 8.  There is a scale for
// each 16 weights.
template <int J> struct Block_iq1_m : TileType<Block_iq1_m<J>, J, 256, 56> {
    enum { GRID = table_iq1_m };
    CONSTANT int TABLE_BYTES = TABLE_ROOM<GRID>;
    CONSTANT float UNIT = 0.125f;
    struct Raw {
        Strip<12 * J> index;
        RowScales<J> scale; // the first 16 weights' in the low three bits
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.index);
        place(t, r.scale);
    }
    DEVICE void table(u8 *room, int thread, int threads)
    {
        u32 *row = table_start<GRID>(room);
        for (int i = thread; i < 4096; i += threads)
            row[i] = 4 * codebook_iq1[i % 2048] + (i < 2048 ? 0x11111111 : 0);
    }
    // The file hides d in the top nibbles of four words.
    DEVICE u16 file_d(const u8 *b)
    {
        u32 bits = 0;
        for (int k = 0; k < 4; k++)
            bits |= (b[49 + 2 * k] >> 4) << 4 * k;
        return (u16)bits;
    }
    DEVICE u32 file_scale(const u8 *b, int n) // of 16 weights
    {
        return file_u16(b, 48 + n / 4 * 2) >> 3 * (n % 4) & 7;
    }
    DEVICE u32 file_index(const u8 *b, int n) // of eight, with delta's sign
    {
        return b[n] | (b[32 + n / 2] >> 4 * (n % 2) & 15u) << 8;
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int n)
    {
        u32 *x = r.index.w + field_words<J>(h, j);
        for (int g = 0; g < 4; g++)
            put_field<12>(x, 4 * (j % 2) + g, file_index(b, 4 * n + g));
        for (int k = 0; k < 8; k++)
            put_scale6(r.scale, h, j, k,
                       file_scale(b, 2 * k) | file_scale(b, 2 * k + 1) << 3);
        put_scale_d(r.scale, h, j, file_d(b));
    }

    // 2 s + 1 of the first and the second 16 weights.
    DEVICE void scales(const Raw &r, int h, int j, i32 (&scale)[2])
    {
        u32 x = scale6_at<1>(r.scale, h, j);
        scale[0] = (i32)odd_scale(x);
        scale[1] = (i32)odd_scale(x >> 3);
    }
    DEVICE u32 row(const Raw &r, int h, int j, int g, const u8 *table)
    {
        const u32 *x = r.index.w + field_words<J>(h, j);
        return table_word<GRID>(table, field_offset<12>(x, 4 * (j % 2) + g));
    }
    // 64 times the sum of 16 shifted weights times codes.
    template <int HALF>
    DEVICE i32 dot16(const Raw &r, int h, int j, const u32 (&a)[8],
                     const u8 *table)
    {
        i32 low = 0, high = -72 * sum16<4 * HALF>(a);
        UNROLL for (int g = 2 * HALF; g < 2 * HALF + 2; g++) {
            u32 w = row(r, h, j, g, table);
            low = dot4_us(w & 0x0f0f0f0f, a[2 * g], low);
            high = dot4_us(w & 0xf0f0f0f0, a[2 * g + 1], high);
        }
        return 16 * low + high;
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *table)
    {
        i32 scale[2];
        scales(r, h, j, scale);
        i32 sum = scale[0] * dot16<0>(r, h, j, a, table) +
                  scale[1] * dot16<1>(r, h, j, a, table);
        return scale_d(r.scale, h, j) * ((float)sum * (d * 0x1p-6f));
    }
    DEVICE float scale16(const Raw &r, int h, int j, int s)
    {
        i32 scale[2];
        scales(r, h, j, scale);
        return scale_d(r.scale, h, j) * (float)scale[s / 4];
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *table)
    {
        u32 values = row(r, h, j, s / 2, table);
        float f = scale16(r, h, j, s);
        u32 factor = half_twice(f / UNIT), shift = half_twice(-f);
        UNROLL for (int n = 0; n < 2; n++)
            w[n] = half2_fma(nibble_halves<4>(values, s, n), factor, shift);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *table)
    {
        u32 values = row(r, h, j, s / 2, table);
        float f = scale16(r, h, j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = f * ((float)row_nibble(values, s, t) * 0.25f - 1.125f);
    }
};
DEVICE float file_value_iq1_m(const u8 *row, i64 at)
{
    const u8 *b = row + at / 256 * 56;
    int k = (int)(at % 256);
    u32 index = Block_iq1_m<2>::file_index(b, k / 8);
    u32 s = Block_iq1_m<2>::file_scale(b, k / 16);
    float scale = half_float(Block_iq1_m<2>::file_d(b)) * (float)(2 * s + 1);
    float delta = index >> 11 ? -0.125f : 0.125f;
    return scale * (grid_value_iq1(index & 2047, k % 8) + delta);
}
