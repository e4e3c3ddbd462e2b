// tile.cuh - packed weights: what the block types share.
//
// A tile is 16 rows x 128 J weights, one warp's portion: J = 4 if K % 512 == 0,
// else 2 if K % 256 == 0, else 1.  Tiles of a matrix lie row tile by row tile,
// in each by k; a tile has the bytes of the file's blocks, in another order.
//
// Lane 4 g + c owns of rows g and g + 8 (h = 0, 1) the blocks of 32 weights
// c + 4 j, j = 0 .. J - 1; "block i of the lane" is h J + j.  So a lane has whole
// blocks to multiply, and its four weights 4s .. 4s + 3 of a block are what an
// MMA step over k takes from it (k may be permuted).  Bytes of four weights stand
// in the order 0, 2, 1, 3, for a word's two pairs of 16 bits to be neighbours.
//
// A tile is a row of planes:
//   Strip<P>  P bytes of each lane, in chunks of 16 (the rest in chunks of 8, 4,
//             2): chunk q of lane l at (32 q + l) * 16
//   Rows<R>   R bytes of each of the 16 rows: scales of superblocks
// Codes come first, split in planes of 8, 4, 2 and 1 bits (5 = 4 + 1), then
// sub-scales, then scales.
//
// A type is a struct Block_NAME<J> : TileType<...> with
//   Raw                 a lane's part, in registers
//   parts(t, r)         the planes in order, by place(t, ...)
//   take(r, h, j, b, n) from the file's block at b: its n-th 32 weights to block
//                       (h, j) of the lane
//   dot8, halves, floats   see q8_0 in block_32.cuh
// h, j, s are constants once loops are unrolled.
#pragma once
#include "common.cuh"

template <int P> struct Strip {
    u32 w[(P + 3) / 4];
};
template <int R> struct Rows {
    u32 w[2][(R + 3) / 4];
};
struct TileReader {
    const u8 *at;
    int lane;
};
struct TileWriter {
    u8 *at;
    int lane;
};

// ---- planes

// BYTES bytes, 16, 8, 4 or 2, OFFSET behind p: one address serves many loads.
template <int BYTES, int OFFSET> DEVICE void load_words(const u8 *p, u32 *w)
{
    static_assert(BYTES == 2 || BYTES == 4 || BYTES == 8 || BYTES == 16, "");
    if constexpr (BYTES == 16) {
        uint4 v = load_weight16<OFFSET>(p);
        w[0] = v.x;
        w[1] = v.y;
        w[2] = v.z;
        w[3] = v.w;
    } else if constexpr (BYTES == 8) {
        uint2 v = load_weight8<OFFSET>(p);
        w[0] = v.x;
        w[1] = v.y;
    } else if constexpr (BYTES == 4) {
        w[0] = load_weight4<OFFSET>(p);
    } else {
        w[0] = load_weight2<OFFSET>(p);
    }
}
template <int CHUNKS, int Q = 0>
DEVICE void load_chunks(const u8 *p, u32 *w)
{
    if constexpr (Q < CHUNKS) {
        load_words<16, 512 * Q>(p, w + 4 * Q);
        load_chunks<CHUNKS, Q + 1>(p, w);
    }
}
template <int P> DEVICE void place(TileReader &t, Strip<P> &s)
{
    load_chunks<P / 16>(t.at + t.lane * 16, s.w);
    if constexpr ((P & 8) != 0)
        load_words<8, 32 * (P & ~15)>(t.at + t.lane * 8, s.w + P / 16 * 4);
    if constexpr ((P & 4) != 0)
        load_words<4, 32 * (P & ~7)>(t.at + t.lane * 4, s.w + P / 8 * 2);
    if constexpr ((P & 2) != 0)
        load_words<2, 32 * (P & ~3)>(t.at + t.lane * 2, s.w + P / 4);
    t.at += 32 * P;
}
template <int P> DEVICE void place(TileWriter &t, Strip<P> &s)
{
    UNROLL for (int n = 0; n < P / 4; n++) {
        bool whole = n < P / 16 * 4, eight = !whole && n < P / 8 * 2;
        int chunk = whole ? n / 4 * 512 + t.lane * 16 + n % 4 * 4
                    : eight ? P / 16 * 512 + t.lane * 8 + n % 2 * 4
                            : P / 8 * 256 + t.lane * 4;
        *(u32 *)(t.at + chunk) = s.w[n];
    }
    if constexpr ((P & 2) != 0)
        *(u16 *)(t.at + 32 * (P & ~3) + t.lane * 2) = (u16)s.w[P / 4];
    t.at += 32 * P;
}

