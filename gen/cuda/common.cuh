// common.cuh - what every unit includes: the arguments of a launch, sums over
// warps and blocks.
//
// The contract of a kernel.  A tile function (anything a kernel calls)
//   - takes all shared memory from the one buffer of its block, as an argument,
//     and uses sync_threads(id, n), never a barrier of the whole block that some
//     threads do not reach;
//   - does not leave early: all threads of a block come to its end;
//   - reads values, states and scratch by plain loads (not `const __restrict__`),
//     weights by load_weight*;
//   - gets its sizes as template arguments or constants; pointers, tokens and
//     rows of a step from the call.
// So it serves a launch of its own, a node of a graph, and a resident kernel.
#pragma once
#include "device.cuh"

// Where a sequence stands; in device memory, so that a recorded graph serves
// every step.
struct Step {
    i64 past;     // rows already in the per-token states
    i64 capacity; // rows they can hold
};

// arg: the step's arguments as in the plan: inputs, weights, states, then
// results.  scratch: this launch's own memory, counters: zero at its start and
// left zero (CudaKernel in runtime/cuda_code.h).
template <int N> struct Call {
    u8 *arg[N];
    u8 *scratch;
    u32 *counters;
    const Step *step;
    i32 tokens;  // T
    i32 outputs; // R
    u64 early;   // bit k: argument k was there before the kernel right before
                 // this one began; it may be read before stage_begin()
};

template <class C> DEVICE bool is_early(const C &call, int k)
{
    return k < 64 && (call.early >> k & 1);
}

template <class T> DEVICE constexpr T least(T a, T b) { return a < b ? a : b; }
template <class T> DEVICE constexpr T most(T a, T b) { return a > b ? a : b; }
DEVICE constexpr i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }

// All lanes get the sum (largest) of all lanes, added in an order that depends
// on nothing.
DEVICE float warp_sum(float x)
{
    UNROLL for (int m = 16; m; m >>= 1) x += shuffle_xor(x, m);
    return x;
}
DEVICE float warp_max(float x)
{
    UNROLL for (int m = 16; m; m >>= 1) x = fmaxf(x, shuffle_xor(x, m));
    return x;
}
// The same over all THREADS of a block; `room` holds 33 floats of shared
// memory that nobody else uses meanwhile.
template <int THREADS> DEVICE float block_sum(float x, float *room)
{
    x = warp_sum(x);
    if (THREADS == 32)
        return x;
    if (lane() == 0)
        room[warp()] = x;
    sync_threads(0, THREADS);
    if (warp() == 0) {
        float y = lane() < THREADS / 32 ? room[lane()] : 0;
        y = warp_sum(y);
        if (lane() == 0)
            room[32] = y;
    }
    sync_threads(0, THREADS);
    return room[32];
}
template <int THREADS> DEVICE float block_max(float x, float *room)
{
    x = warp_max(x);
    if (THREADS == 32)
        return x;
    if (lane() == 0)
        room[warp()] = x;
    sync_threads(0, THREADS);
    if (warp() == 0) {
        float y = lane() < THREADS / 32 ? room[lane()] : room[0];
        y = warp_max(y);
        if (lane() == 0)
            room[32] = y;
    }
    sync_threads(0, THREADS);
    return room[32];
}
