/* lower_expr.c - expressions: static ones are computed, tensors become nodes. */
#include "compiler/lower_int.h"

#include <math.h>
#include <string.h>

/* Expressions in expressions, those of called functions and params included. */
enum { MAX_DEPTH = 500 };

const char *const val_kind_name[VAL_KIND_COUNT] = {
    [VAL_INT] = "an int",       [VAL_FLOAT] = "a float",
    [VAL_BOOL] = "a bool",      [VAL_STRING] = "a string",
    [VAL_SCOPE] = "weights",    [VAL_TENSOR] = "a tensor",
    [VAL_WEIGHT] = "a weight",  [VAL_STATE] = "a state",
    [VAL_LIST] = "a list",      [VAL_TUPLE] = "several values",
    [VAL_WORD] = "a word",
};

static Val tensor(Ref r, Span at)
{
    return (Val){.kind = VAL_TENSOR, .ref = r, .span = at};
}

/* ---- nodes ---- */

Err *lower_emit(Lower *l, Env *env, Span at, Op op, int n_args, const Ref *args,
                const Attr *attrs, Val *out)
{
    Ref r;
    const char *name = l->hint ? l->hint : op_info(op)->name;
    if (!env->g)
        return lower_fail(l, at, "a tensor stands where a number is needed");
    Err *e = graph_emit(env->g, op, name, n_args, args, attrs, &r);
    if (e) {
        Err *told = lower_fail(l, at, "%s", err_text(e));
        err_free(e);
        return told;
    }
    *out = tensor(r, at);
    return NULL;
}

static Err *emit_const(Lower *l, Env *env, Span at, double f, Ref *out)
{
    Val v;
    Attr a = {.f = f};
    l->hint = NULL;
    TRY(lower_emit(l, env, at, OP_const, 0, NULL, &a, &v));
    *out = v.ref;
    return NULL;
}

/* ---- weights ---- */

static const char *join(Lower *l, const char *prefix, const char *name,
                        const char *suffix)
{
    Buf b = {0};
    buf_printf(&b, "%s%s%s%s", prefix, *prefix ? "." : "", name, suffix);
    const char *s = arena_strndup(l->a, b.data, b.n);
    buf_free(&b);
    return s;
}

/* The index is written {i}; other braces would be taken for it. */
static Err *check_name(Lower *l, Span at, const char *name)
{
    return strpbrk(name, "{}")
               ? lower_fail(l, at, "the name %s holds a brace", name)
               : NULL;
}

/* A weight value's text and pattern are the scope's prefix, item[0].text the
 * name in it: PREFIX.NAME.weight, or PREFIX.NAME if there is no such tensor. */
const TensorInfo *lower_find_tensor(Lower *l, const Val *w, const char **name,
                                    const char **pattern)
{
    const char *own = w->item[0].text;
    const char *suffix = ".weight";
    const TensorInfo *t =
        model_tensor(l->o->model, join(l, w->text, own, suffix));
    if (!t) {
        const char *bare = join(l, w->text, own, "");
        t = model_tensor(l->o->model, bare);
        suffix = t ? "" : suffix;
    }
    *name = join(l, w->text, own, suffix);
    *pattern = join(l, w->pattern, own, suffix);
    return t;
}

Val lower_scope(Lower *l, const Val *w)
{
    return (Val){.kind = VAL_SCOPE, .span = w->span,
                 .text = join(l, w->text, w->item[0].text, ""),
                 .pattern = join(l, w->pattern, w->item[0].text, "")};
}

static int rank_without_ones(const Dim *d, int rank)
{
    while (rank > 1 && dim_equal(d[rank - 1], dim_const(1)))
        rank--;
    return rank;
}

static Err *check_tensor(Lower *l, const Val *w, const TensorInfo *t,
                         const char *name)
{
    Type want = type_make(TYPE_ANY, w->n, w->shape), have = {.dtype = TYPE_ANY};
    if (!t)
        return lower_fail(l, w->span, "%s has no tensor %s",
                          l->o->model->path, name);
    have.rank = t->rank;
    for (int i = 0; i < t->rank; i++)
        have.dim[i] = dim_const(t->ne[i]);
    int n = rank_without_ones(want.dim, want.rank);
    bool same = n == rank_without_ones(have.dim, have.rank);
    for (int i = 0; same && i < n; i++)
        same = dim_equal(want.dim[i], have.dim[i]);
    if (!same)
        return lower_fail(l, w->span, "tensor %s is %s in the file, not %s",
                          name, type_text(l->a, &have) + 3,
                          type_text(l->a, &want) + 3);
    BlockKind k = block_info[t->type].kind;
    if (k != BLOCK_FLOAT && k != BLOCK_QUANT)
        return lower_fail(l, w->span, "tensor %s holds %s, not weights", name,
                          block_info[t->type].name);
    return NULL;
}

