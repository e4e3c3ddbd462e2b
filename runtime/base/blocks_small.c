/* Ternary, one- and two-bit types, and the 4-bit floats. */
#include "base/blocks_decode.h"
#include "base/codebooks.h"

void decode_q1_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    for (int i = 0; i < 128; i++)
        y[i] = b[2 + i / 8] >> i % 8 & 1 ? d : -d;
}

void decode_q2_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 0);
    for (int i = 0; i < 64; i++)
        y[i] = (float)((b[2 + i / 4] >> 2 * (i % 4) & 3) - 1) * d;
}

/* Digit n, from the front, of a byte that holds five base-3 digits as a binary
 * fraction: shift by powers of three, then read the leading digit. */
static int trit(unsigned byte, int n)
{
    static const uint8_t pow3[5] = {1, 3, 9, 27, 81};
    return (int)((byte * pow3[n] & 255) * 3 >> 8);
}

void decode_tq1_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 52);
    for (int i = 0; i < 256; i++) {
        int t;
        if (i < 160)
            t = trit(b[i % 32], i / 32);
        else if (i < 240)
            t = trit(b[32 + (i - 160) % 16], (i - 160) / 16);
        else
            t = trit(b[48 + (i - 240) % 4], (i - 240) / 4);
        y[i] = (float)(t - 1) * d;
    }
}

void decode_tq2_0(const uint8_t *b, float *y)
{
    float d = load_half(b, 64);
    for (int i = 0; i < 256; i++) {
        int byte = b[32 * (i / 128) + i % 32];
        y[i] = (float)((byte >> 2 * (i % 128 / 32) & 3) - 1) * d;
    }
}

/* 2^(e-128): codebook_e2m1 is doubled, so the usual bias 127 grows by one.
 * e = 0 and 1 are subnormal float32 numbers. */
static float e8m0_half(uint32_t e)
{
    return bits_to_float(e < 2 ? UINT32_C(0x200000) << e : (e - 1) << 23);
}

void decode_mxfp4(const uint8_t *b, float *y)
{
    float d = e8m0_half(b[0]);
    for (int i = 0; i < 32; i++)
        y[i] = (float)codebook_e2m1[nibble32(b + 1, i)] * d;
}

/* Half of an unsigned E4M3 number; 0x7f, its NaN, counts as 0. */
static float ue4m3_half(int x)
{
    int exp = x >> 3 & 15, frac = x & 7;
    if (x == 0 || x == 0x7f)
        return 0.0F;
    if (exp == 0)
        return (float)frac * 0x1p-10F;
    return (1.0F + (float)frac / 8) *
           bits_to_float((uint32_t)(exp + 119) << 23);
}

void decode_nvfp4(const uint8_t *b, float *y)
{
    for (int i = 0; i < 64; i++) {
        int s = i / 16, j = i % 16;
        int nib = b[4 + 8 * s + j % 8] >> 4 * (j / 8) & 15;
        y[i] = (float)codebook_e2m1[nib] * ue4m3_half(b[s]);
    }
}
