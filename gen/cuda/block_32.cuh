// block_32.cuh - blocks of 32 weights with one scale, and perhaps an offset:
// q4_0, q4_1, q5_0, q5_1, q8_0.  The meaning: runtime/base/blocks_32.c.
//
// The functions of every type:
//   dot8    the sum of 32 weights times activations: int8 codes a (in words of
//           four, in the order 0, 2, 1, 3), their scale d, ds = d * sum of codes
//   halves  weights 4s .. 4s + 3 of block (h, j) as f16 pairs (0, 1), (2, 3)
//   floats  the same as f32, bit for bit what block_decode says
#pragma once
#include "tile.cuh"

template <int J>
struct Block_q8_0 : TileType<Block_q8_0<J>, J, 32, 34> {
    struct Raw {
        Codes<8, J> code;
        Strip<4 * J> scale; // a half of each block
    };
    template <class T> DEVICE void parts(T &t, Raw &r)
    {
        place(t, r.code);
        place(t, r.scale);
    }
    DEVICE void take(Raw &r, int h, int j, const u8 *b, int)
    {
        int i = h * J + j;
        UNROLL for (int k = 0; k < 32; k++) put_code(r.code, i, k, b[2 + k]);
        put_half(r.scale, i, file_u16(b, 0));
    }

    DEVICE float dot8(const Raw &r, int h, int j, const u32 (&a)[8], float d,
                      float, const u8 *)
    {
        int i = h * J + j;
        i32 sum = 0;
        UNROLL for (int s = 0; s < 8; s++)
            sum = dot4(codes4(r.code, i, s), a[s], sum);
        return half_float(half_of(r.scale, i)) * (d * (float)sum);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2],
                       const u8 *)
    {
        int i = h * J + j;
        u32 scale = half_twice(half_of(r.scale, i));
        code_halves<128>(codes4(r.code, i, s) ^ 0x80808080, w);
        UNROLL for (int n = 0; n < 2; n++) w[n] = half2_mul(w[n], scale);
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4],
                       const u8 *)
    {
        int i = h * J + j;
        float d = half_float(half_of(r.scale, i));
        u32 codes = codes4(r.code, i, s);
        UNROLL for (int t = 0; t < 4; t++)
            w[t] = (float)(i8)code_of(codes, t) * d;
    }
};

DEVICE float file_value_q8_0(const u8 *row, i64 k)
{
    const u8 *b = row + k / 32 * 34;
    return (float)(i8)b[2 + k % 32] * file_half(b, 0);
}
