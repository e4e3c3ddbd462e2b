/* lower_call.c - builtins: one small function for each that is more than an
 * op with tensor arguments. */
#include "compiler/lower_int.h"

#include <math.h>
#include <string.h>

typedef struct {
    Lower *l;
    Env *env;
    const Expr *call;
} Call;

static Err *tensor_slot(const Call *c, const char *slot, Ref *out)
{
    return lower_tensor(c->l, c->env, ast_arg(c->call, slot), out);
}

static Err *emit(const Call *c, Op op, int n, const Ref *args,
                 const Attr *attrs, Val *out)
{
    return lower_emit(c->l, c->env, c->call->span, op, n, args, attrs, out);
}

static const Type *type_of(const Call *c, Ref r)
{
    return &c->env->g->node[r].type;
}

static Err *emit_node(const Call *c, Node n, Val *out)
{
    Type made;
    Err *e = infer_type(c->env->g, &n, &made);
    if (e) {
        Err *told = lower_fail(c->l, c->call->span, "%s", err_text(e));
        err_free(e);
        return told;
    }
    n.type = made;
    *out = (Val){.kind = VAL_TENSOR, .ref = graph_add(c->env->g, n),
                 .span = c->call->span};
    return NULL;
}

/* Ops whose type the builder must name. */
static Err *emit_typed(const Call *c, Op op, Ref x, const Type *t, Attr attr,
                       Val *out)
{
    Node n = {.op = op, .n_args = 1, .arg = {x}, .attr = {attr}, .type = *t};
    n.name = c->l->hint ? c->l->hint : op_info(op)->name;
    return emit_node(c, n, out);
}

/* ---- static ---- */

static const char *meta_key(const Call *c, const char *key)
{
    Buf b = {0};
    bool whole = strncmp(key, "general.", 8) == 0 ||
                 strncmp(key, "tokenizer.", 10) == 0;
    buf_printf(&b, "%s%s%s", whole ? "" : c->l->arch, whole ? "" : ".", key);
    const char *s = arena_strndup(c->l->a, b.data, b.n);
    buf_free(&b);
    return s;
}

static Val meta_element(const MetaValue *m, int64_t i)
{
    switch (m->kind) {
    case META_INT:
        return (Val){.kind = VAL_INT, .dim = dim_const(m->ints[i])};
    case META_BOOL:
        return (Val){.kind = VAL_BOOL, .b = m->ints[i] != 0};
    case META_FLOAT:
        return (Val){.kind = VAL_FLOAT, .f = m->floats[i]};
    case META_STRING:
        break;
    }
    return (Val){.kind = VAL_STRING, .text = m->strings[i],
                 .pattern = m->strings[i]};
}

static bool same_element(const MetaValue *m, int64_t i)
{
    switch (m->kind) {
    case META_INT:
    case META_BOOL:
        return m->ints[i] == m->ints[0];
    case META_FLOAT:
        return m->floats[i] == m->floats[0];
    case META_STRING:
        break;
    }
    return strcmp(m->strings[i], m->strings[0]) == 0;
}

static Err *find_meta(const Call *c, const MetaValue **m, const char **key)
{
    Val k;
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, "key"), &k));
    *key = meta_key(c, k.text);
    *m = model_meta(c->l->o->model, *key);
    return NULL;
}

static Err *meta_absent(const Call *c, const char *key, Val *out)
{
    const Expr *fallback = ast_arg(c->call, "default");
    if (fallback)
        return lower_expr(c->l, c->env, fallback, out);
    return lower_fail(c->l, c->call->span, "%s has no metadata %s",
                      c->l->o->model->path, key);
}

static Err *call_meta(const Call *c, Val *out)
{
    const MetaValue *m;
    const char *key;
    TRY(find_meta(c, &m, &key));
    if (!m || m->n == 0)
        return meta_absent(c, key, out);
    for (int64_t i = 1; i < m->n; i++)
        if (!same_element(m, i))
            return lower_fail(c->l, c->call->span,
                              "%s differs from element to element; "
                              "meta_at reads one",
                              key);
    *out = meta_element(m, 0);
    return NULL;
}

