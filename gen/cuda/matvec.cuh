// matvec.cuh - products of tiled matrices with one to a few rows of values.
//
// A block of 8 warps takes SLOTS tiles of 16 matrix rows at once; WK warps share
// the tiles along k of one of them, each with its part of the sum, which meet
// in shared memory.  The values lie in shared memory for all of the launch: a
// lane reads those of its own four column blocks, which cost little beside the
// weights.  While a tile is multiplied the next one is on its way in registers.
#pragma once
#include "prologue.cuh"
#include "tile.cuh"

CONSTANT int VEC_THREADS = 256;
CONSTANT int VEC_WARPS = VEC_THREADS / 32;

// ---- what a lane adds: a tile's rows g and g + 8 with the values from block
// `first` on, of `blocks` in a row; of these each fourth is the lane's: its columns

template <class A> struct Dot;
template <> struct Dot<ActQ8> {
    CONSTANT bool KEEPS = true;
    struct Column {
        u32 a[8];
        float2 d;
    };
    DEVICE void take(Column &c, const u8 *x, int b, int blocks)
    {
        uint4 lo = ((const uint4 *)x)[2 * b], hi = ((const uint4 *)x)[2 * b + 1];
        c = {{lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w},
             ((const float2 *)(x + blocks * 32))[b]};
    }
    template <class B>
    DEVICE void add_column(float (&sum)[2], const typename B::Raw &r, int j,
                           const Column &c, const u8 *table)
    {
        UNROLL for (int h = 0; h < 2; h++)
            sum[h] += B::dot8(r, h, j, c.a, c.d.x, c.d.y, table);
    }
    template <class B, int J>
    DEVICE void add(float (&sum)[2], const typename B::Raw &r,
                           const u8 *x, int first, int blocks, const u8 *table)
    {
        UNROLL for (int j = 0; j < J; j++) {
            Column c;
            take(c, x, first + 4 * j + (lane() & 3), blocks);
            add_column<B>(sum, r, j, c, table);
        }
    }
};
struct DotFloats {
    CONSTANT bool KEEPS = false;
    struct Column {};
    template <class B, int J>
    DEVICE void add(float (&sum)[2], const typename B::Raw &r,
                           const u8 *x, int first, int, const u8 *table)
    {
        UNROLL for (int j = 0; j < J; j++)
        {
            const float4 *a = (const float4 *)x +
                              8 * (first + 4 * j + (lane() & 3));
            UNROLL for (int s = 0; s < 8; s++)
            {
                float4 v = a[s];
                UNROLL for (int h = 0; h < 2; h++)
                {
                    float w[4];
                    B::floats(r, h, j, s, w, table);
                    sum[h] += w[0] * v.x + w[1] * v.y + (w[2] * v.z + w[3] * v.w);
                }
            }
        }
    }
};
template <> struct Dot<ActF32> : DotFloats {};
template <> struct Dot<ActQ16> : DotFloats {};

// Sums of rows g and g + 8, which four lanes share, to 16 floats at `to`.
DEVICE void put_row_sums(float *to, const float (&sum)[2])
{
    UNROLL for (int h = 0; h < 2; h++) {
        float s = sum[h];
        s += shuffle_xor(s, 1);
        s += shuffle_xor(s, 2);
        if ((lane() & 3) == 0)
            to[lane() / 4 + 8 * h] = s;
    }
}

// ---- a group of products that share columns

// K: values in a row; P: matrices of block type B (with J blocks a lane); COLS:
// rows of values that each tile is multiplied with; WK: warps along k, which
// divide the tiles.
// PARTS: with P = 1, matrices whose rows of tiles stand one after the other.
template <class B, int J, class A, int K, int P, int COLS, int WK, int PARTS = 1>
struct Vec {
    CONSTANT int TILES = K / (128 * J); // along k
    CONSTANT int EACH = TILES / WK;     // of a warp
    CONSTANT int SLOTS = VEC_WARPS / WK;
    CONSTANT int MATRICES = P, ROWS = COLS;
    // floats of shared memory for the parts of a unit's sums
    CONSTANT int ROOM = VEC_WARPS * P * COLS * 16;
    typedef typename B::Raw Raw;
    // Two tiles of the widest types do not fit the registers of a lane.
    CONSTANT bool AHEAD = sizeof(Raw) <= 60 * 4;
    // Where a warp has the same columns of all rows, and small tiles leave
    // registers: the values stay there.
    CONSTANT bool KEEPS = Dot<A>::KEEPS && EACH == 1 && COLS == 1 &&
                         sizeof(Raw) <= 24 * 4;
    struct Kept {
        typename Dot<A>::Column column[KEEPS ? J : 1];
    };

