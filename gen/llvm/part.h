/* part.h - products of one kernel that nodes connect, and their column tiles.
 *
 * Two matrices whose products meet in an EW node are computed tile by tile
 * together; products that never meet are parts of their own. */
#ifndef GEN_LLVM_PART_H
#define GEN_LLVM_PART_H

#include "gen/llvm/product.h"
#include "gen/llvm/rows.h"

enum { PART_MAX = 16 };

typedef struct {
    int n; /* products */
    Ref product[PART_MAX];
    int64_t columns; /* of each */
    bool *member;    /* nodes of the part */
    Rows rows;       /* of the epilogue */
} Part;

typedef struct {
    Emit *e;
    int n;
    Part part[PART_MAX];
    Product left;
    LLVMValueRef out; /* scratch: a tile of each product */
} Parts;

/* Finds the products of that kind, their parts and their left side. */
Parts *parts_new(Emit *e, OpKind kind);
int64_t part_tiles(const Part *p);
/* Columns [tile * PRODUCT_COLS, ..) for the rows set in left, epilogue and
 * stores included.  expert: which matrix of the weights; NULL if they are
 * plain matrices. */
void part_tile(Parts *ps, Part *p, LLVMValueRef tile, LLVMValueRef expert);
/* Rows of a value: all axes but the last. */
Dim part_rows(const Type *t);

#endif
