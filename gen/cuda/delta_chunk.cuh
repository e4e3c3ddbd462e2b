// delta_chunk.cuh - the gated delta rule in closed form, CHUNK tokens at once, on
// the matrix units.
//
// Of a head, with G_i the sum of g over the chunk's first i + 1 tokens and S the
// state before the chunk (Yang et al., "Gated Delta Networks"):
//     A_ij = beta_i (k_i.k_j) e^(G_i - G_j), j < i;   T = (I + A)^-1
//     P_ij = (q_i.k_j) e^(G_i - G_j), j <= i
//     U = T (beta V),  W = T (beta e^G K),  D = U - W S
//     O = e^G (Q S) + P D,  S = e^G_last S + sum_j e^(G_last - G_j) k_j d_j'
// Exponents are differences, never G alone with the other sign.
//
// Three launches: delta_prepare.cuh makes all that needs no state, chunk by
// chunk: Q, K, U, W and P as halves, and G.  delta_walk.cuh goes through the
// chunks of a head with S in registers.  delta_rows here does what follows the
// rule.  Products have f16 operands and f32 sums, so values and states must lie
// in the range of f16; gates, the state and inverses of the diagonal are f32.
#pragma once
#include "delta.cuh"

CONSTANT int CHUNK = 64;

// What the launches share, head by head, then token by token; tokens past the
// last are not there.
template <class Rule> struct DeltaScratch {
    u16 *q, *k;  // [HK,T,DK]
    u16 *w;      // [HV,T,DK]
    u16 *u;      // [HV,T,DV]
    u16 *p;      // [HV,T,CHUNK]
    float *g;    // [HV,T]: G
    CONSTANT i64 BYTES = 2 * (2 * Rule::HK * Rule::DK +
                              Rule::HV * (Rule::DK + Rule::DV + CHUNK)) +
                         4 * Rule::HV; // a token
};

template <class Rule, class C>
DEVICE DeltaScratch<Rule> delta_scratch(const C &call)
{
    DeltaScratch<Rule> s;
    i64 t = call.tokens;
    s.q = (u16 *)Rule::scratch(call);
    s.k = s.q + t * Rule::HK * Rule::DK;
    s.w = s.k + t * Rule::HK * Rule::DK;
    s.u = s.w + t * Rule::HV * Rule::DK;
    s.p = s.u + t * Rule::HV * Rule::DV;
    s.g = (float *)(s.p + t * Rule::HV * CHUNK);
    return s;
}

// ---- tiles of halves in shared memory
// Rows of UNITS (4, 8 or 16) units of 16 bytes, exchanged so that one unit of
// eight rows in a row is read without conflicts.
template <int UNITS> DEVICE u8 *tile_unit(u8 *tile, int row, int unit)
{
    int turn = UNITS % 8 ? row >> 1 & 3 : row & 7;
    return tile + (row * UNITS + (unit ^ turn)) * 16;
}

// Fragments of 16 x 16 halves.  tile_a: as A, rows from `row`.  tile_b: as B for
// twice 8 columns, which are the tile's rows from `row`; tile_b_across: the same
// where they are the tile's columns from unit `unit`.
template <int UNITS>
DEVICE void tile_a(u32 (&a)[4], u8 *tile, int row, int unit)
{
    load_matrices(a, tile_unit<UNITS>(tile, row + (lane() & 15),
                                      unit + (lane() >> 4)));
}
template <int UNITS>
DEVICE void tile_b(u32 (&b)[2][2], u8 *tile, int row, int unit)
{
    u32 r[4];
    load_matrices(r, tile_unit<UNITS>(
                         tile, row + (lane() >> 4) * 8 + (lane() & 7),
                         unit + (lane() >> 3 & 1)));
    b[0][0] = r[0], b[0][1] = r[1], b[1][0] = r[2], b[1][1] = r[3];
}
template <int UNITS>
DEVICE void tile_b_across(u32 (&b)[2][2], u8 *tile, int row, int unit)
{
    u32 r[4];
    load_matrices_transposed(r, tile_unit<UNITS>(tile, row + (lane() & 15),
                                                 unit + (lane() >> 4)));
    b[0][0] = r[0], b[0][1] = r[1], b[1][0] = r[2], b[1][1] = r[3];
}

// Sums of a product (two times 8 columns) as an A fragment of the next one.
DEVICE void sums_a(u32 (&a)[4], const float (&x)[4], const float (&y)[4])
{
    a[0] = float2_half2(x[0], x[1]);
    a[1] = float2_half2(x[2], x[3]);
    a[2] = float2_half2(y[0], y[1]);
    a[3] = float2_half2(y[2], y[3]);
}

template <int N> DEVICE void clear(float (&x)[N][4])
{
    UNROLL for (int i = 0; i < N; i++)
        x[i][0] = x[i][1] = x[i][2] = x[i][3] = 0;
}

// ---- what follows the rule, a warp a row of a head; o from `from`, which may be
// a result's memory
template <class Rule, class C>
DEVICE void delta_row(const C &call, const float *from, i64 t, int head)
{
    typedef DeltaRow<Rule> Row;
    int base = head * Rule::DV;
    float o[Row::N], scale[Row::NORMS], x[Row::N][Row::OPERANDS];
    from += t * Rule::HV * Rule::DV + base;
    UNROLL for (int j = 0; j < Row::N; j++) {
        o[j] = from[Row::place(j)];
        Rule::operands(call, t, base + Row::place(j), x[j]);
    }
    delta_scales<Rule>(
        call, t, head, o,
        [&](int j, float *y) {
            UNROLL for (int k = 0; k < Rule::OPERANDS; k++) y[k] = x[j][k];
        },
        scale);
    UNROLL for (int j = 0; j < Row::N; j++)
        if (Row::inside(j))
            Rule::finish(call, t, base + Row::place(j), o[j], x[j], scale);
}

template <class Rule, class C>
DEVICE void delta_rows(const C &call, const float *from)
{
    i64 at = (i64)block_x() * DELTA_WARPS + warp();
    stage_begin();
    if (at < (i64)call.tokens * Rule::HV)
        delta_row<Rule>(call, from, at / Rule::HV, (int)(at % Rule::HV));
}
