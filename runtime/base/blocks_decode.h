/* blocks_decode.h - private to blocks*.c: one decoder for each block type.
 *
 * decode_NAME reads one block at b (any alignment) and writes its values to y,
 * multiplying in float32 in the order the format's reference does. */
#ifndef BASE_BLOCKS_DECODE_H
#define BASE_BLOCKS_DECODE_H

#include <stdint.h>
#include <string.h>

#include "base/blocks.h"

#define BLOCK(name, id, elems, bytes, kind)                                    \
    void decode_##name(const uint8_t *b, float *y);
#include "base/blocks.def"
#undef BLOCK

/* Little-endian loads; `at` is a byte offset. */
static inline uint16_t load_u16(const uint8_t *b, int at)
{
    return (uint16_t)(b[at] | b[at + 1] << 8);
}
static inline uint32_t load_u32(const uint8_t *b, int at)
{
    return load_u16(b, at) | (uint32_t)load_u16(b, at + 2) << 16;
}
static inline uint64_t load_u64(const uint8_t *b, int at)
{
    return load_u32(b, at) | (uint64_t)load_u32(b, at + 4) << 32;
}
static inline float load_half(const uint8_t *b, int at)
{
    return half_to_float(load_u16(b, at));
}
static inline float bits_to_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline float load_f32(const uint8_t *b, int at)
{
    return bits_to_float(load_u32(b, at));
}

/* Value i of 32 four-bit codes in 16 bytes: the low nibbles are values 0..15,
 * the high nibbles 16..31. */
static inline int nibble32(const uint8_t *qs, int i)
{
    return qs[i % 16] >> 4 * (i / 16) & 15;
}

#endif
