#include "gen/llvm/packed.h"

#include <stdio.h>

#include "gen/llvm/packed_int.h"
#include "gen/llvm/panel.h"

static const struct {
    BlockType type;
    const PackDecoder *decoder;
} decoders[] = {
#define FIELD(type, offset, bytes, unit) {BT_##type, &packed_##type},
#include "base/packing.def"
#undef FIELD
};

const PackDecoder *packed_decoder(BlockType t)
{
    int i = 0;
    while (decoders[i].type != t)
        i++;
    return decoders[i].decoder;
}

/* ---- fields ---- */

static LLVMValueRef field_at(Ir *ir, const PackHead *h, int offset)
{
    return l_at(ir, h->p, PACK_LANES * offset);
}

LLVMValueRef packed_word(Ir *ir, const PackHead *h, int offset)
{
    return l_load(ir, l_vec(ir->i32, PACK_LANES), field_at(ir, h, offset));
}

LLVMValueRef packed_unit(Ir *ir, const PackHead *h, int offset)
{
    return l_load(ir, l_vec(ir->i8, 4 * PACK_LANES), field_at(ir, h, offset));
}

LLVMValueRef packed_u16(Ir *ir, const PackHead *h, int offset)
{
    LLVMTypeRef t = l_vec(ir->i16, PACK_LANES);
    return l_zext(ir, l_load(ir, t, field_at(ir, h, offset)), ir->i32);
}

LLVMValueRef packed_half(Ir *ir, const PackHead *h, int offset)
{
    return l_load_f32(ir, BT_f16, field_at(ir, h, offset), PACK_LANES);
}

LLVMValueRef packed_bits(Ir *ir, LLVMValueRef word, int shift, int mask)
{
    return l_andi(ir, shift ? l_shri(ir, word, shift) : word, mask);
}

static PackHead read_head(Ir *ir, BlockType t, LLVMValueRef p)
{
    const PackDecoder *dec = packed_decoder(t);
    PackHead h = {.p = p};
    if (dec->d_at >= 0)
        h.d = packed_half(ir, &h, dec->d_at);
    if (dec->head)
        dec->head(ir, &h);
    return h;
}

/* ---- integer dot products ---- */

enum { LINE = 64, AHEAD = 2048 };

typedef struct {
    BlockType wt, xt;
    int rows;
    LLVMValueRef x[PACKED_DOT_ROWS], sums[PACKED_DOT_ROWS];
    LLVMValueRef acc[PACKED_DOT_ROWS]; /* variables, <8 x f32> */
} Dot;

/* Sum of n groups of 16 values of row r, in every lane. */
static LLVMValueRef sum16(Ir *ir, const Dot *d, int r, LLVMValueRef at, int n)
{
    LLVMValueRef s = l_load(ir, ir->f32, l_index(ir, d->sums[r], at, 4));
    if (n == 2) {
        LLVMValueRef next = l_addi(ir, at, 1);
        next = l_load(ir, ir->f32, l_index(ir, d->sums[r], next, 4));
        s = l_fadd(ir, s, next);
    }
    return l_splat(ir, s, PACK_LANES);
}

/* Adds to row r: units [from, to) of the group, which start at 16-value group
 * `at` of the row; scale and minimum are those of part i. */
static void add_part(Ir *ir, const Dot *d, const Lanes8 *v, int i, int r,
                     LLVMValueRef x, LLVMValueRef at, int from, int to)
{
    const PackDecoder *dec = packed_decoder(d->wt);
    LLVMTypeRef f8 = l_vec(ir->f32, PACK_LANES);
    LLVMValueRef acc = l_load(ir, f8, d->acc[r]), t, sum = NULL, dx;
    t = l_to_f32(ir, packed_isum(ir, dec, v, d->xt, x, from, to));
    dx = l_load(ir, ir->f32, l_at(ir, x, block_info[d->xt].bytes - 4));
    t = l_fmul(ir, t, l_splat(ir, dx, PACK_LANES));
    if (dec->zero || v->min[i])
        sum = sum16(ir, d, r, at, (to - from) / 4);
    if (dec->zero)
        t = l_fma(ir, sum, l_like(sum, -dec->zero), t);
    acc = l_fma(ir, t, v->scale[i], acc);
    if (v->min[i])
        acc = l_fma(ir, LLVMBuildFNeg(ir->b, v->min[i], ""), sum, acc);
    l_store(ir, acc, d->acc[r]);
}

