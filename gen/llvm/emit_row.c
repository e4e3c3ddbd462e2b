/* emit_row.c - ROW nodes, one emitter each, and the kernels made of them. */
#include <math.h>
#include <stdio.h>

#include "gen/llvm/rows.h"
#include "gen/llvm/tile.h"
#include "gen/llvm/vecmath.h"

static const Node *node_of(const Rows *r, Ref n) { return &r->g->node[n]; }

/* ---- over the last axis ---- */

/* The loop over the last-axis rows of an argument: d values at x give what
 * stands at y. */
typedef struct {
    Rows *r;
    Ir *ir;
    int64_t d;
    LLVMValueRef index; /* which of them in the row */
    LLVMValueRef x, y;
    Loop loop;
} Last;

static LLVMValueRef dense_at(Rows *r, const Value *v, LLVMValueRef i)
{
    LLVMValueRef at = layout_offset(r->ir, &v->lay, i);
    return l_elem(r->ir, rows_at(r, v), v->type, at);
}

static Last last_begin(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Ref arg = node_of(r, n)->arg[0];
    int64_t d = type_last(&node_of(r, arg)->type);
    int64_t e = type_last(&node_of(r, n)->type);
    Value x = rows_input(r, arg, d), y = rows_place(r, n);
    LLVMValueRef start = l_div(ir, rows_start(r, arg), l_int(ir, d));
    Last l = {.r = r, .ir = ir, .d = d};
    l.loop = l_for(ir, node_of(r, n)->name, l_int(ir, 0),
                   l_int(ir, rows_count(r, arg) / d), 1);
    l.index = l_add(ir, start, l.loop.i);
    l.x = dense_at(r, &x, l_muli(ir, l.index, d));
    l.y = l_elem(ir, rows_at(r, &y), y.type, l_muli(ir, l.index, e));
    return l;
}

static void last_end(Last *l) { l_end(l->ir, &l->loop); }

/* Everything a loop over the lanes of one row may need. */
typedef struct {
    LLVMValueRef x, y, w, scalar;
    BlockType w_type;
    Acc acc;
} Lanes;

static void add_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Lanes *c = ctx;
    l_acc_add(ir, &c->acc, l_f32_at(ir, c->x, i, lanes));
}

static void square_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Lanes *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->x, i, lanes);
    l_acc_fma(ir, &c->acc, v, v);
}

static void max_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Lanes *c = ctx;
    l_acc_max(ir, &c->acc, l_f32_at(ir, c->x, i, lanes));
}

/* y = e^(x - scalar), and its sum */
static void exp_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Lanes *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->x, i, lanes);
    v = vec_exp(ir, l_fsub(ir, v, l_splat(ir, c->scalar, lanes)));
    l_store(ir, v, l_index(ir, c->y, i, 4));
    l_acc_add(ir, &c->acc, v);
}

/* y = x * scalar (* w) */
static void scale_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Lanes *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->x, i, lanes);
    v = l_fmul(ir, v, l_splat(ir, c->scalar, lanes));
    if (c->w)
        v = l_fmul(
            ir, v,
            l_load_f32(ir, c->w_type, l_elem(ir, c->w, c->w_type, i), lanes));
    l_store(ir, v, l_index(ir, c->y, i, 4));
}

static void reduce(Rows *r, Ref n, double divisor)
{
    Last l = last_begin(r, n);
    Lanes c = {.x = l.x, .acc = l_acc(r->ir, r->ir->lanes, 0)};
    l_lanes_for(r->ir, l.d, r->ir->lanes, add_lanes, &c);
    LLVMValueRef sum = l_acc_sum(r->ir, &c.acc);
    l_store(r->ir, l_fdiv(r->ir, sum, l_real(r->ir, divisor)), l.y);
    last_end(&l);
}

static void row_sum(Rows *r, Ref n) { reduce(r, n, 1); }

static void row_mean(Rows *r, Ref n)
{
    Ref arg = node_of(r, n)->arg[0];
    reduce(r, n, (double)type_last(&node_of(r, arg)->type));
}

