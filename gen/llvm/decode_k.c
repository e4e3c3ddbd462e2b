/* The K family and the ternary types: 256 values, sub-blocks with scales. */
#include "gen/llvm/decode.h"

/* Four byte lanes at a time: (w >> shift) & mask in each byte of a word. */
static LLVMValueRef field(Ir *ir, LLVMValueRef w, int shift, int mask)
{
    return l_andi(ir, l_shri(ir, w, shift), mask * 0x01010101);
}

/* low | high << 4, bytewise */
static LLVMValueRef six_bits(Ir *ir, LLVMValueRef low, LLVMValueRef high)
{
    return l_or(ir, low, l_shli(ir, high, 4));
}

/* The bytes of n words as i32 lanes. */
static LLVMValueRef spread(Ir *ir, LLVMValueRef *word, int n)
{
    LLVMValueRef v = LLVMGetPoison(l_vec(ir->i32, n));
    for (int i = 0; i < n; i++)
        v = LLVMBuildInsertElement(ir->b, v, word[i], l_i32(ir, i), "");
    return l_zext(ir, l_bits(ir, v, l_vec(ir->i8, 4 * n)), ir->i32);
}

static LLVMValueRef scaled(Ir *ir, LLVMValueRef d, LLVMValueRef v)
{
    return decode_times(ir, l_splat(ir, d, l_lanes(v)), v);
}

/* One scale and offset for all 32 values: lane g. */
static Group with_lane(Ir *ir, LLVMValueRef code, const Head *h, int g)
{
    LLVMValueRef s = l_lane(ir, h->scale, g), m = l_lane(ir, h->min, g);
    return (Group){code, {s, s}, {m, m}};
}

/* Two scales: lanes 2g and 2g+1. */
static Group with_lanes(Ir *ir, LLVMValueRef code, const Head *h, int g)
{
    Group y = {code, {NULL, NULL}, {NULL, NULL}};
    for (int i = 0; i < 2; i++) {
        y.scale[i] = l_lane(ir, h->scale, 2 * g + i);
        if (h->min)
            y.min[i] = l_lane(ir, h->min, 2 * g + i);
    }
    return y;
}

/* ---- q4_k, q5_k ---- */

/* Eight scales and minima of six bits in 12 bytes. */
static void head_q4_k(Ir *ir, Head *h)
{
    LLVMValueRef u[3], s[2], m[2];
    for (int i = 0; i < 3; i++)
        u[i] = decode_u32(ir, h->p, 4 + 4 * i);
    s[0] = field(ir, u[0], 0, 63);
    m[0] = field(ir, u[1], 0, 63);
    s[1] = six_bits(ir, field(ir, u[2], 0, 15), field(ir, u[0], 6, 3));
    m[1] = six_bits(ir, field(ir, u[2], 4, 15), field(ir, u[1], 6, 3));
    h->scale = scaled(ir, h->d, spread(ir, s, 2));
    h->min = scaled(ir, decode_half(ir, h->p, 2), spread(ir, m, 2));
}

/* 64 values share 32 bytes. */
static LLVMValueRef code4(Ir *ir, const Head *h, int qs, int g)
{
    LLVMValueRef q = decode_fields(ir, h, qs + 32 * (g / 2), 32);
    return g % 2 ? l_shri(ir, q, 4) : l_andi(ir, q, 15);
}

static Group group_q4_k(Ir *ir, const Head *h, int g)
{
    return with_lane(ir, code4(ir, h, 16, g), h, g);
}
const Decoder decoder_q4_k = {
    .head = head_q4_k, .group = group_q4_k, .unsigned_ = true, .has_min = true};

/* Bit `bit` of each byte, moved to bit `to`. */
static LLVMValueRef move_bit(Ir *ir, LLVMValueRef v, int bit, int to)
{
    v = bit < to ? l_shli(ir, v, to - bit) : l_shri(ir, v, bit - to);
    return l_andi(ir, v, 1 << to);
}

static Group group_q5_k(Ir *ir, const Head *h, int g)
{
    LLVMValueRef high = move_bit(ir, decode_fields(ir, h, 16, 32), g, 4);
    return with_lane(ir, l_or(ir, code4(ir, h, 48, g), high), h, g);
}
const Decoder decoder_q5_k = {
    .head = head_q4_k, .group = group_q5_k, .unsigned_ = true, .has_min = true};

/* ---- q6_k ---- */

static void head_q6_k(Ir *ir, Head *h)
{
    LLVMValueRef s = decode_bytes(ir, h->p, 192, 16);
    h->scale = scaled(ir, h->d, l_sext(ir, s, ir->i32));
}

