/* Block types against recorded reference decodings, a table of golden values
 * and properties that must hold for all inputs. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"

enum { MAX_BLOCK = 292, MAX_ELEMS = 256 };

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* ---- golden values: facts about the formats, no data files needed */

typedef struct {
    BlockType type;
    int d, m; /* byte offsets of the half scale and minimum, -1 if none */
    double first, second, middle, last;
    double weighted;  /* sum of y[i] * (1 + i % 7) */
    double magnitude; /* sum of |y[i]| */
} Golden;

static const Golden golden[] = {
    {BT_q1_0, 0, -1, 0.0625, -0.0625, 0.0625, 0.0625, 0.4375, 8},
    {BT_q2_0, 0, -1, 0, 0, 0, 0.0625, 8.375, 3.875},
    {BT_q4_0, 0, -1, -0.1875, 0.125, -0.1875, 0, 1.75, 7.6875},
    {BT_q4_1, 0, 2, 0.96875, 0.28125, 0.59375, 0.78125, 59.8125, 16.3125},
    {BT_q5_0, 0, -1, 0.5625, -0.125, 0.875, 0.0625, 7, 15.4375},
    {BT_q5_1, 0, 2, 1.21875, 1.53125, 1.21875, 0.34375, 117, 32.5625},
    {BT_q8_0, 0, -1, 5.3125, 7.625, -5.6875, -3, -38.625, 135.75},
    {BT_q2_k, 80, 82, 2.0625, 0, 0.46875, 0.28125, 501.96875, 160.25},
    {BT_q3_k, 108, -1, 5.0625, -6.75, 0.125, 2.625, 185.25, 575.625},
    {BT_q4_k, 0, 2, 19.71875, -1.59375, 26.4375, 3.03125, 13134.3125, 3439.25},
    {BT_q5_k, 0, 2, 50.71875, -1.59375, 65.4375, 6.78125, 28709.8125,
     7284.9375},
    {BT_q6_k, 208, -1, -89.4375, 106, -21.9375, -3.75, 617.3125, 16656.375},
    {BT_iq2_xxs, 0, -1, -3.6953125, 3.6953125, -6.0546875, -5.0390625,
     74.328125, 660.4375},
    {BT_iq2_xs, 0, -1, -0.6875, 2.1484375, -1.1875, -1.1875, 274.25,
     631.859375},
    {BT_iq2_s, 0, -1, -9.0703125, 5.2734375, -0.5859375, 4.8828125,
     -285.9765625, 584.0078125},
    {BT_iq3_xxs, 0, -1, -0.8125, 0.5625, -3.4375, -0.9375, -430.34375, 1262.75},
    {BT_iq3_s, 0, -1, -5.0625, 15.1875, -6.5625, 14.0625, 740.25, 1778.25},
    {BT_iq1_s, 0, -1, -0.1640625, 0.0234375, -0.4921875, -0.2734375, 28.71875,
     82.359375},
    {BT_iq1_m, -1, -1, -0.0546875, 0.3828125, 0.1171875, -0.1171875, 3.3125,
     72.375},
    {BT_iq4_nl, 0, -1, -2.1875, 1.5625, -2.1875, 0.0625, 38.3125, 106.5625},
    {BT_iq4_xs, 0, -1, 4.0625, -0.0625, -36.5625, -1, -9024.5, 10416.4375},
    {BT_tq1_0, 52, -1, -0.0625, -0.0625, 0, -0.0625, 1, 10.875},
    {BT_tq2_0, 64, -1, 0.125, -0.0625, 0.125, -0.0625, 28.6875, 16.1875},
    {BT_mxfp4, -1, -1, 0, 0.375, 0.1875, 0.375, 5.3125, 9.4375},
    {BT_nvfp4, -1, -1, -3, 1, -0.05859375, 224, 4027.0967, 15506.3516},
};

static void store_u16(uint8_t *b, int at, unsigned v)
{
    if (at < 0)
        return;
    b[at] = (uint8_t)v;
    b[at + 1] = (uint8_t)(v >> 8);
}

