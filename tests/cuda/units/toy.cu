// The kernels of module_toy.c (tests/runtime) for test_device.c: width 8,
// vocabulary 16; a block a token, or one block.
#include "common.cuh"

enum { WIDTH = 8, VOCABULARY = 16 };

// tokens, table -> x
KERNEL(embed, 3, 32, 1)
{
    stage_begin();
    const i32 *tokens = (const i32 *)call.arg[0];
    const float *table = (const float *)call.arg[1];
    float *x = (float *)call.arg[2];
    i64 t = block_x();
    if (thread() < WIDTH)
        x[t * WIDTH + thread()] = table[tokens[t] * WIDTH + thread()];
}

// x, rows: stored behind the rows that are there
KERNEL(append, 2, 32, 1)
{
    stage_begin();
    const float *x = (const float *)call.arg[0];
    float *rows = (float *)call.arg[1];
    i64 t = block_x();
    if (thread() < WIDTH)
        rows[(call.step->past + t) * WIDTH + thread()] = x[t * WIDTH + thread()];
}

// rows, sum -> y; the mean goes through scratch
KERNEL(mix, 3, 32, 1)
{
    stage_begin();
    const float *rows = (const float *)call.arg[0];
    float *sum = (float *)call.arg[1], *y = (float *)call.arg[2];
    float *mean = (float *)call.scratch + thread();
    i64 past = call.step->past;
    int i = thread();
    for (int t = 0; i < WIDTH && t < call.tokens; t++) {
        *mean = 0;
        for (i64 s = 0; s <= past + t; s++)
            *mean += rows[s * WIDTH + i];
        *mean /= (float)(past + t + 1);
        sum[i] += rows[(past + t) * WIDTH + i];
        y[t * WIDTH + i] = sum[i] + *mean;
    }
}

// y, table, outputs -> logits
KERNEL(head, 4, 32, 1)
{
    stage_begin();
    const float *y = (const float *)call.arg[0];
    const float *table = (const float *)call.arg[1];
    i64 row = ((const i32 *)call.arg[2])[block_x()];
    float *logits = (float *)call.arg[3] + (i64)block_x() * VOCABULARY;
    if (thread() < VOCABULARY) {
        float dot = 0;
        for (int i = 0; i < WIDTH; i++)
            dot += y[row * WIDTH + i] * table[thread() * WIDTH + i];
        logits[thread()] = dot;
    }
}

// a, b -> sum, in two launches of which one comes for each number of tokens;
// the counter must be found zero and is left so.
DEVICE void add_rows(const Call<3> &call, int tokens)
{
    stage_begin();
    const float *a = (const float *)call.arg[0], *b = (const float *)call.arg[1];
    float *sum = (float *)call.arg[2];
    for (i64 i = thread(); i < (i64)tokens * WIDTH; i += n_threads())
        sum[i] = call.counters[0] ? -1e30f : a[i] + b[i];
}
KERNEL(add_one, 3, 32, 1) { add_rows(call, 1); }
KERNEL(add_many, 3, 64, 1) { add_rows(call, call.tokens); }
