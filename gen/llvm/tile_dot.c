/* Dot products of one weight row, for every pair of types. */
#include "gen/llvm/decode.h"
#include "gen/llvm/tile.h"

#include <stdio.h>

typedef struct {
    BlockType wt, xt;
    int rows;
    LLVMValueRef w; /* the column at hand */
    LLVMValueRef n, out, stride;
    LLVMValueRef x[TILE_ROWS], sums[TILE_ROWS];
} Dot;

/* out[row] for the column at hand: all lanes of v, less those of `less`. */
static void store_sum(Ir *ir, const Dot *d, int row, LLVMValueRef v,
                      LLVMValueRef less)
{
    if (less)
        v = l_fsub(ir, l_fold(ir, v, 4), l_fold(ir, less, 4));
    l_store(ir, l_hsum(ir, v),
            l_index(ir, d->out, l_muli(ir, d->stride, row), 4));
}

/* ---- float weights ---- */

typedef struct {
    const Dot *d;
    Acc acc;
} FloatDot;

static void float_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const FloatDot *f = ctx;
    LLVMValueRef w = l_elem(ir, f->d->w, f->d->wt, i);
    w = l_load_f32(ir, f->d->wt, w, lanes);
    l_acc_fma(ir, &f->acc, w, l_f32_at(ir, f->d->x[0], i, lanes));
}

static void float_dot(Ir *ir, const Dot *d)
{
    int width = 4 * ir->lanes;
    FloatDot f = {d, l_acc(ir, width, 0)};
    l_lanes_upto(ir, d->n, width, float_lanes, &f);
    store_sum(ir, d, 0, l_acc_get(ir, &f.acc), NULL);
}

/* ---- offsets: - min . sums of x ---- */

/* All offsets of a block whose head has them side by side: 16, or 8 that count
 * twice. */
static void add_head_mins(Ir *ir, const Acc *mins, LLVMValueRef min,
                          LLVMValueRef sums)
{
    int twice[16];
    for (int i = 0; i < 16; i++)
        twice[i] = i / 2;
    if (l_lanes(min) == 8)
        min = l_shuffle(ir, min, NULL, twice, 16);
    l_acc_fma(ir, mins, min, l_load(ir, l_vec(ir->f32, 16), sums));
}

static void add_group_mins(Ir *ir, const Acc *mins, const Group *g,
                           LLVMValueRef sums)
{
    for (int i = 0; i < 2; i++)
        l_acc_fma(ir, mins, g->min[i],
                  l_load(ir, ir->f32, l_at(ir, sums, 4 * i)));
}

/* ---- blocks by floats ---- */

/* Two running sums, one for each half of a group. */
typedef struct {
    const Dot *d;
    Acc acc[2], mins;
} BlockDot;

/* sum of code * x over lanes [from, to) of a group, `lanes` at a time */
static LLVMValueRef code_dot(Ir *ir, LLVMValueRef code, LLVMValueRef x,
                             int from, int to)
{
    LLVMValueRef sum = NULL, c, v;
    for (int i = from; i < to; i += ir->lanes) {
        c = l_pick(ir, code, i, 1, ir->lanes);
        v = l_pick(ir, x, i, 1, ir->lanes);
        sum = sum ? l_fma(ir, c, v, sum) : l_fmul(ir, c, v);
    }
    return sum;
}

/* The scale multiplies what its 16 or 32 products sum up to. */
static void float_group(Ir *ir, const BlockDot *b, const Group *v,
                        LLVMValueRef at)
{
    LLVMValueRef x = l_load_f32(ir, b->d->xt, at, 32);
    LLVMValueRef code = decode_codes(ir, v);
    if (v->scale[0] == v->scale[1]) {
        l_acc_fma(ir, &b->acc[0], l_splat(ir, v->scale[0], ir->lanes),
                  code_dot(ir, code, x, 0, 32));
        return;
    }
    for (int i = 0; i < 2; i++)
        l_acc_fma(ir, &b->acc[i], l_splat(ir, v->scale[i], ir->lanes),
                  code_dot(ir, code, x, 16 * i, 16 * i + 16));
}

static void float_block(Ir *ir, const BlockDot *b, LLVMValueRef first)
{
    const Dot *d = b->d;
    Head h = decode_head(ir, d->wt, l_elem(ir, d->w, d->wt, first), true);
    LLVMValueRef x = l_elem(ir, d->x[0], d->xt, first), sums = NULL;
    if (d->sums[0])
        sums = l_index(ir, d->sums[0], l_div(ir, first, l_int(ir, 16)), 4);
    if (h.min)
        add_head_mins(ir, &b->mins, h.min, sums);
    for (int g = 0; g < block_info[d->wt].elems / 32; g++) {
        Group v = decode_of(d->wt)->group(ir, &h, g);
        float_group(ir, b, &v, l_at(ir, x, 32 * g * block_info[d->xt].bytes));
        if (v.min[0] && !h.min)
            add_group_mins(ir, &b->mins, &v, l_at(ir, sums, 8 * g));
    }
}

