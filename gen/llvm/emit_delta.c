/* emit_delta.c - the gated delta rule; a work item is a value head with all its
 * tokens and its state S [dk,dv], updated in place.
 *
 * Token after token (delta_rule in ops.def), with both products of S read in
 * one pass and the update in a second:
 *     a = S'k, b = S'q;  d = beta (v - e^g a);  o = e^g b + (k.q) d;
 *     S = e^g S + k d'
 * The chunked form is in delta_chunk.c. */
#include "gen/llvm/delta.h"
#include "gen/llvm/vecmath.h"

LLVMValueRef delta_row(const Delta *x, const Value *v, LLVMValueRef t,
                       LLVMValueRef first)
{
    LLVMValueRef at = layout_offset(x->ir, &v->lay, first);
    return l_index(x->ir, rows_at_row(x->rows, v, t), at, 4);
}

LLVMValueRef delta_scalar(const Delta *x, const Value *v, LLVMValueRef t)
{
    return l_load(x->ir, x->ir->f32, delta_row(x, v, t, x->head));
}

/* ---- one token ---- */

typedef struct {
    const Delta *x;
    LLVMValueRef q, k, v, out, decay, beta, kq;
} Step;

static LLVMValueRef state_at(const Delta *x, LLVMValueRef i, LLVMValueRef j)
{
    LLVMValueRef row = l_index(x->ir, x->state, i, x->dv * 4);
    return l_index(x->ir, row, j, 4);
}

/* Columns [j, j + lanes) of S. */
static void step_lanes(Ir *ir, void *ctx, LLVMValueRef j, int lanes)
{
    const Step *s = ctx;
    const Delta *x = s->x;
    LLVMTypeRef t = l_vec(ir->f32, lanes);
    LLVMValueRef a = l_var(ir, t, "a"), b = l_var(ir, t, "b"), S, k, d, o, at;
    LLVMValueRef decay = l_splat(ir, s->decay, lanes);
    l_store(ir, LLVMConstNull(t), a);
    l_store(ir, LLVMConstNull(t), b);
    Loop i = l_for(ir, "read", l_int(ir, 0), l_int(ir, x->dk), 1);
    S = l_load(ir, t, state_at(x, i.i, j));
    k = l_splat(ir, l_f32_at(ir, s->k, i.i, 1), lanes);
    l_store(ir, l_fma(ir, k, S, l_load(ir, t, a)), a);
    k = l_splat(ir, l_f32_at(ir, s->q, i.i, 1), lanes);
    l_store(ir, l_fma(ir, k, S, l_load(ir, t, b)), b);
    l_end(ir, &i);
    d = l_fmul(ir, decay, l_load(ir, t, a));
    d = l_fsub(ir, l_f32_at(ir, s->v, j, lanes), d);
    d = l_fmul(ir, l_splat(ir, s->beta, lanes), d);
    o = l_fmul(ir, decay, l_load(ir, t, b));
    o = l_fma(ir, l_splat(ir, s->kq, lanes), d, o);
    l_store(ir, o, l_index(ir, s->out, j, 4));
    i = l_for(ir, "update", l_int(ir, 0), l_int(ir, x->dk), 1);
    at = state_at(x, i.i, j);
    k = l_splat(ir, l_f32_at(ir, s->k, i.i, 1), lanes);
    S = l_fmul(ir, decay, l_load(ir, t, at));
    l_store(ir, l_fma(ir, k, d, S), at);
    l_end(ir, &i);
}

typedef struct {
    LLVMValueRef a, b;
    Acc acc;
} Product2;

static void product_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    const Product2 *p = ctx;
    l_acc_fma(ir, &p->acc, l_f32_at(ir, p->a, i, lanes),
              l_f32_at(ir, p->b, i, lanes));
}

LLVMValueRef delta_dot(const Delta *x, LLVMValueRef a, LLVMValueRef b)
{
    Product2 p = {a, b, l_acc(x->ir, x->ir->lanes, 0)};
    l_lanes_for(x->ir, x->dk, x->ir->lanes, product_lanes, &p);
    return l_acc_sum(x->ir, &p.acc);
}

