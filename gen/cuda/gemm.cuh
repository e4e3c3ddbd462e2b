// gemm.cuh - products of tiled matrices with many rows of values, on the matrix
// units, in f16 with f32 sums.
//
// Weights are the left side: a warp decodes its two tiles of 16 matrix rows in
// registers, where the lane that owns weights of a tile is the one whose operand
// they are (tile.cuh).  Values are the right side, in f16, each row in a unit of
// its own; a launch of its own brings them to scratch, rows first, then their
// units, in the order in which lanes read them:
//   within 128 values, those of block c, step s (weights 4s .. 4s+3) at
//   (s / 2) * 32 + c * 8 + s % 2 * 4
// so that lane (g, c) reads what it needs for two steps of token g with one
// 16-byte load.  A block multiplies GEMM_ROWS matrix rows with GEMM_COLS tokens,
// 4 x 2 warps; values come through a ring of STAGES slabs of 128 k.
#pragma once
#include "prologue.cuh"
#include "tile.cuh"

CONSTANT int GEMM_THREADS = 256;
CONSTANT int GEMM_COLS = 128;
CONSTANT int GEMM_SLAB = GEMM_COLS * 256; // bytes of 128 k of all tokens

// ---- values to f16

// What a row's values are counted in, a power of two, so that the f16 of the
// largest magnitude, `largest` or a little less, does not overflow (65504) and
// what matters beside it keeps its digits (steps are 2^-24 at least).  It is 4
// wherever that will do; what f16 does not hold of a value is 2^-11 of it.
template <bool SPLIT> DEVICE float gemm_unit(float largest)
{
    constexpr float LOW = SPLIT ? 1 : 1.0f / 64, HIGH = 131072;
    if (largest >= LOW && largest <= HIGH)
        return 4;
    int exponent = (int)(float_bits(largest) >> 23 & 255) - 127;
    // 2^10 units; the unit and one divided by it are no subnormals
    return bits_float((u32)(most(exponent - 10, -126) + 127) << 23);
}

// Where the units of `rows` rows of WIDTH values begin.
template <int WIDTH> DEVICE float *gemm_units(const u8 *values, i64 rows)
{
    return (float *)(values + rows * WIDTH * 2);
}
template <int K, bool SPLIT> CONSTANT int GEMM_WIDTH = SPLIT ? 2 * K : K;

// Where value k of a row lies.
DEVICE int gemm_place(int k)
{
    int c = k / 32 % 4, s = k % 32 / 4;
    return (k & ~127) + s / 2 * 32 + c * 8 + s % 2 * 4 + k % 4;
}

// Four values of a row, from k on.  SPLIT: rows of 2 K, behind the values what
// f16 does not hold of them.
template <int K, bool SPLIT>
DEVICE void gemm_put(u8 *to, i64 row, int k, const float (&v)[4])
{
    u16 *out = (u16 *)to + row * GEMM_WIDTH<K, SPLIT> + gemm_place(k);
    uint2 h = make_uint2(float2_half2(v[0], v[1]), float2_half2(v[2], v[3]));
    *(uint2 *)out = h;
    if (SPLIT) {
        float r[4] = {v[0] - half_float((u16)h.x),
                      v[1] - half_float((u16)(h.x >> 16)),
                      v[2] - half_float((u16)h.y),
                      v[3] - half_float((u16)(h.y >> 16))};
        *(uint2 *)(out + K) =
            make_uint2(float2_half2(r[0], r[1]), float2_half2(r[2], r[3]));
    }
}

