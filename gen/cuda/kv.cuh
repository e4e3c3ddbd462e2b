// kv.cuh - rows of keys and values as the states hold them: f32, f16, bf16 or
// the block types q8_0 (34 bytes: f16 scale, 32 signed codes) and q4_0 (18
// bytes: f16 scale, 16 bytes: low halves are values 0..15, high halves 16..31,
// code - 8).
//
// A type says
//   ELEMS, BYTES        of a block
//   element(row, i)     value i of a row at any address that the type allows
//   quad(row, b, i)     four values of the 32 values b of a row, i in 0..7, in
//                       f16: quad_dim(b, i, k) is the place of value k.  All
//                       eight quads are all 32 values, in whatever order spares
//                       shifting: blocks lie at odd multiples of 2 bytes.
//                       The row's address is a multiple of 4, of 8 for f16 and
//                       bf16, of 16 for f32.
#pragma once
#include "common.cuh"

// Two unsigned bytes of x (byte 0, 1 or 2, 3) as halves 1024 + byte: 0x64 is
// the high byte of 1024.
DEVICE u32 bytes_halves_lo(u32 x) { return permute(x, 0x64646464, 0x4140); }
DEVICE u32 bytes_halves_hi(u32 x) { return permute(x, 0x64646464, 0x4342); }
// The low or high half of x, twice.
DEVICE u32 both_lo(u32 x) { return permute(x, 0, 0x1010); }
DEVICE u32 both_hi(u32 x) { return permute(x, 0, 0x3232); }
// Four bytes minus `bias` (as half2) times a scale (as half2).
DEVICE uint2 scaled_bytes(u32 x, u32 bias, u32 scale)
{
    uint2 r;
    r.x = half2_mul(half2_sub(bytes_halves_lo(x), bias), scale);
    r.y = half2_mul(half2_sub(bytes_halves_hi(x), bias), scale);
    return r;
}

struct KvF32 {
    CONSTANT int ELEMS = 1, BYTES = 4;
    DEVICE float element(const u8 *row, i64 i)
    {
        return ((const float *)row)[i];
    }
    DEVICE int quad_dim(int b, int i, int k) { return 32 * b + 4 * i + k; }
    DEVICE uint2 quad(const u8 *row, int b, int i)
    {
        float4 x = ((const float4 *)row)[8 * b + i];
        return make_uint2(float2_half2(x.x, x.y), float2_half2(x.z, x.w));
    }
};

struct KvF16 {
    CONSTANT int ELEMS = 1, BYTES = 2;
    DEVICE float element(const u8 *row, i64 i)
    {
        return half_float(((const u16 *)row)[i]);
    }
    DEVICE int quad_dim(int b, int i, int k) { return 32 * b + 4 * i + k; }
    DEVICE uint2 quad(const u8 *row, int b, int i)
    {
        return ((const uint2 *)row)[8 * b + i];
    }
};

// Two bfloat16 as two halves.
DEVICE u32 bf16_halves(u32 x)
{
    return float2_half2(bits_float(x << 16), bits_float(x & 0xffff0000u));
}

struct KvBf16 {
    CONSTANT int ELEMS = 1, BYTES = 2;
    DEVICE float element(const u8 *row, i64 i)
    {
        return bits_float((u32)((const u16 *)row)[i] << 16);
    }
    DEVICE int quad_dim(int b, int i, int k) { return 32 * b + 4 * i + k; }
    DEVICE uint2 quad(const u8 *row, int b, int i)
    {
        uint2 x = ((const uint2 *)row)[8 * b + i];
        return make_uint2(bf16_halves(x.x), bf16_halves(x.y));
    }
};

// A pair of blocks is a whole number of words (17 of q8_0, 9 of q4_0):
//     [scale, codes 0 1] [2..5] .. [last two, scale] [0..3] [4..7] ..
// The first word of a block holds its scale, low in the first block, high in
// the second; N words of codes follow, but for the first block, where the last
// word has its second half in the first word.
struct KvWord {
    u32 codes;
    u32 scale; // twice
};
template <int N> DEVICE KvWord block_word(const u8 *row, int b, int i)
{
    const u32 *w = (const u32 *)row + b / 2 * (2 * N + 1) + (b & 1) * N;
    u32 head = w[0], x = w[1 + i];
    u32 second = i == N - 1 && b % 2 == 0 ? 0x7610 : 0x3210;
    u32 scale = b & 1 ? 0x3232 : 0x1010;
    return {permute(x, head, second), permute(head, 0, scale)};
}
// Place of byte k of word i among the block's 4 N bytes.
template <int N> DEVICE int block_byte(int b, int i, int k)
{
    return b & 1 ? 4 * i + k : (4 * i + k + 2) % (4 * N);
}

