// delta_conv.cuh - a convolution in front of the delta rule (delta.cuh), by the
// block of a head for the channels that the head reads.
//
// The channels of q and k are read by the blocks of all value heads of a key
// head; each convolves them for itself, and the last of them to have read the
// state moves it on.
//
// Besides what conv.cuh asks for, struct Conv has
//     value(call, t, c, y)  what the rule reads, from the sum of token t
//     channel(head, i)      of the head's value i (DeltaHead); all channels are
//                           one head's, or one key head's
//     counters(call)        one for each key head
#pragma once
#include "conv.cuh"
#include "delta.cuh"

template <class Rule, class Conv> struct DeltaConvolved {
    typedef DeltaHead<Rule> Head;
    CONSTANT int TAPS = Conv::TAPS, PAST = TAPS - 1, EACH = PAST + TAPS;
    CONSTANT int SHARE = Rule::HV / Rule::HK; // blocks of a key head
    // Shared memory: of each of a thread's channels the inputs before the next
    // token, then the weights, DELTA_THREADS apart; and whether this block moves
    // the channels of q and k on.
    CONSTANT int FLOATS = Head::N * EACH * DELTA_THREADS + 1;
    float *mine, x[Head::N], early[Head::N][EACH];
    u32 ticket;

    DEVICE float *channel(DeltaConvolved &s, int n)
    {
        return s.mine + n * EACH * DELTA_THREADS;
    }
    template <class C>
    DEVICE void open(DeltaConvolved &s, const C &call, int head)
    {
        UNROLL for (int n = 0; n < Head::N; n++) {
            int c = Conv::channel(head, least(Head::place(n), Head::ALL - 1));
            const float *state = Conv::state(call, c);
            UNROLL for (int j = 0; j < PAST; j++)
                s.early[n][j] = state[(i64)j * Conv::CHANNELS];
            UNROLL for (int j = 0; j < TAPS; j++)
                s.early[n][PAST + j] = Conv::weight(call, c, j);
        }
    }
    // What is stored has been read: behind the next barrier the state may
    // change.
    DEVICE void settle(DeltaConvolved &s, float *room)
    {
        s.mine = room + thread();
        UNROLL for (int n = 0; n < Head::N; n++)
            UNROLL for (int j = 0; j < EACH; j++)
                channel(s, n)[j * DELTA_THREADS] = s.early[n][j];
    }
    // By a thread that has least to do; the answer is not needed before
    // claimed().  Unordered: what must lie before the others' writes is this
    // block's reads, and a value that lies in shared memory has been read.
    DEVICE bool asks() { return SHARE > 1 && thread() == DELTA_THREADS - 1; }
    template <class C>
    DEVICE void claim(DeltaConvolved &s, const C &call, int head)
    {
        if (asks())
            s.ticket = add_u32(Conv::counters(call) + Rule::key(head), 1);
    }
    template <class C>
    DEVICE void claimed(DeltaConvolved &s, const C &call, int head, float *room)
    {
        if (asks()) {
            bool last = s.ticket == SHARE - 1;
            ((u32 *)room)[FLOATS - 1] = last;
            if (last)
                Conv::counters(call)[Rule::key(head)] = 0;
        }
    }
    template <class C>
    DEVICE void fetch(DeltaConvolved &s, const C &call, i64 t, int head)
    {
        UNROLL for (int n = 0; n < Head::N; n++)
            if (Head::place(n) < Head::ALL)
                s.x[n] = Conv::input(call, t,
                                     Conv::channel(head, Head::place(n)));
    }
    template <class C>
    DEVICE float take(DeltaConvolved &s, const C &call, i64 t, int head, int n)
    {
        float *past = channel(s, n), *w = past + PAST * DELTA_THREADS, y = 0;
        UNROLL for (int j = 0; j < PAST; j++) {
            float x = past[j * DELTA_THREADS];
            y = fmaf(w[j * DELTA_THREADS], x, y);
            if (j)
                past[(j - 1) * DELTA_THREADS] = x;
        }
        past[(PAST - 1) * DELTA_THREADS] = s.x[n];
        y = fmaf(w[PAST * DELTA_THREADS], s.x[n], y);
        return Conv::value(call, t, Conv::channel(head, Head::place(n)), y);
    }

    // The state after the last token.
    template <class C>
    DEVICE void close(DeltaConvolved &s, const C &call, int head, float *room)
    {
        sync_threads(0, DELTA_THREADS);
        bool last = SHARE == 1 || ((u32 *)room)[FLOATS - 1];
        UNROLL for (int n = 0; n < Head::N; n++) {
            int i = Head::place(n);
            if (i < Head::ALL && (last || i >= Head::V)) {
                float *state = Conv::state(call, Conv::channel(head, i));
                UNROLL for (int j = 0; j < PAST; j++)
                    state[(i64)j * Conv::CHANNELS] =
                        channel(s, n)[j * DELTA_THREADS];
            }
        }
    }
};