/* "weight" and "bias" alone say too little: "attn_q", "attn_q.bias". */
static const char *telling_name(Lower *l, const Val *w)
{
    const char *own = w->item[0].text, *point = strrchr(w->pattern, '.');
    const char *last = point ? point + 1 : w->pattern;
    if (*last && strcmp(own, "weight") == 0)
        return join(l, "", last, "");
    return *last && strcmp(own, "bias") == 0 ? join(l, last, own, "") : own;
}

/* "blk.{i}.attn_q.weight" -> "attn_q"; only letters, digits, _ and points. */
static const char *node_name(Lower *l, const Val *w)
{
    const char *name = telling_name(l, w);
    char *s = arena_strndup(l->a, name, strlen(name));
    for (char *p = s; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
              (*p >= '0' && *p <= '9') || *p == '.'))
            *p = '_';
    return s;
}

/* The node of a weight that stands in the file as `name`. */
static Ref weight_node(Lower *l, Env *env, const char *name,
                       const char *pattern, Node n)
{
    NameEntry *e = names_entry(env->weights, pattern);
    if (!e->value) {
        n.op = OP_weight;
        n.text = pattern;
        e->value = arena_strndup(l->a, name, strlen(name));
        e->stamp = (int)graph_add(env->g, n);
    }
    return (Ref)e->stamp;
}

static Err *emit_weight(Lower *l, Env *env, const Val *w, Ref *out)
{
    const char *name, *pattern;
    const TensorInfo *t = lower_find_tensor(l, w, &name, &pattern);
    if (!w->has_shape)
        return lower_fail(l, w->span, "the weight %s needs a shape, as in %s : [D]",
                          name, w->item[0].text);
    TRY(check_name(l, w->span, name));
    TRY(check_tensor(l, w, t, name));
    if (!env->g)
        return lower_fail(l, w->span, "a weight stands where a number is needed");
    Node n = {.name = node_name(l, w),
              .type = type_make(TYPE_ANY, w->n, w->shape)};
    *out = weight_node(l, env, name, pattern, n);
    return NULL;
}

/* "X.weight" -> "X.scale"; a name of another form gets the ending as well. */
static const char *scale_name(Lower *l, const char *name)
{
    static const char ending[] = ".weight";
    size_t n = strlen(name), m = sizeof ending - 1;
    if (n > m && strcmp(name + n - m, ending) == 0)
        n -= m;
    return join(l, arena_strndup(l->a, name, n), "scale", "");
}

Err *lower_scale(Lower *l, Env *env, Span at, Ref w, int64_t n, Ref *out)
{
    const Node *matrix = &env->g->node[w];
    *out = NO_REF;
    if (matrix->op != OP_weight)
        return NULL;
    const char *name =
        scale_name(l, names_entry(env->weights, matrix->text)->value);
    const TensorInfo *t = model_tensor(l->o->model, name);
    if (!t)
        return NULL;
    if (t->type != BT_f32 || t->rank != 1 || t->ne[0] != n)
        return lower_fail(l, at, "tensor %s must hold %lld numbers in f32, one "
                                 "for each matrix beside it",
                          name, (long long)n);
    Node node = {.name = join(l, matrix->name, "scale", ""),
                 .type = type_make(TYPE_ANY, 1, (Dim[]){dim_const(n)})};
    *out = weight_node(l, env, name, scale_name(l, matrix->text), node);
    return NULL;
}

Err *lower_as_tensor(Lower *l, Env *env, const Val *v, Ref *out)
{
    if (v->kind == VAL_TENSOR) {
        *out = v->ref;
        return NULL;
    }
    if (v->kind == VAL_WEIGHT)
        return emit_weight(l, env, v, out);
    if (lower_is_number(v))
        return emit_const(l, env, v->span, lower_number(v), out);
    return lower_fail(l, v->span, "expected a number or a tensor, found %s",
                      val_kind_name[v->kind]);
}

