// block_lookup.cuh - what the block types share whose codes point into tables.
#pragma once
#include "tile.cuh"

#include "codebooks.cuh"

// Copies a table of SIZE bytes to its place in shared memory.
template <int SIZE>
DEVICE void fill_table(u8 *room, const u32 *values, int thread, int threads)
{
    u32 *word = table_start<SIZE>(room);
    for (int i = thread; i < SIZE / 4; i += threads)
        word[i] = values[i];
}

// Offsets of table words, four fields of a word: an index of 8 bits stands two
// bits to the left of its byte, the last one's top bits are at the bottom.
DEVICE u32 byte_offset(u32 word, int g)
{
    return funnel_right(word, word, 8 * g) & 0x3fc;
}
DEVICE u32 turned_bytes(const u8 *b)
{
    u32 x = file_u32(b, 0);
    return funnel_right(x, x, 30);
}

// 2 s + 1 of a scale s in bits 1 .. 3.  The mask comes from memory, once,
// because an instruction that combines three words makes only one itself.
HELD scale_mask[1] = {14};
DEVICE u32 odd_scale(u32 x) { return (x & load_held(scale_mask)) | 1; }

// Of each superblock of a row a scale d and eight codes of six bits, of its
// blocks: two words, in each the codes of four and, on top, a byte of d.
template <int J> struct RowScales {
    Rows<4 * J> word;
    u32 shift; // to the lane's code: its blocks are at 4 n + lane % 4
};
template <class T, int J> DEVICE void place(T &t, RowScales<J> &s)
{
    place(t, s.word);
    s.shift = 6 * (t.lane % 4);
}
// The code of block (h, j) from bit UP on (UP < 6), other bits around it.
template <int UP, int J>
DEVICE u32 scale6_at(const RowScales<J> &s, int h, int j)
{
    u32 x = s.word.w[h][j];
    return funnel_right(x, x, s.shift - UP);
}
template <int J> DEVICE float scale_d(const RowScales<J> &s, int h, int j)
{
    const u32 *x = s.word.w[h] + j / 2 * 2;
    return half_float((u16)permute(x[0], x[1], 0x4473));
}
// All lanes of a row bring all codes of a superblock.
template <int J>
DEVICE void put_scale6(RowScales<J> &s, int h, int j, int n, u32 code)
{
    s.word.w[h][j / 2 * 2 + n / 4] |= code << 6 * (n % 4);
}
template <int J> DEVICE void put_scale_d(RowScales<J> &s, int h, int j, u16 d)
{
    s.word.w[h][j / 2 * 2] |= (u32)(d & 255) << 24;
    s.word.w[h][j / 2 * 2 + 1] |= (u32)(d >> 8) << 24;
}

// The 32 signs of a block as one word: in each nibble one of each of the four
// groups of eight, the eighth weight's on top.  Where an even number of the
// eight is negative, so that the file has only seven of them, the word is
// stored as x with signs = x ^ (x turned by a nibble): the XOR of all nibbles
// of that is 0, whatever the top nibble of x, which is thus free for four other
// bits.
DEVICE u32 even_signs(u32 x) { return x ^ funnel_right(x, x, 28); }
// The word x; of `signs` the top nibble is not read.
DEVICE u32 hidden_signs(u32 signs, u32 top)
{
    u32 x = top << 28, before = top;
    for (int n = 0; n < 28; n += 4) {
        before ^= signs >> n & 15;
        x |= before << n;
    }
    return x;
}
DEVICE float file_sign(u32 signs, int k)
{
    return signs >> k & 1 ? -1.0f : 1.0f;
}
DEVICE u32 file_even_signs(u32 seven)
{
    return seven | (u32)(count_bits(seven) & 1) << 7;
}
