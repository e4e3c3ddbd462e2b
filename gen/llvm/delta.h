/* delta.h - shared by the two forms of the gated delta rule. */
#ifndef GEN_LLVM_DELTA_H
#define GEN_LLVM_DELTA_H

#include "gen/llvm/rows.h"

typedef struct {
    Emit *e;
    Ir *ir;
    Rows *rows; /* of the epilogue; its range is the head */
    const Node *node;
    Ref node_ref;
    int64_t Hk, dk, Hv, dv;
    Value q, k, v, beta, g;
    LLVMValueRef head;      /* value head at hand */
    LLVMValueRef key_first; /* first element of its key head in a row */
    LLVMValueRef state;     /* its S */
    LLVMValueRef out;       /* scratch [dv] */
} Delta;

/* Address of element `first` of token t's row; scalar of the head. */
LLVMValueRef delta_row(const Delta *x, const Value *v, LLVMValueRef t,
                       LLVMValueRef first);
LLVMValueRef delta_scalar(const Delta *x, const Value *v, LLVMValueRef t);
/* a . b over dk values */
LLVMValueRef delta_dot(const Delta *x, LLVMValueRef a, LLVMValueRef b);
/* Epilogue of token t; its o lies at `at`. */
void delta_finish(const Delta *x, LLVMValueRef t, LLVMValueRef at);

/* delta_chunk.c: all tokens of the head in chunks. */
void delta_chunked(const Delta *x);

#endif
