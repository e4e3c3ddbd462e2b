/* Blocks of 32 values (64, 128 for the two newest) with one plain scale. */
#include <math.h>

#include "base/codebooks.h"
#include "gen/llvm/decode.h"

static Group group_q4_0(Ir *ir, const Head *h, int g)
{
    (void)g;
    LLVMValueRef q = decode_nibbles(ir, decode_fields(ir, h, 2, 16));
    return decode_group(l_addi(ir, q, -8), h->d);
}
const Decoder decoder_q4_0 = {.group = group_q4_0};

/* y = d q + m is d q - (-m). */
static Group with_offset(Ir *ir, LLVMValueRef q, const Head *h)
{
    LLVMValueRef m = LLVMBuildFNeg(ir->b, decode_half(ir, h->p, 2), "min");
    return (Group){q, {h->d, h->d}, {m, m}};
}

static Group group_q4_1(Ir *ir, const Head *h, int g)
{
    (void)g;
    return with_offset(ir, decode_nibbles(ir, decode_fields(ir, h, 4, 16)), h);
}
const Decoder decoder_q4_1 = {
    .group = group_q4_1, .unsigned_ = true, .has_min = true};

/* Nibbles with a fifth bit from a word. */
static LLVMValueRef five_bits(Ir *ir, const Head *h, int word, int qs)
{
    LLVMValueRef q = decode_nibbles(ir, decode_fields(ir, h, qs, 16)), high;
    high = l_select(ir, decode_mask(ir, decode_u32(ir, h->p, word)),
                    l_int_like(q, 16), l_int_like(q, 0));
    return l_or(ir, q, high);
}

static Group group_q5_0(Ir *ir, const Head *h, int g)
{
    (void)g;
    return decode_group(l_addi(ir, five_bits(ir, h, 2, 6), -16), h->d);
}
const Decoder decoder_q5_0 = {.group = group_q5_0};

static Group group_q5_1(Ir *ir, const Head *h, int g)
{
    (void)g;
    return with_offset(ir, five_bits(ir, h, 4, 8), h);
}
const Decoder decoder_q5_1 = {
    .group = group_q5_1, .unsigned_ = true, .has_min = true};

static Group group_q8_0(Ir *ir, const Head *h, int g)
{
    (void)g;
    return decode_group(decode_bytes(ir, h->p, 2, 32), h->d);
}
const Decoder decoder_q8_0 = {.group = group_q8_0};

static void head_q8a(Ir *ir, Head *h)
{
    h->d = l_load(ir, ir->f32, l_at(ir, h->p, 32));
}

static Group group_q8a(Ir *ir, const Head *h, int g)
{
    (void)g;
    return decode_group(decode_bytes(ir, h->p, 0, 32), h->d);
}
const Decoder decoder_q8a = {.head = head_q8a, .group = group_q8a, .d_at = -1};

static void head_q16a(Ir *ir, Head *h)
{
    h->d = l_load(ir, ir->f32, l_at(ir, h->p, 64));
}

static Group group_q16a(Ir *ir, const Head *h, int g)
{
    (void)g;
    return decode_group(l_load(ir, l_vec(ir->i16, 32), h->p), h->d);
}
const Decoder decoder_q16a = {
    .head = head_q16a, .group = group_q16a, .d_at = -1};

static Group group_iq4_nl(Ir *ir, const Head *h, int g)
{
    (void)g;
    LLVMValueRef q = decode_nibbles(ir, decode_bytes(ir, h->p, 2, 16));
    return decode_group(decode_lookup(ir, codebook_nl4, q), h->d);
}
const Decoder decoder_iq4_nl = {.group = group_iq4_nl};

/* Bit 1: d, bit 0: -d. */
static Group group_q1_0(Ir *ir, const Head *h, int g)
{
    LLVMValueRef m = decode_mask(ir, decode_u32(ir, h->p, 2 + 4 * g));
    LLVMValueRef one = l_sext(ir, m, ir->i8); /* -1 or 0 */
    one = l_or(ir, l_xor(ir, one, l_int_like(one, -1)), l_int_like(one, 1));
    return decode_group(one, h->d);
}
const Decoder decoder_q1_0 = {.group = group_q1_0};

/* Four values to a byte. */
static Group group_q2_0(Ir *ir, const Head *h, int g)
{
    int from[32];
    int64_t shift[32];
    for (int i = 0; i < 32; i++) {
        from[i] = i / 4;
        shift[i] = 2 * (i % 4);
    }
    LLVMValueRef q = decode_bytes(ir, h->p, 2 + 8 * g, 8);
    q = l_shuffle(ir, q, NULL, from, 32);
    q = l_andi(ir, l_shr(ir, q, l_const_vec(ir->i8, shift, 32)), 3);
    return decode_group(l_addi(ir, q, -1), h->d);
}
const Decoder decoder_q2_0 = {.group = group_q2_0};

/* 2^(e-128), subnormal for e = 0 and 1 (the codes are doubled). */
static void head_mxfp4(Ir *ir, Head *h)
{
    LLVMValueRef e = decode_u8(ir, h->p, 0), small, big, tiny;
    small = l_shl(ir, l_i32(ir, 0x200000), e);
    big = l_shli(ir, l_addi(ir, e, -1), 23);
    tiny = l_icmp(ir, LLVMIntULT, e, l_i32(ir, 2));
    h->d = l_bits(ir, l_select(ir, tiny, small, big), ir->f32);
}

static Group group_mxfp4(Ir *ir, const Head *h, int g)
{
    (void)g;
    LLVMValueRef q = decode_nibbles(ir, decode_bytes(ir, h->p, 1, 16));
    return decode_group(decode_lookup(ir, codebook_e2m1, q), h->d);
}
const Decoder decoder_mxfp4 = {
    .head = head_mxfp4, .group = group_mxfp4, .d_at = -1};

/* Half of an unsigned E4M3 number: exponent bias 7, 0x7f counts as 0, the top
 * bit is ignored. */
static double ue4m3_half(int x)
{
    int exp = x >> 3 & 15, frac = x & 7;
    if (x == 0x7f)
        return 0;
    return exp ? ldexp(8 + frac, exp - 11) : ldexp(frac, -10);
}

static void head_nvfp4(Ir *ir, Head *h)
{
    LLVMValueRef v[256];
    for (int i = 0; i < 256; i++)
        v[i] = l_real(ir, ue4m3_half(i));
    h->codes = l_table(ir, "ue4m3", ir->f32, v, 256);
}

/* Halves of 16: the low nibbles of 8 bytes, then their high ones. */
static Group group_nvfp4(Ir *ir, const Head *h, int g)
{
    int from[32];
    Group y;
    LLVMValueRef b = decode_bytes(ir, h->p, 4 + 16 * g, 16);
    for (int i = 0; i < 32; i++)
        from[i] = i / 16 * 8 + i % 8 + i / 8 % 2 * 16;
    b = l_shuffle(ir, decode_nibbles(ir, b), NULL, from, 32);
    y = decode_group(decode_lookup(ir, codebook_e2m1, b), NULL);
    for (int i = 0; i < 2; i++) {
        LLVMValueRef e = l_zext(ir, decode_u8(ir, h->p, 2 * g + i), ir->i64);
        y.scale[i] = l_f32_at(ir, h->codes, e, 1);
    }
    return y;
}
const Decoder decoder_nvfp4 = {
    .head = head_nvfp4, .group = group_nvfp4, .d_at = -1};
