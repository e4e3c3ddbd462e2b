// delta_walk.cuh - the delta rule in chunks (delta_chunk.cuh): the chunks of a
// head one after the other.
//
// A block has COLUMNS columns of a head's state, a warp 16 of them with all rows,
// transposed: so S' is the sum of products in its update and A in those with W
// and Q, D' likewise, and neither ever leaves the warp's registers.
#pragma once
#include "delta_chunk.cuh"

// The tiles of a chunk in order of use; each has its slot in a ring of SLOTS and
// is loaded up to a chunk ahead.
enum { TILE_W, TILE_UP, TILE_Q, TILE_K, TILES };

template <class Rule, int COLUMNS> struct DeltaWalk {
    CONSTANT int THREADS = 2 * COLUMNS;
    CONSTANT int KEY_UNITS = Rule::DK / 8;
    CONSTANT int SLOTS = 6;
    CONSTANT int KEYS = CHUNK * Rule::DK * 2;
    CONSTANT int P = CHUNK * COLUMNS * 2; // behind U
    CONSTANT int UP = P + CHUNK * CHUNK * 2;
    CONSTANT int SLOT = KEYS > UP ? KEYS : UP;
    CONSTANT int GATES = SLOTS * SLOT; // 2 times e^G, e^(G_last - G)
    CONSTANT int BYTES = GATES + 2 * 2 * CHUNK * 4;

    u8 *shared;
    DeltaScratch<Rule> from;
    int head, column; // of the model, of the head: the block's first
    int tokens, chunks;
    float s[Rule::DK / 8][4]; // S': rows column + 16 warp.., 8 columns each
    float d[CHUNK / 8][4];    // D', columns = tokens

    DEVICE u8 *slot(u8 *shared, int tile, int chunk)
    {
        return shared + (TILES * chunk + tile) % SLOTS * SLOT;
    }
};

// Rows of UNITS units, PITCH halves apart, with zeros from row n (nothing is read
// there).
template <int UNITS, int PITCH, int THREADS>
DEVICE void copy_rows(u8 *tile, const u16 *from, int n)
{
    constexpr int STEP = THREADS / UNITS; // rows at once
    int first = thread() / UNITS, unit = thread() % UNITS;
    from += first * PITCH + 8 * unit;
    UNROLL for (int i = 0; i < CHUNK; i += STEP)
        copy16_async(tile_unit<UNITS>(tile, first + i, unit), from + i * PITCH,
                     first + i < n ? 16 : 0);
}

// Starts the copy of a tile; of none behind the last chunk.
template <int TILE, class Rule, int COLUMNS>
DEVICE void walk_load(const DeltaWalk<Rule, COLUMNS> &x, int chunk)
{
    typedef DeltaWalk<Rule, COLUMNS> Walk;
    constexpr int THREADS = Walk::THREADS, DK = Rule::DK, DV = Rule::DV;
    int t0 = chunk * CHUNK, n = least(CHUNK, x.tokens - t0);
    u8 *to = Walk::slot(x.shared, TILE, chunk);
    i64 key = (i64)Rule::key(x.head) * x.tokens + t0;
    i64 head = (i64)x.head * x.tokens + t0;
    if (chunk < x.chunks) {
        if (TILE == TILE_W)
            copy_rows<DK / 8, DK, THREADS>(to, x.from.w + head * DK, n);
        if (TILE == TILE_Q)
            copy_rows<DK / 8, DK, THREADS>(to, x.from.q + key * DK, n);
        if (TILE == TILE_K)
            copy_rows<DK / 8, DK, THREADS>(to, x.from.k + key * DK, n);
        if (TILE == TILE_UP) {
            copy_rows<COLUMNS / 8, DV, THREADS>(
                to, x.from.u + head * DV + x.column, n);
            copy_rows<CHUNK / 8, CHUNK, THREADS>(
                to + Walk::P, x.from.p + head * CHUNK, n);
        }
    }
    copy_commit();
}

// Waits for the next tile, which has N younger ones behind it; then all warps
// are done with the tile before.
template <int N, int THREADS> DEVICE void walk_next()
{
    copy_wait<N>();
    sync_threads(0, THREADS);
}

