/* emit_conv.h - a causal convolution and what follows it element by element, in
 * a kernel of its own (emit_conv.c) or in front of the delta rule. */
#ifndef GEN_CUDA_EMIT_CONV_H
#define GEN_CUDA_EMIT_CONV_H

#include "gen/cuda/emit.h"

typedef struct {
    Emit *e;
    Ref n;             /* the convolution */
    const bool *after; /* by node: elementwise nodes behind it */
    long long taps, channels;
    /* The last of them, f32 [T,channels], if it is no result, and the memory for
     * it, an expression of the call.  NO_REF: what is stored are results. */
    Ref last;
    const char *to;
} Conv;

/* Sizes and limits; after, last and to are the caller's. */
Conv conv_new(Emit *e);
/* What conv.cuh asks of struct Conv; the caller opens and closes it.  With `last`
 * also value(call, t, c, y), what it is for a sum, and store() only with `to`. */
void conv_members(const Conv *c);
/* The launches for all steps of at least `from` tokens. */
void conv_launches(const Conv *c, int64_t from);

#endif
