/* Packed types whose codes are fields of bytes: shifts and masks, or a table of
 * sixteen. */
#include "base/codebooks.h"
#include "gen/llvm/decode.h"
#include "gen/llvm/packed.h"

/* Codes of 16 bytes: low nibbles are values 0..15, high ones the others. */
static void nibbles(Ir *ir, const PackHead *h, int offset, LLVMValueRef *unit)
{
    for (int u = 0; u < 4; u++) {
        LLVMValueRef q = packed_unit(ir, h, offset + 4 * u);
        unit[u] = l_andi(ir, q, 15);
        unit[u + 4] = l_shri(ir, q, 4);
    }
}

static Lanes8 group_q4_0(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.scale = {h->d, h->d}};
    (void)g;
    nibbles(ir, h, 2, v.unit);
    return v;
}
const PackDecoder packed_q4_0 = {.group = group_q4_0, .zero = 8, .most = 15};

/* y = d q + m is d q - (-m). */
static void with_offset(Ir *ir, const PackHead *h, Lanes8 *v)
{
    LLVMValueRef m = LLVMBuildFNeg(ir->b, packed_half(ir, h, 2), "min");
    v->min[0] = v->min[1] = m;
}

static Lanes8 group_q4_1(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.scale = {h->d, h->d}};
    (void)g;
    nibbles(ir, h, 4, v.unit);
    with_offset(ir, h, &v);
    return v;
}
const PackDecoder packed_q4_1 = {
    .group = group_q4_1, .most = 15, .has_min = true};

/* Bits 4u..4u+3 of each row's word, as bit 4 of four bytes. */
static LLVMValueRef fifth_bits(Ir *ir, LLVMValueRef word, int u)
{
    int64_t shift[32];
    int from[32];
    for (int i = 0; i < 32; i++) {
        shift[i] = 1 << (4 * (u % 2) + i % 4);
        from[i] = i / 4 * 4 + u / 2;
    }
    LLVMTypeRef bytes = l_vec(ir->i8, 32);
    LLVMValueRef b = l_shuffle(ir, l_bits(ir, word, bytes), NULL, from, 32);
    LLVMValueRef bit = l_const_vec(ir->i8, shift, 32);
    bit = l_icmp(ir, LLVMIntEQ, l_and(ir, b, bit), bit);
    return l_andi(ir, l_sext(ir, bit, ir->i8), 16);
}

static void five_bits(Ir *ir, const PackHead *h, int word, int qs,
                      LLVMValueRef *unit)
{
    LLVMValueRef bits = packed_word(ir, h, word);
    nibbles(ir, h, qs, unit);
    for (int u = 0; u < 8; u++)
        unit[u] = l_or(ir, unit[u], fifth_bits(ir, bits, u));
}

static Lanes8 group_q5_0(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.scale = {h->d, h->d}};
    (void)g;
    five_bits(ir, h, 2, 6, v.unit);
    return v;
}
const PackDecoder packed_q5_0 = {.group = group_q5_0, .zero = 16, .most = 31};

static Lanes8 group_q5_1(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.scale = {h->d, h->d}};
    (void)g;
    five_bits(ir, h, 4, 8, v.unit);
    with_offset(ir, h, &v);
    return v;
}
const PackDecoder packed_q5_1 = {
    .group = group_q5_1, .most = 31, .has_min = true};

static Lanes8 group_q8_0(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.scale = {h->d, h->d}};
    (void)g;
    for (int u = 0; u < 8; u++)
        v.unit[u] = packed_unit(ir, h, 2 + 4 * u);
    return v;
}
const PackDecoder packed_q8_0 = {
    .group = group_q8_0, .most = 128, .signed_ = true};

/* ---- sixteen values from a table ---- */

static void table16(Ir *ir, const PackHead *h, int offset, LLVMValueRef *unit)
{
    nibbles(ir, h, offset, unit);
    for (int u = 0; u < 8; u++)
        unit[u] = decode_lookup(ir, codebook_nl4, unit[u]);
}

static Lanes8 group_iq4_nl(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.scale = {h->d, h->d}};
    (void)g;
    table16(ir, h, 2, v.unit);
    return v;
}
const PackDecoder packed_iq4_nl = {
    .group = group_iq4_nl, .most = 127, .signed_ = true};

static void head_iq4_xs(Ir *ir, PackHead *h)
{
    h->word[0] = packed_u16(ir, h, 2);
    h->word[1] = packed_word(ir, h, 4);
}

