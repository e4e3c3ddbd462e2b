/* Packed types whose codes are rows of a table: eight values a look-up. */
#include "base/codebooks.h"
#include "gen/llvm/packed.h"

/* cols = 8 values of a codebook's row as one integer, each value k of it
 * becoming times * k + plus. */
static LLVMValueRef grid(Ir *ir, const char *name, CodebookId id, int times,
                         int plus)
{
    const Codebook *c = codebook(id);
    LLVMValueRef *v = ARENA_ARRAY(ir->arena, LLVMValueRef, c->rows);
    for (int r = 0; r < c->rows; r++) {
        uint64_t row = 0;
        for (int k = 0; k < 8; k++) {
            int code = times * c->values[8 * r + k] + plus;
            row |= (uint64_t)(uint8_t)code << 8 * k;
        }
        v[r] = LLVMConstInt(ir->i64, row, false);
    }
    return l_table(ir, name, ir->i64, v, c->rows);
}

/* Rows of the table for four rows of the matrix: 32 bytes.  Loaded as doubles,
 * which go into half a register in one step, as integers do not. */
static LLVMValueRef look_up(Ir *ir, LLVMValueRef table, const LLVMValueRef *at)
{
    LLVMValueRef v = LLVMGetPoison(l_vec(ir->f64, 4));
    for (int i = 0; i < 4; i++) {
        LLVMValueRef p = l_index(ir, table, l_zext(ir, at[i], ir->i64), 8);
        v = LLVMBuildInsertElement(ir->b, v, l_load(ir, ir->f64, p),
                                   l_i32(ir, i), "");
    }
    return l_bits(ir, v, l_vec(ir->i8, 32));
}

/* Units 2u and 2u+1 from an index a lane. */
static void look_up_lanes(Ir *ir, LLVMValueRef table, LLVMValueRef index,
                          LLVMValueRef *unit)
{
    for (int h = 0; h < 2; h++) {
        LLVMValueRef at[4];
        for (int i = 0; i < 4; i++)
            at[i] = l_lane(ir, index, 4 * h + i);
        unit[h] = look_up(ir, table, at);
    }
}

/* d * (2 s + 1) * k */
static LLVMValueRef odd_scale(Ir *ir, LLVMValueRef d, LLVMValueRef s, double k)
{
    s = l_addi(ir, l_shli(ir, s, 1), 1);
    return l_fmulc(ir, l_fmul(ir, d, l_to_f32(ir, s)), k);
}

/* ---- iq1_s: digits -1, 0, 1 are stored as 0, 1, 2, and an eighth more or
 * less for all 32 is part of the minimum ---- */

static void head_iq1_s(Ir *ir, PackHead *h)
{
    h->table = grid(ir, "iq1.digits", CODEBOOK_iq1, 1, 1);
}

static Lanes8 group_iq1_s(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = true};
    LLVMValueRef low = packed_word(ir, h, 2 + 4 * g), minus, scale, at;
    LLVMValueRef high = packed_u16(ir, h, 34 + 2 * g);
    for (int u = 0; u < 4; u++) {
        at = l_shli(ir, packed_bits(ir, high, 3 * u, 7), 8);
        at = l_or(ir, at, packed_bits(ir, low, 8 * u, 255));
        look_up_lanes(ir, h->table, at, &v.unit[2 * u]);
    }
    scale = odd_scale(ir, h->d, packed_bits(ir, high, 12, 7), 1);
    minus = l_icmp(ir, LLVMIntUGE, high, l_int_like(high, 32768));
    packed_scale(&v, scale);
    v.min[0] = v.min[1] =
        l_fmul(ir, scale,
               l_select(ir, minus, l_like(scale, 1.125), l_like(scale, 0.875)));
    return v;
}
const PackDecoder packed_iq1_s = {
    .head = head_iq1_s, .group = group_iq1_s, .most = 2, .has_min = true};

/* ---- iq1_m: the eighths change every eight values, so codes are eighths:
 * 8 digit + 9 plus or minus 1 ---- */

