// delta.cuh - the gated delta rule token after token, and what follows it in a
// head's row.
//
// Of a head with the state S [DK,DV], for every token (delta_rule in
// compiler/ops.def, with both products of S read in one pass):
//     a = S'k, b = S'q;  d = beta (v - e^g a);  o = e^g b + (k.q) d;
//     S = e^g S + k d'
//
// A kernel says what it is by a class Rule with static members, written by
// emit_delta.c:
//     HK HV DK DV     key heads, value heads, lengths of their rows
//     key(head)       the key head of a value head
//     q k v(call, t, head)   where a head's row of token t lies, f32
//     beta g(call, t, head)  numbers
//     state(call, head)      S, row by row
// and what follows o, elementwise but for norms of rows of DV; i is the
// element's place in a token's HV * DV:
//     OPERANDS, operands(call, t, i, x)   what it reads, to x[OPERANDS]
//     NORMS, eps(p)
//     normed(p, call, t, i, o, x, scale)  the number that norm p reads; scale:
//                     1 / root mean square of the norms before it
//     finish(call, t, i, o, x, scale)     stores the results
#pragma once
#include "common.cuh"

CONSTANT int DELTA_THREADS = 256;
CONSTANT int DELTA_WARPS = DELTA_THREADS / 32;

// ---- a head's row after the rule, by a warp
// Lane l has the elements l, l + 32, ..
template <class Rule> struct DeltaRow {
    CONSTANT int N = (Rule::DV + 31) / 32;
    CONSTANT int OPERANDS = Rule::OPERANDS ? Rule::OPERANDS : 1;
    CONSTANT int NORMS = Rule::NORMS ? Rule::NORMS : 1;
    // That of lane l in part j; past the row: its last one.
    DEVICE int place(int j)
    {
        int i = lane() + 32 * j;
        return i < Rule::DV ? i : Rule::DV - 1;
    }
    DEVICE bool inside(int j) { return lane() + 32 * j < Rule::DV; }
};

// 1 / sqrt(mean(..^2) + eps) of each norm; operand(j, x) gives part j's
// operands.
template <class Rule, class C, class Operand>
DEVICE void delta_scales(const C &call, i64 t, int head,
                         const float (&o)[DeltaRow<Rule>::N],
                         const Operand &operand,
                         float (&scale)[DeltaRow<Rule>::NORMS])
{
    typedef DeltaRow<Rule> Row;
    UNROLL for (int p = 0; p < Rule::NORMS; p++) {
        float sum = 0;
        UNROLL for (int j = 0; j < Row::N; j++) {
            float x[Row::OPERANDS];
            operand(j, x);
            float y = Rule::normed(p, call, t, head * Rule::DV + Row::place(j),
                                   o[j], x, scale);
            sum += Row::inside(j) ? y * y : 0;
        }
        scale[p] = 1 / sqrtf(warp_sum(sum) / Rule::DV + Rule::eps(p));
    }
}

// ---- the state of a head in the registers of a block
// Thread = (group of ROWS rows, VEC columns); threads behind the last group
// have no part.  A state with no room in registers is read and written token by
// token.
template <int DK, int DV> struct DeltaTile {
    CONSTANT int VEC = DV % 4 ? 1 : 4;
    CONSTANT int COLUMNS = DV / VEC;
    CONSTANT int FIT = DELTA_THREADS / COLUMNS; // groups that there could be
    CONSTANT int ROWS = (DK + FIT - 1) / FIT;
    CONSTANT int GROUPS = (DK + ROWS - 1) / ROWS;
    CONSTANT bool KEPT = ROWS * VEC <= 64;
    // All threads have ROWS rows.
    CONSTANT bool EVEN =
        GROUPS * ROWS == DK && GROUPS * COLUMNS == DELTA_THREADS;
    // Shared memory, in floats: k and q of two tokens, zeros behind; sums by
    // group of rows; d; o; parts of k.q.
    CONSTANT int KEY = (GROUPS * ROWS + 3) / 4 * 4;
    CONSTANT int SUMS = 4 * KEY;
    CONSTANT int D = SUMS + (GROUPS * 2 * DV + 3) / 4 * 4;
    CONSTANT int O = D + (DV + 3) / 4 * 4;
    CONSTANT int KQ = O + DV;
    CONSTANT int FLOATS = KQ + DELTA_WARPS;

    float s[KEPT ? ROWS : 1][VEC];
    float *memory; // the first of its rows and columns
    int rows;      // that it has, <= ROWS

    __device__ bool has(int row) const { return EVEN || row < rows; }
    DEVICE int group() { return thread() / COLUMNS; }
    DEVICE int column() { return thread() % COLUMNS * VEC; }
};