static void golden_block(const Golden *g, uint8_t *b)
{
    for (int k = 0; k < block_info[g->type].bytes; k++)
        b[k] = (uint8_t)(37 * k + 11);
    store_u16(b, g->d, 0x2c00);
    store_u16(b, g->m, 0x2800);
    if (g->type == BT_iq1_m)
        for (int k = 0; k < 4; k++)
            b[49 + 2 * k] =
                (uint8_t)((b[49 + 2 * k] & 15) | (0x2c00 >> 4 * k & 15) << 4);
    if (g->type == BT_mxfp4)
        b[0] = 124;
    if (g->type == BT_nvfp4)
        memcpy(b, (uint8_t[]){0x30, 0x38, 0x05, 0x7e}, 4);
}

Test(blocks, golden_values)
{
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        const Golden *g = &golden[k];
        const BlockInfo *info = &block_info[g->type];
        uint8_t b[MAX_BLOCK];
        float y[MAX_ELEMS];
        double weighted = 0, magnitude = 0;
        golden_block(g, b);
        block_decode(g->type, b, info->elems, y);
        for (int i = 0; i < info->elems; i++) {
            weighted += (double)y[i] * (1 + i % 7);
            magnitude += fabs((double)y[i]);
        }
        double slack = g->type == BT_nvfp4 ? 5e-5 : 0; /* printed rounded */
        cr_expect(y[0] == g->first && y[1] == g->second, "%s", info->name);
        cr_expect(y[info->elems / 2] == g->middle, "%s", info->name);
        cr_expect(y[info->elems - 1] == g->last, "%s", info->name);
        cr_expect(fabs(weighted - g->weighted) <= slack, "%s: %.9g", info->name,
                  weighted);
        cr_expect(fabs(magnitude - g->magnitude) <= slack, "%s: %.9g",
                  info->name, magnitude);
    }
}

Test(blocks, golden_values_cover_every_quant)
{
    for (int t = 0; t < BT_COUNT; t++) {
        int found = block_info[t].kind != BLOCK_QUANT;
        for (size_t k = 0; k < sizeof golden / sizeof *golden; k++)
            found |= golden[k].type == (BlockType)t;
        cr_expect(found, "%s has no golden row", block_info[t].name);
    }
}

/* ---- recorded blocks and what the reference library made of them */

static void *slurp(const char *name, const char *suffix, size_t *n)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/data/blocks/%s.%s", SHARED_DIR, name,
             suffix);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *data = malloc(1 << 20);
    cr_assert(data);
    *n = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

/* The recordings spell the K types with a capital letter. */
static void *slurp_type(const char *name, const char *suffix, size_t *n)
{
    char other[32];
    snprintf(other, sizeof other, "%s", name);
    char *k = strstr(other, "_k");
    if (k)
        k[1] = 'K';
    return slurp(other, suffix, n);
}

static int compare_recorded(BlockType t)
{
    const BlockInfo *info = &block_info[t];
    size_t nb = 0, nf = 0;
    uint8_t *blocks = slurp_type(info->name, "blocks", &nb);
    float *want = slurp_type(info->name, "f32", &nf);
    int there = blocks && want;
    if (there) {
        int64_t n = (int64_t)(nf / sizeof(float));
        cr_assert_eq(block_bytes(t, n), (int64_t)nb, "%s", info->name);
        float *got = malloc(nf);
        uint8_t *odd = malloc(nb + 1); /* no alignment may be assumed */
        cr_assert(got && odd);
        memcpy(odd + 1, blocks, nb);
        block_decode(t, odd + 1, n, got);
        cr_expect(memcmp(got, want, nf) == 0, "%s differs", info->name);
        free(got);
        free(odd);
    }
    free(blocks);
    free(want);
    return there;
}

Test(blocks, recorded_blocks_bit_equal)
{
    int compared = 0, expected = 0;
    for (int t = 0; t < BT_COUNT; t++) {
        compared += compare_recorded((BlockType)t);
        expected += block_info[t].kind == BLOCK_QUANT;
    }
    if (!compared)
        cr_skip("no recorded blocks beside the source tree");
    cr_expect_eq(compared, expected + 2, "quants, f16 and bf16; got %d",
                 compared);
}

/* ---- plain values */