template <int R> DEVICE void place(TileReader &t, Rows<R> &r)
{
    const u8 *p = t.at + t.lane / 4 * R;
    load_words<R, 0>(p, r.w[0]);
    load_words<R, 8 * R>(p, r.w[1]);
    t.at += 16 * R;
}
// The four lanes of a row hold the same.
template <int R> DEVICE void place(TileWriter &t, Rows<R> &r)
{
    if (t.lane % 4 == 0)
        UNROLL for (int h = 0; h < 2; h++)
            UNROLL for (int n = 0; n < R / 2; n++)
                ((u16 *)t.at)[(t.lane / 4 + 8 * h) * (R / 2) + n] =
                    (u16)(r.w[h][n / 2] >> 16 * (n % 2));
    t.at += 16 * R;
}

// ---- bytes and halves of a lane; put_* wants zeros there

template <int P> DEVICE u32 byte_of(const Strip<P> &s, int n)
{
    return s.w[n / 4] >> 8 * (n % 4) & 255;
}
template <int P> DEVICE u16 half_of(const Strip<P> &s, int n)
{
    return (u16)(s.w[n / 2] >> 16 * (n % 2));
}
template <int R> DEVICE u16 half_of(const Rows<R> &r, int h, int n)
{
    return (u16)(r.w[h][n / 2] >> 16 * (n % 2));
}
template <int P> DEVICE void put_byte(Strip<P> &s, int n, u32 v)
{
    s.w[n / 4] |= v << 8 * (n % 4);
}
template <int P> DEVICE void put_half(Strip<P> &s, int n, u16 v)
{
    s.w[n / 2] |= (u32)v << 16 * (n % 2);
}
// Several blocks of a row bring the same value.
template <int R> DEVICE void put_half(Rows<R> &r, int h, int n, u16 v)
{
    r.w[h][n / 2] |= (u32)v << 16 * (n % 2);
}

// ---- codes of BITS bits, all blocks of a lane
template <int BITS>
CONSTANT int LOW = BITS >= 8 ? 8 : BITS >= 4 ? 4 : BITS >= 2 ? 2 : 1;
template <int BITS, int J, bool ONE = LOW<BITS> == BITS> struct Codes;
template <int BITS, int J> struct Codes<BITS, J, true> {
    Strip<8 * BITS * J> plane;
};
template <int BITS, int J> struct Codes<BITS, J, false> {
    Codes<LOW<BITS>, J> low;
    Codes<BITS - LOW<BITS>, J> high;
};

template <class T, int BITS, int J>
DEVICE void place(T &t, Codes<BITS, J, true> &c)
{
    place(t, c.plane);
}
template <class T, int BITS, int J>
DEVICE void place(T &t, Codes<BITS, J, false> &c)
{
    place(t, c.low);
    place(t, c.high);
}

// A word of a plane holds 8 / BITS groups of four weights, one above the other
// in each byte.  Codes of weights 4s .. 4s + 3 of block i, shifted left by TO.
template <int TO, int BITS, int J>
DEVICE u32 codes_at(const Codes<BITS, J, true> &c, int i, int s)
{
    u32 x = c.plane.w[i * BITS + s * BITS / 8];
    int shift = BITS * (s % (8 / BITS)) - TO;
    u32 mask = ((1u << BITS) - 1) * 0x01010101u << TO;
    return (shift < 0 ? x << -shift : x >> shift) & mask;
}
template <int BITS, int J>
DEVICE u32 codes4(const Codes<BITS, J, true> &c, int i, int s)
{
    return codes_at<0>(c, i, s);
}
template <int BITS, int J>
DEVICE u32 codes4(const Codes<BITS, J, false> &c, int i, int s)
{
    return codes4(c.low, i, s) | codes_at<LOW<BITS>>(c.high, i, s);
}

