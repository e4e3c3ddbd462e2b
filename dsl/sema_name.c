/* sema_name.c - what a name means where it stands, and atoms. */
#include <string.h>

#include "dsl/print.h"
#include "dsl/sema.h"

static const Sort *fail(void) { return sort_plain(SORT_ERROR); }

/* ---- atoms ------------------------------------------------------------ */

typedef struct {
    Sema *s;
    const Poly *args[8];
    int n;
} Reads;

/* What an atom depends on: the locals in it. */
static void collect(Reads *r, const Expr *e)
{
    if (!e || r->n == 8)
        return;
    switch (e->kind) {
    case EXPR_NAME:
        if (e->u.name.ref == REF_LOCAL && e->poly)
            r->args[r->n++] = e->poly;
        return;
    case EXPR_UNARY:
        collect(r, e->u.unary.operand);
        return;
    case EXPR_BINARY:
        collect(r, e->u.binary.left);
        collect(r, e->u.binary.right);
        return;
    case EXPR_IF:
        collect(r, e->u.cond.cond);
        collect(r, e->u.cond.then);
        collect(r, e->u.cond.otherwise);
        return;
    case EXPR_CALL:
        for (int i = 0; i < e->u.call.n_args; i++)
            collect(r, e->u.call.args[i].value);
        return;
    case EXPR_WEIGHT:
        collect(r, e->u.weight.scope);
        return;
    case EXPR_STRING:
        for (int i = 0; i < e->u.string.n_parts; i++)
            collect(r, e->u.string.parts[i].name);
        return;
    case EXPR_ERROR:
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_BOOL:
    case EXPR_STATE:
    case EXPR_LIST:
        return;
    }
}

/* Beyond eight locals the atom is only like itself. */
const Poly *sema_opaque(Sema *s, const Expr *e)
{
    Reads r = {.s = s};
    const char *text = print_dim(s->a, e);
    collect(&r, e);
    return r.n == 8 ? sema_fresh(s, text)
                    : poly_opaque(s->a, text, r.args, r.n);
}

/* ---- names ------------------------------------------------------------ */

static const Sort *report_local(Sema *s, const Expr *e, const Local *l)
{
    const char *name = l->name;
    Diag *m = NULL;
    if (l->state == LOCAL_GONE) {
        m = diag_error(s->d, e->span,
                       "'%s' is bound inside a loop only, which may not run",
                       name);
        diag_note(s->d, m, l->span, "bound here");
    } else if (l->state == LOCAL_MAYBE) {
        m = diag_error(s->d, e->span,
                       "'%s' is bound in one branch of an 'if' only", name);
        diag_note(s->d, m, l->span, "bound here");
    } else {
        m = diag_error(s->d, e->span,
                       "'%s' differs between the branches of an 'if'", name);
        diag_note(s->d, m, l->other->span, "%s here",
                  sema_describe(s, l->other->sort));
        diag_note(s->d, m, l->span, "%s here", sema_describe(s, l->sort));
    }
    return fail();
}

static const Sort *local_name(Sema *s, Expr *e, Local *l)
{
    e->u.name.ref = REF_LOCAL;
    l->used = true;
    if (l->state != LOCAL_BOUND)
        return report_local(s, e, l);
    e->poly = l->poly;
    return l->sort;
}

static const Sort *symbol_name(Sema *s, Expr *e)
{
    static const char symbols[] = "TRC";
    uint32_t order = (uint32_t)(strchr(symbols, e->u.name.text[0]) - symbols);
    e->u.name.ref = REF_SYMBOL;
    e->u.name.symbol = e->u.name.text[0];
    e->poly = poly_name(s->a, e->u.name.text, order);
    if (!s->in_dims) {
        diag_error(s->d, e->span,
                   "%s is known at run time only; it stands in the shapes of "
                   "tensors and nowhere else",
                   e->u.name.text);
        return fail();
    }
    return sort_plain(SORT_INT);
}

static SortKind sort_of_type(TypeKind t)
{
    switch (t) {
    case TYPE_INT:
    case TYPE_INDEX:
        return SORT_INT;
    case TYPE_FLOAT:
        return SORT_FLOAT;
    case TYPE_BOOL:
        return SORT_BOOL;
    case TYPE_STRING:
        return SORT_STRING;
    case TYPE_WEIGHTS:
        return SORT_SCOPE;
    case TYPE_ERROR:
    case TYPE_TENSOR:
        return SORT_ERROR;
    }
    return SORT_ERROR;
}

static const Sort *global_name(Sema *s, Expr *e, Global *g)
{
    const char *name = e->u.name.text;
    g->used = true;
    if (g->decl->kind == DECL_PARAM) {
        e->u.name.ref = REF_PARAM;
        e->u.name.decl = g->decl;
        e->poly = g->poly;
        return sort_plain(sort_of_type(g->decl->u.param.type.kind));
    }
    Diag *m =
        g->decl->kind == DECL_STATE
            ? diag_error(s->d, e->span,
                         "'%s' is a state; one slot of it is %s[i]", name, name)
            : diag_error(s->d, e->span,
                         "'%s' is a function; a call of it is %s(...)", name,
                         name);
    diag_note(s->d, m, g->decl->name.span, "declared here");
    return fail();
}

/* Reported once in a function: later uses know it as an error. */
static const Sort *unknown_name(Sema *s, Expr *e)
{
    diag_error(s->d, e->span, "nothing is called '%s' here%s", e->u.name.text,
               sema_guess_name(s, e->u.name.text));
    if (s->env) {
        Ident id = {e->u.name.text, e->span};
        Local *l = env_local(s, &id, fail(), NULL);
        l->used = true;
        env_bind(s, l);
    }
    return fail();
}

const Sort *sema_name(Sema *s, Expr *e)
{
    const char *name = e->u.name.text;
    Local *l = env_find(s->env, name);
    if (l)
        return local_name(s, e, l);
    if (strcmp(name, "T") == 0 || strcmp(name, "R") == 0 ||
        strcmp(name, "C") == 0)
        return symbol_name(s, e);
    if (strcmp(name, "file") == 0) {
        e->u.name.ref = REF_FILE;
        return sort_plain(SORT_SCOPE);
    }
    Global *g = sema_global(s, name);
    return g ? global_name(s, e, g) : unknown_name(s, e);
}
