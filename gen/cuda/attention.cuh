// attention.cuh - what the attention kernels share: which keys a block takes,
// and the sums of several blocks put together.
//
// o = sum_j e^(s_j) v_j / sum_j e^(s_j) over the keys j that a token sees, with
// scores s_j = scale * q.k_j.  Here all exponents are of base 2: the scale has
// the factor log2 e.  A block leaves for each of its rows (query heads of a
// token) the largest score m, the sum of 2^(s-m), and o' = sum of 2^(s-m) v.
// Several are put together by 2^(m - largest m), always in the same order:
// first FAN at a time by the last of them to finish, then those sums by the
// last of these.
//
// P, the kernel's description, is written by emit_attention.c:
//   Args                     Call<..>
//   D, GROUPS, PER_GROUP     values of a head, key heads, query heads of each
//   Keys, Values             KvRows of the states
//   keys(call), values(call) the states
//   query(call, t, i)        value i of token t's queries, times scale, log2 e
//   OPERANDS, operands(call, t, i, x)  what is read for that, to x[OPERANDS]
//   finish(call, t, i, o, x) stores what becomes of value i of token t
//   CODES                    .. and returns it to be rounded to codes of so many
//   block(call, t, i)        bits, at block(); 0: not so.  A warp has 32 values
//                            in a row then
#pragma once
#include "kv.cuh"
#include "place.cuh"
#include "prologue.cuh"

