/* executor.h - one step of a model, whoever computes it: the compiled plan
 * (exec.h) or the interpreter.
 *
 * An executor holds the states of one sequence.  One thread at a time. */
#ifndef RUNTIME_EXECUTOR_H
#define RUNTIME_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* One call of an entry point: n tokens that follow `past` others of the
 * sequence.  n <= batch, n_rows <= outputs, past + n <= context. */
typedef struct {
    int program; /* ExecutorInfo.program */
    int64_t past, n;
    const int32_t *tokens;    /* [n], each in [0, vocabulary) */
    const int32_t *positions; /* [n] */
    const float *hidden;      /* [n, width], if the entry point takes it */
    const int32_t *rows;      /* [n_rows] ascending: tokens whose logits are
                                 wanted, counted in this step */
    int64_t n_rows;
} Step;

/* A probe of the model text: what it saw in this step. */
typedef struct {
    const char *name; /* "hidden[3]" */
    int64_t width;
    const float *values; /* [n, width] */
} StepTap;

/* Valid until the next call; NULL where the entry point has no such result. */
typedef struct {
    const float *logits; /* [n_rows, vocabulary] */
    const float *hidden; /* [n, width] */
    int n_taps;          /* the same ones in the same order in every step */
    const StepTap *tap;
} StepResult;

typedef struct {
    const char *name;
    bool takes_hidden;
    int64_t vocabulary; /* width of the logits, 0 if it has none */
    int64_t width;      /* of hidden, 0 if it has none */
} ProgramInfo;

typedef struct {
    int64_t context, batch, outputs;
    int n_programs;
    const ProgramInfo *program;
} ExecutorInfo;

typedef struct Executor Executor;

typedef struct {
    Err *(*step)(Executor *x, const Step *s, StepResult *out);
    Err *(*reset)(Executor *x); /* all states to those of an empty sequence */
    /* Keeps a copy of the states that steps change in place; rewind brings it
     * back, any number of times.  Rows of per-token states need no copy: they
     * stay until a step writes at their place again. */
    Err *(*mark)(Executor *x);
    Err *(*rewind)(Executor *x);
    void (*close)(Executor *x);
} ExecutorKind;

/* The part that every kind begins with. */
struct Executor {
    const ExecutorKind *kind;
    ExecutorInfo info;
};

#endif
