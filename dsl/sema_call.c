/* sema_call.c - which argument goes where, and calls of declared functions. */
#include <string.h>

#include "dsl/print.h"
#include "dsl/sema.h"

static const Sort *fail(void) { return sort_plain(SORT_ERROR); }

/* ---- slots ------------------------------------------------------------ */

typedef struct {
    Sema *s;
    Expr *call;
    const Slot *slots;
    int n;
    Expr **values;
    int n_values;
    const char *usage;
    bool bad;
} Filling;

/* Each @ of the text is the next of a, b, c. */
static void complain(Filling *f, Span at, const char *fmt, const char *a,
                     const char *b, const char *c)
{
    const char *const parts[] = {a, b, c};
    Buf text = {0};
    for (int k = 0; *fmt; fmt++) {
        if (*fmt == '@')
            buf_puts(&text, parts[k++]);
        else
            buf_add(&text, fmt, 1);
    }
    Diag *m = diag_error(f->s->d, at, "%s", text.data);
    diag_note(f->s->d, m, f->call->u.call.name.span, "usage: %s", f->usage);
    buf_free(&text);
    f->bad = true;
}

static int find_slot(const Filling *f, const char *name)
{
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->slots[i].name, name) == 0)
            return i;
    return -1;
}

static const char *guess_slot(const Filling *f, const char *name)
{
    Guess g = diag_guess(name);
    for (int i = 0; i < f->n; i++)
        diag_guess_add(&g, f->slots[i].name);
    return diag_guess_text(f->s->d, &g);
}

static void fill_named(Filling *f, const Arg *arg)
{
    const char *callee = f->call->u.call.name.text, *name = arg->name.text;
    int i = find_slot(f, name);
    if (i < 0)
        complain(f, arg->name.span, "@ has no argument called '@'@", callee,
                 name, guess_slot(f, name));
    else if (f->values[i])
        complain(f, arg->name.span, "'@' of @ is given twice", name, callee,
                 "");
    else
        f->values[i] = arg->value;
}

/* Returns the slot for the next argument without a name, -1 if none is left. */
static int next_slot(const Filling *f, int i)
{
    while (i < f->n && f->slots[i].by_name)
        i++;
    return i < f->n ? i : -1;
}

static void fill(Filling *f)
{
    const Expr *call = f->call;
    int at = 0;
    bool named = false;
    for (int k = 0; k < call->u.call.n_args; k++) {
        const Arg *arg = &call->u.call.args[k];
        if (arg->name.text) {
            fill_named(f, arg);
            named = true;
            continue;
        }
        int i = next_slot(f, at);
        if (named) {
            complain(f, arg->value->span,
                     "an argument without a name behind one with a name", "",
                     "", "");
        } else if (i < 0) {
            complain(f, arg->value->span, "too many arguments for @",
                     call->u.call.name.text, "", "");
            return;
        } else if (f->slots[i].many) {
            f->values[f->n_values++] = arg->value;
        } else {
            f->values[i] = arg->value;
            at = i + 1;
        }
    }
}

static void check_missing(Filling *f)
{
    for (int i = 0; i < f->n && !f->bad; i++)
        if (!f->slots[i].optional && !f->values[i])
            complain(f, f->call->span, "@ lacks its argument '@'",
                     f->call->u.call.name.text, f->slots[i].name, "");
}

/* A slot that takes many is the last: what goes there begins at its number. */
bool sema_slots(Sema *s, Expr *call, const Slot *slots, int n,
                const char *usage)
{
    bool many = n > 0 && slots[n - 1].many;
    Filling f = {.s = s, .call = call, .slots = slots, .n = n, .usage = usage};
    f.values = ARENA_ARRAY(s->a, Expr *, n + call->u.call.n_args + 1);
    f.n_values = n - many;
    fill(&f);
    check_missing(&f);
    call->u.call.slots = f.values;
    call->u.call.n_slots = f.n_values;
    return !f.bad;
}

/* ---- declared functions ----------------------------------------------- */

static const char *usage_of(Sema *s, const Decl *d)
{
    Buf b = {0};
    buf_printf(&b, "%s(", d->name.text);
    for (int i = 0; i < d->u.fn.n_params; i++)
        buf_printf(&b, "%s%s: %s", i ? ", " : "", d->u.fn.params[i].name.text,
                   print_type(s->a, &d->u.fn.params[i].type));
    buf_puts(&b, ")");
    const char *text = arena_strndup(s->a, b.data, b.n);
    buf_free(&b);
    return text;
}

typedef struct {
    Sema *s;
    Global *g;
    const Decl *d;
    const Expr *call;
    PolyMap map; /* by the function's vars, then its params */
    bool bad;
} Unify;

static int var_of(const Unify *u, const Poly *dim)
{
    for (int i = 0; i < u->d->u.fn.n_vars; i++)
        if (poly_is_name(dim, u->map.order[i]))
            return i;
    return -1;
}

