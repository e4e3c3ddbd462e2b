/* infer.c - the type rule of every op: one small function each.
 *
 * A rule sees the node with its arguments' types and completes or checks its
 * own type.  Shapes are as in ops.def. */
#include "compiler/graph.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"

enum { MAX_EXTENT_BITS = 40, MAX_ELEMENTS_BITS = 48 };
static const int64_t MAX_EXTENT = ((int64_t)1 << MAX_EXTENT_BITS) - 1,
                     MAX_ELEMENTS = ((int64_t)1 << MAX_ELEMENTS_BITS) - 1;

typedef struct {
    const Graph *g;
    const Node *n;
    const Type *arg[MAX_ARGS];
} Rule;

/* ---- types ---- */

Type type_make(BlockType t, int rank, const Dim *dims)
{
    Type y = {.dtype = t, .rank = rank};
    for (int i = 0; i < rank; i++)
        y.dim[i] = dims[i];
    return y;
}

static bool shape_equal(const Type *a, const Type *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!dim_equal(a->dim[i], b->dim[i]))
            return false;
    return true;
}

bool type_equal(const Type *a, const Type *b)
{
    return a->dtype == b->dtype && a->packing == b->packing &&
           shape_equal(a, b);
}

static void print_dim(Buf *b, Dim d)
{
    static const char name[SYM_COUNT] = {'1', 'T', 'R', 'C'};
    if (d.sym == SYM_ONE)
        buf_printf(b, "%lld", (long long)d.k);
    else if (d.k == 1)
        buf_printf(b, "%c", name[d.sym]);
    else
        buf_printf(b, "%lld%c", (long long)d.k, name[d.sym]);
}

void type_print(const Type *t, Buf *b)
{
    buf_puts(b, t->dtype == TYPE_ANY ? "any" : block_info[t->dtype].name);
    if (t->packing)
        buf_printf(b, "/%s", packing_name[t->packing]);
    buf_puts(b, "[");
    for (int i = 0; i < t->rank; i++) {
        if (i)
            buf_puts(b, ",");
        print_dim(b, t->dim[i]);
    }
    buf_puts(b, "]");
}

const char *type_text(Arena *a, const Type *t)
{
    Buf b = {0};
    type_print(t, &b);
    const char *text = arena_strndup(a, b.data, b.n);
    buf_free(&b);
    return text;
}

Dim type_elements(const Type *t)
{
    Dim n = dim_const(1);
    for (int i = 0; i < t->rank; i++) {
        if (__builtin_mul_overflow(n.k, t->dim[i].k, &n.k))
            n.k = INT64_MAX;
        if (t->dim[i].sym != SYM_ONE)
            n.sym = t->dim[i].sym;
    }
    return n;
}

int64_t type_last(const Type *t)
{
    return t->rank ? t->dim[t->rank - 1].k : 1;
}

const char *type_fault(const Type *t)
{
    for (int i = 0; i < t->rank; i++) {
        Dim d = t->dim[i];
        if (d.k < 1 || d.k > MAX_EXTENT)
            return "an extent is not between 1 and 2^40";
        if (d.sym != SYM_ONE && i)
            return "only the first axis may be symbolic";
        if (d.sym != SYM_ONE && d.k != 1)
            return "a symbolic axis is T, R or C, not a multiple";
    }
    return type_elements(t).k > MAX_ELEMENTS ? "the shape holds too many elements"
                                             : NULL;
}

/* ---- helpers of the rules ---- */

static Err *clash(const Rule *r, int arg, const char *want)
{
    return err_new(ERR_INPUT, "%s %%%s: argument %d is %s, expected %s",
                   op_info(r->n->op)->name, r->n->name ? r->n->name : "",
                   arg + 1, type_text(r->g->arena, r->arg[arg]), want);
}

static Err *want(const Rule *r, int arg, bool ok, const char *what)
{
    return ok ? NULL : clash(r, arg, what);
}

/* Activations that arithmetic reads: f32, and rounded ones where a product
 * takes them. */
