/* emit.h - from a kernel function of the graph to an LLVM function.
 *
 * One emitter a kernel class (emit_matmul.c, ...) lays out the work items and
 * the loops; whatever is computed row by row (EW and ROW nodes: all of a row
 * kernel, the epilogue of the others) goes through rows.h.  Tile functions that
 * depend on nothing but a block type (dot products, decoding) are internal
 * functions of the LLVM module, made on first use and shared by its kernels.
 *
 * All memory is the arena's.  Emission never stops half-way: the first error
 * is kept in `err` and the module thrown away. */
#ifndef GEN_LLVM_EMIT_H
#define GEN_LLVM_EMIT_H

#include "compiler/kernels.h"
#include "gen/llvm/ir.h"
#include "runtime/host_provider.h"

typedef struct {
    Ir *ir;
    const Graph *g;
    Err *err;
    LLVMValueRef begin, end, scratch, shared, counters;
    LLVMValueRef tokens, outputs, past; /* i64 */
    LLVMValueRef *arg;                  /* pointers: [n_params + n_results] */
    Dim items;                          /* set by the class emitter */
    int64_t scratch_used, shared_used, counters_used; /* bytes */
} Emit;

/* Emits kernel function g and its NAME.info. */
Err *emit_kernel(Ir *ir, const Graph *g) MUST_USE;

/* Keeps the first error; e may be NULL. */
void emit_fail(Emit *e, Err *err);
/* Room in the thread's scratch memory, 64-byte aligned. */
LLVMValueRef emit_scratch(Emit *e, int64_t bytes);
static inline LLVMValueRef emit_scratch_f32(Emit *e, int64_t n)
{
    return emit_scratch(e, n * 4);
}
/* Room in the memory that all threads share, likewise (KernelInfo.shared). */
LLVMValueRef emit_shared(Emit *e, int64_t bytes);
/* n counters of COUNTER_BYTES each, for all threads: zero before and after. */
enum { COUNTER_BYTES = 64 }; /* so that threads do not take lines in turns */
LLVMValueRef emit_counters(Emit *e, int64_t n);
/* The value of a dimension in this step. */
LLVMValueRef emit_dim(Emit *e, Dim d);
/* Pointer to the memory of a result, by its number. */
static inline LLVMValueRef emit_result(const Emit *e, int i)
{
    return e->arg[e->g->n_params + (uint32_t)i];
}
/* The first node of that kind. */
Ref emit_find(const Emit *e, OpKind kind);

/* One emitter a kernel class: emits the body, sets e->items. */
typedef void ClassFn(Emit *e);
ClassFn emit_row_class, emit_matmul_class, emit_experts_class,
    emit_attention_class, emit_conv_class, emit_delta_class;

#endif
