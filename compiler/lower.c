#include "compiler/lower_int.h"

#include <stdarg.h>
#include <string.h>

/* The largest models take some ten thousand. */
enum { MAX_STEPS = 1000000, STEPS_OF_CALL = 16 };

Err *lower_fail(Lower *l, Span at, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(l->d, at, "%s", text);
    return err_new(ERR_INPUT, "%s", text);
}

Err *lower_step(Lower *l, Span at, int64_t cost)
{
    l->steps += cost;
    return l->steps <= MAX_STEPS
               ? NULL
               : lower_fail(l, at, "after %d steps the text has not ended",
                            MAX_STEPS);
}

/* ---- names ---- */

const Val *lower_find(const Env *env, const char *name)
{
    return names_get(&env->names, name);
}

void lower_bind(Lower *l, Env *env, const char *name, const Val *v)
{
    NameEntry *e = names_entry(&env->names, name);
    Val *to = e->value ? e->value : ARENA_NEW(l->a, Val);
    *to = *v;
    e->value = to;
}

/* ---- params ---- */

static Err *convert_param(Lower *l, const Decl *d, Val *v)
{
    TypeKind want = d->u.param.type.kind;
    if (want == TYPE_FLOAT && lower_is_number(v))
        *v = (Val){.kind = VAL_FLOAT, .f = lower_number(v)};
    ValKind kind = want == TYPE_INT      ? VAL_INT
                   : want == TYPE_FLOAT  ? VAL_FLOAT
                   : want == TYPE_BOOL   ? VAL_BOOL
                   : want == TYPE_STRING ? VAL_STRING
                                         : VAL_KIND_COUNT;
    return v->kind == kind
               ? NULL
               : lower_fail(l, d->u.param.value->span,
                            "%s comes to %s, which is not what it is declared "
                            "as",
                            d->name.text, val_kind_name[v->kind]);
}

Err *lower_param(Lower *l, const Decl *d, Val *out)
{
    Env none = {0};
    Val *known = names_get(&l->params, d->name.text);
    if (!known) {
        known = ARENA_NEW(l->a, Val);
        TRY(lower_expr(l, &none, d->u.param.value, known));
        TRY(convert_param(l, d, known));
        names_entry(&l->params, d->name.text)->value = known;
    }
    *out = *known;
    return NULL;
}

static Err *check_require(Lower *l, const Decl *d)
{
    Env none = {0};
    Val text;
    bool holds;
    TRY(lower_bool(l, &none, d->u.require.cond, &holds));
    if (holds)
        return NULL;
    TRY(lower_expr(l, &none, d->u.require.message, &text));
    return lower_fail(l, d->u.require.cond->span, "%s", text.text);
}

/* ---- statements ---- */

static Err *run_block(Lower *l, Env *env, const Block *b);

static Err *run_bind(Lower *l, Env *env, const Stmt *s)
{
    Val v;
    int n = s->u.bind.n_names;
    l->hint = s->u.bind.names[0].text;
    l->hints = n > 1 ? s->u.bind.names : NULL;
    TRY(lower_expr(l, env, s->u.bind.value, &v));
    l->hint = NULL;
    l->hints = NULL;
    if (n == 1) {
        lower_bind(l, env, s->u.bind.names[0].text, &v);
        return NULL;
    }
    if (v.kind != VAL_TUPLE || v.n != n)
        return lower_fail(l, s->span, "%d names for %d results", n,
                          v.kind == VAL_TUPLE ? v.n : 1);
    for (int i = 0; i < n; i++)
        lower_bind(l, env, s->u.bind.names[i].text, &v.item[i]);
    return NULL;
}

static Err *run_return(Lower *l, Env *env, const Stmt *s)
{
    int n = s->u.ret.n_values;
    Val *item = ARENA_ARRAY(l->a, Val, n);
    for (int i = 0; i < n; i++) {
        l->hint = n == 1 ? env->hint : NULL;
        TRY(lower_expr(l, env, s->u.ret.values[i], &item[i]));
    }
    l->hint = NULL;
    env->result = n == 1 ? item[0]
                         : (Val){.kind = VAL_TUPLE, .n = n, .item = item};
    env->returned = true;
    return NULL;
}