    const u8 *weight[P * PARTS]; // of the matrix (of the expert) at hand
    const u8 *values;    // shared: COLS rows
    const u8 *table;     // shared
    int first[PARTS];    // row of tiles of a part

    DEVICE int slot() { return warp() / WK; }
    // Tile i of this warp in a row of tiles.
    DEVICE int tile(int i) { return warp() % WK + i * WK; }

    DEVICE void load(const Vec &v, Raw &r, int row, int p, int i)
    {
        const u8 *w = v.weight[p];
        UNROLL for (int k = 1; k < PARTS; k++)
            if (row >= v.first[k])
                w = v.weight[k] - (i64)v.first[k] * TILES * B::BYTES;
        B::load(r, w + ((i64)row * TILES + tile(i)) * B::BYTES, lane());
    }

    // Once the values are there.
    DEVICE void keep(const Vec &v, Kept &kept)
    {
        if constexpr (KEEPS)
            UNROLL for (int j = 0; j < J; j++)
                Dot<A>::take(kept.column[j], v.values,
                             4 * (tile(0) * J + j) + (lane() & 3), K / 32);
    }
    DEVICE void multiply(const Vec &v, float (&sum)[COLS][2], const Raw &r, int i,
                         const Kept &kept)
    {
        if constexpr (KEEPS)
            UNROLL for (int j = 0; j < J; j++)
                Dot<A>::template add_column<B>(sum[0], r, j, kept.column[j],
                                               v.table);
        else UNROLL for (int t = 0; t < COLS; t++)
            Dot<A>::template add<B, J>(sum[t], r,
                                       v.values + t * (K / 32) * A::SHARED,
                                       tile(i) * 4 * J, K / 32, v.table);
    }

    // Sums of the four lanes of a row to shared memory.
    DEVICE void put(float *room, const float (&sum)[COLS][2], int p)
    {
        UNROLL for (int t = 0; t < COLS; t++)
            put_row_sums(room + ((warp() * P + p) * COLS + t) * 16, sum[t]);
    }

    // The products of row `row` of tiles.  `next` holds its first tile, and in
    // the end that of after.weight's row `after_row`, if it is not negative.
    DEVICE void row(const Vec &v, float *room, Raw &next, const Kept &kept, int row,
                    const Vec &after, int after_row)
    {
        UNROLL for (int p = 0; p < P; p++) {
            float sum[COLS][2] = {};
            NO_UNROLL for (int i = 0; i < EACH; i++) {
                Raw now = next;
                if (!AHEAD)
                    load(v, now, row, p, i);
                else if (i + 1 < EACH)
                    load(v, next, row, p, i + 1);
                else if (p + 1 < P)
                    load(v, next, row, p + 1 < P ? p + 1 : 0, 0);
                else if (after_row >= 0)
                    load(after, next, after_row, 0, 0);
                multiply(v, sum, now, i, kept);
            }
            put(room, sum, p);
        }
    }

    // The product of matrix p with values row t, row m of a slot's tiles: parts
    // added in order.
    DEVICE float total(const float *room, int slot, int p, int t, int m)
    {
        float s = 0;
        UNROLL for (int w = 0; w < WK; w++)
            s += room[(((slot * WK + w) * P + p) * COLS + t) * 16 + m];
        return s;
    }
};

// The sums of a unit, whose first row of tiles is `row` of `rows`: done(t, n, sums),
// as in vec_rows.  Few threads have some: each turn those of another warp, while
// the other warps go on.
template <class V, class Done>
DEVICE void vec_unit_done(const float *room, int row, int rows, int turn,
                          const Done &done)
{
    for (int i = (thread() + turn * 32) % VEC_THREADS; i < V::SLOTS * 16 * V::ROWS;
         i += VEC_THREADS) {
        int m = i % 16, s = i / 16 % V::SLOTS, t = i / 16 / V::SLOTS;
        float sums[V::MATRICES];
        UNROLL for (int p = 0; p < V::MATRICES; p++)
            sums[p] = V::total(room, s, p, t, m);
        if (row + s < rows)
            done(t, (row + s) * 16 + m, sums);
    }
}

