// plain.cuh - products with matrices that lie as in the file: odd shapes.  Right
// for everything, quick for nothing: one block a column, its threads along k.
#pragma once
#include "common.cuh"

CONSTANT int PLAIN_THREADS = 128;

// Value k of a row as kernels hand it over.
struct PlainF32 {
    DEVICE float at(const u8 *row, int k) { return ((const float *)row)[k]; }
};
struct PlainQ8 {
    DEVICE float at(const u8 *row, int k)
    {
        const u8 *b = row + k / 32 * 36;
        return (float)((const i8 *)b)[k % 32] * *(const float *)(b + 32);
    }
};
struct PlainQ16 {
    DEVICE float at(const u8 *row, int k)
    {
        const u8 *b = row + k / 32 * 68;
        return (float)((const i16 *)b)[k % 32] * *(const float *)(b + 64);
    }
};

// The product of a row of values and a row of a matrix; weight(k) decodes.  All
// threads get it.  room: 33 floats of shared memory.
template <class X, int K, class Weight>
DEVICE float plain_dot(const u8 *x, const Weight &weight, float *room)
{
    float sum = 0;
    for (int k = thread(); k < K; k += PLAIN_THREADS)
        sum += X::at(x, k) * weight(k);
    sum = block_sum<PLAIN_THREADS>(sum, room);
    sync_threads(0, PLAIN_THREADS);
    return sum;
}
