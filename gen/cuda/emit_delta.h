/* emit_delta.h - the gated delta rule's kernel while it is written: shared by
 * emit_delta.c and emit_delta_before.c. */
#ifndef GEN_CUDA_EMIT_DELTA_H
#define GEN_CUDA_EMIT_DELTA_H

#include "gen/cuda/emit_conv.h"

typedef struct {
    Emit *e;
    Ref ref; /* of the rule */
    const Node *node;
    int64_t Hk, dk, Hv, dv;
    bool *member;       /* what is behind it: EW, norms and roundings */
    const char **given; /* by node: what Element wants */
    int n_norms;
    bool aligned; /* rows of q, k and v begin at multiples of 4 */
    /* Before the rule: q, k and v under norms and factors; the last value of a
     * convolution that they are heads of, NO_REF if there is none. */
    Ref below[3], end;
    Conv conv;
    /* Few tokens: the block of a head convolves what the head reads.  Otherwise,
     * and of more tokens, launches of their own leave it in conv.to. */
    bool by_heads;
} Delta;

/* What the rule reads: sizes, limits, the convolution. */
void delta_find_arguments(Delta *x);
/* struct Conv */
void delta_put_conv(Delta *x);
/* What delta.cuh asks of Rule, up to the state. */
void delta_put_arguments(Delta *x);

#endif
