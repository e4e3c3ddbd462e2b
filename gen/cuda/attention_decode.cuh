// attention_decode.cuh - attention of few tokens over many keys, with matrix
// units; heads of 64, 128 or 256 values.
//
// A block has up to 16 query heads of a group (the rows of the products) and a
// part of the keys. Tiles of keys and of values arrive in turn, as they stand
// in the states, in a ring of shared memory:
//     scores   8 or 16 keys a warp, all values of a head.  The queries are
//              two halves each, high and low, so they are exact to 22 bits
//     weights  2^(score - largest so far), in f16, through shared memory
//     sums     32 values of the head a warp; with narrower heads the warps
//              share the keys
// The order of values in a product is that of the quads (kv.cuh).
#pragma once
#include "attention.cuh"

namespace attention {

CONSTANT int ROWS = 16, WARPS = THREADS / 32;

// o' in the order of the matrix units: unit 32 n + lane is the lane's part of
// the n-th product of 16 rows and 8 values.
template <int D> struct DecodeLayout {
    CONSTANT int ROWS = attention::ROWS, UNITS = D * 4 / THREADS;
    DEVICE int row(int u, int half) { return u % 32 / 4 + 8 * half; }
};

template <class P> struct Decode {
    CONSTANT int D = P::D, CHUNKS = (P::PER_GROUP + ROWS - 1) / ROWS;
    CONSTANT int BLOCKS32 = D / 32, WAYS = WARPS / BLOCKS32;
    typedef typename P::Keys K;
    typedef typename P::Values V;
    typedef KvRaw<K, D> RawK;
    typedef KvRaw<V, D> RawV;
    typedef Sums<DecodeLayout<D>> S;
    CONSTANT int STRIDE = most(RawK::STRIDE, RawV::STRIDE);
    CONSTANT int TILE = STRIDE <= 272 ? 128 : STRIDE <= 544 ? 64 : 32;
    CONSTANT int STAGES = most(2, least(4, (72 << 10) / (TILE * STRIDE)));
    CONSTANT int MINE = most(8, TILE / WARPS), NT = MINE / 8; // keys of a warp
    struct Room {
        uint4 query[D / 16][2][32]; // by product: high, low; by lane
        uint4 weight[TILE / 16][32];
        float tops[WARPS][ROWS];
        typename S::Room sums;
        // At last o' of all warps.
        __align__(16) u8 ring[STAGES * TILE * STRIDE];
    };
    // A thread's rows are g and g + 8 of lane 4 g + c.
    struct State {
        float top[2], sum[2];
        float o[4][4]; // value quad_dim(b, .., j) in o[j]
    };

    // ---- queries
    DEVICE u32 query2(const typename P::Args &call, const Share &s, int row,
                      int dim0, int dim1, u32 *low)
    {
        int head = s.chunk * ROWS + row;
        float x = 0, y = 0;
        if (head < P::PER_GROUP) {
            int at = (s.group * P::PER_GROUP + head) * D;
            x = P::query(call, s.token, at + dim0);
            y = P::query(call, s.token, at + dim1);
        }
        u32 high = float2_half2(x, y);
        *low = float2_half2(x - half_float((u16)high),
                            y - half_float((u16)(high >> 16)));
        return high;
    }
    DEVICE void load_queries(const typename P::Args &call, Room *room,
                             const Share &s)
    {
        int g = lane() / 4, c = lane() % 4;
        UNROLL for (int i = 0; i < (D / 16 + WARPS - 1) / WARPS; i++) {
            int n = warp() + i * WARPS;
            u32 high[4], low[4];
            if (n >= D / 16)
                break;
            UNROLL for (int i = 0; i < 4; i++) {
                int quad = c + 4 * (n & 1), k = i & 2;
                high[i] = query2(call, s, g + 8 * (i & 1),
                                 K::Type::quad_dim(n / 2, quad, k),
                                 K::Type::quad_dim(n / 2, quad, k + 1),
                                 &low[i]);
            }
            room->query[n][0][lane()] =
                make_uint4(high[0], high[1], high[2], high[3]);
            room->query[n][1][lane()] =
                make_uint4(low[0], low[1], low[2], low[3]);
        }
    }

    // ---- the ring
    struct Ring {
        const u8 *keys, *values; // rows of the part's first key
        int n, tiles;            // keys of the part
    };
    DEVICE Ring ring(const typename P::Args &call, const Share &s)
    {
        Ring r;
        r.keys = K::group(P::keys(call), s.group) + s.first * K::ROW_BYTES;
        r.values = V::group(P::values(call), s.group) + s.first * V::ROW_BYTES;
        r.n = s.last - s.first;
        r.tiles = (r.n + TILE - 1) / TILE;
        return r;
    }
    DEVICE u8 *stage(Room *room, int h)
    {
        return room->ring + h % STAGES * (TILE * STRIDE);
    }
    // Half h: the keys (even) or values (odd) of tile h / 2.
    DEVICE void start(Room *room, const Ring &r, int h)
    {
        int at = h / 2 * TILE, n = least(TILE, r.n - at);
        if (h < 2 * r.tiles && h % 2 == 0)
            RawK::template copy<TILE, THREADS>(stage(room, h),
                                               r.keys + at * K::ROW_BYTES, n);
        if (h < 2 * r.tiles && h % 2)
            RawV::template copy<TILE, THREADS>(stage(room, h),
                                               r.values + at * V::ROW_BYTES, n);
        copy_commit();
    }
    // Half h is there, and the next one on its way to where h - 1 was.
    DEVICE const u8 *arrived(Room *room, const Ring &r, int h)
    {
        copy_wait<STAGES - 2>();
        sync_threads(0, THREADS);
        start(room, r, h + STAGES - 1);
        return stage(room, h);
    }

    // ---- scores of the warp's keys
    DEVICE void scores(const Room *room, const u8 *tile, const u8 *first,
                       float (&s)[NT][4])
    {
        const u8 *row[NT];
        UNROLL for (int t = 0; t < NT; t++)
            row[t] = RawK::row(tile, first, warp() * MINE + 8 * t + lane() / 4);
        float rest[NT][4] = {}; // sums of their own: two chains, half as long
        _Pragma("unroll 2") for (int pair = 0; pair < D / 64; pair++)
            UNROLL for (int k = 0; k < 4; k++) {
                uint4 h = room->query[4 * pair + k][0][lane()];
                uint4 l = room->query[4 * pair + k][1][lane()];
                u32 high[4] = {h.x, h.y, h.z, h.w};
                u32 low[4] = {l.x, l.y, l.z, l.w};
                UNROLL for (int t = 0; t < NT; t++) {
                    int quad = lane() % 4 + 4 * (k & 1);
                    uint2 x = K::Type::quad(row[t], 2 * pair + k / 2, quad);
                    u32 b[2] = {x.x, x.y};
                    mma_f16(s[t], high, b);
                    mma_f16(rest[t], low, b);
                }
            }
        UNROLL for (int t = 0; t < NT; t++)
            UNROLL for (int i = 0; i < 4; i++) s[t][i] += rest[t][i];
    }
    // Scores of the keys from n on are none; returns the largest of the lane's
    // rows among the warp's keys.
    DEVICE float2 hide(float (&s)[NT][4], int n)
    {
        float2 top = make_float2(NONE, NONE);
        UNROLL for (int t = 0; t < NT; t++)
            UNROLL for (int i = 0; i < 4; i++) {
                int key = warp() * MINE + 8 * t + 2 * (lane() % 4) + (i & 1);
                if (key >= n)
                    s[t][i] = NONE;
                float *x = i & 2 ? &top.y : &top.x;
                *x = fmaxf(*x, s[t][i]);
            }
        UNROLL for (int m = 1; m < 4; m *= 2) {
            top.x = fmaxf(top.x, shuffle_xor(top.x, m));
            top.y = fmaxf(top.y, shuffle_xor(top.y, m));
        }
        return top;
    }
    // The largest of all warps so far; what was summed shrinks.
    DEVICE void raise(const Room *room, State *w)
    {
        UNROLL for (int half = 0; half < 2; half++) {
            float top = w->top[half];
            UNROLL for (int i = 0; i < WARPS; i++)
                top = fmaxf(top, room->tops[i][lane() / 4 + 8 * half]);
            float factor = power(w->top[half], top);
            w->top[half] = top;
            w->sum[half] *= factor;
            UNROLL for (int j = 0; j < 4; j++) {
                w->o[j][2 * half] *= factor;
                w->o[j][2 * half + 1] *= factor;
            }
        }
    }
    // Weights of the warp's keys, as the left side of the next product.
    DEVICE void weigh(Room *room, State *w, const float (&s)[NT][4])
    {
        UNROLL for (int t = 0; t < NT; t++) {
            int tile = warp() * NT + t; // of 8 keys
            float p[4];
            UNROLL for (int i = 0; i < 4; i++)
                p[i] = power(s[t][i], w->top[i / 2]);
            w->sum[0] += p[0] + p[1];
            w->sum[1] += p[2] + p[3];
            uint2 *to = (uint2 *)&room->weight[tile / 2][lane()] + tile % 2;
            *to = make_uint2(float2_half2(p[0], p[1]),
                             float2_half2(p[2], p[3]));
        }
    }
    DEVICE void take_keys(Room *room, State *w, const u8 *tile, const u8 *first,
                          int n)
    {
        float s[NT][4] = {};
        bool mine = warp() * MINE < TILE;
        if (mine) // whole warps
            scores(room, tile, first, s);
        float2 top = hide(s, mine ? n : 0);
        if (lane() % 4 == 0) {
            room->tops[warp()][lane() / 4] = top.x;
            room->tops[warp()][lane() / 4 + 8] = top.y;
        }
        sync_threads(0, THREADS);
        raise(room, w);
        if (mine)
            weigh(room, w, s);
    }

    // ---- sums
    DEVICE void add_values(const Room *room, State *w, const u8 *tile,
                           const u8 *first, int n)
    {
        int b = warp() % BLOCKS32, way = warp() / BLOCKS32;
        int g = lane() / 4, c = lane() % 4;
        for (int step = way; 16 * step < n; step += WAYS) {
            uint4 p = room->weight[step][lane()];
            u32 a[4] = {p.x, p.y, p.z, p.w};
            uint2 v[4];
            UNROLL for (int i = 0; i < 4; i++) {
                int key = 16 * step + 2 * c + (i & 1) + 4 * (i & 2);
                v[i] = V::Type::quad(RawV::row(tile, first, key), b, g);
            }
            u32 b0[2] = {permute(v[0].x, v[1].x, 0x5410),
                         permute(v[2].x, v[3].x, 0x5410)};
            u32 b1[2] = {permute(v[0].x, v[1].x, 0x7632),
                         permute(v[2].x, v[3].x, 0x7632)};
            u32 b2[2] = {permute(v[0].y, v[1].y, 0x5410),
                         permute(v[2].y, v[3].y, 0x5410)};
            u32 b3[2] = {permute(v[0].y, v[1].y, 0x7632),
                         permute(v[2].y, v[3].y, 0x7632)};
            mma_f16(w->o[0], a, b0);
            mma_f16(w->o[1], a, b1);
            mma_f16(w->o[2], a, b2);
            mma_f16(w->o[3], a, b3);
        }
    }
    DEVICE void open(Room *room, const Ring &r)
    {
        NO_UNROLL for (int h = 0; h < STAGES - 1; h++)
            start(room, r, h);
    }
    DEVICE void attend(const typename P::Args &call, Room *room, State *w,
                       const Share &s, const Ring &r)
    {
        load_queries(call, room, s);
        for (int t = 0; t < r.tiles; t++) {
            int n = least(TILE, r.n - t * TILE);
            const u8 *keys = arrived(room, r, 2 * t);
            take_keys(room, w, keys, r.keys + t * TILE * K::ROW_BYTES, n);
            const u8 *values = arrived(room, r, 2 * t + 1);
            add_values(room, w, values, r.values + t * TILE * V::ROW_BYTES, n);
        }
    }

    // ---- the end of a part: the sums of all warps, in the room and in s
    DEVICE void gather_sums(Room *room, const State &w)
    {
        float a = w.sum[0], b = w.sum[1];
        UNROLL for (int m = 1; m < 4; m *= 2) {
            a += shuffle_xor(a, m);
            b += shuffle_xor(b, m);
        }
        sync_threads(0, THREADS);
        if (lane() % 4 == 0) {
            int row = lane() / 4;
            room->tops[warp()][row] = a;
            room->tops[warp()][row + 8] = b;
            if (warp() == 0) {
                room->sums.top[row] = w.top[0];
                room->sums.top[row + 8] = w.top[1];
            }
        }
    }
    DEVICE void join(Room *room, const State &w, S &s)
    {
        float4 *all = (float4 *)room->ring;
        int b = warp() % BLOCKS32, way = warp() / BLOCKS32;
        gather_sums(room, w);
        copy_wait<0>();
        UNROLL for (int j = 0; j < 4; j++)
            all[way * D * 4 + (b * 4 + j) * 32 + lane()] =
                make_float4(w.o[j][0], w.o[j][1], w.o[j][2], w.o[j][3]);
        sync_threads(0, THREADS);
        if (thread() < ROWS) {
            float sum = 0;
            UNROLL for (int i = 0; i < WARPS; i++)
                sum += room->tops[i][thread()];
            room->sums.sum[thread()] = sum;
        }
        UNROLL for (int u = 0; u < S::UNITS; u++) {
            s.o[u] = make_float4(0, 0, 0, 0);
            UNROLL for (int i = 0; i < WAYS; i++) {
                float4 x = all[i * D * 4 + u * THREADS + thread()];
                s.o[u].x += x.x;
                s.o[u].y += x.y;
                s.o[u].z += x.z;
                s.o[u].w += x.w;
            }
        }
        sync_threads(0, THREADS);
    }

    // ---- the end of a unit: through shared memory, so that rows go on as rows
    CONSTANT int WIDE = D + 8; // floats from row to row
    static_assert(ROWS * WIDE * 4 <= STAGES * TILE * STRIDE, "room for the rows");

    DEVICE void put_rows(float *rows, const Room *room, const S &sums)
    {
        int g = lane() / 4, c = lane() % 4;
        float part0 = 1 / room->sums.sum[g], part1 = 1 / room->sums.sum[g + 8];
        float *row0 = rows + g * WIDE, *row1 = row0 + 8 * WIDE;
        UNROLL for (int u = 0; u < S::UNITS; u++) {
            int n = (u * THREADS + thread()) / 32, b = n / 4, j = n % 4;
            int dim0 = V::Type::quad_dim(b, 2 * c, j);
            int dim1 = V::Type::quad_dim(b, 2 * c + 1, j);
            row0[dim0] = sums.o[u].x * part0;
            row0[dim1] = sums.o[u].y * part0;
            row1[dim0] = sums.o[u].z * part1;
            row1[dim1] = sums.o[u].w * part1;
        }
    }
    DEVICE void finish(const typename P::Args &call, const Share &s, Room *room,
                       const S &sums)
    {
        float *rows = (float *)room->ring;
        put_rows(rows, room, sums);
        sync_threads(0, THREADS);
        auto place = [&](int n, i64 &t, int &i) {
            int at = 4 * (n * THREADS + thread()), head = s.chunk * ROWS + at / D;
            t = s.token;
            i = (s.group * P::PER_GROUP + head) * D + at % D;
            return head < P::PER_GROUP;
        };
        finish_fours<P, ROWS * D / THREADS / 4>(call, place, [&](int n) {
            int at = 4 * (n * THREADS + thread());
            return *(const float4 *)(rows + at / D * WIDE + at % D);
        });
    }
};

// BLOCKS of the grid share the step's keys.  slots: one for each block.
//
// Where the step stands, and rows of earlier steps, are read before
// stage_begin(): the launch right before this one adds rows of this step only,
// and everything older is complete (see delta.cuh).
template <class P, int BLOCKS>
DEVICE void decode(const typename P::Args &call, u8 *shared, float *slots,
                   u32 *counters)
{
    typedef Decode<P> A;
    typename A::Room *room = (typename A::Room *)shared;
    Share s = share<P, A::CHUNKS, BLOCKS>(call);
    bool mine = s.part < s.parts, old = s.last <= call.step->past;
    typename A::Ring r = A::ring(call, s);
    if (mine && old)
        A::open(room, r);
    stage_begin();
    if (mine) {
        typename A::State w = {{NONE, NONE}, {0, 0}, {}};
        typename A::S sums;
        if (!old)
            A::open(room, r);
        A::attend(call, room, &w, s, r);
        A::join(room, w, sums);
        if (A::S::complete(sums, &room->sums, s, slots, counters))
            A::finish(call, s, room, sums);
    }
}

} // namespace attention
