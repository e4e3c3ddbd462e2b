/* panel.h - blocks of a product of floats, columns as lanes.
 *
 * A panel holds value k of eight neighbouring columns side by side; value k of
 * the next column lies in the next lane, value k+1 a pitch further.  So a row's
 * value is spread over all lanes and no vector is summed up. */
#ifndef GEN_LLVM_PANEL_H
#define GEN_LLVM_PANEL_H

#include "gen/llvm/ir.h"

enum {
    PANEL_ROWS = 6, /* of a block: with two panels they fill 16 registers */
    PANEL_LANES = 8,
    PANEL_COLS = 2 * PANEL_LANES, /* of a block with two panels */
    PANEL_UNROLL = 4
};

/* A function of the module, shared by its kernels:
 *   (const float *w, pitch, const float *const *x, n, float *const *out, at)
 *   out[r][at + j] = sum_k x[r][k] w[k * pitch + j]    r < PANEL_ROWS,
 *                                                      j < 8 * panels
 * pitch, n and at in values; n is a multiple of PANEL_UNROLL.  onto: added to
 * what is there; then rows may be the same, if x is too. */
LLVMValueRef panel_block(Ir *ir, int panels, bool onto);
/* A square of 8 by 8:
 *   (const float *src, n, float *dst, pitch)
 *   dst[j * pitch + i] = src[i * n + j] */
LLVMValueRef panel_transpose(Ir *ir);

#endif
