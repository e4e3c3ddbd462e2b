/* rows.h - computing EW and ROW nodes for one row at a time.
 *
 * A row of a value is what belongs to one step of its symbolic axis, or a
 * `lead`-th part of that (matrix products: all axes but the last are rows).
 * Nodes are computed either for whole rows or for a range of `width` elements
 * of a row of `total`: a column tile, one head.  Consecutive elementwise nodes
 * over the same elements become one vector loop (emit_ew.c); what others need
 * of it is stored in the result or in the thread's scratch. */
#ifndef GEN_LLVM_ROWS_H
#define GEN_LLVM_ROWS_H

#include "gen/llvm/emit.h"
#include "gen/llvm/layout.h"

/* Where the values of a node lie. */
typedef struct {
    LLVMValueRef base; /* NULL: nowhere (yet) */
    BlockType type;
    int64_t row_stride; /* elements from row to row; 0: one row for all */
    int64_t offset;     /* elements */
    Layout lay;
} Value;

typedef struct {
    Emit *e;
    Ir *ir;
    const Graph *g;
    int64_t lead;       /* rows in a step of the symbolic axis */
    const bool *member; /* nodes to compute */
    Value *value;       /* of every node that has been placed */
    LLVMValueRef row;
    LLVMValueRef first; /* start of the range; NULL: whole rows */
    LLVMValueRef len;   /* elements of the range, if fewer than width */
    int64_t total, width;
} Rows;

/* total and width: 0 for whole rows. */
Rows rows_new(Emit *e, const bool *member, int64_t total, int64_t width);
/* Says that node n, computed by the caller, lies dense at `base` for the range
 * at hand, in f32. */
void rows_given(Rows *r, Ref n, LLVMValueRef base);
/* Emits the EW and ROW members, in order, for r->row, and stores results. */
void rows_run(Rows *r);

/* ---- for the emitters of single nodes ---- */

Shape rows_shape(const Rows *r, Ref n);
/* Elements of node n that are computed together, and the first of them. */
int64_t rows_count(const Rows *r, Ref n);
LLVMValueRef rows_start(Rows *r, Ref n);
/* The node behind reshapes. */
Ref rows_root(const Rows *r, Ref n);
/* Where n lies (made for sources and views). */
Value rows_value(Rows *r, Ref n);
/* Address of a value's element 0 in row r->row. */
LLVMValueRef rows_at(Rows *r, const Value *v);
LLVMValueRef rows_at_row(Rows *r, const Value *v, LLVMValueRef row);
/* Gives node n memory: its result, or scratch. */
Value rows_place(Rows *r, Ref n);
/* n as f32 with runs of at least d elements (0: all of them); copied to
 * scratch if need be. */
Value rows_input(Rows *r, Ref n, int64_t d);
/* Copies n f32 elements from `first` on, laid out as `lay` from address `from`,
 * to dense memory at `to`. */
void rows_copy(Rows *r, const Layout *lay, LLVMValueRef from,
               LLVMValueRef first, int64_t n, LLVMValueRef to);

/* emit_ew.c: members first..last of one step as one loop. */
void rows_elementwise(Rows *r, const Ref *node, int n);

/* emit_row.c: one emitter a ROW op; NULL for the others. */
typedef void RowFn(Rows *r, Ref n);
extern RowFn *const emit_row_op[OP_COUNT];

#endif