static void block_float_dot(Ir *ir, const Dot *d)
{
    BlockDot b = {d,
                  {l_acc(ir, ir->lanes, 0), l_acc(ir, ir->lanes, 0)},
                  l_acc(ir, 16, 0)};
    Loop l = l_for(ir, "block", l_int(ir, 0), d->n, block_info[d->wt].elems);
    float_block(ir, &b, l.i);
    l_end(ir, &l);
    LLVMValueRef sum =
        l_fadd(ir, l_acc_get(ir, &b.acc[0]), l_acc_get(ir, &b.acc[1]));
    store_sum(ir, d, 0, sum, d->sums[0] ? l_acc_get(ir, &b.mins) : NULL);
}

/* ---- blocks by q8a, in integers ---- */

typedef struct {
    LLVMValueRef magnitude; /* |code| as unsigned bytes */
    LLVMValueRef code;      /* NULL: codes are not negative */
} Codes;

static LLVMValueRef call2(Ir *ir, const char *name, LLVMValueRef a,
                          LLVMValueRef b)
{
    LLVMValueRef args[] = {a, b};
    return l_intrinsic(ir, name, NULL, args, 2);
}

static Codes codes_of(Ir *ir, const Decoder *dec, LLVMValueRef code)
{
    LLVMValueRef args[] = {code, LLVMConstInt(ir->i1, 0, false)};
    if (dec->unsigned_)
        return (Codes){code, NULL};
    return (Codes){l_intrinsic(ir, "llvm.abs", l_type(code), args, 2), code};
}

/* Sums of four products each, for as many bytes as a register has. */
static LLVMValueRef dot_register(Ir *ir, LLVMValueRef u, LLVMValueRef s)
{
    if (l_lanes(u) == 16) {
        LLVMValueRef p = call2(ir, "llvm.x86.ssse3.pmadd.ub.sw.128", u, s);
        return call2(ir, "llvm.x86.sse2.pmadd.wd", p, l_int_like(p, 1));
    }
    if (ir->cpu->vnni) {
        LLVMTypeRef t = l_vec(ir->i32, 8);
        LLVMValueRef a[] = {LLVMConstNull(t), l_bits(ir, u, t),
                            l_bits(ir, s, t)};
        return l_intrinsic(ir, "llvm.x86.avx512.vpdpbusd.256", NULL, a, 3);
    }
    LLVMValueRef p = call2(ir, "llvm.x86.avx2.pmadd.ub.sw", u, s);
    return call2(ir, "llvm.x86.avx2.pmadd.wd", p, l_int_like(p, 1));
}

/* s, negated where the code is negative: |code| * that = code * s. */
static LLVMValueRef sign_like(Ir *ir, LLVMValueRef s, LLVMValueRef code)
{
    const char *name = l_lanes(s) == 16 ? "llvm.x86.ssse3.psign.b.128"
                                        : "llvm.x86.avx2.psign.b";
    return code ? call2(ir, name, s, code) : s;
}

/* <8 x i32>: code . x over each four of 32 values. */
static LLVMValueRef int_dot32(Ir *ir, const Codes *c, LLVMValueRef x)
{
    LLVMValueRef part[2];
    if (ir->lanes >= 8)
        return dot_register(ir, c->magnitude, sign_like(ir, x, c->code));
    for (int i = 0; i < 2; i++) {
        LLVMValueRef s = l_pick(ir, x, 16 * i, 1, 16), k = c->code;
        k = k ? l_pick(ir, k, 16 * i, 1, 16) : NULL;
        part[i] = dot_register(ir, l_pick(ir, c->magnitude, 16 * i, 1, 16),
                               sign_like(ir, s, k));
    }
    return l_concat(ir, part[0], part[1]);
}

/* The group's two scales times that of the activations. */
static LLVMValueRef scales8(Ir *ir, const Group *g, LLVMValueRef dx)
{
    LLVMValueRef low = l_fmul(ir, g->scale[0], dx);
    if (g->scale[0] == g->scale[1])
        return l_splat(ir, low, 8);
    LLVMValueRef high = l_fmul(ir, g->scale[1], dx);
    return l_concat(ir, l_splat(ir, low, 4), l_splat(ir, high, 4));
}