static Err *run_for(Lower *l, Env *env, const Stmt *s)
{
    int64_t from, to;
    TRY(lower_int(l, env, s->u.loop.from, &from));
    TRY(lower_int(l, env, s->u.loop.to, &to));
    for (int64_t i = from; i < to && !env->returned; i++) {
        Val v = {.kind = VAL_INT, .dim = dim_const(i)};
        TRY(lower_step(l, s->span, 1));
        lower_bind(l, env, s->u.loop.name.text, &v);
        TRY(run_block(l, env, &s->u.loop.body));
    }
    return NULL;
}

static Err *run_if(Lower *l, Env *env, const Stmt *s)
{
    bool yes;
    TRY(lower_bool(l, env, s->u.cond.cond, &yes));
    if (yes)
        return run_block(l, env, &s->u.cond.then);
    return s->u.cond.has_else ? run_block(l, env, &s->u.cond.otherwise) : NULL;
}

static Err *run_stmt(Lower *l, Env *env, const Stmt *s)
{
    switch (s->kind) {
    case STMT_BIND:
        return run_bind(l, env, s);
    case STMT_RETURN:
        return run_return(l, env, s);
    case STMT_FOR:
        return run_for(l, env, s);
    case STMT_IF:
        return run_if(l, env, s);
    }
    return NULL;
}

static Err *run_block(Lower *l, Env *env, const Block *b)
{
    for (int i = 0; i < b->n && !env->returned; i++)
        TRY(run_stmt(l, env, b->items[i]));
    return NULL;
}

/* ---- functions ---- */

static Err *bind_dim_vars(Lower *l, Env *env, const Decl *d, Span at)
{
    for (int i = 0; i < d->u.fn.n_vars; i++) {
        const DimVar *var = &d->u.fn.vars[i];
        const Val *p = lower_find(env, d->u.fn.params[var->param].name.text);
        if (!p || p->kind != VAL_TENSOR ||
            var->axis >= env->g->node[p->ref].type.rank)
            return lower_fail(l, at, "cannot tell the extent %s",
                              var->name.text);
        Val v = {.kind = VAL_INT,
                 .dim = env->g->node[p->ref].type.dim[var->axis]};
        lower_bind(l, env, var->name.text, &v);
    }
    return NULL;
}

/* A number handed to a float parameter is a float inside, the bare name of a
 * weight handed to a scope parameter the scope of that name. */
static void convert_arg(Lower *l, const Field *p, Val *v)
{
    if (p->type.kind == TYPE_FLOAT && lower_is_number(v))
        *v = (Val){.kind = VAL_FLOAT, .f = lower_number(v), .span = v->span};
    if (p->type.kind == TYPE_WEIGHTS && v->kind == VAL_WEIGHT)
        *v = lower_scope(l, v);
}

static Err *eval_args(Lower *l, Env *env, const Expr *call, Val *out)
{
    const Decl *d = call->u.call.decl;
    for (int i = 0; i < d->u.fn.n_params; i++) {
        const Field *p = &d->u.fn.params[i];
        const Expr *e = call->u.call.slots[i];
        TRY(lower_expr(l, env, e, &out[i]));
        convert_arg(l, p, &out[i]);
        if (p->type.kind == TYPE_TENSOR && out[i].kind != VAL_TENSOR) {
            Ref r;
            TRY(lower_as_tensor(l, env, &out[i], &r));
            out[i] = (Val){.kind = VAL_TENSOR, .ref = r, .span = e->span};
        }
    }
    return NULL;
}

static Err *run_body(Lower *l, Env *env, const Decl *d, Span at)
{
    TRY(bind_dim_vars(l, env, d, at));
    TRY(run_block(l, env, &d->u.fn.body));
    return env->returned ? NULL
                         : lower_fail(l, d->span, "%s returns nothing",
                                      d->name.text);
}

static Err *call_fn(Lower *l, Env *env, const Expr *call, const Val *arg,
                    const char *hint, Val *out)
{
    const Decl *d = call->u.call.decl;
    Env inner = {.g = env->g, .weights = env->weights, .names = {.a = l->a},
                 .hint = hint};
    for (int i = 0; i < d->u.fn.n_params; i++)
        lower_bind(l, &inner, d->u.fn.params[i].name.text, &arg[i]);
    TRY(run_body(l, &inner, d, call->span));
    *out = inner.result;
    return NULL;
}

/* ---- layers ---- */

