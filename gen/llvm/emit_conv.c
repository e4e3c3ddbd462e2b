/* emit_conv.c - causal convolution over time, a work item a block of channels.
 *
 * The taps of the block are copied to scratch with channels side by side, then
 * all tokens follow in order; at the end the last inputs go to the state.  An
 * input before the step comes from the state: time t - (taps - 1) + j, if
 * negative, is row t + j of it. */
#include "gen/llvm/rows.h"

enum { CHANNELS = 64 };

typedef struct {
    Emit *e;
    Ir *ir;
    Rows *rows;
    Value x;
    BlockType wt;
    int64_t taps, C;
    LLVMValueRef w, state;    /* arguments */
    LLVMValueRef by_tap, out; /* scratch: [taps, CHANNELS]; [CHANNELS] */
    LLVMValueRef t;
    LLVMValueRef *from; /* where each tap's inputs lie at time t */
} Conv;

/* Input of tap j at time t, first channel of the block. */
static LLVMValueRef input_at(const Conv *c, LLVMValueRef t, LLVMValueRef j)
{
    Ir *ir = c->ir;
    LLVMValueRef first = c->rows->first, k = l_int(ir, c->taps - 1);
    LLVMValueRef row = l_add(ir, t, j), past, here, now;
    past = l_add(ir, l_muli(ir, row, c->C), first);
    past = l_index(ir, c->state, past, 4);
    here = l_icmp(ir, LLVMIntSGE, row, k);
    now = rows_at_row(c->rows, &c->x, l_sub(ir, row, k));
    now = l_index(ir, now, layout_offset(ir, &c->x.lay, first), 4);
    return l_select(ir, here, now, past);
}

/* by_tap[j][c] = w[first + c][j] */
static void turn_taps(const Conv *c, LLVMValueRef channels)
{
    Ir *ir = c->ir;
    Loop l = l_for(ir, "channel", l_int(ir, 0), channels, 1);
    Loop j = l_for(ir, "tap", l_int(ir, 0), l_int(ir, c->taps), 1);
    LLVMValueRef at = l_muli(ir, l_add(ir, c->rows->first, l.i), c->taps), to;
    at = l_elem(ir, c->w, c->wt, l_add(ir, at, j.i));
    to = l_add(ir, l_muli(ir, j.i, CHANNELS), l.i);
    l_store(ir, l_load_f32(ir, c->wt, at, 1), l_index(ir, c->by_tap, to, 4));
    l_end(ir, &j);
    l_end(ir, &l);
}

static void tap_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Conv *c = ctx;
    LLVMValueRef sum = NULL, w, x;
    for (int64_t j = 0; j < c->taps; j++) {
        w = l_f32_at(ir, l_at(ir, c->by_tap, j * CHANNELS * 4), i, lanes);
        x = l_f32_at(ir, c->from[j], i, lanes);
        sum = sum ? l_fma(ir, w, x, sum) : l_fmul(ir, w, x);
    }
    l_store(ir, sum, l_index(ir, c->out, i, 4));
}

static void lanes_of_block(const Conv *c, LaneBody *body, void *ctx)
{
    if (c->rows->len)
        l_lanes_upto(c->ir, c->rows->len, c->ir->lanes, body, ctx);
    else
        l_lanes_for(c->ir, c->rows->width, c->ir->lanes, body, ctx);
}

/* All tokens, epilogue included. */
static void convolve(Conv *c, Ref n)
{
    Ir *ir = c->ir;
    Loop l = l_for(ir, "token", l_int(ir, 0), c->e->tokens, 1);
    for (int64_t j = 0; j < c->taps; j++)
        c->from[j] = input_at(c, l.i, l_int(ir, j));
    lanes_of_block(c, tap_lanes, c);
    c->rows->row = l.i;
    rows_given(c->rows, n, c->out);
    rows_run(c->rows);
    l_end(ir, &l);
}

typedef struct {
    LLVMValueRef from, to;
} Move;

static void move_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Move *m = ctx;
    l_store(ir, l_f32_at(ir, m->from, i, lanes), l_index(ir, m->to, i, 4));
}

/* Row i becomes the input of time T - (taps - 1) + i, which is what tap i would
 * read at time T.  Rows move down, so going up never reads a new one. */
static void keep_last(const Conv *c)
{
    Ir *ir = c->ir;
    Loop l = l_for(ir, "keep", l_int(ir, 0), l_int(ir, c->taps - 1), 1);
    LLVMValueRef to = l_add(ir, l_muli(ir, l.i, c->C), c->rows->first);
    Move m = {input_at(c, c->e->tokens, l.i), l_index(ir, c->state, to, 4)};
    lanes_of_block(c, move_lanes, &m);
    l_end(ir, &l);
}

static Conv conv_new(Emit *e, Ref n, Rows *rows)
{
    const Node *node = &e->g->node[n];
    const Type *w = &e->g->node[node->arg[1]].type;
    Conv c = {.e = e, .ir = e->ir, .rows = rows, .wt = w->dtype};
    c.taps = w->dim[0].k;
    c.C = w->dim[1].k;
    c.w = e->arg[node->arg[1]];
    c.state = e->arg[node->arg[2]];
    c.x = rows_value(rows, node->arg[0]);
    c.by_tap = emit_scratch_f32(e, c.taps * CHANNELS);
    c.out = emit_scratch_f32(e, CHANNELS);
    c.from = ARENA_ARRAY(e->ir->arena, LLVMValueRef, c.taps);
    if (block_info[c.wt].kind != BLOCK_FLOAT || layout_run(&c.x.lay) ||
        c.taps > 64)
        emit_fail(e, err_new(ERR_LIMIT, "@%s: cannot compile this convolution",
                             e->g->name));
    return c;
}

void emit_conv_class(Emit *e)
{
    Ir *ir = e->ir;
    Ref n = emit_find(e, KIND_CONV);
    bool *after = ARENA_ARRAY(ir->arena, bool, e->g->n_nodes + 1);
    for (Ref i = n; i < e->g->n_nodes; i++)
        after[i] = true;
    int64_t C = type_last(&e->g->node[n].type);
    Rows r = rows_new(e, after, C, CHANNELS);
    Conv c = conv_new(e, n, &r);
    LLVMValueRef channels = l_int(ir, CHANNELS);
    Loop l = l_for(ir, "block", e->begin, e->end, 1);
    r.first = l_muli(ir, l.i, CHANNELS);
    if (C % CHANNELS) {
        channels = l_sub(ir, l_int(ir, C), r.first);
        channels = l_min(ir, channels, l_int(ir, CHANNELS));
        r.len = channels;
    }
    turn_taps(&c, channels);
    convolve(&c, n);
    keep_last(&c);
    l_end(ir, &l);
    e->items = dim_const((C + CHANNELS - 1) / CHANNELS);
}
