/* attention_block.c - attention of many tokens: products of small matrices.
 *
 * A unit of work is TILE rows (some tokens by some heads of one group) that
 * walk over the keys TILE at a time.  Keys are transposed, so that scores are
 * rows by panels of keys, and the sums rows by panels of values; both are
 * panel_block().
 * The softmax keeps the running maximum m and sum s of each row: when m grows,
 * what was summed so far shrinks by e^(old m - m). */
#include <math.h>

#include "gen/llvm/attention.h"
#include "gen/llvm/panel.h"
#include "gen/llvm/tile.h"
#include "gen/llvm/vecmath.h"

enum { TILE = 64 };

typedef struct {
    Emit *e;
    Ir *ir;
    Rows *r;
    Ref n;
    int64_t d;
    int heads, tokens;             /* of a unit at most */
    LLVMValueRef token, count;     /* its first token, how many */
    LLVMValueRef rows;             /* count * heads */
    KvRows k, v;
    LLVMValueRef q, o;     /* scratch [TILE,d] */
    LLVMValueRef plain;    /* scratch [TILE,d]: keys or values as rows */
    LLVMValueRef panels;   /* the same as panels of PANEL_COLS */
    LLVMValueRef p, m, s;  /* scratch [TILE,TILE], [TILE], [TILE] */
    LLVMValueRef of_scores, of_sums; /* scratch: lists for panel_block() */
    LLVMValueRef first, here;        /* keys [first, first + here) */
    LLVMValueRef padded;             /* here, as a multiple of eight */
} Block;

bool attention_blocks(const Node *n)
{
    return n->type.dim[2].k % PANEL_COLS == 0;
}

static LLVMValueRef f32_at(const Block *b, LLVMValueRef base, LLVMValueRef row,
                           int64_t width)
{
    return l_index(b->ir, base, row, 4 * width);
}

/* ---- rows in ---- */

typedef struct {
    LLVMValueRef from, to;
    double scale;
} Scale;

static void scale_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Scale *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->from, i, lanes);
    l_store(ir, l_fmulc(ir, v, c->scale), l_index(ir, c->to, i, 4));
}

/* Queries times the scale, a token's heads one after the other; sums empty. */
static void start(Block *b)
{
    Ir *ir = b->ir;
    const Node *node = &b->e->g->node[b->n];
    Loop l = l_for(ir, "token", l_int(ir, 0), b->count, 1);
    b->r->row = l_add(ir, b->token, l.i);
    Value q = rows_input(b->r, node->arg[0], 0);
    Scale c = {.scale = node->attr[ATTR_scale].f};
    c.from = l_index(ir, rows_at(b->r, &q),
                     layout_offset(ir, &q.lay, b->r->first), 4);
    c.to = f32_at(b, b->q, l.i, b->heads * b->d);
    l_lanes_for(ir, b->heads * b->d, 2 * ir->lanes, scale_lanes, &c);
    l_end(ir, &l);
    l = l_for(ir, "row", l_int(ir, 0), b->rows, 1);
    l_store(ir, l_real(ir, -HUGE_VAL), f32_at(b, b->m, l.i, 1));
    l_store(ir, l_real(ir, 0), f32_at(b, b->s, l.i, 1));
    LLVMBuildMemSet(ir->b, f32_at(b, b->o, l.i, b->d),
                    LLVMConstInt(ir->i8, 0, false), l_int(ir, 4 * b->d), 64);
    l_end(ir, &l);
}

/* ---- keys and values in ---- */

static void zero_row(Block *b, LLVMValueRef i)
{
    Ir *ir = b->ir;
    LLVMBuildMemSet(ir->b, f32_at(b, b->plain, i, b->d),
                    LLVMConstInt(ir->i8, 0, false), l_int(ir, 4 * b->d), 4);
}

