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
//     SCALED, q_factor k_factor(squares)  q and k are these rows times a
//                     number, which may depend on the sum of their squares
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
    // Shared memory, in floats: q and k of two tokens, zeros behind; v; sums by
    // group of rows; d; o; k.q, k.k and q.q by group of rows.
    CONSTANT int KEY = (GROUPS * ROWS + 3) / 4 * 4;
    CONSTANT int V = 4 * KEY;
    CONSTANT int SUMS = V + (DV + 3) / 4 * 4;
    CONSTANT int D = SUMS + (GROUPS * 2 * DV + 3) / 4 * 4;
    CONSTANT int O = D + (DV + 3) / 4 * 4;
    CONSTANT int PAIRS = O + DV;
    CONSTANT int FLOATS = PAIRS + 3 * GROUPS;

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

// The part of k.q, k.k and q.q that a group of rows has; SCALED: all three.
template <bool SCALED, int N>
DEVICE void delta_pairs(const float (&q)[N], const float (&k)[N], float *to)
{
    float kq = 0, kk = 0, qq = 0;
    UNROLL for (int r = 0; r < N; r++) {
        kq += k[r] * q[r];
        if (SCALED) {
            kk += k[r] * k[r];
            qq += q[r] * q[r];
        }
    }
    to[0] = kq;
    to[1] = kk;
    to[2] = qq;
}

