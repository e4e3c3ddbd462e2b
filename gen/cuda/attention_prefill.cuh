// attention_prefill.cuh - attention of many tokens with matrix units; heads of
// 64, 128 or 256 values.
//
// A block has ROWS rows, 16 a warp: the query heads of a group of several
// tokens, token by token, so that all of them share every key.  Tiles of 64
// keys, then of 64 values, are made f16 in shared memory; the next one is on
// its way while the last is used.  Weights go from one product to the next in
// registers: D of the first has the lanes of A in the second.
//
// A key that a token does not see may hold anything: its score is dropped, and
// where values are no numbers (times a weight of 0, still none) the product is
// made without them and they are added to the rows that see them.
#pragma once
#include "attention.cuh"
#include "kv_tile.cuh"

namespace attention {

template <class P> struct Prefill {
    CONSTANT int D = P::D, KEYS = kv_tile::KEYS, THREADS = 128;
    CONSTANT int ROWS = THREADS / 32 * 16, TILE = KEYS * D * 2;
    CONSTANT int N = KEYS / 8; // products of 8 keys
    typedef typename P::Args Args;
    typedef typename P::Keys K;
    typedef typename P::Values V;
    typedef kv_tile::Tile<K, typename K::Type, D, THREADS> KTile;
    typedef kv_tile::Tile<V, typename V::Type, D, THREADS> VTile;
    struct Room {
        __align__(16) u8 query[ROWS * D * 2];
        u8 keys[TILE], values[TILE];
    };
    struct Block {
        const u8 *keys, *values; // row 0 of the group
        int group, row, rows;    // its first row; those of the step
        int past, least, n;      // the last key that all rows see; keys
    };
    // A thread's rows are g and g + 8 of its warp, lane = 4 g + c.
    struct State {
        int last[2];     // key that the row sees
        int least, most; // of them in the warp
        float top[2], sum[2];
        float o[D / 8][4];
    };

    DEVICE int place(int row, int chunk)
    {
        return kv_tile::place<D>(row, chunk);
    }

    // ---- the block
    DEVICE int last_key(const Block &b, int row)
    {
        return b.past + least(row, b.rows - 1) / P::PER_GROUP;
    }
    // The longest rows first: they would be what all wait for.
    DEVICE Block block(const Args &call)
    {
        Block b;
        b.group = block_y();
        b.row = (blocks_x() - 1 - block_x()) * ROWS;
        b.rows = call.tokens * P::PER_GROUP;
        b.past = (int)call.step->past;
        b.least = last_key(b, b.row);
        b.n = last_key(b, b.row + ROWS - 1) + 1;
        b.keys = K::group(P::keys(call), b.group);
        b.values = V::group(P::values(call), b.group);
        return b;
    }
    DEVICE float query(const Args &call, const Block &b, int row, int dim)
    {
        int head = b.group * P::PER_GROUP + row % P::PER_GROUP;
        if (row >= b.rows)
            return 0;
        return P::query(call, row / P::PER_GROUP, head * D + dim);
    }
    DEVICE void load_queries(const Args &call, u8 *tile, const Block &b)
    {
        _Pragma("unroll 4") for (int i = thread(); i < ROWS * D / 2;
                                 i += THREADS) {
            int row = i / (D / 2), dim = i % (D / 2) * 2;
            float x = query(call, b, b.row + row, dim);
            float y = query(call, b, b.row + row, dim + 1);
            *(u32 *)(tile + place(row, dim / 8) + dim % 8 * 2) =
                float2_half2(x, y);
        }
    }
    DEVICE void begin(State *w, const Block &b)
    {
        int row = b.row + warp() * 16;
        w->least = last_key(b, row);
        w->most = last_key(b, row + 15);
        UNROLL for (int i = 0; i < 2; i++) {
            w->last[i] = last_key(b, row + lane() / 4 + 8 * i);
            w->top[i] = NONE;
            w->sum[i] = 0;
        }
        UNROLL for (int n = 0; n < D / 8; n++)
            UNROLL for (int i = 0; i < 4; i++) w->o[n][i] = 0;
    }

    // ---- scores
    DEVICE void scores(const Room *room, float (&s)[N][4])
    {
        int l = lane(), row = warp() * 16 + l % 16;
        _Pragma("unroll 4") for (int k = 0; k < D / 16; k++) {
            u32 a[4], b[4];
            load_matrices(a, room->query + place(row, 2 * k + l / 16));
            UNROLL for (int n = 0; n < N; n += 2) {
                int key = 8 * n + l / 16 * 8 + l % 8;
                load_matrices(b, room->keys + place(key, 2 * k + l / 8 % 2));
                u32 b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
                mma_f16(s[n], a, b0);
                mma_f16(s[n + 1], a, b1);
            }
        }
    }
    DEVICE void hide(const State *w, float (&s)[N][4], int first)
    {
        UNROLL for (int n = 0; n < N; n++)
            UNROLL for (int i = 0; i < 4; i++)
                if (first + 8 * n + 2 * (lane() % 4) + (i & 1) > w->last[i / 2])
                    s[n][i] = NONE;
    }
    DEVICE void shrink(State *w, float factor0, float factor1)
    {
        w->sum[0] *= factor0;
        w->sum[1] *= factor1;
        UNROLL for (int n = 0; n < D / 8; n++) {
            w->o[n][0] *= factor0;
            w->o[n][1] *= factor0;
            w->o[n][2] *= factor1;
            w->o[n][3] *= factor1;
        }
    }
    DEVICE void raise(State *w, const float (&s)[N][4])
    {
        float factor[2];
        UNROLL for (int i = 0; i < 2; i++) {
            float top = w->top[i];
            UNROLL for (int n = 0; n < N; n++)
                top = fmaxf(top, fmaxf(s[n][2 * i], s[n][2 * i + 1]));
            top = fmaxf(top, shuffle_xor(top, 1));
            top = fmaxf(top, shuffle_xor(top, 2));
            factor[i] = power(w->top[i], top);
            w->top[i] = top;
        }
        if (warp_ballot(factor[0] != 1 || factor[1] != 1))
            shrink(w, factor[0], factor[1]);
    }
    // p[k]: weights of keys 16 k .., the left side of the next product.
    DEVICE void weigh(State *w, const float (&s)[N][4], u32 (&p)[N / 2][4])
    {
        float top[2];
        UNROLL for (int i = 0; i < 2; i++)
            top[i] = w->top[i] == NONE ? 0.0f : w->top[i];
        UNROLL for (int n = 0; n < N; n++) {
            float x[4];
            UNROLL for (int i = 0; i < 4; i++)
                x[i] = exp2f(s[n][i] - top[i / 2]);
            w->sum[0] += x[0] + x[1];
            w->sum[1] += x[2] + x[3];
            p[n / 2][n % 2 * 2] = float2_half2(x[0], x[1]);
            p[n / 2][n % 2 * 2 + 1] = float2_half2(x[2], x[3]);
        }
    }

    // ---- sums
    DEVICE void load_values(u32 (&b)[4], const Room *room, int k, int n)
    {
        int l = lane(), key = 16 * k + l % 16;
        load_matrices_transposed(b, room->values + place(key, n + l / 16));
    }
    DEVICE void add_values(const Room *room, State *w, const u32 (&p)[N / 2][4])
    {
        UNROLL for (int k = 0; k < N / 2; k++)
            UNROLL for (int n = 0; n < D / 8; n += 2) {
                u32 b[4];
                load_values(b, room, k, n);
                u32 b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
                mma_f16(w->o[n], p[k], b0);
                mma_f16(w->o[n + 1], p[k], b1);
            }
    }
    // The top bits of halves that are infinite or no number; x without those.
    DEVICE u32 odd_halves(u32 x)
    {
        return ((x & 0x7c007c00) + 0x04000400) & 0x80008000;
    }
    DEVICE u32 clean(u32 x) { return x & ~((odd_halves(x) >> 15) * 0xffff); }
    // Does the tile hold any?
    DEVICE bool is_odd(const Room *room)
    {
        u32 odd = 0;
        for (int i = lane(); i < TILE / 16; i += 32) {
            uint4 x = ((const uint4 *)room->values)[i];
            odd |= odd_halves(x.x) | odd_halves(x.y) | odd_halves(x.z) |
                   odd_halves(x.w);
        }
        return warp_ballot(odd) != 0;
    }
    // Each of them to the rows that see it; first: the tile's first key.
    DEVICE void add_odd_values(const Room *room, State *w, int first)
    {
        UNROLL for (int n = 0; n < D / 8; n++)
            NO_UNROLL for (int key = 0; key < KEYS; key++) {
                u32 x = *(const u32 *)(room->values + place(key, n) +
                                       4 * (lane() % 4));
                u32 odd = x ^ clean(x);
                UNROLL for (int i = 0; i < 4; i++)
                    if (odd >> 16 * (i & 1) & 0xffff &&
                        first + key <= w->last[i / 2])
                        w->o[n][i] += half_float((u16)(odd >> 16 * (i & 1)));
            }
    }
    // Takes them out of the tile.
    DEVICE void set_apart_odd_values(Room *room, State *w, int first)
    {
        add_odd_values(room, w, first);
        sync_threads(0, THREADS);
        for (int i = thread(); i < TILE / 4; i += THREADS) {
            u32 *x = (u32 *)room->values + i;
            *x = clean(*x);
        }
        sync_threads(0, THREADS);
    }

    // ---- a tile
    DEVICE void take_keys(const Room *room, State *w, u32 (&p)[N / 2][4],
                          int first)
    {
        float s[N][4] = {};
        scores(room, s);
        if (first + KEYS - 1 > w->least)
            hide(w, s, first);
        raise(w, s);
        weigh(w, s, p);
    }
    DEVICE void start_keys(Room *room, const Block &b, int first)
    {
        if (first < b.n)
            KTile::start(room->keys, b.keys + first * K::ROW_BYTES,
                         b.n - first);
    }
    DEVICE void finish_keys(Room *room, const Block &b, int first)
    {
        if (first < b.n)
            KTile::finish(room->keys, b.keys + first * K::ROW_BYTES,
                          b.n - first);
        sync_threads(0, THREADS);
    }
    // The warp's rows may see none of the last keys.
    DEVICE void attend(Room *room, State *w, const Block &b)
    {
        for (int first = 0; first < b.n; first += KEYS) {
            const u8 *values = b.values + first * V::ROW_BYTES;
            bool any = first <= w->most;
            u32 p[N / 2][4];
            VTile::start(room->values, values, b.n - first);
            if (any)
                take_keys(room, w, p, first);
            VTile::finish(room->values, values, b.n - first);
            sync_threads(0, THREADS);
            start_keys(room, b, first + KEYS);
            if (first + KEYS - 1 > b.least && is_odd(room)) // in all warps
                set_apart_odd_values(room, w, first);
            if (any)
                add_values(room, w, p);
            finish_keys(room, b, first + KEYS);
        }
    }

    // ---- the end: through shared memory, so that rows go on as rows
    CONSTANT int WIDE = D + 8; // floats from row to row: eight rows, all banks
    static_assert(ROWS * WIDE * 4 <= (int)sizeof(Room), "room for the sums");

    DEVICE void put_rows(float *rows, const State *w)
    {
        UNROLL for (int i = 0; i < 2; i++) {
            float sum = w->sum[i];
            sum += shuffle_xor(sum, 1);
            sum += shuffle_xor(sum, 2);
            float factor = 1 / sum;
            float *row = rows + (lane() / 4 + 8 * i) * WIDE + 2 * (lane() % 4);
            UNROLL for (int n = 0; n < D / 8; n++)
                *(float2 *)(row + 8 * n) =
                    make_float2(w->o[n][2 * i] * factor,
                                w->o[n][2 * i + 1] * factor);
        }
    }
    // No warp needs the tiles any more.
    DEVICE void finish(const Args &call, Room *room, const State *w,
                       const Block &b)
    {
        float *rows = (float *)room + warp() * 16 * WIDE;
        put_rows(rows, w);
        sync_warp();
        constexpr int N = 2;
        NO_UNROLL for (int first = lane(); first < 4 * D; first += 32 * N) {
            auto place = [&](int n, i64 &t, int &i) {
                int at = 4 * (first + 32 * n), row = b.row + warp() * 16 + at / D;
                t = row / P::PER_GROUP;
                i = (b.group * P::PER_GROUP + row % P::PER_GROUP) * D + at % D;
                return row < b.rows;
            };
            finish_fours<P, N>(call, place, [&](int n) {
                int at = 4 * (first + 32 * n);
                return *(const float4 *)(rows + at / D * WIDE + at % D);
            });
        }
    }
};

// Grid: ceil(tokens * PER_GROUP / ROWS) by GROUPS.
template <class P> DEVICE void prefill(const typename P::Args &call, u8 *shared)
{
    typedef Prefill<P> A;
    typename A::Room *room = (typename A::Room *)shared;
    typename A::State w;
    stage_begin();
    typename A::Block b = A::block(call);
    A::start_keys(room, b, 0);
    A::load_queries(call, room->query, b);
    A::begin(&w, b);
    A::finish_keys(room, b, 0);
    A::attend(room, &w, b);
    A::finish(call, room, &w, b);
}

} // namespace attention