static void report_shape(Unify *u, const Expr *arg, int i, const Sort *found)
{
    Sema *s = u->s;
    const TypeExpr *type = &u->d->u.fn.params[i].type;
    const Sort *declared = type->sort;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, declared->rank + 1);
    for (int k = 0; k < declared->rank; k++) {
        dims[k] = poly_subst(s->a, declared->dims[k], &u->map);
        if (!dims[k])
            dims[k] = declared->dims[k];
    }
    const Sort *expected =
        sort_shaped(s->a, SORT_TENSOR, declared->elem, declared->rank, dims);
    Diag *m = diag_error(s->d, arg->span, "expected %s, found %s",
                         sort_text(s->a, expected), sort_text(s->a, found));
    diag_note(s->d, m, u->d->u.fn.params[i].name.span, "'%s' of %s is %s",
              u->d->u.fn.params[i].name.text, u->d->name.text,
              sort_text(s->a, declared));
    u->bad = true;
}

/* Bare dimension variables take what they meet first ... */
static void settle_vars(Unify *u, int i, const Sort *found)
{
    const Sort *want = u->d->u.fn.params[i].type.sort;
    for (int k = 0; want->rank == found->rank && k < want->rank; k++) {
        int v = var_of(u, want->dims[k]);
        if (v >= 0 && !u->map.by[v])
            u->map.by[v] = found->dims[k];
    }
}

/* ... and then everything must agree. */
static void check_shape(Unify *u, const Expr *arg, int i, const Sort *found)
{
    const Sort *want = u->d->u.fn.params[i].type.sort;
    bool same = want->rank == found->rank;
    for (int k = 0; same && k < want->rank; k++) {
        const Poly *p = poly_subst(u->s->a, want->dims[k], &u->map);
        same = p && poly_equal(p, found->dims[k]);
    }
    if (!same)
        report_shape(u, arg, i, found);
}

static const char *const scalar_words[] = {
    [TYPE_INT] = "an int",      [TYPE_INDEX] = "an int",
    [TYPE_FLOAT] = "a number",  [TYPE_BOOL] = "a bool",
    [TYPE_STRING] = "a string", [TYPE_WEIGHTS] = "a scope of weights",
};

static SortKind scalar_sort(TypeKind t)
{
    return t == TYPE_INT || t == TYPE_INDEX ? SORT_INT
           : t == TYPE_FLOAT                ? SORT_FLOAT
           : t == TYPE_BOOL                 ? SORT_BOOL
           : t == TYPE_STRING               ? SORT_STRING
           : t == TYPE_WEIGHTS              ? SORT_SCOPE
                                            : SORT_ERROR;
}

static void scalar_arg(Unify *u, Expr *arg, int i)
{
    TypeKind type = u->d->u.fn.params[i].type.kind;
    SortKind want = scalar_sort(type);
    SortKind got = sema_expr(u->s, arg, want)->kind;
    if (type == TYPE_WEIGHTS && got == SORT_WEIGHT && !arg->sort->has_shape)
        got = SORT_SCOPE; /* w.attn_q for all that begins with its name */
    u->map.by[u->d->u.fn.n_vars + i] = arg->poly;
    if (got == want || (want == SORT_FLOAT && got == SORT_INT))
        return;
    if (want != SORT_ERROR)
        sema_expected(u->s, arg, scalar_words[type]);
    u->bad = true;
}

static void unify(Unify *u, Expr *const *args)
{
    const Field *params = u->d->u.fn.params;
    int n = u->d->u.fn.n_params;
    const Sort **found = ARENA_ARRAY(u->s->a, const Sort *, n + 1);
    for (int i = 0; i < n; i++) {
        if (params[i].type.kind != TYPE_TENSOR) {
            scalar_arg(u, args[i], i);
            continue;
        }
        sema_expr(u->s, args[i], SORT_ERROR);
        found[i] = sema_as_tensor(u->s, args[i], params[i].type.elem);
        if (found[i])
            settle_vars(u, i, found[i]);
        u->bad |= !found[i];
    }
    for (int i = 0; i < n; i++)
        if (found[i])
            check_shape(u, args[i], i, found[i]);
}

static const Sort *substituted(Unify *u, const Sort *declared)
{
    if (declared->kind != SORT_TENSOR)
        return declared;
    const Poly **dims = ARENA_ARRAY(u->s->a, const Poly *, declared->rank + 1);
    for (int k = 0; k < declared->rank; k++) {
        dims[k] = poly_subst(u->s->a, declared->dims[k], &u->map);
        if (!dims[k])
            dims[k] = sema_fresh(u->s, "(large)");
    }
    return sort_shaped(u->s->a, SORT_TENSOR, declared->elem, declared->rank,
                       dims);
}

