/* sema.c - dsl_check: the declarations, in the order in which they need each
 * other. */
#include "dsl/sema.h"

#include <string.h>

Global *sema_global(const Sema *s, const char *name)
{
    return names_get(&s->globals, name);
}

const Poly *sema_fresh(Sema *s, const char *name)
{
    return poly_name(s->a, name, s->next_order++);
}

/* ---- suggestions ------------------------------------------------------ */

static void guess_globals(const Sema *s, Guess *g, bool calls)
{
    for (int i = 0; i < s->n_list; i++) {
        DeclKind k = s->list[i]->decl->kind;
        bool callable = k == DECL_FN || k == DECL_LAYER;
        if (callable == calls && k != DECL_ENTRY)
            diag_guess_add(g, s->list[i]->decl->name.text);
    }
}

const char *sema_guess_name(const Sema *s, const char *name)
{
    Guess g = diag_guess(name);
    if (diag_full(s->d))
        return "";
    const Names *t = s->env ? &s->env->names : NULL;
    for (int i = 0; t && i < t->cap; i++) {
        const Local *l = t->entries[i] ? t->entries[i]->value : NULL;
        if (l && l->sort->kind != SORT_ERROR)
            diag_guess_add(&g, l->name);
    }
    guess_globals(s, &g, false);
    diag_guess_add(&g, "file");
    diag_guess_add(&g, "T");
    diag_guess_add(&g, "R");
    diag_guess_add(&g, "C");
    return diag_guess_text(s->d, &g);
}

const char *sema_guess_call(const Sema *s, const char *name)
{
    Guess g = diag_guess(name);
    if (diag_full(s->d))
        return "";
    guess_globals(s, &g, true);
    for (int b = 0; b < BUILTIN_COUNT; b++)
        diag_guess_add(&g, ast_builtin_name((Builtin)b));
    return diag_guess_text(s->d, &g);
}

/* ---- collecting ------------------------------------------------------- */

static bool is_function(const Decl *d)
{
    return d->kind == DECL_FN || d->kind == DECL_LAYER || d->kind == DECL_ENTRY;
}

static bool is_builtin(const char *name)
{
    for (int b = 0; b < BUILTIN_COUNT; b++)
        if (strcmp(ast_builtin_name((Builtin)b), name) == 0)
            return true;
    return false;
}

static bool is_reserved(const Decl *d)
{
    const char *name = d->name.text;
    return (is_function(d) && is_builtin(name)) || !strcmp(name, "file") ||
           !strcmp(name, "T") || !strcmp(name, "R") || !strcmp(name, "C");
}

static void add_global(Sema *s, Decl *d)
{
    if (is_reserved(d)) {
        diag_error(s->d, d->name.span, "'%s' has a meaning already",
                   d->name.text);
        return;
    }
    NameEntry *e = names_entry(&s->globals, d->name.text);
    const Global *old = e->value;
    if (old) {
        Diag *m = diag_error(s->d, d->name.span, "a second '%s'", d->name.text);
        diag_note(s->d, m, old->decl->name.span, "the first");
        return;
    }
    Global *g = ARENA_NEW(s->a, Global);
    g->decl = d;
    e->value = g;
    s->list[s->n_list++] = g;
}

static void collect(Sema *s)
{
    s->list = ARENA_ARRAY(s->a, Global *, s->ast->n_decls + 1);
    for (int i = 0; i < s->ast->n_decls; i++) {
        Decl *d = s->ast->decls[i];
        if (d->kind == DECL_PARAM || d->kind == DECL_STATE || is_function(d))
            add_global(s, d);
    }
}

/* What a use may see before the check, if the declarations form a circle. */
static void declare(Sema *s, Global *g)
{
    g->poly = sema_fresh(s, g->decl->name.text);
    if (g->decl->kind == DECL_STATE)
        g->decl->u.state.sort = sort_plain(SORT_ERROR);
}

/* ---- params, states, requires ----------------------------------------- */

static void check_param(Sema *s, Global *g)
{
    Decl *d = g->decl;
    SortKind want = d->u.param.type.kind == TYPE_INT      ? SORT_INT
                    : d->u.param.type.kind == TYPE_FLOAT  ? SORT_FLOAT
                    : d->u.param.type.kind == TYPE_BOOL   ? SORT_BOOL
                    : d->u.param.type.kind == TYPE_STRING ? SORT_STRING
                                                          : SORT_ERROR;
    d->u.param.type.sort = sort_plain(want);
    if (want == SORT_ERROR) {
        diag_error(s->d, d->u.param.type.span,
                   "a param is an int, float, bool or string");
        return;
    }
    bool sound = sema_scalar(s, d->u.param.value, want);
    const Poly *p = d->u.param.value->poly;
    if (sound && want == SORT_INT && !poly_has_atoms(p))
        g->poly = p; /* a sum or product of others: known by what it is */
}

