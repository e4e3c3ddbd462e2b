// delta_prepare.cuh - the delta rule in chunks (delta_chunk.cuh): what a chunk
// gives before its state is known.
//
// A block has a chunk and a key head: K K' and Q K' once, in registers; then of
// each value head of that key head A and P, T = (I + A)^-1, U and W.
#pragma once
#include "delta_chunk.cuh"

CONSTANT int PREPARE_THREADS = 256;
CONSTANT int PITCH = CHUNK + 8; // of T in floats

template <class Rule> struct DeltaPrepare {
    CONSTANT int HEADS = Rule::HV / Rule::HK; // of a key head
    CONSTANT int LONGER = Rule::DK > Rule::DV ? Rule::DK : Rule::DV;
    // Shared memory: K, Q and later V, what the halves of Q lack and later T,
    // what those of K lack, and per head G and beta.
    CONSTANT int Q = CHUNK * Rule::DK * 2;
    CONSTANT int T = Q + CHUNK * LONGER * 2;
    CONSTANT int K_REST = T + CHUNK * PITCH * 4;
    CONSTANT int GATES = K_REST + CHUNK * Rule::DK * 2;
    CONSTANT int BYTES = GATES + HEADS * 2 * CHUNK * 4;

    DEVICE int head(int key, int i)
    {
        return Rule::TILED ? key + i * Rule::HK : key * HEADS + i;
    }
};

template <bool ALIGNED> DEVICE float4 load_floats(const float *p)
{
    if (ALIGNED)
        return *(const float4 *)p;
    return make_float4(p[0], p[1], p[2], p[3]);
}

// The rows of D floats of a chunk among THREADS threads: in part i a thread has
// the four from column 4 f of `row`.
template <int D, int THREADS> struct ChunkRows {
    CONSTANT int PARTS = CHUNK * D / 4 / THREADS;
    DEVICE int place(int i) { return thread() % THREADS + i * THREADS; }
    DEVICE int row(int i) { return place(i) / (D / 4); }
    DEVICE int f(int i) { return place(i) % (D / 4); }
};

// To a tile: of each 32 columns, unit n has the columns 8 c + 2 n + {0, 1} for
// c = 0 .. 3, so that lane 4 g + c gets 8 columns in a row from the products of
// four units.  (A sum over columns does not mind.)
template <int D> DEVICE void tile_put(u8 *tile, int row, int f, uint2 x)
{
    int unit = f / 8 * 4 + f % 2 * 2, c = f % 8 / 2;
    ((u32 *)tile_unit<D / 8>(tile, row, unit))[c] = x.x;
    ((u32 *)tile_unit<D / 8>(tile, row, unit + 1))[c] = x.y;
}

DEVICE uint2 halves(float4 x)
{
    return make_uint2(float2_half2(x.x, x.y), float2_half2(x.z, x.w));
}
// What they lack, as halves.
DEVICE uint2 rest_of_halves(float4 x, uint2 h)
{
    x.x -= half_float((u16)h.x);
    x.y -= half_float((u16)(h.x >> 16));
    x.z -= half_float((u16)h.y);
    x.w -= half_float((u16)(h.y >> 16));
    return halves(x);
}

// The sum of squares of a row, of which LANES lanes have four values each.
template <int LANES> DEVICE float row_squares(float4 x)
{
    float sum = x.x * x.x + x.y * x.y + (x.z * x.z + x.w * x.w);
    UNROLL for (int m = 1; m < LANES; m *= 2) sum += shuffle_xor(sum, m);
    return sum;
}