// The state from memory or back.
template <bool STORE, class Rule, int COLUMNS>
DEVICE void walk_state(DeltaWalk<Rule, COLUMNS> &x, float *state)
{
    float *p = state + 2 * (lane() & 3) * Rule::DV + x.column + 16 * warp() +
               (lane() >> 2);
    UNROLL for (int i = 0; i < Rule::DK / 8; i++)
        UNROLL for (int e = 0; e < 4; e++) {
            float *at = p + (8 * i + (e & 1)) * Rule::DV + (e >> 1) * 8;
            if (STORE)
                *at = x.s[i][e];
            else
                x.s[i][e] = *at;
        }
}

// G of token thread() and of the chunk's last; past that as if g = 0.
template <class Rule, int COLUMNS>
DEVICE float2 walk_read_gates(const DeltaWalk<Rule, COLUMNS> &x, int chunk)
{
    int t0 = least(chunk, x.chunks - 1) * CHUNK;
    int last = least(CHUNK, x.tokens - t0) - 1;
    const float *G = x.from.g + (i64)x.head * x.tokens + t0;
    return make_float2(G[least(thread(), last)], G[last]);
}
// e^G and e^(G_last - G) of a chunk's tokens; two chunks have room.
template <class Rule, int COLUMNS>
DEVICE float *walk_gates(const DeltaWalk<Rule, COLUMNS> &x, int chunk)
{
    return (float *)(x.shared + DeltaWalk<Rule, COLUMNS>::GATES) +
           (chunk & 1) * 2 * CHUNK;
}
template <class Rule, int COLUMNS>
DEVICE void walk_write_gates(const DeltaWalk<Rule, COLUMNS> &x, int chunk,
                             float2 g)
{
    float *gates = walk_gates(x, chunk);
    if (thread() < CHUNK) {
        gates[thread()] = quick_exp(g.x);
        gates[thread() + CHUNK] = quick_exp(g.y - g.x);
    }
}

// sum' = S' X' for a tile X of keys or queries
template <class Rule, int COLUMNS>
DEVICE void walk_times_state(const DeltaWalk<Rule, COLUMNS> &x, u8 *tile,
                             float (&sum)[CHUNK / 8][4])
{
    clear(sum);
    UNROLL for (int s = 0; s < Rule::DK / 16; s++) {
        u32 a[4], b[2][2];
        sums_a(a, x.s[2 * s], x.s[2 * s + 1]);
        UNROLL for (int i = 0; i < CHUNK / 8; i += 2) {
            tile_b<Rule::DK / 8>(b, tile, 8 * i, 2 * s);
            mma_f16(sum[i], a, b[0]);
            mma_f16(sum[i + 1], a, b[1]);
        }
    }
}

// D' = U' - D'
template <class Rule, int COLUMNS>
DEVICE void walk_difference(DeltaWalk<Rule, COLUMNS> &x, u8 *tile)
{
    UNROLL for (int i = 0; i < CHUNK / 8; i += 2) {
        u32 u[4]; // eight tokens, columns g and g + 8; the eight after them
        load_matrices_transposed(
            u, tile_unit<COLUMNS / 8>(
                   tile, 8 * i + (lane() >> 4) * 8 + (lane() & 7),
                   2 * warp() + (lane() >> 3 & 1)));
        UNROLL for (int e = 0; e < 4; e++) {
            float *d = x.d[i + (e >> 1)] + 2 * (e & 1);
            d[0] = half_float((u16)u[e]) - d[0];
            d[1] = half_float((u16)(u[e] >> 16)) - d[1];
        }
    }
}

// o' = e^G o' + D' P'
template <class Rule, int COLUMNS>
DEVICE void walk_outputs(const DeltaWalk<Rule, COLUMNS> &x, u8 *tile,
                         const float *gates, float (&o)[CHUNK / 8][4])
{
    UNROLL for (int i = 0; i < CHUNK / 8; i++) {
        float2 e = *(const float2 *)(gates + 8 * i + 2 * (lane() & 3));
        o[i][0] *= e.x, o[i][1] *= e.y, o[i][2] *= e.x, o[i][3] *= e.y;
    }
    UNROLL for (int s = 0; s < CHUNK / 16; s++) {
        u32 a[4], b[2][2];
        sums_a(a, x.d[2 * s], x.d[2 * s + 1]);
        UNROLL for (int i = 2 * s; i < CHUNK / 8; i += 2) {
            tile_b<CHUNK / 8>(b, tile, 8 * i, 2 * s);
            mma_f16(o[i], a, b[0]);
            mma_f16(o[i + 1], a, b[1]);
        }
    }
}