Test(blocks, plain_types_convert_by_value)
{
    float y[3];
    block_decode(BT_i8, (int8_t[]){-128, 0, 127}, 3, y);
    cr_expect(y[0] == -128 && y[1] == 0 && y[2] == 127);
    block_decode(BT_i16, (int16_t[]){-32768, 1, 32767}, 3, y);
    cr_expect(y[0] == -32768 && y[1] == 1 && y[2] == 32767);
    block_decode(BT_i32, (int32_t[]){INT32_MIN, -7, 1 << 24}, 3, y);
    cr_expect(y[0] == -0x1p31F && y[1] == -7 && y[2] == 0x1p24F);
    block_decode(BT_i64, (int64_t[]){INT64_MIN, 5, 1}, 3, y);
    cr_expect(y[0] == -0x1p63F && y[1] == 5 && y[2] == 1);
    block_decode(BT_f64, (double[]){0.1, -1e300, 0x1p-149}, 3, y);
    cr_expect(y[0] == 0.1F && isinf(y[1]) && y[1] < 0 && y[2] == 0x1p-149F);
    block_decode(BT_f32, (float[]){0.1F, -0.0F, INFINITY}, 3, y);
    cr_expect(y[0] == 0.1F && bits_of(y[1]) == 0x80000000 && isinf(y[2]));
}

Test(blocks, mxfp4_extreme_scales)
{
    uint8_t b[17] = {0};
    float y[32];
    memset(b + 1, 0x11, 16); /* every value is the code 1: the scale itself */
    for (int e = 0; e < 256; e++) {
        b[0] = (uint8_t)e;
        block_decode(BT_mxfp4, b, 32, y);
        cr_expect(y[0] == ldexpf(1.0F, e - 128), "e = %d", e);
    }
}

/* ---- half and bfloat16: every value, and every rounding boundary */

static float half_reference(unsigned h)
{
    int exp = h >> 10 & 31, frac = h & 1023;
    float mag;
    if (exp == 31)
        mag = frac ? NAN : INFINITY;
    else if (exp == 0)
        mag = ldexpf((float)frac, -24);
    else
        mag = ldexpf((float)(1024 + frac), exp - 25);
    return h & 0x8000 ? -mag : mag;
}

Test(half, every_value)
{
    for (unsigned h = 0; h < 65536; h++) {
        float f = half_to_float((uint16_t)h), want = half_reference(h);
        if (isnan(want)) {
            unsigned back = float_to_half(f);
            cr_assert(isnan(f), "%04x", h);
            cr_assert_eq(back, h | 0x200, "%04x -> %04x", h, back);
        } else {
            cr_assert_eq(bits_of(f), bits_of(want), "%04x", h);
            cr_assert_eq(float_to_half(f), h, "%04x", h);
        }
    }
}

/* Rounding is monotone, so it is right everywhere if it is right on both sides
 * of each midpoint between neighbours, and on it. */
Test(half, every_rounding_boundary)
{
    for (unsigned h = 0; h < 0x7c00; h++) {
        float low = half_to_float((uint16_t)h);
        float high = h == 0x7bff ? 65536 : half_to_float((uint16_t)(h + 1));
        float mid = low + (high - low) / 2; /* exact */
        unsigned even = h & 1 ? h + 1 : h;
        for (unsigned sign = 0; sign <= 0x8000; sign += 0x8000) {
            float s = sign ? -1 : 1;
            cr_assert_eq(float_to_half(s * mid), sign | even, "%04x", h);
            cr_assert_eq(float_to_half(s * nextafterf(mid, 0)), sign | h,
                         "%04x", h);
            cr_assert_eq(float_to_half(s * nextafterf(mid, 1e9F)),
                         sign | (h + 1), "%04x", h);
        }
    }
    cr_assert_eq(float_to_half(3e38F), 0x7c00);
    cr_assert_eq(float_to_half(-INFINITY), 0xfc00);
    cr_assert_eq(float_to_half(0x1p-149F), 0);
}

