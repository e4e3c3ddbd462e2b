// plain.cuh - products with matrices that lie as in the file: floats, and odd
// shapes.  Two warps take a column, each half of k; the values of a row lie in
// shared memory as f32.
#pragma once
#include "common.cuh"

CONSTANT int PLAIN_THREADS = 256;
CONSTANT int PLAIN_COLUMNS = PLAIN_THREADS / 64;
// The column of the block that this warp works on, and which half of it.
DEVICE int plain_column() { return warp() / 2; }
DEVICE int plain_half() { return warp() & 1; }

// Value k of a row as kernels hand it over; a bound of the magnitudes of values
// k .. k + STEP - 1.
struct PlainF32 {
    CONSTANT int STEP = 1;
    DEVICE float at(const u8 *row, int k) { return ((const float *)row)[k]; }
    DEVICE float bound(const u8 *row, int k) { return fabsf(at(row, k)); }
};
struct PlainQ8 {
    CONSTANT int STEP = 32;
    DEVICE float bound(const u8 *row, int k)
    {
        return 128 * fabsf(*(const float *)(row + k / 32 * 36 + 32));
    }
    DEVICE float at(const u8 *row, int k)
    {
        const u8 *b = row + k / 32 * 36;
        return (float)((const i8 *)b)[k % 32] * *(const float *)(b + 32);
    }
};
struct PlainQ16 {
    CONSTANT int STEP = 32;
    DEVICE float bound(const u8 *row, int k)
    {
        return 32768 * fabsf(*(const float *)(row + k / 32 * 68 + 64));
    }
    DEVICE float at(const u8 *row, int k)
    {
        const u8 *b = row + k / 32 * 68;
        return (float)((const i16 *)b)[k % 32] * *(const float *)(b + 64);
    }
};

template <class X, int K> DEVICE void plain_values(float *to, const u8 *row)
{
    for (int k = thread(); k < K; k += PLAIN_THREADS)
        to[k] = X::at(row, k);
}
// A thread's share of up to 4096 floats is under way at once.
template <int K> DEVICE void plain_floats(float *to, const u8 *row)
{
    constexpr int EACH = (K / 4 + PLAIN_THREADS - 1) / PLAIN_THREADS;
    if constexpr (K % 4 == 0 && EACH <= 4)
        if (((u64)row & 15) == 0) {
            float4 v[EACH];
            UNROLL for (int i = 0; i < EACH; i++)
                if (int k = thread() + i * PLAIN_THREADS; k < K / 4)
                    v[i] = ((const float4 *)row)[k];
            UNROLL for (int i = 0; i < EACH; i++)
                if (int k = thread() + i * PLAIN_THREADS; k < K / 4)
                    ((float4 *)to)[k] = v[i];
            return;
        }
    plain_values<PlainF32, K>(to, row);
}

// The product of K values and a row of a matrix; weight(k) decodes.
template <int K, class Weight>
DEVICE float plain_dot(const float *x, const Weight &weight)
{
    float sum[4] = {};
    int k = plain_half() * 32 + lane();
    for (; k + 192 < K; k += 256)
        UNROLL for (int i = 0; i < 4; i++)
            sum[i] += x[k + 64 * i] * weight(k + 64 * i);
    for (; k < K; k += 64)
        sum[0] += x[k] * weight(k);
    return warp_sum(sum[0] + sum[1] + (sum[2] + sum[3]));
}

// Both halves of the products of a column, one a matrix: all threads of the
// block come here.  room: P * PLAIN_THREADS / 32 floats.
template <int P> DEVICE void plain_total(float (&sum)[P], float *room)
{
    if (lane() == 0)
        UNROLL for (int p = 0; p < P; p++) room[p * 8 + warp()] = sum[p];
    sync_threads(0, PLAIN_THREADS);
    UNROLL for (int p = 0; p < P; p++)
        sum[p] = room[p * 8 + (warp() & ~1)] + room[p * 8 + (warp() | 1)];
}

// True in the last of n blocks to come here, which sees all that they left; the
// counter is zero before and after.  room: a word that nobody uses meanwhile.
DEVICE bool plain_last(u32 *counter, int n, u32 *room)
{
    sync_threads(0, PLAIN_THREADS);
    if (thread() == 0) {
        *room = add_ticket(counter, 1) == (u32)n - 1;
        if (*room)
            *counter = 0;
    }
    sync_threads(0, PLAIN_THREADS);
    bool last = *room != 0;
    sync_threads(0, PLAIN_THREADS);
    return last;
}

