/* Single values: floats, integers, and the half and bfloat16 conversions. */
#include "base/blocks_decode.h"

static uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exp = h >> 10 & 31, frac = h & 0x3ff;
    if (exp == 31) /* infinity; a NaN becomes quiet and keeps its payload */
        return bits_to_float(sign | 0x7f800000 | frac << 13 |
                             (frac ? 0x400000 : 0));
    if (exp)
        return bits_to_float(sign | (exp + 112) << 23 | frac << 13);
    float tiny = (float)frac * 0x1p-24F; /* exact: zero or a subnormal half */
    return sign ? -tiny : tiny;
}

/* x >> n, rounded to nearest, ties to even; 1 <= n <= 31. */
static uint32_t shift_rne(uint32_t x, uint32_t n)
{
    uint32_t kept = x >> n, rest = x << (32 - n);
    return kept + (rest > 0x80000000 || (rest == 0x80000000 && (kept & 1)));
}

uint16_t float_to_half(float f)
{
    uint32_t u = float_bits(f), sign = u >> 16 & 0x8000, mag = u & 0x7fffffff;
    uint32_t h;
    if (mag > 0x7f800000) /* NaN: quiet, payload kept */
        h = 0x7e00 | (mag >> 13 & 0x3ff);
    else if (mag >= 0x47800000) /* 2^16 and above */
        h = 0x7c00;
    else if (mag >= 0x38800000) /* normal; a carry may reach infinity */
        h = shift_rne(mag - 0x38000000, 13);
    else if (mag >= 0x33000000) /* subnormal: count units of 2^-24 */
        h = shift_rne((mag & 0x7fffff) | 0x800000, 126 - (mag >> 23));
    else
        h = 0;
    return (uint16_t)(sign | h);
}

float bf16_to_float(uint16_t h) { return bits_to_float((uint32_t)h << 16); }

uint16_t float_to_bf16(float f)
{
    uint32_t u = float_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) /* rounding could make it infinite */
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)shift_rne(u, 16);
}

void decode_f32(const uint8_t *b, float *y) { *y = load_f32(b, 0); }
void decode_f16(const uint8_t *b, float *y) { *y = load_half(b, 0); }
void decode_bf16(const uint8_t *b, float *y)
{
    *y = bf16_to_float(load_u16(b, 0));
}

/* Two's complement integers: wrap-free through memcpy. */
void decode_i8(const uint8_t *b, float *y) { *y = (float)(int8_t)b[0]; }
void decode_i16(const uint8_t *b, float *y)
{
    *y = (float)(int16_t)load_u16(b, 0);
}
void decode_i32(const uint8_t *b, float *y)
{
    *y = (float)(int32_t)load_u32(b, 0);
}
void decode_i64(const uint8_t *b, float *y)
{
    *y = (float)(int64_t)load_u64(b, 0);
}
void decode_f64(const uint8_t *b, float *y)
{
    uint64_t u = load_u64(b, 0);
    double v;
    memcpy(&v, &u, sizeof v);
    *y = (float)v;
}

void decode_q16a(const uint8_t *b, float *y)
{
    float d = load_f32(b, 64);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(int16_t)load_u16(b, 2 * i) * d;
}

void decode_q8a(const uint8_t *b, float *y)
{
    float d = load_f32(b, 32);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(int8_t)b[i] * d;
}