static void inherit_writes(Unify *u)
{
    for (int i = 0; i < u->g->n_writes; i++) {
        const Write *w = &u->g->writes[i];
        const Poly *index = poly_subst(u->s->a, w->index, &u->map);
        if (index && u->s->env)
            env_write(u->s, w->state, index, u->call->span);
    }
}

static const Sort *results_of(Unify *u)
{
    const Decl *d = u->d;
    int n = d->u.fn.n_results;
    if (n == 1)
        return substituted(u, d->u.fn.results[0].type.sort);
    const Sort **items = ARENA_ARRAY(u->s->a, const Sort *, n);
    for (int i = 0; i < n; i++)
        items[i] = substituted(u, d->u.fn.results[i].type.sort);
    return sort_tuple(u->s->a, n, items);
}

static Unify begin_unify(Sema *s, Global *g, const Expr *call)
{
    const Decl *d = g->decl;
    int n = d->u.fn.n_vars + d->u.fn.n_params;
    uint32_t *order = ARENA_ARRAY(s->a, uint32_t, n + 1);
    for (int i = 0; i < n; i++)
        order[i] = g->locals[i]->order;
    PolyMap map = {n, order, ARENA_ARRAY(s->a, const Poly *, n + 1)};
    return (Unify){.s = s, .g = g, .d = d, .call = call, .map = map};
}

/* The arguments of a call that does not fit: what is wrong inside them still
 * is worth saying.  A bare name may be a word, so it stays unread. */
void sema_args(Sema *s, const Expr *call)
{
    for (int i = 0; i < call->u.call.n_args; i++) {
        Expr *value = call->u.call.args[i].value;
        if (value->kind == EXPR_LIST || value->kind == EXPR_STATE ||
            value->kind == EXPR_NAME)
            value->sort = fail();
        else
            sema_expr(s, value, SORT_ERROR);
    }
}

static bool may_call(Sema *s, const Expr *e, const Decl *d)
{
    const char *why = NULL;
    if (d->kind == DECL_ENTRY)
        why = "an entry is called from outside only";
    else if (d->kind == DECL_LAYER && !s->fn)
        why = "a layer is called from entries and functions";
    else if (d->kind == DECL_LAYER && s->fn->decl->kind == DECL_LAYER)
        why = "a layer cannot call a layer; make one of them a fn";
    if (why) {
        Diag *m = diag_error(s->d, e->span, "%s", why);
        diag_note(s->d, m, d->name.span, "declared here");
    }
    return !why;
}

static const Sort *call_decl(Sema *s, Expr *e, Global *g)
{
    const Decl *d = g->decl;
    int n = d->u.fn.n_params;
    Slot *slots = ARENA_ARRAY(s->a, Slot, n + 1);
    g->used = true;
    e->u.call.callee = CALLEE_DECL;
    e->u.call.decl = d;
    for (int i = 0; i < n; i++)
        slots[i].name = d->u.fn.params[i].name.text;
    bool fits = sema_slots(s, e, slots, n, usage_of(s, d));
    if (!may_call(s, e, d) || !fits || !g->sound) {
        sema_args(s, e);
        return fail();
    }
    Unify u = begin_unify(s, g, e);
    unify(&u, e->u.call.slots);
    if (u.bad)
        return fail();
    inherit_writes(&u);
    return results_of(&u);
}

/* ---- which callee ----------------------------------------------------- */

static int find_builtin(const char *name)
{
    for (int b = 0; b < BUILTIN_COUNT; b++)
        if (strcmp(ast_builtin_name((Builtin)b), name) == 0)
            return b;
    return -1;
}

static const Sort *no_callee(Sema *s, Expr *e, const Global *g)
{
    const char *name = e->u.call.name.text;
    Diag *m;
    if (g || env_find(s->env, name)) {
        m = diag_error(s->d, e->u.call.name.span, "'%s' is no function", name);
        if (g)
            diag_note(s->d, m, g->decl->name.span, "declared here");
    } else {
        diag_error(s->d, e->u.call.name.span, "no function is called '%s'%s",
                   name, sema_guess_call(s, name));
    }
    sema_args(s, e);
    return fail();
}

const Sort *sema_call(Sema *s, Expr *e, SortKind want)
{
    int b = find_builtin(e->u.call.name.text);
    Global *g = sema_global(s, e->u.call.name.text);
    bool is_fn =
        g && (g->decl->kind == DECL_FN || g->decl->kind == DECL_LAYER ||
              g->decl->kind == DECL_ENTRY);
    if (b < 0 && !is_fn)
        return no_callee(s, e, g);
    const Sort *sort =
        b >= 0 ? sema_builtin(s, e, (Builtin)b, want) : call_decl(s, e, g);
    if (sort->kind == SORT_INT && !e->poly)
        e->poly = sema_opaque(s, e);
    return sort;
}
