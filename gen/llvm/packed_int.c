/* Integer products of codes (bytes) and activations (bytes or 16 bits).
 *
 * 16 bits: codes are widened and pmaddwd adds pairs in 32; a group's sum is at
 * most 32 * 128 * 32767 < 2^28.
 * Bytes: pmaddubs multiplies unsigned by signed bytes and adds pairs in 16
 * bits, where it would saturate: no activation is -128 and no code above 128,
 * so a pair is at most 2 * 128 * 127 = 32512.  As many units as cannot overflow
 * are added there before pmaddwd widens them.  Negative codes multiply as
 * magnitudes (-128 as the unsigned byte 128), with their sign on the other
 * side. */
#include "gen/llvm/packed_int.h"

enum { UNIT = 32 }; /* bytes */
enum { MOST_X = 127, MOST_I16 = 32767 };

static LLVMValueRef call2(Ir *ir, const char *name, LLVMValueRef a,
                          LLVMValueRef b)
{
    LLVMValueRef args[] = {a, b};
    return l_intrinsic(ir, name, NULL, args, 2);
}

typedef struct {
    const char *wide, *narrow; /* of 32 bytes, of 16 */
} Pair;

/* An instruction on 32 bytes, or twice on half of them. */
static LLVMValueRef both(Ir *ir, Pair name, LLVMValueRef a, LLVMValueRef b)
{
    if (ir->lanes >= 8)
        return call2(ir, name.wide, a, b);
    LLVMValueRef part[2];
    int na = l_lanes(a) / 2, nb = l_lanes(b) / 2;
    for (int i = 0; i < 2; i++)
        part[i] = call2(ir, name.narrow, l_pick(ir, a, na * i, 1, na),
                        l_pick(ir, b, nb * i, 1, nb));
    return l_concat(ir, part[0], part[1]);
}

static LLVMValueRef madd_bytes(Ir *ir, LLVMValueRef u, LLVMValueRef s)
{
    static const Pair name = {"llvm.x86.avx2.pmadd.ub.sw",
                              "llvm.x86.ssse3.pmadd.ub.sw.128"};
    return both(ir, name, u, s);
}

static LLVMValueRef madd_words(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    static const Pair name = {"llvm.x86.avx2.pmadd.wd",
                              "llvm.x86.sse2.pmadd.wd"};
    return both(ir, name, a, b);
}

static LLVMValueRef sign_bytes(Ir *ir, LLVMValueRef v, LLVMValueRef by)
{
    static const Pair name = {"llvm.x86.avx2.psign.b",
                              "llvm.x86.ssse3.psign.b.128"};
    return both(ir, name, v, by);
}

LLVMValueRef packed_signed_unit(Ir *ir, const Lanes8 *v, int u)
{
    return v->sign[u] ? sign_bytes(ir, v->unit[u], v->sign[u]) : v->unit[u];
}

/* ---- activations of 8 bits ---- */

typedef struct {
    LLVMValueRef u, s; /* unsigned and signed bytes to multiply */
} Factors;

/* The activations of unit u, again for each row. */
static LLVMValueRef bytes_of(Ir *ir, const Lanes8 *v, LLVMValueRef x, int u)
{
    LLVMValueRef w;
    if (v->pairs)
        w = l_splat(ir, l_load(ir, ir->i64, l_at(ir, x, 8 * (u / 2))), 4);
    else
        w = l_splat(ir, l_load(ir, ir->i32, l_at(ir, x, 4 * u)), PACK_LANES);
    return l_bits(ir, w, l_vec(ir->i8, UNIT));
}

static Factors factors(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                       LLVMValueRef x, int u)
{
    LLVMValueRef code = v->unit[u], s = bytes_of(ir, v, x, u);
    if (v->sign[u])
        return (Factors){code, sign_bytes(ir, s, v->sign[u])};
    if (!dec->signed_)
        return (Factors){code, s};
    LLVMValueRef args[] = {code, LLVMConstInt(ir->i1, 0, false)};
    return (Factors){l_intrinsic(ir, "llvm.abs", l_type(code), args, 2),
                     sign_bytes(ir, s, code)};
}

