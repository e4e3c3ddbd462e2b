/* emit_place.c - ROW nodes that choose, gather and place values. */
#include "gen/llvm/emit_row.h"

#include <math.h>

#include "gen/llvm/packed.h"
#include "gen/llvm/tile.h"

/* ---- choosing ---- */

/* Floats as integers of the same order (a NaN below everything), the lower
 * index the larger: no two keys are equal. */
static LLVMValueRef topk_key(Ir *ir, LLVMValueRef v, LLVMValueRef i)
{
    LLVMValueRef u, sign, key, index;
    v = l_select(ir, l_fcmp(ir, LLVMRealUNO, v, v), l_real(ir, -HUGE_VAL), v);
    u = l_bits(ir, l_fadd(ir, v, l_real(ir, 0)), ir->i32); /* -0 is 0 */
    sign = l_shri(ir, l_sar(ir, u, l_i32(ir, 31)), 1);
    key = l_shli(ir, l_sext(ir, l_xor(ir, u, sign), ir->i64), 32);
    index = l_sub(ir, l_int(ir, UINT32_MAX), i);
    return l_or(ir, key, index);
}

static void topk_keys(Ir *ir, LLVMValueRef x, int64_t n, LLVMValueRef keys)
{
    Loop l = l_for(ir, "key", l_int(ir, 0), l_int(ir, n), 1);
    LLVMValueRef v = l_f32_at(ir, x, l.i, 1);
    l_store(ir, topk_key(ir, v, l.i), l_index(ir, keys, l.i, 8));
    l_end(ir, &l);
}

/* The largest key below `limit`; keys are padded to whole vectors. */
static LLVMValueRef topk_next(Ir *ir, LLVMValueRef keys, int64_t n,
                              LLVMValueRef limit)
{
    LLVMTypeRef wide = l_vec(ir->i64, ir->lanes);
    LLVMValueRef best = l_var(ir, wide, "best"), top, v, low;
    LLVMValueRef below = l_splat(ir, limit, ir->lanes);
    low = l_int_like(below, INT64_MIN);
    l_store(ir, low, best);
    Loop l = l_for(ir, "scan", l_int(ir, 0), l_int(ir, n), ir->lanes);
    v = l_load(ir, wide, l_index(ir, keys, l.i, 8));
    v = l_select(ir, l_icmp(ir, LLVMIntSLT, v, below), v, low);
    l_store(ir, l_max(ir, v, l_load(ir, wide, best)), best);
    l_end(ir, &l);
    v = l_load(ir, wide, best);
    top = l_lane(ir, v, 0);
    for (int i = 1; i < ir->lanes; i++)
        top = l_max(ir, top, l_lane(ir, v, i));
    return top;
}

void row_topk(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    int64_t k = type_last(&row_node(r, n)->type), w = ir->lanes;
    Last l = row_last_begin(r, n);
    int64_t padded = (l.d + w - 1) / w * w;
    LLVMValueRef keys = emit_scratch(r->e, padded * 8), limit, id;
    limit = l_var(ir, ir->i64, "limit");
    for (int64_t i = l.d; i < padded; i++)
        l_store(ir, l_int(ir, INT64_MIN), l_at(ir, keys, i * 8));
    topk_keys(ir, l.x, l.d, keys);
    l_store(ir, l_int(ir, INT64_MAX), limit);
    Loop j = l_for(ir, "rank", l_int(ir, 0), l_int(ir, k), 1);
    LLVMValueRef top = topk_next(ir, keys, padded, l_load(ir, ir->i64, limit));
    l_store(ir, top, limit);
    id = l_sub(ir, l_i32(ir, -1), l_trunc(ir, top, ir->i32));
    l_store(ir, id, l_index(ir, l.y, j.i, 4));
    l_end(ir, &j);
    row_last_end(&l);
}

/* A number from outside kept inside [0, n): memory safety, not meaning. */
static LLVMValueRef bounded(Ir *ir, LLVMValueRef id, LLVMValueRef n)
{
    LLVMValueRef i = l_zext(ir, id, ir->i64), ok;
    ok = l_icmp(ir, LLVMIntULT, i, n);
    return l_select(ir, ok, i, l_sub(ir, n, l_int(ir, 1)));
}

void row_take(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    int64_t k = type_last(&row_node(r, n)->type);
    Value ids = rows_value(r, row_node(r, n)->arg[1]);
    LLVMValueRef id_row = rows_at(r, &ids);
    Last l = row_last_begin(r, n);
    Loop j = l_for(ir, "pick", l_int(ir, 0), l_int(ir, k), 1);
    LLVMValueRef at = l_add(ir, l_muli(ir, l.index, k), j.i), id;
    at = layout_offset(ir, &ids.lay, at);
    id = l_load(ir, ir->i32, l_index(ir, id_row, at, 4));
    id = bounded(ir, id, l_int(ir, l.d));
    l_store(ir, l_f32_at(ir, l.x, id, 1), l_index(ir, l.y, j.i, 4));
    l_end(ir, &j);
    row_last_end(&l);
}

typedef struct {
    Rows *r;
    Value y, w;
    LLVMValueRef out;
    int64_t k, n;
} Combine;

static void combine_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Combine *c = ctx;
    LLVMTypeRef t = l_vec(ir->f32, lanes);
    LLVMValueRef sum = l_var(ir, t, "sum"), w, y;
    l_store(ir, LLVMConstNull(t), sum);
    Loop j = l_for(ir, "expert", l_int(ir, 0), l_int(ir, c->k), 1);
    w = l_splat(ir, l_load(ir, ir->f32, row_elem(c->r, &c->w, j.i)), lanes);
    y = row_elem(c->r, &c->y, l_muli(ir, j.i, c->n));
    y = l_f32_at(ir, y, i, lanes);
    l_store(ir, l_fma(ir, w, y, l_load(ir, t, sum)), sum);
    l_end(ir, &j);
    l_store(ir, l_load(ir, t, sum), l_index(ir, c->out, i, 4));
}