Test(bf16, every_value_and_rounding_boundary)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = bf16_to_float((uint16_t)h);
        cr_assert_eq(bits_of(f), h << 16);
        if (isnan(f)) {
            cr_assert_eq(float_to_bf16(f), h | 0x40);
            cr_assert(isnan(bf16_to_float(
                float_to_bf16(float_of((h & 0xff80) << 16 | 1)))));
            continue;
        }
        cr_assert_eq(float_to_bf16(f), h);
        if (isinf(f))
            continue;
        uint32_t mid = h << 16 | 0x8000;
        cr_assert_eq(float_to_bf16(float_of(mid)), h + (h & 1));
        cr_assert_eq(float_to_bf16(float_of(mid - 1)), h);
        cr_assert_eq(float_to_bf16(float_of(mid + 1)), h + 1);
    }
}

/* ---- encoders */

static uint64_t seed = 1;

static float random_float(void)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (float)((int64_t)(seed >> 32) - 0x80000000LL) * 0x1p-31F;
}

static void random_row(float *x, int n, float scale)
{
    for (int i = 0; i < n; i++)
        x[i] = scale * random_float();
}

static void roundtrip(BlockType t, const float *x, uint8_t *b, float *y)
{
    cr_assert(block_encode(t, x, 64, b));
    block_decode(t, b, 64, y);
}

Test(encode, only_storage_types)
{
    float x[64] = {0};
    uint8_t b[256];
    for (int t = 0; t < BT_COUNT; t++) {
        bool stores = t == BT_f32 || t == BT_f16 || t == BT_bf16 ||
                      t == BT_q8_0 || t == BT_q4_0;
        cr_expect_eq(block_encode((BlockType)t, x, 64, b), stores, "%s",
                     block_info[t].name);
    }
}

/* Largest error of each type for values up to 1: half a step of the code, plus
 * the rounding of the scale to half (2^-11 of the value); q4_0 has no code for
 * +8, so that the far end may be a whole step off. */
Test(encode, error_bounds)
{
    static const struct {
        BlockType type;
        double bound;
    } rows[] = {{BT_f32, 0},
                {BT_f16, 0x1p-12},
                {BT_bf16, 0x1p-9},
                {BT_q8_0, 0.5 / 127 + 0x1p-11},
                {BT_q4_0, 1.0 / 8 + 0x1p-11}};
    float x[64], y[64];
    uint8_t b[256];
    for (int round = 0; round < 2000; round++) {
        random_row(x, 64, 1);
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            roundtrip(rows[k].type, x, b, y);
            for (int i = 0; i < 64; i++)
                cr_assert(fabs((double)x[i] - y[i]) <= rows[k].bound, "%s",
                          block_info[rows[k].type].name);
        }
    }
}

Test(encode, decoded_values_encode_to_themselves)
{
    static const BlockType types[] = {BT_f32, BT_f16, BT_bf16, BT_q8_0,
                                      BT_q4_0};
    float x[64], y[64];
    uint8_t b[256], again[256];
    for (int round = 0; round < 500; round++) {
        random_row(x, 64, ldexpf(1, round % 24 - 10));
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            roundtrip(types[k], x, b, y);
            cr_assert(block_encode(types[k], y, 64, again));
            cr_assert_eq(memcmp(b, again, (size_t)block_bytes(types[k], 64)), 0,
                         "%s", block_info[types[k]].name);
        }
    }
}

Test(encode, q8_0_by_hand)
{
    float x[32] = {127, -127, 0.5F, -0.5F, 1.5F, 0.49F, -2.5F};
    static const int8_t want[7] = {127, -127, 1, -1, 2, 0, -3};
    uint8_t b[34];
    cr_assert(block_encode(BT_q8_0, x, 32, b));
    cr_expect_eq(b[0] | b[1] << 8, 0x3c00);
    cr_expect_eq(memcmp(b + 2, want, 7), 0, "ties go away from zero");
}

Test(encode, q4_0_by_hand)
{
    float x[32] = {-8, 7, 8, 0, 0.5F, -0.5F};
    static const uint8_t want[6] = {0, 15, 15, 8, 9, 8};
    uint8_t b[18];
    cr_assert(block_encode(BT_q4_0, x, 32, b));
    cr_expect_eq(b[0] | b[1] << 8, 0x3c00, "the first of equals is -8");
    for (int i = 0; i < 6; i++)
        cr_expect_eq(b[2 + i] & 15, want[i], "code %d", i);
}

