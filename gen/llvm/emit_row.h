/* emit_row.h - shared by the emitters of ROW nodes: row_NAME for each of them
 * in ops.def (emit_row.c, emit_rope.c, emit_place.c). */
#ifndef GEN_LLVM_EMIT_ROW_H
#define GEN_LLVM_EMIT_ROW_H

#include "gen/llvm/rows.h"

#define ROW_ROW(name) RowFn row_##name;
#define ROW_SRC(name)
#define ROW_VIEW(name)
#define ROW_EW(name)
#define ROW_MATMUL(name)
#define ROW_EXPERTS(name)
#define ROW_ATTENTION(name)
#define ROW_CONV(name)
#define ROW_DELTA(name)
#define ROW_COMM(name)
#define ROW_CALL(name)
#define OP(name, min, max, kind, attrs, expr) ROW_##kind(name)
#include "compiler/ops.def"
#undef OP
#undef ROW_ROW

static inline const Node *row_node(const Rows *r, Ref n)
{
    return &r->g->node[n];
}

/* The loop over the last-axis rows of an argument: d values at x give what
 * stands at y. */
typedef struct {
    Rows *r;
    Ir *ir;
    int64_t d;
    LLVMValueRef index; /* which of them in the row */
    LLVMValueRef x, y;
    Loop loop;
} Last;

Last row_last_begin(Rows *r, Ref n);
void row_last_end(Last *l);
/* Address of element i of the row at hand. */
LLVMValueRef row_elem(Rows *r, const Value *v, LLVMValueRef i);

#endif