static Err *call_meta_at(const Call *c, Val *out)
{
    const MetaValue *m;
    const char *key;
    int64_t i;
    TRY(find_meta(c, &m, &key));
    TRY(lower_int(c->l, c->env, ast_arg(c->call, "at"), &i));
    if (!m || m->n == 0)
        return meta_absent(c, key, out);
    if (!m->is_array)
        i = 0;
    if (i < 0 || i >= m->n)
        return lower_fail(c->l, c->call->span,
                          "%s has %lld elements; there is no element %lld",
                          key, (long long)m->n, (long long)i);
    *out = meta_element(m, i);
    return NULL;
}

static Err *call_has_meta(const Call *c, Val *out)
{
    const MetaValue *m;
    const char *key;
    TRY(find_meta(c, &m, &key));
    *out = (Val){.kind = VAL_BOOL, .b = m != NULL};
    return NULL;
}

static Err *weight_slot(const Call *c, const TensorInfo **t, const char **name)
{
    Val w;
    const char *pattern;
    const Expr *e = ast_arg(c->call, "weight");
    TRY(lower_expr(c->l, c->env, e, &w));
    if (w.kind != VAL_WEIGHT)
        return lower_fail(c->l, e->span, "expected a weight");
    *t = lower_find_tensor(c->l, &w, name, &pattern);
    return NULL;
}

static Err *call_has(const Call *c, Val *out)
{
    const TensorInfo *t;
    const char *name;
    TRY(weight_slot(c, &t, &name));
    *out = (Val){.kind = VAL_BOOL, .b = t != NULL};
    return NULL;
}

static Err *call_extent(const Call *c, Val *out)
{
    const TensorInfo *t;
    const char *name;
    int64_t axis;
    TRY(weight_slot(c, &t, &name));
    TRY(lower_int(c->l, c->env, ast_arg(c->call, "axis"), &axis));
    if (!t)
        return lower_fail(c->l, c->call->span, "%s has no tensor %s",
                          c->l->o->model->path, name);
    if (axis < 0)
        return lower_fail(c->l, c->call->span, "axes count from 0");
    *out = (Val){.kind = VAL_INT,
                 .dim = dim_const(axis < t->rank ? t->ne[axis] : 1)};
    return NULL;
}

static Err *call_weights(const Call *c, Val *out)
{
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, "prefix"), out));
    out->kind = VAL_SCOPE;
    return NULL;
}

/* ---- plain ops ---- */

static Err *call_op(const Call *c, Op op, const char *const *slots, Val *out)
{
    Ref arg[MAX_ARGS];
    int n = 0;
    for (; slots[n]; n++)
        TRY(tensor_slot(c, slots[n], &arg[n]));
    return emit(c, op, n, arg, NULL, out);
}

#define PLAIN(name, ...)                                                       \
    static Err *call_##name(const Call *c, Val *out)                           \
    {                                                                          \
        return call_op(c, OP_##name,                                           \
                       (const char *const[]){__VA_ARGS__, NULL}, out);         \
    }
PLAIN(rows, "x", "indices")
PLAIN(silu, "x")
PLAIN(sigmoid, "x")
PLAIN(softplus, "x")
PLAIN(exp, "x")
PLAIN(log, "x")
PLAIN(tanh, "x")
PLAIN(relu, "x")
PLAIN(gelu, "x")
PLAIN(gelu_tanh, "x")
PLAIN(abs, "x")
PLAIN(square, "x")
PLAIN(sum, "x")
PLAIN(mean, "x")
PLAIN(softmax, "x")
PLAIN(concat, "a", "b")
PLAIN(take, "x", "ids")
PLAIN(combine, "y", "w")
#undef PLAIN

/* ---- products, times the factors that a file may have beside a matrix ---- */

static Err *scaled_emit(const Call *c, Op op, int n, const Ref *arg, Ref scale,
                        Val *out)
{
    const char *hint = c->l->hint;
    if (scale == NO_REF)
        return emit(c, op, n, arg, NULL, out);
    c->l->hint = NULL;
    TRY(emit(c, op, n, arg, NULL, out));
    c->l->hint = hint;
    return emit(c, OP_mul, 2, (Ref[]){out->ref, scale}, NULL, out);
}

