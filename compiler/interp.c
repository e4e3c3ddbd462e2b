#include "compiler/interp_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "compiler/clone.h"

typedef struct {
    char *name;
    float *w;  /* weights */
    double *v; /* states */
    double *kept; /* of the last mark, or NULL */
    int64_t n;
} Stored;

typedef struct {
    int n, cap;
    Stored *at;
} Store;

struct Interp {
    const Module *m;
    InterpWeights weights;
    InterpTap tap;
    int64_t context;
    Store weight, state;
};

/* ---- named weights and states ---- */

static Stored *store_find(Store *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->at[i].name, name) == 0)
            return &s->at[i];
    return NULL;
}

static Stored *store_add(Store *s, const char *name, int64_t n)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        size_t bytes = sizeof *s->at * (size_t)s->cap;
        s->at = memory_must(realloc(s->at, bytes), bytes);
    }
    Stored *t = &s->at[s->n++];
    *t = (Stored){.name = memory_must(strdup(name), strlen(name) + 1), .n = n};
    return t;
}

static void store_free(Store *s)
{
    for (int i = 0; i < s->n; i++) {
        free(s->at[i].name);
        free(s->at[i].w);
        free(s->at[i].v);
        free(s->at[i].kept);
    }
    free(s->at);
}

Interp *interp_new(const Module *m, InterpWeights weights, int64_t context)
{
    Interp *x = memory_must(calloc(1, sizeof *x), sizeof *x);
    x->m = m;
    x->weights = weights;
    x->context = context;
    return x;
}

void interp_free(Interp *x)
{
    if (!x)
        return;
    store_free(&x->weight);
    store_free(&x->state);
    free(x);
}

void interp_set_tap(Interp *x, InterpTap tap) { x->tap = tap; }

void interp_reset(Interp *x)
{
    for (int i = 0; i < x->state.n; i++) {
        Stored *s = &x->state.at[i];
        memset(s->v, 0, sizeof *s->v * (size_t)s->n);
    }
}

void interp_mark(Interp *x)
{
    for (int i = 0; i < x->state.n; i++) {
        Stored *s = &x->state.at[i];
        size_t bytes = sizeof *s->v * (size_t)s->n;
        if (!s->kept)
            s->kept = memory_must(malloc(bytes + 1), bytes + 1);
        memcpy(s->kept, s->v, bytes);
    }
}

void interp_rewind(Interp *x)
{
    for (int i = 0; i < x->state.n; i++) {
        Stored *s = &x->state.at[i];
        size_t bytes = sizeof *s->v * (size_t)s->n;
        if (s->kept)
            memcpy(s->v, s->kept, bytes);
        else
            memset(s->v, 0, bytes);
    }
}

/* ---- cells ---- */

static Err *set_extents(const Frame *f, const Node *n, Cell *c)
{
    const Type *t = &n->type;
    c->dtype = t->dtype;
    c->rank = t->rank;
    c->n = 1;
    int64_t rows = f->step.past + f->step.tokens;
    for (int i = 0; i < t->rank; i++) {
        c->dim[i] =
            dim_value(t->dim[i], f->step.tokens, f->step.outputs, rows);
        if (__builtin_mul_overflow(c->n, c->dim[i], &c->n))
            return err_new(ERR_LIMIT, "%s is too large", n->name);
    }
    c->last = t->rank ? c->dim[t->rank - 1] : 1;
    return NULL;
}

/* Zeroed; sizes come from model texts and files, so failure is an error. */
static Err *room(const char *name, int64_t n, size_t size, void *out)
{
    void *p = calloc((size_t)n + 1, size);
    memcpy(out, &p, sizeof p);
    return p ? NULL
             : err_new(ERR_LIMIT, "no memory for the %lld values of %s",
                       (long long)n, name);
}