static bool is_f32(const Type *t) { return t->dtype == BT_f32; }
static bool is_ids(const Type *t) { return t->dtype == BT_i32; }
static bool is_product_input(const Type *t)
{
    return t->dtype == BT_f32 || type_is_rounded(t);
}
static bool is_weight(const Rule *r, int arg)
{
    return r->g->node[r->n->arg[arg]].op == OP_weight;
}
static bool is_state(const Rule *r, int arg)
{
    return r->g->node[r->n->arg[arg]].op == OP_state;
}
/* Rows whose length is known now. */
static bool has_rows(const Type *t)
{
    return t->rank && t->dim[t->rank - 1].sym == SYM_ONE;
}
static bool is_rows(const Type *t) { return is_f32(t) && has_rows(t); }
static const char known_rows[] = "an f32 tensor with rows of known length";
/* One row a token of the step. */
static bool by_token(const Type *t)
{
    return t->rank && dim_equal(t->dim[0], dim_sym(SYM_T));
}
static bool is_multipliable(const Type *t)
{
    return t->dtype == TYPE_ANY || block_info[t->dtype].kind == BLOCK_FLOAT ||
           block_info[t->dtype].kind == BLOCK_QUANT;
}
static bool is_vector(const Rule *r, int arg, int64_t n)
{
    const Type *t = r->arg[arg];
    return t->rank == 1 && t->dim[0].sym == SYM_ONE && t->dim[0].k == n &&
           is_multipliable(t);
}

static Type with_last(const Type *t, int64_t n, BlockType dtype)
{
    Type y = *t;
    y.dtype = dtype;
    y.dim[y.rank - 1] = dim_const(n);
    return y;
}

/* ---- rules ---- */

static Err *rule_same(const Rule *r, Type *y)
{
    TRY(want(r, 0, is_f32(r->arg[0]), "an f32 tensor"));
    *y = *r->arg[0];
    return NULL;
}

static Err *rule_binary(const Rule *r, Type *y)
{
    const Type *a = r->arg[0], *b = r->arg[1];
    *y = (Type){.dtype = BT_f32,
                .rank = a->rank > b->rank ? a->rank : b->rank};
    for (int k = 1; k <= y->rank; k++) {
        Dim one = dim_const(1);
        Dim p = k <= a->rank ? a->dim[a->rank - k] : one;
        Dim q = k <= b->rank ? b->dim[b->rank - k] : one;
        if (!dim_equal(p, q) && !dim_equal(p, one) && !dim_equal(q, one))
            return err_new(ERR_INPUT, "%s %%%s: shapes %s and %s do not match",
                           op_info(r->n->op)->name, r->n->name,
                           type_text(r->g->arena, a),
                           type_text(r->g->arena, b));
        y->dim[y->rank - k] = dim_equal(p, one) ? q : p;
    }
    return NULL;
}

static Err *rule_elementwise(const Rule *r, Type *y)
{
    for (int i = 0; i < r->n->n_args; i++) {
        bool ok = is_f32(r->arg[i]) || (is_weight(r, i) && r->arg[i]->rank == 1 &&
                                        is_multipliable(r->arg[i]));
        TRY(want(r, i, ok, "an f32 tensor"));
    }
    if (r->n->n_args == 2)
        return rule_binary(r, y);
    *y = *r->arg[0];
    y->dtype = BT_f32;
    return NULL;
}

static Err *rule_reduce(const Rule *r, Type *y)
{
    TRY(want(r, 0, is_rows(r->arg[0]), known_rows));
    *y = with_last(r->arg[0], 1, BT_f32);
    return NULL;
}

/* Not negative, and a number; softmax has none. */
static Err *check_eps(const Rule *r)
{
    double eps = r->n->attr[ATTR_eps].f;
    return op_info(r->n->op)->n_attrs == 0 || (eps >= 0 && isfinite(eps))
               ? NULL
               : err_new(ERR_INPUT, "%s %%%s: eps is %g",
                         op_info(r->n->op)->name, r->n->name, eps);
}

