/* emit.h - from a kernel function of the graph to a CUDA unit.
 *
 * One emitter a kernel class (emit_row.c, ...) writes wrappers around the tile
 * functions of the .cuh files: constants, what is computed element by element,
 * launches.  A kernel's launches are one unit, except those that take long to
 * compile: they stand alone, behind the same functions.  A unit holds numbers and names made here (k7, v3), never a text of
 * the model.
 *
 * All memory is the arena's.  Emission never stops half-way: the first error
 * is kept in `err`. */
#ifndef GEN_CUDA_EMIT_H
#define GEN_CUDA_EMIT_H

#include "compiler/kernels.h"
#include "gen/cuda/cuda.h"

typedef struct {
    Arena *arena;
    CudaCode *code;
    const Graph *g;
    const char *name;  /* of the kernel: prefix of its symbols */
    int64_t tokens, outputs; /* most of a step */
    int n_args;        /* parameters, then results */
    Buf head, body;    /* includes; functions that all launches may use */
    Buf launches, alone; /* of the kernel's unit; one that has its own */
    Buf *text;         /* the one of them that is written to */
    int unit;          /* of `launches` */
    CudaKernel *kernel;
    int cap_launches;
    /* By node, may be NULL: values of the kernel that lie in memory of their
     * own, as names of functions of the index in a row. */
    const char **stored;
    /* By node, may be NULL: values that no argument holds, but scratch; address
     * of the first row, as text. */
    const char **kept;
    Err *err;
} Emit;

/* Keeps the first error; err may be NULL. */
void emit_fail(Emit *e, Err *err);

/* ---- text */

/* #include "file", once. */
void emit_include(Emit *e, const char *file);
void emit_text(Emit *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A string in the arena. */
const char *emit_format(Emit *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* KERNEL(name, n_args, threads, blocks) and the launch of it, `suffix` behind
 * the kernel's name; the caller writes the body in braces.  l->symbol, l->threads
 * and l->unit are set here.  What is written before the first one is common to
 * all launches, what is written later belongs to the last one. */
void emit_kernel(Emit *e, const char *suffix, int threads, int blocks,
                 CudaLaunch l);
/* The same in a unit of its own, for what takes seconds to compile. */
void emit_kernel_alone(Emit *e, const char *suffix, int threads, int blocks,
                       CudaLaunch l);
/* The last kernel once more, for other steps. */
void emit_launch_again(Emit *e, CudaLaunch l);
/* Bytes of scratch that a launch wants besides those asked for before, for
 * every step: e(s) = ceil(k s / per), rounded up to 256.  The offset is text:
 * an expression of the call.  Only one symbol a kernel. */
const char *emit_scratch(Emit *e, int64_t bytes_each, Sym by);
/* The value lies in scratch, as f32 rows, for other launches of the kernel. */
void emit_keep(Emit *e, Ref r);
/* u32 words, zero before and after; returns the first one's number. */
int64_t emit_counters(Emit *e, int64_t n);

/* ---- the graph */

static inline const Node *emit_node(const Emit *e, Ref r)
{
    return &e->g->node[r];
}
/* The node behind views. */
Ref emit_root(const Emit *e, Ref r);
/* The first node of that kind, NO_REF if there is none. */
Ref emit_find(const Emit *e, OpKind kind);
/* The symbol of the leading axis, SYM_ONE if there is none. */
Sym emit_lead(const Type *t);
/* Elements that belong to one step of the leading axis: all if it is plain. */
int64_t emit_row_size(const Type *t);
/* "call.tokens", "call.outputs", "1" */
const char *emit_count(Sym s);
/* Number of the argument that holds a parameter or a result's value; -1 if the
 * node is neither. */
int emit_arg(const Emit *e, Ref r);

/* ---- elements (emit_ew.c) */

/* The functions op_NAME of the elementwise ops in the kernel; write it once,
 * before anything that uses them. */
void emit_ops(Emit *e);
/* C++ type of elements: "float", "u16" for halves, "i32", "u8" for blocks. */
const char *emit_type(BlockType t);
/* The element of r, a float or i32 expression: parameters, through views, with
 * unit axes repeated.  row: expression of the leading index; i: expression of
 * the linear index in a row shaped like `as` (its type).  Weights have no row. */
const char *emit_element(Emit *e, Ref r, const Type *as, const char *row,
                         const char *i);
/* Index of the element in the row of the node behind r's views. */
const char *emit_view_index(Emit *e, Ref r, const char *i);

/* Elementwise members, and combines, computed for one element. */
typedef struct {
    const bool *member;  /* by node: EW nodes to compute, in order */
    const char **given;  /* by node: an expression that holds it, or NULL */
    const char *row, *i; /* expressions of the element's place */
} Element;
/* Statements `float v3 = ...;` for each member, and stores of those that are
 * results of the kernel (given nodes that are results, too).  A member may be a
 * quantize whose value is no member's operand: then a warp has 32 elements in a
 * row, a whole block, and the unit includes place.cuh. */
void emit_elements(Emit *e, const Element *x);
/* The functions' member
 *     operands(call, t, i, x)   to x[OPERANDS] what the members read of
 *                               parameters for element i of row t
 * and given[] for these parameters: "x[0]", ..  Parameters of which several
 * elements are read are left out.  (emit_operands.c) */
void emit_operands(Emit *e, const bool *member, const char **given);

/* One emitter a kernel class. */
typedef void ClassFn(Emit *e);
ClassFn emit_row_class, emit_matmul_class, emit_experts_class,
    emit_attention_class, emit_conv_class, emit_delta_class;

#endif
