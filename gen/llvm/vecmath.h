/* vecmath.h - transcendental functions on f32 vectors of any width, inline.
 *
 * Polynomials after range reduction; no library call, no table, the same
 * operations whatever the width (with and without fused multiply-add the last
 * bit may differ).  Infinities and NaN go through as in C.  Relative errors of
 * the functions, and of the ops made of them, while the result is a normal
 * number (tests/gen/test_vecmath.c holds them to it):
 *   exp, log    2e-7          tanh, sigmoid, silu, log1p, softplus   4e-7
 *   gelu, gelu_tanh   2e-6 from -3, -2 up, 2e-5 at -12, -8 (where what a
 *                     rounded argument costs grows with its square)
 *   sin, cos    absolute 2e-7 for |x| < 2^20 (argument in f64) */
#ifndef GEN_LLVM_VECMATH_H
#define GEN_LLVM_VECMATH_H

#include "gen/llvm/ir.h"

LLVMValueRef vec_exp(Ir *ir, LLVMValueRef x);
LLVMValueRef vec_log(Ir *ir, LLVMValueRef x);
LLVMValueRef vec_log1p(Ir *ir, LLVMValueRef x); /* x >= 0 */
LLVMValueRef vec_tanh(Ir *ir, LLVMValueRef x);
/* 1 + erf(x), without cancellation for negative x */
LLVMValueRef vec_erf1p(Ir *ir, LLVMValueRef x);
/* x: f64 lanes; results: f32 lanes */
void vec_sincos(Ir *ir, LLVMValueRef x, LLVMValueRef *sin, LLVMValueRef *cos);

#endif