void row_combine(Rows *r, Ref n)
{
    const Node *node = row_node(r, n);
    Combine c = {.r = r, .n = type_last(&node->type)};
    c.k = type_last(&row_node(r, node->arg[1])->type);
    c.y = rows_input(r, node->arg[0], c.n);
    c.w = rows_input(r, node->arg[1], c.k);
    Value out = rows_place(r, n);
    c.out = rows_at(r, &out);
    l_lanes_for(r->ir, c.n, r->ir->lanes, combine_lanes, &c);
}

/* The last-axis rows of `arg`, one into each row of n at `column`. */
static void place_columns(Rows *r, const Value *out, Ref n, Ref arg,
                          int64_t column)
{
    Ir *ir = r->ir;
    int64_t d = type_last(&row_node(r, arg)->type);
    int64_t e = type_last(&row_node(r, n)->type);
    Value x = rows_value(r, arg);
    Loop l =
        l_for(ir, "piece", l_int(ir, 0), l_int(ir, rows_count(r, n) / e), 1);
    LLVMValueRef to = l_addi(ir, l_muli(ir, l.i, e), column);
    rows_copy(r, &x.lay, rows_at(r, &x), l_muli(ir, l.i, d), d,
              l_index(ir, rows_at(r, out), to, 4));
    l_end(ir, &l);
}

void row_concat(Rows *r, Ref n)
{
    const Ref *arg = row_node(r, n)->arg;
    Value out = rows_place(r, n);
    place_columns(r, &out, n, arg[0], 0);
    place_columns(r, &out, n, arg[1], type_last(&row_node(r, arg[0])->type));
}

void row_tap(Rows *r, Ref n)
{
    Value out = rows_place(r, n), x = rows_value(r, row_node(r, n)->arg[0]);
    LLVMValueRef start = rows_start(r, n);
    rows_copy(r, &x.lay, rows_at(r, &x), start, rows_count(r, n),
              l_index(r->ir, rows_at(r, &out), start, 4));
}

static LLVMValueRef load_id(Rows *r, Ref ids, LLVMValueRef limit)
{
    Value v = rows_value(r, ids);
    LLVMValueRef id = l_load(r->ir, r->ir->i32, rows_at(r, &v));
    return bounded(r->ir, id, limit);
}

/* Row `id` of a table, as it was in the file. */
static LLVMValueRef table_row(Rows *r, Ref table, LLVMValueRef id)
{
    Ir *ir = r->ir;
    const Type *w = &row_node(r, table)->type;
    int64_t bytes = block_bytes(w->dtype, w->dim[0].k);
    LLVMValueRef from = r->e->arg[table], lanes = l_int(ir, PACK_LANES), room;
    if (!w->packing)
        return l_index(ir, from, id, bytes);
    room = emit_scratch(r->e, bytes);
    LLVMValueRef args[] = {
        l_index(ir, from, l_div(ir, id, lanes), PACK_LANES * bytes),
        l_rem(ir, id, lanes), l_int(ir, w->dim[0].k), room};
    l_call(ir, packed_row(ir, w->dtype), args, 4);
    return room;
}

void row_embed(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    const Node *node = row_node(r, n);
    const Type *w = &row_node(r, node->arg[0])->type;
    LLVMValueRef id = load_id(r, node->arg[1], l_int(ir, w->dim[1].k));
    Value out = rows_place(r, n);
    LLVMValueRef from = table_row(r, node->arg[0], id);
    LLVMValueRef d = l_int(ir, w->dim[0].k);
    LLVMValueRef args[] = {from, d, rows_at(r, &out)};
    l_call(ir, tile_decoder(ir, w->dtype), args, 3);
}

void row_rows(Rows *r, Ref n)
{
    const Node *node = row_node(r, n);
    Dim height = row_node(r, node->arg[0])->type.dim[0];
    LLVMValueRef id = load_id(r, node->arg[1], emit_dim(r->e, height));
    Value out = rows_place(r, n), x = rows_value(r, node->arg[0]);
    rows_copy(r, &x.lay, rows_at_row(r, &x, id), l_int(r->ir, 0),
              rows_count(r, n), rows_at(r, &out));
}

typedef struct {
    LLVMValueRef from, to;
    BlockType type;
} Round;

static void round_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Round *c = ctx;
    l_store_f32(ir, c->type, l_f32_at(ir, c->from, i, lanes),
                l_elem(ir, c->to, c->type, i));
}

void row_append(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    const Node *node = row_node(r, n);
    BlockType t = node->type.dtype;
    int64_t count = rows_count(r, node->arg[0]);
    Value x = rows_input(r, node->arg[0], 0);
    LLVMValueRef row = l_add(ir, r->e->past, r->row);
    Round c = {rows_at(r, &x), NULL, t};
    c.to = l_index(ir, r->e->arg[node->arg[1]], row, block_bytes(t, count));
    if (t == BT_f32 || t == BT_bf16 || (t == BT_f16 && ir->cpu->f16c)) {
        l_lanes_for(ir, count, ir->lanes, round_lanes, &c);
        return;
    }
    LLVMValueRef args[] = {l_i32(ir, t), c.from, l_int(ir, count), c.to};
    l_call(ir, tile_encoder(ir), args, 4);
}