static Err *call_embed(const Call *c, Val *out)
{
    Ref arg[2], scale;
    TRY(tensor_slot(c, "table", &arg[0]));
    TRY(tensor_slot(c, "ids", &arg[1]));
    TRY(lower_scale(c->l, c->env, c->call->span, arg[0], 1, &scale));
    return scaled_emit(c, OP_embed, 2, arg, scale, out);
}

/* The factors [T,k,1] of the experts that ids choose; NO_REF: there are none. */
static Err *experts_scale(const Call *c, Ref w, Ref ids, Ref *out)
{
    Val v;
    const char *hint = c->l->hint;
    const Type *of_w = type_of(c, w), *of_ids = type_of(c, ids);
    *out = NO_REF;
    if (of_w->rank != 3 || of_ids->rank != 2)
        return NULL; /* the product will say so */
    Type t = type_make(BT_f32, 3,
                       (Dim[]){of_ids->dim[0], of_ids->dim[1], dim_const(1)});
    TRY(lower_scale(c->l, c->env, c->call->span, w, of_w->dim[2].k, out));
    if (*out == NO_REF)
        return NULL;
    c->l->hint = NULL;
    TRY(emit(c, OP_take, 2, (Ref[]){*out, ids}, NULL, &v));
    TRY(emit_typed(c, OP_reshape, v.ref, &t, (Attr){0}, &v));
    c->l->hint = hint;
    *out = v.ref;
    return NULL;
}

static Err *call_matmul(const Call *c, Val *out)
{
    Ref arg[3], scale;
    TRY(tensor_slot(c, "x", &arg[0]));
    TRY(tensor_slot(c, "w", &arg[1]));
    if (!ast_arg(c->call, "experts")) {
        TRY(lower_scale(c->l, c->env, c->call->span, arg[1], 1, &scale));
        return scaled_emit(c, OP_matmul, 2, arg, scale, out);
    }
    TRY(tensor_slot(c, "experts", &arg[2]));
    TRY(experts_scale(c, arg[1], arg[2], &scale));
    return scaled_emit(c, OP_matmul_experts, 3, arg, scale, out);
}

/* Of two numbers a number, else a tensor. */
static Err *call_minmax(const Call *c, Op op, Val *out)
{
    Val a, b;
    Ref arg[2];
    const char *hint = c->l->hint;
    c->l->hint = NULL;
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, "a"), &a));
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, "b"), &b));
    if (lower_is_number(&a) && lower_is_number(&b)) {
        double x = lower_number(&a), y = lower_number(&b);
        *out = (Val){.kind = VAL_FLOAT,
                     .f = op == OP_max ? fmax(x, y) : fmin(x, y)};
        if (a.kind == VAL_INT && b.kind == VAL_INT)
            *out = (Val){.kind = VAL_INT,
                         .dim = (a.dim.k > b.dim.k) == (op == OP_max) ? a.dim
                                                                      : b.dim};
        return NULL;
    }
    TRY(lower_as_tensor(c->l, c->env, &a, &arg[0]));
    TRY(lower_as_tensor(c->l, c->env, &b, &arg[1]));
    c->l->hint = hint;
    return emit(c, op, 2, arg, NULL, out);
}

static Err *call_max(const Call *c, Val *out)
{
    return call_minmax(c, OP_max, out);
}
static Err *call_min(const Call *c, Val *out)
{
    return call_minmax(c, OP_min, out);
}

static Err *call_sqrt(const Call *c, Val *out)
{
    Val v;
    Ref r;
    const char *hint = c->l->hint;
    c->l->hint = NULL;
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, "x"), &v));
    if (lower_is_number(&v)) {
        *out = (Val){.kind = VAL_FLOAT, .f = sqrt(lower_number(&v))};
        return NULL;
    }
    TRY(lower_as_tensor(c->l, c->env, &v, &r));
    c->l->hint = hint;
    return emit(c, OP_sqrt, 1, &r, NULL, out);
}

/* ---- ops with attributes ---- */

static Err *call_rmsnorm(const Call *c, Val *out)
{
    Ref arg[2];
    Attr eps = {0};
    int n = 1;
    TRY(tensor_slot(c, "x", &arg[0]));
    if (ast_arg(c->call, "w"))
        TRY(tensor_slot(c, "w", &arg[n++]));
    TRY(lower_float(c->l, c->env, ast_arg(c->call, "eps"), &eps.f));
    return emit(c, OP_rmsnorm, n, arg, &eps, out);
}