typedef struct {
    const Dot *d; /* x and sums stand at the block at hand */
    Acc acc[TILE_ROWS], mins[TILE_ROWS];
} IntDot;

static void int_group(Ir *ir, const IntDot *b, const Group *v, int g)
{
    Codes c = codes_of(ir, decode_of(b->d->wt), v->code);
    LLVMValueRef x, dx, isum;
    for (int r = 0; r < b->d->rows; r++) {
        x = l_at(ir, b->d->x[r], g * block_info[BT_q8a].bytes);
        dx = l_load(ir, ir->f32, l_at(ir, x, 32));
        isum = int_dot32(ir, &c, l_load(ir, l_vec(ir->i8, 32), x));
        l_acc_fma(ir, &b->acc[r], l_to_f32(ir, isum), scales8(ir, v, dx));
    }
}

static void int_mins(Ir *ir, const IntDot *b, const Head *h, const Group *v,
                     int g)
{
    for (int r = 0; r < b->d->rows; r++) {
        if (h->min && !g)
            add_head_mins(ir, &b->mins[r], h->min, b->d->sums[r]);
        else if (v->min[0] && !h->min)
            add_group_mins(ir, &b->mins[r], v, l_at(ir, b->d->sums[r], 8 * g));
    }
}

static void int_block(Ir *ir, const IntDot *b, LLVMValueRef first)
{
    Dot at = *b->d;
    IntDot here = *b;
    LLVMValueRef pair = l_div(ir, first, l_int(ir, 32));
    Head h = decode_head(ir, at.wt, l_elem(ir, at.w, at.wt, first), false);
    here.d = &at;
    for (int r = 0; r < at.rows; r++) {
        at.x[r] = l_elem(ir, at.x[r], BT_q8a, first);
        if (at.sums[r])
            at.sums[r] = l_index(ir, at.sums[r], pair, 8);
    }
    for (int g = 0; g < block_info[at.wt].elems / 32; g++) {
        Group v = decode_of(at.wt)->group(ir, &h, g);
        int_group(ir, &here, &v, g);
        int_mins(ir, &here, &h, &v, g);
    }
}

static void block_int_dot(Ir *ir, const Dot *d)
{
    IntDot b = {.d = d};
    for (int r = 0; r < d->rows; r++) {
        b.acc[r] = l_acc(ir, 8, 0);
        b.mins[r] = l_acc(ir, 16, 0);
    }
    Loop l = l_for(ir, "block", l_int(ir, 0), d->n, block_info[d->wt].elems);
    int_block(ir, &b, l.i);
    l_end(ir, &l);
    for (int r = 0; r < d->rows; r++)
        store_sum(ir, d, r, l_acc_get(ir, &b.acc[r]),
                  d->sums[r] ? l_acc_get(ir, &b.mins[r]) : NULL);
}

/* ---- */

bool tile_needs_sums(BlockType w) { return decode_of(w)->has_min; }

static void dot_column(Ir *ir, const Dot *d)
{
    if (!decode_of(d->wt)->group)
        float_dot(ir, d);
    else if (d->xt == BT_q8a)
        block_int_dot(ir, d);
    else
        block_float_dot(ir, d);
}

static Dot dot_params(Ir *ir, BlockType w, BlockType x, int rows)
{
    Dot d = {.wt = w, .xt = x, .rows = rows};
    for (int r = 0; r < rows; r++) {
        d.x[r] = l_pointer_at(ir, l_param(ir, 1, "x"), r);
        if (tile_needs_sums(w))
            d.sums[r] = l_pointer_at(ir, l_param(ir, 2, "sums"), r);
    }
    d.n = l_param(ir, 3, "n");
    d.stride = l_param(ir, 6, "stride");
    return d;
}

LLVMValueRef tile_dot(Ir *ir, BlockType w, BlockType x, int rows)
{
    char name[64];
    bool is_new;
    snprintf(name, sizeof name, "dot.%s.%s.%d", block_info[w].name,
             block_info[x].name, rows);
    LLVMValueRef fn = l_helper(ir, name, "pppiipi", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    Dot d = dot_params(ir, w, x, rows);
    Loop l = l_for(ir, "column", l_int(ir, 0), l_param(ir, 4, "cols"), 1);
    d.w = l_elem(ir, l_param(ir, 0, "w"), w, l_mul(ir, l.i, d.n));
    d.out = l_index(ir, l_param(ir, 5, "out"), l.i, 4);
    dot_column(ir, &d);
    l_end(ir, &l);
    return l_helper_end(ir, back);
}