static Err *rule_norm(const Rule *r, Type *y)
{
    TRY(check_eps(r));
    TRY(want(r, 0, is_rows(r->arg[0]), known_rows));
    if (r->n->n_args == 2)
        TRY(want(r, 1, is_vector(r, 1, type_last(r->arg[0])),
                 "a vector as long as the last axis"));
    *y = *r->arg[0];
    return NULL;
}

static Err *rule_rope(const Rule *r, Type *y)
{
    const Type *x = r->arg[0];
    int64_t dims = r->n->attr[ATTR_rope_dims].i;
    double theta = r->n->attr[ATTR_rope_theta].f;
    double stretch = r->n->attr[ATTR_rope_stretch].f;
    TRY(want(r, 0, is_f32(x) && x->rank == 3, "f32[T,heads,dims]"));
    TRY(want(r, 1, is_ids(r->arg[1]) && r->arg[1]->rank == 1 &&
                       dim_equal(r->arg[1]->dim[0], x->dim[0]),
             "i32 positions, one a token"));
    if (dims <= 0 || dims % 2 || dims > type_last(x))
        return err_new(ERR_INPUT,
                       "rope %%%s: dims %lld must be even and at most %lld",
                       r->n->name, (long long)dims, (long long)type_last(x));
    if (!(theta > 0) || isinf(theta))
        return err_new(ERR_INPUT, "rope %%%s: theta %g must be positive",
                       r->n->name, theta);
    if (!(stretch > 0) || isinf(stretch))
        return err_new(ERR_INPUT, "rope %%%s: stretch %g must be positive",
                       r->n->name, stretch);
    if (r->n->n_args == 3)
        TRY(want(r, 2, is_vector(r, 2, dims / 2), "dims/2 factors"));
    *y = *x;
    return NULL;
}

static Err *rule_reshape(const Rule *r, Type *y)
{
    const Type *x = r->arg[0];
    *y = r->n->type;
    y->dtype = x->dtype;
    Dim from = type_elements(x), to = type_elements(y);
    if (dim_equal(from, to) && x->rank && y->rank &&
        x->dim[0].sym == y->dim[0].sym)
        return NULL;
    return err_new(ERR_INPUT, "reshape %%%s: %s does not fit %s", r->n->name,
                   type_text(r->g->arena, x), type_text(r->g->arena, y));
}

static Err *rule_slice(const Rule *r, Type *y)
{
    const Type *x = r->arg[0];
    int64_t begin = r->n->attr[ATTR_begin].i, size = type_last(&r->n->type);
    TRY(want(r, 0, has_rows(x) && x->dtype < BT_COUNT &&
                       block_info[x->dtype].elems == 1 &&
                       x->rank == r->n->type.rank,
             "a tensor with rows of known length and the same rank"));
    if (begin < 0 || size <= 0 || begin > type_last(x) - size)
        return err_new(ERR_INPUT,
                       "slice %%%s: %lld values from %lld on are outside %s",
                       r->n->name, (long long)size, (long long)begin,
                       type_text(r->g->arena, x));
    *y = with_last(x, size, x->dtype);
    return NULL;
}

static Err *rule_topk(const Rule *r, Type *y)
{
    const Type *x = r->arg[0];
    int64_t k = type_last(&r->n->type);
    TRY(want(r, 0, is_rows(x), known_rows));
    if (k < 1 || k > type_last(x))
        return err_new(ERR_INPUT, "topk %%%s: k = %lld of %lld values",
                       r->n->name, (long long)k, (long long)type_last(x));
    *y = with_last(x, k, BT_i32);
    return NULL;
}

static bool same_leading(const Type *a, const Type *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i + 1 < a->rank; i++)
        if (!dim_equal(a->dim[i], b->dim[i]))
            return false;
    return true;
}

/* A weight vector is the same for every row. */
static Err *check_take_vector(const Rule *r)
{
    const Type *x = r->arg[0];
    TRY(want(r, 0, x->rank == 1 && (is_f32(x) || x->dtype == TYPE_ANY),
             "an f32 vector"));
    return want(r, 1, is_ids(r->arg[1]) && r->arg[1]->rank == 2, "i32[T,k] ids");
}