/* Rows of the tile as f32; zeros up to a multiple of eight. */
static void load_rows(Block *b, const KvRows *kv)
{
    Ir *ir = b->ir;
    Loop l = l_for(ir, "load", l_int(ir, 0), b->here, 1);
    LLVMValueRef row = l_add(ir, b->first, l.i);
    LLVMValueRef args[] = {l_index(ir, kv->base, row, kv->row_bytes),
                           l_int(ir, b->d), f32_at(b, b->plain, l.i, b->d)};
    l_call(ir, tile_decoder(ir, kv->state), args, 3);
    l_end(ir, &l);
    l = l_for(ir, "zero", b->here, b->padded, 1);
    zero_row(b, l.i);
    l_end(ir, &l);
}

/* Where value k of column j of panels with n values a column lies. */
static LLVMValueRef panel_at(const Block *b, LLVMValueRef k, LLVMValueRef j,
                             int64_t n)
{
    Ir *ir = b->ir;
    LLVMValueRef cols = l_int(ir, PANEL_COLS), at = l_div(ir, j, cols);
    at = l_add(ir, l_muli(ir, at, n), k);
    at = l_add(ir, l_muli(ir, at, PANEL_COLS), l_rem(ir, j, cols));
    return l_index(ir, b->panels, at, 4);
}

/* Columns are keys. */
static void load_keys(Block *b)
{
    Ir *ir = b->ir;
    load_rows(b, &b->k);
    Loop j = l_for(ir, "keys", l_int(ir, 0), b->here, PANEL_LANES);
    Loop i = l_for(ir, "dims", l_int(ir, 0), l_int(ir, b->d), PANEL_LANES);
    LLVMValueRef from = l_index(ir, f32_at(b, b->plain, j.i, b->d), i.i, 4);
    LLVMValueRef args[] = {from, l_int(ir, b->d), panel_at(b, i.i, j.i, b->d),
                           l_int(ir, PANEL_COLS)};
    l_call(ir, panel_transpose(ir), args, 4);
    l_end(ir, &i);
    l_end(ir, &j);
}

/* How many keys of the tile a row sees; below 1: none. */
static LLVMValueRef keys_seen(const Block *b, LLVMValueRef row)
{
    Ir *ir = b->ir;
    LLVMValueRef token = l_div(ir, row, l_int(ir, b->heads)), seen;
    token = l_add(ir, b->token, token);
    seen = l_addi(ir, l_add(ir, b->e->past, token), 1);
    return l_sub(ir, seen, b->first);
}

/* ---- values that are no numbers: a key that a row does not see has weight 0,
 * but 0 * NaN is NaN.  Where keys are hidden, such values are added one by one
 * to the rows that see them, and are zeros in the product. ---- */

typedef struct {
    LLVMValueRef value;
    Acc sum;
} Finite;

static void finite_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Finite *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->value, i, lanes);
    l_acc_fma(ir, &c->sum, v, l_like(v, 0));
}

static LLVMValueRef is_finite(const Block *b, LLVMValueRef value)
{
    Ir *ir = b->ir;
    Finite c = {value, l_acc(ir, ir->lanes, 0)};
    l_lanes_for(ir, b->d, ir->lanes, finite_lanes, &c);
    LLVMValueRef sum = l_acc_sum(ir, &c.sum);
    return l_fcmp(ir, LLVMRealORD, sum, sum);
}

static void add_value(Block *b, LLVMValueRef k)
{
    Ir *ir = b->ir;
    Loop l = l_for(ir, "row", l_int(ir, 0), b->rows, 1);
    LLVMValueRef sees = l_icmp(ir, LLVMIntSLT, k, keys_seen(b, l.i));
    Branch br = l_if(ir, "sees", sees);
    LLVMValueRef p = l_index(ir, f32_at(b, b->p, l.i, TILE), k, 4);
    attention_add(ir, f32_at(b, b->o, l.i, b->d), b->d,
                  l_load(ir, ir->f32, p), f32_at(b, b->plain, k, b->d));
    l_else(ir, &br);
    l_endif(ir, &br);
    l_end(ir, &l);
}

