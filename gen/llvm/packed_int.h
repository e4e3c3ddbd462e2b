/* packed_int.h - sums of products of integers, eight rows at a time. */
#ifndef GEN_LLVM_PACKED_INT_H
#define GEN_LLVM_PACKED_INT_H

#include "gen/llvm/packed.h"

/* <8 x i32>: code . x over units [from, to) of a group, exactly; x points at
 * the activation block of the group, of type xt. */
LLVMValueRef packed_isum(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                         BlockType xt, LLVMValueRef x, int from, int to);
/* Unit u with its signs. */
LLVMValueRef packed_signed_unit(Ir *ir, const Lanes8 *v, int u);

#endif
