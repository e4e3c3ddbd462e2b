/* emit_attention.c - causal attention over the per-token states.
 *
 * A work item is a token and up to HEADS query heads of one group, which share
 * every key and value row they load; many tokens go by attention_block.c.  Keys
 * are taken KEYS at a time with the running maximum m and sum s of the softmax:
 * when m grows, what was summed so far shrinks by e^(old m - m).  Rows of a
 * block type are decoded into scratch first.  Many keys are cut into parts, an
 * item each; who finishes last adds up what the parts left in shared memory. */
#include <math.h>

#include "gen/llvm/attention.h"
#include "gen/llvm/tile.h"
#include "gen/llvm/vecmath.h"

enum { HEADS = 4, KEYS = 32, TOGETHER = 4 };
enum { LINE = 64, AHEAD_LINES = 16 }; /* asked for early; of a row, at most */
/* Into how many parts the keys of a token may be cut, the least worth a part,
 * and where o lies in what a part leaves. */
enum { PARTS = 8, PART_KEYS = 256, LEFT_O = 16 };

/* A state's rows, decoded a tile at a time if they are blocks. */
typedef struct {
    KvRows rows;
    BlockType t; /* as read: f32 after decoding */
    LLVMValueRef decoded;
} ReadRows;

typedef struct {
    Emit *e;
    Ir *ir;
    const Node *node;
    int64_t H, G, d;
    int heads;         /* query heads together */
    LLVMValueRef q;    /* rows of them, d apart */
    LLVMValueRef o, p; /* scratch: sums [heads,d], weights [heads,KEYS] */
    LLVMValueRef m[HEADS], s[HEADS]; /* variables */
    LLVMValueRef shrink[HEADS];
    LLVMValueRef first, n; /* keys [first, first + n) of the tile */
    ReadRows k, v;
    Acc acc[HEADS];
    LLVMValueRef key, keys; /* row being read; row 0 of the tile */
    int together;           /* values at once, and their weights */
    LLVMValueRef weight[HEADS][TOGETHER];
    LLVMValueRef left, done; /* shared: what parts leave; how many have */
} Attention;

static int heads_together(int64_t per_group)
{
    int n = HEADS;
    while (per_group % n)
        n--;
    return n;
}

KvRows attention_rows(Emit *e, const Node *n, int arg, LLVMValueRef group)
{
    const Type *t = &e->g->node[n->arg[arg]].type;
    bool *none = ARENA_ARRAY(e->ir->arena, bool, e->g->n_nodes + 1);
    Rows r = rows_new(e, none, 0, 0);
    Value v = rows_value(&r, n->arg[arg]); /* the state or a view of it */
    int64_t stride;
    if (!layout_rows(&v.lay, t->dim[1].k, t->dim[2].k, &stride))
        emit_fail(e, err_new(ERR_LIMIT, "@%s: rows of %s have gaps", e->g->name,
                             e->g->node[n->arg[arg]].name));
    LLVMValueRef at = l_addi(e->ir, l_muli(e->ir, group, stride), v.offset);
    return (KvRows){.state = v.type,
                    .base = l_elem(e->ir, v.base, v.type, at),
                    .row_bytes = block_bytes(v.type, v.row_stride)};
}

static ReadRows state_rows(Attention *a, int arg, LLVMValueRef group)
{
    ReadRows r = {.rows = attention_rows(a->e, a->node, arg, group)};
    r.t = r.rows.state;
    if (block_info[r.t].kind == BLOCK_QUANT) {
        r.t = BT_f32;
        r.decoded = emit_scratch_f32(a->e, KEYS * a->d);
    }
    return r;
}

/* Bytes from row to row as they are read. */
static int64_t read_stride(const Attention *a, const ReadRows *r)
{
    return r->decoded ? a->d * 4 : r->rows.row_bytes;
}

/* Asks for n rows a tile further on: they lie apart, which no processor
 * foresees. */
static void prefetch_rows(const Attention *a, const ReadRows *r,
                          LLVMValueRef row, int n)
{
    Ir *ir = a->ir;
    int64_t lines = (block_bytes(r->t, a->d) + LINE - 1) / LINE;
    if (r->decoded)
        return;
    for (int j = 0; j < n; j++)
        for (int64_t i = 0; i < lines && i < AHEAD_LINES; i++)
            l_prefetch(ir, l_at(ir, row, (KEYS + j) * r->rows.row_bytes +
                                           i * LINE));
}