static void check_state(Sema *s, Decl *d)
{
    int n = d->u.state.n_dims;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, n + 1);
    bool sound = sema_scalar(s, d->u.state.count, SORT_INT);
    for (int i = 0; i < n; i++)
        sound &= (dims[i] = sema_dim(s, d->u.state.dims[i], false)) != NULL;
    d->u.state.sort = sound ? sort_shaped(s->a, SORT_STATE, ELEM_F32, n, dims)
                            : sort_plain(SORT_ERROR);
}

static void check_require(Sema *s, const Decl *d)
{
    sema_scalar(s, d->u.require.cond, SORT_BOOL);
    sema_scalar(s, d->u.require.message, SORT_STRING);
}

static void check_global(Sema *s, Global *g)
{
    switch (g->decl->kind) {
    case DECL_PARAM:
        check_param(s, g);
        return;
    case DECL_STATE:
        check_state(s, g->decl);
        return;
    case DECL_FN:
    case DECL_LAYER:
    case DECL_ENTRY:
        sema_signature(s, g);
        sema_body(s, g);
        return;
    case DECL_MODEL:
    case DECL_USE:
    case DECL_REQUIRE:
        return;
    }
}

/* ---- the whole -------------------------------------------------------- */

static void report_no_main(Sema *s, const Decl *model)
{
    Diag *m = diag_error(s->d, model->span, "this model has no 'entry main'");
    for (int i = 0; i < s->n_list; i++) {
        const Decl *d = s->list[i]->decl;
        Guess g = diag_guess("main");
        diag_guess_add(&g, d->name.text);
        if (g.best && is_function(d))
            diag_note(s->d, m, d->name.span, "did you mean this one?");
    }
}

/* A text with a `model` line is a program; others are parts of one. */
static void check_program(Sema *s)
{
    const Decl *model = NULL;
    for (int i = 0; i < s->ast->n_decls; i++) {
        const Decl *d = s->ast->decls[i];
        if (d->kind != DECL_MODEL)
            continue;
        if (model) {
            Diag *m = diag_error(s->d, d->span, "a second 'model' line");
            diag_note(s->d, m, model->span, "the first");
        }
        model = d;
    }
    if (model && !ast_find(s->ast, DECL_ENTRY, "main"))
        report_no_main(s, model);
}

static void report_unused(Sema *s)
{
    static const char *const kinds[] = {[DECL_PARAM] = "param",
                                        [DECL_STATE] = "state",
                                        [DECL_FN] = "fn",
                                        [DECL_LAYER] = "layer"};
    const SourceFile *root = &s->ast->source->files[0];
    for (int i = 0; i < s->n_list; i++) {
        const Decl *d = s->list[i]->decl;
        bool here = d->span.begin <= root->base + root->n;
        if (here && !s->list[i]->used && d->kind != DECL_ENTRY)
            diag_warning(s->d, d->name.span, "%s '%s' is never used",
                         kinds[d->kind], d->name.text);
    }
}

static bool has_model(const Ast *ast)
{
    for (int i = 0; i < ast->n_decls; i++)
        if (ast->decls[i]->kind == DECL_MODEL)
            return true;
    return false;
}

Err *dsl_check(Ast *ast, Diags *d)
{
    Sema s = {.a = ast->source->a, .ast = ast, .d = d};
    s.globals.a = s.a;
    s.next_order = ORDER_FIRST;
    collect(&s);
    for (int i = 0; i < s.n_list; i++)
        declare(&s, s.list[i]);
    Global **order = sema_order(&s);
    for (int i = 0; i < s.n_list; i++)
        check_global(&s, order[i]);
    for (int i = 0; i < ast->n_decls; i++)
        if (ast->decls[i]->kind == DECL_REQUIRE)
            check_require(&s, ast->decls[i]);
    check_program(&s);
    if (has_model(ast))
        report_unused(&s);
    return diag_result(d);
}

/* A tree with holes would only give errors about the holes. */
Err *dsl_load(Arena *a, Source *s, Diags *d, Ast **ast)
{
    TRY(dsl_parse(a, s, d, ast));
    return dsl_check(*ast, d);
}