/* first: number of the block's first value. */
static void dot_block(Ir *ir, const Dot *d, LLVMValueRef w, LLVMValueRef first)
{
    const PackDecoder *dec = packed_decoder(d->wt);
    PackHead h = read_head(ir, d->wt, w);
    LLVMValueRef at16 = l_div(ir, first, l_int(ir, 16));
    for (int g = 0; g < block_info[d->wt].elems / 32; g++) {
        Lanes8 v = dec->group(ir, &h, g);
        LLVMValueRef at = l_addi(ir, at16, 2 * g);
        for (int r = 0; r < d->rows; r++) {
            LLVMValueRef x = l_elem(ir, d->x[r], d->xt, first);
            x = l_at(ir, x, g * block_info[d->xt].bytes);
            if (v.scale[0] == v.scale[1]) {
                add_part(ir, d, &v, 0, r, x, at, 0, 8);
                continue;
            }
            add_part(ir, d, &v, 0, r, x, at, 0, 4);
            add_part(ir, d, &v, 1, r, x, l_addi(ir, at, 1), 4, 8);
        }
    }
}

/* A weight is read once a token, in order: the next lines are asked for early,
 * since the processor's own guess stops at every page. */
static void prefetch(Ir *ir, LLVMValueRef p, int bytes)
{
    for (int i = 0; i < bytes; i += LINE)
        l_prefetch(ir, l_at(ir, p, AHEAD + i));
}

static void dot_group(Ir *ir, Dot *d, LLVMValueRef w, LLVMValueRef n,
                      LLVMValueRef out, LLVMValueRef stride)
{
    const BlockInfo *info = &block_info[d->wt];
    LLVMTypeRef f8 = l_vec(ir->f32, PACK_LANES);
    for (int r = 0; r < d->rows; r++)
        l_store(ir, LLVMConstNull(f8), d->acc[r]);
    Loop l = l_for(ir, "block", l_int(ir, 0), n, info->elems);
    LLVMValueRef block = l_div(ir, l.i, l_int(ir, info->elems));
    LLVMValueRef at = l_index(ir, w, block, PACK_LANES * info->bytes);
    prefetch(ir, at, PACK_LANES * info->bytes);
    dot_block(ir, d, at, l.i);
    l_end(ir, &l);
    for (int r = 0; r < d->rows; r++)
        l_store(ir, l_load(ir, f8, d->acc[r]),
                l_index(ir, out, l_muli(ir, stride, r), 4));
}

static void dot_body(Ir *ir, Dot *d)
{
    LLVMValueRef w = l_param(ir, 0, "w"), x = l_param(ir, 1, "x"), n, at;
    LLVMValueRef sums = l_param(ir, 2, "sums"), out = l_param(ir, 5, "out");
    for (int r = 0; r < d->rows; r++) {
        d->x[r] = l_pointer_at(ir, x, r);
        if (packed_needs_sums(d->wt))
            d->sums[r] = l_pointer_at(ir, sums, r);
        d->acc[r] = l_var(ir, l_vec(ir->f32, PACK_LANES), "acc");
    }
    n = l_param(ir, 3, "n");
    Loop l = l_for(ir, "group", l_int(ir, 0), l_param(ir, 4, "groups"), 1);
    at = l_mul(ir, l.i, n);
    dot_group(ir, d, l_elem(ir, w, d->wt, l_muli(ir, at, PACK_LANES)), n,
              l_index(ir, out, l.i, 4 * PACK_LANES), l_param(ir, 6, "stride"));
    l_end(ir, &l);
}

bool packed_needs_sums(BlockType w)
{
    return packed_decoder(w)->zero || packed_decoder(w)->has_min;
}

