#include "gen/llvm/panel.h"

#include <stdio.h>

/* ---- block ---- */

typedef struct {
    int panels;
    bool onto;
    LLVMTypeRef lanes;
    LLVMValueRef w, pitch, x[PANEL_ROWS], out[PANEL_ROWS];
    LLVMValueRef acc[PANEL_ROWS][2]; /* variables */
} Block;

static void start(Ir *ir, Block *b)
{
    LLVMValueRef x = l_param(ir, 2, "x"), out = l_param(ir, 4, "out"), v;
    LLVMValueRef at = l_param(ir, 5, "at");
    for (int r = 0; r < PANEL_ROWS; r++) {
        b->x[r] = l_pointer_at(ir, x, r);
        b->out[r] = l_pointer_at(ir, out, r);
        b->out[r] = l_index(ir, b->out[r], at, 4);
        for (int c = 0; c < b->panels; c++) {
            b->acc[r][c] = l_var(ir, b->lanes, "acc");
            v = LLVMConstNull(b->lanes);
            if (b->onto)
                v = l_load(ir, b->lanes,
                           l_at(ir, b->out[r], 4 * PANEL_LANES * c));
            l_store(ir, v, b->acc[r][c]);
        }
    }
}

static void step(Ir *ir, const Block *b, LLVMValueRef k)
{
    LLVMValueRef w[2], x, at = l_index(ir, b->w, l_mul(ir, k, b->pitch), 4);
    for (int c = 0; c < b->panels; c++)
        w[c] = l_load(ir, b->lanes, l_at(ir, at, 4 * PANEL_LANES * c));
    for (int r = 0; r < PANEL_ROWS; r++) {
        x = l_load(ir, ir->f32, l_index(ir, b->x[r], k, 4));
        x = l_splat(ir, x, PANEL_LANES);
        for (int c = 0; c < b->panels; c++) {
            LLVMValueRef acc = l_load(ir, b->lanes, b->acc[r][c]);
            l_store(ir, l_fma(ir, w[c], x, acc), b->acc[r][c]);
        }
    }
}

static void block_body(Ir *ir, Block *b)
{
    b->w = l_param(ir, 0, "w");
    b->pitch = l_param(ir, 1, "pitch");
    b->lanes = l_vec(ir->f32, PANEL_LANES);
    start(ir, b);
    Loop l = l_for(ir, "k", l_int(ir, 0), l_param(ir, 3, "n"), PANEL_UNROLL);
    for (int i = 0; i < PANEL_UNROLL; i++)
        step(ir, b, l_addi(ir, l.i, i));
    l_end(ir, &l);
    for (int r = 0; r < PANEL_ROWS; r++)
        for (int c = 0; c < b->panels; c++)
            l_store(ir, l_load(ir, b->lanes, b->acc[r][c]),
                    l_at(ir, b->out[r], 4 * PANEL_LANES * c));
}

LLVMValueRef panel_block(Ir *ir, int panels, bool onto)
{
    char name[32];
    bool is_new;
    Block b = {.panels = panels, .onto = onto};
    snprintf(name, sizeof name, "panel.%d%s", panels, onto ? ".onto" : "");
    LLVMValueRef fn = l_helper(ir, name, "pipipi", &is_new);
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    block_body(ir, &b);
    return l_helper_end(ir, back);
}

/* ---- transpose ---- */

/* Pairs of vectors become pairs: lanes from `low`, lanes from `high`. */
static void exchange(Ir *ir, LLVMValueRef *v, int apart, const int *low,
                     const int *high)
{
    for (int i = 0; i < PANEL_LANES; i++) {
        if (i & apart)
            continue;
        LLVMValueRef a = v[i], b = v[i + apart];
        v[i] = l_shuffle(ir, a, b, low, PANEL_LANES);
        v[i + apart] = l_shuffle(ir, a, b, high, PANEL_LANES);
    }
}

/* Squares of 1, 2 and 4 change places across the diagonal. */
static void transpose(Ir *ir, LLVMValueRef *v)
{
    static const int low[3][8] = {{0, 8, 2, 10, 4, 12, 6, 14},
                                  {0, 1, 8, 9, 4, 5, 12, 13},
                                  {0, 1, 2, 3, 8, 9, 10, 11}},
                     high[3][8] = {{1, 9, 3, 11, 5, 13, 7, 15},
                                   {2, 3, 10, 11, 6, 7, 14, 15},
                                   {4, 5, 6, 7, 12, 13, 14, 15}};
    for (int i = 0; i < 3; i++)
        exchange(ir, v, 1 << i, low[i], high[i]);
}

LLVMValueRef panel_transpose(Ir *ir)
{
    bool is_new;
    LLVMValueRef fn = l_helper(ir, "transpose8", "pipi", &is_new), v[8];
    if (!is_new)
        return fn;
    IrPlace back = l_fn_begin(ir, fn);
    LLVMValueRef src = l_param(ir, 0, "src"), n = l_param(ir, 1, "n");
    LLVMValueRef dst = l_param(ir, 2, "dst"), pitch = l_param(ir, 3, "pitch");
    for (int i = 0; i < PANEL_LANES; i++)
        v[i] = l_load(ir, l_vec(ir->f32, PANEL_LANES),
                      l_index(ir, src, l_muli(ir, n, i), 4));
    transpose(ir, v);
    for (int i = 0; i < PANEL_LANES; i++)
        l_store(ir, v[i], l_index(ir, dst, l_muli(ir, pitch, i), 4));
    return l_helper_end(ir, back);
}
