// row.cuh - rows of values and the threads that share them: sums, norms, softmax,
// the largest values.
//
// A team is a warp or a whole block.  What an operation reads and makes are
// functions of the kernel, of the index in the row:
//   x(i)        an element; may be called several times, by any thread
//   put(i, y)   takes each element of the result once, from any thread
// All threads of the team call an operation; values that put() leaves in shared
// memory are there for the others after team_sync().
#pragma once
#include "common.cuh"

// `room`: 512 bytes of shared memory that only these operations use; a warp may
// have none.
template <int N> struct Team {
    CONSTANT int SIZE = N;
    float *room;
};

template <class T> DEVICE int team_rank(T) { return T::SIZE == 32 ? lane() : thread(); }
template <class T> DEVICE void team_sync(T)
{
    if (T::SIZE == 32)
        sync_warp();
    else
        sync_threads(0, T::SIZE);
}
template <class T> DEVICE float team_sum(T team, float x)
{
    if constexpr (T::SIZE == 32)
        return warp_sum(x);
    else
        return block_sum<T::SIZE>(x, team.room);
}
template <class T> DEVICE float team_max(T team, float x)
{
    if constexpr (T::SIZE == 32)
        return warp_max(x);
    else
        return block_max<T::SIZE>(x, team.room);
}

// Several rows, a warp each: f(h, team of the row).
template <int ROWS, class T, class F> DEVICE void each_row(T team, F f)
{
    if constexpr (ROWS == 1 || T::SIZE == 32)
        NO_UNROLL for (int h = 0; h < ROWS; h++) f(h, team);
    else
        NO_UNROLL for (int h = warp(); h < ROWS; h += T::SIZE / 32)
            f(h, Team<32>{});
}

// ---- elements of a row: a thread has its rank, its rank + SIZE, ..
// A row that is short enough is kept in registers.
enum { KEPT = 16 };
// f(k, i) for the k-th own element, i.
template <int D, class T, class F> DEVICE void each(T team, F f)
{
    if constexpr (D <= KEPT * T::SIZE) {
        UNROLL for (int k = 0; k < (D + T::SIZE - 1) / T::SIZE; k++) {
            int i = k * T::SIZE + team_rank(team);
            if (D % T::SIZE == 0 || i < D)
                f(k, i);
        }
    } else {
        NO_UNROLL for (int i = team_rank(team); i < D; i += T::SIZE) f(0, i);
    }
}

// The own elements: from registers, or read again.
template <int D, class T, class X> struct Own {
    T team;
    X x;
    float v[D <= KEPT * T::SIZE ? (D + T::SIZE - 1) / T::SIZE : 1];
};
template <int D, class T, class X> DEVICE Own<D, T, X> own(T team, X x)
{
    Own<D, T, X> o = {team, x, {}};
    if constexpr (D <= KEPT * T::SIZE)
        each<D>(team, [&](int k, int i) { o.v[k] = x(i); });
    return o;
}
template <int D, class T, class X>
DEVICE float own_at(const Own<D, T, X> &o, int k, int i)
{
    return D <= KEPT * T::SIZE ? o.v[k] : o.x(i);
}
// f(i, value)
template <int D, class T, class X, class F>
DEVICE void each_own(const Own<D, T, X> &o, F f)
{
    each<D>(o.team, [&](int k, int i) { f(i, own_at(o, k, i)); });
}

// ---- operations
template <int D, class T, class X, class Put>
DEVICE void row_sum(T team, X x, Put put, float divisor)
{
    float sum = 0;
    each<D>(team, [&](int, int i) { sum += x(i); });
    sum = team_sum(team, sum);
    if (team_rank(team) == 0)
        put(0, sum / divisor);
}

// w(i) x / sqrt(sum of squares / divisor + eps); the weights are on their way
// while the sum is made.
template <int D, class T, class X, class W, class Put>
DEVICE void row_norm(T team, X x, W w, Put put, float divisor, float eps)
{
    auto o = own<D>(team, x);
    auto g = own<D>(team, w);
    float sum = 0;
    each_own(o, [&](int, float v) { sum = fmaf(v, v, sum); });
    float scale = 1 / sqrtf(team_sum(team, sum) / divisor + eps);
    each<D>(team, [&](int k, int i) {
        put(i, own_at(o, k, i) * scale * own_at(g, k, i));
    });
}