static Err *rule_take(const Rule *r, Type *y)
{
    if (is_weight(r, 0)) {
        TRY(check_take_vector(r));
    } else {
        TRY(want(r, 0, is_rows(r->arg[0]), known_rows));
        TRY(want(r, 1, is_ids(r->arg[1]) && same_leading(r->arg[0], r->arg[1]),
                 "i32 ids with the same leading axes"));
    }
    *y = *r->arg[1];
    y->dtype = BT_f32;
    return NULL;
}

static Err *rule_combine(const Rule *r, Type *y)
{
    const Type *x = r->arg[0], *w = r->arg[1];
    TRY(want(r, 0, is_f32(x) && x->rank == 3, "f32[T,k,N]"));
    TRY(want(r, 1, is_f32(w) && w->rank == 2 && dim_equal(w->dim[0], x->dim[0]) &&
                       dim_equal(w->dim[1], x->dim[1]),
             "f32[T,k] beside [T,k,N]"));
    *y = type_make(BT_f32, 2, (Dim[]){x->dim[0], x->dim[2]});
    return NULL;
}

static Err *rule_concat(const Rule *r, Type *y)
{
    const Type *a = r->arg[0], *b = r->arg[1];
    TRY(want(r, 0, is_rows(a), known_rows));
    TRY(want(r, 1, is_rows(b) && same_leading(a, b),
             "an f32 tensor with the same leading axes"));
    *y = with_last(a, type_last(a) + type_last(b), BT_f32);
    return NULL;
}

static Err *rule_quantize(const Rule *r, Type *y)
{
    TRY(want(r, 0, is_rows(r->arg[0]) &&
                       type_last(r->arg[0]) % block_info[BT_q8a].elems == 0,
             "f32 rows of a multiple of 32 values"));
    *y = *r->arg[0];
    y->dtype = type_is_rounded(&r->n->type) ? r->n->type.dtype : BT_q8a;
    return NULL;
}

static Err *rule_embed(const Rule *r, Type *y)
{
    const Type *w = r->arg[0], *ids = r->arg[1];
    TRY(want(r, 0, is_weight(r, 0) && w->rank == 2 && is_multipliable(w),
             "a table [D,V]"));
    TRY(want(r, 1, is_ids(ids) && ids->rank == 1, "i32[T] ids"));
    *y = type_make(BT_f32, 2, (Dim[]){ids->dim[0], w->dim[0]});
    return NULL;
}

static Err *rule_rows(const Rule *r, Type *y)
{
    TRY(want(r, 0, is_f32(r->arg[0]) && by_token(r->arg[0]), "f32[T,..]"));
    TRY(want(r, 1, is_ids(r->arg[1]) && r->arg[1]->rank == 1, "i32[R] rows"));
    *y = *r->arg[0];
    y->dim[0] = r->arg[1]->dim[0];
    return NULL;
}

static Err *rule_append(const Rule *r, Type *y)
{
    const Type *x = r->arg[0], *s = r->arg[1];
    TRY(want(r, 1, is_state(r, 1) && s->rank && s->dim[0].sym == SYM_C,
             "a per-token state [C,..]"));
    bool ok = is_f32(x) && x->rank == s->rank && by_token(x);
    for (int i = 1; ok && i < x->rank; i++)
        ok = dim_equal(x->dim[i], s->dim[i]);
    TRY(want(r, 0, ok, "one f32 row of the state for each token"));
    *y = *s;
    return NULL;
}

static Err *rule_matmul(const Rule *r, Type *y)
{
    const Type *x = r->arg[0], *w = r->arg[1];
    TRY(want(r, 0, is_product_input(x) && has_rows(x),
             "f32 or rounded rows of known length"));
    TRY(want(r, 1, is_weight(r, 1) && w->rank == 2 && is_multipliable(w) &&
                       w->dim[0].k == type_last(x),
             "a weight [K,N] with K the last axis of the first"));
    *y = with_last(x, w->dim[1].k, BT_f32);
    return NULL;
}