static void set_aside(Block *b)
{
    Ir *ir = b->ir;
    LLVMValueRef least = keys_seen(b, l_int(ir, 0)), hidden;
    hidden = l_icmp(ir, LLVMIntSLT, least, b->here);
    Loop l = l_for(ir, "finite", l_int(ir, 0),
                   l_select(ir, hidden, b->here, l_int(ir, 0)), 1);
    LLVMValueRef fine = is_finite(b, f32_at(b, b->plain, l.i, b->d));
    Branch br = l_if(ir, "fine", fine);
    l_else(ir, &br);
    add_value(b, l.i);
    zero_row(b, l.i);
    l_endif(ir, &br);
    l_end(ir, &l);
}

/* Columns are dimensions. */
static void load_values(Block *b)
{
    Ir *ir = b->ir;
    LLVMTypeRef t = l_vec(ir->f32, PANEL_COLS);
    load_rows(b, &b->v);
    set_aside(b);
    Loop k = l_for(ir, "value", l_int(ir, 0), b->padded, 1);
    Loop j = l_for(ir, "dims", l_int(ir, 0), l_int(ir, b->d), PANEL_COLS);
    LLVMValueRef from = l_index(ir, f32_at(b, b->plain, k.i, b->d), j.i, 4);
    l_store(ir, l_load(ir, t, from), panel_at(b, k.i, j.i, TILE));
    l_end(ir, &j);
    l_end(ir, &k);
}

/* ---- products ---- */

enum { LIST = 8 * 2 * PANEL_ROWS }; /* bytes: rows of x, rows of the result */

/* Pointers for panel_block(): PANEL_ROWS rows at a time, the last repeated. */
static void point(Block *b, LLVMValueRef list, LLVMValueRef x, int64_t x_width,
                  LLVMValueRef out, int64_t out_width)
{
    Ir *ir = b->ir;
    Loop i = l_for(ir, "rows", l_int(ir, 0), b->rows, PANEL_ROWS);
    LLVMValueRef at = l_div(ir, i.i, l_int(ir, PANEL_ROWS));
    at = l_index(ir, list, at, LIST);
    for (int k = 0; k < PANEL_ROWS; k++) {
        LLVMValueRef r = l_addi(ir, i.i, k);
        r = l_min(ir, r, l_addi(ir, b->rows, -1));
        l_store(ir, f32_at(b, x, r, x_width), l_at(ir, at, 8 * k));
        l_store(ir, f32_at(b, out, r, out_width),
                l_at(ir, at, 8 * (PANEL_ROWS + k)));
    }
    l_end(ir, &i);
}

/* All rows by `cols` columns of n values; panels are `depth` values apart. */
static void multiply(Block *b, LLVMValueRef list, LLVMValueRef cols,
                     LLVMValueRef n, int64_t depth, bool onto)
{
    Ir *ir = b->ir;
    Loop j = l_for(ir, "cols", l_int(ir, 0), cols, PANEL_COLS);
    Loop i = l_for(ir, "rows", l_int(ir, 0), b->rows, PANEL_ROWS);
    LLVMValueRef at = l_div(ir, i.i, l_int(ir, PANEL_ROWS));
    at = l_index(ir, list, at, LIST);
    LLVMValueRef args[] = {l_index(ir, b->panels, j.i, 4 * depth),
                           l_int(ir, PANEL_COLS),
                           at,
                           n,
                           l_at(ir, at, 8 * PANEL_ROWS),
                           j.i};
    l_call(ir, panel_block(ir, 2, onto), args, 6);
    l_end(ir, &i);
    l_end(ir, &j);
}

/* ---- softmax so far ---- */

typedef struct {
    LLVMValueRef row, seen; /* of p; keys that count */
    LLVMValueRef m;         /* the new maximum, for the second walk */
    Acc most, sum;
} Soft;