static void head_iq1_m(Ir *ir, PackHead *h)
{
    LLVMValueRef bits = NULL;
    for (int i = 0; i < 4; i++) {
        h->word[i] = packed_u16(ir, h, 48 + 2 * i);
        LLVMValueRef w = l_shli(ir, l_shri(ir, h->word[i], 12), 4 * i);
        bits = bits ? l_or(ir, bits, w) : w;
    }
    h->table = grid(ir, "iq1.eighths.up", CODEBOOK_iq1, 8, 9);
    LLVMValueRef at = l_var(ir, l_vec(ir->i16, 8), "d");
    l_store(ir, l_trunc(ir, bits, ir->i16), at);
    h->d = l_load_f32(ir, BT_f16, at, 8);
}

/* Bytes -1 or +1 of rows 4h..4h+3: -1 where bit 15 of its lane is set. */
static LLVMValueRef plus_minus(Ir *ir, LLVMValueRef word, int h)
{
    LLVMValueRef w = l_pick(ir, word, 4 * h, 1, 4), m;
    m = l_icmp(ir, LLVMIntNE, l_andi(ir, w, 32768), l_int_like(w, 0));
    m = l_bits(ir, l_sext(ir, m, ir->i64), l_vec(ir->i8, 32));
    return l_or(ir, m, l_int_like(m, 1));
}

static Lanes8 group_iq1_m(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = true};
    LLVMValueRef low = packed_word(ir, h, 4 * g), at, s;
    LLVMValueRef high = packed_u16(ir, h, 32 + 2 * g);
    for (int u = 0; u < 4; u++) {
        LLVMValueRef *unit = &v.unit[2 * u], top = l_shli(ir, high, 12 - 4 * u);
        at = l_shli(ir, packed_bits(ir, high, 4 * u, 7), 8);
        at = l_or(ir, at, packed_bits(ir, low, 8 * u, 255));
        look_up_lanes(ir, h->table, at, unit);
        for (int k = 0; k < 2; k++)
            unit[k] = l_add(ir, unit[k], plus_minus(ir, top, k));
    }
    for (int i = 0; i < 2; i++) {
        int n = 2 * g + i;
        s = packed_bits(ir, h->word[n / 4], 3 * (n % 4), 7);
        v.scale[i] = odd_scale(ir, h->d, s, 0.125);
    }
    return v;
}
const PackDecoder packed_iq1_m = {.head = head_iq1_m,
                                  .group = group_iq1_m,
                                  .d_at = -1,
                                  .zero = 9,
                                  .most = 18};

/* ---- iq2_xxs: magnitudes, and signs from a second table ---- */

/* Seven sign bits and an eighth that makes the number of minus signs even. */
static LLVMValueRef sign_table(Ir *ir)
{
    LLVMValueRef v[128];
    for (unsigned i = 0; i < 128; i++) {
        uint64_t row = 0;
        unsigned bits = i | (unsigned)__builtin_parity(i) << 7;
        for (int k = 0; k < 8; k++)
            row |= (uint64_t)(bits >> k & 1 ? 0xff : 1) << 8 * k;
        v[i] = LLVMConstInt(ir->i64, row, false);
    }
    return l_table(ir, "even.signs", ir->i64, v, 128);
}

static void head_iq2_xxs(Ir *ir, PackHead *h)
{
    h->table = grid(ir, "iq2xxs.rows", CODEBOOK_iq2xxs, 1, 0);
    h->signs = sign_table(ir);
}

static Lanes8 group_iq2_xxs(Ir *ir, const PackHead *h, int g)
{
    Lanes8 v = {.pairs = true};
    LLVMValueRef rows = packed_word(ir, h, 2 + 8 * g), s;
    LLVMValueRef word = packed_word(ir, h, 6 + 8 * g);
    for (int u = 0; u < 4; u++) {
        look_up_lanes(ir, h->table, packed_bits(ir, rows, 8 * u, 255),
                      &v.unit[2 * u]);
        look_up_lanes(ir, h->signs, packed_bits(ir, word, 7 * u, 127),
                      &v.sign[2 * u]);
    }
    s = l_faddc(ir, l_to_f32(ir, l_shri(ir, word, 28)), 0.5);
    packed_scale(&v, l_fmulc(ir, l_fmul(ir, h->d, s), 0.25));
    return v;
}
const PackDecoder packed_iq2_xxs = {
    .head = head_iq2_xxs, .group = group_iq2_xxs, .most = 43};