static Err *rule_matmul_experts(const Rule *r, Type *y)
{
    const Type *x = r->arg[0], *w = r->arg[1], *ids = r->arg[2];
    TRY(want(r, 0, is_product_input(x) && (x->rank == 2 || x->rank == 3),
             "f32 or rounded [T,K] or [T,k,K]"));
    TRY(want(r, 1, is_weight(r, 1) && w->rank == 3 && is_multipliable(w) &&
                       w->dim[0].k == type_last(x),
             "a weight [K,N,E] with K the last axis of the first"));
    TRY(want(r, 2, is_ids(ids) && ids->rank == 2 &&
                       dim_equal(ids->dim[0], x->dim[0]) &&
                       (x->rank == 2 || dim_equal(ids->dim[1], x->dim[1])),
             "i32[T,k] expert numbers"));
    *y = type_make(BT_f32, 3,
                   (Dim[]){x->dim[0], ids->dim[1], w->dim[1]});
    return NULL;
}

static Err *rule_attention(const Rule *r, Type *y)
{
    const Type *q = r->arg[0];
    TRY(want(r, 0, is_f32(q) && q->rank == 3 && by_token(q), "f32[T,H,d]"));
    for (int i = 1; i < 3; i++) {
        const Type *k = r->arg[i];
        bool ok = k->rank == 3 && k->dim[0].sym == SYM_C &&
                  dim_equal(k->dim[2], q->dim[2]) && k->dim[1].k > 0 &&
                  q->dim[1].k % k->dim[1].k == 0;
        TRY(want(r, i, ok, "rows [C,G,d] of a state, G dividing H"));
    }
    TRY(want(r, 2, dim_equal(r->arg[1]->dim[1], r->arg[2]->dim[1]),
             "as many groups as the keys"));
    *y = *q;
    return NULL;
}

static Err *rule_conv(const Rule *r, Type *y)
{
    const Type *x = r->arg[0], *w = r->arg[1], *s = r->arg[2];
    TRY(want(r, 0, is_f32(x) && x->rank == 2 && by_token(x), "f32[T,C]"));
    TRY(want(r, 1, is_weight(r, 1) && w->rank == 2 && is_multipliable(w) &&
                       w->dim[1].k == x->dim[1].k,
             "a weight [K,C]"));
    TRY(want(r, 2, is_state(r, 2) && is_f32(s) &&
                       s->rank == 2 && s->dim[0].sym == SYM_ONE &&
                       s->dim[0].k == w->dim[0].k - 1 &&
                       dim_equal(s->dim[1], x->dim[1]),
             "a fixed state [K-1,C]"));
    *y = *x;
    return NULL;
}

static bool is_shape(const Type *t, int rank, Dim a, Dim b, Dim c)
{
    return is_f32(t) && t->rank == rank && dim_equal(t->dim[0], a) &&
           dim_equal(t->dim[1], b) && (rank < 3 || dim_equal(t->dim[2], c));
}

static Err *rule_delta(const Rule *r, Type *y)
{
    const Type *q = r->arg[0], *v = r->arg[2], *s = r->arg[5];
    TRY(want(r, 0, is_f32(q) && q->rank == 3 && by_token(q), "f32[T,Hk,dk]"));
    TRY(want(r, 1, type_equal(r->arg[1], q), "the queries' shape"));
    TRY(want(r, 2, is_f32(v) && v->rank == 3 && dim_equal(v->dim[0], q->dim[0]) &&
                       q->dim[1].k > 0 && v->dim[1].k % q->dim[1].k == 0,
             "f32[T,Hv,dv], Hk dividing Hv"));
    Dim t = v->dim[0], hv = v->dim[1];
    for (int i = 3; i < 5; i++)
        TRY(want(r, i, is_shape(r->arg[i], 2, t, hv, t), "f32[T,Hv]"));
    TRY(want(r, 5, is_state(r, 5) &&
                       is_shape(s, 3, hv, q->dim[2], v->dim[2]),
             "a fixed f32 state [Hv,dk,dv]"));
    *y = *v;
    return NULL;
}