/* Units from, from + step, .. as <8 x i32>, four products in a lane. */
static LLVMValueRef vnni_sum(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                             LLVMValueRef x, int from, int to, int step)
{
    LLVMTypeRef t = l_vec(ir->i32, PACK_LANES);
    LLVMValueRef sum = LLVMConstNull(t);
    for (int u = from; u < to; u += step) {
        Factors f = factors(ir, dec, v, x, u);
        LLVMValueRef a[] = {sum, l_bits(ir, f.u, t), l_bits(ir, f.s, t)};
        sum = l_intrinsic(ir, "llvm.x86.avx512.vpdpbusd.256", NULL, a, 3);
    }
    return sum;
}

/* The same from pairs in 16 bits. */
static LLVMValueRef byte_sum(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                             LLVMValueRef x, int from, int to, int step)
{
    LLVMValueRef sum = NULL, words = NULL;
    int room = MOST_I16 / (2 * MOST_X * dec->most), held = 0;
    if (ir->cpu->vnni)
        return vnni_sum(ir, dec, v, x, from, to, step);
    for (int u = from; u < to; u += step) {
        Factors f = factors(ir, dec, v, x, u);
        LLVMValueRef w = madd_bytes(ir, f.u, f.s);
        words = held++ ? l_add(ir, words, w) : w;
        if (held < room && u + step < to)
            continue;
        w = madd_words(ir, words, l_int_like(words, 1));
        sum = sum ? l_add(ir, sum, w) : w;
        held = 0;
    }
    return sum;
}

/* Neighbouring lanes of a and then b added. */
static LLVMValueRef add_neighbours(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef v = l_concat(ir, a, b);
    int n = l_lanes(v) / 2;
    return l_add(ir, l_pick(ir, v, 0, 2, n), l_pick(ir, v, 1, 2, n));
}

/* ---- activations of 16 bits ---- */

/* Half `part` of unit u, widened. */
static LLVMValueRef words_of(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                             int u, int part)
{
    LLVMValueRef c = packed_signed_unit(ir, v, u);
    c = l_pick(ir, c, 16 * part, 1, 16);
    return dec->signed_ || v->sign[u] ? l_sext(ir, c, ir->i16)
                                      : l_zext(ir, c, ir->i16);
}

/* The activations of unit u, again for each row. */
static LLVMValueRef activations_of(Ir *ir, const Lanes8 *v, LLVMValueRef x,
                                   int u)
{
    int from[16], n = v->pairs ? 8 : 4; /* of a row */
    LLVMTypeRef t = l_vec(ir->i16, n);
    int at = v->pairs ? 16 * (u / 2) : 8 * u;
    LLVMValueRef w = l_load(ir, t, l_at(ir, x, at));
    for (int i = 0; i < 16; i++)
        from[i] = i % n;
    return l_shuffle(ir, w, NULL, from, 16);
}

/* Units from, from + step, ..: half `part` of each, two products in a lane. */
static LLVMValueRef word_sum(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                             LLVMValueRef x, const int range[3], int part)
{
    LLVMValueRef sum = NULL, w;
    for (int u = range[0]; u < range[1]; u += range[2]) {
        w = madd_words(ir, words_of(ir, dec, v, u, part),
                       activations_of(ir, v, x, u));
        sum = sum ? l_add(ir, sum, w) : w;
    }
    return sum;
}

/* Both halves added: a row has one lane of the result, or two if units are
 * pairs. */
static LLVMValueRef word_sums(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                              LLVMValueRef x, int from, int to)
{
    int range[3] = {from, to, v->pairs ? 2 : 1};
    return add_neighbours(ir, word_sum(ir, dec, v, x, range, 0),
                          word_sum(ir, dec, v, x, range, 1));
}

/* ---- either ---- */

LLVMValueRef packed_isum(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                         BlockType xt, LLVMValueRef x, int from, int to)
{
    if (xt == BT_q16a && v->pairs)
        return add_neighbours(ir, word_sums(ir, dec, v, x, from, to),
                              word_sums(ir, dec, v, x, from + 1, to));
    if (xt == BT_q16a)
        return word_sums(ir, dec, v, x, from, to);
    if (!v->pairs)
        return byte_sum(ir, dec, v, x, from, to, 1);
    return add_neighbours(ir, byte_sum(ir, dec, v, x, from, to, 2),
                          byte_sum(ir, dec, v, x, from + 1, to, 2));
}
