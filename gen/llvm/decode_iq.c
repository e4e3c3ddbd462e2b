/* The IQ family: codes point into a table of likely value groups. */
#include "base/codebooks.h"
#include "gen/llvm/decode.h"

/* The codebook as a constant of the module: one integer a row. */
static LLVMValueRef grid(Ir *ir, CodebookId id)
{
    const Codebook *c = codebook(id);
    LLVMTypeRef t = c->cols == 8 ? ir->i64 : ir->i32;
    LLVMValueRef *v = ARENA_ARRAY(ir->arena, LLVMValueRef, c->rows);
    for (int r = 0; r < c->rows; r++) {
        uint64_t row = 0;
        for (int k = 0; k < c->cols; k++)
            row |= (uint64_t)(uint8_t)c->values[r * c->cols + k] << 8 * k;
        v[r] = LLVMConstInt(t, row, false);
    }
    return l_table(ir, c->name, t, v, c->rows);
}

#define GRID_HEAD(id)                                                          \
    static void head_##id(Ir *ir, Head *h)                                     \
    {                                                                          \
        h->codes = grid(ir, CODEBOOK_##id);                                    \
    }
GRID_HEAD(iq2xxs)
GRID_HEAD(iq2xs)
GRID_HEAD(iq2s)
GRID_HEAD(iq3xxs)
GRID_HEAD(iq3s)
#undef GRID_HEAD

/* n = 4 rows of 8 values or 8 rows of 4: 32 codes. */
static LLVMValueRef grid_rows(Ir *ir, LLVMValueRef table,
                              const LLVMValueRef *index, int n)
{
    LLVMTypeRef t = n == 4 ? ir->i64 : ir->i32;
    LLVMValueRef v = LLVMGetPoison(l_vec(t, n));
    for (int i = 0; i < n; i++) {
        LLVMValueRef at = l_zext(ir, index[i], ir->i64);
        at = l_load(ir, t, l_index(ir, table, at, 32 / n));
        v = LLVMBuildInsertElement(ir->b, v, at, l_i32(ir, i), "");
    }
    return l_bits(ir, v, l_vec(ir->i8, 32));
}

/* Codes negated where a bit of the word is set. */
static LLVMValueRef with_signs(Ir *ir, LLVMValueRef code, LLVMValueRef word)
{
    LLVMValueRef minus = l_sub(ir, l_int_like(code, 0), code);
    return l_select(ir, decode_mask(ir, word), minus, code);
}

/* Four fields of seven sign bits to a word of 32: in each byte the eighth makes
 * the number of minus signs even. */
static LLVMValueRef even_signs(Ir *ir, LLVMValueRef *field)
{
    LLVMValueRef w = field[0], p;
    for (int i = 1; i < 4; i++)
        w = l_or(ir, w, l_shli(ir, field[i], 8 * i));
    p = l_xor(ir, w, l_shri(ir, w, 4)); /* parities of each byte, folding */
    p = l_xor(ir, p, l_shri(ir, p, 2));
    p = l_xor(ir, p, l_shri(ir, p, 1));
    p = l_shli(ir, l_andi(ir, p, 0x01010101), 7);
    return l_or(ir, w, p);
}

/* The same with the fields side by side in the low 28 bits of a. */
static LLVMValueRef packed_signs(Ir *ir, LLVMValueRef a)
{
    LLVMValueRef f[4];
    for (int i = 0; i < 4; i++)
        f[i] = l_andi(ir, l_shri(ir, a, 7 * i), 127);
    return even_signs(ir, f);
}

/* d * (0.5 + s) * k */
static LLVMValueRef half_step(Ir *ir, LLVMValueRef d, LLVMValueRef s, double k)
{
    s = l_faddc(ir, l_to_f32(ir, s), 0.5);
    return l_fmulc(ir, l_fmul(ir, d, s), k);
}

static LLVMValueRef nibble_at(Ir *ir, LLVMValueRef p, int offset, int high)
{
    LLVMValueRef b = decode_u8(ir, p, offset);
    return high ? l_shri(ir, b, 4) : l_andi(ir, b, 15);
}

/* ---- iq2 ---- */

static Group group_iq2_xxs(Ir *ir, const Head *h, int g)
{
    LLVMValueRef at = l_at(ir, h->p, 2 + 8 * g), a = decode_u32(ir, at, 4),
                 row[4];
    for (int i = 0; i < 4; i++)
        row[i] = decode_u8(ir, at, i);
    LLVMValueRef code = grid_rows(ir, h->codes, row, 4);
    return decode_group(with_signs(ir, code, packed_signs(ir, a)),
                        half_step(ir, h->d, l_shri(ir, a, 28), 0.25));
}
const Decoder decoder_iq2_xxs = {.head = head_iq2xxs, .group = group_iq2_xxs};

/* A four-bit scale for each 16 values. */
static Group iq2_scales(Ir *ir, LLVMValueRef code, const Head *h, int at)
{
    Group y = decode_group(code, NULL);
    for (int i = 0; i < 2; i++)
        y.scale[i] = half_step(ir, h->d, nibble_at(ir, h->p, at, i), 0.25);
    return y;
}

static Group group_iq2_xs(Ir *ir, const Head *h, int g)
{
    LLVMValueRef row[4], sign[4], code;
    for (int i = 0; i < 4; i++) {
        LLVMValueRef q = decode_u16(ir, h->p, 2 + 8 * g + 2 * i);
        row[i] = l_andi(ir, q, 511);
        sign[i] = l_shri(ir, q, 9);
    }
    code = grid_rows(ir, h->codes, row, 4);
    return iq2_scales(ir, with_signs(ir, code, even_signs(ir, sign)), h,
                      66 + g);
}
const Decoder decoder_iq2_xs = {.head = head_iq2xs, .group = group_iq2_xs};

static Group group_iq2_s(Ir *ir, const Head *h, int g)
{
    LLVMValueRef row[4], code, high = decode_u8(ir, h->p, 66 + g);
    for (int i = 0; i < 4; i++)
        row[i] = l_or(ir, decode_u8(ir, h->p, 2 + 4 * g + i),
                      l_shli(ir, l_andi(ir, l_shri(ir, high, 2 * i), 3), 8));
    code = grid_rows(ir, h->codes, row, 4);
    return iq2_scales(
        ir, with_signs(ir, code, decode_u32(ir, h->p, 34 + 4 * g)), h, 74 + g);
}
const Decoder decoder_iq2_s = {.head = head_iq2s, .group = group_iq2_s};

/* ---- iq3 ---- */

static Group group_iq3_xxs(Ir *ir, const Head *h, int g)
{
    LLVMValueRef a = decode_u32(ir, h->p, 66 + 4 * g), row[8], code;
    for (int i = 0; i < 8; i++)
        row[i] = decode_u8(ir, h->p, 2 + 8 * g + i);
    code = grid_rows(ir, h->codes, row, 8);
    return decode_group(with_signs(ir, code, packed_signs(ir, a)),
                        half_step(ir, h->d, l_shri(ir, a, 28), 0.5));
}
const Decoder decoder_iq3_xxs = {.head = head_iq3xxs, .group = group_iq3_xxs};

static Group group_iq3_s(Ir *ir, const Head *h, int g)
{
    LLVMValueRef high = decode_u8(ir, h->p, 66 + g), row[8], code, s;
    for (int i = 0; i < 8; i++)
        row[i] = l_or(ir, decode_u8(ir, h->p, 2 + 8 * g + i),
                      l_shli(ir, l_andi(ir, l_shri(ir, high, i), 1), 8));
    code = grid_rows(ir, h->codes, row, 8);
    s = nibble_at(ir, h->p, 106 + g / 2, g % 2);
    s = decode_times(ir, h->d, l_addi(ir, l_shli(ir, s, 1), 1));
    return decode_group(with_signs(ir, code, decode_u32(ir, h->p, 74 + 4 * g)),
                        s);
}
const Decoder decoder_iq3_s = {.head = head_iq3s, .group = group_iq3_s};

/* ---- iq1: ternary values plus or minus 1/8, so codes are eighths ---- */

static LLVMValueRef grid_eighths(Ir *ir)
{
    const Codebook *c = codebook(CODEBOOK_iq1);
    LLVMValueRef *v = ARENA_ARRAY(ir->arena, LLVMValueRef, c->rows);
    for (int r = 0; r < c->rows; r++) {
        uint64_t row = 0;
        for (int k = 0; k < 8; k++)
            row |= (uint64_t)(uint8_t)(8 * c->values[8 * r + k]) << 8 * k;
        v[r] = LLVMConstInt(ir->i64, row, false);
    }
    return l_table(ir, "iq1.eighths", ir->i64, v, c->rows);
}

/* +1, or -1 where a bit of the word (8 values a bit) is set. */
static LLVMValueRef plus_minus(Ir *ir, LLVMValueRef word)
{
    LLVMValueRef m = decode_mask(ir, word), one = l_sext(ir, m, ir->i8);
    return l_or(ir, one, l_int_like(one, 1));
}

/* d / 8 * (2 s + 1); the division is exact. */
static LLVMValueRef odd_scale(Ir *ir, LLVMValueRef d, LLVMValueRef s)
{
    s = decode_times(ir, d, l_addi(ir, l_shli(ir, s, 1), 1));
    return l_fmulc(ir, s, 0.125);
}

static void head_iq1_s(Ir *ir, Head *h) { h->codes = grid_eighths(ir); }

static Group group_iq1_s(Ir *ir, const Head *h, int g)
{
    LLVMValueRef q = decode_u16(ir, h->p, 34 + 2 * g), row[4], code, minus;
    for (int i = 0; i < 4; i++) {
        LLVMValueRef high = l_andi(ir, l_shri(ir, q, 3 * i), 7);
        row[i] =
            l_or(ir, decode_u8(ir, h->p, 2 + 4 * g + i), l_shli(ir, high, 8));
    }
    minus = l_sub(ir, l_i32(ir, 0), l_shri(ir, q, 15)); /* all bits or none */
    code = grid_rows(ir, h->codes, row, 4);
    code = l_add(ir, code, plus_minus(ir, minus));
    q = l_andi(ir, l_shri(ir, q, 12), 7);
    return decode_group(code, odd_scale(ir, h->d, q));
}
const Decoder decoder_iq1_s = {.head = head_iq1_s, .group = group_iq1_s};

/* The scale's 16 bits are the top nibbles of four words. */
static void head_iq1_m(Ir *ir, Head *h)
{
    LLVMValueRef bits = l_i32(ir, 0);
    for (int k = 0; k < 4; k++) {
        LLVMValueRef w = l_shri(ir, decode_u16(ir, h->p, 48 + 2 * k), 12);
        bits = l_or(ir, bits, l_shli(ir, w, 4 * k));
    }
    h->d = decode_half_bits(ir, l_trunc(ir, bits, ir->i16));
    h->codes = grid_eighths(ir);
}

/* Each of four nibbles: three index bits, then the sign of the eighth. */
static Group group_iq1_m(Ir *ir, const Head *h, int g)
{
    LLVMValueRef row[4], minus = l_i32(ir, 0), code;
    for (int i = 0; i < 4; i++) {
        LLVMValueRef n = nibble_at(ir, h->p, 32 + 2 * g + i / 2, i % 2), all;
        row[i] = l_or(ir, decode_u8(ir, h->p, 4 * g + i),
                      l_shli(ir, l_andi(ir, n, 7), 8));
        all = l_muli(ir, l_shri(ir, n, 3), (int64_t)255 << 8 * i);
        minus = l_or(ir, minus, all);
    }
    code = grid_rows(ir, h->codes, row, 4);
    Group y = decode_group(l_add(ir, code, plus_minus(ir, minus)), NULL);
    for (int i = 0; i < 2; i++) {
        int S = 2 * g + i;
        LLVMValueRef s = decode_u16(ir, h->p, 48 + 2 * (S / 4));
        y.scale[i] =
            odd_scale(ir, h->d, l_andi(ir, l_shri(ir, s, 3 * (S % 4)), 7));
    }
    return y;
}
const Decoder decoder_iq1_m = {
    .head = head_iq1_m, .group = group_iq1_m, .d_at = -1};

/* ---- iq4_xs ---- */

static Group group_iq4_xs(Ir *ir, const Head *h, int g)
{
    LLVMValueRef low = nibble_at(ir, h->p, 4 + g / 2, g % 2), s, q;
    s = l_andi(ir, l_shri(ir, decode_u16(ir, h->p, 2), 2 * g), 3);
    s = l_addi(ir, l_or(ir, low, l_shli(ir, s, 4)), -32);
    q = decode_nibbles(ir, decode_bytes(ir, h->p, 8 + 16 * g, 16));
    return decode_group(decode_lookup(ir, codebook_nl4, q),
                        decode_times(ir, h->d, s));
}
const Decoder decoder_iq4_xs = {.group = group_iq4_xs};