Test(encode, q8a_by_hand)
{
    float x[32] = {127, -127, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F}, y[32];
    static const int8_t want[7] = {127, -127, 0, 2, 2, 0, -2};
    uint8_t b[36];
    block_quantize(BT_q8a, x, 32, b);
    cr_expect_eq(memcmp(b, want, 7), 0, "ties go to even");
    block_decode(BT_q8a, b, 32, y);
    cr_expect(y[0] == 127 && y[1] == -127 && y[3] == 2);
}

Test(encode, q8a_error_is_half_a_step)
{
    float x[32], y[32];
    uint8_t b[36];
    for (int round = 0; round < 2000; round++) {
        float d;
        random_row(x, 32, ldexpf(1, round % 60 - 30));
        block_quantize(BT_q8a, x, 32, b);
        block_decode(BT_q8a, b, 32, y);
        memcpy(&d, b + 32, sizeof d);
        for (int i = 0; i < 32; i++)
            cr_assert(fabsf(x[i] - y[i]) <= 0.50001F * d);
    }
}

/* A fault may not be hidden by quantising it. */
Test(encode, not_finite_stays_not_finite)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const BlockType types[] = {BT_q8_0, BT_q4_0};
    for (int k = 0; k < 3; k++) {
        float x[64] = {1, 2, 3}, y[64];
        uint8_t b[72];
        x[5] = bad[k];
        for (int t = 0; t < 2; t++) {
            roundtrip(types[t], x, b, y);
            cr_expect(isnan(y[0]) && isnan(y[31]));
            cr_expect(y[32] == 0, "the next block is sound");
        }
        block_quantize(BT_q8a, x, 64, b);
        block_decode(BT_q8a, b, 64, y);
        cr_expect(isnan(y[5]) && y[32] == 0);
    }
}

Test(encode, zeros_and_tiny_values)
{
    static const float sizes[] = {0, 0x1p-149F, 0x1p-140F, 0x1p-126F};
    for (int k = 0; k < 4; k++) {
        float x[64], y[64];
        uint8_t b[72];
        for (int i = 0; i < 64; i++)
            x[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? sizes[k] : -sizes[k];
        roundtrip(BT_q8_0, x, b, y);
        cr_expect(y[0] == 0 && y[1] == 0);
        roundtrip(BT_q4_0, x, b, y);
        cr_expect(y[0] == 0 && y[1] == 0);
        block_quantize(BT_q8a, x, 64, b);
        block_decode(BT_q8a, b, 64, y);
        for (int i = 0; i < 64; i++)
            cr_expect(fabsf(y[i]) <= sizes[k] * 1.01F);
    }
}

/* ---- the table */

Test(table, lookups)
{
    for (int t = 0; t < BT_COUNT; t++) {
        const BlockInfo *info = &block_info[t];
        cr_expect_eq(block_from_name(info->name), (BlockType)t);
        if (info->gguf_id >= 0)
            cr_expect_eq(block_from_gguf((uint32_t)info->gguf_id),
                         (BlockType)t);
    }
    cr_expect_eq(block_from_name("Q4_K"), BT_q4_k);
    cr_expect_eq(block_from_name("q4"), BT_COUNT);
    static const uint32_t refused[] = {4,  5,  9,  15, 31, 32,
                                       33, 36, 37, 38, 43, UINT32_MAX};
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++)
        cr_expect_eq(block_from_gguf(refused[k]), BT_COUNT, "id %u",
                     refused[k]);
}

Test(table, bytes)
{
    cr_expect_eq(block_bytes(BT_f32, 3), 12);
    cr_expect_eq(block_bytes(BT_q6_k, 512), 420);
    cr_expect_eq(block_bytes(BT_q6_k, 0), 0);
    cr_expect_eq(block_bytes(BT_q6_k, 255), -1);
    cr_expect_eq(block_bytes(BT_q6_k, -256), -1);
    cr_expect_eq(block_bytes(BT_f32, INT64_MAX / 4), INT64_MAX / 4 * 4);
    cr_expect_eq(block_bytes(BT_f32, INT64_MAX / 4 + 1), -1);
    cr_expect_eq(block_bytes(BT_q8_0, INT64_MAX - 31), -1);
}