static void row_softmax(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Last l = last_begin(r, n);
    Lanes c = {.x = l.x, .y = l.y, .acc = l_acc(ir, ir->lanes, -HUGE_VAL)};
    l_lanes_for(ir, l.d, ir->lanes, max_lanes, &c);
    c.scalar = l_acc_most(ir, &c.acc);
    c.acc = l_acc(ir, ir->lanes, 0);
    l_lanes_for(ir, l.d, ir->lanes, exp_lanes, &c);
    c.scalar = l_fdiv(ir, l_real(ir, 1), l_acc_sum(ir, &c.acc));
    c.x = l.y;
    l_lanes_for(ir, l.d, ir->lanes, scale_lanes, &c);
    last_end(&l);
}

/* w * x / sqrt(sum(x^2) / divisor + eps) */
static void norm(Rows *r, Ref n, double divisor)
{
    Ir *ir = r->ir;
    const Node *node = node_of(r, n);
    Lanes c = {0};
    if (node->n_args == 2) {
        Value w = rows_value(r, node->arg[1]);
        c.w = rows_at(r, &w);
        c.w_type = w.type;
    }
    Last l = last_begin(r, n);
    c.x = l.x;
    c.y = l.y;
    c.acc = l_acc(ir, ir->lanes, 0);
    l_lanes_for(ir, l.d, ir->lanes, square_lanes, &c);
    LLVMValueRef s = l_acc_sum(ir, &c.acc);
    s = l_fdiv(ir, s, l_real(ir, divisor));
    s = l_fadd(ir, s, l_real(ir, node->attr[ATTR_eps].f));
    s = l_intrinsic(ir, "llvm.sqrt", ir->f32, &s, 1);
    c.scalar = l_fdiv(ir, l_real(ir, 1), s);
    l_lanes_for(ir, l.d, ir->lanes, scale_lanes, &c);
    last_end(&l);
}

static void row_rmsnorm(Rows *r, Ref n)
{
    norm(r, n, (double)type_last(&node_of(r, n)->type));
}

static void row_l2norm(Rows *r, Ref n) { norm(r, n, 1); }

static void row_quantize(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Last l = last_begin(r, n);
    LLVMValueRef args[] = {l.x, l_int(ir, l.d), l.y};
    l_call(ir, tile_quantizer(ir), args, 3);
    last_end(&l);
}

/* ---- rotary positions ---- */

typedef struct {
    LLVMValueRef x, y, cos, sin;         /* of one head */
    LLVMValueRef position, freq, factor; /* f64; table; weight or NULL */
    BlockType factor_type;
    int64_t half; /* dims / 2 */
} Rope;

/* theta^(-2i/dims), named by what it depends on. */
static LLVMValueRef rope_table(Ir *ir, int64_t dims, double theta)
{
    char name[80];
    LLVMValueRef *v = ARENA_ARRAY(ir->arena, LLVMValueRef, dims / 2);
    for (int64_t i = 0; i < dims / 2; i++)
        v[i] =
            LLVMConstReal(ir->f64, pow(theta, -2.0 * (double)i / (double)dims));
    snprintf(name, sizeof name, "rope.%lld.%a", (long long)dims, theta);
    return l_table(ir, name, ir->f64, v, (int)(dims / 2));
}

static void angle_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Rope *p = ctx;
    LLVMTypeRef wide = l_vec(ir->f64, lanes);
    LLVMValueRef a = l_load(ir, wide, l_index(ir, p->freq, i, 8)), s, c;
    a = l_fmul(ir, a, l_splat(ir, p->position, lanes));
    if (p->factor) {
        LLVMValueRef at = l_elem(ir, p->factor, p->factor_type, i);
        LLVMValueRef f = l_load_f32(ir, p->factor_type, at, lanes);
        a = l_fdiv(ir, a, LLVMBuildFPExt(ir->b, f, wide, ""));
    }
    vec_sincos(ir, a, &s, &c);
    l_store(ir, s, l_index(ir, p->sin, i, 4));
    l_store(ir, c, l_index(ir, p->cos, i, 4));
}

/* (a, b) -> (a cos - b sin, b cos + a sin) */
static void turn(Ir *ir, const Rope *p, LLVMValueRef i, LLVMValueRef *a,
                 LLVMValueRef *b)
{
    int lanes = l_lanes(*a);
    LLVMValueRef c = l_f32_at(ir, p->cos, i, lanes), x = *a;
    LLVMValueRef s = l_f32_at(ir, p->sin, i, lanes);
    *a = l_fsub(ir, l_fmul(ir, x, c), l_fmul(ir, *b, s));
    *b = l_fadd(ir, l_fmul(ir, *b, c), l_fmul(ir, x, s));
}

