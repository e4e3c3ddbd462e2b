/* emit_matmul.c - kernels of matrix products with one left side.
 *
 * A work item is a tile of columns of one part.  Rows are taken PRODUCT_ROWS at
 * a time, outermost, so that what is prepared for them serves all tiles of the
 * call. */
#include "gen/llvm/part.h"

/* The tiles of a part, of which the first is item number `offset`. */
static void items_of(Parts *ps, Part *p, int64_t offset)
{
    Emit *e = ps->e;
    Ir *ir = e->ir;
    LLVMValueRef from = l_max(ir, l_addi(ir, e->begin, -offset), l_int(ir, 0));
    LLVMValueRef to = l_addi(ir, e->end, -offset);
    to = l_min(ir, to, l_int(ir, part_tiles(p)));
    Loop l = l_for(ir, "tile", from, to, 1);
    part_tile(ps, p, l.i, NULL);
    l_end(ir, &l);
}

void emit_matmul_class(Emit *e)
{
    Ir *ir = e->ir;
    Parts *ps = parts_new(e, KIND_MATMUL);
    Product *left = &ps->left;
    const Node *any = &e->g->node[ps->part[0].product[0]];
    LLVMValueRef rows = emit_dim(e, part_rows(&any->type));
    int64_t offset = 0;
    Loop l = l_for(ir, "rows", l_int(ir, 0), rows, PRODUCT_ROWS);
    left->first = l.i;
    left->count = l_min(ir, l_sub(ir, rows, l.i), l_int(ir, PRODUCT_ROWS));
    product_rows_ready(left);
    for (int i = 0; i < ps->n; i++) {
        items_of(ps, &ps->part[i], offset);
        offset += part_tiles(&ps->part[i]);
    }
    l_end(ir, &l);
    e->items = dim_const(offset);
}
