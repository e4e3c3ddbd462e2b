/* emit_row.c - sums, norms and rounding over the last axis; the kernels made of
 * ROW and EW nodes. */
#include "gen/llvm/emit_row.h"

#include <math.h>

#include "gen/llvm/tile.h"
#include "gen/llvm/vecmath.h"

/* ---- over the last axis ---- */

LLVMValueRef row_elem(Rows *r, const Value *v, LLVMValueRef i)
{
    LLVMValueRef at = layout_offset(r->ir, &v->lay, i);
    return l_elem(r->ir, rows_at(r, v), v->type, at);
}

Last row_last_begin(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Ref arg = row_node(r, n)->arg[0];
    int64_t d = type_last(&row_node(r, arg)->type);
    int64_t e = type_last(&row_node(r, n)->type);
    Value x = rows_input(r, arg, d), y = rows_place(r, n);
    LLVMValueRef start = l_div(ir, rows_start(r, arg), l_int(ir, d));
    Last l = {.r = r, .ir = ir, .d = d};
    l.loop = l_for(ir, row_node(r, n)->name, l_int(ir, 0),
                   l_int(ir, rows_count(r, arg) / d), 1);
    l.index = l_add(ir, start, l.loop.i);
    l.x = row_elem(r, &x, l_muli(ir, l.index, d));
    l.y = l_elem(ir, rows_at(r, &y), y.type, l_muli(ir, l.index, e));
    return l;
}

void row_last_end(Last *l) { l_end(l->ir, &l->loop); }

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
    Last l = row_last_begin(r, n);
    Lanes c = {.x = l.x, .acc = l_acc(r->ir, r->ir->lanes, 0)};
    l_lanes_for(r->ir, l.d, r->ir->lanes, add_lanes, &c);
    LLVMValueRef sum = l_acc_sum(r->ir, &c.acc);
    l_store(r->ir, l_fdiv(r->ir, sum, l_real(r->ir, divisor)), l.y);
    row_last_end(&l);
}

void row_sum(Rows *r, Ref n) { reduce(r, n, 1); }

void row_mean(Rows *r, Ref n)
{
    Ref arg = row_node(r, n)->arg[0];
    reduce(r, n, (double)type_last(&row_node(r, arg)->type));
}

void row_softmax(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Last l = row_last_begin(r, n);
    Lanes c = {.x = l.x, .y = l.y, .acc = l_acc(ir, ir->lanes, -HUGE_VAL)};
    l_lanes_for(ir, l.d, ir->lanes, max_lanes, &c);
    c.scalar = l_acc_most(ir, &c.acc);
    c.acc = l_acc(ir, ir->lanes, 0);
    l_lanes_for(ir, l.d, ir->lanes, exp_lanes, &c);
    c.scalar = l_fdiv(ir, l_real(ir, 1), l_acc_sum(ir, &c.acc));
    c.x = l.y;
    l_lanes_for(ir, l.d, ir->lanes, scale_lanes, &c);
    row_last_end(&l);
}

/* w * x / sqrt(sum(x^2) / divisor + eps) */
static void norm(Rows *r, Ref n, double divisor)
{
    Ir *ir = r->ir;
    const Node *node = row_node(r, n);
    Lanes c = {0};
    if (node->n_args == 2) {
        Value w = rows_value(r, node->arg[1]);
        c.w = rows_at(r, &w);
        c.w_type = w.type;
    }
    Last l = row_last_begin(r, n);
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
    row_last_end(&l);
}

void row_rmsnorm(Rows *r, Ref n)
{
    norm(r, n, (double)type_last(&row_node(r, n)->type));
}

void row_l2norm(Rows *r, Ref n) { norm(r, n, 1); }

void row_quantize(Rows *r, Ref n)
{
    Ir *ir = r->ir;
    Last l = row_last_begin(r, n);
    LLVMValueRef args[] = {l.x, l_int(ir, l.d), l.y};
    l_call(ir, tile_quantizer(ir, row_node(r, n)->type.dtype), args, 3);
    row_last_end(&l);
}

RowFn *const emit_row_op[OP_COUNT] = {
#define ROW_ROW(name) [OP_##name] = row_##name,
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