// Rows of K values as kernels hand them over, a block a row, or a warp if they
// are short; X as in plain.cuh.  room: 33 floats of shared memory.
template <class X, int K, bool SPLIT>
DEVICE void gemm_values(u8 *to, const u8 *from, i64 row_bytes, i64 rows,
                        float *room)
{
    constexpr int THREADS = K > 2048 ? GEMM_THREADS : 32;
    constexpr int TEAMS = GEMM_THREADS / THREADS;
    float *units = gemm_units<GEMM_WIDTH<K, SPLIT>>(to, rows);
    const int me = thread() % THREADS;
    for (i64 row = (i64)block_x() * TEAMS + thread() / THREADS; row < rows;
         row += (i64)blocks_x() * TEAMS) {
        const u8 *x = from + row * row_bytes;
        float largest = 0;
        for (int k = me * X::STEP; k < K; k += THREADS * X::STEP)
            largest = fmaxf(largest, X::bound(x, k));
        const float unit = gemm_unit<SPLIT>(block_max<THREADS>(largest, room));
        for (int k = me * 4; k < K; k += THREADS * 4) {
            float v[4];
            UNROLL for (int j = 0; j < 4; j++) v[j] = X::at(x, k + j) * (1 / unit);
            gemm_put<K, SPLIT>(to, row, k, v);
        }
        if (me == 0)
            units[row] = unit;
    }
}

// The same of a source, a block a row.
template <class A, int K, bool NORM, bool SPLIT>
DEVICE void gemm_source(u8 *to, const Source<A, K, NORM> &s, i64 rows, float *room)
{
    float *units = gemm_units<GEMM_WIDTH<K, SPLIT>>(to, rows);
    SourceRow<GEMM_THREADS, A, K, NORM> r;
    source_weights(r, s);
    stage_begin();
    for (i64 row = block_x(); row < rows; row += blocks_x()) {
        source_values(r, s, row);
        constexpr int N = SourceRow<GEMM_THREADS, A, K, NORM>::EACH;
        float x[N][4], largest = 0;
        source_norm(r, s.eps, room, x);
        UNROLL for (int i = 0; i < N; i++)
            UNROLL for (int j = 0; j < 4; j++) largest = fmaxf(largest, fabsf(x[i][j]));
        const float unit =
            gemm_unit<SPLIT>(block_max<GEMM_THREADS>(largest, room));
        UNROLL for (int i = 0; i < N; i++) {
            float q[4], d = Round<A>::four(x[i], q);
            const float v[4] = {q[0] * d * (1 / unit), q[1] * d * (1 / unit),
                                q[2] * d * (1 / unit), q[3] * d * (1 / unit)};
            if (int k = source_place(r, i); k >= 0)
                gemm_put<K, SPLIT>(to, row, k, v);
        }
        if (thread() == 0)
            units[row] = unit;
        sync_threads(0, GEMM_THREADS);
    }
}

// ---- the product

// What a block works on: `count` tokens, at most GEMM_COLS.  This thread brings
// 16 bytes of each slab of every 16th of them, from row[i] on, and of one of
// these, i = thread() % 16, the unit.
CONSTANT int GEMM_FETCHES = GEMM_COLS * 16 / GEMM_THREADS;
struct GemmPlace {
    const u8 *values; // rows of f16
    int count;
    u32 row[GEMM_FETCHES];
    float unit;
};

// Tokens first .. first + count - 1; row_of(token): its row of values, of which
// there are `rows`, of WIDTH f16.
template <int WIDTH, class Row>
DEVICE GemmPlace gemm_place_tokens(const u8 *values, i64 rows, int first,
                                   int count, const Row &row_of)
{
    GemmPlace p;
    p.values = values;
    p.count = count;
    UNROLL for (int i = 0; i < GEMM_FETCHES; i++) {
        int token = i * (GEMM_THREADS / 16) + thread() / 16;
        p.row[i] = (u32)row_of(first + (token < count ? token : 0));
        if (thread() % 16 == i)
            p.unit = gemm_units<WIDTH>(values, rows)[p.row[i]];
    }
    return p;
}

// Slab n (128 k) of the tokens to ring place n % STAGES; rows are WIDTH values
// apart.  Chunk q of 16 bytes of a token lies at q ^ 4 in every second one: no two
// lanes meet in a bank.
template <int WIDTH, int STAGES>
DEVICE void gemm_fetch(u8 *shared, const GemmPlace &p, int slab)
{
    u8 *to = shared + slab % STAGES * GEMM_SLAB;
    UNROLL for (int i = 0; i < GEMM_FETCHES; i++) {
        int token = i * (GEMM_THREADS / 16) + thread() / 16, q = thread() % 16;
        if (i * (GEMM_THREADS / 16) < p.count)
            copy16_async(to + token * 256 + (q ^ (token & 1) * 4) * 16,
                         p.values + ((i64)p.row[i] * WIDTH + slab * 128) * 2 + q * 16,
                         token < p.count ? 16 : 0);
    }
}

