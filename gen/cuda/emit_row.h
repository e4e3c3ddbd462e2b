/* emit_row.h - row kernels: parts that know nothing of each other, each a chain
 * of phases.
 *
 * A phase is a ROW operation, or none, and the elementwise nodes that follow it
 * element by element in registers.  What a later phase reads lies in shared
 * memory between the two. */
#ifndef GEN_CUDA_EMIT_ROW_H
#define GEN_CUDA_EMIT_ROW_H

#include "gen/cuda/emit.h"

/* Who computes a row of a part. */
typedef enum {
    SPREAD_ROW,      /* one block */
    SPREAD_HEADS,    /* n pieces (last axes), a warp each */
    SPREAD_ELEMENTS, /* one phase, a thread an element */
} Spread;

typedef struct {
    Emit *e;
    int number;    /* in the kernel */
    const int *in; /* by node: number of its part; -1: not computed */
    int *phase;    /* by node, from 1 on */
    int n_phases;
    bool *stored;  /* by node: read by a later phase */
    Spread spread;
    int64_t n, size; /* pieces of a row; elements of its largest value */
    int64_t piece;   /* elements of a piece that no axis says; 0: the last one */
    int threads;     /* of a block */
    int64_t bytes;   /* of shared memory: a block's, or a warp's of HEADS */
} RowPart;

/* All parts of a kernel. */
typedef struct {
    Emit *e;
    RowPart *part;
    int n;
} Rows;

/* ---- emit_row.c, for rows beside products (kernels.h): a choice behind them,
 * what their prologue leaves; what they read is an argument or kept */
/* Writes the functions of the parts of nodes in `only`. */
Rows *rows_beside(Emit *e, const bool *only);
/* Statements that compute the row `row` of the parts in `choice` with this block of
 * 256 threads, in so many bytes at `shared`. */
void rows_put(const Rows *r, const bool *choice);
int64_t rows_shared(const Rows *r, const bool *choice);
/* A launch of its own for `from` rows and more. */
void rows_launch(const Rows *r, const char *suffix, int64_t from, Sym rows);

/* ---- phases */

static inline bool row_has(const RowPart *p, Ref r)
{
    return p->in[r] == p->number;
}
/* Elements of a node's row, and of its last axis. */
int64_t row_size(const RowPart *p, Ref r);
int64_t row_last(const RowPart *p, Ref r);

/* Are the ROW node's elements expressions of parameters and stored values? */
bool row_is_pointwise(const RowPart *p, Ref n);
/* The node that begins a phase. */
Ref row_leader(const RowPart *p, int phase);
/* Tables of constants that phases of this or other parts want. */
void emit_row_tables(const RowPart *p);
/* Bytes of shared memory behind a block's first 512 that they want. */
int64_t emit_row_room(const RowPart *p);
/* Text of a phase; names in scope: call, row, h, team, shared (bytes of this
 * part), and for ELEMENTS first and stride. */
void emit_phase(RowPart *p, int phase);

#endif