static Err *bind_weight(const Frame *f, const char *name, Cell *c)
{
    Interp *x = f->x;
    Stored *s = store_find(&x->weight, name);
    if (!s && !x->weights.load)
        return err_new(ERR_INPUT, "no weights to take %s from", name);
    if (!s) {
        float *w;
        TRY(room(name, c->n, sizeof *w, &w));
        Err *e = x->weights.load(x->weights.ctx, name, w, c->n);
        if (e) {
            free(w);
            return e;
        }
        s = store_add(&x->weight, name, c->n);
        s->w = w;
    }
    if (s->n != c->n)
        return err_new(ERR_INPUT, "%s is used with two sizes", name);
    c->w = s->w;
    return NULL;
}

/* Per-token states have room for `context` rows, whatever this step sees. */
static Err *state_size(const Interp *x, const Cell *c, const Node *n,
                       int64_t *out)
{
    const Type *t = &n->type;
    *out = c->n;
    if (t->rank && t->dim[0].sym == SYM_C &&
        __builtin_mul_overflow(type_elements(t).k, x->context, out))
        return err_new(ERR_LIMIT, "%s is too large", n->name);
    return NULL;
}

static Err *bind_state(const Frame *f, const char *name, Cell *c)
{
    int64_t n;
    TRY(state_size(f->x, c, f->n, &n));
    Stored *s = store_find(&f->x->state, name);
    if (!s) {
        double *v;
        TRY(room(name, n, sizeof *v, &v));
        s = store_add(&f->x->state, name, n);
        s->v = v;
    }
    if (s->n != n)
        return err_new(ERR_INPUT, "state %s is used with two sizes", name);
    c->v = s->v;
    return NULL;
}

static Err *bind_named(const Frame *f, int64_t index, Cell *c)
{
    Buf name = {0};
    clone_print_name(&name, f->n->text, index);
    Err *e = f->n->op == OP_weight ? bind_weight(f, name.data, c)
                                   : bind_state(f, name.data, c);
    buf_free(&name);
    return e;
}

/* ---- running ---- */

/* Elementwise ops share one; sources and calls have none. */
static EvalFn *const eval[OP_COUNT] = {
    [OP_const] = eval_const,       [OP_reshape] = eval_copy,
    [OP_slice] = eval_slice,       [OP_sum] = eval_sum,
    [OP_mean] = eval_mean,         [OP_softmax] = eval_softmax,
    [OP_rmsnorm] = eval_rmsnorm,   [OP_l2norm] = eval_l2norm,
    [OP_rope] = eval_rope,         [OP_topk] = eval_topk,
    [OP_take] = eval_take,         [OP_combine] = eval_combine,
    [OP_concat] = eval_concat,     [OP_quantize] = eval_quantize,
    [OP_embed] = eval_embed,       [OP_rows] = eval_rows,
    [OP_append] = eval_append,     [OP_matmul] = eval_matmul,
    [OP_matmul_experts] = eval_matmul_experts,
    [OP_attention] = eval_attention,
    [OP_causal_conv1d] = eval_conv,
    [OP_delta_rule] = eval_delta,
    [OP_tap] = eval_copy,          [OP_send] = eval_copy,
};

static EvalFn *evaluator(Op op)
{
    return op_info(op)->kind == KIND_EW ? eval_elementwise : eval[op];
}

/* Which argument holds row numbers, -1 none, and how many rows there are. */
static int ids_of(Op op, const Cell *const *arg, int64_t *rows)
{
    switch ((int)op) {
    case OP_embed:
        *rows = arg[0]->dim[1];
        return 1;
    case OP_rows:
        *rows = arg[0]->dim[0];
        return 1;
    case OP_take:
        *rows = arg[0]->last;
        return 1;
    case OP_matmul_experts:
        *rows = arg[1]->dim[2];
        return 2;
    default:
        *rows = 0;
        return -1;
    }
}

/* They come from outside, or from a text that may mix up what counts what. */
static Err *check_ids(const Node *n, const Cell *const *arg)
{
    int64_t rows;
    int k = ids_of(n->op, arg, &rows);
    for (int64_t i = 0; k >= 0 && i < arg[k]->n; i++)
        if (!(arg[k]->v[i] >= 0 && arg[k]->v[i] < (double)rows))
            return err_new(ERR_INPUT, "%s %%%s: no row %.0f among %lld",
                           op_info(n->op)->name, n->name, arg[k]->v[i],
                           (long long)rows);
    return NULL;
}