LLVMValueRef packed_dot(Ir *ir, BlockType w, BlockType x, int rows)
{
    char name[64];
    bool is_new;
    Dot d = {.wt = w, .xt = x, .rows = rows};
    snprintf(name, sizeof name, "dot8.%s.%s.%d", block_info[w].name,
             block_info[x].name, rows);
    LLVMValueRef fn = l_helper(ir, name, "pppiipi", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    dot_body(ir, &d);
    return l_helper_end(ir, back);
}

/* ---- panels ---- */

/* Value j of unit u (and the next, if they come in pairs) as <8 x i32>. */
static LLVMValueRef codes_of(Ir *ir, const PackDecoder *dec, const Lanes8 *v,
                             int value)
{
    int from[PACK_LANES], each = v->pairs ? 8 : 4;
    int u = v->pairs ? 2 * (value / 8) : value / 4, k = value % each;
    LLVMValueRef c = v->unit[u];
    if (v->pairs) {
        c = l_concat(ir, packed_signed_unit(ir, v, u),
                     packed_signed_unit(ir, v, u + 1));
        for (int i = 0; i < PACK_LANES; i++)
            from[i] = 8 * i + k;
        c = l_shuffle(ir, c, NULL, from, PACK_LANES);
        return dec->signed_ || v->sign[u] ? l_sext(ir, c, ir->i32)
                                          : l_zext(ir, c, ir->i32);
    }
    c = l_bits(ir, c, l_vec(ir->i32, PACK_LANES));
    if (!dec->signed_)
        return packed_bits(ir, c, 8 * k, 255);
    c = l_shli(ir, c, 24 - 8 * k);
    return l_sar(ir, c, l_int_like(c, 24));
}

/* 32 values to rows of a panel of two groups. */
static void decode_group(Ir *ir, BlockType t, const Lanes8 *v, LLVMValueRef to)
{
    const PackDecoder *dec = packed_decoder(t);
    LLVMValueRef less[2];
    for (int i = 0; i < 2; i++) {
        less[i] = l_fmulc(ir, v->scale[i], -dec->zero);
        if (v->min[i])
            less[i] = dec->zero ? l_fsub(ir, less[i], v->min[i])
                                : LLVMBuildFNeg(ir->b, v->min[i], "");
    }
    for (int k = 0; k < 32; k++) {
        LLVMValueRef y = l_to_f32(ir, codes_of(ir, dec, v, k));
        y = dec->zero || v->min[k / 16]
                ? l_fma(ir, y, v->scale[k / 16], less[k / 16])
                : l_fmul(ir, y, v->scale[k / 16]);
        l_store(ir, y, l_at(ir, to, 4 * PANEL_COLS * k));
    }
}

LLVMValueRef packed_panel(Ir *ir, BlockType w)
{
    char name[32];
    bool is_new;
    const BlockInfo *info = &block_info[w];
    snprintf(name, sizeof name, "panel8.%s", info->name);
    LLVMValueRef fn = l_helper(ir, name, "pip", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    LLVMValueRef src = l_param(ir, 0, "w"), dst = l_param(ir, 2, "dst"), block;
    Loop l = l_for(ir, "block", l_int(ir, 0), l_param(ir, 1, "n"), info->elems);
    block = l_div(ir, l.i, l_int(ir, info->elems));
    PackHead h = read_head(ir, w, l_index(ir, src, block, 8 * info->bytes));
    for (int g = 0; g < info->elems / 32; g++) {
        Lanes8 v = packed_decoder(w)->group(ir, &h, g);
        LLVMValueRef to = l_index(ir, dst, l.i, 4 * PANEL_COLS);
        decode_group(ir, w, &v, l_at(ir, to, 4 * PANEL_COLS * 32 * g));
    }
    l_end(ir, &l);
    return l_helper_end(ir, back);
}

/* ---- one row as it was in the file ---- */

static void copy_field(Ir *ir, const PackField *f, LLVMValueRef from,
                       LLVMValueRef lane, LLVMValueRef to)
{
    LLVMTypeRef t = f->unit == 4 ? ir->i32 : ir->i16;
    from = l_at(ir, from, PACK_LANES * f->offset);
    from = l_index(ir, from, lane, f->unit);
    Loop l = l_for(ir, "unit", l_int(ir, 0), l_int(ir, f->bytes), f->unit);
    LLVMValueRef v = l_load(ir, t, l_index(ir, from, l.i, PACK_LANES));
    l_store(ir, v, l_index(ir, l_at(ir, to, f->offset), l.i, 1));
    l_end(ir, &l);
}

LLVMValueRef packed_row(Ir *ir, BlockType w)
{
    char name[32];
    bool is_new;
    const PackField *f = NULL;
    const BlockInfo *info = &block_info[w];
    int n = packing_fields(w, &f);
    snprintf(name, sizeof name, "row8.%s", info->name);
    LLVMValueRef fn = l_helper(ir, name, "piip", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    LLVMValueRef from = l_param(ir, 0, "w"), to = l_param(ir, 3, "dst");
    Loop l = l_for(ir, "block", l_int(ir, 0), l_param(ir, 2, "n"), info->elems);
    LLVMValueRef block = l_div(ir, l.i, l_int(ir, info->elems));
    for (int i = 0; i < n; i++)
        copy_field(ir, &f[i], l_index(ir, from, block, 8 * info->bytes),
                   l_param(ir, 1, "lane"), l_index(ir, to, block, info->bytes));
    l_end(ir, &l);
    return l_helper_end(ir, back);
}