Err *lower_tensor(Lower *l, Env *env, const Expr *e, Ref *out)
{
    Val v;
    const char *hint = l->hint;
    l->hint = NULL;
    TRY(lower_expr(l, env, e, &v));
    v.span = e->span;
    TRY(lower_as_tensor(l, env, &v, out));
    l->hint = hint;
    return NULL;
}

/* ---- statics ---- */

static Err *lower_static(Lower *l, Env *env, const Expr *e, Val *v)
{
    const char *hint = l->hint;
    l->hint = NULL;
    TRY(lower_expr(l, env, e, v));
    l->hint = hint;
    return NULL;
}

Err *lower_int(Lower *l, Env *env, const Expr *e, int64_t *out)
{
    Val v;
    TRY(lower_static(l, env, e, &v));
    if (v.kind != VAL_INT || v.dim.sym != SYM_ONE)
        return lower_fail(l, e->span, "expected a whole number, found %s",
                          v.kind == VAL_INT ? "a run-time extent"
                                            : val_kind_name[v.kind]);
    *out = v.dim.k;
    return NULL;
}

Err *lower_bool(Lower *l, Env *env, const Expr *e, bool *out)
{
    Val v;
    TRY(lower_static(l, env, e, &v));
    if (v.kind != VAL_BOOL)
        return lower_fail(l, e->span, "expected true or false, found %s",
                          val_kind_name[v.kind]);
    *out = v.b;
    return NULL;
}

bool lower_is_number(const Val *v)
{
    return v->kind == VAL_FLOAT ||
           (v->kind == VAL_INT && v->dim.sym == SYM_ONE);
}

double lower_number(const Val *v)
{
    return v->kind == VAL_INT ? (double)v->dim.k : v->f;
}

Err *lower_float(Lower *l, Env *env, const Expr *e, double *out)
{
    Val v;
    TRY(lower_static(l, env, e, &v));
    if (!lower_is_number(&v))
        return lower_fail(l, e->span, "expected a number, found %s",
                          v.kind == VAL_INT ? "a run-time extent"
                                            : val_kind_name[v.kind]);
    *out = lower_number(&v);
    return NULL;
}

Err *lower_dims(Lower *l, Env *env, Expr *const *e, int n, Dim *out)
{
    for (int i = 0; i < n; i++) {
        Val v;
        TRY(lower_static(l, env, e[i], &v));
        if (v.kind != VAL_INT)
            return lower_fail(l, e[i]->span, "expected an extent, found %s",
                              val_kind_name[v.kind]);
        if (v.dim.k < 1 || v.dim.k >= (int64_t)1 << 40)
            return lower_fail(l, e[i]->span,
                              "the extent is %lld, not between 1 and 2^40",
                              (long long)v.dim.k);
        out[i] = v.dim;
    }
    return NULL;
}

enum { MAX_STRING = 1000, CHARS_OF_STEP = 64 };

/* Strings in strings grow fast. */
static Err *check_length(Lower *l, const Expr *e, size_t n)
{
    if (n > MAX_STRING)
        return lower_fail(l, e->span, "the string is longer than %d bytes",
                          MAX_STRING);
    return lower_step(l, e->span, (int64_t)n / CHARS_OF_STEP);
}

static Err *eval_string(Lower *l, Env *env, const Expr *e, Val *out)
{
    Buf text = {0}, pattern = {0};
    Err *err = NULL;
    for (int i = 0; i < e->u.string.n_parts && !err; i++) {
        const StringPart *p = &e->u.string.parts[i];
        Val v;
        if (p->text) {
            buf_puts(&text, p->text);
            buf_puts(&pattern, p->text);
            continue;
        }
        err = lower_static(l, env, p->name, &v);
        if (!err && v.kind == VAL_INT && v.dim.sym == SYM_ONE) {
            buf_printf(&text, "%lld", (long long)v.dim.k);
            if (v.is_index)
                buf_puts(&pattern, "{i}");
            else
                buf_printf(&pattern, "%lld", (long long)v.dim.k);
        } else if (!err && v.kind == VAL_STRING) {
            buf_puts(&text, v.text);
            buf_puts(&pattern, v.pattern);
        } else if (!err) {
            err = lower_fail(l, e->span, "only numbers and strings go in {}");
        }
        if (!err)
            err = check_length(l, e, text.n);
    }
    out->text = arena_strndup(l->a, text.data ? text.data : "", text.n);
    out->pattern =
        arena_strndup(l->a, pattern.data ? pattern.data : "", pattern.n);
    out->kind = VAL_STRING;
    buf_free(&text);
    buf_free(&pattern);
    return err;
}