static Err *call_l2norm(const Call *c, Val *out)
{
    Ref x;
    Attr eps = {0};
    TRY(tensor_slot(c, "x", &x));
    TRY(lower_float(c->l, c->env, ast_arg(c->call, "eps"), &eps.f));
    return emit(c, OP_l2norm, 1, &x, &eps, out);
}

static int64_t choice(Op op, int attr, const char *word)
{
    const AttrInfo *a = &op_info(op)->attr[attr];
    for (int i = 0; i < a->n_choices; i++)
        if (strcmp(a->choice[i], word) == 0)
            return i;
    return 0;
}

static Err *call_rope(const Call *c, Val *out)
{
    Ref arg[3];
    Attr attr[MAX_ATTRS] = {{0}};
    int n = 2;
    TRY(tensor_slot(c, "x", &arg[0]));
    TRY(tensor_slot(c, "positions", &arg[1]));
    if (ast_arg(c->call, "factors"))
        TRY(tensor_slot(c, "factors", &arg[n++]));
    TRY(lower_int(c->l, c->env, ast_arg(c->call, "dims"),
                  &attr[ATTR_rope_dims].i));
    TRY(lower_float(c->l, c->env, ast_arg(c->call, "theta"),
                    &attr[ATTR_rope_theta].f));
    attr[ATTR_rope_stretch].f = 1;
    if (ast_arg(c->call, "stretch"))
        TRY(lower_float(c->l, c->env, ast_arg(c->call, "stretch"),
                        &attr[ATTR_rope_stretch].f));
    attr[ATTR_rope_pairing].i =
        choice(OP_rope, ATTR_rope_pairing, ast_word(c->call, "pairing"));
    return emit(c, OP_rope, n, arg, attr, out);
}

static Err *call_attention(const Call *c, Val *out)
{
    Ref arg[3];
    Attr scale = {0};
    TRY(tensor_slot(c, "q", &arg[0]));
    TRY(tensor_slot(c, "k", &arg[1]));
    TRY(tensor_slot(c, "v", &arg[2]));
    TRY(lower_float(c->l, c->env, ast_arg(c->call, "scale"), &scale.f));
    return emit(c, OP_attention, 3, arg, &scale, out);
}

/* ---- states ---- */

static BlockType storage(const Call *c, const Decl *d)
{
    switch (d->u.state.store) {
    case STORE_KEY:
        return c->l->o->key_type;
    case STORE_VALUE:
        return c->l->o->value_type;
    case STORE_FIXED:
        break;
    }
    return BT_f32;
}

static Err *state_type(const Call *c, const Decl *d, Type *t)
{
    Env none = {0};
    int rows = d->u.state.store != STORE_FIXED;
    *t = (Type){.dtype = storage(c, d), .rank = d->u.state.n_dims + rows};
    if (!block_encode(t->dtype, NULL, 0, NULL))
        return lower_fail(c->l, d->span, "a state cannot be stored as %s",
                          block_info[t->dtype].name);
    if (t->rank > MAX_RANK)
        return lower_fail(c->l, d->span, "a state has too many axes");
    if (rows)
        t->dim[0] = dim_sym(SYM_C);
    TRY(lower_dims(c->l, &none, d->u.state.dims, d->u.state.n_dims,
                   t->dim + rows));
    if (type_last(t) % block_info[t->dtype].elems)
        return lower_fail(c->l, d->span,
                          "rows of %lld values cannot be stored as %s, whose "
                          "blocks hold %d; choose another --kv",
                          (long long)type_last(t), block_info[t->dtype].name,
                          block_info[t->dtype].elems);
    return NULL;
}

static Err *state_slot(const Call *c, const char *slot, Ref *out)
{
    Val s;
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, slot), &s));
    Node n = {.op = OP_state, .name = s.decl->name.text, .text = s.pattern};
    TRY(state_type(c, s.decl, &n.type));
    *out = graph_add(c->env->g, n);
    return NULL;
}

static Err *call_append(const Call *c, Val *out)
{
    Ref arg[2];
    TRY(tensor_slot(c, "x", &arg[0]));
    TRY(state_slot(c, "to", &arg[1]));
    return emit(c, OP_append, 2, arg, NULL, out);
}

