/* layout.h - how the elements of one row of a tensor lie in memory.
 *
 * A Layout maps the linear index of an element in its row (last axis fastest)
 * to an offset in elements.  A reshape leaves it alone, a slice or a broadcast
 * makes another one; so views cost nothing but address arithmetic. */
#ifndef GEN_LLVM_LAYOUT_H
#define GEN_LLVM_LAYOUT_H

#include "compiler/graph.h"
#include "gen/llvm/ir.h"

enum { LAYOUT_MAX = 2 * MAX_RANK };

/* Extents of a row, outermost first. */
typedef struct {
    int rank;
    int64_t dim[MAX_RANK];
} Shape;

/* Outermost first; neighbours that could be one are one; no unit sizes. */
typedef struct {
    int n;
    int64_t size[LAYOUT_MAX], stride[LAYOUT_MAX];
} Layout;

int64_t shape_size(const Shape *s);
Layout layout_dense(int64_t n);
/* The layout of a tensor of shape `from` seen with shape `to`, its unit axes
 * repeated.  False if the axes do not follow from the layout. */
bool layout_broadcast(const Layout *l, const Shape *from, const Shape *to,
                      Layout *out);
/* Elements [begin, begin + size) of the last axis, `last` wide.  *offset is
 * where the first of them lies. */
bool layout_slice(const Layout *l, int64_t last, int64_t begin, int64_t size,
                  Layout *out, int64_t *offset);
/* Is it `rows` rows of `width` elements side by side?  *stride: from one to the
 * next. */
bool layout_rows(const Layout *l, int64_t rows, int64_t width, int64_t *stride);
/* From any multiple of this number on, so many elements lie side by side (or
 * are all the same one): 0 if that is true of the whole row. */
int64_t layout_run(const Layout *l);
/* Within a run: 1 side by side; else the same element. */
static inline bool layout_is_repeat(const Layout *l)
{
    return !l->n || l->stride[l->n - 1] != 1;
}
LLVMValueRef layout_offset(Ir *ir, const Layout *l, LLVMValueRef i);

#endif
