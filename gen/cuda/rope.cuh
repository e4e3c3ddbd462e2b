// rope.cuh - rotary positions.
//
// Angles are numbers of turns as 64-bit fractions: position times a frequency
// wraps around exactly, so the angle of a late position is as good as that of
// the first.
#pragma once
#include "row.cuh"

struct Turn {
    float sine, cosine;
};

// Of a fraction of a turn (2^64 is one): the nearest quarter, then polynomials
// on the eighth of a turn around it (the series of sine and cosine; the next
// terms are below 2^-28).
DEVICE Turn turn_of(u64 angle)
{
    u32 a = (u32)(angle >> 32);
    u32 quarter = (a + 0x20000000u) >> 30;
    float x = (float)(i32)(a - (quarter << 30)) * 1.46291807926715968e-9f;
    float y = x * x;
    float s = fmaf(y, 2.7557319e-6f, -1.98412698e-4f);
    s = fmaf(y, s, 8.33333333e-3f);
    s = fmaf(y, s, -1.66666667e-1f);
    s = fmaf(x * y, s, x);
    float c = fmaf(y, -2.75573192e-7f, 2.48015873e-5f);
    c = fmaf(y, c, -1.38888889e-3f);
    c = fmaf(y, c, 4.16666667e-2f);
    c = fmaf(y, c, -0.5f);
    c = fmaf(y, c, 1);
    Turn t = {quarter & 1 ? c : s, quarter & 1 ? s : c};
    if (quarter & 2)
        t.sine = -t.sine;
    if ((quarter + 1) & 2)
        t.cosine = -t.cosine;
    return t;
}

// A frequency (turns a token, below 1, times 2^64) over a factor, by
// long division: what is a whole number of turns falls off.
DEVICE u64 frequency_over(u64 f, float factor)
{
    u32 bits = float_bits(factor);
    u64 m = (bits & 0x7fffffu) | 0x800000u; // the factor is m / 2^shift
    int shift = 150 - (int)(bits >> 23 & 255);
    u64 whole = f / m, rest = f % m;
    NO_UNROLL for (; shift > 0; shift--) {
        rest *= 2;
        whole = 2 * whole + (rest >= m);
        rest -= rest >= m ? m : 0;
    }
    whole = shift > -64 ? whole >> -shift : 0;
    return bits >> 31 ? 0 - whole : whole;
}

// Pair i is (i, i + DIMS / 2), or (2 i, 2 i + 1) if ADJACENT; the rest stays.
// frequency(i): of pair i.
template <int D, int DIMS, bool ADJACENT, class T, class X, class F, class Put>
DEVICE void row_rope(T team, X x, i32 position, F frequency, Put put)
{
    each<DIMS / 2>(team, [&](int, int i) {
        Turn t = turn_of((u64)(i64)position * frequency(i));
        int p = ADJACENT ? 2 * i : i, q = ADJACENT ? p + 1 : i + DIMS / 2;
        float a = x(p), b = x(q);
        put(p, a * t.cosine - b * t.sine);
        put(q, b * t.cosine + a * t.sine);
    });
    if constexpr (D > DIMS)
        each<D - DIMS>(team, [&](int, int i) { put(DIMS + i, x(DIMS + i)); });
}
