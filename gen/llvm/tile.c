#include "gen/llvm/tile.h"

#include <math.h>
#include <stdio.h>

#include "gen/llvm/decode.h"

/* ---- moving and rounding ---- */

typedef struct {
    LLVMValueRef from, to;
    BlockType type;
} Convert;

static void convert_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Convert *c = ctx;
    LLVMValueRef p = l_elem(ir, c->from, c->type, i);
    l_store(ir, l_load_f32(ir, c->type, p, lanes), l_index(ir, c->to, i, 4));
}

static void decode_blocks(Ir *ir, BlockType t, LLVMValueRef src, LLVMValueRef n,
                          LLVMValueRef dst)
{
    const BlockInfo *info = &block_info[t];
    Loop l = l_for(ir, "block", l_int(ir, 0), n, info->elems);
    Head h = decode_head(ir, t, l_elem(ir, src, t, l.i), true);
    LLVMValueRef to = l_index(ir, dst, l.i, 4);
    for (int g = 0; g < info->elems / 32; g++) {
        Group v = decode_of(t)->group(ir, &h, g);
        l_store(ir, decode_values(ir, &v), l_at(ir, to, 128 * g));
    }
    l_end(ir, &l);
}

LLVMValueRef tile_decoder(Ir *ir, BlockType t)
{
    char name[32];
    bool is_new;
    snprintf(name, sizeof name, "decode.%s", block_info[t].name);
    LLVMValueRef fn = l_helper(ir, name, "pip", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    LLVMValueRef src = l_param(ir, 0, "src"), n = l_param(ir, 1, "n");
    Convert c = {src, l_param(ir, 2, "dst"), t};
    if (decode_of(t)->group)
        decode_blocks(ir, t, src, n, c.to);
    else
        l_lanes_upto(ir, n, 2 * ir->lanes, convert_lanes, &c);
    return l_helper_end(ir, back);
}

LLVMValueRef tile_encoder(Ir *ir)
{
    LLVMValueRef fn = LLVMGetNamedFunction(ir->mod, "block_encode");
    LLVMTypeRef params[] = {ir->i32, ir->ptr, ir->i64, ir->ptr};
    if (fn)
        return fn;
    return LLVMAddFunction(ir->mod, "block_encode",
                           l_fn_type(ir->i1, params, 4));
}

/* max |x| of 32 lanes, NaN if one is not finite */
static LLVMValueRef extreme(Ir *ir, LLVMValueRef x)
{
    LLVMValueRef a = l_fabs(ir, x), ok;
    ok = l_fcmp(ir, LLVMRealOLT, a, l_like(a, HUGE_VAL));
    ok = l_intrinsic(ir, "llvm.vector.reduce.and", l_type(ok), &ok, 1);
    for (int h = 16; h; h /= 2)
        a = l_fmax(ir, l_pick(ir, a, 0, 1, h), l_pick(ir, a, h, 1, h));
    return l_select(ir, ok, a, l_real(ir, NAN));
}

/* Nearest whole numbers, ties to even, inside [-most, most]; NaN is 0. */
static LLVMValueRef round_codes(Ir *ir, LLVMValueRef v, int most)
{
    LLVMValueRef low = l_like(v, -most), high = l_like(v, most);
    v = l_select(ir, l_fcmp(ir, LLVMRealORD, v, v), v, l_like(v, 0));
    v = l_select(ir, l_fcmp(ir, LLVMRealOLT, v, low), low, v);
    v = l_select(ir, l_fcmp(ir, LLVMRealOGT, v, high), high, v);
    v = l_intrinsic(ir, "llvm.roundeven", l_type(v), &v, 1);
    return LLVMBuildFPToSI(ir->b, v, l_vec(ir->i32, 32), "codes");
}

static void quantize_block(Ir *ir, BlockType t, LLVMValueRef from,
                           LLVMValueRef to)
{
    int most = t == BT_q8a ? 127 : 32767;
    LLVMValueRef x = l_load(ir, l_vec(ir->f32, 32), from), d, inverse;
    d = l_fdiv(ir, extreme(ir, x), l_real(ir, most));
    inverse = l_fdiv(ir, l_real(ir, 1), d);
    inverse = l_select(ir, l_fcmp(ir, LLVMRealUNE, d, l_real(ir, 0)), inverse,
                       l_real(ir, 0));
    x = round_codes(ir, l_fmul(ir, x, l_splat(ir, inverse, 32)), most);
    l_store(ir, l_trunc(ir, x, t == BT_q8a ? ir->i8 : ir->i16), to);
    l_store(ir, d, l_at(ir, to, block_info[t].bytes - 4));
}

LLVMValueRef tile_quantizer(Ir *ir, BlockType t)
{
    bool is_new;
    char name[32];
    snprintf(name, sizeof name, "quantize.%s", block_info[t].name);
    LLVMValueRef fn = l_helper(ir, name, "pip", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    LLVMValueRef src = l_param(ir, 0, "src"), dst = l_param(ir, 2, "dst");
    Loop l = l_for(ir, "block", l_int(ir, 0), l_param(ir, 1, "n"), 32);
    quantize_block(ir, t, l_index(ir, src, l.i, 4), l_elem(ir, dst, t, l.i));
    l_end(ir, &l);
    return l_helper_end(ir, back);
}

/* Sums of 16 values and 16 values: of integers exactly, then scaled. */
static void sum_block(Ir *ir, BlockType t, LLVMValueRef from, LLVMValueRef to)
{
    int code = t == BT_q8a ? 1 : 2;
    LLVMTypeRef codes = l_vec(t == BT_q8a ? ir->i8 : ir->i16, 16);
    LLVMValueRef q, d = NULL;
    if (t != BT_f32)
        d = l_load(ir, ir->f32, l_at(ir, from, 32 * code));
    for (int i = 0; i < 2; i++) {
        if (d) {
            q = l_load(ir, codes, l_at(ir, from, 16 * code * i));
            q = l_sext(ir, q, ir->i32);
            q = l_intrinsic(ir, "llvm.vector.reduce.add", l_type(q), &q, 1);
            q = l_fmul(ir, d, l_to_f32(ir, q));
        } else {
            q = l_load(ir, l_vec(ir->f32, 16), l_at(ir, from, 64 * i));
            q = l_hsum(ir, q);
        }
        l_store(ir, q, l_at(ir, to, 4 * i));
    }
}

LLVMValueRef tile_sums(Ir *ir, BlockType t)
{
    bool is_new;
    char name[32];
    snprintf(name, sizeof name, "sums.%s", block_info[t].name);
    LLVMValueRef fn = l_helper(ir, name, "pip", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    LLVMValueRef src = l_param(ir, 0, "src"), dst = l_param(ir, 2, "dst");
    Loop l = l_for(ir, "block", l_int(ir, 0), l_param(ir, 1, "n"), 32);
    LLVMValueRef pair = l_div(ir, l.i, l_int(ir, 32));
    sum_block(ir, t, l_elem(ir, src, t, l.i), l_index(ir, dst, pair, 8));
    l_end(ir, &l);
    return l_helper_end(ir, back);
}

/* ---- products of floats: TILE_COLS columns by TILE_ROWS rows at once ---- */

typedef struct {
    LLVMValueRef w[TILE_COLS], x[TILE_ROWS];
    Acc acc[TILE_ROWS][TILE_COLS];
} Block;

static void block_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Block *t = ctx;
    LLVMValueRef w[TILE_COLS], x;
    for (int c = 0; c < TILE_COLS; c++)
        w[c] = l_f32_at(ir, t->w[c], i, lanes);
    for (int r = 0; r < TILE_ROWS; r++) {
        x = l_f32_at(ir, t->x[r], i, lanes);
        for (int c = 0; c < TILE_COLS; c++)
            l_acc_fma(ir, &t->acc[r][c], w[c], x);
    }
}

_Static_assert(TILE_COLS == 2 && TILE_ROWS % 2 == 0, "as stored");

/* Two rows of two sums each. */
static void store_sums(Ir *ir, const Block *t, int r, LLVMValueRef out,
                       LLVMValueRef stride)
{
    LLVMValueRef v[4];
    for (int i = 0; i < 4; i++)
        v[i] = l_acc_get(ir, &t->acc[r + i / 2][i % 2]);
    LLVMValueRef sums = l_hsum4(ir, v);
    for (int i = 0; i < 2; i++)
        l_store(ir, l_pick(ir, sums, 2 * i, 1, 2),
                l_index(ir, out, l_muli(ir, stride, r + i), 4));
}

LLVMValueRef tile_block(Ir *ir)
{
    bool is_new;
    Block t;
    LLVMValueRef fn = l_helper(ir, "block.f32", "ppipi", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    for (int c = 0; c < TILE_COLS; c++)
        t.w[c] = l_pointer_at(ir, l_param(ir, 0, "w"), c);
    for (int r = 0; r < TILE_ROWS; r++) {
        t.x[r] = l_pointer_at(ir, l_param(ir, 1, "x"), r);
        for (int c = 0; c < TILE_COLS; c++)
            t.acc[r][c] = l_acc(ir, ir->lanes, 0);
    }
    l_lanes_upto(ir, l_param(ir, 2, "n"), ir->lanes, block_lanes, &t);
    for (int r = 0; r < TILE_ROWS; r += 2)
        store_sums(ir, &t, r, l_param(ir, 3, "out"), l_param(ir, 4, "stride"));
    return l_helper_end(ir, back);
}

/* ---- weighted sums of rows ---- */

typedef struct {
    int rows;
    LLVMValueRef coef[TILE_ROWS], out[TILE_ROWS];
    LLVMValueRef step, b, pitch, depth;
} Gather;

static void gather_lanes(Ir *ir, void *ctx, LLVMValueRef j, int lanes)
{
    const Gather *t = ctx;
    LLVMTypeRef type = l_vec(ir->f32, lanes);
    LLVMValueRef sum[TILE_ROWS], at, b, c;
    for (int r = 0; r < t->rows; r++) {
        sum[r] = l_var(ir, type, "sum");
        l_store(ir, l_f32_at(ir, t->out[r], j, lanes), sum[r]);
    }
    Loop l = l_for(ir, "depth", l_int(ir, 0), t->depth, 1);
    at = l_add(ir, l_mul(ir, l.i, t->pitch), j);
    b = l_f32_at(ir, t->b, at, lanes);
    for (int r = 0; r < t->rows; r++) {
        c = l_f32_at(ir, t->coef[r], l_mul(ir, l.i, t->step), 1);
        c = l_fma(ir, l_splat(ir, c, lanes), b, l_load(ir, type, sum[r]));
        l_store(ir, c, sum[r]);
    }
    l_end(ir, &l);
    for (int r = 0; r < t->rows; r++)
        l_store(ir, l_load(ir, type, sum[r]), l_index(ir, t->out[r], j, 4));
}

LLVMValueRef tile_gather(Ir *ir, int rows)
{
    char name[32];
    bool is_new;
    Gather t = {.rows = rows};
    snprintf(name, sizeof name, "gather.%d", rows);
    LLVMValueRef fn = l_helper(ir, name, "pipiipi", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    for (int r = 0; r < rows; r++) {
        t.coef[r] = l_pointer_at(ir, l_param(ir, 0, "coef"), r);
        t.out[r] = l_pointer_at(ir, l_param(ir, 5, "out"), r);
    }
    t.step = l_param(ir, 1, "step");
    t.b = l_param(ir, 2, "b");
    t.pitch = l_param(ir, 3, "pitch");
    t.depth = l_param(ir, 4, "depth");
    l_lanes_upto(ir, l_param(ir, 6, "n"), 2 * ir->lanes, gather_lanes, &t);
    return l_helper_end(ir, back);
}