// The right operands of steps s and s + 1 of 8 tokens.
DEVICE uint4 gemm_right(const u8 *slab, int tokens, int s)
{
    int token = tokens + lane() / 4;
    int q = s / 2 * 4 + (lane() & 3);
    return *(const uint4 *)(slab + token * 256 + (q ^ (token & 1) * 4) * 16);
}

// Eight groups of 8 tokens of a warp; two tiles.
CONSTANT int GEMM_GROUPS = 8;
typedef float GemmSums[2][GEMM_GROUPS][4];

// The left operands of steps s and s + 1 of block j: B0, B1 are the types of the
// two tiles.
template <class B0, class B1>
DEVICE void gemm_left(u32 (&a)[2][2][4], const typename B0::Raw &r0,
                      const typename B1::Raw &r1, int j, int s,
                      const u8 *table0, const u8 *table1)
{
    UNROLL for (int i = 0; i < 2; i++)
        UNROLL for (int h = 0; h < 2; h++) {
            u32 w[2];
            B0::halves(r0, h, j, s + i, w, table0);
            a[i][0][h] = w[0];
            a[i][0][2 + h] = w[1];
            B1::halves(r1, h, j, s + i, w, table1);
            a[i][1][h] = w[0];
            a[i][1][2 + h] = w[1];
        }
}

// Groups FROM .. FROM + N - 1.  No product waits for the one before it.
template <int FROM, int N>
DEVICE void gemm_multiply(GemmSums &sum, const u32 (&a)[2][2][4], const u8 *slab,
                          int s)
{
    uint4 x[N];
    UNROLL for (int n = 0; n < N; n++)
        x[n] = gemm_right(slab, (2 * (FROM + n) + (warp() & 1)) * 8, s);
    UNROLL for (int i = 0; i < 2; i++)
        UNROLL for (int n = 0; n < N; n++) {
            const u32 b[2] = {i ? x[n].z : x[n].x, i ? x[n].w : x[n].y};
            UNROLL for (int m = 0; m < 2; m++)
                mma_f16(sum[m][FROM + n], a[i][m], b);
        }
}

// 128 k.  A branch keeps the compiler from mixing what is before and behind it,
// so a full block has none; others skip pairs of groups without tokens (what
// lies there is never stored).
template <class B0, class B1>
DEVICE void gemm_slab(GemmSums &sum, const typename B0::Raw &r0,
                      const typename B1::Raw &r1, int j, const u8 *slab,
                      int count, const u8 *table0, const u8 *table1)
{
    u32 a[2][2][4];
    if (count > 96) {
        UNROLL for (int s = 0; s < 8; s += 2) {
            gemm_left<B0, B1>(a, r0, r1, j, s, table0, table1);
            gemm_multiply<0, 8>(sum, a, slab, s);
        }
        return;
    }
    UNROLL for (int s = 0; s < 8; s += 2) {
        gemm_left<B0, B1>(a, r0, r1, j, s, table0, table1);
        gemm_multiply<0, 2>(sum, a, slab, s);
        if (count > 32)
            gemm_multiply<2, 2>(sum, a, slab, s);
        if (count > 64)
            gemm_multiply<4, 2>(sum, a, slab, s);
    }
}

