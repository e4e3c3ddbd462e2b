// conv.cuh - causal convolution over time: y[t] = sum_j w[j] x[t - (TAPS-1) + j]
// for each channel; the state holds the last TAPS - 1 inputs, oldest first
// (ops.def).
//
// A kernel says what it is by a class Conv with static members, written by
// emit_conv.c; c is a channel:
//     TAPS, CHANNELS
//     input(call, t, c)     of this step, t >= 0
//     weight(call, c, j)    of tap j
//     state(call, c)        the channel in the state's first row, rows lie
//                           CHANNELS apart
//     store(call, t, c, y)  takes the sum of token t
#pragma once
#include "common.cuh"

CONSTANT int CONV_THREADS = 128, CONV_RUN = 8;

// The input of time t: those before the step come from the state.
template <class Conv, class C>
DEVICE float conv_input(const C &call, i64 t, int c)
{
    return t >= 0 ? Conv::input(call, t, c)
                  : Conv::state(call, c)[(Conv::TAPS - 1 + t) * Conv::CHANNELS];
}

// Tokens from .. to - 1 of a channel, at most CONV_RUN: all inputs are under way
// before the first is used.
template <class Conv, class C>
DEVICE void convolve(const C &call, int c, i64 from, i64 to)
{
    constexpr int TAPS = Conv::TAPS;
    float x[TAPS - 1 + CONV_RUN], w[TAPS];
    UNROLL for (int j = 0; j < TAPS; j++) w[j] = Conv::weight(call, c, j);
    UNROLL for (int i = 0; i < TAPS - 1 + CONV_RUN; i++) {
        i64 t = from - (TAPS - 1) + i;
        x[i] = t < to ? conv_input<Conv>(call, t, c) : 0;
    }
    UNROLL for (int i = 0; i < CONV_RUN; i++) {
        float y = 0;
        UNROLL for (int j = 0; j < TAPS; j++) y = fmaf(w[j], x[i + j], y);
        if (from + i < to)
            Conv::store(call, from + i, c, y);
    }
}

// The state after the step.  Rows move down, so going up never reads a new one.
template <class Conv, class C> DEVICE void conv_state(const C &call, int c)
{
    float *state = Conv::state(call, c);
    NO_UNROLL for (int j = 0; j < Conv::TAPS - 1; j++)
        state[j * Conv::CHANNELS] = conv_input<Conv>(
            call, (i64)call.tokens - (Conv::TAPS - 1) + j, c);
}

// ---- kernels: a thread has a channel

// Up to CONV_RUN tokens, and the state.
template <class Conv, class C> DEVICE void conv_few(const C &call)
{
    int c = block_x() * CONV_THREADS + thread();
    stage_begin();
    if (c < Conv::CHANNELS) {
        convolve<Conv>(call, c, 0, call.tokens);
        conv_state<Conv>(call, c);
    }
}

// Blocks of channels x runs of tokens, all reading the old state ..
template <class Conv, class C> DEVICE void conv_many(const C &call)
{
    int c = block_x() * CONV_THREADS + thread();
    i64 from = (i64)block_y() * CONV_RUN;
    stage_begin();
    if (c < Conv::CHANNELS)
        convolve<Conv>(call, c, from,
                       least(from + CONV_RUN, (i64)call.tokens));
}

// .. and the new one.
template <class Conv, class C> DEVICE void conv_keep(const C &call)
{
    int c = block_x() * CONV_THREADS + thread();
    stage_begin();
    if (c < Conv::CHANNELS)
        conv_state<Conv>(call, c);
}