static Err *call_causal_conv1d(const Call *c, Val *out)
{
    Ref arg[3];
    TRY(tensor_slot(c, "x", &arg[0]));
    TRY(tensor_slot(c, "w", &arg[1]));
    TRY(state_slot(c, "state", &arg[2]));
    return emit(c, OP_causal_conv1d, 3, arg, NULL, out);
}

static Err *call_delta_rule(const Call *c, Val *out)
{
    static const char *const slots[] = {"q", "k", "v", "beta", "g"};
    Ref arg[6];
    Attr attr[MAX_ATTRS] = {{0}};
    for (int i = 0; i < 5; i++)
        TRY(tensor_slot(c, slots[i], &arg[i]));
    TRY(state_slot(c, "state", &arg[5]));
    attr[ATTR_delta_heads].i =
        choice(OP_delta_rule, ATTR_delta_heads, ast_word(c->call, "heads"));
    return emit(c, OP_delta_rule, 6, arg, attr, out);
}

/* ---- shapes ---- */

static Err *list_dims(const Call *c, const Expr *e, Dim *out, int *n)
{
    Val v;
    TRY(lower_expr(c->l, c->env, e, &v));
    if (v.kind != VAL_LIST || v.n > MAX_RANK)
        return lower_fail(c->l, e->span, "expected a list of at most %d extents",
                          MAX_RANK);
    *n = v.n;
    for (int i = 0; i < v.n; i++) {
        if (v.item[i].kind != VAL_INT || v.item[i].dim.k < 1)
            return lower_fail(c->l, e->span, "extents are positive numbers");
        out[i] = v.item[i].dim;
    }
    return NULL;
}

static Err *call_reshape(const Call *c, Val *out)
{
    Ref x;
    Type t = {0};
    TRY(tensor_slot(c, "x", &x));
    TRY(list_dims(c, ast_arg(c->call, "dims"), t.dim, &t.rank));
    return emit_typed(c, OP_reshape, x, &t, (Attr){0}, out);
}

static Err *slice_at(const Call *c, Ref x, int64_t begin, int64_t size,
                     Val *out)
{
    Type t = *type_of(c, x);
    t.dim[t.rank - 1] = dim_const(size);
    return emit_typed(c, OP_slice, x, &t, (Attr){.i = begin}, out);
}

static Err *call_slice(const Call *c, Val *out)
{
    Ref x;
    int64_t begin, size;
    TRY(tensor_slot(c, "x", &x));
    TRY(lower_int(c->l, c->env, ast_arg(c->call, "begin"), &begin));
    TRY(lower_int(c->l, c->env, ast_arg(c->call, "size"), &size));
    return slice_at(c, x, begin, size, out);
}

/* One group of split: columns [begin, begin + product), last axis unfolded. */
static Err *split_group(const Call *c, Ref x, const Expr *group,
                        int64_t *begin, Val *out)
{
    Dim dims[MAX_RANK];
    int n;
    int64_t size = 1;
    TRY(list_dims(c, group, dims, &n));
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(size, dims[i].k, &size))
            return lower_fail(c->l, group->span, "the group is too large");
    TRY(slice_at(c, x, *begin, size, out));
    *begin += size;
    Type t = *type_of(c, out->ref);
    if (n == 1)
        return NULL;
    if (t.rank - 1 + n > MAX_RANK)
        return lower_fail(c->l, group->span, "more than %d axes", MAX_RANK);
    for (int i = 0; i < n; i++)
        t.dim[t.rank - 1 + i] = dims[i];
    t.rank += n - 1;
    return emit_typed(c, OP_reshape, out->ref, &t, (Attr){0}, out);
}

static Err *call_split(const Call *c, Val *out)
{
    const Expr *call = c->call;
    const Ident *names = c->l->hints;
    Ref x;
    int64_t begin = 0;
    c->l->hints = NULL;
    TRY(tensor_slot(c, "x", &x));
    int n = call->u.call.n_slots - 1;
    Val *item = ARENA_ARRAY(c->l->a, Val, n + 1);
    for (int i = 0; i < n; i++) {
        c->l->hint = names ? names[i].text : NULL;
        TRY(split_group(c, x, call->u.call.slots[i + 1], &begin, &item[i]));
    }
    if (begin != type_last(type_of(c, x)))
        return lower_fail(c->l, call->span,
                          "the groups hold %lld values, the axis %lld",
                          (long long)begin,
                          (long long)type_last(type_of(c, x)));
    *out = (Val){.kind = VAL_TUPLE, .n = n, .item = item};
    return NULL;
}