static void half_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Rope *p = ctx;
    LLVMValueRef j = l_addi(ir, i, p->half);
    LLVMValueRef a = l_f32_at(ir, p->x, i, lanes);
    LLVMValueRef b = l_f32_at(ir, p->x, j, lanes);
    turn(ir, p, i, &a, &b);
    l_store(ir, a, l_index(ir, p->y, i, 4));
    l_store(ir, b, l_index(ir, p->y, j, 4));
}

static void adjacent_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Rope *p = ctx;
    int mix[64];
    LLVMValueRef v =
        l_load(ir, l_vec(ir->f32, 2 * lanes), l_index(ir, p->x, i, 8));
    LLVMValueRef a = l_pick(ir, v, 0, 2, lanes), b = l_pick(ir, v, 1, 2, lanes);
    turn(ir, p, i, &a, &b);
    for (int k = 0; k < 2 * lanes; k++)
        mix[k] = k / 2 + k % 2 * lanes;
    v = lanes == 1 ? l_concat(ir, a, b) : l_shuffle(ir, a, b, mix, 2 * lanes);
    l_store(ir, v, l_index(ir, p->y, i, 8));
}

static Rope rope_angles(Rows *r, const Node *node)
{
    Ir *ir = r->ir;
    int64_t dims = node->attr[ATTR_rope_dims].i;
    Value pos = rows_value(r, node->arg[1]);
    LLVMValueRef p = l_load(ir, ir->i32, rows_at(r, &pos));
    Rope rope = {.half = dims / 2};
    rope.position = LLVMBuildSIToFP(ir->b, p, ir->f64, "position");
    rope.freq = rope_table(ir, dims, node->attr[ATTR_rope_theta].f);
    if (node->n_args == 3) {
        Value f = rows_value(r, node->arg[2]);
        rope.factor = rows_at(r, &f);
        rope.factor_type = f.type;
    }
    rope.cos = emit_scratch_f32(r->e, dims / 2);
    rope.sin = emit_scratch_f32(r->e, dims / 2);
    l_lanes_for(ir, dims / 2, ir->lanes, angle_lanes, &rope);
    return rope;
}

static void row_rope(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    const Node *node = node_of(r, n);
    int64_t dims = node->attr[ATTR_rope_dims].i;
    bool half = node->attr[ATTR_rope_pairing].i == ROPE_HALF;
    Rope rope = rope_angles(r, node);
    Last l = last_begin(r, n);
    rope.x = l.x;
    rope.y = l.y;
    l_lanes_for(ir, dims / 2, ir->lanes, half ? half_lanes : adjacent_lanes,
                &rope);
    Layout rest = layout_dense(l.d - dims);
    if (l.d > dims)
        rows_copy(r, &rest, l_at(ir, l.x, dims * 4), l_int(ir, 0), l.d - dims,
                  l_at(ir, l.y, dims * 4));
    last_end(&l);
}

/* ---- choosing and placing ---- */

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

static void row_topk(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    int64_t k = type_last(&node_of(r, n)->type), w = ir->lanes;
    Last l = last_begin(r, n);
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
    last_end(&l);
}

/* A number from outside kept inside [0, n): memory safety, not meaning. */
static LLVMValueRef bounded(Ir *ir, LLVMValueRef id, LLVMValueRef n)
{
    LLVMValueRef i = l_zext(ir, id, ir->i64), ok;
    ok = l_icmp(ir, LLVMIntULT, i, n);
    return l_select(ir, ok, i, l_sub(ir, n, l_int(ir, 1)));
}

static void row_take(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    int64_t k = type_last(&node_of(r, n)->type);
    Value ids = rows_value(r, node_of(r, n)->arg[1]);
    LLVMValueRef id_row = rows_at(r, &ids);
    Last l = last_begin(r, n);
    Loop j = l_for(ir, "pick", l_int(ir, 0), l_int(ir, k), 1);
    LLVMValueRef at = l_add(ir, l_muli(ir, l.index, k), j.i), id;
    at = layout_offset(ir, &ids.lay, at);
    id = l_load(ir, ir->i32, l_index(ir, id_row, at, 4));
    id = bounded(ir, id, l_int(ir, l.d));
    l_store(ir, l_f32_at(ir, l.x, id, 1), l_index(ir, l.y, j.i, 4));
    l_end(ir, &j);
    last_end(&l);
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
    w = l_splat(ir, l_load(ir, ir->f32, dense_at(c->r, &c->w, j.i)), lanes);
    y = dense_at(c->r, &c->y, l_muli(ir, j.i, c->n));
    y = l_f32_at(ir, y, i, lanes);
    l_store(ir, l_fma(ir, w, y, l_load(ir, t, sum)), sum);
    l_end(ir, &j);
    l_store(ir, l_load(ir, t, sum), l_index(ir, c->out, i, 4));
}