/* Six-bit scales: four bits in word 1, two in word 0, less 32. */
static Lanes8 group_iq4_xs(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = false};
    LLVMValueRef s = packed_bits(ir, h->word[1], 4 * g, 15), high;
    high = l_shli(ir, packed_bits(ir, h->word[0], 2 * g, 3), 4);
    s = l_addi(ir, l_or(ir, s, high), -32);
    packed_scale(&v, l_fmul(ir, h->d, l_to_f32(ir, s)));
    table16(ir, h, 8 + 16 * g, v.unit);
    return v;
}
const PackDecoder packed_iq4_xs = {.head = head_iq4_xs,
                                   .group = group_iq4_xs,
                                   .most = 127,
                                   .signed_ = true};

/* ---- the K family ---- */

static void head_q4_k(Ir *ir, PackHead *h)
{
    h->half[0] = packed_half(ir, h, 2);
    for (int i = 0; i < 3; i++)
        h->word[i] = packed_word(ir, h, 4 + 4 * i);
}

/* Scale and minimum of sub-block g: six bits each, spread over three words. */
static void scale_q4_k(Ir *ir, const PackHead *h, int g, Lanes8 *v)
{
    LLVMValueRef s, m;
    int at = 8 * (g % 4);
    if (g < 4) {
        s = packed_bits(ir, h->word[0], at, 63);
        m = packed_bits(ir, h->word[1], at, 63);
    } else {
        s = l_or(ir, packed_bits(ir, h->word[2], at, 15),
                 l_shli(ir, packed_bits(ir, h->word[0], at + 6, 3), 4));
        m = l_or(ir, packed_bits(ir, h->word[2], at + 4, 15),
                 l_shli(ir, packed_bits(ir, h->word[1], at + 6, 3), 4));
    }
    packed_scale(v, l_fmul(ir, h->d, l_to_f32(ir, s)));
    v->min[0] = v->min[1] = l_fmul(ir, h->half[0], l_to_f32(ir, m));
}

/* 64 values share 32 bytes. */
static LLVMValueRef code4(Ir *ir, const PackHead *h, int qs, int g, int u)
{
    LLVMValueRef q = packed_unit(ir, h, qs + 32 * (g / 2) + 4 * u);
    return g % 2 ? l_shri(ir, q, 4) : l_andi(ir, q, 15);
}

static Lanes8 group_q4_k(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = false};
    for (int u = 0; u < 8; u++)
        v.unit[u] = code4(ir, h, 16, g, u);
    scale_q4_k(ir, h, g, &v);
    return v;
}
const PackDecoder packed_q4_k = {
    .head = head_q4_k, .group = group_q4_k, .most = 15, .has_min = true};

/* Bit `bit` of each byte as bit 4. */
static LLVMValueRef to_bit4(Ir *ir, LLVMValueRef v, int bit)
{
    v = bit < 4 ? l_shli(ir, v, 4 - bit) : l_shri(ir, v, bit - 4);
    return l_andi(ir, v, 16);
}

static Lanes8 group_q5_k(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = false};
    for (int u = 0; u < 8; u++)
        v.unit[u] = l_or(ir, code4(ir, h, 48, g, u),
                         to_bit4(ir, packed_unit(ir, h, 16 + 4 * u), g));
    scale_q4_k(ir, h, g, &v);
    return v;
}
const PackDecoder packed_q5_k = {
    .head = head_q4_k, .group = group_q5_k, .most = 31, .has_min = true};

static void head_q6_k(Ir *ir, PackHead *h)
{
    for (int i = 0; i < 4; i++)
        h->word[i] = packed_word(ir, h, 192 + 4 * i);
}

/* Signed byte i of four. */
static LLVMValueRef signed_byte(Ir *ir, LLVMValueRef word, int i)
{
    word = l_shli(ir, word, 24 - 8 * i);
    return l_sar(ir, word, l_int_like(word, 24));
}

static Lanes8 group_q6_k(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = false};
    int n = g / 4, k = g % 4;
    for (int u = 0; u < 8; u++) {
        LLVMValueRef low, high;
        low = packed_unit(ir, h, 64 * n + 32 * (k & 1) + 4 * u);
        low = k / 2 ? l_shri(ir, low, 4) : l_andi(ir, low, 15);
        high = l_shri(ir, packed_unit(ir, h, 128 + 32 * n + 4 * u), 2 * k);
        v.unit[u] = l_or(ir, low, l_shli(ir, l_andi(ir, high, 3), 4));
    }
    for (int i = 0; i < 2; i++) {
        LLVMValueRef s = signed_byte(ir, h->word[g / 2], 2 * (g % 2) + i);
        v.scale[i] = l_fmul(ir, h->d, l_to_f32(ir, s));
    }
    return v;
}
const PackDecoder packed_q6_k = {.head = head_q6_k,
                                 .group = group_q6_k,
                                 .d_at = 208,
                                 .zero = 32,
                                 .most = 63};