namespace attention {

#define NONE bits_float(0xff800000u) // minus infinity

// 2^(x - top), 0 of NONE.
DEVICE float power(float x, float top)
{
    return exp2f(x - (top == NONE ? 0.0f : top));
}

// ---- shares of the work
// A unit is a token, a group and a chunk of its query heads; its keys are cut
// into parts, a block each.  BLOCKS are shared by the units of a step.
struct Share {
    int unit, part, parts, slot; // slot: of all that blocks leave
    int token, group, chunk;
    int first, last; // keys
};

CONSTANT int LEAST_KEYS = 128, KEYS_ALIGN = 32;
// Up to so many keys a part there are at most FAN parts, which are put together
// at once.
CONSTANT int FAN = 8, SHORT_KEYS = 256;

template <class P, int CHUNKS, int BLOCKS>
DEVICE Share share(const typename P::Args &call)
{
    Share s;
    int block = block_y() * blocks_x() + block_x();
    int units = call.tokens * P::GROUPS * CHUNKS;
    int most_parts = most(1, BLOCKS / units);
    s.slot = block;
    s.unit = block / most_parts;
    s.part = block % most_parts;
    s.chunk = s.unit % CHUNKS;
    s.group = s.unit / CHUNKS % P::GROUPS;
    s.token = s.unit / CHUNKS / P::GROUPS;
    int keys = (int)call.step->past + s.token + 1;
    int parts = keys <= FAN * SHORT_KEYS ? least(most_parts, FAN) : most_parts;
    int each = (keys + parts - 1) / parts;
    each = most((each + KEYS_ALIGN - 1) / KEYS_ALIGN * KEYS_ALIGN, LEAST_KEYS);
    s.parts = s.token < call.tokens ? (keys + each - 1) / each : 0;
    s.first = s.part * each;
    s.last = least(keys, s.first + each);
    return s;
}

// ---- the end of a row
// finish() of N values: the operands of all of them are under way before the
// first result is stored.  place(n, t, i): where the n-th goes, false if
// nowhere; value(n): it.
template <class P, int N, class Place, class Value>
DEVICE void finish_values(const typename P::Args &call, const Place &place,
                          const Value &value)
{
    float x[N][P::OPERANDS ? P::OPERANDS : 1], y[N];
    i64 t = 0;
    int i = 0;
    UNROLL for (int n = 0; n < N; n++)
        if (place(n, t, i))
            P::operands(call, t, i, x[n]);
    UNROLL for (int n = 0; n < N; n++)
        y[n] = place(n, t, i) ? P::finish(call, t, i, value(n), x[n]) : 0;
    if constexpr (P::CODES != 0)
        encode_codes<P::CODES>(
            [&](int n) {
                return place(n, t, i) ? P::block(call, t, i) : (u8 *)0;
            },
            y);
}

// Of N times four values in a row, of which eight lanes have 32: place(n, t, i) says
// where the n-th four begin, value(n) what they are.
template <class P, int N, class Place, class Value>
DEVICE void finish_fours(const typename P::Args &call, const Place &place,
                         const Value &value)
{
    float x[N][4][P::OPERANDS ? P::OPERANDS : 1], y[N][4];
    i64 t = 0;
    int i = 0;
    UNROLL for (int n = 0; n < N; n++)
        if (place(n, t, i))
            UNROLL for (int k = 0; k < 4; k++) P::operands(call, t, i + k, x[n][k]);
    UNROLL for (int n = 0; n < N; n++) {
        const bool is = place(n, t, i);
        const float4 v = is ? value(n) : make_float4(0, 0, 0, 0);
        const float four[4] = {v.x, v.y, v.z, v.w};
        UNROLL for (int k = 0; k < 4; k++)
            y[n][k] = is ? P::finish(call, t, i + k, four[k], x[n][k]) : 0;
    }
    if constexpr (P::CODES != 0)
        encode_fours<P::CODES>(
            [&](int n) {
                return place(n, t, i) ? FourCodes{P::block(call, t, i), i % 32}
                                      : FourCodes{0, 0};
            },
            y);
}

// ---- sums of several blocks
// What a thread holds of o': UNITS float4, in places L::row(u, 0) (x, y) and
// L::row(u, 1) (z, w) of L::ROWS rows, u = thread + THREADS * its number.
CONSTANT int THREADS = 256;

template <class L> struct Sums {
    CONSTANT int UNITS = L::UNITS;
    CONSTANT int SLOT = UNITS * THREADS * 4 + 2 * L::ROWS; // floats
    CONSTANT int MOST = 32; // put together at once
    struct Room { // shared
        float top[L::ROWS], sum[L::ROWS];
        float tops[MOST * L::ROWS], sums[MOST * L::ROWS];
        int last;
    };
    float4 o[UNITS];

    // To a slot; top and sum are in the room.
    DEVICE void leave(const Sums &s, const Room *room, float *slot)
    {
        UNROLL for (int u = 0; u < UNITS; u++)
            ((float4 *)slot)[u * THREADS + thread()] = s.o[u];
        slot += UNITS * THREADS * 4;
        if (thread() < L::ROWS) {
            slot[thread()] = room->top[thread()];
            slot[L::ROWS + thread()] = room->sum[thread()];
        }
    }
    // tops become factors; top and sum those of all n.
    DEVICE void factors(Room *room, const float *slot, i64 step, int n)
    {
        slot += UNITS * THREADS * 4;
        for (int i = thread(); i < n * L::ROWS; i += THREADS) {
            const float *from = slot + i / L::ROWS * step + i % L::ROWS;
            room->tops[i] = from[0];
            room->sums[i] = from[L::ROWS];
        }
        sync_threads(0, THREADS);
        if (thread() < L::ROWS) {
            float top = NONE, sum = 0;
            for (int i = thread(); i < n * L::ROWS; i += L::ROWS)
                top = fmaxf(top, room->tops[i]);
            for (int i = thread(); i < n * L::ROWS; i += L::ROWS) {
                room->tops[i] = power(room->tops[i], top);
                sum += room->tops[i] * room->sums[i];
            }
            room->top[thread()] = top;
            room->sum[thread()] = sum;
        }
        sync_threads(0, THREADS);
    }
    // n slots, `step` floats apart, become s and the room's top and sum.
    DEVICE void gather(Sums &s, Room *room, const float *slot, i64 step, int n)
    {
        factors(room, slot, step, n);
        UNROLL for (int u = 0; u < UNITS; u++)
            s.o[u] = make_float4(0, 0, 0, 0);
        _Pragma("unroll 4") for (int i = 0; i < n; i++)
            UNROLL for (int u = 0; u < UNITS; u++) {
                int at = u * THREADS + thread();
                float4 x = ((const float4 *)(slot + i * step))[at];
                float f = room->tops[i * L::ROWS + L::row(at, 0)];
                float h = room->tops[i * L::ROWS + L::row(at, 1)];
                s.o[u].x += f * x.x;
                s.o[u].y += f * x.y;
                s.o[u].z += h * x.z;
                s.o[u].w += h * x.w;
            }
    }
    // True in the last of n blocks to come here, which sees all that they left.
    DEVICE bool is_last(Room *room, u32 *counter, int n)
    {
        sync_threads(0, THREADS);
        if (thread() == 0) {
            room->last = add_ticket(counter, 1) == (u32)n - 1;
            if (room->last)
                *counter = 0;
        }
        sync_threads(0, THREADS);
        return room->last;
    }
    // Does this block end up with the sums of its whole unit?  slots: of all
    // blocks; counters: two for each block.
    DEVICE bool complete(Sums &s, Room *room, const Share &share, float *slots,
                         u32 *counters)
    {
        if (share.parts == 1)
            return true;
        int fan = share.part / FAN, fans = (share.parts + FAN - 1) / FAN;
        int n = least(FAN, share.parts - fan * FAN);
        float *unit = slots + (i64)(share.slot - share.part) * SLOT;
        u32 *counter = counters + 2 * (share.slot - share.part);
        // of a fan, then of all fans
        NO_UNROLL for (int turn = 0; turn < 2; turn++) {
            i64 from = turn ? 0 : fan * FAN, step = turn ? FAN : 1;
            leave(s, room, unit + (turn ? fan * FAN : share.part) * (i64)SLOT);
            if (!is_last(room, turn ? counter : counter + 1 + fan,
                         turn ? fans : n))
                return false;
            gather(s, room, unit + from * SLOT, step * SLOT, turn ? fans : n);
            if (fans == 1)
                return true;
            sync_threads(0, THREADS);
        }
        return true;
    }
};

} // namespace attention
