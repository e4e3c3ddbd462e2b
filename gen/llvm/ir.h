/* ir.h - short names for building LLVM IR.
 *
 * A value is a scalar or a vector; a vector of one lane is written as a scalar,
 * so the same emitter makes the wide body of a loop and its last few elements.
 * Vectors may be wider than a register: the back end splits them, which is how
 * one accumulator variable becomes several independent ones.
 *
 * Loads and stores assume no alignment.  Nothing is reassociated; a fused
 * multiply-add appears only where l_fma() is called. */
#ifndef GEN_LLVM_IR_H
#define GEN_LLVM_IR_H

#include <stdbool.h>
#include <stdint.h>

#include <llvm-c/Core.h>

#include "base/arena.h"
#include "base/blocks.h"

/* What the emitters know of a processor. */
typedef struct {
    const char *name;     /* as compile() takes it */
    const char *llvm;     /* LLVM's name */
    const char *features; /* "+avx2,-..." */
    int lanes;            /* f32 values in a register */
    bool fma, f16c, vnni;
} Cpu;

typedef struct {
    Arena *arena;
    const Cpu *cpu;
    int lanes; /* of cpu */
    LLVMContextRef ctx;
    LLVMModuleRef mod;
    LLVMBuilderRef b;
    LLVMTypeRef none, i1, i8, i16, i32, i64, f16, f32, f64, ptr;
    LLVMValueRef fn;        /* the function being built */
    LLVMValueRef entry_end; /* last instruction of its first block */
} Ir;

void ir_init(Ir *ir, Arena *a, const Cpu *cpu, const char *module);
void ir_fini(Ir *ir);

/* ---- functions ---- */

/* Where another function's building was interrupted. */
typedef struct {
    LLVMValueRef fn, entry_end;
    LLVMBasicBlockRef at;
} IrPlace;

LLVMTypeRef l_fn_type(LLVMTypeRef ret, const LLVMTypeRef *params, int n);
/* Starts the body of a new function: `entry` for variables, then `body`. */
IrPlace l_fn_begin(Ir *ir, LLVMValueRef fn);
/* Goes back to what was being built before. */
void l_fn_end(Ir *ir, IrPlace back);
/* A function of the module that its kernels share, without a result: `params`
 * is a letter a parameter, p a pointer, i an i64.  *is_new: the caller builds
 * its body, from l_fn_begin() to l_helper_end(), which returns the function. */
LLVMValueRef l_helper(Ir *ir, const char *name, const char *params,
                      bool *is_new);
LLVMValueRef l_helper_end(Ir *ir, IrPlace back);
LLVMValueRef l_call(Ir *ir, LLVMValueRef fn, LLVMValueRef *args, int n);
static inline LLVMValueRef l_param(const Ir *ir, unsigned i, const char *name)
{
    LLVMValueRef p = LLVMGetParam(ir->fn, i);
    LLVMSetValueName(p, name);
    return p;
}
/* An LLVM intrinsic overloaded on `over` (NULL: not overloaded). */
LLVMValueRef l_intrinsic(Ir *ir, const char *name, LLVMTypeRef over,
                         LLVMValueRef *args, int n);

/* ---- types and constants ---- */

static inline LLVMTypeRef l_vec(LLVMTypeRef t, int lanes)
{
    return lanes == 1 ? t : LLVMVectorType(t, (unsigned)lanes);
}
static inline LLVMTypeRef l_type(LLVMValueRef v) { return LLVMTypeOf(v); }
int l_lanes(LLVMValueRef v);
LLVMValueRef l_int(const Ir *ir, int64_t v); /* i64 */
LLVMValueRef l_i32(const Ir *ir, int64_t v);
LLVMValueRef l_real(const Ir *ir, double v); /* f32 */
/* v in every lane of a constant of x's type. */
LLVMValueRef l_like(LLVMValueRef x, double v);
LLVMValueRef l_int_like(LLVMValueRef x, int64_t v);
LLVMValueRef l_const_vec(LLVMTypeRef elem, const int64_t *v, int n);
/* A private constant array in the module. */
LLVMValueRef l_table(Ir *ir, const char *name, LLVMTypeRef elem,
                     LLVMValueRef *v, int n);

