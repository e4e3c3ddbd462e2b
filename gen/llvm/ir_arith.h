/* ir_arith.h - the arithmetic part of ir.h, which includes it. */
#ifndef GEN_LLVM_IR_ARITH_H
#define GEN_LLVM_IR_ARITH_H

#include "gen/llvm/ir.h"

/* ---- integer and float arithmetic ---- */

#define L_BINARY(name, Build)                                                  \
    static inline LLVMValueRef name(const Ir *ir, LLVMValueRef a,              \
                                    LLVMValueRef c)                            \
    {                                                                          \
        return Build(ir->b, a, c, "");                                         \
    }
L_BINARY(l_add, LLVMBuildAdd)
L_BINARY(l_sub, LLVMBuildSub)
L_BINARY(l_mul, LLVMBuildMul)
L_BINARY(l_div, LLVMBuildUDiv)
L_BINARY(l_rem, LLVMBuildURem)
L_BINARY(l_and, LLVMBuildAnd)
L_BINARY(l_or, LLVMBuildOr)
L_BINARY(l_xor, LLVMBuildXor)
L_BINARY(l_shl, LLVMBuildShl)
L_BINARY(l_shr, LLVMBuildLShr)
L_BINARY(l_sar, LLVMBuildAShr)
L_BINARY(l_fadd, LLVMBuildFAdd)
L_BINARY(l_fsub, LLVMBuildFSub)
L_BINARY(l_fmul, LLVMBuildFMul)
L_BINARY(l_fdiv, LLVMBuildFDiv)
#undef L_BINARY

/* With a constant on the right, in every lane. */
static inline LLVMValueRef l_addi(const Ir *ir, LLVMValueRef a, int64_t k)
{
    return l_add(ir, a, l_int_like(a, k));
}
static inline LLVMValueRef l_muli(const Ir *ir, LLVMValueRef a, int64_t k)
{
    return l_mul(ir, a, l_int_like(a, k));
}
static inline LLVMValueRef l_andi(const Ir *ir, LLVMValueRef a, int64_t k)
{
    return l_and(ir, a, l_int_like(a, k));
}
static inline LLVMValueRef l_shli(const Ir *ir, LLVMValueRef a, int64_t k)
{
    return l_shl(ir, a, l_int_like(a, k));
}
static inline LLVMValueRef l_shri(const Ir *ir, LLVMValueRef a, int64_t k)
{
    return l_shr(ir, a, l_int_like(a, k));
}
static inline LLVMValueRef l_fmulc(const Ir *ir, LLVMValueRef a, double k)
{
    return l_fmul(ir, a, l_like(a, k));
}
static inline LLVMValueRef l_faddc(const Ir *ir, LLVMValueRef a, double k)
{
    return l_fadd(ir, a, l_like(a, k));
}

static inline LLVMValueRef l_select(const Ir *ir, LLVMValueRef c,
                                    LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(ir->b, c, a, b, "");
}
static inline LLVMValueRef l_icmp(const Ir *ir, LLVMIntPredicate p,
                                  LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildICmp(ir->b, p, a, b, "");
}
static inline LLVMValueRef l_fcmp(const Ir *ir, LLVMRealPredicate p,
                                  LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(ir->b, p, a, b, "");
}
LLVMValueRef l_min(const Ir *ir, LLVMValueRef a, LLVMValueRef b); /* signed */
LLVMValueRef l_max(const Ir *ir, LLVMValueRef a, LLVMValueRef b);
/* a > b ? a : b */
LLVMValueRef l_fmax(const Ir *ir, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef l_fabs(Ir *ir, LLVMValueRef a);
/* a * b + c, rounded once where the processor can. */
LLVMValueRef l_fma(Ir *ir, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

/* ---- between types ---- */

static inline LLVMValueRef l_bits(const Ir *ir, LLVMValueRef v, LLVMTypeRef t)
{
    return LLVMBuildBitCast(ir->b, v, t, "");
}
static inline LLVMValueRef l_zext(const Ir *ir, LLVMValueRef v, LLVMTypeRef t)
{
    return LLVMBuildZExt(ir->b, v, l_vec(t, l_lanes(v)), "");
}
static inline LLVMValueRef l_sext(const Ir *ir, LLVMValueRef v, LLVMTypeRef t)
{
    return LLVMBuildSExt(ir->b, v, l_vec(t, l_lanes(v)), "");
}
static inline LLVMValueRef l_trunc(const Ir *ir, LLVMValueRef v, LLVMTypeRef t)
{
    return LLVMBuildTrunc(ir->b, v, l_vec(t, l_lanes(v)), "");
}
/* Signed integers to f32. */
static inline LLVMValueRef l_to_f32(const Ir *ir, LLVMValueRef v)
{
    return LLVMBuildSIToFP(ir->b, v, l_vec(ir->f32, l_lanes(v)), "");
}

/* ---- lanes ---- */

LLVMValueRef l_splat(Ir *ir, LLVMValueRef scalar, int lanes);
/* Lanes first, first+step, ... of a. */
LLVMValueRef l_pick(Ir *ir, LLVMValueRef a, int first, int step, int n);
/* Lane i of the result is lane from[i] of a, then of b (b NULL: of a). */
LLVMValueRef l_shuffle(Ir *ir, LLVMValueRef a, LLVMValueRef b, const int *from,
                       int n);
LLVMValueRef l_concat(Ir *ir, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef l_lane(Ir *ir, LLVMValueRef v, int i);
/* v with a constant appended up to `lanes`. */
LLVMValueRef l_pad(Ir *ir, LLVMValueRef v, int lanes, double with);
/* Halves added until `lanes` (a power of two) are left. */
LLVMValueRef l_fold(Ir *ir, LLVMValueRef v, int lanes);
/* All lanes added in a fixed tree; of four vectors at once, as four lanes. */
LLVMValueRef l_hsum(Ir *ir, LLVMValueRef v);
LLVMValueRef l_hsum4(Ir *ir, const LLVMValueRef *v);

#endif