// All rows of tiles [0, rows) of matrices with a shared left side, in units of
// SLOTS; this block takes units unit, unit + step, ..; returns the first unit
// behind the last, less `units` (the next group's first).  room: 2 ROOM floats,
// used in turn, so that there is one barrier a unit.
// done(t, n, sums): the sums of values row t, column n, one a matrix.
template <class V, class Done>
DEVICE int vec_rows(const V &v, typename V::Raw &next, float *room, int rows,
                    int unit, int step, const Done &done)
{
    const int units = (int)ceil_div(rows, V::SLOTS);
    typename V::Kept kept;
    V::keep(v, kept);
    for (int turn = 0; unit < units; unit += step, turn++) {
        float *part = room + turn % 2 * V::ROOM;
        int row = unit * V::SLOTS + V::slot(), after = row + step * V::SLOTS;
        if (row < rows)
            V::row(v, part, next, kept, row, v, after < rows ? after : -1);
        sync_threads(0, VEC_THREADS);
        vec_unit_done<V>(part, unit * V::SLOTS, rows, turn, done);
    }
    sync_threads(0, VEC_THREADS); // the room is free again
    return unit - units;
}

// The first tile of a group, before the values are there.
template <class V>
DEVICE void vec_first(const V &v, typename V::Raw &next, int rows, int unit)
{
    int row = unit * V::SLOTS + V::slot();
    if (V::AHEAD && row < rows)
        V::load(v, next, row, 0, 0);
}

// ---- experts: each of the step's pairs (token, slot) has matrices of its own

// Which pair a block works on, and which of the blocks on that pair it is.
struct VecPair {
    int pair, step, member, members;
};
// Block b of `blocks`.
DEVICE VecPair vec_pair(int pairs, int b, int blocks)
{
    if (blocks < pairs)
        return {b, blocks, 0, 1};
    int pair = b % pairs;
    return {pair, pairs, b / pairs, (blocks - pair + pairs - 1) / pairs};
}

// me, all: which of how many blocks this is; rows: of tiles of one expert's
// matrix.  ask(pair) asks for the pair's values,
// put(pair) brings them to v.values.  done(pair, n, sums).
template <class V, class Ask, class Put, class Done>
DEVICE void vec_experts(const V &all, const i32 *ids, int pairs, float *room,
                        int rows, i64 expert_bytes, int me, int blocks,
                        const Ask &ask, const Put &put, const Done &done)
{
    const VecPair p = vec_pair(pairs, me, blocks);
    typename V::Raw next;
    for (int pair = p.pair; pair < pairs; pair += p.step) {
        const i32 expert = ids[pair];
        ask(pair);
        V v = all;
        UNROLL for (int m = 0; m < V::MATRICES; m++)
            v.weight[m] += expert * expert_bytes;
        vec_first(v, next, rows, p.member);
        put(pair);
        sync_threads(0, VEC_THREADS);
        vec_rows(v, next, room, rows, p.member, p.members,
                 [&](int, int n, const float *sum) { done(pair, n, sum); });
    }
}

// The pairs of one token, which share its values: units of rows are counted pair
// by pair within a row, so that those of a block, `step` apart, are of different
// experts and all blocks have as many, give or take one.
template <class V> struct VecExperts {
    V all;
    const i32 *ids;
    int pairs, rows;
    i64 expert_bytes;

    DEVICE V of(const VecExperts &x, int unit)
    {
        V v = x.all;
        const i64 at = x.ids[unit % x.pairs] * x.expert_bytes;
        UNROLL for (int m = 0; m < V::MATRICES; m++)
            v.weight[m] += at;
        return v;
    }
    // Of this warp; x.rows or more: none.
    DEVICE int row(const VecExperts &x, int unit)
    {
        return unit / x.pairs * V::SLOTS + V::slot();
    }
};

template <class V>
DEVICE void vec_expert_first(const VecExperts<V> &x, typename V::Raw &next,
                             int unit)
{
    typedef VecExperts<V> X;
    if (V::AHEAD && X::row(x, unit) < x.rows)
        V::load(X::of(x, unit), next, X::row(x, unit), 0, 0);
}

// Units unit, unit + step, ..; done(pair, n, sums).
template <class V, class Done>
DEVICE void vec_expert_units(const VecExperts<V> &x, typename V::Raw &next,
                             float *room, int unit, int step, const Done &done)
{
    typedef VecExperts<V> X;
    const int units = x.pairs * (int)ceil_div(x.rows, V::SLOTS);
    typename V::Kept kept;
    V::keep(x.all, kept);
    for (int turn = 0; unit < units; unit += step, turn++) {
        float *part = room + turn % 2 * V::ROOM;
        const int after = X::row(x, unit + step);
        if (X::row(x, unit) < x.rows)
            V::row(X::of(x, unit), part, next, kept, X::row(x, unit),
                   X::of(x, unit + step), after < x.rows ? after : -1);
        sync_threads(0, VEC_THREADS);
        vec_unit_done<V>(part, unit / x.pairs * V::SLOTS, x.rows, turn,
                         [&](int, int n, const float *sums) {
                             done(unit % x.pairs, n, sums);
                         });
    }
}
