/* blocks.h - element and block types: sizes, names and the reference decoder.
 *
 * The decoder is the meaning of a block type: bit for bit what the format
 * says, in float32, plain loops.  Kernels are held to it. */
#ifndef BASE_BLOCKS_H
#define BASE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    BLOCK_FLOAT,
    BLOCK_QUANT,
    BLOCK_PLAIN,
    BLOCK_ACT,
} BlockKind;

typedef enum {
#define BLOCK(name, id, elems, bytes, kind) BT_##name,
#include "base/blocks.def"
#undef BLOCK
    BT_COUNT
} BlockType;

typedef struct {
    const char *name; /* lower case, as in blocks.def */
    int gguf_id;
    int elems; /* values in a block */
    int bytes; /* bytes in a block */
    BlockKind kind;
} BlockInfo;

extern const BlockInfo block_info[BT_COUNT];

/* BT_COUNT if there is no such id / name (case-insensitive). */
BlockType block_from_gguf(uint32_t id);
BlockType block_from_name(const char *name);

/* Bytes of n values; n must be a multiple of the block length.  Returns -1 on
 * overflow or a partial block. */
int64_t block_bytes(BlockType t, int64_t n);

/* n values (a multiple of the block length) from src to float32.  PLAIN types
 * convert by value.  Any alignment of src. */
void block_decode(BlockType t, const void *src, int64_t n, float *dst);

/* The activation formats q8a and q16a: 32 int8 or int16 codes, then a float32
 * scale d = max|x| / most, with most = 127 or 32767; code = round to nearest
 * even of x * (1/d) computed in float32, at most `most` (0 if d is 0).  n is a
 * multiple of 32. */
void block_quantize(BlockType t, const float *src, int64_t n, void *dst);

/* KV-cache storage: n values (a multiple of the block length) from float32 to
 * f32, f16, bf16, q8_0 or q4_0.  False if t is none of these.  q8_0: f16 scale
 * max|x|/127, codes rounded to nearest, ties away from zero, with the reciprocal of
 * the unrounded scale; q4_0: as the format's reference encoder (scale is the
 * value of largest magnitude / -8).  In both, and in activations, a block with a NaN or
 * infinity gets the scale NaN: a fault may not be hidden by rounding it. */
bool block_encode(BlockType t, const float *src, int64_t n, void *dst);

/* IEEE half and bfloat16, exact both ways, round to nearest even down. */
float half_to_float(uint16_t h);
uint16_t float_to_half(float f);
float bf16_to_float(uint16_t h);
uint16_t float_to_bf16(float f);

#endif