/* The epilogue of token t, whose head lies at `at`. */
void delta_finish(const Delta *x, LLVMValueRef t, LLVMValueRef at)
{
    x->rows->row = t;
    rows_given(x->rows, x->node_ref, at);
    rows_run(x->rows);
}

static void recurrent(const Delta *x)
{
    Ir *ir = x->ir;
    Loop l = l_for(ir, "token", l_int(ir, 0), x->e->tokens, 1);
    Step s = {.x = x, .out = x->out};
    s.q = delta_row(x, &x->q, l.i, x->key_first);
    s.k = delta_row(x, &x->k, l.i, x->key_first);
    s.v = delta_row(x, &x->v, l.i, x->rows->first);
    s.beta = delta_scalar(x, &x->beta, l.i);
    s.decay = vec_exp(ir, delta_scalar(x, &x->g, l.i));
    s.kq = delta_dot(x, s.k, s.q);
    l_lanes_for(ir, x->dv, 4 * ir->lanes, step_lanes, &s);
    delta_finish(x, l.i, x->out);
    l_end(ir, &l);
}

/* ---- the kernel ---- */

enum { CHUNKED_FROM = 16 }; /* tokens, for form auto */

static void both_forms(const Delta *x)
{
    Ir *ir = x->ir;
    int64_t form = x->node->attr[ATTR_delta_form].i;
    if (form == FORM_RECURRENT) {
        recurrent(x);
    } else if (form == FORM_CHUNKED) {
        delta_chunked(x);
    } else {
        LLVMValueRef few =
            l_icmp(ir, LLVMIntSLT, x->e->tokens, l_int(ir, CHUNKED_FROM));
        Branch br = l_if(ir, "few", few);
        recurrent(x);
        l_else(ir, &br);
        delta_chunked(x);
        l_endif(ir, &br);
    }
}

static void place_inputs(Delta *x)
{
    const Ref *arg = x->node->arg;
    Value *v[] = {&x->q, &x->k, &x->v, &x->beta, &x->g};
    int64_t run[] = {x->dk, x->dk, x->dv, 1, 1};
    for (int i = 0; i < 5; i++) {
        *v[i] = rows_value(x->rows, arg[i]);
        int64_t has = layout_run(&v[i]->lay);
        if (has % run[i])
            emit_fail(x->e, err_new(ERR_LIMIT, "@%s: heads are no rows",
                                    x->e->g->name));
    }
}

static Delta delta_new(Emit *e, Ref n, Rows *rows)
{
    const Node *node = &e->g->node[n];
    const Type *q = &e->g->node[node->arg[0]].type;
    Delta x = {.e = e, .ir = e->ir, .rows = rows, .node = node, .node_ref = n};
    x.Hk = q->dim[1].k;
    x.dk = q->dim[2].k;
    x.Hv = node->type.dim[1].k;
    x.dv = node->type.dim[2].k;
    x.out = emit_scratch_f32(e, x.dv);
    place_inputs(&x);
    return x;
}

void emit_delta_class(Emit *e)
{
    Ir *ir = e->ir;
    Ref n = emit_find(e, KIND_DELTA);
    const Type *t = &e->g->node[n].type;
    bool *after = ARENA_ARRAY(ir->arena, bool, e->g->n_nodes + 1);
    for (Ref i = n; i < e->g->n_nodes; i++)
        after[i] = true;
    Rows r = rows_new(e, after, t->dim[1].k * t->dim[2].k, t->dim[2].k);
    Delta x = delta_new(e, n, &r);
    Loop l = l_for(ir, "head", e->begin, e->end, 1);
    bool tiled = x.node->attr[ATTR_delta_heads].i == HEADS_TILED;
    LLVMValueRef key = tiled ? l_rem(ir, l.i, l_int(ir, x.Hk))
                             : l_div(ir, l.i, l_int(ir, x.Hv / x.Hk));
    x.head = l.i;
    x.key_first = l_muli(ir, key, x.dk);
    r.first = l_muli(ir, l.i, x.dv);
    x.state = l_index(ir, e->arg[x.node->arg[5]], l.i, x.dk * x.dv * 4);
    both_forms(&x);
    l_end(ir, &l);
    e->items = dim_const(x.Hv);
}
