/* emit_product.h - what the kernels of matrix products have in common: which
 * products stand together, which tile functions they take. */
#ifndef GEN_CUDA_EMIT_PRODUCT_H
#define GEN_CUDA_EMIT_PRODUCT_H

#include "gen/cuda/emit_row.h"

/* Products whose values meet in elementwise nodes: they have the same columns
 * and are computed by the same block. */
typedef struct {
    int n_products;
    Ref *product;   /* in order */
    bool *member;   /* by node: EW nodes computed with them */
    int64_t columns;
    bool tiles;     /* all in tiles of one type, at most two: else as in file */
    bool float_rows; /* as in the file, but fit for the matrix units */
} Part;

typedef struct {
    Emit *e;
    OpKind kind;
    const char *prefix; /* of its functions and launches: two in one kernel */
    Ref left;       /* the values: an argument of the kernel behind views */
    int64_t k;      /* values of a row */
    int64_t rows;   /* rows of values in a step of the leading axis */
    Sym lead;
    const char *from;   /* address of the first row, as text */
    int64_t row_bytes;  /* from a row to the next */
    bool source;        /* f32 rows, normed or rounded here (prologue.cuh) */
    Ref norm;           /* the rmsnorm, or NO_REF */
    const char *act;    /* "F32", "Q8", "Q16" */
    int act_shared;     /* bytes of 32 values in shared memory (matvec.cuh) */
    int n;
    Part *part;
    bool split; /* a part's products go to scratch, their members to a launch of
                   their own */
    const char **raw; /* by node, if split: where products lie in scratch */
    bool *member;     /* by node: of any part */
    const bool *choice; /* by node: of no part, but behind them; or NULL */
    Ref left_rounded;   /* what the prologue leaves for others, or NO_REF */
    const Rows *beside; /* what computes these two; or NULL */
} Products;

Products *products_new(Emit *e, OpKind kind, const char *prefix);
/* "Source<ActQ8, 4096, true>" and an initialiser of it. */
const char *products_source_type(Products *p);
const char *products_source(Products *p);
/* Statements that begin the stage and bring `rows` (an expression) rows to
 * shared memory; room: 33 floats there. */
void products_stage(Products *p, const char *rows, const char *room);
/* "Block_q5_k<4>" of a product's matrix; its J (tile.cuh). */
const char *products_block(Products *p, Ref product);
int products_width(const Products *p);
BlockType products_type(const Products *p, Ref product);
/* Argument number of a product's matrix. */
int products_matrix(const Products *p, Ref product);
/* #includes the decoders of all matrices. */
void products_include(Products *p);
/* DEVICE void kN_PREFIXpI(call, row, n, sums): what is done with the sums of part i
 * at column n of row `row`. */
void products_done(Products *p, int i);
/* Bytes, as an expression, from 16 rows of the matrix to the next. */
const char *products_rows_bytes(Products *p, Ref product);
/* Likewise, of one of a part's matrices, in tiles. */
const char *products_matrix_bytes(Products *p, const Part *part);
/* Bytes of shared memory for the lookup tables of the matrices' types. */
int64_t products_table(const Products *p);
/* If split: the launch that computes the members. */
void products_members(Products *p);

/* "_dv1": a launch's suffix. */
const char *product_suffix(Products *p, const char *name);
/* Parts that take the same code: it stands there once, rows one part after the
 * other. */
typedef struct {
    int n;
    int *part; /* the numbers; `part` of a launch counts these */
} Together;

/* Part i and those behind it, all among `takes`, that go with it; none if i
 * follows one. */
Together product_group(Products *p, int i, const bool *takes);

/* ---- emit_matvec.c, for experts too */

/* The launches of few rows in tiles, those of one row only if `single`; returns
 * the most rows they take. */
int64_t product_vecs(Products *p, bool single);
/* For one row: all parts in tiles; units that blocks share out; the
 * statements, after `shared`.  The beginning, which names `room`, TABLES, `unit` and
 * `all`, the blocks; behind the values in shared memory the parts, after which `unit`
 * is this block's first of what has its units behind these. */