static Err *run_graph(Interp *x, const Graph *g, InterpStep step, int64_t index,
                      const InterpValue *params, InterpValue *results);

static Err *run_call(Frame *f, const Cell *const *arg, Cell *y)
{
    InterpValue in[MAX_ARGS], out;
    for (int i = 0; i < f->n->n_args; i++)
        in[i] = (InterpValue){arg[i]->n, arg[i]->v};
    const Graph *callee = module_find(f->x->m, f->n->text);
    TRY(run_graph(f->x, callee, f->step, f->n->attr[ATTR_index].i, in, &out));
    y->v = out.v;
    y->owned = true;
    return NULL;
}

/* Everything that is not a plain function of its arguments. */
static Err *run_node(Frame *f, int64_t index, Cell *y)
{
    const Cell *arg[MAX_ARGS];
    const Node *n = f->n;
    for (int i = 0; i < n->n_args; i++)
        arg[i] = &f->cell[n->arg[i]];
    TRY(set_extents(f, n, y));
    if (n->op == OP_weight || n->op == OP_state)
        return bind_named(f, index, y);
    if (n->op == OP_call)
        return run_call(f, arg, y);
    if (n->op == OP_append) { /* the result is the state itself */
        y->v = arg[1]->v;
    } else {
        TRY(room(n->name, y->n, sizeof *y->v, &y->v));
        y->owned = true;
    }
    TRY(check_ids(n, arg));
    evaluator(n->op)(f, arg, y);
    if (n->op == OP_tap && f->x->tap.tap)
        f->x->tap.tap(f->x->tap.ctx, n->text, n->attr[ATTR_index].i, y->v,
                      y->n);
    return NULL;
}

static Err *bind_param(const Frame *f, Ref i, const InterpValue *p, Cell *c)
{
    const Node *n = &f->g->node[i];
    int64_t want;
    TRY(set_extents(f, n, c));
    TRY(state_size(f->x, c, n, &want));
    if (p->n != want)
        return err_new(ERR_INPUT, "@%s: parameter %s has %lld values, not %lld",
                       f->g->name, n->name, (long long)p->n, (long long)want);
    c->v = p->v;
    return NULL;
}

static Err *run_nodes(Frame *f, int64_t index, const InterpValue *params)
{
    for (Ref i = 0; i < f->g->n_nodes; i++) {
        f->n = &f->g->node[i];
        TRY(i < f->g->n_params ? bind_param(f, i, &params[i], &f->cell[i])
                               : run_node(f, index, &f->cell[i]));
    }
    return NULL;
}

static Err *run_graph(Interp *x, const Graph *g, InterpStep step, int64_t index,
                      const InterpValue *params, InterpValue *results)
{
    Frame f = {.x = x, .g = g, .step = step};
    size_t cells = (g->n_nodes + (size_t)1) * sizeof *f.cell;
    f.cell = memory_must(calloc(1, cells), cells);
    Err *e = run_nodes(&f, index, params);
    for (int i = 0; i < g->n_results && !e; i++) {
        const Cell *c = &f.cell[g->result[i].ref];
        results[i].n = c->n;
        size_t bytes = sizeof(double) * (size_t)c->n;
        results[i].v = memory_must(malloc(bytes + 1), bytes + 1);
        memcpy(results[i].v, c->v, bytes);
    }
    for (Ref i = 0; i < g->n_nodes; i++)
        if (f.cell[i].owned)
            free(f.cell[i].v);
    free(f.cell);
    return e;
}

Err *interp_run(Interp *x, const char *graph, InterpStep step,
                const InterpValue *params, InterpValue *results)
{
    const Graph *g = module_find(x->m, graph);
    if (!g)
        return err_new(ERR_INPUT, "the module has no graph @%s", graph);
    if (step.past + step.tokens > x->context)
        return err_new(ERR_LIMIT, "%lld tokens do not fit a context of %lld",
                       (long long)(step.past + step.tokens),
                       (long long)x->context);
    return run_graph(x, g, step, 0, params, results);
}
