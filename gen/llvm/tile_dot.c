/* Dot products of one weight row, for every pair of types. */
#include "gen/llvm/decode.h"
#include "gen/llvm/tile.h"

#include <stdio.h>

typedef struct {
    BlockType wt, xt;
    int rows;
    LLVMValueRef w, n, out, stride;
    LLVMValueRef x[TILE_ROWS], sums[TILE_ROWS];
} Dot;

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
    l_store(ir, l_acc_sum(ir, &f.acc), d->out);
}

/* ---- blocks by floats ---- */

static void block_float_dot(Ir *ir, const Dot *d)
{
    const BlockInfo *info = &block_info[d->wt];
    Acc acc = l_acc(ir, 32, 0);
    Loop l = l_for(ir, "block", l_int(ir, 0), d->n, info->elems);
    Head h = decode_head(ir, d->wt, l_elem(ir, d->w, d->wt, l.i));
    LLVMValueRef x = l_elem(ir, d->x[0], d->xt, l.i), at;
    for (int g = 0; g < info->elems / 32; g++) {
        Group v = decode_of(d->wt)->group(ir, &h, g);
        at = l_at(ir, x, 32 * g * block_info[d->xt].bytes);
        l_acc_fma(ir, &acc, decode_values(ir, &v),
                  l_load_f32(ir, d->xt, at, 32));
    }
    l_end(ir, &l);
    l_store(ir, l_acc_sum(ir, &acc), d->out);
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

/* acc -= min . sums of the group's two halves */
static void subtract_mins(Ir *ir, const Acc *acc, const Group *g,
                          LLVMValueRef sums)
{
    LLVMValueRef a = l_load(ir, ir->f32, sums);
    LLVMValueRef b = l_load(ir, ir->f32, l_at(ir, sums, 4));
    a = l_fma(ir, g->min[0], a, l_fmul(ir, g->min[1], b));
    LLVMValueRef old = l_load(ir, ir->f32, acc->one);
    l_store(ir, l_fsub(ir, old, a), acc->one);
}

/* Adds group g of the block at hand; d->x and d->sums stand at the block. */
static void int_group(Ir *ir, const Dot *d, const Group *v, const Acc *acc,
                      int g)
{
    Codes c = codes_of(ir, decode_of(d->wt), v->code);
    LLVMValueRef x, dx, isum, old;
    for (int r = 0; r < d->rows; r++) {
        x = l_at(ir, d->x[r], g * block_info[BT_q8a].bytes);
        dx = l_load(ir, ir->f32, l_at(ir, x, 32));
        isum = int_dot32(ir, &c, l_load(ir, l_vec(ir->i8, 32), x));
        old = l_load(ir, l_vec(ir->f32, 8), acc[r].wide);
        l_store(ir, l_fma(ir, l_to_f32(ir, isum), scales8(ir, v, dx), old),
                acc[r].wide);
        if (v->min[0])
            subtract_mins(ir, &acc[r], v, l_at(ir, d->sums[r], 8 * g));
    }
}

static void int_block(Ir *ir, const Dot *d, const Acc *acc, LLVMValueRef first)
{
    Dot at = *d;
    LLVMValueRef pair = l_div(ir, first, l_int(ir, 32));
    Head h = decode_head(ir, d->wt, l_elem(ir, d->w, d->wt, first));
    for (int r = 0; r < d->rows; r++) {
        at.x[r] = l_elem(ir, d->x[r], BT_q8a, first);
        if (d->sums[r])
            at.sums[r] = l_index(ir, d->sums[r], pair, 8);
    }
    for (int g = 0; g < block_info[d->wt].elems / 32; g++) {
        Group v = decode_of(d->wt)->group(ir, &h, g);
        int_group(ir, &at, &v, acc, g);
    }
}

static void block_int_dot(Ir *ir, const Dot *d)
{
    Acc acc[TILE_ROWS];
    for (int r = 0; r < d->rows; r++)
        acc[r] = l_acc(ir, 8, 0);
    Loop l = l_for(ir, "block", l_int(ir, 0), d->n, block_info[d->wt].elems);
    int_block(ir, d, acc, l.i);
    l_end(ir, &l);
    for (int r = 0; r < d->rows; r++) {
        LLVMValueRef to = l_muli(ir, d->stride, r);
        l_store(ir, l_acc_sum(ir, &acc[r]), l_index(ir, d->out, to, 4));
    }
}

/* ---- */

bool tile_needs_sums(BlockType w) { return decode_of(w)->has_min; }

static Dot dot_params(Ir *ir, BlockType w, BlockType x, int rows)
{
    Dot d = {.wt = w, .xt = x, .rows = rows};
    d.w = l_param(ir, 0, "w");
    for (int r = 0; r < rows; r++) {
        LLVMValueRef list = l_param(ir, 1, "x");
        d.x[r] = l_load(ir, ir->ptr, l_at(ir, list, 8 * r));
        list = l_param(ir, 2, "sums");
        if (x == BT_q8a && tile_needs_sums(w))
            d.sums[r] = l_load(ir, ir->ptr, l_at(ir, list, 8 * r));
    }
    d.n = l_param(ir, 3, "n");
    d.out = l_param(ir, 4, "out");
    d.stride = l_param(ir, 5, "stride");
    return d;
}

LLVMValueRef tile_dot(Ir *ir, BlockType w, BlockType x, int rows)
{
    char name[64];
    bool is_new;
    snprintf(name, sizeof name, "dot.%s.%s.%d", block_info[w].name,
             block_info[x].name, rows);
    LLVMTypeRef params[] = {ir->ptr, ir->ptr, ir->ptr,
                            ir->i64, ir->ptr, ir->i64};
    LLVMTypeRef type = l_fn_type(ir->none, params, 6);
    LLVMValueRef fn = l_helper(ir, name, type, &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    Dot d = dot_params(ir, w, x, rows);
    if (!decode_of(w)->group)
        float_dot(ir, &d);
    else if (x == BT_q8a)
        block_int_dot(ir, &d);
    else
        block_float_dot(ir, &d);
    LLVMBuildRetVoid(ir->b);
    l_fn_end(ir, back);
    return fn;
}
