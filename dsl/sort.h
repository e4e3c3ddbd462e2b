/* sort.h - what an expression is: making, comparing and naming sorts. */
#ifndef DSL_SORT_H
#define DSL_SORT_H

#include "base/buf.h"
#include "dsl/ast.h"

/* A sort that has no shape: SORT_ERROR, SORT_INT ... SORT_SCOPE, SORT_WORD. */
const Sort *sort_plain(SortKind kind);
/* kind SORT_TENSOR, SORT_WEIGHT (with its shape) or SORT_STATE. */
const Sort *sort_shaped(Arena *a, SortKind kind, ElemKind elem, int rank,
                        const Poly *const *dims);
const Sort *sort_tuple(Arena *a, int n, const Sort *const *items);

bool sort_same_shape(const Sort *a, const Sort *b);
bool sort_equal(const Sort *a, const Sort *b);
bool sort_is_static(const Sort *s); /* int, float, bool or string */

/* "[T, D]", "i32[T]", "int", "weight [D, F]", "([T, D], i32[T, k])" */
void sort_print(const Sort *s, Buf *out);
void sort_print_dims(const Poly *const *dims, int rank, Buf *out);
const char *sort_text(Arena *a, const Sort *s);

#endif
