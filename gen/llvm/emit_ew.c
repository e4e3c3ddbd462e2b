/* emit_ew.c - elementwise nodes: one small function an op, and the loop that
 * computes several nodes over the same elements at once. */
#include <math.h>

#include "gen/llvm/rows.h"
#include "gen/llvm/vecmath.h"

/* ---- one op on one vector ---- */

typedef LLVMValueRef EwFn(Ir *ir, LLVMValueRef a, LLVMValueRef b);
#define UNUSED(b) (void)(b)

static LLVMValueRef ew_neg(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return LLVMBuildFNeg(ir->b, a, "");
}

static LLVMValueRef ew_abs(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return l_fabs(ir, a);
}

static LLVMValueRef ew_square(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return l_fmul(ir, a, a);
}

static LLVMValueRef ew_sqrt(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return l_intrinsic(ir, "llvm.sqrt", l_type(a), &a, 1);
}

static LLVMValueRef ew_exp(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return vec_exp(ir, a);
}

static LLVMValueRef ew_log(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return vec_log(ir, a);
}

static LLVMValueRef ew_tanh(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return vec_tanh(ir, a);
}

static LLVMValueRef ew_relu(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return l_fmax(ir, a, l_like(a, 0));
}

static LLVMValueRef one_plus_exp_minus(Ir *ir, LLVMValueRef a)
{
    return l_faddc(ir, vec_exp(ir, LLVMBuildFNeg(ir->b, a, "")), 1);
}

static LLVMValueRef ew_sigmoid(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return l_fdiv(ir, l_like(a, 1), one_plus_exp_minus(ir, a));
}

static LLVMValueRef ew_silu(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    return l_fdiv(ir, a, one_plus_exp_minus(ir, a));
}

static LLVMValueRef ew_softplus(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    LLVMValueRef big = l_fcmp(ir, LLVMRealOGT, a, l_like(a, 20));
    return l_select(ir, big, a, vec_log1p(ir, vec_exp(ir, a)));
}

static LLVMValueRef ew_gelu(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    LLVMValueRef s = vec_erf1p(ir, l_fmulc(ir, a, 0.70710678118654752440));
    return l_fmul(ir, l_fmulc(ir, a, 0.5), s);
}

/* (1 + tanh u) / 2 = 1 / (1 + e^-2u) */
static LLVMValueRef ew_gelu_tanh(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    UNUSED(b);
    LLVMValueRef a2 = l_fmul(ir, a, a), u;
    u = l_fma(ir, a2, l_like(a, 2 * 0.79788456080286535588 * 0.044715),
              l_like(a, 2 * 0.79788456080286535588));
    return l_fdiv(ir, a, one_plus_exp_minus(ir, l_fmul(ir, u, a)));
}

static LLVMValueRef ew_add(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_fadd(ir, a, b);
}

static LLVMValueRef ew_sub(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_fsub(ir, a, b);
}

static LLVMValueRef ew_mul(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_fmul(ir, a, b);
}

static LLVMValueRef ew_div(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_fdiv(ir, a, b);
}

static LLVMValueRef ew_max(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_fmax(ir, a, b);
}

static LLVMValueRef ew_min(Ir *ir, LLVMValueRef a, LLVMValueRef b)
{
    return l_select(ir, l_fcmp(ir, LLVMRealOLT, a, b), a, b);
}

static EwFn *const ew_op[OP_COUNT] = {
#define EW_EW(name) [OP_##name] = ew_##name,
#define EW_SRC(name)
#define EW_VIEW(name)
#define EW_ROW(name)
#define EW_MATMUL(name)
#define EW_EXPERTS(name)
#define EW_ATTENTION(name)
#define EW_CONV(name)
#define EW_DELTA(name)
#define EW_COMM(name)
#define EW_CALL(name)
#define OP(name, min, max, kind, attrs, expr) EW_##kind(name)
#include "compiler/ops.def"
#undef OP
};

/* ---- several nodes in one loop ---- */

/* What an argument is while the loop runs. */
typedef struct {
    int inside; /* node of the loop, or -1 */
    bool is_const;
    double constant;
    Value v;           /* else: memory, laid out over the loop's elements */
    LLVMValueRef at;   /* its first element of the chunk */
    LLVMValueRef same; /* the one element of the whole chunk */
} Source;

typedef struct {
    Rows *r;
    const Ref *node;
    int n;
    Source (*arg)[2];
    Value *out;        /* base NULL: nobody outside reads it */
    LLVMValueRef *to;  /* its first element of the chunk */
    LLVMValueRef *now; /* current lanes of each node */
} Fused;

static int inside(const Fused *f, Ref n)
{
    for (int i = 0; i < f->n; i++)
        if (f->node[i] == n)
            return i;
    return -1;
}