/* Row `first` of the tile, decoded if need be. */
static LLVMValueRef tile_rows(const Attention *a, const ReadRows *r)
{
    Ir *ir = a->ir;
    LLVMValueRef from = l_index(ir, r->rows.base, a->first, r->rows.row_bytes);
    if (!r->decoded)
        return from;
    Loop l = l_for(ir, "decode", l_int(ir, 0), a->n, 1);
    LLVMValueRef args[] = {l_index(ir, from, l.i, r->rows.row_bytes),
                           l_int(ir, a->d),
                           l_index(ir, r->decoded, l.i, a->d * 4)};
    l_call(ir, tile_decoder(ir, r->rows.state), args, 3);
    l_end(ir, &l);
    return r->decoded;
}

/* ---- rows of sums ---- */

typedef struct {
    LLVMValueRef y, factor, x;
} Axpy;

static void scale_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Axpy *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->y, i, lanes);
    v = l_fmul(ir, v, l_splat(ir, c->factor, lanes));
    l_store(ir, v, l_index(ir, c->y, i, 4));
}

void attention_scale(Ir *ir, LLVMValueRef y, int64_t n, LLVMValueRef factor)
{
    Axpy c = {y, factor, NULL};
    l_lanes_for(ir, n, 2 * ir->lanes, scale_lanes, &c);
}

static void add_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Axpy *c = ctx;
    LLVMValueRef v = l_f32_at(ir, c->x, i, lanes);
    v = l_fma(ir, v, l_splat(ir, c->factor, lanes),
              l_f32_at(ir, c->y, i, lanes));
    l_store(ir, v, l_index(ir, c->y, i, 4));
}

void attention_add(Ir *ir, LLVMValueRef y, int64_t n, LLVMValueRef factor,
                   LLVMValueRef x)
{
    Axpy c = {y, factor, x};
    l_lanes_for(ir, n, ir->lanes, add_lanes, &c);
}

static LLVMValueRef head_at(const Attention *a, LLVMValueRef p, int h,
                            LLVMValueRef i)
{
    return l_index(a->ir, l_at(a->ir, p, h * a->d * 4), i, 4);
}

static LLVMValueRef weight_at(const Attention *a, int h, LLVMValueRef j)
{
    return l_index(a->ir, l_at(a->ir, a->p, h * KEYS * 4), j, 4);
}

/* ---- scores ---- */

static void score_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Attention *a = ctx;
    LLVMValueRef k = l_elem(ir, a->key, a->k.t, i);
    k = l_load_f32(ir, a->k.t, k, lanes);
    for (int h = 0; h < a->heads; h++) {
        LLVMValueRef q = head_at(a, a->q, h, i);
        l_acc_fma(ir, &a->acc[h], l_load(ir, l_vec(ir->f32, lanes), q), k);
    }
}

/* p = scale * q.k for the tile's keys, -inf behind them. */
static void scores(Attention *a)
{
    Ir *ir = a->ir;
    LLVMValueRef rows = tile_rows(a, &a->k), all, s;
    all = l_like(LLVMGetUndef(l_vec(ir->f32, KEYS)), -HUGE_VAL);
    for (int h = 0; h < a->heads; h++)
        l_store(ir, all, weight_at(a, h, l_int(ir, 0)));
    Loop l = l_for(ir, "key", l_int(ir, 0), a->n, 1);
    a->key = l_index(ir, rows, l.i, read_stride(a, &a->k));
    prefetch_rows(a, &a->k, a->key, 1);
    for (int h = 0; h < a->heads; h++)
        a->acc[h] = l_acc(ir, 2 * ir->lanes, 0);
    l_lanes_for(ir, a->d, 2 * ir->lanes, score_lanes, a);
    for (int h = 0; h < a->heads; h++) {
        s = l_fmulc(ir, l_acc_sum(ir, &a->acc[h]), a->node->attr[ATTR_scale].f);
        l_store(ir, s, weight_at(a, h, l.i));
    }
    l_end(ir, &l);
}

/* ---- softmax so far ---- */

static LLVMValueRef largest(Ir *ir, LLVMValueRef v)
{
    for (int h = l_lanes(v) / 2; h; h /= 2)
        v = l_fmax(ir, l_pick(ir, v, 0, 1, h), l_pick(ir, v, h, 1, h));
    return v;
}