/* "foo", "foo.1".. */
static const char *instance_name(Lower *l, const Decl *d)
{
    NameEntry *count = names_entry(&l->layers, d->name.text);
    int same = count->stamp++;
    if (!same)
        return d->name.text;
    Buf b = {0};
    buf_printf(&b, "%s.%d", d->name.text, same);
    const char *name = arena_strndup(l->a, b.data, b.n);
    buf_free(&b);
    return name;
}

/* The instance that this graph equals, or a new one named after the layer.
 * The text names the layer too, so graphs of two layers differ. */
static Graph *layer_instance(Lower *l, const Decl *d, Graph *g)
{
    NameEntry *e = names_entry(&l->layers, graph_text(l->a, g));
    if (!e->value) {
        e->value = g;
        g->name = instance_name(l, d);
        module_append(l->m, g);
    }
    return e->value;
}

/* The parameter that {i} stands for, -1 if there is none.  A second index is
 * a number like any other. */
static int index_param(const Decl *d)
{
    for (int i = 0; i < d->u.fn.n_params; i++)
        if (d->u.fn.params[i].type.kind == TYPE_INDEX)
            return i;
    return -1;
}

static Env graph_env(Lower *l, Graph *g)
{
    Names *weights = ARENA_NEW(l->a, Names);
    weights->a = l->a;
    return (Env){.g = g, .weights = weights, .names = {.a = l->a}};
}

static Graph *layer_graph(Lower *l, Env *env, const Decl *d, const Val *arg,
                          Env *inner)
{
    Graph *g = graph_new(l->a, GRAPH_FUNC, d->name.text);
    *inner = graph_env(l, g);
    for (int i = 0; i < d->u.fn.n_params; i++) {
        Val v = arg[i];
        const char *name = d->u.fn.params[i].name.text;
        v.is_index = i == index_param(d);
        if (v.kind == VAL_TENSOR) {
            Node n = {.op = OP_input, .name = name,
                      .type = env->g->node[v.ref].type};
            v.ref = graph_add(g, n);
            g->n_params++;
        }
        lower_bind(l, inner, name, &v);
    }
    return g;
}

static Err *call_layer(Lower *l, Env *env, const Expr *call, const Val *arg,
                       const char *hint, Val *out)
{
    const Decl *d = call->u.call.decl;
    Env inner;
    int i_param = index_param(d);
    int64_t index = i_param < 0 ? 0 : arg[i_param].dim.k;
    if (index < 0)
        return lower_fail(l, call->span, "the layer's index is %lld",
                          (long long)index);
    Graph *g = layer_graph(l, env, d, arg, &inner);
    TRY(run_body(l, &inner, d, call->span));
    if (inner.result.kind != VAL_TENSOR)
        return lower_fail(l, d->span, "a layer returns one tensor");
    graph_add_result(g, NULL, inner.result.ref);
    Type t = g->node[inner.result.ref].type;
    g = layer_instance(l, d, g);
    Node n = {.op = OP_call, .text = g->name, .type = t,
              .name = hint ? hint : d->name.text};
    n.attr[ATTR_index].i = index;
    for (int i = 0; i < d->u.fn.n_params; i++) {
        if (arg[i].kind != VAL_TENSOR)
            continue;
        if (n.n_args == MAX_ARGS)
            return lower_fail(l, call->span, "more than %d tensors", MAX_ARGS);
        n.arg[n.n_args++] = arg[i].ref;
    }
    *out = (Val){.kind = VAL_TENSOR, .ref = graph_add(env->g, n),
                 .span = call->span};
    return NULL;
}

Err *lower_decl_call(Lower *l, Env *env, const Expr *call, Val *out)
{
    const Decl *d = call->u.call.decl;
    const char *hint = l->hints ? NULL : l->hint;
    Val *arg = ARENA_ARRAY(l->a, Val, d->u.fn.n_params + 1);
    l->hints = NULL;
    l->hint = NULL;
    TRY(lower_step(l, call->span, STEPS_OF_CALL));
    TRY(eval_args(l, env, call, arg));
    if (d->kind == DECL_LAYER)
        return call_layer(l, env, call, arg, hint, out);
    TRY(call_fn(l, env, call, arg, hint, out));
    out->span = call->span;
    return NULL;
}

/* ---- entries ---- */