struct KvQ8_0 {
    CONSTANT int ELEMS = 32, BYTES = 34, WORDS = 8;
    DEVICE float element(const u8 *row, i64 i)
    {
        const u8 *block = row + i / 32 * BYTES;
        return half_float(*(const u16 *)block) * (float)(i8)block[2 + i % 32];
    }
    DEVICE int quad_dim(int b, int i, int k)
    {
        return 32 * b + block_byte<WORDS>(b, i, k);
    }
    // Codes with their sign turned are 0..255: 1024 + 128 + code as halves.
    DEVICE uint2 four(u32 codes, u32 scale)
    {
        return scaled_bytes(codes ^ 0x80808080u, 0x64806480u, scale);
    }
    DEVICE uint2 quad(const u8 *row, int b, int i)
    {
        KvWord w = block_word<WORDS>(row, b, i);
        return four(w.codes, w.scale);
    }
};

struct KvQ4_0 {
    CONSTANT int ELEMS = 32, BYTES = 18, WORDS = 4;
    DEVICE float element(const u8 *row, i64 i)
    {
        const u8 *block = row + i / 32 * BYTES;
        int code = block[2 + i % 16] >> (i & 16 ? 4 : 0) & 15;
        return half_float(*(const u16 *)block) * (float)(code - 8);
    }
    DEVICE int quad_dim(int b, int i, int k)
    {
        return 32 * b + i / WORDS * 16 + block_byte<WORDS>(b, i % WORDS, k);
    }
    // The low halves of the bytes: 1024 + 8 + code as halves.
    DEVICE uint2 four(u32 codes, u32 scale)
    {
        return scaled_bytes(codes & 0x0f0f0f0fu, 0x64086408u, scale);
    }
    DEVICE uint2 quad(const u8 *row, int b, int i)
    {
        KvWord w = block_word<WORDS>(row, b, i % WORDS);
        return four(i < WORDS ? w.codes : w.codes >> 4, w.scale);
    }
};

// The rows of one state: ROW values of a key, those of group g from FIRST +
// g * STEP on.
template <class E, int ROW, int FIRST, int STEP> struct KvRows {
    typedef E Type;
    CONSTANT i64 ROW_BYTES = (i64)ROW / E::ELEMS * E::BYTES;
    CONSTANT i64 FIRST_BYTES = (i64)FIRST / E::ELEMS * E::BYTES;
    CONSTANT i64 STEP_BYTES = (i64)STEP / E::ELEMS * E::BYTES;
    // All rows of all groups begin at multiples of it.
    CONSTANT i64 ALL_BYTES = ROW_BYTES | FIRST_BYTES | STEP_BYTES | 16;
    CONSTANT int ALIGN = (int)(ALL_BYTES & -ALL_BYTES);
    // Row 0 of a group.
    DEVICE const u8 *group(const u8 *state, int g)
    {
        return state + FIRST_BYTES + g * STEP_BYTES;
    }
};

// Rows of D values in shared memory with the bytes that they have in the state.
// They are copied 16 bytes at a time, so a row begins where its address says:
// at the multiple of 16 before it.  An odd number of chunks from row to row
// keeps the lanes that read the same place of eight rows apart.
template <class R, int D> struct KvRaw {
    CONSTANT int BYTES = D / R::Type::ELEMS * R::Type::BYTES;
    CONSTANT int CHUNKS = (BYTES + (16 - R::ALIGN) + 15) / 16;
    CONSTANT int STRIDE = (CHUNKS | 1) * 16;
    // Where row i lies; first: address of row 0 in the state.
    DEVICE const u8 *row(const u8 *tile, const u8 *first, int i)
    {
        u64 at = R::ALIGN == 16 ? 0 : (u64)first + (u64)(i * R::ROW_BYTES);
        return tile + i * STRIDE + (at & 15);
    }
    // One chunk of a row; zeros if it is not there.
    DEVICE void copy_chunk(u8 *to, const u8 *row, int chunk, bool there)
    {
        if (R::ALIGN == 16 && BYTES % 16 == 0) {
            copy16_async(to + 16 * chunk, row + 16 * chunk, there ? 16 : 0);
            return;
        }
        int before = (int)((u64)row & 15), left = before + BYTES - 16 * chunk;
        there = there && left > 0;
        copy16_async(to + 16 * chunk, row - before + (there ? 16 * chunk : 0),
                     there ? least(left, 16) : 0);
    }
    // Rows 0..n-1 from `first` on, n > 0, zeros in rows n..ROWS-1; not
    // committed. The chunks of a row are a power of two and perhaps one more.
    template <int ROWS, int THREADS>
    DEVICE void copy(u8 *tile, const u8 *first, int n)
    {
        CONSTANT int WIDTH = CHUNKS & -2, STEP = THREADS / WIDTH;
        static_assert((WIDTH & (WIDTH - 1)) == 0 && STEP > 0, "row of chunks");
        _Pragma("unroll 2") for (int key = thread() / WIDTH; key < ROWS;
                                 key += STEP)
            copy_chunk(tile + key * STRIDE,
                       first + least(key, n - 1) * R::ROW_BYTES,
                       thread() % WIDTH, key < n);
        if (CHUNKS > WIDTH)
            NO_UNROLL for (int key = thread(); key < ROWS; key += THREADS)
                copy_chunk(tile + key * STRIDE,
                           first + least(key, n - 1) * R::ROW_BYTES, WIDTH,
                           key < n);
    }
};