static LLVMValueRef lane_numbers(Ir *ir, LLVMValueRef from, int lanes)
{
    int64_t v[64];
    for (int i = 0; i < lanes; i++)
        v[i] = i;
    LLVMValueRef base = l_splat(ir, l_trunc(ir, from, ir->i32), lanes);
    return l_add(ir, base, l_const_vec(ir->i32, v, lanes));
}

static void mask_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Soft *c = ctx;
    LLVMValueRef at = l_index(ir, c->row, i, 4), ok, p, seen;
    p = l_load(ir, l_vec(ir->f32, lanes), at);
    seen = l_splat(ir, l_trunc(ir, c->seen, ir->i32), lanes);
    ok = l_icmp(ir, LLVMIntSLT, lane_numbers(ir, i, lanes), seen);
    p = l_select(ir, ok, p, l_like(p, -HUGE_VAL));
    l_store(ir, p, at);
    l_acc_max(ir, &c->most, p);
}

static void exp_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Soft *c = ctx;
    LLVMValueRef at = l_index(ir, c->row, i, 4);
    LLVMValueRef p = l_load(ir, l_vec(ir->f32, lanes), at);
    p = vec_exp(ir, l_fsub(ir, p, l_splat(ir, c->m, lanes)));
    l_store(ir, p, at);
    l_acc_add(ir, &c->sum, p);
}

static void shrink_row(const Block *b, LLVMValueRef row, LLVMValueRef factor)
{
    Ir *ir = b->ir;
    LLVMValueRef one = l_fcmp(ir, LLVMRealUNE, factor, l_real(ir, 1));
    Branch br = l_if(ir, "shrinks", one);
    attention_scale(ir, f32_at(b, b->o, row, b->d), b->d, factor);
    l_else(ir, &br);
    l_endif(ir, &br);
}

/* Scores of one row to weights. */
static void soften(Block *b, LLVMValueRef row)
{
    Ir *ir = b->ir;
    LLVMValueRef at_m = f32_at(b, b->m, row, 1), at_s = f32_at(b, b->s, row, 1);
    LLVMValueRef old = l_load(ir, ir->f32, at_m), shrink, s;
    Soft c = {.row = f32_at(b, b->p, row, TILE)};
    c.seen = keys_seen(b, row);
    c.most = l_acc(ir, ir->lanes, -HUGE_VAL);
    c.sum = l_acc(ir, ir->lanes, 0);
    l_lanes_for(ir, TILE, ir->lanes, mask_lanes, &c);
    c.m = l_fmax(ir, l_acc_most(ir, &c.most), old);
    l_lanes_for(ir, TILE, ir->lanes, exp_lanes, &c);
    shrink = vec_exp(ir, l_fsub(ir, old, c.m));
    s = l_load(ir, ir->f32, at_s);
    l_store(ir, l_fma(ir, s, shrink, l_acc_sum(ir, &c.sum)), at_s);
    l_store(ir, c.m, at_m);
    shrink_row(b, row, shrink);
}

static void tile(Block *b)
{
    Ir *ir = b->ir;
    load_keys(b);
    multiply(b, b->of_scores, b->here, l_int(ir, b->d), b->d, false);
    Loop l = l_for(ir, "soften", l_int(ir, 0), b->rows, 1);
    soften(b, l.i);
    l_end(ir, &l);
    load_values(b);
    multiply(b, b->of_sums, l_int(ir, b->d), b->padded, TILE, true);
}

/* ---- units ---- */