// Tiles at w0 and w1 (first along k) with the tokens of p.  All warps of the
// block come here; a warp with no tiles (w0 NULL) only helps to fetch.
// K: along k; WIDTH: values of a row.
template <class B0, class B1, int J, int K, int WIDTH, int STAGES>
DEVICE void gemm_block(GemmSums &sum, u8 *shared, const GemmPlace &p,
                       const u8 *w0, const u8 *w1, const u8 *table0,
                       const u8 *table1)
{
    constexpr int SLABS = K / 128;
    UNROLL for (int i = 0; i < STAGES - 1; i++) {
        if (i < SLABS)
            gemm_fetch<WIDTH, STAGES>(shared, p, i);
        copy_commit();
    }
    NO_UNROLL for (int tile = 0; tile < SLABS / J; tile++) {
        typename B0::Raw r0;
        typename B1::Raw r1;
        if (w0) {
            B0::load(r0, w0 + (i64)tile * B0::BYTES, lane());
            B1::load(r1, w1 + (i64)tile * B1::BYTES, lane());
        }
        UNROLL for (int j = 0; j < J; j++) {
            int slab = tile * J + j;
            copy_wait<STAGES - 2>();
            sync_threads(0, GEMM_THREADS);
            if (slab + STAGES - 1 < SLABS)
                gemm_fetch<WIDTH, STAGES>(shared, p, slab + STAGES - 1);
            copy_commit();
            if (w0)
                gemm_slab<B0, B1>(sum, r0, r1, j,
                                  shared + slab % STAGES * GEMM_SLAB,
                                  p.count, table0, table1);
        }
    }
    sync_threads(0, GEMM_THREADS); // before the ring is filled again
}

// What sums of the block's tokens are counted in, for gemm_results; B: the type of
// the tiles.  All warps come here.  They lie in the ring, in the slab that is the
// last to be filled again.
template <class B, int STAGES>
DEVICE const float *gemm_sum_units(u8 *shared, const GemmPlace &p)
{
    float *units = (float *)(shared + (STAGES - 1) * GEMM_SLAB);
    if (thread() % 16 < GEMM_FETCHES)
        units[thread() % 16 * (GEMM_THREADS / 16) + thread() / 16] = p.unit * B::UNIT;
    sync_threads(0, GEMM_THREADS);
    return units;
}

// done(token of the block, row of the two tiles' 16, sum of tile 0, of tile 1)
template <class Done>
DEVICE void gemm_results(const GemmSums &sum, const float *units, int count,
                         const Done &done)
{
    UNROLL for (int n = 0; n < GEMM_GROUPS; n++)
        UNROLL for (int i = 0; i < 4; i++) {
            int token = (2 * n + (warp() & 1)) * 8 + (lane() & 3) * 2 + i % 2;
            if (token < count)
                done(token, lane() / 4 + i / 2 * 8, sum[0][n][i] * units[token],
                     sum[1][n][i] * units[token]);
        }
}

// ---- matrices of floats: in two parts each, weights and values, so that what
// f16 loses of a value near 1/10 is less than 2^-18 of it

// The larger part of weights, or what f16 does not hold of them if there is a
// `table`: one code for both, as the product below takes long to compile.
template <class B> struct FloatPart : B {
    DEVICE void halves(const typename B::Raw &r, int h, int j, int s,
                       u32 (&w)[2], const u8 *table)
    {
        float v[4];
        B::floats(r, h, j, s, v, 0);
        UNROLL for (int i = 0; i < 2; i++) {
            u32 high = float2_half2(v[2 * i], v[2 * i + 1]);
            w[i] = high;
            if (table)
                w[i] = float2_half2(v[2 * i] - half_float((u16)high),
                                    v[2 * i + 1] - half_float((u16)(high >> 16)));
        }
    }
};

// Small times large, large times small, large times large.
template <class B0, class B1, int J, int K, int STAGES>
DEVICE void gemm_block_floats(GemmSums &sum, u8 *shared, const GemmPlace &p,
                              const u8 *w0, const u8 *w1)
{
    NO_UNROLL for (int pass = 0; pass < 3; pass++) {
        const u8 *low = pass == 0 ? shared : 0;
        GemmPlace values = p;
        values.values += pass == 1 ? K * 2 : 0;
        gemm_block<FloatPart<B0>, FloatPart<B1>, J, K, 2 * K, STAGES>(
            sum, shared, values, w0, w1, low, low);
    }
}