static Source source_of(Fused *f, Ref n, Ref arg)
{
    Rows *r = f->r;
    Ref root = rows_root(r, arg);
    Source s = {.inside = inside(f, root)};
    if (r->g->node[root].op == OP_const) {
        s.is_const = true;
        s.constant = r->g->node[root].attr[ATTR_value].f;
    } else if (s.inside < 0) {
        Shape from = rows_shape(r, arg), to = rows_shape(r, n);
        s.v = rows_value(r, arg);
        if (shape_size(&from) == shape_size(&to) ||
            layout_broadcast(&s.v.lay, &from, &to, &s.v.lay))
            return s;
        s.v = rows_input(r, arg, 0);
        if (!layout_broadcast(&s.v.lay, &from, &to, &s.v.lay))
            emit_fail(r->e, err_new(ERR_LIMIT, "@%s: %%%s: cannot broadcast",
                                    r->g->name, r->g->node[n].name));
    }
    return s;
}

/* Does anything but the loop itself read node n (through reshapes)? */
static bool is_read_outside(const Fused *f, Ref n)
{
    const Graph *g = f->r->g;
    for (int i = 0; i < g->n_results; i++)
        if (rows_root(f->r, g->result[i].ref) == n)
            return true;
    for (Ref u = n + 1; u < g->n_nodes; u++)
        for (int k = 0; k < g->node[u].n_args; k++)
            if (g->node[u].op != OP_reshape && inside(f, u) < 0 &&
                rows_root(f->r, g->node[u].arg[k]) == n)
                return true;
    return false;
}

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

/* Elements that lie side by side in every source at once; 0: all. */
static int64_t common_run(const Fused *f)
{
    int64_t run = 0;
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < 2; k++)
            if (f->arg[i][k].v.base)
                run = gcd(run, layout_run(&f->arg[i][k].v.lay));
    return run ? gcd(run, rows_count(f->r, f->node[0])) : 0;
}

/* Addresses for the chunk whose first element of the row is `at`. */
static void enter_chunk(Fused *f, LLVMValueRef at)
{
    Rows *r = f->r;
    for (int i = 0; i < f->n; i++) {
        for (int k = 0; k < 2; k++) {
            Source *s = &f->arg[i][k];
            if (!s->v.base)
                continue;
            s->at = l_elem(r->ir, rows_at(r, &s->v), s->v.type,
                           layout_offset(r->ir, &s->v.lay, at));
            if (layout_is_repeat(&s->v.lay))
                s->same = l_load_f32(r->ir, s->v.type, s->at, 1);
        }
        if (f->out[i].base)
            f->to[i] = l_index(r->ir, rows_at(r, &f->out[i]), at, 4);
    }
}

static LLVMValueRef load_source(const Fused *f, const Source *s, LLVMValueRef i,
                                int lanes)
{
    Ir *ir = f->r->ir;
    if (s->is_const)
        return l_splat(ir, l_real(ir, s->constant), lanes);
    if (s->inside >= 0)
        return f->now[s->inside];
    if (s->same)
        return l_splat(ir, s->same, lanes);
    return l_load_f32(ir, s->v.type, l_elem(ir, s->at, s->v.type, i), lanes);
}

static void fused_lanes(Ir *ir, void *ctx, LLVMValueRef i, int lanes)
{
    Fused *f = ctx;
    for (int k = 0; k < f->n; k++) {
        const Node *n = &f->r->g->node[f->node[k]];
        LLVMValueRef a = load_source(f, &f->arg[k][0], i, lanes), b = NULL;
        if (n->n_args == 2)
            b = load_source(f, &f->arg[k][1], i, lanes);
        f->now[k] = ew_op[n->op](ir, a, b);
        LLVMSetValueName(f->now[k], n->name);
        if (f->to[k])
            l_store(ir, f->now[k], l_index(ir, f->to[k], i, 4));
    }
}

static Fused fused_new(Rows *r, const Ref *node, int n)
{
    Arena *a = r->ir->arena;
    Fused f = {.r = r, .node = node, .n = n};
    f.arg = arena_alloc(a, sizeof *f.arg * (size_t)n);
    f.out = ARENA_ARRAY(a, Value, n);
    f.to = ARENA_ARRAY(a, LLVMValueRef, n);
    f.now = ARENA_ARRAY(a, LLVMValueRef, n);
    for (int i = 0; i < n; i++) {
        const Node *at = &r->g->node[node[i]];
        for (int k = 0; k < at->n_args; k++)
            f.arg[i][k] = source_of(&f, node[i], at->arg[k]);
        if (is_read_outside(&f, node[i]))
            f.out[i] = rows_place(r, node[i]);
    }
    return f;
}

void rows_elementwise(Rows *r, const Ref *node, int n)
{
    Ir *ir = r->ir;
    Fused f = fused_new(r, node, n);
    int64_t count = rows_count(r, node[0]), run = common_run(&f);
    LLVMValueRef start = rows_start(r, node[0]);
    if (!run) {
        enter_chunk(&f, start);
        if (r->len && count == r->width)
            l_lanes_upto(ir, r->len, ir->lanes, fused_lanes, &f);
        else
            l_lanes_for(ir, count, ir->lanes, fused_lanes, &f);
        return;
    }
    bool open_end = r->len && count == r->width;
    Loop l = l_for(ir, "chunk", l_int(ir, 0),
                   open_end ? r->len : l_int(ir, count), run);
    enter_chunk(&f, l_add(ir, start, l.i));
    l_lanes_for(ir, run, ir->lanes, fused_lanes, &f);
    l_end(ir, &l);
}