static void finish(Block *b)
{
    Ir *ir = b->ir;
    Loop l = l_for(ir, "row", l_int(ir, 0), b->rows, 1);
    LLVMValueRef s = l_load(ir, ir->f32, f32_at(b, b->s, l.i, 1));
    shrink_row(b, l.i, l_fdiv(ir, l_real(ir, 1), s));
    l_end(ir, &l);
    l = l_for(ir, "token", l_int(ir, 0), b->count, 1);
    b->r->row = l_add(ir, b->token, l.i);
    rows_given(b->r, b->n, f32_at(b, b->o, l.i, b->heads * b->d));
    rows_run(b->r);
    l_end(ir, &l);
}

static void unit(Block *b, LLVMValueRef number)
{
    Ir *ir = b->ir;
    const Node *node = &b->e->g->node[b->n];
    int64_t H = node->type.dim[1].k, units = H / b->heads;
    int64_t G = b->e->g->node[node->arg[1]].type.dim[1].k;
    LLVMValueRef head = l_rem(ir, number, l_int(ir, units)), group, end;
    head = l_muli(ir, head, b->heads);
    group = l_div(ir, head, l_int(ir, H / G));
    b->r->first = l_muli(ir, head, b->d);
    b->token = l_muli(ir, l_div(ir, number, l_int(ir, units)), b->tokens);
    b->count = l_min(ir, l_sub(ir, b->e->tokens, b->token),
                     l_int(ir, b->tokens));
    b->rows = l_muli(ir, b->count, b->heads);
    b->k = attention_rows(b->e, node, 1, group);
    b->v = attention_rows(b->e, node, 2, group);
    start(b);
    point(b, b->of_scores, b->q, b->d, b->p, TILE);
    point(b, b->of_sums, b->p, TILE, b->o, b->d);
    end = l_add(ir, l_add(ir, b->e->past, b->token), b->count);
    Loop l = l_for(ir, "tile", l_int(ir, 0), end, TILE);
    b->first = l.i;
    b->here = l_min(ir, l_sub(ir, end, l.i), l_int(ir, TILE));
    b->padded = l_andi(ir, l_addi(ir, b->here, 7), -8);
    tile(b);
    l_end(ir, &l);
    finish(b);
}

static Block block_new(Emit *e, Rows *r, Ref n, int heads)
{
    Block b = {.e = e, .ir = e->ir, .r = r, .n = n, .heads = heads};
    b.d = e->g->node[n].type.dim[2].k;
    for (b.tokens = 1; 2 * b.tokens * heads <= TILE;)
        b.tokens *= 2;
    b.q = emit_scratch_f32(e, TILE * b.d);
    b.o = emit_scratch_f32(e, TILE * b.d);
    b.plain = emit_scratch_f32(e, TILE * b.d);
    b.panels = emit_scratch_f32(e, TILE * b.d);
    b.p = emit_scratch_f32(e, TILE * TILE);
    b.m = emit_scratch_f32(e, TILE);
    b.s = emit_scratch_f32(e, TILE);
    b.of_scores = emit_scratch(e, LIST * (TILE / PANEL_ROWS + 1));
    b.of_sums = emit_scratch(e, LIST * (TILE / PANEL_ROWS + 1));
    return b;
}

/* There are fewer units than items: unit u belongs to who has item
 * u * items / units. */
void attention_block(Emit *e, Rows *r, Ref n, int heads)
{
    Ir *ir = e->ir;
    Block b = block_new(e, r, n, heads);
    int64_t each = e->g->node[n].type.dim[1].k / heads;
    LLVMValueRef items = emit_dim(e, e->items), units, from, to;
    units = l_addi(ir, e->tokens, b.tokens - 1);
    units = l_muli(ir, l_div(ir, units, l_int(ir, b.tokens)), each);
    /* the first u with u * items / units >= begin */
    from = l_add(ir, l_mul(ir, e->begin, units), l_addi(ir, items, -1));
    to = l_add(ir, l_mul(ir, e->end, units), l_addi(ir, items, -1));
    Loop l = l_for(ir, "unit", l_div(ir, from, items), l_div(ir, to, items), 1);
    unit(&b, l.i);
    l_end(ir, &l);
}