template <int VEC> DEVICE void load_columns(float (&x)[VEC], const float *p)
{
    if constexpr (VEC == 4) {
        float4 v = *(const float4 *)p;
        x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
    } else {
        x[0] = *p;
    }
}
template <int VEC> DEVICE void store_columns(float *p, const float (&x)[VEC])
{
    if constexpr (VEC == 4)
        *(float4 *)p = make_float4(x[0], x[1], x[2], x[3]);
    else
        *p = x[0];
}

template <int DK, int DV>
DEVICE void delta_open(DeltaTile<DK, DV> &s, float *state)
{
    typedef DeltaTile<DK, DV> Tile;
    int first = Tile::group() * Tile::ROWS;
    s.memory = state + (i64)first * DV + Tile::column();
    s.rows = Tile::group() < Tile::GROUPS ? least(Tile::ROWS, DK - first) : 0;
    if constexpr (Tile::KEPT) {
        UNROLL for (int r = 0; r < Tile::ROWS; r++) {
            UNROLL for (int c = 0; c < Tile::VEC; c++) s.s[r][c] = 0;
            if (s.has(r))
                load_columns(s.s[r], s.memory + r * DV);
        }
    }
}

template <int DK, int DV> DEVICE void delta_close(DeltaTile<DK, DV> &s)
{
    typedef DeltaTile<DK, DV> Tile;
    if constexpr (Tile::KEPT) {
        UNROLL for (int r = 0; r < Tile::ROWS; r++)
            if (s.has(r))
                store_columns(s.memory + r * DV, s.s[r]);
    }
}

template <int N> DEVICE void load_key(float (&x)[N], const float *p)
{
    if constexpr (N % 4 == 0) {
        UNROLL for (int i = 0; i < N; i += 4) {
            float4 v = *(const float4 *)(p + i);
            x[i] = v.x, x[i + 1] = v.y, x[i + 2] = v.z, x[i + 3] = v.w;
        }
    } else {
        UNROLL for (int i = 0; i < N; i++) x[i] = p[i];
    }
}

// This thread's part of S'k and S'q, to `sums`.
template <int DK, int DV>
DEVICE void delta_products(const DeltaTile<DK, DV> &s, const float *q,
                           const float *k, float *sums)
{
    typedef DeltaTile<DK, DV> Tile;
    if (!s.has(0))
        return;
    float kr[Tile::ROWS], qr[Tile::ROWS], a[Tile::VEC], b[Tile::VEC];
    load_key(kr, k + Tile::group() * Tile::ROWS);
    load_key(qr, q + Tile::group() * Tile::ROWS);
    UNROLL for (int c = 0; c < Tile::VEC; c++) a[c] = b[c] = 0;
    UNROLL for (int r = 0; r < Tile::ROWS; r++) {
        float x[Tile::VEC] = {};
        if constexpr (Tile::KEPT) {
            UNROLL for (int c = 0; c < Tile::VEC; c++) x[c] = s.s[r][c];
        } else if (s.has(r)) {
            load_columns(x, s.memory + r * DV);
        }
        UNROLL for (int c = 0; c < Tile::VEC; c++) {
            a[c] += kr[r] * x[c];
            b[c] += qr[r] * x[c];
        }
    }
    sums += Tile::group() * 2 * DV + Tile::column();
    store_columns(sums, a);
    store_columns(sums + DV, b);
}

// S = decay S + k d'
template <int DK, int DV>
DEVICE void delta_update(DeltaTile<DK, DV> &s, float decay, const float *k,
                         const float *d)
{
    typedef DeltaTile<DK, DV> Tile;
    if (!s.has(0))
        return;
    float kr[Tile::ROWS], dc[Tile::VEC];
    load_key(kr, k + Tile::group() * Tile::ROWS);
    load_columns(dc, d + Tile::column());
    UNROLL for (int r = 0; r < Tile::ROWS; r++) {
        if constexpr (Tile::KEPT) {
            UNROLL for (int c = 0; c < Tile::VEC; c++)
                s.s[r][c] = decay * s.s[r][c] + kr[r] * dc[c];
        } else if (s.has(r)) {
            float x[Tile::VEC];
            load_columns(x, s.memory + r * DV);
            UNROLL for (int c = 0; c < Tile::VEC; c++)
                x[c] = decay * x[c] + kr[r] * dc[c];
            store_columns(s.memory + r * DV, x);
        }
    }
}

// ---- tokens
// What a thread holds of a token: element thread() of q, k and v.
struct DeltaToken {
    float q, k, v, beta, g;
};

