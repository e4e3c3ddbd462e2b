// bandwidth.cuh - reads memory once, as fast as the card can: what kernels are
// measured by.  arg[0]: tokens MiB of anything; arg[1]: takes a word, if ever.
#pragma once
#include "common.cuh"

enum { BANDWIDTH_THREADS = 256, BANDWIDTH_AHEAD = 8 };

// Every block takes its share in one run; each thread has so many loads of 16
// bytes on their way.
DEVICE void read_everything(const Call<2> &call)
{
    stage_begin();
    const i64 step = BANDWIDTH_THREADS * BANDWIDTH_AHEAD * 16;
    i64 steps = ((i64)call.tokens << 20) / step;
    u32 seen = 0;
    for (i64 i = block_x(); i < steps; i += blocks_x()) {
        const u8 *p = call.arg[0] + i * step + thread() * 16;
        uint4 x[BANDWIDTH_AHEAD];
        UNROLL for (int k = 0; k < BANDWIDTH_AHEAD; k++)
            x[k] = load_weight16(p + k * BANDWIDTH_THREADS * 16);
        UNROLL for (int k = 0; k < BANDWIDTH_AHEAD; k++)
            seen |= x[k].x ^ x[k].y ^ x[k].z ^ x[k].w;
    }
    if (seen == 0x5eed5eed)
        *(u32 *)call.arg[1] = seen;
}