/* ---- memory ---- */

LLVMValueRef l_load(Ir *ir, LLVMTypeRef t, LLVMValueRef p);
void l_store(Ir *ir, LLVMValueRef v, LLVMValueRef p);
/* p + bytes */
LLVMValueRef l_at(Ir *ir, LLVMValueRef p, int64_t bytes);
/* p + i * bytes */
LLVMValueRef l_index(Ir *ir, LLVMValueRef p, LLVMValueRef i, int64_t bytes);
/* Element i of an array of t; i is a multiple of t's block length. */
LLVMValueRef l_elem(Ir *ir, LLVMValueRef p, BlockType t, LLVMValueRef i);
/* Element i of an array of pointers. */
LLVMValueRef l_pointer_at(Ir *ir, LLVMValueRef list, int i);
LLVMValueRef l_f32_at(Ir *ir, LLVMValueRef p, LLVMValueRef i, int lanes);
/* `lanes` values of a FLOAT type or i32, as f32. */
LLVMValueRef l_load_f32(Ir *ir, BlockType t, LLVMValueRef p, int lanes);
/* f32 lanes rounded to a FLOAT type. */
void l_store_f32(Ir *ir, BlockType t, LLVMValueRef v, LLVMValueRef p);
/* p will be read soon; it need not be an address of anything. */
void l_prefetch(Ir *ir, LLVMValueRef p);
/* Fills n bytes at p from src. */
void l_copy(Ir *ir, LLVMValueRef p, LLVMValueRef src, LLVMValueRef n);

/* A variable of the function (becomes a register). */
LLVMValueRef l_var(Ir *ir, LLVMTypeRef t, const char *name);

/* ---- control ---- */

typedef struct {
    LLVMBasicBlockRef head, exit;
    LLVMValueRef i; /* i64 */
    int64_t step;
} Loop;

/* for (i = from; i < to; i += step).  No loop if it must run exactly once. */
Loop l_for(Ir *ir, const char *name, LLVMValueRef from, LLVMValueRef to,
           int64_t step);
void l_end(Ir *ir, Loop *loop);

typedef struct {
    LLVMBasicBlockRef other, done;
} Branch;
Branch l_if(Ir *ir, const char *name, LLVMValueRef cond);
void l_else(Ir *ir, Branch *br);
void l_endif(Ir *ir, Branch *br);

/* Calls body for elements [i, i + lanes) until all n are done: in steps of
 * `width`, then what is left at once; if n is only known at run time, the rest
 * one by one. */
typedef void LaneBody(Ir *ir, void *ctx, LLVMValueRef i, int lanes);
void l_lanes_for(Ir *ir, int64_t n, int width, LaneBody *body, void *ctx);
void l_lanes_upto(Ir *ir, LLVMValueRef n, int width, LaneBody *body, void *ctx);

/* A running sum or maximum over the lanes of such a loop; what is narrower than
 * its variable counts in the first lanes. */
typedef struct {
    LLVMValueRef at; /* variable */
    int lanes;
} Acc;
Acc l_acc(Ir *ir, int lanes, double start);
void l_acc_add(Ir *ir, const Acc *acc, LLVMValueRef v);
void l_acc_fma(Ir *ir, const Acc *acc, LLVMValueRef a, LLVMValueRef b);
void l_acc_max(Ir *ir, const Acc *acc, LLVMValueRef v);
LLVMValueRef l_acc_get(Ir *ir, const Acc *acc); /* all lanes */
LLVMValueRef l_acc_sum(Ir *ir, const Acc *acc);
LLVMValueRef l_acc_most(Ir *ir, const Acc *acc);

#include "gen/llvm/ir_arith.h"

#endif