// Keys or queries of tokens [t0, t0 + n) to a tile and to `out`, what the tile
// lacks to `rest`; row(t) says where they lie, factor(sum of a row's squares)
// what they are to be multiplied by.
template <class Rule, class Row, class Factor>
DEVICE void prepare_keys(u8 *tile, u8 *rest, u16 *out, int t0, int n,
                         const Row &row, const Factor &factor)
{
    typedef ChunkRows<Rule::DK, PREPARE_THREADS> Rows;
    UNROLL for (int i = 0; i < Rows::PARTS; i++) {
        int r = Rows::row(i), f = Rows::f(i);
        float4 v = make_float4(0, 0, 0, 0);
        if (r < n)
            v = load_floats<Rule::ALIGNED>(row(t0 + r) + 4 * f);
        if constexpr (Rule::SCALED) {
            float x = row_squares<Rule::DK / 4>(v);
            x = r < n ? factor(x) : 0;
            v = make_float4(x * v.x, x * v.y, x * v.z, x * v.w);
        }
        uint2 x = halves(v), y = rest_of_halves(v, x);
        if (r < n)
            *(uint2 *)(out + r * Rule::DK + 4 * f) = x;
        tile_put<Rule::DK>(tile, r, f, x);
        tile_put<Rule::DK>(rest, r, f, y);
    }
}

// x[lane] and x[lane + 32] summed up to there.
DEVICE void sums_upto(float &x, float &y)
{
    UNROLL for (int d = 1; d < 32; d *= 2) {
        float a = shuffle(x, (lane() - d) & 31);
        float b = shuffle(y, (lane() - d) & 31);
        if (lane() >= d) {
            x += a;
            y += b;
        }
    }
    y += shuffle(x, 31);
}

// G and beta of the value heads; tokens past the last: as if g = beta = 0.
template <class Rule, class C>
DEVICE void prepare_gates(const C &call, float *gates, float *out, int key,
                          int t0, int n)
{
    typedef DeltaPrepare<Rule> Prepare;
    for (int i = warp(); i < Prepare::HEADS; i += PREPARE_THREADS / 32) {
        int head = Prepare::head(key, i), l = lane();
        float *G = gates + i * 2 * CHUNK, *beta = G + CHUNK;
        float x = l < n ? Rule::g(call, t0 + l, head) : 0;
        float y = l + 32 < n ? Rule::g(call, t0 + l + 32, head) : 0;
        beta[l] = l < n ? Rule::beta(call, t0 + l, head) : 0;
        beta[l + 32] = l + 32 < n ? Rule::beta(call, t0 + l + 32, head) : 0;
        sums_upto(x, y);
        G[l] = x;
        G[l + 32] = y;
        float *to = out + (i64)head * call.tokens + t0;
        if (l < n)
            to[l] = x;
        if (l + 32 < n)
            to[l + 32] = y;
    }
}

// sum[i] += rows 16 m.. of tile a times rows 32 h + 8 i.. of tile b
template <int D>
DEVICE void pair_products(float (&sum)[4][4], u8 *a, u8 *b, int m, int h)
{
    NO_UNROLL for (int s = 0; s < D / 16; s++) {
        u32 x[4], y[2][2];
        tile_a<D / 8>(x, a, 16 * m, 2 * s);
        UNROLL for (int i = 0; i < 4; i += 2) {
            tile_b<D / 8>(y, b, 32 * h + 8 * i, 2 * s);
            mma_f16(sum[i], x, y[0]);
            mma_f16(sum[i + 1], x, y[1]);
        }
    }
}

// Of values as halves and what these lack: all but the product of the rests.  A
// product near zero, of rows that are nearly orthogonal, stays right.
template <int D>
DEVICE void exact_pairs(float (&sum)[4][4], u8 *a, u8 *a_rest, u8 *b,
                        u8 *b_rest, int m, int h)
{
    clear(sum);
    pair_products<D>(sum, a, b_rest, m, h);
    pair_products<D>(sum, a_rest, b, m, h);
    pair_products<D>(sum, a, b, m, h);
}

// A to `t`, P to `out`, both zero above the diagonal, from products kk and qk.
DEVICE void weigh_pairs(const float (&kk)[4][4], const float (&qk)[4][4],
                        const float *G, float *t, u16 *out, int n, int m, int h)
{
    const float *beta = G + CHUNK;
    UNROLL for (int x = 0; x < 8; x++) {
        int i = 16 * m + (lane() >> 2) + 8 * (x & 1), e = 2 * (x & 1);
        int j = 32 * h + 8 * (x >> 1) + 2 * (lane() & 3);
        float2 Gj = *(const float2 *)(G + j);
        float w0 = j <= i ? quick_exp(G[i] - Gj.x) : 0;
        float w1 = j + 1 <= i ? quick_exp(G[i] - Gj.y) : 0;
        *(float2 *)(t + i * PITCH + j) =
            make_float2(j < i ? beta[i] * kk[x >> 1][e] * w0 : 0,
                        j + 1 < i ? beta[i] * kk[x >> 1][e + 1] * w1 : 0);
        if (i < n)
            *(u32 *)(out + i * CHUNK + j) =
                float2_half2(qk[x >> 1][e] * w0, qk[x >> 1][e + 1] * w1);
    }
}

