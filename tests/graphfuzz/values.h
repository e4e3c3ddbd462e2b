/* values.h - what the entries of a case compute: by the interpreter, and in the
 * same order by an executor. */
#ifndef TESTS_GRAPHFUZZ_VALUES_H
#define TESTS_GRAPHFUZZ_VALUES_H

#include "runtime/executor.h"
#include "tests/graphfuzz/graphfuzz.h"

/* A result or tap of one step, row-major. */
typedef struct {
    const char *entry, *name; /* "logits", "hidden", "tap3[1]" */
    int step;
    int64_t n, width;
    double *v;
} Value;

typedef struct {
    Arena *arena;
    int n, cap;
    Value *at;
} Values;

/* m is the case's module, or what passes made of it; its weights are in file.
 * Weights "noise.X" are 1 plus a number of about 2^-20 that depends on
 * `noise`. */
Err *values_interpret(Values *v, const FuzzCase *c, const Module *m,
                      const Gguf *file, uint64_t noise) MUST_USE;
Err *values_execute(Values *v, const FuzzCase *c, Executor *x) MUST_USE;

/* NULL if there is none. */
const Value *values_find(const Values *v, const Value *like);

#endif
