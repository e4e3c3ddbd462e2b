/* executor.h - one step of a model, whoever computes it: the compiled plan
 * (exec.h) or the interpreter.
 *
 * An executor holds the states of one sequence.  One thread at a time. */
#ifndef RUNTIME_EXECUTOR_H
#define RUNTIME_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/choice.h"

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
    bool logits_only; /* nobody looks at hidden: it need not leave the device */
    bool unread;      /* nor at the logits */
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

/* Called for each of several steps in order, on the caller's thread, when its
 * results are there; they are valid during the call. */
typedef Err *StepDone(void *ctx, int64_t i, const StepResult *r);

typedef struct {
    Err *(*step)(Executor *x, const Step *s, StepResult *out);
    /* n > 0 steps of one program that follow each other, as if one after the
     * other; but later ones may be under way when `done` is called for an
     * earlier one.  An error ends it with the states unknown.  NULL: this kind
     * has only `step`. */
    Err *(*steps)(Executor *x, const Step *s, int64_t n, StepDone *done,
                  void *ctx);
    /* Choosing tokens where the logits are, so that steps can be queued before
     * it is known what they are fed.  NULL: this kind does not.
     * can_choose: whether this executor does, for that program and like this.
     * choose_begin: how tokens are chosen from now on; queues the first choice,
     * from the one row of logits that the last step made.
     * choose_next: queues a step of one token, the one chosen last, and the
     * next choice; s has neither tokens nor results.  Afterwards that token
     * counts as fed.
     * chosen: waits for choice i, one of the last two that were queued. */
    bool (*can_choose)(Executor *x, int program, const Choosing *how);
    Err *(*choose_begin)(Executor *x, const Step *last, const Choosing *how);
    Err *(*choose_next)(Executor *x, const Step *s);
    Err *(*chosen)(Executor *x, int64_t i, int32_t *id);
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
