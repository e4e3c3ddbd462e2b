/* product_packed.c - tiles of a packed matrix.
 *
 * Few rows, or a processor with byte dot products: integers.  Many rows
 * otherwise: AVX2 multiplies floats as fast as bytes once scales are counted
 * in, so rows and columns are both decoded, the rows once for all tiles of the
 * call, and a block of rows by columns needs no sums over lanes. */
#include "gen/llvm/packed.h"
#include "gen/llvm/panel.h"
#include "gen/llvm/product.h"
#include "gen/llvm/tile.h"

static bool by_integers(const Product *p)
{
    return p->e->ir->cpu->vnni && p->type == BT_q8a;
}

void product_packed_ready(const Product *p)
{
    Ir *ir = p->e->ir;
    if (by_integers(p))
        return;
    LLVMValueRef n = p->count;
    if (!p->always_floats)
        n = l_select(ir, product_few(p), l_int(ir, 0), n);
    Loop l = l_for(ir, "floats", l_int(ir, 0), n, 1);
    LLVMValueRef args[] = {product_x_row(p, l.i), l_int(ir, p->k),
                           l_index(ir, p->floats, l.i, 4 * p->k)};
    l_call(ir, tile_decoder(ir, p->type), args, 3);
    l_end(ir, &l);
}

static void dots(const Product *p, LLVMValueRef w, BlockType t,
                 LLVMValueRef groups, LLVMValueRef out, int rows)
{
    Ir *ir = p->e->ir;
    Loop i = l_for(ir, "x", l_int(ir, 0), p->count, rows);
    product_point(p, i.i, rows);
    LLVMValueRef args[] = {w,
                           p->rows,
                           l_at(ir, p->rows, 8 * TILE_ROWS),
                           l_int(ir, p->k),
                           groups,
                           product_out(ir, out, i.i, l_int(ir, 0)),
                           l_int(ir, PRODUCT_COLS)};
    l_call(ir, packed_dot(ir, t, p->type, rows), args, 7);
    l_end(ir, &i);
}

/* ---- many rows ---- */

static void decode_panels(const Product *p, LLVMValueRef w, BlockType t,
                          LLVMValueRef groups)
{
    Ir *ir = p->e->ir;
    int64_t values = PACK_LANES * p->k;
    Loop l = l_for(ir, "panel", l_int(ir, 0), groups, 1);
    LLVMValueRef args[] = {l_index(ir, w, l.i, block_bytes(t, values)),
                           l_int(ir, p->k),
                           l_index(ir, p->panel, l.i, 4 * PACK_LANES)};
    l_call(ir, packed_panel(ir, t), args, 3);
    l_end(ir, &l);
}

/* Rows from i on, the last one repeated, and where their products go. */
static void point_at_floats(const Product *p, LLVMValueRef i, LLVMValueRef out,
                            LLVMValueRef list)
{
    Ir *ir = p->e->ir;
    for (int k = 0; k < PANEL_ROWS; k++) {
        LLVMValueRef r = l_addi(ir, i, k), zero = l_int(ir, 0);
        r = l_min(ir, r, l_addi(ir, p->count, -1));
        l_store(ir, l_index(ir, p->floats, r, 4 * p->k), l_at(ir, list, 8 * k));
        l_store(ir, product_out(ir, out, r, zero),
                l_at(ir, list, 8 * (PANEL_ROWS + k)));
    }
}

static void multiply(const Product *p, LLVMValueRef out, int panels)
{
    Ir *ir = p->e->ir;
    LLVMValueRef list = p->rows; /* room enough for both lists */
    Loop i = l_for(ir, "x", l_int(ir, 0), p->count, PANEL_ROWS);
    point_at_floats(p, i.i, out, list);
    LLVMValueRef args[] = {p->panel,         l_int(ir, PANEL_COLS),
                           list,             l_int(ir, p->k),
                           l_at(ir, list, 8 * PANEL_ROWS), l_int(ir, 0)};
    l_call(ir, panel_block(ir, panels, false), args, 6);
    l_end(ir, &i);
}

_Static_assert(2 * PANEL_ROWS <= 4 * TILE_ROWS, "lists fit where rows lie");
_Static_assert((int)PRODUCT_COLS == PANEL_COLS, "a tile is one or two groups");

static void float_tile(const Product *p, LLVMValueRef w, BlockType t,
                       LLVMValueRef groups, LLVMValueRef out)
{
    Ir *ir = p->e->ir;
    decode_panels(p, w, t, groups);
    LLVMValueRef whole = l_icmp(ir, LLVMIntEQ, groups, l_int(ir, 2));
    Branch br = l_if(ir, "whole", whole);
    multiply(p, out, 2);
    l_else(ir, &br);
    multiply(p, out, 1);
    l_endif(ir, &br);
}

/* The verifier holds packed matrices to rounded rows. */
void product_packed_tile(const Product *p, LLVMValueRef w, BlockType t,
                         LLVMValueRef cols, LLVMValueRef out)
{
    Ir *ir = p->e->ir;
    LLVMValueRef groups = l_div(ir, cols, l_int(ir, PACK_LANES));
    Branch br = l_if(ir, "few", product_few(p));
    dots(p, w, t, groups, out, 1);
    l_else(ir, &br);
    if (by_integers(p))
        dots(p, w, t, groups, out, PACKED_DOT_ROWS);
    else
        float_tile(p, w, t, groups, out);
    l_endif(ir, &br);
}