// This thread's part of S'k and S'q, and of the products of q and k.
template <bool SCALED, int DK, int DV>
DEVICE void delta_products(const DeltaTile<DK, DV> &s, const float *q,
                           const float *k, float *room)
{
    typedef DeltaTile<DK, DV> Tile;
    if (!s.has(0))
        return;
    float kr[Tile::ROWS], qr[Tile::ROWS], a[Tile::VEC], b[Tile::VEC];
    load_key(kr, k + Tile::group() * Tile::ROWS);
    load_key(qr, q + Tile::group() * Tile::ROWS);
    if (Tile::column() == 0)
        delta_pairs<SCALED>(qr, kr, room + Tile::PAIRS + 3 * Tile::group());
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
    float *sums = room + Tile::SUMS + Tile::group() * 2 * DV + Tile::column();
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
// The values that a head reads of a token: q, then k, then v.  A thread has N of
// them.
template <class Rule> struct DeltaHead {
    CONSTANT int K = Rule::DK, V = 2 * Rule::DK, ALL = V + Rule::DV;
    CONSTANT int N = (ALL + DELTA_THREADS - 1) / DELTA_THREADS;
    DEVICE int place(int n) { return thread() + n * DELTA_THREADS; }
};

// Where they come from: rows in memory.  (Another such class: delta_conv.cuh.)
template <class Rule> struct DeltaLoaded {
    typedef DeltaHead<Rule> Head;
    CONSTANT int FLOATS = 0; // of shared memory
    float x[Head::N];

    // What can be asked for before stage_begin(), and brought to shared memory.
    template <class C> DEVICE void open(DeltaLoaded &, const C &, int) {}
    DEVICE void settle(DeltaLoaded &, float *) {}
    // All threads are past barriers; where some have nothing to do.
    template <class C> DEVICE void claim(DeltaLoaded &, const C &, int) {}
    template <class C>
    DEVICE void claimed(DeltaLoaded &, const C &, int, float *) {}
    // Asks for token t.
    template <class C>
    DEVICE void fetch(DeltaLoaded &s, const C &call, i64 t, int head)
    {
        const float *q = Rule::q(call, t, Rule::key(head));
        const float *k = Rule::k(call, t, Rule::key(head)) - Head::K;
        const float *v = Rule::v(call, t, head) - Head::V;
        UNROLL for (int n = 0; n < Head::N; n++) {
            int i = Head::place(n);
            if (i < Head::ALL)
                s.x[n] = (i < Head::K ? q : i < Head::V ? k : v)[i];
        }
    }
    // Its value place(n); once for each.
    template <class C>
    DEVICE float take(DeltaLoaded &s, const C &, i64, int, int n)
    {
        return s.x[n];
    }
    // After the last token.
    template <class C>
    DEVICE void close(DeltaLoaded &, const C &, int, float *) {}
};

// A token's values to shared memory.
template <class Rule, class Source, class C>
DEVICE void delta_place(Source &source, const C &call, i64 t, int head,
                        float *q, float *k, float *v)
{
    typedef DeltaHead<Rule> Head;
    UNROLL for (int n = 0; n < Head::N; n++) {
        int i = Head::place(n);
        if (i < Head::ALL) {
            float x = Source::take(source, call, t, head, n);
            *(i < Head::K ? q + i : i < Head::V ? k + i - Head::K
                                                : v + i - Head::V) = x;
        }
    }
}

// d and o of column thread() from the sums of all groups of rows.  Those are of
// k and q as they came; d is left times k's factor, as k stays without it.
template <class Rule>
DEVICE void delta_column(float beta, float decay, float *room)
{
    typedef DeltaTile<Rule::DK, Rule::DV> Tile;
    int c = thread();
    if (c >= Rule::DV)
        return;
    const float *sums = room + Tile::SUMS + c, *pairs = room + Tile::PAIRS;
    float a = 0, b = 0, kq = 0, kk = 0, qq = 0;
    UNROLL for (int i = 0; i < Tile::GROUPS; i++) {
        a += sums[i * 2 * Rule::DV];
        b += sums[i * 2 * Rule::DV + Rule::DV];
        kq += pairs[3 * i];
        kk += pairs[3 * i + 1];
        qq += pairs[3 * i + 2];
    }
    float fk = Rule::k_factor(kk), fq = Rule::q_factor(qq);
    float d = fk * beta * (room[Tile::V + c] - decay * (fk * a));
    room[Tile::D + c] = d;
    room[Tile::O + c] = fq * (decay * b + kq * d);
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
template <class Rule, class Source, class C>
DEVICE void delta_recurrent(const C &call, u8 *shared)
{
    typedef DeltaTile<Rule::DK, Rule::DV> Tile;
    typedef DeltaRow<Rule> Row;
    float *room = (float *)shared;
    int head = block_x(), tokens = call.tokens;
    Source source;
    Tile s;
    Source::open(source, call, head);
    delta_open(s, Rule::state(call, head));
    Source::settle(source, room + Tile::FLOATS);
    for (int i = thread(); i < 4 * Tile::KEY; i += DELTA_THREADS) room[i] = 0;
    sync_threads(0, DELTA_THREADS);
    stage_begin();
    Source::fetch(source, call, 0, head);
    float beta = Rule::beta(call, 0, head), g = Rule::g(call, 0, head);
    NO_UNROLL for (int t = 0; t < tokens; t++) {
        float *q = room + (t & 1) * 2 * Tile::KEY, *k = q + Tile::KEY;
        float decay = expf(g), b = beta, ready[Row::OPERANDS];
        int part = delta_first_part<Rule>(t * Row::N);
        Rule::operands(call, t,
                       head * Rule::DV + Row::place(least(part, Row::N - 1)),
                       ready);
        delta_place<Rule>(source, call, t, head, q, k, room + Tile::V);
        sync_threads(0, DELTA_THREADS);
        int next = least(t + 1, tokens - 1);
        Source::fetch(source, call, next, head);
        beta = Rule::beta(call, next, head);
        g = Rule::g(call, next, head);
        delta_products<Rule::SCALED>(s, q, k, room);
        sync_threads(0, DELTA_THREADS);
        delta_column<Rule>(b, decay, room);
        if (t == 0)
            Source::claim(source, call, head);
        sync_threads(0, DELTA_THREADS);
        delta_finish<Rule>(call, t, head, room + Tile::O, ready, part);
        delta_update(s, decay, k, room + Tile::D);
    }
    Source::claimed(source, call, head, room + Tile::FLOATS);
    delta_close(s);
    Source::close(source, call, head, room + Tile::FLOATS);
}
