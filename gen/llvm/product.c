#include "gen/llvm/product.h"

#include "gen/llvm/packed.h"
#include "gen/llvm/tile.h"

enum { PANEL_FLOATS = 64 * 1024 }; /* decoded columns: a share of the cache */

static bool is_float(BlockType t) { return block_info[t].kind == BLOCK_FLOAT; }

static int64_t panel_columns(int64_t k)
{
    int64_t n = PANEL_FLOATS / k / TILE_COLS * TILE_COLS;
    return n < TILE_COLS ? TILE_COLS : n > PRODUCT_COLS ? PRODUCT_COLS : n;
}

/* Rows that plain weights read as floats, since int16 multiplies packed ones
 * only. */
static bool as_floats(BlockType x, const Type *w)
{
    return x == BT_q16a && !w->packing;
}

static bool wants_panel(BlockType x, const Type *w)
{
    if (w->packing)
        return true;
    return (x == BT_f32 || as_floats(x, w)) && w->dtype != BT_f32;
}

static bool wants_sums(const Type *w)
{
    return w->packing ? packed_needs_sums(w->dtype) : tile_needs_sums(w->dtype);
}

Product product_new(Emit *e, BlockType x, int64_t k, const Type *const *weights,
                    int n)
{
    Product p = {.e = e, .type = x, .k = k, .share = 1};
    bool panel = false, sums = false, packed = false;
    for (int i = 0; i < n; i++) {
        p.always_floats = p.always_floats || as_floats(x, weights[i]);
        panel = panel || wants_panel(x, weights[i]);
        sums = sums || wants_sums(weights[i]);
        packed = packed || weights[i]->packing;
    }
    p.row_bytes = block_bytes(x, k);
    p.panel_cols = panel_columns(k);
    p.rows = emit_scratch(e, 8 * 4 * TILE_ROWS);
    if (panel)
        p.panel =
            emit_scratch_f32(e, (packed ? PRODUCT_COLS : p.panel_cols) * k);
    if (packed || p.always_floats)
        p.floats = emit_scratch_f32(e, PRODUCT_ROWS * k);
    if (sums)
        p.sums = emit_scratch_f32(e, PRODUCT_ROWS * (k / 16));
    return p;
}

/* ---- rows ---- */

LLVMValueRef product_row(const Product *p, LLVMValueRef i)
{
    Ir *ir = p->e->ir;
    if (!p->list)
        return l_add(ir, p->first, i);
    LLVMValueRef at = l_index(ir, p->list, l_add(ir, p->first, i), 4);
    return l_zext(ir, l_load(ir, ir->i32, at), ir->i64);
}

LLVMValueRef product_x_row(const Product *p, LLVMValueRef i)
{
    Ir *ir = p->e->ir;
    LLVMValueRef row = product_row(p, i);
    if (p->share > 1)
        row = l_div(ir, row, l_int(ir, p->share));
    return l_index(ir, p->x, row, p->row_bytes);
}

/* Rows whose sums are needed: floats in blocks of rows do without. */
static LLVMValueRef rows_to_sum(const Product *p)
{
    Ir *ir = p->e->ir;
    if (block_info[p->type].kind == BLOCK_ACT)
        return p->count;
    return l_select(ir, product_few(p), p->count, l_int(ir, 0));
}

void product_rows_ready(const Product *p)
{
    Ir *ir = p->e->ir;
    if (p->floats)
        product_packed_ready(p);
    if (!p->sums)
        return;
    Loop l = l_for(ir, "sums", l_int(ir, 0), rows_to_sum(p), 1);
    LLVMValueRef to = l_index(ir, p->sums, l.i, p->k / 16 * 4);
    LLVMValueRef args[] = {product_x_row(p, l.i), l_int(ir, p->k), to};
    l_call(ir, tile_sums(ir, p->type), args, 3);
    l_end(ir, &l);
}

void product_point(const Product *p, LLVMValueRef i, int n)
{
    Ir *ir = p->e->ir;
    for (int k = 0; k < n; k++) {
        LLVMValueRef r = l_addi(ir, i, k);
        r = n == 1 ? r : l_min(ir, r, l_addi(ir, p->count, -1));
        l_store(ir, product_x_row(p, r), l_at(ir, p->rows, 8 * k));
        if (p->sums)
            l_store(ir, l_index(ir, p->sums, r, p->k / 16 * 4),
                    l_at(ir, p->rows, 8 * (TILE_ROWS + k)));
    }
}

LLVMValueRef product_out(Ir *ir, LLVMValueRef out, LLVMValueRef row,
                         LLVMValueRef col)
{
    LLVMValueRef at = l_add(ir, l_muli(ir, row, PRODUCT_COLS), col);
    return l_index(ir, out, at, 4);
}

/* ---- dot products ---- */

/* Columns w by the n rows that were pointed at. */
static void dot_columns(const Product *p, LLVMValueRef w, BlockType t,
                        LLVMValueRef cols, LLVMValueRef out, int n)
{
    Ir *ir = p->e->ir;
    LLVMValueRef args[] = {
        w,    p->rows, l_at(ir, p->rows, 8 * TILE_ROWS), l_int(ir, p->k),
        cols, out,     l_int(ir, PRODUCT_COLS)};
    l_call(ir, tile_dot(ir, t, p->type, n), args, 7);
}

