/* Rounding to storage types: the KV cache and quantised activations. */
#include <math.h>

#include "base/blocks_decode.h"

static void store_u16(uint8_t *b, unsigned v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static void store_f32(uint8_t *b, float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    store_u16(b, u & 0xffff);
    store_u16(b + 2, u >> 16);
}

/* A rounded code inside [lo, hi].  Only a scale too small to have a finite
 * reciprocal brings infinities or NaN (0 * infinity) here. */
static int clamp_code(float v, float lo, float hi)
{
    if (isnan(v))
        return 0;
    return (int)(v < lo ? lo : v > hi ? hi : v);
}

/* The value of largest magnitude, the first of equals; NaN if any is not
 * finite, so that a block with a fault decodes to NaN and is noticed. */
static float extreme32(const float *x)
{
    float m = 0.0F;
    for (int i = 0; i < 32; i++) {
        if (!isfinite(x[i]))
            return NAN;
        if (fabsf(x[i]) > fabsf(m))
            m = x[i];
    }
    return m;
}

static float reciprocal(float d) { return d != 0.0F ? 1.0F / d : 0.0F; }

static void encode_f32(const float *x, uint8_t *b) { store_f32(b, *x); }
static void encode_f16(const float *x, uint8_t *b)
{
    store_u16(b, float_to_half(*x));
}
static void encode_bf16(const float *x, uint8_t *b)
{
    store_u16(b, float_to_bf16(*x));
}

static void encode_q8_0(const float *x, uint8_t *b)
{
    float d = fabsf(extreme32(x)) / 127.0F, id = reciprocal(d);
    store_u16(b, float_to_half(d));
    for (int i = 0; i < 32; i++)
        b[2 + i] = (uint8_t)clamp_code(roundf(x[i] * id), -127, 127);
}

static void encode_q4_0(const float *x, uint8_t *b)
{
    float d = extreme32(x) / -8.0F, id = reciprocal(d);
    store_u16(b, float_to_half(d));
    for (int i = 0; i < 16; i++) {
        int low = clamp_code(x[i] * id + 8.5F, 0, 15);
        int high = clamp_code(x[i + 16] * id + 8.5F, 0, 15);
        b[2 + i] = (uint8_t)(low | high << 4);
    }
}

static void encode_q8a(const float *x, uint8_t *b)
{
    float d = fabsf(extreme32(x)) / 127.0F, id = reciprocal(d);
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)clamp_code(nearbyintf(x[i] * id), -127, 127);
    store_f32(b + 32, d);
}

static void encode_q16a(const float *x, uint8_t *b)
{
    float d = fabsf(extreme32(x)) / 32767.0F, id = reciprocal(d);
    for (int i = 0; i < 32; i++) {
        int code = clamp_code(nearbyintf(x[i] * id), -32767, 32767);
        store_u16(b + 2 * i, (uint16_t)code);
    }
    store_f32(b + 64, d);
}

typedef void Encoder(const float *x, uint8_t *b);

static void encode_all(Encoder *one, BlockType t, const float *src, int64_t n,
                       uint8_t *dst)
{
    for (int64_t i = 0; i < n; i += block_info[t].elems) {
        one(src + i, dst);
        dst += block_info[t].bytes;
    }
}

void block_quantize(BlockType t, const float *src, int64_t n, void *dst)
{
    encode_all(t == BT_q16a ? encode_q16a : encode_q8a, t, src, n, dst);
}

bool block_encode(BlockType t, const float *src, int64_t n, void *dst)
{
    static Encoder *const encoders[BT_COUNT] = {
        [BT_f32] = encode_f32,   [BT_f16] = encode_f16,
        [BT_bf16] = encode_bf16, [BT_q8_0] = encode_q8_0,
        [BT_q4_0] = encode_q4_0,
    };
    if (!encoders[t])
        return false;
    encode_all(encoders[t], t, src, n, dst);
    return true;
}
