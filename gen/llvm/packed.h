/* packed.h - products with matrices whose rows lie eight side by side.
 *
 * A lane is a row of the matrix (a column of the product): what a scale or a
 * sum belongs to is a vector of eight, and no vector is ever summed up across.
 * A type is a group emitter that makes 32 codes of eight rows from its block's
 * fields (base/packing.def), and maybe a head emitter; from them come the
 * integer dot product and the decoder of panels.
 *
 * A value is  scale * (code - zero) - min. */
#ifndef GEN_LLVM_PACKED_H
#define GEN_LLVM_PACKED_H

#include "base/packing.h"
#include "gen/llvm/ir.h"

/* Of eight blocks side by side. */
typedef struct {
    LLVMValueRef p;              /* their first byte */
    LLVMValueRef d;              /* <8 x f32> */
    LLVMValueRef word[4];        /* <8 x i32>; meaning is the type's own */
    LLVMValueRef half[4];        /* <8 x f32>, likewise */
    LLVMValueRef table, signs;   /* pointers, likewise */
} PackHead;

/* 32 values of eight rows.  A unit is 32 bytes: of values 4u..4u+3 of all rows,
 * a row after the other; or, if `pairs`, unit 2u+h of values 8u..8u+7 of rows
 * 4h..4h+3. */
typedef struct {
    LLVMValueRef unit[8]; /* <32 x i8> */
    LLVMValueRef sign[8]; /* bytes +1 or -1 that multiply the codes, or NULL */
    bool pairs;
    LLVMValueRef scale[2]; /* <8 x f32>: of values 0..15 and 16..31 */
    LLVMValueRef min[2];   /* likewise, or NULL */
} Lanes8;

typedef struct {
    void (*head)(Ir *ir, PackHead *h);
    Lanes8 (*group)(Ir *ir, const PackHead *h, int g);
    int d_at;     /* offset of d in a block, a half; -1: none */
    int zero;     /* what the code of value 0 is */
    int most;     /* the largest code; most > 0 */
    bool signed_; /* codes may be negative */
    bool has_min;
} PackDecoder;

/* Of a type that packing.def has. */
const PackDecoder *packed_decoder(BlockType t);

/* Functions of the module, shared by its kernels:
 *   dot     (w, const void *const *x, const float *const *sums, n, groups,
 *            float *out, stride)  out[r * stride + 8 * i + j] = row j of group
 *                                 i . x[r]; x of an activation type; sums of
 *                                 each 16 values of x
 *   panel   (w, n, float *dst)    dst[16 * k + j] = value k of row j: half of a
 *                                 pair of panels (panel.h)
 *   row     (w, lane, n, dst)     row `lane` of eight, back in plain blocks */
enum { PACKED_DOT_ROWS = 4 }; /* at most */
bool packed_needs_sums(BlockType w);
LLVMValueRef packed_dot(Ir *ir, BlockType w, BlockType x, int rows);
LLVMValueRef packed_panel(Ir *ir, BlockType w);
LLVMValueRef packed_row(Ir *ir, BlockType w);

/* ---- for the type files ---- */

/* <8 x i32> or <32 x i8>: unit at byte `offset` of the block. */
LLVMValueRef packed_word(Ir *ir, const PackHead *h, int offset);
LLVMValueRef packed_unit(Ir *ir, const PackHead *h, int offset);
LLVMValueRef packed_u16(Ir *ir, const PackHead *h, int offset);  /* as i32 */
LLVMValueRef packed_half(Ir *ir, const PackHead *h, int offset); /* as f32 */
/* (word >> shift) & mask */
LLVMValueRef packed_bits(Ir *ir, LLVMValueRef word, int shift, int mask);
/* One scale for all 32. */
static inline void packed_scale(Lanes8 *v, LLVMValueRef scale)
{
    v->scale[0] = v->scale[1] = scale;
}

/* One for each type of packing.def, declared as often as it has fields. */
#define FIELD(type, offset, bytes, unit) extern const PackDecoder packed_##type;
#include "base/packing.def"
#undef FIELD

#endif