/* Scores to weights e^(score - m) with the new m; s follows. */
static void weights(Attention *a, int h)
{
    Ir *ir = a->ir;
    LLVMValueRef at = weight_at(a, h, l_int(ir, 0)), p, m, old, s;
    p = l_load(ir, l_vec(ir->f32, KEYS), at);
    old = l_load(ir, ir->f32, a->m[h]);
    m = l_fmax(ir, largest(ir, p), old);
    l_store(ir, m, a->m[h]);
    p = vec_exp(ir, l_fsub(ir, p, l_splat(ir, m, KEYS)));
    l_store(ir, p, at);
    a->shrink[h] = vec_exp(ir, l_fsub(ir, old, m));
    s = l_load(ir, ir->f32, a->s[h]);
    s = l_fma(ir, s, a->shrink[h], l_hsum(ir, p));
    l_store(ir, s, a->s[h]);
}

/* ---- values ---- */

/* o = shrink * o, for all heads */
static void shrink_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Attention *a = ctx;
    for (int h = 0; h < a->heads; h++) {
        LLVMValueRef at = head_at(a, a->o, h, i), v;
        v = l_load(ir, l_vec(ir->f32, lanes), at);
        l_store(ir, l_fmul(ir, v, l_splat(ir, a->shrink[h], lanes)), at);
    }
}

/* o += p_j v_j of `together` values from a->key on, for some lanes of all
 * heads: a row is read from end to end, which is what memory does best. */
static void value_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Attention *a = ctx;
    LLVMTypeRef t = l_vec(ir->f32, lanes);
    int64_t stride = read_stride(a, &a->v);
    LLVMValueRef v[TOGETHER];
    for (int j = 0; j < a->together; j++) {
        v[j] = l_elem(ir, l_at(ir, a->key, stride * j), a->v.t, i);
        v[j] = l_load_f32(ir, a->v.t, v[j], lanes);
    }
    for (int h = 0; h < a->heads; h++) {
        LLVMValueRef at = head_at(a, a->o, h, i), sum = l_load(ir, t, at);
        for (int j = 0; j < a->together; j++)
            sum = l_fma(ir, l_splat(ir, a->weight[h][j], lanes), v[j], sum);
        l_store(ir, sum, at);
    }
}

/* Values [from, to) of the tile. */
static void add_values(Attention *a, LLVMValueRef from, LLVMValueRef to, int n)
{
    Ir *ir = a->ir;
    Loop l = l_for(ir, "value", from, to, n);
    a->together = n;
    a->key = l_index(ir, a->keys, l.i, read_stride(a, &a->v));
    prefetch_rows(a, &a->v, a->key, n);
    for (int h = 0; h < a->heads; h++)
        for (int j = 0; j < n; j++)
            a->weight[h][j] = l_load(ir, ir->f32,
                                     weight_at(a, h, l_addi(ir, l.i, j)));
    l_lanes_for(ir, a->d, 2 * ir->lanes, value_lanes, a);
    l_end(ir, &l);
}

static void values(Attention *a)
{
    Ir *ir = a->ir;
    LLVMValueRef most = l_andi(ir, a->n, -TOGETHER);
    a->keys = tile_rows(a, &a->v);
    l_lanes_for(ir, a->d, 2 * ir->lanes, shrink_lanes, a);
    add_values(a, l_int(ir, 0), most, TOGETHER);
    add_values(a, most, a->n, 1);
}

/* ---- one item ---- */

static void start_sums(Attention *a)
{
    Ir *ir = a->ir;
    for (int h = 0; h < a->heads; h++) {
        a->m[h] = l_var(ir, ir->f32, "m");
        a->s[h] = l_var(ir, ir->f32, "s");
        l_store(ir, l_real(ir, -HUGE_VAL), a->m[h]);
        l_store(ir, l_real(ir, 0), a->s[h]);
    }
    LLVMBuildMemSet(ir->b, a->o, LLVMConstInt(ir->i8, 0, false),
                    l_int(ir, a->heads * a->d * 4), 64);
}

static void divide_by_sums(Attention *a)
{
    Ir *ir = a->ir;
    for (int h = 0; h < a->heads; h++) {
        LLVMValueRef s = l_load(ir, ir->f32, a->s[h]);
        attention_scale(ir, head_at(a, a->o, h, l_int(ir, 0)), a->d,
                        l_fdiv(ir, l_real(ir, 1), s));
    }
}