bool product_has_single(const Products *p);
int64_t product_single_units(Products *p);
void product_single_begin(Products *p);
void product_single_parts(Products *p);
/* Warps that share a row of tiles along k, which they divide; units of so many
 * rows of tiles. */
int product_warps(const Products *p);
int64_t product_units(const Products *p, int64_t rows);
/* Shared memory of the launches for few rows: `rows` rows of values, then the
 * parts of sums of `cols` columns; offsets of these and of the table. */
int64_t product_room_at(const Products *p, int64_t rows);
int64_t product_table_at(const Products *p, int64_t rows, int cols);
/* All of it, for `cols` rows. */
int64_t product_vec_shared(const Products *p, int cols);

/* ---- emit_matmul.c, for experts too */

/* All launches of products with one matrix for all rows; those of one row only
 * if `single`. */
void product_launches(Products *p, bool single);
/* Of a step of the leading axis: bytes of the values in f16, in two parts if
 * split.  The launch that brings them to `to`. */
int64_t product_values_bytes(const Products *p, bool split);
void product_values(Products *p, bool split, const char *suffix, int64_t from,
                    const char *to);
/* Matrix of floats times floats: values and weights in two parts. */
bool product_is_split(const Products *p, const Part *part);
/* The launches for many rows, from `from` on, of matrices in tiles, or of float
 * rows. */
void product_gemms(Products *p, int64_t from, bool float_rows);
/* The beginning of a GemmPlace of these values; tokens follow. */
const char *product_place(Products *p, const Part *part, const char *values);
/* Statements that multiply what w0, w1 and place say. */
void product_gemm(Products *p, const Part *part);
/* Before it: w0 and w1, of tile row `row` of `rows`, whose tiles begin `at` bytes
 * into the matrices (expressions; second NULL: there is only one), `bytes` from
 * row to row; w0 NULL: there is no such row. */
void product_gemm_tiles(Products *p, const char *rows, const char *matrix,
                        const char *second);
/* "call.arg[3]": where matrix n of a part lies. */
const char *product_matrix(Products *p, const Part *part, int n);
/* Behind it: sums of part i to row `values_row` (an expression of token t of the
 * block). */
void product_gemm_results(Products *p, int i, const char *values_row);
/* Of it: bytes of shared memory for values, the tables lie behind them. */
int64_t product_ring(const Products *p);

/* ---- emit_plain.c: matrices as in the file */

/* The y of a grid whose blocks share columns, and the loop that they are in: opens
 * it, and names `n`, this warp's column. */
CudaExtent product_plain_groups(int64_t columns);
void product_plain_begin(Products *p, int64_t columns);
/* In it, for matrices as in the file: what is asked for early of rows `matrix_row` of
 * part i's matrices, if `when` says so; the stage begins, the values of row `row`
 * go to x; the products, in sumI; shared memory. */
void product_plain_first(Products *p, int i, const char *matrix_row,
                         const char *when);
void product_plain_values(Products *p);
void product_plain_dots(Products *p, int i, const char *matrix_row,
                        const char *when);
int64_t product_plain_values_at(const Products *p);
int64_t product_plain_shared(const Products *p);
/* Rows for which all parts share the launch of few rows, and what is beside them;
 * 0: never. */
int64_t product_plain_few(const Products *p);
/* All launches of parts as in the file. */
void product_plain_launches(Products *p);

/* ---- emit_combined.c: the last products of experts, summed up */

typedef struct {
    Products *routed, *alone; /* of the experts; of what all tokens pass */
    int ids;                  /* argument */
    int64_t slots;            /* experts of a token */
} Combined;

/* Do both and all that follows fit one launch for one token? */
bool combined_fits(const Combined *c);
/* That launch. */
void emit_combined(const Combined *c);

#endif
