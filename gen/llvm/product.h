/* product.h - one tile of a matrix product: some rows of x by some columns.
 *
 * Few rows: one dot product a row and column, decoding on the way.  More: the
 * columns are decoded into scratch (or, with integer activations, stay as they
 * are) and serve all rows of the tile. */
#ifndef GEN_LLVM_PRODUCT_H
#define GEN_LLVM_PRODUCT_H

#include "gen/llvm/emit.h"

enum { PRODUCT_COLS = 16, PRODUCT_ROWS = 64 }; /* of a tile */

/* The left side, and which rows of it a tile has. */
typedef struct {
    Emit *e;
    LLVMValueRef x;    /* row 0 */
    BlockType type;    /* f32, q8a or q16a */
    int64_t k;         /* values in a row */
    int64_t row_bytes; /* from row to row */
    int64_t share;     /* consecutive row numbers that are one row of x */
    LLVMValueRef list; /* i32 row numbers, or NULL: first, first + 1, .. */
    LLVMValueRef first;
    LLVMValueRef count; /* at most PRODUCT_ROWS */
    LLVMValueRef rows;  /* scratch: pointers for the tile functions */
    LLVMValueRef sums;  /* scratch: of PRODUCT_ROWS rows, or NULL */
    LLVMValueRef panel; /* scratch: decoded columns, or NULL */
    int64_t panel_cols;
    LLVMValueRef floats; /* scratch: decoded rows of x, or NULL */
    bool always_floats;  /* not only if there are many */
} Product;

/* Scratch for products with these n weights. */
Product product_new(Emit *e, BlockType x, int64_t k, const Type *const *weights,
                    int n);
/* Number of the i-th row of the tile. */
LLVMValueRef product_row(const Product *p, LLVMValueRef i);
/* After the rows were set: what the tile functions need to know of them. */
void product_rows_ready(const Product *p);
/* out[i * PRODUCT_COLS + j] = x row i . w row j for j < cols (i64, at most
 * PRODUCT_COLS); w points at the first of these rows, of type and packing t. */
void product_tile(const Product *p, LLVMValueRef w, const Type *t,
                  LLVMValueRef cols, LLVMValueRef out);

/* ---- between product.c and product_packed.c ---- */

LLVMValueRef product_x_row(const Product *p, LLVMValueRef i);
/* Puts pointers to n rows from i on, the last one repeated, and to their sums,
 * where the tile functions expect them. */
void product_point(const Product *p, LLVMValueRef i, int n);
LLVMValueRef product_out(Ir *ir, LLVMValueRef out, LLVMValueRef row,
                         LLVMValueRef col);
/* Fewer rows than pay for decoding columns? */
LLVMValueRef product_few(const Product *p);
void product_packed_tile(const Product *p, LLVMValueRef w, BlockType t,
                         LLVMValueRef cols, LLVMValueRef out);
/* Decodes the rows if there are many. */
void product_packed_ready(const Product *p);

/* Bytes of a tile's products. */
enum { PRODUCT_BYTES = PRODUCT_COLS * PRODUCT_ROWS * 4 };

#endif
