/* The IQ family: codes point into a table of likely value groups. */
#include "base/blocks_decode.h"
#include "base/codebooks.h"

/* Seven stored sign bits are eight: the number of minus signs is even. */
static unsigned even_signs(unsigned v)
{
    return v | (unsigned)__builtin_parity(v) << 7;
}

/* n values of a grid row times a scale, negated where a sign bit is set. */
static void signed_row(const int8_t *row, int n, float scale, unsigned signs,
                       float *y)
{
    for (int j = 0; j < n; j++)
        y[j] = scale * (float)row[j] * (signs >> j & 1 ? -1.0F : 1.0F);
}

void decode_iq2_xxs(const uint8_t *b, float *y)
{
    const int8_t *grid = codebook(CODEBOOK_iq2xxs)->values;
    float d = load_half(b, 0);
    for (int G = 0; G < 32; G++) { /* groups of 8 values */
        const uint8_t *q = b + 2 + 8 * (G / 4);
        uint32_t a = load_u32(q, 4);
        float db = d * (0.5F + (float)(a >> 28)) * 0.25F;
        unsigned signs = even_signs(a >> 7 * (G % 4) & 127);
        signed_row(grid + 8 * q[G % 4], 8, db, signs, y + 8 * G);
    }
}

/* iq2_xs and iq2_s: a four-bit scale for each 16 values. */
static float iq2_scale(float d, const uint8_t *sc, int G)
{
    int s = sc[G / 4] >> 4 * (G / 2 % 2) & 15;
    return d * (0.5F + (float)s) * 0.25F;
}

void decode_iq2_xs(const uint8_t *b, float *y)
{
    const int8_t *grid = codebook(CODEBOOK_iq2xs)->values;
    float d = load_half(b, 0);
    for (int G = 0; G < 32; G++) {
        unsigned q = load_u16(b, 2 + 2 * G);
        signed_row(grid + 8 * (q & 511), 8, iq2_scale(d, b + 66, G),
                   even_signs(q >> 9), y + 8 * G);
    }
}

void decode_iq2_s(const uint8_t *b, float *y)
{
    const int8_t *grid = codebook(CODEBOOK_iq2s)->values;
    float d = load_half(b, 0);
    for (int G = 0; G < 32; G++) {
        int index = b[2 + G] | (b[66 + G / 4] >> 2 * (G % 4) & 3) << 8;
        signed_row(grid + 8 * index, 8, iq2_scale(d, b + 74, G), b[34 + G],
                   y + 8 * G);
    }
}

void decode_iq3_xxs(const uint8_t *b, float *y)
{
    const int8_t *grid = codebook(CODEBOOK_iq3xxs)->values;
    float d = load_half(b, 0);
    for (int G = 0; G < 64; G++) { /* groups of 4 values */
        uint32_t a = load_u32(b, 66 + 4 * (G / 8));
        float db = d * (0.5F + (float)(a >> 28)) * 0.5F;
        unsigned signs = even_signs(a >> 7 * (G / 2 % 4) & 127);
        signed_row(grid + 4 * b[2 + G], 4, db, signs >> 4 * (G % 2), y + 4 * G);
    }
}

void decode_iq3_s(const uint8_t *b, float *y)
{
    const int8_t *grid = codebook(CODEBOOK_iq3s)->values;
    float d = load_half(b, 0);
    for (int G = 0; G < 64; G++) {
        int index = b[2 + G] | (b[66 + G / 8] >> G % 8 & 1) << 8;
        int s = b[106 + G / 16] >> 4 * (G / 8 % 2) & 15;
        float db = d * (float)(1 + 2 * s);
        unsigned signs = (unsigned)b[74 + G / 2] >> 4 * (G % 2);
        signed_row(grid + 4 * index, 4, db, signs, y + 4 * G);
    }
}

/* Eight ternary values, shifted by delta, times a scale. */
static void iq1_row(int index, float scale, int negative, float *y)
{
    const int8_t *row = codebook(CODEBOOK_iq1)->values + 8 * index;
    float delta = negative ? -0.125F : 0.125F;
    for (int j = 0; j < 8; j++)
        y[j] = scale * ((float)row[j] + delta);
}

void decode_iq1_s(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    for (int G = 0; G < 32; G++) {
        int h = load_u16(b, 34 + 2 * (G / 4));
        int index = b[2 + G] | (h >> 3 * (G % 4) & 7) << 8;
        float scale = d * (float)(2 * (h >> 12 & 7) + 1);
        iq1_row(index, scale, h >> 15, y + 8 * G);
    }
}

void decode_iq1_m(const uint8_t *b, float *y)
{
    unsigned bits = 0; /* of the half scale: the top nibbles of four words */
    for (int k = 0; k < 4; k++)
        bits |= (unsigned)(load_u16(b, 48 + 2 * k) >> 12) << 4 * k;
    float d = half_to_float((uint16_t)bits);
    for (int G = 0; G < 32; G++) {
        int nib = b[32 + G / 2] >> 4 * (G % 2) & 15, S = G / 2;
        int s = load_u16(b, 48 + 2 * (S / 4)) >> 3 * (S % 4) & 7;
        iq1_row(b[G] | (nib & 7) << 8, d * (float)(2 * s + 1), nib & 8,
                y + 8 * G);
    }
}

void decode_iq4_nl(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    for (int i = 0; i < 32; i++)
        y[i] = d * (float)codebook_nl4[nibble32(b + 2, i)];
}

void decode_iq4_xs(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    int high = load_u16(b, 2);
    for (int i = 0; i < 256; i++) {
        int B = i / 32, low = b[4 + B / 2] >> 4 * (B % 2) & 15;
        int s = (low | (high >> 2 * B & 3) << 4) - 32;
        int nib = nibble32(b + 8 + 16 * B, i % 32);
        y[i] = d * (float)s * (float)codebook_nl4[nib];
    }
}
