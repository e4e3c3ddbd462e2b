/* interp.h - the meaning of the IR: every op in double precision, plain loops.
 *
 * The oracle for passes, kernels and block types; shares no code with a back
 * end.  Values are doubles (ids and positions too: exact below 2^53).  Where
 * the graph rounds (quantize, append to a state of a narrow type) the
 * interpreter rounds the same way, from the value in float32.
 *
 * An Interp owns its states and decoded weights (heap); one thread at a time.
 * Fusion groups and devices do not matter here. */
#ifndef COMPILER_INTERP_H
#define COMPILER_INTERP_H

#include "compiler/graph.h"

/* Row-major values of one tensor: activations and states with the last axis
 * contiguous; a weight parameter as stored in a file (ne0 contiguous). */
typedef struct {
    int64_t n;
    double *v;
} InterpValue;

/* Fills dst with the n values of a weight, decoded to float32 in file order. */
typedef struct {
    void *ctx;
    Err *(*load)(void *ctx, const char *tensor, float *dst, int64_t n);
} InterpWeights;

/* Called for every tap node executed; v is valid during the call. */
typedef struct {
    void *ctx;
    void (*tap)(void *ctx, const char *name, int64_t index, const double *v,
                int64_t n);
} InterpTap;

typedef struct Interp Interp;

/* Keeps m.  context: rows of the per-token states.  weights may have a NULL
 * load when no graph names a weight. */
Interp *interp_new(const Module *m, InterpWeights weights, int64_t context);
void interp_free(Interp *x);
void interp_set_tap(Interp *x, InterpTap tap);

/* Runs a graph for T tokens of which R rows are wanted, the first at position
 * `past` of the per-token states.  params: one for each parameter, n as its
 * type says (checked); those of state parameters (kernels only) are changed in
 * place and hold `context` rows when per-token.  results: one for each, filled
 * with heap memory that the caller frees (free(results[i].v)). */
typedef struct {
    int64_t tokens, outputs, past;
} InterpStep;
Err *interp_run(Interp *x, const char *graph, InterpStep step,
                const InterpValue *params, InterpValue *results) MUST_USE;

/* All states to zero. */
void interp_reset(Interp *x);

/* Keeps a copy of all states, and brings it back any number of times.  States
 * that did not exist at the mark become zero. */
void interp_mark(Interp *x);
void interp_rewind(Interp *x);

#endif
