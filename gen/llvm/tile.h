/* tile.h - functions of the generated module that depend on a block type alone.
 *
 * Made on first use, shared by all kernels of the module.  Lengths n count
 * values and are whole blocks; only FLOAT types take any n.  Signatures:
 *
 *   decoder   (src, n, float *dst)          exactly as block_decode()
 *   dot       (w, const void *const *x, const float *const *sums, n, cols,
 *              float *out, stride)          out[i * stride + j] = w_j . x[i],
 *                                           w_j one after the other from w on
 *   block     (const float *const *w, const float *const *x, n,
 *              float *out, stride)          out[i * stride + j] = w[j] . x[i]
 *   gather    (const float *const *coef, step, const float *b, pitch, depth,
 *              float *const *out, n)
 *              out[i][j] += sum_l coef[i][l * step] b[l * pitch + j], j < n
 *   sums      (x, n, float *dst)            sums of each 16 values
 *   quantizer (const float *src, n, dst)        exactly as block_quantize()
 *   encoder   (i32 type, const float *src, n, dst)  block_encode() itself
 */
#ifndef GEN_LLVM_TILE_H
#define GEN_LLVM_TILE_H

#include "gen/llvm/ir.h"

enum { TILE_ROWS = 4, TILE_COLS = 2 }; /* of block; rows of the wide dot */

LLVMValueRef tile_decoder(Ir *ir, BlockType t);
/* w of a FLOAT type: x is f32.  w in blocks: x is of a FLOAT type, or q8a: then
 * products inside 16 values are exact integers.  rows: how many x it takes; 1,
 * or TILE_ROWS with q8a. */
LLVMValueRef tile_dot(Ir *ir, BlockType w, BlockType x, int rows);
LLVMValueRef tile_block(Ir *ir);
/* rows: 1 or TILE_ROWS. */
LLVMValueRef tile_gather(Ir *ir, int rows);
LLVMValueRef tile_sums(Ir *ir, BlockType x); /* f32 or rounded */
LLVMValueRef tile_quantizer(Ir *ir, BlockType t);
/* Does dot read `sums`?  (Offsets of blocks multiply them.) */
bool tile_needs_sums(BlockType w);
LLVMValueRef tile_encoder(Ir *ir);

#endif