static Group group_q6_k(Ir *ir, const Head *h, int g)
{
    int n = g / 4, k = g % 4;
    LLVMValueRef low = decode_fields(ir, h, 64 * n + 32 * (k & 1), 32), high;
    low = k / 2 ? l_shri(ir, low, 4) : l_andi(ir, low, 15);
    high = decode_fields(ir, h, 128 + 32 * n, 32);
    high = l_andi(ir, l_shri(ir, high, 2 * k), 3);
    low = l_or(ir, low, l_shli(ir, high, 4));
    return with_lanes(ir, l_addi(ir, low, -32), h, g);
}
const Decoder decoder_q6_k = {
    .head = head_q6_k, .group = group_q6_k, .d_at = 208};

/* ---- q2_k, q3_k ---- */

/* 128 values share 32 bytes, 32 values a bit pair. */
static LLVMValueRef code2(Ir *ir, const Head *h, int qs, int g)
{
    LLVMValueRef q = decode_fields(ir, h, qs + 32 * (g / 4), 32);
    return l_andi(ir, l_shri(ir, q, 2 * (g % 4)), 3);
}

static void head_q2_k(Ir *ir, Head *h)
{
    LLVMValueRef s = l_zext(ir, decode_bytes(ir, h->p, 0, 16), ir->i32);
    h->scale = scaled(ir, h->d, l_andi(ir, s, 15));
    h->min = scaled(ir, decode_half(ir, h->p, 82), l_shri(ir, s, 4));
}

static Group group_q2_k(Ir *ir, const Head *h, int g)
{
    return with_lanes(ir, code2(ir, h, 16, g), h, g);
}
const Decoder decoder_q2_k = {.head = head_q2_k,
                              .group = group_q2_k,
                              .d_at = 80,
                              .unsigned_ = true,
                              .has_min = true};

/* Sixteen scales: nibbles in 8 bytes, the two high bits in 4 more. */
static void head_q3_k(Ir *ir, Head *h)
{
    LLVMValueRef low[2], high = decode_u32(ir, h->p, 104), s[4], v;
    for (int i = 0; i < 2; i++)
        low[i] = decode_u32(ir, h->p, 96 + 4 * i);
    for (int i = 0; i < 4; i++)
        s[i] = six_bits(ir, field(ir, low[i % 2], 4 * (i / 2), 15),
                        field(ir, high, 2 * i, 3));
    v = l_addi(ir, spread(ir, s, 4), -32);
    h->scale = scaled(ir, h->d, v);
}

/* A high bit that is not set takes 4 away. */
static Group group_q3_k(Ir *ir, const Head *h, int g)
{
    LLVMValueRef high = move_bit(ir, decode_fields(ir, h, 0, 32), g, 2);
    LLVMValueRef q = l_or(ir, code2(ir, h, 32, g), high);
    return with_lanes(ir, l_addi(ir, q, -4), h, g);
}
const Decoder decoder_q3_k = {
    .head = head_q3_k, .group = group_q3_k, .d_at = 108};

/* ---- ternary ---- */

static Group group_tq2_0(Ir *ir, const Head *h, int g)
{
    return decode_group(l_addi(ir, code2(ir, h, 0, g), -1), h->d);
}
const Decoder decoder_tq2_0 = {.group = group_tq2_0, .d_at = 64};

/* The byte and the digit of value i (of 256): five digits a byte for 48 bytes,
 * four for the last four. */
static void trit_place(int i, int *byte, int *digit)
{
    *byte = i < 160 ? i % 32 : i < 240 ? 32 + i % 16 : 48 + i % 4;
    *digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
}

/* Digit n of a byte, a fraction in base 3: shift by 3^n (mod 256), then the
 * leading digit is the high part of three times the rest. */
static Group group_tq1_0(Ir *ir, const Head *h, int g)
{
    static const int pow3[] = {1, 3, 9, 27, 81};
    int from[32], digit;
    int64_t shift[32];
    for (int i = 0; i < 32; i++) {
        trit_place(32 * g + i, &from[i], &digit);
        shift[i] = pow3[digit];
    }
    LLVMValueRef b = decode_bytes(ir, h->p, 0, 52), t;
    b = l_shuffle(ir, b, NULL, from, 32);
    b = l_mul(ir, b, l_const_vec(ir->i8, shift, 32));
    t = l_shri(ir, l_muli(ir, l_zext(ir, b, ir->i16), 3), 8);
    return decode_group(l_addi(ir, l_trunc(ir, t, ir->i8), -1), h->d);
}
const Decoder decoder_tq1_0 = {.group = group_tq1_0, .d_at = 52};