template <int D, class T, class X, class Put>
DEVICE void row_softmax(T team, X x, Put put)
{
    auto o = own<D>(team, x);
    float top = -bits_float(0x7f800000), sum = 0;
    each_own(o, [&](int, float v) { top = fmaxf(top, v); });
    top = team_max(team, top);
    each<D>(team, [&](int k, int i) {
        float y = expf(own_at(o, k, i) - top);
        o.v[k] = y; // for nothing if the row is read again
        sum += y;
    });
    float scale = 1 / team_sum(team, sum);
    each<D>(team, [&](int k, int i) {
        put(i, (D <= KEPT * T::SIZE ? o.v[k] : expf(o.x(i) - top)) * scale);
    });
}

// ---- the K largest, ties to the lower index
// A value's rank as an unsigned number above 0; a NaN is below everything.
DEVICE u32 order_of(float x)
{
    u32 b = float_bits(x == x ? x + 0.0f : -bits_float(0x7f800000));
    return b & 0x80000000u ? ~b : b | 0x80000000u;
}
struct Best {
    u32 order, inverse; // of the index: the larger the better
};
DEVICE bool above(Best a, Best b)
{
    return a.order > b.order || (a.order == b.order && a.inverse > b.inverse);
}
DEVICE Best warp_best(Best b)
{
    u32 order = warp_max_u32(b.order);
    return {order, warp_max_u32(b.order == order ? b.inverse : 0)};
}
// `turn` counts calls: neighbouring ones use different halves of the room.
template <class T> DEVICE Best team_best(T team, Best b, int turn)
{
    b = warp_best(b);
    if constexpr (T::SIZE > 32) {
        Best *room = (Best *)team.room + turn % 2 * 32;
        if (lane() == 0)
            room[warp()] = b;
        team_sync(team);
        b = warp_best(lane() < T::SIZE / 32 ? room[lane()] : Best{0, 0});
    }
    return b;
}

// One after the other: each is the largest below the last.
template <int D, int K, class T, class X, class Put>
DEVICE void topk_in_turn(T team, const Own<D, T, X> &o, Put put)
{
    Best last = {0xffffffffu, 0xffffffffu};
    NO_UNROLL for (int k = 0; k < K; k++) {
        Best best = {0, 0};
        each_own(o, [&](int i, float v) {
            Best b = {float_bits(v), ~(u32)i};
            if (above(last, b) && above(b, best))
                best = b;
        });
        last = team_best(team, best, k);
        if (team_rank(team) == 0)
            put(k, (i32)~last.inverse);
    }
}

// The largest `top` of a lane that K - 1 lanes surpass.
template <int K> DEVICE u32 warp_kth(u32 top)
{
    int rank = 0;
    UNROLL for (int m = 1; m < 32; m++) {
        u32 other = shuffle_xor(top, m);
        // no branch may stand between the shuffles
        rank += (int)(other > top) | ((int)(other == top) & (int)((lane() ^ m) < lane()));
    }
    return shuffle(top, 31 - leading_zeros(warp_ballot(rank == K - 1)));
}

// All at once, by a warp: K of the lanes' largest reach the K-th of these, so the
// K largest of all do; what does, hardly more, is ranked by comparing each with
// all others.  room: 32 of these; false: there were more.
template <int D, int K, class T, class X, class Put>
DEVICE bool topk_at_once(const Own<D, T, X> &o, Best *room, Put put)
{
    u32 top = 0;
    each_own(o, [&](int, float v) { top = most(top, float_bits(v)); });
    const u32 least = warp_kth<K>(top);
    int n = 0, rank = 0;
    each_own(o, [&](int i, float v) {
        const bool reaches = float_bits(v) >= least;
        const u32 all = warp_ballot(reaches);
        const int at = n + count_bits(all & ((1u << lane()) - 1));
        if (reaches && at < 32)
            room[at] = {float_bits(v), ~(u32)i};
        n += count_bits(all);
    });
    if (n > 32)
        return false;
    sync_warp();
    const Best mine = lane() < n ? room[lane()] : Best{0, 0};
    UNROLL for (int m = 1; m < 32; m++)
        rank += above({shuffle_xor(mine.order, m), shuffle_xor(mine.inverse, m)}, mine);
    if (lane() < n && rank < K)
        put(rank, (i32)~mine.inverse);
    return true;
}

template <int D, int K, class T, class X, class Put>
DEVICE void row_topk(T team, X x, Put put)
{
    const auto order = [&](int i) { return bits_float(order_of(x(i))); };
    auto o = own<D>(team, order);
    if constexpr (T::SIZE == 32 && D % 32 == 0 && D <= KEPT * 32 && K <= 32)
        if (team.room && topk_at_once<D, K>(o, (Best *)team.room, put))
            return;
    topk_in_turn<D, K>(team, o, put);
}
