/* build_decl.c - one constructor for each kind of declaration, and types. */
#include <string.h>

#include "dsl/parse.h"

static const struct {
    const char *name;
    TypeKind kind;
} type_names[] = {
    {"int", TYPE_INT},       {"float", TYPE_FLOAT},     {"bool", TYPE_BOOL},
    {"string", TYPE_STRING}, {"weights", TYPE_WEIGHTS}, {"index", TYPE_INDEX},
};

static TypeKind scalar_type(Parse *p, const Ident *name)
{
    Guess g = diag_guess(name->text);
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(name->text, type_names[i].name) == 0)
            return type_names[i].kind;
        diag_guess_add(&g, type_names[i].name);
    }
    diag_error(p->diags, name->span, "no type is called '%s'%s", name->text,
               g.best ? diag_guess_text(p->diags, &g)
                      : "; types are int, float, bool, string, weights, "
                        "index, [dims] and i32[dims]");
    return TYPE_ERROR;
}

static ElemKind element_type(Parse *p, const Ident *name)
{
    if (!name || strcmp(name->text, "f32") == 0)
        return ELEM_F32;
    if (strcmp(name->text, "i32") != 0)
        diag_error(p->diags, name->span,
                   "tensors hold f32 or i32, not '%s'; [dims] alone means "
                   "f32",
                   name->text);
    return ELEM_I32;
}

TypeExpr *build_type(Parse *p, const Ident *name, const List *dims, Span at)
{
    TypeExpr *t = ARENA_NEW(p->a, TypeExpr);
    t->span = at;
    t->dims = list_exprs(dims);
    t->n_dims = list_count(dims);
    t->kind = dims ? TYPE_TENSOR : scalar_type(p, name);
    if (dims)
        t->elem = element_type(p, name);
    return t;
}

Field *build_field_decl(Parse *p, const Ident *name, const TypeExpr *type)
{
    Field *f = ARENA_NEW(p->a, Field);
    if (name)
        f->name = *name;
    f->type = *type;
    return f;
}

Decl *build_decl(Parse *p, DeclKind kind, const Ident *name, Span at)
{
    Decl *d = ARENA_NEW(p->a, Decl);
    d->kind = kind;
    d->span = at;
    if (name)
        d->name = *name;
    return d;
}

Decl *build_model(Parse *p, const List *names, Span at)
{
    Decl *d = build_decl(p, DECL_MODEL, NULL, at);
    d->u.model.names = list_structs(p, names, sizeof(Ident));
    d->u.model.n_names = list_count(names);
    return d;
}

Decl *build_param(Parse *p, const Ident *name, const TypeExpr *type,
                  Expr *value, Span at)
{
    Decl *d = build_decl(p, DECL_PARAM, name, at);
    d->u.param.type = *type;
    d->u.param.value = value;
    return d;
}

Decl *build_require(Parse *p, Expr *cond, Expr *message, Span at)
{
    Decl *d = build_decl(p, DECL_REQUIRE, NULL, at);
    d->u.require.cond = cond;
    d->u.require.message = message;
    return d;
}

static bool words_are(const List *words, int n, const char *const *wanted)
{
    if (words->n != n)
        return false;
    for (int i = 0; i < n; i++)
        if (strcmp(((const Ident *)words->items[i])->text, wanted[i]) != 0)
            return false;
    return true;
}

static StoreKind store_kind(Parse *p, const List *words)
{
    static const char *const key[] = {"per", "token", "key"};
    static const char *const value[] = {"per", "token", "value"};
    static const char *const fixed[] = {"fixed", "f32"};
    if (words_are(words, 3, key))
        return STORE_KEY;
    if (words_are(words, 3, value))
        return STORE_VALUE;
    const Ident *first = words->items[0], *last = words->items[words->n - 1];
    if (!words_are(words, 2, fixed))
        diag_error(p->diags, (Span){first->span.begin, last->span.end},
                   "a state is stored 'per token key', 'per token value' or "
                   "'fixed f32'");
    return STORE_FIXED;
}

Decl *build_state_decl(Parse *p, const Ident *name, Expr *number,
                       const List *words, const List *dims, Span at)
{
    Decl *d = build_decl(p, DECL_STATE, name, at);
    d->u.state.count = number;
    d->u.state.store = store_kind(p, words);
    d->u.state.dims = list_exprs(dims);
    d->u.state.n_dims = list_count(dims);
    return d;
}

static DimVar *dim_vars(Parse *p, const List *names)
{
    DimVar *vars = ARENA_ARRAY(p->a, DimVar, list_count(names) + 1);
    for (int i = 0; i < list_count(names); i++)
        vars[i].name = *(const Ident *)names->items[i];
    return vars;
}

enum { MAX_PARAMS = 64, MAX_VARS = 16, MAX_RESULTS = 16 };

static void check_counts(Parse *p, const Signature *sig)
{
    if (list_count(sig->params) > MAX_PARAMS ||
        list_count(sig->vars) > MAX_VARS ||
        list_count(sig->results) > MAX_RESULTS)
        diag_error(p->diags, sig->name->span,
                   "a function has at most %d parameters, %d dimension "
                   "variables and %d results",
                   MAX_PARAMS, MAX_VARS, MAX_RESULTS);
}

Decl *build_fn(Parse *p, DeclKind kind, const Signature *sig, const Block *body,
               Span at)
{
    check_counts(p, sig);
    Decl *d = build_decl(p, kind, sig->name, at);
    d->u.fn.vars = dim_vars(p, sig->vars);
    d->u.fn.n_vars = list_count(sig->vars);
    d->u.fn.params = list_structs(p, sig->params, sizeof(Field));
    d->u.fn.n_params = list_count(sig->params);
    d->u.fn.results = list_structs(p, sig->results, sizeof(Field));
    d->u.fn.n_results = list_count(sig->results);
    d->u.fn.named_results = sig->named_results;
    d->u.fn.when = sig->when;
    d->u.fn.body = *body;
    return d;
}