template <class Rule, class C>
DEVICE DeltaToken delta_token(const C &call, i64 t, int head)
{
    DeltaToken x = {};
    int i = thread(), key = Rule::key(head);
    if (i < Rule::DK) {
        x.q = Rule::q(call, t, key)[i];
        x.k = Rule::k(call, t, key)[i];
    }
    if (i < Rule::DV)
        x.v = Rule::v(call, t, head)[i];
    x.beta = Rule::beta(call, t, head);
    x.g = Rule::g(call, t, head);
    return x;
}

// q and k to shared memory, and each warp's part of k.q.
template <class Rule>
DEVICE void delta_place(const DeltaToken &x, float *q, float *k, float *parts)
{
    if (thread() < Rule::DK) {
        q[thread()] = x.q;
        k[thread()] = x.k;
    }
    float sum = warp_sum(x.q * x.k);
    if (lane() == 0)
        parts[warp()] = sum;
}

// d and o of column thread() from the sums of all groups of rows.
template <class Rule>
DEVICE void delta_column(const DeltaToken &x, float decay, float *room)
{
    typedef DeltaTile<Rule::DK, Rule::DV> Tile;
    int c = thread();
    if (c >= Rule::DV)
        return;
    const float *sums = room + Tile::SUMS + c;
    float a = 0, b = 0, kq = 0;
    UNROLL for (int i = 0; i < Tile::GROUPS; i++) {
        a += sums[i * 2 * Rule::DV];
        b += sums[i * 2 * Rule::DV + Rule::DV];
    }
    UNROLL for (int i = 0; i < DELTA_WARPS; i++) kq += room[Tile::KQ + i];
    float d = x.beta * (x.v - decay * a);
    room[Tile::D + c] = d;
    room[Tile::O + c] = decay * b + kq * d;
}

// The warps share a row's parts, each taking all sums for itself; `turn` says
// which warp has part 0.
template <class Rule> DEVICE int delta_first_part(int turn)
{
    return (warp() + turn) % DELTA_WARPS;
}
template <class Rule, class C>
DEVICE void delta_finish(const C &call, i64 t, int head, const float *row,
                         const float (&ready)[DeltaRow<Rule>::OPERANDS],
                         int part)
{
    typedef DeltaRow<Rule> Row;
    if (part >= Row::N)
        return;
    float o[Row::N], scale[Row::NORMS];
    UNROLL for (int j = 0; j < Row::N; j++) o[j] = row[Row::place(j)];
    int base = head * Rule::DV;
    delta_scales<Rule>(
        call, t, head, o,
        [&](int j, float *x) {
            Rule::operands(call, t, base + Row::place(j), x);
        },
        scale);
    if (Row::inside(part))
        Rule::finish(call, t, base + Row::place(part), row[Row::place(part)],
                     ready, scale);
}

// One block a head, which walks over all tokens.
//
// The state is read before stage_begin(): who wrote it last is a launch of this
// kernel in an earlier step, older than the launch right before this one; and
// when blocks of this launch may run, all blocks of that one have passed their
// stage_begin(), so everything older is complete.  (A plan always has other
// kernels between two launches of one.)
template <class Rule, class C>
DEVICE void delta_recurrent(const C &call, u8 *shared)
{
    typedef DeltaTile<Rule::DK, Rule::DV> Tile;
    typedef DeltaRow<Rule> Row;
    float *room = (float *)shared;
    int head = block_x(), tokens = call.tokens;
    Tile s;
    delta_open(s, Rule::state(call, head));
    for (int i = thread(); i < 4 * Tile::KEY; i += DELTA_THREADS) room[i] = 0;
    sync_threads(0, DELTA_THREADS);
    stage_begin();
    DeltaToken next = delta_token<Rule>(call, 0, head);
    NO_UNROLL for (int t = 0; t < tokens; t++) {
        DeltaToken x = next;
        float *q = room + (t & 1) * 2 * Tile::KEY, *k = q + Tile::KEY;
        float decay = expf(x.g), ready[Row::OPERANDS];
        int part = delta_first_part<Rule>(t * Row::N);
        delta_place<Rule>(x, q, k, room + Tile::KQ);
        Rule::operands(call, t,
                       head * Rule::DV + Row::place(least(part, Row::N - 1)),
                       ready);
        sync_threads(0, DELTA_THREADS);
        next = delta_token<Rule>(call, least(t + 1, tokens - 1), head);
        delta_products(s, q, k, room + Tile::SUMS);
        sync_threads(0, DELTA_THREADS);
        delta_column<Rule>(x, decay, room);
        sync_threads(0, DELTA_THREADS);
        delta_finish<Rule>(call, t, head, room + Tile::O, ready, part);
        delta_update(s, decay, k, room + Tile::D);
    }
    delta_close(s);
}
