/* decode.h - block types as code: 32 values at a time.
 *
 * Every quantised type is small integers times a scale, 16 or 32 values to a
 * scale, some with an offset:  y = scale * code - min.  A group emitter makes
 * exactly that from the block's bytes; from it come the decoder, the dot
 * product with floats and the one in integers (tile.c).  A type is one group
 * emitter and, if its scales are packed, one head emitter. */
#ifndef GEN_LLVM_DECODE_H
#define GEN_LLVM_DECODE_H

#include "gen/llvm/ir.h"

/* What all groups of a block share; meaning is the type's own. */
typedef struct {
    LLVMValueRef p;          /* the block */
    bool wide;               /* codes wanted as i32, where that is cheaper */
    LLVMValueRef d;          /* f32 scale of the block */
    LLVMValueRef scale, min; /* f32 vectors: one a sub-block */
    LLVMValueRef codes;      /* table or packed scales */
} Head;

typedef struct {
    LLVMValueRef code;     /* <32 x i8>, signed; i32 lanes if asked for wide;
                              i16 lanes of q16a, always */
    LLVMValueRef scale[2]; /* f32: of values 0..15 and 16..31 */
    LLVMValueRef min[2];   /* NULL: none */
} Group;

typedef void HeadFn(Ir *ir, Head *h);
typedef Group GroupFn(Ir *ir, const Head *h, int g);

typedef struct {
    HeadFn *head; /* NULL: only d, a half at offset d_at */
    GroupFn *group;
    int d_at;       /* -1: none */
    bool unsigned_; /* codes are never negative */
    bool has_min;
} Decoder;

/* group is NULL for types that are not decoded in blocks. */
const Decoder *decode_of(BlockType t);
/* Reads what the block at p starts with.  wide: codes are on their way to
 * floats, so groups may make them as i32 at once. */
Head decode_head(Ir *ir, BlockType t, LLVMValueRef p, bool wide);
/* The codes as f32. */
LLVMValueRef decode_codes(Ir *ir, const Group *g);
/* The 32 values of a group, each operation as block_decode() rounds it. */
LLVMValueRef decode_values(Ir *ir, const Group *g);

/* ---- for the type files ---- */

Group decode_group(LLVMValueRef code, LLVMValueRef scale);
/* <n x i8> at p + offset */
LLVMValueRef decode_bytes(Ir *ir, LLVMValueRef p, int offset, int n);
/* The same of the block, as i32 lanes if it is read wide. */
LLVMValueRef decode_fields(Ir *ir, const Head *h, int offset, int n);
LLVMValueRef decode_u8(Ir *ir, LLVMValueRef p, int offset);  /* as i32 */
LLVMValueRef decode_u16(Ir *ir, LLVMValueRef p, int offset); /* as i32 */
LLVMValueRef decode_u32(Ir *ir, LLVMValueRef p, int offset);
LLVMValueRef decode_half(Ir *ir, LLVMValueRef p, int offset); /* as f32 */
LLVMValueRef decode_half_bits(Ir *ir, LLVMValueRef bits);     /* i16 as f32 */
/* Low nibbles of 16 bytes, then their high nibbles. */
LLVMValueRef decode_nibbles(Ir *ir, LLVMValueRef qs);
/* <32 x i1>: bit i of a word. */
LLVMValueRef decode_mask(Ir *ir, LLVMValueRef word);
/* table[index], 16 entries, index < 16 */
LLVMValueRef decode_lookup(Ir *ir, const int8_t *table, LLVMValueRef index);
/* f32(i32) * d */
LLVMValueRef decode_times(Ir *ir, LLVMValueRef d, LLVMValueRef i);

#define BLOCK(name, id, elems, bytes, kind) DECODE_##kind(name)
#define DECODE_FLOAT(name)
#define DECODE_PLAIN(name)
#define DECODE_QUANT(name) extern const Decoder decoder_##name;
#define DECODE_ACT(name) DECODE_QUANT(name)
#include "base/blocks.def"
#undef BLOCK

#endif
