// Kernels for test_fakes.c; arg[0] in, arg[1] out, tokens numbers.
#include "common.cuh"

KERNEL(twice_plus_one, 2, 128, 1)
{
    stage_begin();
    int i = block_x() * 128 + thread();
    if (i < call.tokens)
        ((float *)call.arg[1])[i] = 2 * ((const float *)call.arg[0])[i] + 1;
}
// Writes behind its results.
KERNEL(one_too_many, 2, 32, 1)
{
    stage_begin();
    if (lane() == 0)
        ((float *)call.arg[1])[call.tokens] = 0;
}
KERNEL(illegal, 2, 32, 1)
{
    stage_begin();
    *(volatile float *)call.scratch = 0;
}
