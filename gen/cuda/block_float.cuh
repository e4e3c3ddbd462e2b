// block_float.cuh - f32, f16 and bf16 as block types.
//
// Planes of 16 bits a weight, in the order of k: chunks 4i .. 4i + 3 of a lane
// are block i.  f32 is a plane of the high halves and one of the low halves, so
// that a matrix whose values all are bfloat16 can be read at half the bytes.
// A tile is too much for the registers of a lane: Raw says where it is, and
// each function loads what it wants.
#pragma once
#include "tile.cuh"

// Weights 4s .. 4s + 3 of block i in the plane at p.
DEVICE uint2 float_words(const u8 *p, int lane, int i, int s)
{
    uint4 v = load_weight16(p + (32 * (4 * i + s / 2) + lane) * 16);
    return s % 2 ? make_uint2(v.z, v.w) : make_uint2(v.x, v.y);
}
DEVICE u32 float_bits16(uint2 v, int t)
{
    return (t < 2 ? v.x : v.y) >> 16 * (t % 2) & 0xffff;
}

template <class Block, int J, int FILE_BYTES>
struct FloatType : TileType<Block, J, 1, FILE_BYTES> {
    enum { PLANE = 16 * 128 * J * 2 };
    struct Raw {
        const u8 *tile;
        int lane;
    };
    DEVICE void load(Raw &r, const u8 *tile, int lane)
    {
        r.tile = tile;
        r.lane = lane;
    }
    DEVICE void pack(u8 *tile, const u8 *rows, i64 row_bytes, int lane)
    {
        NO_UNROLL for (int n = 0; n < 2 * J * 32; n++) {
            int i = n / 32, k = n % 32, h = i / J, j = i % J;
            const u8 *from = rows + (lane / 4 + 8 * h) * row_bytes +
                             (32 * (lane % 4 + 4 * j) + k) * FILE_BYTES;
            u8 *to = tile + (32 * (4 * i + k / 8) + lane) * 16 + k % 8 * 2;
            *(u16 *)to = file_u16(from, FILE_BYTES - 2);
            if (FILE_BYTES == 4)
                *(u16 *)(to + PLANE) = file_u16(from, 0);
        }
    }
    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        float sum = 0;
        UNROLL for (int s = 0; s < 8; s++) {
            float w[4];
            Block::floats(r, h, j, s, w, nullptr);
            UNROLL for (int t = 0; t < 4; t++)
                sum += w[t] * (float)(i8)code_of(a[s], t);
        }
        return d * sum;
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        float f[4];
        Block::floats(r, h, j, s, f, nullptr);
        w[0] = float2_half2(f[0], f[1]);
        w[1] = float2_half2(f[2], f[3]);
    }
};

template <int J> struct Block_f32 : FloatType<Block_f32<J>, J, 4> {
    using Type = FloatType<Block_f32<J>, J, 4>;
    DEVICE void floats(const typename Type::Raw &r, int h, int j, int s,
                       float (&w)[4], const u8 *)
    {
        uint2 high = float_words(r.tile, r.lane, h * J + j, s);
        uint2 low = float_words(r.tile + Type::PLANE, r.lane, h * J + j, s);
        w[0] = bits_float(permute(low.x, high.x, 0x5410));
        w[1] = bits_float(permute(low.x, high.x, 0x7632));
        w[2] = bits_float(permute(low.y, high.y, 0x5410));
        w[3] = bits_float(permute(low.y, high.y, 0x7632));
    }
};
template <int J> struct Block_bf16 : FloatType<Block_bf16<J>, J, 2> {
    using Type = FloatType<Block_bf16<J>, J, 2>;
    DEVICE void floats(const typename Type::Raw &r, int h, int j, int s,
                       float (&w)[4], const u8 *)
    {
        uint2 v = float_words(r.tile, r.lane, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = bits_float(float_bits16(v, t) << 16);
    }
};
template <int J> struct Block_f16 : FloatType<Block_f16<J>, J, 2> {
    using Type = FloatType<Block_f16<J>, J, 2>;
    DEVICE void floats(const typename Type::Raw &r, int h, int j, int s,
                       float (&w)[4], const u8 *)
    {
        uint2 v = float_words(r.tile, r.lane, h * J + j, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = half_float((u16)float_bits16(v, t));
    }
    DEVICE void halves(const typename Type::Raw &r, int h, int j, int s,
                       u32 (&w)[2], const u8 *)
    {
        uint2 v = float_words(r.tile, r.lane, h * J + j, s);
        w[0] = v.x;
        w[1] = v.y;
    }
};

DEVICE float file_value_f32(const u8 *row, i64 k)
{
    return bits_float(file_u32(row + 4 * k, 0));
}
DEVICE float file_value_f16(const u8 *row, i64 k)
{
    return file_half(row + 2 * k, 0);
}
DEVICE float file_value_bf16(const u8 *row, i64 k)
{
    return bits_float((u32)file_u16(row + 2 * k, 0) << 16);
}
