/* The K family: 256 values in sub-blocks whose scales are themselves coded. */
#include "base/blocks_decode.h"

/* Two-bit code i of 256: 128 values share 32 bytes, 32 values a bit pair. */
static int code2(const uint8_t *qs, int i)
{
    return qs[32 * (i / 128) + i % 32] >> 2 * (i % 128 / 32) & 3;
}

void decode_q2_k(const uint8_t *b, float *y)
{
    float d = load_half(b, 80), dmin = load_half(b, 82);
    for (int i = 0; i < 256; i++) {
        int s = b[i / 16];
        float scale = d * (float)(s & 15), min = dmin * (float)(s >> 4);
        y[i] = scale * (float)code2(b + 16, i) - min;
    }
}

/* Six-bit scale k of 16: four low bits, two high bits apart. */
static int q3_k_scale(const uint8_t *sc, int k)
{
    int low = k < 8 ? sc[k] & 15 : sc[k - 8] >> 4;
    int high = sc[8 + k % 4] >> 2 * (k / 4) & 3;
    return (low | high << 4) - 32;
}

void decode_q3_k(const uint8_t *b, float *y)
{
    float d = load_half(b, 108);
    for (int i = 0; i < 256; i++) {
        int high = b[i % 32] >> (i / 32) & 1;
        int q = code2(b + 32, i) - (high ? 0 : 4);
        y[i] = d * (float)q3_k_scale(b + 96, i / 16) * (float)q;
    }
}

/* Six-bit scale and minimum of sub-block j (of 8) in 12 bytes. */
static void q4_k_scale(const uint8_t *sc, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = sc[j] & 63;
        *min = sc[j + 4] & 63;
    } else {
        *scale = (sc[j + 4] & 15) | sc[j - 4] >> 6 << 4;
        *min = sc[j + 4] >> 4 | sc[j] >> 6 << 4;
    }
}

/* Four-bit code i of 256: 64 values share 32 bytes. */
static int code4(const uint8_t *qs, int i)
{
    return qs[32 * (i / 64) + i % 32] >> 4 * (i / 32 % 2) & 15;
}

void decode_q4_k(const uint8_t *b, float *y)
{
    float d = load_half(b, 0), dmin = load_half(b, 2);
    for (int i = 0; i < 256; i++) {
        int s, m;
        q4_k_scale(b + 4, i / 32, &s, &m);
        y[i] = d * (float)s * (float)code4(b + 16, i) - dmin * (float)m;
    }
}

void decode_q5_k(const uint8_t *b, float *y)
{
    float d = load_half(b, 0), dmin = load_half(b, 2);
    for (int i = 0; i < 256; i++) {
        int s, m, high = b[16 + i % 32] >> (i / 32) & 1;
        q4_k_scale(b + 4, i / 32, &s, &m);
        int q = code4(b + 48, i) | high << 4;
        y[i] = d * (float)s * (float)q - dmin * (float)m;
    }
}

void decode_q6_k(const uint8_t *b, float *y)
{
    float d = load_half(b, 208);
    for (int i = 0; i < 256; i++) {
        int n = i / 128, g = i % 128 / 32, l = i % 32;
        int low = b[64 * n + 32 * (g & 1) + l] >> 4 * (g / 2) & 15;
        int high = b[128 + 32 * n + l] >> 2 * g & 3;
        int scale = (int8_t)b[192 + i / 16];
        y[i] = d * (float)scale * (float)((low | high << 4) - 32);
    }
}