template <class Rule, int COLUMNS>
DEVICE void walk_store(const DeltaWalk<Rule, COLUMNS> &x, float *to, int t0,
                       const float (&o)[CHUNK / 8][4])
{
    constexpr int ROW = Rule::HV * Rule::DV;
    int t = t0 + 2 * (lane() & 3), left = x.tokens - t;
    to += (i64)t * ROW + x.head * Rule::DV + x.column + 16 * warp() +
          (lane() >> 2);
    UNROLL for (int i = 0; i < CHUNK / 8; i++)
        UNROLL for (int e = 0; e < 4; e++)
            if (8 * i + (e & 1) < left)
                to[(8 * i + (e & 1)) * ROW + (e >> 1) * 8] = o[i][e];
}

// S' = e^G_last S' + (e^(G_last - G) D)' K
template <class Rule, int COLUMNS>
DEVICE void walk_update(DeltaWalk<Rule, COLUMNS> &x, u8 *tile,
                        const float *gates)
{
    float decay = gates[CHUNK - 1];
    UNROLL for (int i = 0; i < CHUNK / 8; i++) {
        float2 e = *(const float2 *)(gates + CHUNK + 8 * i + 2 * (lane() & 3));
        x.d[i][0] *= e.x, x.d[i][1] *= e.y, x.d[i][2] *= e.x, x.d[i][3] *= e.y;
    }
    UNROLL for (int i = 0; i < Rule::DK / 8; i++)
        UNROLL for (int e = 0; e < 4; e++) x.s[i][e] *= decay;
    UNROLL for (int s = 0; s < CHUNK / 16; s++) {
        u32 a[4], b[2][2];
        sums_a(a, x.d[2 * s], x.d[2 * s + 1]);
        UNROLL for (int i = 0; i < Rule::DK / 8; i += 2) {
            tile_b_across<Rule::DK / 8>(b, tile, 16 * s, i);
            mma_f16(x.s[i], a, b[0]);
            mma_f16(x.s[i + 1], a, b[1]);
        }
    }
}

template <class Rule, int COLUMNS>
DEVICE void walk_chunk(DeltaWalk<Rule, COLUMNS> &x, float *to, int c)
{
    typedef DeltaWalk<Rule, COLUMNS> Walk;
    constexpr int THREADS = Walk::THREADS;
    u8 *up = Walk::slot(x.shared, TILE_UP, c);
    float *gates = walk_gates(x, c), o[CHUNK / 8][4];
    walk_next<4, THREADS>();
    walk_load<TILE_UP>(x, c + 1);
    float2 next = walk_read_gates(x, c + 1);
    walk_times_state(x, Walk::slot(x.shared, TILE_W, c), x.d);
    walk_write_gates(x, c + 1, next);
    walk_next<4, THREADS>();
    walk_load<TILE_Q>(x, c + 1);
    walk_difference(x, up);
    walk_next<4, THREADS>();
    walk_times_state(x, Walk::slot(x.shared, TILE_Q, c), o);
    walk_outputs(x, up + Walk::P, gates, o);
    walk_store(x, to, c * CHUNK, o);
    walk_next<3, THREADS>();
    walk_load<TILE_K>(x, c + 1);
    walk_load<TILE_W>(x, c + 2);
    walk_update(x, Walk::slot(x.shared, TILE_K, c), gates);
}

// Block = (head, COLUMNS of its columns); o of all tokens to `to` [T,HV,DV].
template <class Rule, int COLUMNS, class C>
DEVICE void delta_walk(const C &call, u8 *shared, float *to)
{
    typedef DeltaWalk<Rule, COLUMNS> Walk;
    constexpr int PARTS = Rule::DV / COLUMNS;
    Walk x;
    x.shared = shared;
    x.from = delta_scratch<Rule>(call);
    x.head = block_x() / PARTS;
    x.column = block_x() % PARTS * COLUMNS;
    x.tokens = call.tokens;
    x.chunks = (call.tokens + CHUNK - 1) / CHUNK;
    stage_begin();
    walk_load<TILE_W>(x, 0);
    walk_load<TILE_UP>(x, 0);
    walk_load<TILE_Q>(x, 0);
    walk_load<TILE_K>(x, 0);
    walk_load<TILE_W>(x, 1);
    walk_state<false>(x, Rule::state(call, x.head));
    walk_write_gates(x, 0, walk_read_gates(x, 0));
    NO_UNROLL for (int c = 0; c < x.chunks; c++) walk_chunk(x, to, c);
    walk_state<true>(x, Rule::state(call, x.head));
}