static Err *eval_name(Lower *l, Env *env, const Expr *e, Val *out)
{
    static const char symbols[] = "1TRC";
    switch (e->u.name.ref) {
    case REF_LOCAL: {
        const Val *v = lower_find(env, e->u.name.text);
        if (!v)
            return lower_fail(l, e->span, "%s has no value here",
                              e->u.name.text);
        *out = *v;
        return NULL;
    }
    case REF_PARAM:
        return lower_param(l, e->u.name.decl, out);
    case REF_SYMBOL:
        *out = (Val){.kind = VAL_INT};
        out->dim = dim_sym(
            (Sym)(strchr(symbols, e->u.name.symbol) - symbols));
        return NULL;
    case REF_FILE:
        *out = (Val){.kind = VAL_SCOPE, .text = "", .pattern = ""};
        return NULL;
    case REF_WORD:
        *out = (Val){.kind = VAL_WORD, .text = e->u.name.text};
        return NULL;
    case REF_STATE:
    case REF_NONE:
        break;
    }
    return lower_fail(l, e->span, "%s is no value", e->u.name.text);
}

static Err *eval_weight(Lower *l, Env *env, const Expr *e, Val *out)
{
    Val scope, *name = ARENA_NEW(l->a, Val);
    TRY(lower_static(l, env, e->u.weight.scope, &scope));
    if (scope.kind != VAL_SCOPE)
        return lower_fail(l, e->span, "expected a scope of weights");
    name->text = e->u.weight.name;
    *out = (Val){.kind = VAL_WEIGHT, .text = scope.text,
                 .pattern = scope.pattern, .item = name,
                 .n = e->u.weight.n_dims, .has_shape = e->u.weight.dims};
    if (out->n > MAX_RANK)
        return lower_fail(l, e->span, "a weight has at most %d axes", MAX_RANK);
    return out->has_shape
               ? lower_dims(l, env, e->u.weight.dims, out->n, out->shape)
               : NULL;
}

static Err *eval_state(Lower *l, Env *env, const Expr *e, Val *out)
{
    Val i, count;
    Env none = {0};
    const Decl *d = e->u.state.decl;
    TRY(lower_static(l, env, e->u.state.index, &i));
    TRY(lower_static(l, &none, d->u.state.count, &count));
    if (i.kind != VAL_INT || i.dim.sym != SYM_ONE || i.dim.k < 0 ||
        i.dim.k >= count.dim.k)
        return lower_fail(l, e->span, "%s has %lld slots; there is no slot %lld",
                          d->name.text, (long long)count.dim.k,
                          (long long)i.dim.k);
    Buf b = {0};
    if (i.is_index)
        buf_printf(&b, "%s[{i}]", d->name.text);
    else
        buf_printf(&b, "%s[%lld]", d->name.text, (long long)i.dim.k);
    *out = (Val){.kind = VAL_STATE, .decl = d,
                 .pattern = arena_strndup(l->a, b.data, b.n)};
    buf_free(&b);
    return NULL;
}

/* ---- operators ---- */

static Err *int_binary(Lower *l, const Expr *e, Dim a, Dim b, Dim *out)
{
    int64_t k = 0;
    bool bad = false;
    BinaryOp op = e->u.binary.op;
    if (a.sym != SYM_ONE || b.sym != SYM_ONE) {
        bool times = op == BINARY_MUL && (a.sym == SYM_ONE || b.sym == SYM_ONE);
        if (!times)
            return lower_fail(l, e->span,
                              "a run-time extent can only be multiplied");
    }
    if ((op == BINARY_DIV || op == BINARY_MOD) && b.k == 0)
        return lower_fail(l, e->span, "division by zero");
    if (op == BINARY_ADD)
        bad = __builtin_add_overflow(a.k, b.k, &k);
    else if (op == BINARY_SUB)
        bad = __builtin_sub_overflow(a.k, b.k, &k);
    else if (op == BINARY_MUL)
        bad = __builtin_mul_overflow(a.k, b.k, &k);
    else if (b.k == -1)
        bad = op == BINARY_DIV && __builtin_sub_overflow(0, a.k, &k);
    else
        k = op == BINARY_DIV ? a.k / b.k : a.k % b.k;
    if (bad)
        return lower_fail(l, e->span, "the number does not fit 64 bits");
    *out = (Dim){k, a.sym == SYM_ONE ? b.sym : a.sym};
    return NULL;
}

