// kv_tile.cuh - KEYS rows of D values of a state as f16 in shared memory, for
// load_matrices: rows of D halves whose chunks of 8 are moved about so that
// eight rows' chunks of one number, and eight chunks of one row, have banks of
// their own.
//
// start() asks for the bytes, finish() makes them halves; in between others may
// compute. All threads call both; finish() ends without a barrier. Block types
// lie in the tile as they are stored until finish().
#pragma once
#include "kv.cuh"

namespace kv_tile {

CONSTANT int KEYS = 64;

// Byte where a chunk lies.
template <int D> DEVICE int place(int row, int chunk)
{
    return row * D * 2 + 16 * (chunk ^ ((row ^ chunk / 8 * 2) & 7));
}

// ---- types of one number an element
// Rows of the tile from `first` on; those from n on are zeros.
template <class R, class E, int D, int THREADS> struct Tile;

template <class R, int D, int THREADS> DEVICE void copy_halves(
    u8 *tile, const u8 *first, int n)
{
    NO_UNROLL for (int i = thread(); i < KEYS * D / 8; i += THREADS) {
        int key = i / (D / 8), chunk = i % (D / 8);
        const u8 *row = first + (key < n ? key : 0) * R::ROW_BYTES;
        copy16_async(tile + place<D>(key, chunk), row + 16 * chunk,
                     key < n ? 16 : 0);
    }
    copy_commit();
}

template <class R, int D, int THREADS> struct Tile<R, KvF16, D, THREADS> {
    DEVICE void start(u8 *tile, const u8 *first, int n)
    {
        copy_halves<R, D, THREADS>(tile, first, n);
    }
    DEVICE void finish(u8 *, const u8 *, int) { copy_wait<0>(); }
};

template <class R, int D, int THREADS> struct Tile<R, KvBf16, D, THREADS> {
    DEVICE void start(u8 *tile, const u8 *first, int n)
    {
        copy_halves<R, D, THREADS>(tile, first, n);
    }
    // Each thread turns what it copied itself.
    DEVICE void finish(u8 *tile, const u8 *, int)
    {
        copy_wait<0>();
        NO_UNROLL for (int i = thread(); i < KEYS * D / 8; i += THREADS) {
            uint4 *at = (uint4 *)(tile + place<D>(i / (D / 8), i % (D / 8)));
            uint4 x = *at;
            *at = make_uint4(bf16_halves(x.x), bf16_halves(x.y),
                             bf16_halves(x.z), bf16_halves(x.w));
        }
    }
};

template <class R, int D, int THREADS> struct Tile<R, KvF32, D, THREADS> {
    DEVICE void start(u8 *, const u8 *, int) {}
    DEVICE void finish(u8 *tile, const u8 *first, int n)
    {
        _Pragma("unroll 4") for (int i = thread(); i < KEYS * D / 8;
                                 i += THREADS) {
            int key = i / (D / 8), chunk = i % (D / 8);
            const float4 *row = (const float4 *)(first + key * R::ROW_BYTES);
            uint4 y = make_uint4(0, 0, 0, 0);
            if (key < n) {
                float4 a = row[2 * chunk], b = row[2 * chunk + 1];
                y = make_uint4(float2_half2(a.x, a.y), float2_half2(a.z, a.w),
                               float2_half2(b.x, b.y), float2_half2(b.z, b.w));
            }
            *(uint4 *)(tile + place<D>(key, chunk)) = y;
        }
    }
};

// ---- block types: a thread takes pairs of blocks (kv.cuh), 64 values
// Word i of codes of the pair's block b, in their order.
template <int N> DEVICE u32 pair_word(const u32 *w, int b, int i)
{
    return b ? w[N + 1 + i] : funnel_right(w[i], w[i + 1], 16);
}
template <int N> DEVICE u32 pair_scale(const u32 *w, int b)
{
    return b ? both_hi(w[N]) : both_lo(w[0]);
}
DEVICE uint4 join(uint2 a, uint2 b) { return make_uint4(a.x, a.y, b.x, b.y); }
// Values 8 j .. 8 j + 7 of the pair, j in 0..7.
DEVICE uint4 pair_chunk(KvQ8_0, const u32 *w, int j)
{
    int b = j / 4, i = j % 4 * 2;
    u32 scale = pair_scale<8>(w, b);
    return join(KvQ8_0::four(pair_word<8>(w, b, i), scale),
                KvQ8_0::four(pair_word<8>(w, b, i + 1), scale));
}
DEVICE uint4 pair_chunk(KvQ4_0, const u32 *w, int j)
{
    int b = j / 4, i = j % 2 * 2, shift = j % 4 / 2 * 4;
    u32 scale = pair_scale<4>(w, b);
    return join(KvQ4_0::four(pair_word<4>(w, b, i) >> shift, scale),
                KvQ4_0::four(pair_word<4>(w, b, i + 1) >> shift, scale));
}

template <class R, class E, int D, int THREADS> struct Tile {
    typedef KvRaw<R, D> Raw;
    CONSTANT int WORDS = 2 * E::WORDS + 1, PAIRS = D / 64;
    CONSTANT int EACH = most(1, KEYS * PAIRS / THREADS);
    // Stored rows lie at the tile's end: some rows of halves from its beginning
    // on never reach the stored rows behind those same rows.
    CONSTANT int RAW = KEYS * (D * 2 - Raw::STRIDE);
    static_assert(RAW >= 0, "room for stored rows");
    static_assert(KEYS * PAIRS % THREADS == 0 || EACH == 1, "whole rows");

    DEVICE void start(u8 *tile, const u8 *first, int n)
    {
        Raw::template copy<KEYS, THREADS>(tile + RAW, first, n);
        copy_commit();
    }
    DEVICE void read(u32 (&w)[WORDS], const u8 *tile, const u8 *first, int i)
    {
        const u8 *row = Raw::row(tile + RAW, first, i / PAIRS);
        UNROLL for (int k = 0; k < WORDS; k++)
            w[k] = ((const u32 *)row)[i % PAIRS * WORDS + k];
    }
    DEVICE void write(u8 *tile, const u32 (&w)[WORDS], int i)
    {
        UNROLL for (int j = 0; j < 8; j++)
            *(uint4 *)(tile + place<D>(i / PAIRS, i % PAIRS * 8 + j)) =
                pair_chunk(E(), w, j);
    }
    DEVICE void finish(u8 *tile, const u8 *first, int)
    {
        copy_wait<0>();
        sync_threads(0, THREADS);
        NO_UNROLL for (int e = 0; e < EACH; e++) {
            u32 w[WORDS];
            int i = e * THREADS + thread();
            if (i < KEYS * PAIRS)
                read(w, tile, first, i);
            sync_threads(0, THREADS);
            if (i < KEYS * PAIRS)
                write(tile, w, i);
        }
    }
};

} // namespace kv_tile