/* o, m, s over keys [from, to). */
static void attend(Attention *a, LLVMValueRef from, LLVMValueRef to)
{
    Ir *ir = a->ir;
    start_sums(a);
    Loop l = l_for(ir, "keys", from, to, KEYS);
    a->first = l.i;
    a->n = l_min(ir, l_sub(ir, to, l.i), l_int(ir, KEYS));
    scores(a);
    for (int h = 0; h < a->heads; h++)
        weights(a, h);
    values(a);
    l_end(ir, &l);
}

/* ---- several threads for the keys of one token ---- */

/* What part `part` of a unit left: for each head m, s and o. */
static LLVMValueRef left_at(const Attention *a, LLVMValueRef slot,
                            LLVMValueRef part, int h)
{
    Ir *ir = a->ir;
    LLVMValueRef i = l_add(ir, l_muli(ir, slot, PARTS), part);
    i = l_addi(ir, l_muli(ir, i, a->heads), h);
    return l_index(ir, a->left, i, (LEFT_O + a->d) * 4);
}

static void leave(const Attention *a, LLVMValueRef slot, LLVMValueRef part)
{
    Ir *ir = a->ir;
    for (int h = 0; h < a->heads; h++) {
        LLVMValueRef to = left_at(a, slot, part, h);
        l_store(ir, l_load(ir, ir->f32, a->m[h]), to);
        l_store(ir, l_load(ir, ir->f32, a->s[h]), l_at(ir, to, 4));
        l_copy(ir, l_at(ir, to, 4 * LEFT_O), head_at(a, a->o, h, l_int(ir, 0)),
               l_int(ir, a->d * 4));
    }
}

/* Adds what one part left of one head to o and s; m is the largest of all. */
static void add_left(Attention *a, LLVMValueRef from, int h)
{
    Ir *ir = a->ir;
    LLVMValueRef m = l_load(ir, ir->f32, a->m[h]), s, factor;
    factor = vec_exp(ir, l_fsub(ir, l_load(ir, ir->f32, from), m));
    s = l_load(ir, ir->f32, l_at(ir, from, 4));
    s = l_fma(ir, s, factor, l_load(ir, ir->f32, a->s[h]));
    l_store(ir, s, a->s[h]);
    attention_add(ir, head_at(a, a->o, h, l_int(ir, 0)), a->d, factor,
                  l_at(ir, from, 4 * LEFT_O));
}

/* All parts in order, so that the sum does not depend on who was last. */
static void gather(Attention *a, LLVMValueRef slot, LLVMValueRef parts)
{
    Ir *ir = a->ir;
    start_sums(a);
    Loop l = l_for(ir, "most", l_int(ir, 0), parts, 1);
    for (int h = 0; h < a->heads; h++) {
        LLVMValueRef m = l_load(ir, ir->f32, left_at(a, slot, l.i, h));
        m = l_fmax(ir, m, l_load(ir, ir->f32, a->m[h]));
        l_store(ir, m, a->m[h]);
    }
    l_end(ir, &l);
    l = l_for(ir, "gather", l_int(ir, 0), parts, 1);
    for (int h = 0; h < a->heads; h++)
        add_left(a, left_at(a, slot, l.i, h), h);
    l_end(ir, &l);
}

/* Counts the parts of a unit that are done; true for the last, which sets the
 * counter back. */
static LLVMValueRef is_last(const Attention *a, LLVMValueRef slot,
                            LLVMValueRef parts)
{
    Ir *ir = a->ir;
    LLVMValueRef at = l_index(ir, a->done, slot, COUNTER_BYTES), n, last;
    n = LLVMBuildAtomicRMW(ir->b, LLVMAtomicRMWBinOpAdd, at, l_int(ir, 1),
                           LLVMAtomicOrderingAcquireRelease, false);
    last = l_icmp(ir, LLVMIntEQ, l_addi(ir, n, 1), parts);
    Branch br = l_if(ir, "reset", last);
    l_store(ir, l_int(ir, 0), at);
    l_else(ir, &br);
    l_endif(ir, &br);
    return last;
}

static Attention attention_new(Emit *e, Ref n)
{
    const Node *node = &e->g->node[n];
    const Type *k = &e->g->node[node->arg[1]].type;
    Attention a = {.e = e, .ir = e->ir, .node = node};
    a.H = node->type.dim[1].k;
    a.d = node->type.dim[2].k;
    a.G = k->dim[1].k;
    a.heads = heads_together(a.H / a.G);
    a.o = emit_scratch_f32(e, a.heads * a.d);
    a.p = emit_scratch_f32(e, a.heads * KEYS);
    return a;
}