static Err *float_binary(Lower *l, const Expr *e, double a, double b,
                         double *out)
{
    switch ((int)e->u.binary.op) {
    case BINARY_ADD: *out = a + b; return NULL;
    case BINARY_SUB: *out = a - b; return NULL;
    case BINARY_MUL: *out = a * b; return NULL;
    case BINARY_DIV: *out = a / b; return NULL;
    case BINARY_MOD: *out = fmod(a, b); return NULL;
    default: return lower_fail(l, e->span, "no such operation on numbers");
    }
}

static bool holds(BinaryOp op, int order)
{
    switch ((int)op) {
    case BINARY_EQ: return order == 0;
    case BINARY_NE: return order != 0;
    case BINARY_LT: return order < 0;
    case BINARY_LE: return order <= 0;
    case BINARY_GT: return order > 0;
    default: return order >= 0;
    }
}

static Err *compare(Lower *l, const Expr *e, const Val *a, const Val *b,
                    bool *out)
{
    int c;
    if (a->kind == VAL_INT && b->kind == VAL_INT && lower_is_number(a) &&
        lower_is_number(b)) {
        c = (a->dim.k > b->dim.k) - (a->dim.k < b->dim.k);
    } else if (lower_is_number(a) && lower_is_number(b)) {
        double x = lower_number(a), y = lower_number(b);
        c = (x > y) - (x < y);
        if (x != x || y != y) { /* nothing but != holds of a NaN */
            *out = e->u.binary.op == BINARY_NE;
            return NULL;
        }
    } else if (a->kind == VAL_STRING && b->kind == VAL_STRING) {
        c = strcmp(a->text, b->text);
    } else if (a->kind == VAL_BOOL && b->kind == VAL_BOOL) {
        c = a->b - b->b;
    } else {
        return lower_fail(l, e->span, "%s and %s cannot be compared",
                          val_kind_name[a->kind], val_kind_name[b->kind]);
    }
    *out = holds(e->u.binary.op, c);
    return NULL;
}

static Err *tensor_binary(Lower *l, Env *env, const Expr *e, const Val *a,
                          const Val *b, Val *out)
{
    static const Op ops[BINARY_COUNT] = {
        [BINARY_ADD] = OP_add,
        [BINARY_SUB] = OP_sub,
        [BINARY_MUL] = OP_mul,
        [BINARY_DIV] = OP_div,
    };
    Ref arg[2];
    const char *hint = l->hint;
    if (!ops[e->u.binary.op])
        return lower_fail(l, e->span, "no such operation on tensors");
    l->hint = NULL;
    TRY(lower_as_tensor(l, env, a, &arg[0]));
    TRY(lower_as_tensor(l, env, b, &arg[1]));
    l->hint = hint;
    return lower_emit(l, env, e->span, ops[e->u.binary.op], 2, arg, NULL, out);
}

static Err *eval_logic(Lower *l, Env *env, const Expr *e, Val *out)
{
    *out = (Val){.kind = VAL_BOOL};
    TRY(lower_bool(l, env, e->u.binary.left, &out->b));
    if (out->b == (e->u.binary.op == BINARY_OR))
        return NULL; /* decided: has(x) and extent(x, 0) > 1 */
    return lower_bool(l, env, e->u.binary.right, &out->b);
}

static bool is_comparison(BinaryOp op)
{
    return op == BINARY_EQ || op == BINARY_NE || op == BINARY_LT ||
           op == BINARY_LE || op == BINARY_GT || op == BINARY_GE;
}

