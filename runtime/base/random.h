/* random.h - numbers at random for checks and tests, and blocks of every type. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/blocks.h"

/* Xorshift; the state is never 0. */
typedef struct {
    uint64_t state;
} Random;

static inline uint32_t random_bits(Random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)(r->state >> 16);
}

/* Neighbouring seeds give unrelated numbers. */
static inline Random random_seed(uint64_t seed)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    Random r = {(z ^ z >> 31) | 1};
    for (int i = 0; i < 4; i++)
        random_bits(&r);
    return r;
}

static inline int64_t random_below(Random *r, int64_t n)
{
    return random_bits(r) % n;
}

/* About normal: sum of four uniform numbers. */
static inline float random_real(Random *r)
{
    float s = -2;
    for (int i = 0; i < 4; i++)
        s += (float)(random_bits(r) >> 8) * 0x1p-24F;
    return s * 1.7320508F;
}

/* Where a block keeps its half-precision scales; -1: none (more). */
static inline const int *random_scales(BlockType t)
{
    static const struct {
        BlockType t;
        int at[2];
    } table[] = {
        {BT_q4_0, {0, -1}},   {BT_q4_1, {0, 2}},     {BT_q5_0, {0, -1}},
        {BT_q5_1, {0, 2}},    {BT_q8_0, {0, -1}},    {BT_q2_k, {80, 82}},
        {BT_q3_k, {108, -1}}, {BT_q4_k, {0, 2}},     {BT_q5_k, {0, 2}},
        {BT_q6_k, {208, -1}}, {BT_iq2_xxs, {0, -1}}, {BT_iq2_xs, {0, -1}},
        {BT_iq2_s, {0, -1}},  {BT_iq3_xxs, {0, -1}}, {BT_iq3_s, {0, -1}},
        {BT_iq1_s, {0, -1}},  {BT_iq4_nl, {0, -1}},  {BT_iq4_xs, {0, -1}},
        {BT_tq1_0, {52, -1}}, {BT_tq2_0, {64, -1}},  {BT_q1_0, {0, -1}},
        {BT_q2_0, {0, -1}},
    };
    static const int none[2] = {-1, -1};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].t == t)
            return table[i].at;
    return none;
}

/* The four nibbles of a half stand at the top of four numbers. */
static inline void random_iq1_m_scale(float scale, uint8_t *b)
{
    uint16_t h = float_to_half(scale);
    for (int i = 0; i < 4; i++) {
        int nibble = h >> 4 * i & 15;
        b[49 + 2 * i] = (uint8_t)((b[49 + 2 * i] & 15) | nibble << 4);
    }
}

/* The exponent of a power of two near `scale`, which is positive. */
static inline int random_exponent(Random *r, float scale)
{
    return (int)lrintf(log2f(scale)) + (int)random_below(r, 3) - 1;
}

/* As an unsigned E4M3 number has it: four bits with a bias of 7. */
static inline uint8_t random_e4m3(Random *r, float scale)
{
    int e = random_exponent(r, scale) + 7;
    e = e < 0 ? 0 : e > 14 ? 14 : e;
    return (uint8_t)(e << 3 | random_below(r, 8));
}

/* Random bytes; scales are `scale` times a number of ordinary size. */
static inline void random_block(Random *r, BlockType t, float scale, uint8_t *b)
{
    for (int i = 0; i < block_info[t].bytes; i++)
        b[i] = (uint8_t)random_bits(r);
    for (int k = 0; k < 2; k++)
        if (random_scales(t)[k] >= 0) {
            uint16_t h = float_to_half(scale * random_real(r));
            memcpy(b + random_scales(t)[k], &h, 2);
        }
    if (t == BT_mxfp4)
        b[0] = (uint8_t)(127 + random_exponent(r, scale));
    if (t == BT_iq1_m)
        random_iq1_m_scale(scale, b);
    for (int i = 0; i < 4 && t == BT_nvfp4; i++)
        b[i] = random_e4m3(r, scale);
}

#endif