static Err *call_topk(const Call *c, Val *out)
{
    Ref x;
    int64_t k;
    TRY(tensor_slot(c, "x", &x));
    TRY(lower_int(c->l, c->env, ast_arg(c->call, "k"), &k));
    Type t = *type_of(c, x);
    t.dim[t.rank - 1] = dim_const(k);
    return emit_typed(c, OP_topk, x, &t, (Attr){0}, out);
}

static Err *call_tap(const Call *c, Val *out)
{
    Ref x;
    Val name;
    int64_t index = 0;
    TRY(tensor_slot(c, "x", &x));
    TRY(lower_expr(c->l, c->env, ast_arg(c->call, "name"), &name));
    if (ast_arg(c->call, "at"))
        TRY(lower_int(c->l, c->env, ast_arg(c->call, "at"), &index));
    Node n = {.op = OP_tap, .n_args = 1, .arg = {x}, .text = name.text,
              .name = "tap"};
    n.attr[ATTR_index].i = index;
    return emit_node(c, n, out);
}

/* ---- the table ---- */

typedef Err *CallFn(const Call *c, Val *out);

static CallFn *const calls[BUILTIN_COUNT] = {
    [BUILTIN_META] = call_meta,
    [BUILTIN_META_AT] = call_meta_at,
    [BUILTIN_HAS_META] = call_has_meta,
    [BUILTIN_EXTENT] = call_extent,
    [BUILTIN_HAS] = call_has,
    [BUILTIN_WEIGHTS] = call_weights,
    [BUILTIN_EMBED] = call_embed,
    [BUILTIN_ROWS] = call_rows,
    [BUILTIN_MATMUL] = call_matmul,
    [BUILTIN_MAX] = call_max,
    [BUILTIN_MIN] = call_min,
    [BUILTIN_SQRT] = call_sqrt,
    [BUILTIN_SILU] = call_silu,
    [BUILTIN_SIGMOID] = call_sigmoid,
    [BUILTIN_SOFTPLUS] = call_softplus,
    [BUILTIN_EXP] = call_exp,
    [BUILTIN_LOG] = call_log,
    [BUILTIN_TANH] = call_tanh,
    [BUILTIN_RELU] = call_relu,
    [BUILTIN_GELU] = call_gelu,
    [BUILTIN_GELU_TANH] = call_gelu_tanh,
    [BUILTIN_ABS] = call_abs,
    [BUILTIN_SQUARE] = call_square,
    [BUILTIN_SUM] = call_sum,
    [BUILTIN_MEAN] = call_mean,
    [BUILTIN_SOFTMAX] = call_softmax,
    [BUILTIN_RMSNORM] = call_rmsnorm,
    [BUILTIN_L2NORM] = call_l2norm,
    [BUILTIN_RESHAPE] = call_reshape,
    [BUILTIN_SPLIT] = call_split,
    [BUILTIN_SLICE] = call_slice,
    [BUILTIN_CONCAT] = call_concat,
    [BUILTIN_ROPE] = call_rope,
    [BUILTIN_APPEND] = call_append,
    [BUILTIN_ATTENTION] = call_attention,
    [BUILTIN_CAUSAL_CONV1D] = call_causal_conv1d,
    [BUILTIN_DELTA_RULE] = call_delta_rule,
    [BUILTIN_TOPK] = call_topk,
    [BUILTIN_TAKE] = call_take,
    [BUILTIN_COMBINE] = call_combine,
    [BUILTIN_TAP] = call_tap,
};

Err *lower_builtin(Lower *l, Env *env, const Expr *call, Val *out)
{
    Call c = {l, env, call};
    const char *hint = l->hint;
    if (!calls[call->u.call.builtin])
        return lower_fail(l, call->span, "%s cannot be lowered",
                          ast_builtin_name(call->u.call.builtin));
    Err *e = calls[call->u.call.builtin](&c, out);
    l->hint = hint;
    return e;
}