static Err *eval_binary(Lower *l, Env *env, const Expr *e, Val *out)
{
    BinaryOp op = e->u.binary.op;
    Val a, b;
    if (op == BINARY_AND || op == BINARY_OR)
        return eval_logic(l, env, e, out);
    TRY(lower_static(l, env, e->u.binary.left, &a));
    TRY(lower_static(l, env, e->u.binary.right, &b));
    a.span = e->u.binary.left->span;
    b.span = e->u.binary.right->span;
    *out = (Val){.kind = VAL_BOOL};
    if (is_comparison(op))
        return compare(l, e, &a, &b, &out->b);
    if (a.kind == VAL_INT && b.kind == VAL_INT) {
        out->kind = VAL_INT;
        return int_binary(l, e, a.dim, b.dim, &out->dim);
    }
    if (!lower_is_number(&a) || !lower_is_number(&b))
        return tensor_binary(l, env, e, &a, &b, out);
    out->kind = VAL_FLOAT;
    return float_binary(l, e, lower_number(&a), lower_number(&b), &out->f);
}

static Err *eval_unary(Lower *l, Env *env, const Expr *e, Val *out)
{
    Val v;
    Ref r;
    if (e->u.unary.op == UNARY_NOT) {
        *out = (Val){.kind = VAL_BOOL};
        TRY(lower_bool(l, env, e->u.unary.operand, &out->b));
        out->b = !out->b;
        return NULL;
    }
    TRY(lower_static(l, env, e->u.unary.operand, &v));
    if (lower_is_number(&v)) {
        *out = (Val){.kind = v.kind, .f = -v.f};
        return v.kind == VAL_FLOAT ||
                       !__builtin_sub_overflow(0, v.dim.k, &out->dim.k)
                   ? NULL
                   : lower_fail(l, e->span, "the number does not fit 64 bits");
    }
    v.span = e->span;
    TRY(lower_as_tensor(l, env, &v, &r));
    return lower_emit(l, env, e->span, OP_neg, 1, &r, NULL, out);
}

static Err *eval_if(Lower *l, Env *env, const Expr *e, Val *out)
{
    bool yes;
    TRY(lower_bool(l, env, e->u.cond.cond, &yes));
    return lower_expr(l, env, yes ? e->u.cond.then : e->u.cond.otherwise, out);
}

static Err *eval_list(Lower *l, Env *env, const Expr *e, Val *out)
{
    Val *item = ARENA_ARRAY(l->a, Val, e->u.list.n_items + 1);
    for (int i = 0; i < e->u.list.n_items; i++)
        TRY(lower_static(l, env, e->u.list.items[i], &item[i]));
    *out = (Val){.kind = VAL_LIST, .n = e->u.list.n_items, .item = item};
    return NULL;
}

static Err *eval_call(Lower *l, Env *env, const Expr *e, Val *out)
{
    if (e->u.call.callee == CALLEE_DECL)
        return lower_decl_call(l, env, e, out);
    if (e->u.call.callee == CALLEE_BUILTIN)
        return lower_builtin(l, env, e, out);
    return lower_fail(l, e->span, "nothing to call");
}

static Err *eval(Lower *l, Env *env, const Expr *e, Val *out)
{
    *out = (Val){.span = e->span};
    switch (e->kind) {
    case EXPR_INT:
        *out = (Val){.kind = VAL_INT, .dim = dim_const(e->u.integer)};
        break;
    case EXPR_FLOAT:
        *out = (Val){.kind = VAL_FLOAT, .f = e->u.real};
        break;
    case EXPR_BOOL:
        *out = (Val){.kind = VAL_BOOL, .b = e->u.truth};
        break;
    case EXPR_STRING:
        return eval_string(l, env, e, out);
    case EXPR_NAME:
        return eval_name(l, env, e, out);
    case EXPR_UNARY:
        return eval_unary(l, env, e, out);
    case EXPR_BINARY:
        return eval_binary(l, env, e, out);
    case EXPR_IF:
        return eval_if(l, env, e, out);
    case EXPR_CALL:
        return eval_call(l, env, e, out);
    case EXPR_WEIGHT:
        TRY(eval_weight(l, env, e, out));
        break;
    case EXPR_STATE:
        return eval_state(l, env, e, out);
    case EXPR_LIST:
        return eval_list(l, env, e, out);
    case EXPR_ERROR:
        return lower_fail(l, e->span, "the text has errors");
    }
    out->span = e->span;
    return NULL;
}

Err *lower_expr(Lower *l, Env *env, const Expr *e, Val *out)
{
    TRY(lower_step(l, e->span, 1));
    if (l->depth == MAX_DEPTH)
        return lower_fail(l, e->span, "nested more than %d deep", MAX_DEPTH);
    l->depth++;
    Err *err = eval(l, env, e, out);
    l->depth--;
    return err;
}