// ---- rows of floats

struct File_f32 {
    CONSTANT int BYTES = 4;
    DEVICE void four(const u8 *p, float (&w)[4])
    {
        uint4 x = load_weight16(p);
        w[0] = bits_float(x.x);
        w[1] = bits_float(x.y);
        w[2] = bits_float(x.z);
        w[3] = bits_float(x.w);
    }
};
struct File_f16 {
    CONSTANT int BYTES = 2;
    DEVICE void four(const u8 *p, float (&w)[4])
    {
        uint2 x = load_weight8(p);
        w[0] = half_float((u16)x.x);
        w[1] = half_float((u16)(x.x >> 16));
        w[2] = half_float((u16)x.y);
        w[3] = half_float((u16)(x.y >> 16));
    }
};
struct File_bf16 {
    CONSTANT int BYTES = 2;
    DEVICE void four(const u8 *p, float (&w)[4])
    {
        uint2 x = load_weight8(p);
        w[0] = bits_float(x.x << 16);
        w[1] = bits_float(x.x & 0xffff0000u);
        w[2] = bits_float(x.y << 16);
        w[3] = bits_float(x.y & 0xffff0000u);
    }
};

// A warp's half of the product with K values (a multiple of 128) and a row of
// floats, the first part of which is asked for early.
template <class F, int K> struct PlainRow {
    CONSTANT int EACH = (K / 128 + 1) / 2;
    CONSTANT int AHEAD = EACH < 16 ? EACH : 16;
    float w[AHEAD][4];
};
// Pieces of 128 values, `from` on, of this warp's: every second one.
template <class F, int K>
DEVICE void plain_load(PlainRow<F, K> &r, const u8 *row, int from)
{
    UNROLL for (int i = 0; i < r.AHEAD; i++) {
        int k = (2 * (from + i) + plain_half()) * 128;
        if (k < K)
            F::four(row + (k + lane() * 4) * F::BYTES, r.w[i]);
    }
}
template <class F, int K>
DEVICE float plain_dot_row(PlainRow<F, K> &r, const float *x, const u8 *row)
{
    float sum[4] = {};
    NO_UNROLL for (int from = 0; from < r.EACH; from += r.AHEAD) {
        if (from)
            plain_load(r, row, from);
        UNROLL for (int i = 0; i < r.AHEAD; i++) {
            int k = (2 * (from + i) + plain_half()) * 128;
            if (k < K) {
                float4 v = ((const float4 *)x)[k / 4 + lane()];
                sum[0] += v.x * r.w[i][0];
                sum[1] += v.y * r.w[i][1];
                sum[2] += v.z * r.w[i][2];
                sum[3] += v.w * r.w[i][3];
            }
        }
    }
    return warp_sum(sum[0] + sum[1] + (sum[2] + sum[3]));
}

// ---- the same matrices for the matrix units (gemm.cuh): rows of floats

// TYPE::at(p, i): four floats.  J, K as in tile.cuh; rows are K values apart.
template <class TYPE, int J, int K> struct FileRows {
    CONSTANT int BYTES = 128 * J * TYPE::BYTES; // from a step along k to the next
    CONSTANT float UNIT = 1;
    struct Raw {
        const u8 *at;
    };
    DEVICE void table(u8 *, int, int) {}
    DEVICE void load(Raw &r, const u8 *rows, int lane)
    {
        r.at = rows + ((i64)(lane / 4) * K + lane % 4 * 32) * TYPE::BYTES;
    }
    DEVICE void floats(const Raw &r, int h, int j, int s, float (&w)[4], const u8 *)
    {
        TYPE::four(r.at + ((i64)h * 8 * K + j * 128 + s * 4) * TYPE::BYTES, w);
    }
    DEVICE void halves(const Raw &r, int h, int j, int s, u32 (&w)[2], const u8 *table)
    {
        float v[4];
        floats(r, h, j, s, v, table);
        w[0] = float2_half2(v[0], v[1]);
        w[1] = float2_half2(v[2], v[3]);
    }
};
