// attention_plain.cuh - attention in f32 without matrix units, for heads of any
// width: what the other kernels do not take.
//
// A warp has a query head, a block HEADS of a group, which share the KEYS keys
// and values in shared memory.  Scores: a lane a key.  Sums: a lane every 32nd
// value.  Products and sums in f32: the error is that of f32.
#pragma once
#include "attention.cuh"

namespace attention {

CONSTANT int HEADS = 8, KEYS = 32;

template <int D> struct PlainLayout {
    CONSTANT int ROWS = HEADS, UNITS = (D + 127) / 128;
    DEVICE int row(int u, int) { return u % THREADS / 32; }
};

template <class P> struct Plain {
    CONSTANT int D = P::D, CHUNKS = (P::PER_GROUP + HEADS - 1) / HEADS;
    typedef Sums<PlainLayout<D>> S;
    struct Room {
        float query[HEADS * D];
        float tile[KEYS * (D + 1)];
        float weight[HEADS * KEYS];
        typename S::Room sums;
    };
    // Of a warp's head.
    struct State {
        float top, sum;
        S s;
    };

    template <class R>
    DEVICE void load(Room *room, const u8 *state, const Share &s, int first)
    {
        const u8 *rows = R::group(state, s.group);
        for (int i = thread(); i < KEYS * D; i += THREADS) {
            int key = i / D, at = i % D;
            float x = 0;
            if (first + key < s.last)
                x = R::Type::element(rows + (first + key) * R::ROW_BYTES, at);
            room->tile[key * (D + 1) + at] = x;
        }
    }
    DEVICE void load_queries(const typename P::Args &call, Room *room,
                             const Share &s)
    {
        for (int i = thread(); i < HEADS * D; i += THREADS) {
            int head = s.chunk * HEADS + i / D;
            float x = 0;
            if (head < P::PER_GROUP)
                x = P::query(call, s.token,
                             (s.group * P::PER_GROUP + head) * D + i % D);
            room->query[i] = x;
        }
    }
    // The lane's key: its score becomes a weight.
    DEVICE void weigh(Room *room, State *w, bool seen)
    {
        const float *q = room->query + warp() * D;
        const float *k = room->tile + lane() * (D + 1);
        float score = 0;
        for (int i = 0; i < D; i++)
            score += q[i] * k[i];
        score = seen ? score : NONE;
        float top = fmaxf(w->top, warp_max(score)), p = power(score, top);
        float factor = power(w->top, top);
        w->sum = w->sum * factor + warp_sum(p);
        w->top = top;
        room->weight[thread()] = p;
        UNROLL for (int u = 0; u < S::UNITS; u++) {
            w->s.o[u].x *= factor;
            w->s.o[u].y *= factor;
            w->s.o[u].z *= factor;
            w->s.o[u].w *= factor;
        }
    }
    DEVICE float value(const float *v, int at)
    {
        return at < D ? v[at] : 0.0f;
    }
    DEVICE void add_values(const Room *room, State *w, int n)
    {
        for (int j = 0; j < n; j++) {
            float p = room->weight[warp() * KEYS + j];
            const float *v = room->tile + j * (D + 1);
            UNROLL for (int u = 0; u < S::UNITS; u++) {
                int at = 128 * u + lane();
                w->s.o[u].x += p * value(v, at);
                w->s.o[u].y += p * value(v, at + 32);
                w->s.o[u].z += p * value(v, at + 64);
                w->s.o[u].w += p * value(v, at + 96);
            }
        }
    }
    DEVICE void finish(const typename P::Args &call, const Share &s,
                       const Room *room, const S &sums)
    {
        float sum = room->sums.sum[warp()];
        int head = s.chunk * HEADS + warp();
        UNROLL for (int u = 0; u < S::UNITS; u++) {
            float4 o = sums.o[u];
            auto place = [&](int n, i64 &t, int &i) {
                int at = 128 * u + 32 * n + lane();
                t = s.token;
                i = (s.group * P::PER_GROUP + head) * D + at;
                return head < P::PER_GROUP && at < D;
            };
            finish_values<P, 4>(call, place, [&](int n) {
                return (n == 0 ? o.x : n == 1 ? o.y : n == 2 ? o.z : o.w) / sum;
            });
        }
    }
    DEVICE void attend(const typename P::Args &call, Room *room, State *w,
                       const Share &s)
    {
        load_queries(call, room, s);
        for (int first = s.first; first < s.last; first += KEYS) {
            sync_threads(0, THREADS);
            load<typename P::Keys>(room, P::keys(call), s, first);
            sync_threads(0, THREADS);
            weigh(room, w, first + lane() < s.last);
            sync_threads(0, THREADS);
            load<typename P::Values>(room, P::values(call), s, first);
            sync_threads(0, THREADS);
            add_values(room, w, least(KEYS, s.last - first));
        }
    }
};

// BLOCKS of the grid share the step's keys; 1: a block a unit.  scratch: a slot
// for each block, if there is more than one.
template <class P, int BLOCKS>
DEVICE void plain(const typename P::Args &call, u8 *shared, float *slots,
                  u32 *counters)
{
    typedef Plain<P> A;
    typename A::Room *room = (typename A::Room *)shared;
    typename A::State w;
    stage_begin();
    Share s = share<P, A::CHUNKS, BLOCKS>(call);
    if (s.part < s.parts) {
        w.top = NONE;
        w.sum = 0;
        UNROLL for (int u = 0; u < A::S::UNITS; u++)
            w.s.o[u] = make_float4(0, 0, 0, 0);
        A::attend(call, room, &w, s);
        if (lane() == 0) {
            room->sums.top[warp()] = w.top;
            room->sums.sum[warp()] = w.sum;
        }
        sync_threads(0, THREADS);
        if (A::S::complete(w.s, &room->sums, s, slots, counters))
            A::finish(call, s, room, w.s);
    }
}

} // namespace attention
