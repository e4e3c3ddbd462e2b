/* vecmath.h - transcendental functions on f32 vectors of any width, inline.
 *
 * Polynomials after range reduction; no library call, no table, the same
 * operations whatever the width (with and without fused multiply-add the last
 * bit may differ).  Infinities and NaN go through as in C.  Largest relative
 * error, measured over every float of the range (tests/gen/test_vecmath.c):
 *   exp    1.2e-7 while the result is a normal number, rounded below
 *   log    1.2e-7 away from 1, absolute 6e-8 near it
 *   log1p  3e-7      tanh  3e-7      erf  2e-7
 *   sin, cos  2e-7 absolute for |x| < 2^20 (argument in f64) */
#ifndef GEN_LLVM_VECMATH_H
#define GEN_LLVM_VECMATH_H

#include "gen/llvm/ir.h"

LLVMValueRef vec_exp(Ir *ir, LLVMValueRef x);
LLVMValueRef vec_log(Ir *ir, LLVMValueRef x);
LLVMValueRef vec_log1p(Ir *ir, LLVMValueRef x); /* x >= 0 */
LLVMValueRef vec_tanh(Ir *ir, LLVMValueRef x);
LLVMValueRef vec_erf(Ir *ir, LLVMValueRef x);
/* 1 + erf(x), without cancellation for negative x */
LLVMValueRef vec_erf1p(Ir *ir, LLVMValueRef x);
/* x: f64 lanes; results: f32 lanes */
void vec_sincos(Ir *ir, LLVMValueRef x, LLVMValueRef *sin, LLVMValueRef *cos);

#endif
