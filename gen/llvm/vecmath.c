#include "gen/llvm/vecmath.h"

#include <math.h>

/* c[0] + c[1] x + ... */
static LLVMValueRef poly(Ir *ir, LLVMValueRef x, const double *c, int n)
{
    LLVMValueRef y = l_like(x, c[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        y = l_fma(ir, y, x, l_like(x, c[i]));
    return y;
}
#define POLY(ir, x, ...)                                                       \
    poly(ir, x, (const double[]){__VA_ARGS__},                                 \
         sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static LLVMTypeRef ints(const Ir *ir, LLVMValueRef x)
{
    return l_vec(ir->i32, l_lanes(x));
}

/* Adding 1.5 * 2^23 rounds to a whole number, whose low bits then stand at the
 * bottom of the sum: no conversion, so a NaN is harmless. */
#define ROUND_MAGIC 12582912.0

/* 2^n for whole n in [-126, 127], given as ints */
static LLVMValueRef power2(const Ir *ir, LLVMValueRef n, LLVMTypeRef f)
{
    return l_bits(ir, l_shli(ir, l_addi(ir, n, 127), 23), f);
}

/* x = n ln2 + r; e^x = 2^n (1 + r + r^2 P(r)).  The factor 2^n is applied in
 * two steps, so that results may be infinite or subnormal. */
LLVMValueRef vec_exp(Ir *ir, LLVMValueRef x)
{
    LLVMTypeRef f = l_type(x);
    LLVMValueRef t, n, i, r, p, half;
    x = l_select(ir, l_fcmp(ir, LLVMRealOGT, x, l_like(x, 89)), l_like(x, 89),
                 x);
    x = l_select(ir, l_fcmp(ir, LLVMRealOLT, x, l_like(x, -104)),
                 l_like(x, -104), x);
    t = l_faddc(ir, l_fmulc(ir, x, 1.44269504088896341), ROUND_MAGIC);
    n = l_faddc(ir, t, -ROUND_MAGIC);
    i = l_sub(ir, l_bits(ir, t, ints(ir, x)),
              l_bits(ir, l_like(x, ROUND_MAGIC), ints(ir, x)));
    r = l_fma(ir, n, l_like(x, -0.693359375), x);
    r = l_fma(ir, n, l_like(x, 2.12194440054690583e-4), r);
    p = POLY(ir, r, 0.500000007, 0.166666659, 0.0416662936, 0.00833349767,
             0.00139447595, 0.00019790249);
    p = l_faddc(ir, l_fma(ir, p, l_fmul(ir, r, r), r), 1);
    half = l_sar(ir, i, l_int_like(i, 1));
    p = l_fmul(ir, p, power2(ir, half, f));
    return l_fmul(ir, p, power2(ir, l_sub(ir, i, half), f));
}

/* Replaces y where x is outside (0, inf): log 0 = -inf, log inf = inf, NaN. */
static LLVMValueRef log_edges(const Ir *ir, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef inf = l_like(x, HUGE_VAL);
    y = l_select(ir, l_fcmp(ir, LLVMRealOEQ, x, inf), inf, y);
    y = l_select(ir, l_fcmp(ir, LLVMRealOEQ, x, l_like(x, 0)),
                 l_like(x, -HUGE_VAL), y);
    return l_select(ir, l_fcmp(ir, LLVMRealOGE, x, l_like(x, 0)), y,
                    l_like(x, NAN));
}

/* x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). */
LLVMValueRef vec_log(Ir *ir, LLVMValueRef x)
{
    LLVMValueRef tiny, s, u, e, f, f2, p;
    tiny = l_fcmp(ir, LLVMRealOLT, x, l_like(x, 0x1p-126));
    s = l_select(ir, tiny, l_fmulc(ir, x, 0x1p23), x);
    u = l_bits(ir, s, ints(ir, x));
    u = l_sub(ir, u, l_int_like(u, 0x3f3504f3)); /* bits of sqrt(1/2) */
    e = l_to_f32(ir, l_sar(ir, u, l_int_like(u, 23)));
    e = l_fsub(ir, e, l_select(ir, tiny, l_like(x, 23), l_like(x, 0)));
    f = l_addi(ir, l_andi(ir, u, 0x7fffff), 0x3f3504f3);
    f = l_faddc(ir, l_bits(ir, f, l_type(x)), -1);
    p = POLY(ir, f, 0.333333317, -0.250008211, 0.200012267, -0.16623356,
             0.14201761, -0.13160198, 0.127615629, -0.0763443799);
    f2 = l_fmul(ir, f, f);
    p = l_fmul(ir, p, l_fmul(ir, f2, f));
    p = l_fma(ir, e, l_like(x, -2.12194440054690583e-4), p);
    p = l_fma(ir, f2, l_like(x, -0.5), p);
    p = l_fma(ir, e, l_like(x, 0.693359375), l_fadd(ir, p, f));
    return log_edges(ir, x, p);
}

/* What rounding 1 + x loses is made good by the ratio x / ((1 + x) - 1). */
LLVMValueRef vec_log1p(Ir *ir, LLVMValueRef x)
{
    LLVMValueRef w = l_faddc(ir, x, 1), seen = l_faddc(ir, w, -1), y, same;
    y = l_fmul(ir, vec_log(ir, w), l_fdiv(ir, x, seen));
    same = l_fcmp(ir, LLVMRealOEQ, seen, l_like(x, 0));
    y = l_select(ir, same, x, y);
    return l_select(ir, l_fcmp(ir, LLVMRealOEQ, x, l_like(x, HUGE_VAL)), x, y);
}

static LLVMValueRef copy_sign(Ir *ir, LLVMValueRef y, LLVMValueRef x)
{
    LLVMValueRef args[] = {y, x};
    return l_intrinsic(ir, "llvm.copysign", l_type(x), args, 2);
}

/* x + x^3 P(x^2) near 0, else 1 - 2 / (e^2x + 1) */
LLVMValueRef vec_tanh(Ir *ir, LLVMValueRef x)
{
    LLVMValueRef x2 = l_fmul(ir, x, x), a = l_fabs(ir, x), small, big;
    small = POLY(ir, x2, -0.333332819, 0.133314422, -0.0537397148, 0.0206390858,
                 -0.00570498471);
    small = l_fma(ir, l_fmul(ir, small, x2), x, x);
    big = l_faddc(ir, vec_exp(ir, l_fadd(ir, a, a)), 1);
    big = l_fsub(ir, l_like(x, 1), l_fdiv(ir, l_like(x, 2), big));
    return l_select(ir, l_fcmp(ir, LLVMRealOLT, a, l_like(x, 0.625)), small,
                    copy_sign(ir, big, x));
}

/* a * a as the rounded product and what rounding took away: a is split into a
 * part of 12 bits, whose square is exact, and the rest. */
static LLVMValueRef square_rest(Ir *ir, LLVMValueRef a, LLVMValueRef square)
{
    LLVMValueRef high = l_bits(ir, a, ints(ir, a)), low, rest;
    high = l_bits(ir, l_andi(ir, high, ~INT64_C(0xfff)), l_type(a));
    low = l_fsub(ir, a, high);
    rest = l_fsub(ir, l_fmul(ir, high, high), square);
    rest = l_fadd(ir, rest, l_fmulc(ir, l_fmul(ir, high, low), 2));
    return l_fadd(ir, rest, l_fmul(ir, low, low));
}

/* erfc(a) = e^(-a^2) Q(1 / (1 + a/2)) for a >= 0.9; 0 from 10.1 on. */
static LLVMValueRef erfc_tail(Ir *ir, LLVMValueRef a)
{
    LLVMValueRef u, q, e, square;
    a = l_select(ir, l_fcmp(ir, LLVMRealOGT, a, l_like(a, 10.1)),
                 l_like(a, 10.1), a);
    u = l_fdiv(ir, l_like(a, 1), l_fma(ir, a, l_like(a, 0.5), l_like(a, 1)));
    q = POLY(ir, u, -2.82880388e-05, 0.282803689, 0.274623229, 0.289918732,
             0.0288142831, 0.384554673, -0.339503434, 0.0784645444);
    square = l_fmul(ir, a, a);
    e = vec_exp(ir, l_fsub(ir, l_like(a, 0), square));
    e = l_fsub(ir, e, l_fmul(ir, e, square_rest(ir, a, square)));
    return l_fmul(ir, e, q);
}

/* x P(x^2) for |x| < 0.9 */
static LLVMValueRef erf_small(Ir *ir, LLVMValueRef x)
{
    return l_fmul(ir, x,
                  POLY(ir, l_fmul(ir, x, x), 1.12837917, -0.37612635,
                       0.112837151, -0.0268605103, 0.00520386298,
                       -0.000817567654, 8.51324389e-05));
}

LLVMValueRef vec_erf1p(Ir *ir, LLVMValueRef x)
{
    LLVMValueRef a = l_fabs(ir, x), tail = erfc_tail(ir, a), big, small;
    big = l_select(ir, l_fcmp(ir, LLVMRealOLT, x, l_like(x, 0)), tail,
                   l_fsub(ir, l_like(x, 2), tail));
    small = l_faddc(ir, erf_small(ir, x), 1);
    return l_select(ir, l_fcmp(ir, LLVMRealOLT, a, l_like(x, 0.9)), small, big);
}

/* x = n pi/2 + r in f64, the two polynomials in f32. */
void vec_sincos(Ir *ir, LLVMValueRef x, LLVMValueRef *sin, LLVMValueRef *cos)
{
    int lanes = l_lanes(x);
    LLVMValueRef t, n, q, r, r2, s, c, swap, sign;
    t = l_faddc(ir, l_fmulc(ir, x, 0.63661977236758134308), 6755399441055744.0);
    n = l_faddc(ir, t, -6755399441055744.0);
    q = l_trunc(ir, l_bits(ir, t, l_vec(ir->i64, lanes)), ir->i32);
    x = l_fsub(ir, x, l_fmulc(ir, n, 0x1.921fb544p+0));
    x = l_fsub(ir, x, l_fmulc(ir, n, 0x1.0b4611a626331p-34));
    r = LLVMBuildFPTrunc(ir->b, x, l_vec(ir->f32, lanes), "r");
    r2 = l_fmul(ir, r, r);
    s = POLY(ir, r2, -0.166666545, 0.00833215605, -0.000195146314);
    s = l_fma(ir, l_fmul(ir, s, r2), r, r);
    c = POLY(ir, r2, 0.0416666467, -0.00138873614, 2.44377282e-05);
    c = l_fma(ir, l_fmul(ir, c, r2), r2,
              l_fma(ir, r2, l_like(r, -0.5), l_like(r, 1)));
    swap = l_icmp(ir, LLVMIntNE, l_andi(ir, q, 1), l_int_like(q, 0));
    sign = l_shli(ir, l_andi(ir, q, 2), 30);
    *sin = l_bits(ir, l_select(ir, swap, c, s), l_type(q));
    *sin = l_bits(ir, l_xor(ir, *sin, sign), l_type(r));
    sign = l_shli(ir, l_andi(ir, l_addi(ir, q, 1), 2), 30);
    *cos = l_bits(ir, l_select(ir, swap, s, c), l_type(q));
    *cos = l_bits(ir, l_xor(ir, *cos, sign), l_type(r));
}
