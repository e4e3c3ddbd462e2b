/* The oldest family: 32 codes with a scale, and perhaps an offset. */
#include "base/blocks_decode.h"

void decode_q4_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(nibble32(b + 2, i) - 8) * d;
}

void decode_q4_1(const uint8_t *b, float *y)
{
    float d = load_half(b, 0), m = load_half(b, 2);
    for (int i = 0; i < 32; i++)
        y[i] = (float)nibble32(b + 4, i) * d + m;
}

/* A nibble with its fifth bit from the word h. */
static int code5(const uint8_t *qs, uint32_t h, int i)
{
    return nibble32(qs, i) | (int)(h >> i & 1) << 4;
}

void decode_q5_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    uint32_t h = load_u32(b, 2);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(code5(b + 6, h, i) - 16) * d;
}

void decode_q5_1(const uint8_t *b, float *y)
{
    float d = load_half(b, 0), m = load_half(b, 2);
    uint32_t h = load_u32(b, 4);
    for (int i = 0; i < 32; i++)
        y[i] = (float)code5(b + 8, h, i) * d + m;
}

void decode_q8_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(int8_t)b[2 + i] * d;
}
