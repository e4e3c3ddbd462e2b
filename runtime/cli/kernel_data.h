/* kernel_data.h - random arguments for kernels, as bytes and as the interpreter
 * takes them. */
#ifndef CLI_KERNEL_DATA_H
#define CLI_KERNEL_DATA_H

#include "base/random.h"
#include "runtime/cli/kernel_cases.h"

/* One argument.  `bytes` lie as in a file, unpacked.  Heap memory. */
typedef struct {
    BlockType type;
    int64_t n, n_bytes; /* values, bytes */
    uint8_t *bytes;
    double *v; /* decoded */
} KernelValue;

/* Where a step runs; capacity: rows of the per-token states. */
typedef struct {
    InterpStep at;
    int64_t capacity;
} KernelStep;

/* A parameter of g with random values; ids are such as their readers take. */
KernelValue kernel_value_random(Random *r, const Graph *g, Ref param,
                                KernelStep s, KernelFill fill);
/* Room for a result; every byte is 0xff, v is NULL. */
KernelValue kernel_value_result(const Type *t, KernelStep s);
/* v from the bytes. */
void kernel_value_decode(KernelValue *v);
void kernel_value_free(KernelValue *v);

#endif