// The byte of a word where weight t of four stands.
DEVICE int byte_place(int t) { return (t & 1) * 2 + (t >> 1); }
DEVICE u32 code_of(u32 codes, int t) { return codes >> 8 * byte_place(t) & 255; }

// Weight k of block i.
template <int BITS, int J>
DEVICE void put_code(Codes<BITS, J, true> &c, int i, int k, u32 v)
{
    int s = k / 4;
    c.plane.w[i * BITS + s * BITS / 8] |=
        v << (8 * byte_place(k % 4) + BITS * (s % (8 / BITS)));
}
template <int BITS, int J>
DEVICE void put_code(Codes<BITS, J, false> &c, int i, int k, u32 v)
{
    put_code(c.low, i, k, v & ((1u << LOW<BITS>) - 1));
    put_code(c.high, i, k, v >> LOW<BITS>);
}

// ---- products and f16 pairs

// c and the codes of FROM .. FROM + N - 1 groups times a.
template <int FROM, int N, int BITS, int J, bool ONE>
DEVICE i32 dot_codes(const Codes<BITS, J, ONE> &c, int i, const u32 (&a)[8],
                     i32 sum)
{
    UNROLL for (int s = FROM; s < FROM + N; s++)
        sum = dot4_us(codes4(c, i, s), a[s], sum);
    return sum;
}
// The sum of 16 activations: the same for all rows of a tile.
template <int FROM> DEVICE i32 sum16(const u32 (&a)[8])
{
    i32 sum = 0;
    UNROLL for (int s = FROM; s < FROM + 4; s++)
        sum = dot4(0x01010101, a[s], sum);
    return sum;
}

DEVICE u32 half_twice(u16 h) { return (u32)h * 0x10001u; }
DEVICE u32 half_twice(float f) { return float2_half2(f, f); }
// Codes less BIAS as f16, exactly: 0x64 above a byte makes it 1024 + code.
template <int BIAS> DEVICE void code_halves(u32 codes, u32 (&w)[2])
{
    u32 base = half_twice((u16)(0x6400 + BIAS));
    w[0] = half2_sub(permute(codes, 0x64646464, 0x4240), base);
    w[1] = half2_sub(permute(codes, 0x64646464, 0x4341), base);
}

// ---- the file's layout: any alignment
DEVICE u16 file_u16(const u8 *b, int at)
{
    return (u16)(b[at] | b[at + 1] << 8);
}
DEVICE u32 file_u32(const u8 *b, int at)
{
    return file_u16(b, at) | (u32)file_u16(b, at + 2) << 16;
}
DEVICE float file_half(const u8 *b, int at)
{
    return half_float(file_u16(b, at));
}

// ---- what every type has; FILE_BYTES for blocks of ELEMS weights
template <class Block, int J, int ELEMS, int FILE_BYTES> struct TileType {
    static_assert(J == 1 || J == 2 || J == 4, "width of a tile");
    static_assert(128 * J % ELEMS == 0, "a tile has whole blocks");
    CONSTANT int ELEMENTS = ELEMS;
    CONSTANT int ROW_BYTES = 128 * J / ELEMS * FILE_BYTES;
    CONSTANT int BYTES = 16 * ROW_BYTES;
    CONSTANT int TABLE_BYTES = 0;
    CONSTANT float UNIT = 1; // of halves(): such that scales are whole numbers of d

    DEVICE void table(u8 *, int, int) {}
    template <class Raw> DEVICE void load(Raw &r, const u8 *tile, int lane)
    {
        TileReader t = {tile, lane};
        Block::parts(t, r);
    }
    DEVICE void pack(u8 *tile, const u8 *rows, i64 row_bytes, int lane)
    {
        typename Block::Raw r = {};
        NO_UNROLL for (int i = 0; i < 2 * J; i++) {
            int h = i / J, j = i % J, k = 32 * (lane % 4 + 4 * j);
            const u8 *row = rows + (lane / 4 + 8 * h) * row_bytes;
            Block::take(r, h, j, row + k / ELEMS * FILE_BYTES, k % ELEMS / 32);
        }
        TileWriter t = {tile, lane};
        Block::parts(t, r);
    }
};