static void finish(Attention *a, Rows *r, Ref n)
{
    divide_by_sums(a);
    rows_given(r, n, a->o);
    rows_run(r);
}

/* Part `part` of the keys of a unit, which has `slot` in shared memory. */
static void attend_part(Attention *a, Rows *r, Ref n, LLVMValueRef slot,
                        LLVMValueRef part)
{
    Ir *ir = a->ir;
    LLVMValueRef keys = l_addi(ir, l_add(ir, a->e->past, r->row), 1), each, to;
    LLVMValueRef parts, from;
    each = l_div(ir, l_addi(ir, keys, PARTS - 1), l_int(ir, PARTS));
    each = l_max(ir, l_andi(ir, l_addi(ir, each, KEYS - 1), -KEYS),
                 l_int(ir, PART_KEYS));
    parts = l_div(ir, l_sub(ir, l_add(ir, keys, each), l_int(ir, 1)), each);
    from = l_mul(ir, part, each);
    to = l_min(ir, l_add(ir, from, each), keys);
    Branch br = l_if(ir, "part", l_icmp(ir, LLVMIntSLT, part, parts));
    attend(a, from, to);
    Branch one = l_if(ir, "one", l_icmp(ir, LLVMIntEQ, parts, l_int(ir, 1)));
    finish(a, r, n);
    l_else(ir, &one);
    leave(a, slot, part);
    Branch last = l_if(ir, "last", is_last(a, slot, parts));
    gather(a, slot, parts);
    finish(a, r, n);
    l_else(ir, &last);
    l_endif(ir, &last);
    l_endif(ir, &one);
    l_else(ir, &br);
    l_endif(ir, &br);
}

/* A token at a time: a unit is a token and some heads; it has `parts` items. */
static void attend_items(Attention *a, Rows *r, Ref n, int parts)
{
    Emit *e = a->e;
    Ir *ir = a->ir;
    int64_t units = a->H / a->heads;
    Loop l = l_for(ir, "item", e->begin, e->end, 1);
    LLVMValueRef slot = l_div(ir, l.i, l_int(ir, parts)), unit, head, group;
    unit = l_rem(ir, slot, l_int(ir, units));
    r->row = l_div(ir, slot, l_int(ir, units));
    head = l_muli(ir, unit, a->heads);
    group = l_div(ir, head, l_int(ir, a->H / a->G));
    r->first = l_muli(ir, head, a->d);
    Value q = rows_input(r, a->node->arg[0], 0);
    a->k = state_rows(a, 1, group);
    a->v = state_rows(a, 2, group);
    a->q = l_index(ir, rows_at(r, &q), layout_offset(ir, &q.lay, r->first), 4);
    if (parts > 1) {
        attend_part(a, r, n, slot, l_rem(ir, l.i, l_int(ir, parts)));
    } else {
        attend(a, l_int(ir, 0), l_addi(ir, l_add(ir, e->past, r->row), 1));
        finish(a, r, n);
    }
    l_end(ir, &l);
}

static Rows rows_after(const Attention *a, Ref n)
{
    bool *after = ARENA_ARRAY(a->ir->arena, bool, a->e->g->n_nodes + 1);
    for (Ref i = n; i < a->e->g->n_nodes; i++)
        after[i] = true;
    return rows_new(a->e, after, a->H * a->d, a->heads * a->d);
}

void emit_attention_class(Emit *e)
{
    Ir *ir = e->ir;
    Ref n = emit_find(e, KIND_ATTENTION);
    Attention a = attention_new(e, n);
    Rows r = rows_after(&a, n), blocks = rows_after(&a, n);
    int64_t units = a.H / a.heads;
    e->items = (Dim){units, SYM_T};
    if (!attention_blocks(a.node)) {
        attend_items(&a, &r, n, 1);
        return;
    }
    e->items = (Dim){units * PARTS, SYM_T};
    units *= ATTENTION_MANY - 1; /* at most, where parts are left */
    a.left = emit_shared(e, units * PARTS * a.heads * (LEFT_O + a.d) * 4);
    a.done = emit_counters(e, units);
    LLVMValueRef many = l_int(ir, ATTENTION_MANY);
    Branch br = l_if(ir, "many", l_icmp(ir, LLVMIntSGE, e->tokens, many));
    attention_block(e, &blocks, n, a.heads);
    l_else(ir, &br);
    attend_items(&a, &r, n, PARTS);
    l_endif(ir, &br);
}
