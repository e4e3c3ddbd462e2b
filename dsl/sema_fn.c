/* sema_fn.c - signatures and bodies of functions, layers and entries. */
#include <string.h>

#include "dsl/sema.h"

static const Sort *tensor_type(Sema *s, const TypeExpr *t)
{
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, t->n_dims + 1);
    bool sound = true;
    for (int i = 0; i < t->n_dims; i++)
        sound &= (dims[i] = sema_dim(s, t->dims[i], true)) != NULL;
    if (t->n_dims > SEMA_MAX_RANK) {
        diag_error(s->d, t->span, "a tensor has at most %d axes",
                   SEMA_MAX_RANK);
        sound = false;
    }
    return sound ? sort_shaped(s->a, SORT_TENSOR, t->elem, t->n_dims, dims)
                 : sort_plain(SORT_ERROR);
}

static const Sort *type_sort(Sema *s, const TypeExpr *t)
{
    switch (t->kind) {
    case TYPE_ERROR:
        return sort_plain(SORT_ERROR);
    case TYPE_INT:
    case TYPE_INDEX:
        return sort_plain(SORT_INT);
    case TYPE_FLOAT:
        return sort_plain(SORT_FLOAT);
    case TYPE_BOOL:
        return sort_plain(SORT_BOOL);
    case TYPE_STRING:
        return sort_plain(SORT_STRING);
    case TYPE_WEIGHTS:
        return sort_plain(SORT_SCOPE);
    case TYPE_TENSOR:
        return tensor_type(s, t);
    }
    return sort_plain(SORT_ERROR);
}

/* ---- signatures ------------------------------------------------------- */

static void complain(Sema *s, Global *g, Span at, const char *text)
{
    diag_error(s->d, at, "%s", text);
    g->sound = false;
}

static Local *parameter(Sema *s, Global *g, const Ident *name, const Sort *sort)
{
    uint32_t order = s->next_order++;
    Local *l = env_local(s, name, sort, poly_name(s->a, name->text, order));
    const Local *old = env_find(s->env, name->text);
    l->order = order;
    l->used = true;
    if (old) {
        Diag *m =
            diag_error(s->d, name->span, "a second parameter '%s'", name->text);
        diag_note(s->d, m, old->span, "the first");
        g->sound = false;
    }
    if (strlen(name->text) == 1 && strchr("TRC", name->text[0]))
        complain(s, g, name->span, "T, R and C have a meaning already");
    env_bind(s, l);
    return l;
}

/* Where a call will find the variable's value. */
static bool locate_var(DimVar *v, const Local *l, const Decl *d)
{
    for (int i = 0; i < d->u.fn.n_params; i++) {
        const Sort *t = d->u.fn.params[i].type.sort;
        for (int k = 0; t->kind == SORT_TENSOR && k < t->rank; k++)
            if (poly_is_name(t->dims[k], l->order)) {
                v->param = i;
                v->axis = k;
                return true;
            }
    }
    return false;
}

static void locate_vars(Sema *s, Global *g)
{
    Decl *d = g->decl;
    for (int i = 0; i < d->u.fn.n_vars; i++) {
        DimVar *v = &d->u.fn.vars[i];
        if (locate_var(v, g->locals[i], d) || !g->sound)
            continue;
        diag_error(s->d, v->name.span,
                   "nothing tells '%s': it must stand alone as an axis of a "
                   "parameter",
                   v->name.text);
        g->sound = false;
    }
}

static void check_layer(Sema *s, Global *g)
{
    const Decl *d = g->decl;
    bool has_index = false;
    for (int i = 0; i < d->u.fn.n_params; i++)
        has_index |= d->u.fn.params[i].type.kind == TYPE_INDEX;
    if (!has_index)
        complain(s, g, d->name.span,
                 "a layer takes its number: a parameter of type index");
    bool one =
        d->u.fn.n_results == 1 && d->u.fn.results[0].type.kind == TYPE_TENSOR;
    if (!one)
        complain(s, g, d->name.span, "a layer returns one tensor");
}

static void check_entry(Sema *s, Global *g)
{
    const Decl *d = g->decl;
    for (int i = 0; i < d->u.fn.n_params; i++)
        if (d->u.fn.params[i].type.kind != TYPE_TENSOR)
            complain(s, g, d->u.fn.params[i].type.span,
                     "an entry takes tensors only");
    for (int i = 0; i < d->u.fn.n_results; i++)
        if (d->u.fn.results[i].type.kind != TYPE_TENSOR ||
            !d->u.fn.results[i].name.text)
            complain(s, g, d->u.fn.results[i].type.span,
                     "an entry's results are tensors with names: -> (logits: "
                     "[R, V])");
    if (d->u.fn.n_vars > 0)
        complain(s, g, d->u.fn.vars[0].name.span,
                 "an entry has no dimension variables");
}

static void check_kind(Sema *s, Global *g)
{
    if (g->decl->kind == DECL_LAYER)
        check_layer(s, g);
    if (g->decl->kind == DECL_ENTRY)
        check_entry(s, g);
    if (g->decl->kind != DECL_ENTRY && g->decl->u.fn.when)
        complain(s, g, g->decl->u.fn.when->span,
                 "only entries have conditions");
}

void sema_signature(Sema *s, Global *g)
{
    Decl *d = g->decl;
    int n = d->u.fn.n_vars;
    g->sound = true;
    g->locals = ARENA_ARRAY(s->a, Local *, n + d->u.fn.n_params + 1);
    s->env = env_new(s);
    for (int i = 0; i < n; i++)
        g->locals[i] =
            parameter(s, g, &d->u.fn.vars[i].name, sort_plain(SORT_INT));
    for (int i = 0; i < d->u.fn.n_params; i++) {
        Field *f = &d->u.fn.params[i];
        f->type.sort = type_sort(s, &f->type);
        g->sound &= f->type.sort->kind != SORT_ERROR;
        g->locals[n + i] = parameter(s, g, &f->name, f->type.sort);
    }
    for (int i = 0; i < d->u.fn.n_results; i++) {
        Field *f = &d->u.fn.results[i];
        f->type.sort = type_sort(s, &f->type);
        g->sound &= f->type.sort->kind != SORT_ERROR;
    }
    locate_vars(s, g);
    check_kind(s, g);
    s->env = NULL;
}

/* ---- bodies ----------------------------------------------------------- */

static void keep_writes(Sema *s, Global *g)
{
    int n = s->env->n_writes;
    Write *copy = ARENA_ARRAY(s->a, Write, n + 1);
    if (n)
        memcpy(copy, s->env->writes, sizeof *copy * (size_t)n);
    g->writes = copy;
    g->n_writes = n;
}

void sema_body(Sema *s, Global *g)
{
    const Decl *d = g->decl;
    if (d->u.fn.when)
        sema_scalar(s, d->u.fn.when, SORT_BOOL);
    s->env = env_new(s);
    s->fn = g;
    for (int i = 0; i < d->u.fn.n_vars + d->u.fn.n_params; i++)
        env_bind(s, g->locals[i]);
    sema_block(s, &d->u.fn.body);
    if (!s->env->returned)
        diag_error(s->d, d->u.fn.body.end, "'%s' may end without 'return'",
                   d->name.text);
    keep_writes(s, g);
    env_report_unused(s);
    s->env = NULL;
    s->fn = NULL;
}