/* Float columns by one row in blocks: the row takes the place of the weight. */
static void dot_turned(const Product *p, LLVMValueRef w, BlockType t,
                       LLVMValueRef cols, LLVMValueRef out)
{
    Ir *ir = p->e->ir;
    LLVMValueRef side = l_at(ir, p->rows, 8 * 3 * TILE_ROWS);
    Loop j = l_for(ir, "w", l_int(ir, 0), cols, 1);
    l_store(ir, l_index(ir, w, j.i, block_bytes(t, p->k)), side);
    LLVMValueRef args[] = {l_load(ir, ir->ptr, p->rows),
                           side,
                           side,
                           l_int(ir, p->k),
                           l_int(ir, 1),
                           l_index(ir, out, j.i, 4),
                           l_int(ir, 0)};
    l_call(ir, tile_dot(ir, BT_q8a, t, 1), args, 7);
    l_end(ir, &j);
}

LLVMValueRef product_few(const Product *p)
{
    Ir *ir = p->e->ir;
    return l_icmp(ir, LLVMIntSLT, p->count, l_int(ir, TILE_ROWS));
}

static void dots(const Product *p, LLVMValueRef w, BlockType t,
                 LLVMValueRef cols, LLVMValueRef out, int n)
{
    Ir *ir = p->e->ir;
    Loop i = l_for(ir, "x", l_int(ir, 0), p->count, n);
    product_point(p, i.i, n);
    LLVMValueRef to = product_out(ir, out, i.i, l_int(ir, 0));
    if (p->type == BT_q8a && is_float(t))
        dot_turned(p, w, t, cols, to);
    else
        dot_columns(p, w, t, cols, to, n);
    l_end(ir, &i);
}

/* ---- blocks of rows by decoded columns ---- */

/* All rows by columns [from, to), whose first lies at w. */
static void multiply_panel(const Product *p, LLVMValueRef w, LLVMValueRef from,
                           LLVMValueRef to, LLVMValueRef out)
{
    Ir *ir = p->e->ir;
    LLVMValueRef side = l_at(ir, p->rows, 8 * 3 * TILE_ROWS);
    Loop i = l_for(ir, "x", l_int(ir, 0), p->count, TILE_ROWS);
    product_point(p, i.i, TILE_ROWS);
    Loop j = l_for(ir, "w", from, to, TILE_COLS);
    for (int c = 0; c < TILE_COLS; c++) {
        LLVMValueRef col = l_addi(ir, j.i, c);
        col = l_sub(ir, l_min(ir, col, l_addi(ir, to, -1)), from);
        l_store(ir, l_index(ir, w, col, p->k * 4), l_at(ir, side, 8 * c));
    }
    LLVMValueRef args[] = {side, p->rows, l_int(ir, p->k),
                           product_out(ir, out, i.i, j.i),
                           l_int(ir, PRODUCT_COLS)};
    l_call(ir, tile_block(ir), args, 5);
    l_end(ir, &j);
    l_end(ir, &i);
}

static void decoded_panels(const Product *p, LLVMValueRef w, BlockType t,
                           LLVMValueRef cols, LLVMValueRef out)
{
    Ir *ir = p->e->ir;
    Loop l = l_for(ir, "panel", l_int(ir, 0), cols, p->panel_cols);
    LLVMValueRef end = l_min(ir, cols, l_addi(ir, l.i, p->panel_cols)),
                 from = l.i;
    LLVMValueRef values = l_muli(ir, l_sub(ir, end, from), p->k);
    LLVMValueRef args[] = {l_index(ir, w, from, block_bytes(t, p->k)), values,
                           p->panel};
    l_call(ir, tile_decoder(ir, t), args, 3);
    multiply_panel(p, p->panel, from, end, out);
    l_end(ir, &l);
}

static void plain_tile(const Product *p, LLVMValueRef w, BlockType t,
                       LLVMValueRef cols, LLVMValueRef out)
{
    Ir *ir = p->e->ir;
    if (p->type == BT_q8a && is_float(t)) {
        dots(p, w, t, cols, out, 1);
        return;
    }
    Branch br = l_if(ir, "few", product_few(p));
    dots(p, w, t, cols, out, 1);
    l_else(ir, &br);
    if (p->type == BT_q8a)
        dots(p, w, t, cols, out, TILE_ROWS);
    else if (t == BT_f32)
        multiply_panel(p, w, l_int(ir, 0), cols, out);
    else
        decoded_panels(p, w, t, cols, out);
    l_endif(ir, &br);
}

void product_tile(const Product *p, LLVMValueRef w, const Type *t,
                  LLVMValueRef cols, LLVMValueRef out)
{
    Product f = *p;
    if (as_floats(p->type, t)) {
        f.x = p->floats;
        f.type = BT_f32;
        f.row_bytes = 4 * p->k;
        f.share = 1;
        f.list = NULL;
        f.first = l_int(p->e->ir, 0);
    }
    if (t->packing)
        product_packed_tile(p, w, t->dtype, cols, out);
    else
        plain_tile(&f, w, t->dtype, cols, out);
}