static void row_combine(Rows *r, Ref n)
{
    const Node *node = node_of(r, n);
    Combine c = {.r = r, .n = type_last(&node->type)};
    c.k = type_last(&node_of(r, node->arg[1])->type);
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
    int64_t d = type_last(&node_of(r, arg)->type);
    int64_t e = type_last(&node_of(r, n)->type);
    Value x = rows_value(r, arg);
    Loop l =
        l_for(ir, "piece", l_int(ir, 0), l_int(ir, rows_count(r, n) / e), 1);
    LLVMValueRef to = l_addi(ir, l_muli(ir, l.i, e), column);
    rows_copy(r, &x.lay, rows_at(r, &x), l_muli(ir, l.i, d), d,
              l_index(ir, rows_at(r, out), to, 4));
    l_end(ir, &l);
}

static void row_concat(Rows *r, Ref n)
{
    const Ref *arg = node_of(r, n)->arg;
    Value out = rows_place(r, n);
    place_columns(r, &out, n, arg[0], 0);
    place_columns(r, &out, n, arg[1], type_last(&node_of(r, arg[0])->type));
}

static void row_tap(Rows *r, Ref n)
{
    Value out = rows_place(r, n), x = rows_value(r, node_of(r, n)->arg[0]);
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

static void row_embed(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    const Node *node = node_of(r, n);
    const Type *w = &node_of(r, node->arg[0])->type;
    LLVMValueRef id = load_id(r, node->arg[1], l_int(ir, w->dim[1].k));
    Value out = rows_place(r, n);
    LLVMValueRef from = r->e->arg[node->arg[0]], d = l_int(ir, w->dim[0].k);
    from = l_index(ir, from, id, block_bytes(w->dtype, w->dim[0].k));
    LLVMValueRef args[] = {from, d, rows_at(r, &out)};
    l_call(ir, tile_decoder(ir, w->dtype), args, 3);
}

static void row_rows(Rows *r, Ref n)
{
    const Node *node = node_of(r, n);
    Dim height = node_of(r, node->arg[0])->type.dim[0];
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

static void row_append(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    const Node *node = node_of(r, n);
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

RowFn *const emit_row_op[OP_COUNT] = {
#define ROW_ROW(name) [OP_##name] = row_##name,
#define ROW_SRC(name)
#define ROW_VIEW(name)
#define ROW_EW(name)
#define ROW_MATMUL(name)
#define ROW_EXPERTS(name)
#define ROW_ATTENTION(name)
#define ROW_CONV(name)
#define ROW_DELTA(name)
#define ROW_COMM(name)
#define ROW_CALL(name)
#define OP(name, min, max, kind, attrs, expr) ROW_##kind(name)
#include "compiler/ops.def"
#undef OP
};

/* ---- the kernel class ---- */

/* The axis whose steps are the work items: that of the results, or of the
 * states that are appended to (T). */
static Dim row_items(const Graph *g)
{
    for (int i = 0; i < g->n_results; i++) {
        const Type *t = &g->node[g->result[i].ref].type;
        if (t->rank && t->dim[0].sym != SYM_ONE)
            return (Dim){1, t->dim[0].sym};
    }
    for (Ref n = 0; n < g->n_nodes; n++)
        if (g->node[n].op == OP_append)
            return (Dim){1, SYM_T};
    return dim_const(1);
}

void emit_row_class(Emit *e)
{
    bool *all = ARENA_ARRAY(e->ir->arena, bool, e->g->n_nodes + 1);
    for (Ref n = 0; n < e->g->n_nodes; n++)
        all[n] = true;
    Rows r = rows_new(e, all, 0, 0);
    e->items = row_items(e->g);
    Loop l = l_for(e->ir, "row", e->begin, e->end, 1);
    r.row = l.i;
    rows_run(&r);
    l_end(e->ir, &l);
}
