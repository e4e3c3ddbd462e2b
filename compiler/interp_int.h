/* interp_int.h - shared by the files of the interpreter. */
#ifndef COMPILER_INTERP_INT_H
#define COMPILER_INTERP_INT_H

#include "compiler/interp.h"

/* One value while a graph runs. */
typedef struct {
    int64_t n;      /* elements */
    int64_t last;   /* extent of the contiguous axis */
    double *v;      /* values; NULL for weights */
    const float *w; /* weights, in file order */
    BlockType dtype;
    int rank;
    int64_t dim[MAX_RANK];
    bool owned; /* v is freed when the run ends */
} Cell;

typedef struct {
    Interp *x;
    const Graph *g;
    const Node *n; /* being evaluated */
    InterpStep step;
    Cell *cell; /* one a node */
} Frame;

/* Evaluates one node: arguments are done, y has its extents and zeroed v. */
typedef void EvalFn(const Frame *f, const Cell *const *arg, Cell *y);

/* interp_ops.c and interp_seq.c */
EvalFn eval_elementwise, eval_copy, eval_slice, eval_const, eval_sum, eval_mean,
    eval_softmax, eval_rmsnorm, eval_l2norm, eval_rope, eval_topk, eval_take,
    eval_combine, eval_concat, eval_quantize, eval_embed, eval_rows,
    eval_matmul, eval_matmul_experts, eval_append, eval_attention, eval_conv,
    eval_delta;

/* The i-th value of an argument that may be a weight vector. */
static inline double cell_at(const Cell *c, int64_t i)
{
    return c->v ? c->v[i] : (double)c->w[i];
}

#endif