// ---- T = (I + A)^-1 in place

// The 16 x 16 block at t, by a warp: lane c (and c + 16) solves for column c.
DEVICE void invert_block(float *t)
{
    float x[16];
    int c = lane() & 15;
    UNROLL for (int i = 0; i < 16; i++) x[i] = 0;
    UNROLL for (int i = 0; i < 16; i++) {
        float sum[4] = {i == c ? 1.0f : 0.0f, 0, 0, 0};
        UNROLL for (int j = 0; j < i; j += 4) {
            float4 a = *(const float4 *)(t + i * PITCH + j);
            sum[0] -= a.x * x[j];
            sum[1] -= a.y * x[j + 1];
            sum[2] -= a.z * x[j + 2];
            sum[3] -= a.w * x[j + 3];
        }
        x[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    sync_warp();
    UNROLL for (int i = 0; i < 16; i++)
        if (lane() < 16)
            t[i * PITCH + c] = x[i];
    sync_warp();
}

// Fragments from f32: as A the 16 x 16 at p transposed; as B the 8 x 16 at p
// transposed.
DEVICE void floats_a_across(u32 (&a)[4], const float *p)
{
    const float *x = p + 2 * (lane() & 3) * PITCH + (lane() >> 2);
    UNROLL for (int i = 0; i < 4; i++) {
        const float *y = x + (i >> 1) * 8 * PITCH + (i & 1) * 8;
        a[i] = float2_half2(y[0], y[PITCH]);
    }
}
DEVICE void floats_b(u32 (&b)[2], const float *p)
{
    const float *x = p + (lane() >> 2) * PITCH + 2 * (lane() & 3);
    UNROLL for (int i = 0; i < 2; i++) {
        float2 y = *(const float2 *)(x + 8 * i);
        b[i] = float2_half2(y.x, y.y);
    }
}

// The square of N blocks of 16 at t has the inverses X and Y of its diagonal
// halves; what is between them, A, becomes -Y A X.  Transposed: -(X'A')Y', here
// without the sign for the columns 16 m.. (of X) and N/2 times 8 rows from 8 r.
template <int N>
DEVICE void merge_products(float (&out)[N / 2][4], const float *t, int m, int r)
{
    constexpr int H = N / 2; // blocks of a half
    const float *A = t + 16 * H * PITCH, *Y = A + 16 * H;
    float xa[2 * H][4];
    clear(xa);
    clear(out);
    UNROLL for (int s = 0; s < H; s++) {
        u32 a[4], b[2];
        floats_a_across(a, t + 16 * s * PITCH + 16 * m);
        UNROLL for (int i = 0; i < 2 * H; i++) {
            floats_b(b, A + 8 * i * PITCH + 16 * s);
            mma_f16(xa[i], a, b);
        }
    }
    UNROLL for (int s = 0; s < H; s++) {
        u32 a[4], b[2];
        sums_a(a, xa[2 * s], xa[2 * s + 1]);
        UNROLL for (int i = 0; i < H; i++) {
            floats_b(b, Y + 8 * (r + i) * PITCH + 16 * s);
            mma_f16(out[i], a, b);
        }
    }
}

// By the first 4 warps, each with its m and r; all threads wait with them.
template <int N> DEVICE void merge_blocks(float *t, int m, int r)
{
    constexpr int H = N / 2;
    float out[H][4], *A = t + 16 * H * PITCH;
    bool mine = warp() < 4;
    if (mine)
        merge_products<N>(out, t, m, r);
    sync_threads(0, PREPARE_THREADS);
    if (mine)
        UNROLL for (int i = 0; i < H; i++)
            UNROLL for (int e = 0; e < 4; e++)
                A[(8 * (r + i) + 2 * (lane() & 3) + (e & 1)) * PITCH + 16 * m +
                  (lane() >> 2) + (e >> 1) * 8] = -out[i][e];
    sync_threads(0, PREPARE_THREADS);
}

// ---- U and W

// The rows 16 m.. of T with column j times x[j], as A.
DEVICE void scaled_rows(u32 (&a)[4][4], const float *t, const float *x, int m)
{
    int g = lane() >> 2, c = lane() & 3;
    UNROLL for (int s = 0; s < 4; s++)
        UNROLL for (int i = 0; i < 4; i++) {
            int j = 16 * s + 2 * c + (i >> 1) * 8;
            int row = 16 * m + g + (i & 1) * 8;
            float2 y = *(const float2 *)(t + row * PITCH + j);
            float2 f = *(const float2 *)(x + j);
            a[s][i] = float2_half2(y.x * f.x, y.y * f.y);
        }
}

// The rows 16 m.. of a lower triangular matrix (in a) times a tile of D columns,
// to the rows below n of out; every second 32 columns from 32 h.
template <int D>
DEVICE void triangle_product(const u32 (&a)[4][4], u8 *tile, u16 *out, int n,
                             int m, int h)
{
    for (int group = h; group < D / 32; group += 2) {
        float sum[4][4];
        clear(sum);
        UNROLL for (int s = 0; s < 4; s++)
            if (s <= m) {
                UNROLL for (int i = 0; i < 4; i += 2) {
                    u32 b[2][2];
                    tile_b_across<D / 8>(b, tile, 16 * s, 4 * group + i);
                    mma_f16(sum[i], a[s], b[0]);
                    mma_f16(sum[i + 1], a[s], b[1]);
                }
            }
        UNROLL for (int e = 0; e < 4; e += 2) {
            int row = 16 * m + (lane() >> 2) + 4 * e;
            if (row < n)
                *(uint4 *)(out + row * D + 32 * group + 8 * (lane() & 3)) =
                    make_uint4(float2_half2(sum[0][e], sum[0][e + 1]),
                               float2_half2(sum[1][e], sum[1][e + 1]),
                               float2_half2(sum[2][e], sum[2][e + 1]),
                               float2_half2(sum[3][e], sum[3][e + 1]));
        }
    }
}

// ---- one value head

template <class Rule> struct PrepareHead {
    int t0, n;        // the chunk's first token, its tokens
    int m, h;         // of this warp: rows 16 m.., columns 32 h..
    float kk[4][4], qk[4][4];
    u8 *k, *v;        // tiles
    float *t, *gates; // T; G and beta of the head
};

// Asks for the values of a head that comes later.
template <class Rule, class C>
DEVICE void prefetch_values(const C &call, int t0, int n, int head)
{
    constexpr int LINES = Rule::DV / 32; // of a row
    int row = thread() / LINES;
    if (row < n)
        prefetch_weight(Rule::v(call, t0 + row, head) + thread() % LINES * 32);
}

// The head's values to the tile v, by 4 warps.
template <class Rule, class C>
DEVICE void prepare_values(const C &call, const PrepareHead<Rule> &x, int head)
{
    typedef ChunkRows<Rule::DV, 128> Rows;
    constexpr int N = Rows::PARTS % 8 ? 4 : 8; // loads under way
    NO_UNROLL for (int i = 0; i < Rows::PARTS; i += N) {
        float4 v[N];
        UNROLL for (int j = 0; j < N; j++) {
            int row = Rows::row(i + j);
            v[j] = make_float4(0, 0, 0, 0);
            if (row < x.n)
                v[j] = load_floats<Rule::ALIGNED>(
                    Rule::v(call, x.t0 + row, head) + 4 * Rows::f(i + j));
        }
        UNROLL for (int j = 0; j < N; j++)
            tile_put<Rule::DV>(x.v, Rows::row(i + j), Rows::f(i + j),
                               halves(v[j]));
    }
}

// T and the tile v: four warps fetch the values while the others invert the
// blocks on the diagonal.
template <class Rule, class C>
DEVICE void prepare_inverse(const C &call, const PrepareHead<Rule> &x, int head)
{
    u16 *p = delta_scratch<Rule>(call).p;
    int w = warp();
    weigh_pairs(x.kk, x.qk, x.gates, x.t,
                p + ((i64)head * call.tokens + x.t0) * CHUNK, x.n, x.m, x.h);
    sync_threads(0, PREPARE_THREADS);
    if (w < 4)
        invert_block(x.t + 16 * w * (PITCH + 1));
    else
        prepare_values(call, x, head);
    sync_threads(0, PREPARE_THREADS);
    merge_blocks<2>(x.t + (w >> 1 & 1) * 32 * (PITCH + 1), 0, w & 1);
    merge_blocks<4>(x.t, w & 1, w & 2);
}

template <class Rule, class C>
DEVICE void prepare_head(const C &call, const PrepareHead<Rule> &x, int head)
{
    DeltaScratch<Rule> s = delta_scratch<Rule>(call);
    float *G = x.gates, *beta = G + CHUNK;
    i64 first = (i64)head * call.tokens + x.t0;
    u32 a[4][4];
    prepare_inverse(call, x, head);
    scaled_rows(a, x.t, beta, x.m);
    triangle_product<Rule::DV>(a, x.v, s.u + first * Rule::DV, x.n, x.m, x.h);
    // All have read beta as it was, and G is needed no more but here.
    sync_threads(0, PREPARE_THREADS);
    if (thread() < CHUNK)
        beta[thread()] *= quick_exp(G[thread()]);
    sync_threads(0, PREPARE_THREADS);
    scaled_rows(a, x.t, beta, x.m);
    triangle_product<Rule::DK>(a, x.k, s.w + first * Rule::DK, x.n, x.m, x.h);
    sync_threads(0, PREPARE_THREADS);
}

// Block (chunk, key head).
template <class Rule, class C>
DEVICE void delta_prepare(const C &call, u8 *shared)
{
    typedef DeltaPrepare<Rule> Prepare;
    DeltaScratch<Rule> s = delta_scratch<Rule>(call);
    PrepareHead<Rule> x;
    int key = block_y();
    u8 *q = shared + Prepare::Q, *q_rest = shared + Prepare::T;
    u8 *k_rest = shared + Prepare::K_REST;
    float *gates = (float *)(shared + Prepare::GATES);
    x.t0 = block_x() * CHUNK;
    x.n = least(CHUNK, call.tokens - x.t0);
    x.m = warp() & 3;
    x.h = warp() >> 2;
    x.k = shared;
    x.v = q; // when Q is done with
    x.t = (float *)(shared + Prepare::T);
    i64 first = ((i64)key * call.tokens + x.t0) * Rule::DK;
    stage_begin();
    prefetch_values<Rule>(call, x.t0, x.n, Prepare::head(key, 0));
    prepare_gates<Rule>(call, gates, s.g, key, x.t0, x.n);
    prepare_keys<Rule>(x.k, k_rest, s.k + first, x.t0, x.n,
                       [&](int t) { return Rule::k(call, t, key); },
                       [](float x) { return Rule::k_factor(x); });
    prepare_keys<Rule>(q, q_rest, s.q + first, x.t0, x.n,
                       [&](int t) { return Rule::q(call, t, key); },
                       [](float x) { return Rule::q_factor(x); });
    sync_threads(0, PREPARE_THREADS);
    exact_pairs<Rule::DK>(x.kk, x.k, k_rest, x.k, k_rest, x.m, x.h);
    exact_pairs<Rule::DK>(x.qk, q, q_rest, x.k, k_rest, x.m, x.h);
    sync_threads(0, PREPARE_THREADS);
    NO_UNROLL for (int i = 0; i < Prepare::HEADS; i++) {
        x.gates = gates + i * 2 * CHUNK;
        int next = Prepare::head(key, least(i + 1, Prepare::HEADS - 1));
        prefetch_values<Rule>(call, x.t0, x.n, next);
        prepare_head(call, x, Prepare::head(key, i));
    }
}