static Err *rule_send(const Rule *r, Type *y)
{
    TRY(want(r, 0, r->arg[0]->rank == 0 || r->arg[0]->dim[0].sym != SYM_C,
             "a value; the rows of a state stay where they are"));
    *y = *r->arg[0];
    return NULL;
}

/* Sources and calls say their own type. */
static Err *rule_given(const Rule *r, Type *y)
{
    *y = r->n->type;
    return NULL;
}

static Err *rule_const(const Rule *r, Type *y)
{
    (void)r;
    *y = (Type){.dtype = BT_f32};
    return NULL;
}

typedef Err *RuleFn(const Rule *r, Type *y);

static RuleFn *const rules[OP_COUNT] = {
    [OP_input] = rule_given,   [OP_weight] = rule_given,
    [OP_state] = rule_given,   [OP_call] = rule_given,
    [OP_const] = rule_const,   [OP_reshape] = rule_reshape,
    [OP_slice] = rule_slice,   [OP_sum] = rule_reduce,
    [OP_mean] = rule_reduce,   [OP_softmax] = rule_norm,
    [OP_rmsnorm] = rule_norm,  [OP_l2norm] = rule_norm,
    [OP_rope] = rule_rope,     [OP_topk] = rule_topk,
    [OP_take] = rule_take,     [OP_combine] = rule_combine,
    [OP_concat] = rule_concat, [OP_quantize] = rule_quantize,
    [OP_embed] = rule_embed,   [OP_rows] = rule_rows,
    [OP_append] = rule_append, [OP_matmul] = rule_matmul,
    [OP_matmul_experts] = rule_matmul_experts,
    [OP_attention] = rule_attention,
    [OP_causal_conv1d] = rule_conv,
    [OP_delta_rule] = rule_delta,
    [OP_tap] = rule_same,      [OP_send] = rule_send,
};

/* Which arguments may be weights: matrices, tables and vectors. */
static bool takes_weight(Op op, int arg)
{
    if (op == OP_embed || op == OP_take)
        return arg == 0;
    if (op == OP_rope)
        return arg == 2;
    OpKind k = op_info(op)->kind;
    return k == KIND_EW || (arg == 1 && (k == KIND_MATMUL || k == KIND_EXPERTS ||
                                         k == KIND_CONV || op == OP_rmsnorm));
}

/* A view of a state stands for it in a kernel that reads what another one
 * appended. */
static bool takes_state(Op op, int arg)
{
    OpKind k = op_info(op)->kind;
    return k == KIND_VIEW || (k == KIND_ATTENTION && arg > 0) ||
           (op == OP_append && arg == 1) || (k == KIND_CONV && arg == 2) ||
           (k == KIND_DELTA && arg == 5);
}

static Err *check_sources(const Rule *r)
{
    for (int i = 0; i < r->n->n_args; i++) {
        TRY(want(r, i, !is_weight(r, i) || takes_weight(r->n->op, i),
                 "a computed value, not a weight"));
        TRY(want(r, i, !is_state(r, i) || takes_state(r->n->op, i),
                 "a computed value, not a state"));
    }
    return NULL;
}

static Err *complete(const Rule *r, Type *out)
{
    if (op_info(r->n->op)->kind == KIND_EW)
        return rule_elementwise(r, out);
    return rules[r->n->op](r, out);
}

Err *infer_type(const Graph *g, const Node *n, Type *out)
{
    const OpInfo *o = op_info(n->op);
    Rule r = {.g = g, .n = n};
    if (n->n_args < o->min_args || n->n_args > o->max_args)
        return err_new(ERR_INPUT, "%s %%%s: %d arguments, expected %d to %d",
                       o->name, n->name, n->n_args, o->min_args, o->max_args);
    for (int i = 0; i < n->n_args; i++)
        r.arg[i] = &g->node[n->arg[i]].type;
    TRY(check_sources(&r));
    TRY(complete(&r, out));
    const char *fault = type_fault(out);
    return fault ? err_new(ERR_INPUT, "%s %%%s: %s: %s", o->name, n->name,
                           type_text(g->arena, out), fault)
                 : NULL;
}