static Err *entry_params(Lower *l, const Decl *d, Env *env)
{
    for (int i = 0; i < d->u.fn.n_params; i++) {
        const Field *p = &d->u.fn.params[i];
        if (p->type.kind != TYPE_TENSOR)
            return lower_fail(l, p->name.span, "an entry takes tensors only");
        Node n = {.op = OP_input, .name = p->name.text};
        n.type.dtype = p->type.elem == ELEM_I32 ? BT_i32 : BT_f32;
        n.type.rank = p->type.n_dims;
        TRY(lower_dims(l, env, p->type.dims, p->type.n_dims, n.type.dim));
        Val v = {.kind = VAL_TENSOR, .ref = graph_add(env->g, n)};
        env->g->n_params++;
        lower_bind(l, env, p->name.text, &v);
    }
    return NULL;
}

static Err *entry_results(Lower *l, const Decl *d, Env *env)
{
    const Val *v = &env->result;
    int n = v->kind == VAL_TUPLE ? v->n : 1;
    for (int i = 0; i < n; i++) {
        const Val *r = v->kind == VAL_TUPLE ? &v->item[i] : v;
        Ref at;
        TRY(lower_as_tensor(l, env, r, &at));
        const char *name = d->u.fn.results[i].name.text;
        graph_add_result(env->g, name ? name : "result", at);
    }
    return NULL;
}

static Err *lower_entry(Lower *l, const Decl *d)
{
    Env none = {0};
    bool when = true;
    if (d->u.fn.when)
        TRY(lower_bool(l, &none, d->u.fn.when, &when));
    if (!when)
        return NULL;
    Graph *g = graph_new(l->a, GRAPH_ENTRY, d->name.text);
    Env env = graph_env(l, g);
    TRY(entry_params(l, d, &env));
    TRY(run_body(l, &env, d, d->span));
    TRY(entry_results(l, d, &env));
    module_append(l->m, g);
    return NULL;
}

/* ---- the whole text ---- */

static Err *find_architecture(Lower *l)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const MetaValue *v = model_meta(l->o->model, "general.architecture");
    if (!v || v->kind != META_STRING || v->n != 1)
        return err_new(ERR_INPUT, "%s names no general.architecture",
                       l->o->model->path);
    l->arch = v->strings[0];
    size_t n = strspn(l->arch, letters);
    if (n < 1 || n > GRAPH_MAX_NAME || n != v->lengths[0])
        return err_new(ERR_INPUT,
                       "%s: general.architecture is no plain name",
                       l->o->model->path);
    return NULL;
}

/* Graph text names layers and entries; layers get a number as well. */
static Err *check_length(Lower *l, const Decl *d)
{
    enum { MAX_LENGTH = GRAPH_MAX_NAME - 20 };
    bool named = d->kind == DECL_ENTRY || d->kind == DECL_LAYER;
    return named && strlen(d->name.text) > MAX_LENGTH
               ? lower_fail(l, d->name.span, "the name is longer than %d bytes",
                            MAX_LENGTH)
               : NULL;
}

static Err *lower_all(Lower *l)
{
    const Ast *ast = l->ast;
    Val ignored;
    for (int i = 0; i < ast->n_decls; i++)
        TRY(check_length(l, ast->decls[i]));
    for (int i = 0; i < ast->n_decls; i++)
        if (ast->decls[i]->kind == DECL_PARAM)
            TRY(lower_param(l, ast->decls[i], &ignored));
    for (int i = 0; i < ast->n_decls; i++)
        if (ast->decls[i]->kind == DECL_REQUIRE)
            TRY(check_require(l, ast->decls[i]));
    for (int i = 0; i < ast->n_decls; i++)
        if (ast->decls[i]->kind == DECL_ENTRY)
            TRY(lower_entry(l, ast->decls[i]));
    return NULL;
}

Err *lower_ast(Arena *a, const Ast *ast, const LowerOptions *o, Diags *d,
               Module **out)
{
    Lower l = {.a = a, .ast = ast, .o = o, .d = d,
               .params = {.a = a}, .layers = {.a = a}};
    *out = NULL;
    TRY(find_architecture(&l));
    l.m = module_new(a, l.arch);
    TRY(lower_all(&l));
    TRY(diag_result(d));
    TRY(module_verify(l.m));
    *out = l.m;
    return NULL;
}
