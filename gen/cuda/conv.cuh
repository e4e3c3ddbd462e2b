// conv.cuh - causal convolution over time: y[t] = sum_j w[j] x[t - (TAPS-1) + j]
// for each channel; the state holds the last TAPS - 1 inputs, oldest first
// (ops.def).
//
// One thread takes one channel.  `kept` is the channel in the state's first row,
// rows lie C apart.  What else it reads and makes are functions of the kernel:
//   input(t)      of this step, t >= 0
//   weight(j)     of tap j
//   store(t, y)   takes the sum of token t
#pragma once
#include "common.cuh"

// The input of time t: those before the step come from the state.
template <int TAPS, int C, class Input>
DEVICE float conv_input(const float *kept, i64 t, Input input)
{
    return t >= 0 ? input(t) : kept[(TAPS - 1 + t) * C];
}

// Tokens from .. to - 1, at most RUN: all inputs are under way before the first
// is used.
template <int TAPS, int C, int RUN, class Input, class Weight, class Store>
DEVICE void convolve(const float *kept, i64 from, i64 to, Input input,
                     Weight weight, Store store)
{
    float x[TAPS - 1 + RUN], w[TAPS];
    UNROLL for (int j = 0; j < TAPS; j++) w[j] = weight(j);
    UNROLL for (int i = 0; i < TAPS - 1 + RUN; i++) {
        i64 t = from - (TAPS - 1) + i;
        x[i] = t < to ? conv_input<TAPS, C>(kept, t, input) : 0;
    }
    UNROLL for (int i = 0; i < RUN; i++) {
        float y = 0;
        UNROLL for (int j = 0; j < TAPS; j++) y = fmaf(w[j], x[i + j], y);
        if (from + i < to)
            store(from + i, y);
    }
}

// The state after T tokens.  Rows move down, so going up never reads a new one.
template <int TAPS, int C, class Input>
DEVICE void conv_keep(float *kept, i64 T, Input input)
{
    NO_UNROLL for (int j = 0; j < TAPS - 1; j++)
        kept[j * C] = conv_input<TAPS, C>(kept, T - (TAPS - 1) + j, input);
}
