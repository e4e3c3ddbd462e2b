/* sema_order.c - what must be checked before what, and what needs itself.
 *
 * A function needs the functions it calls and the params it names; a param
 * likewise.  Depth first with a list instead of the C stack: a text may hold
 * chains as long as itself. */
#include <string.h>

#include "dsl/sema.h"

typedef struct {
    Sema *s;
    Global *from;
} Walk;

static bool is_parameter(const Decl *d, const char *name)
{
    if (d->kind != DECL_FN && d->kind != DECL_LAYER && d->kind != DECL_ENTRY)
        return false;
    for (int i = 0; i < d->u.fn.n_vars; i++)
        if (strcmp(d->u.fn.vars[i].name.text, name) == 0)
            return true;
    for (int i = 0; i < d->u.fn.n_params; i++)
        if (strcmp(d->u.fn.params[i].name.text, name) == 0)
            return true;
    return false;
}

/* `local`: a parameter of that name would be meant instead. */
static void need(Walk *w, const char *name, bool local)
{
    Global *to = sema_global(w->s, name), *from = w->from;
    if (!to || (local && is_parameter(from->decl, name)) ||
        (from->n_needs && from->needs[from->n_needs - 1] == to))
        return;
    if (from->n_needs == from->cap_needs) {
        int cap = from->cap_needs ? 2 * from->cap_needs : 8;
        Global **more = ARENA_ARRAY(w->s->a, Global *, cap);
        if (from->n_needs)
            memcpy(more, from->needs, sizeof(void *) * (size_t)from->n_needs);
        from->needs = more;
        from->cap_needs = cap;
    }
    from->needs[from->n_needs++] = to;
}

static void walk_expr(Walk *w, const Expr *e);

static void walk_list(Walk *w, Expr *const *list, int n)
{
    for (int i = 0; i < n; i++)
        walk_expr(w, list[i]);
}

static void walk_call(Walk *w, const Expr *e)
{
    need(w, e->u.call.name.text, false);
    for (int i = 0; i < e->u.call.n_args; i++)
        walk_expr(w, e->u.call.args[i].value);
}

static void walk_string(Walk *w, const Expr *e)
{
    for (int i = 0; i < e->u.string.n_parts; i++)
        if (e->u.string.parts[i].name)
            walk_expr(w, e->u.string.parts[i].name);
}

static void walk_expr(Walk *w, const Expr *e)
{
    switch (e->kind) {
    case EXPR_NAME:
        need(w, e->u.name.text, true);
        return;
    case EXPR_UNARY:
        walk_expr(w, e->u.unary.operand);
        return;
    case EXPR_BINARY:
        walk_expr(w, e->u.binary.left);
        walk_expr(w, e->u.binary.right);
        return;
    case EXPR_IF:
        walk_expr(w, e->u.cond.cond);
        walk_expr(w, e->u.cond.then);
        walk_expr(w, e->u.cond.otherwise);
        return;
    case EXPR_CALL:
        walk_call(w, e);
        return;
    case EXPR_WEIGHT:
        walk_expr(w, e->u.weight.scope);
        walk_list(w, e->u.weight.dims, e->u.weight.n_dims);
        return;
    case EXPR_STATE:
        need(w, e->u.state.name.text, false);
        walk_expr(w, e->u.state.index);
        return;
    case EXPR_LIST:
        walk_list(w, e->u.list.items, e->u.list.n_items);
        return;
    case EXPR_STRING:
        walk_string(w, e);
        return;
    case EXPR_ERROR:
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_BOOL:
        return;
    }
}

static void walk_block(Walk *w, const Block *b)
{
    for (int i = 0; i < b->n; i++) {
        const Stmt *s = b->items[i];
        switch (s->kind) {
        case STMT_BIND:
            walk_expr(w, s->u.bind.value);
            break;
        case STMT_RETURN:
            walk_list(w, s->u.ret.values, s->u.ret.n_values);
            break;
        case STMT_FOR:
            walk_expr(w, s->u.loop.from);
            walk_expr(w, s->u.loop.to);
            walk_block(w, &s->u.loop.body);
            break;
        case STMT_IF:
            walk_expr(w, s->u.cond.cond);
            walk_block(w, &s->u.cond.then);
            walk_block(w, &s->u.cond.otherwise);
            break;
        }
    }
}

static void walk_decl(Walk *w, const Decl *d)
{
    switch (d->kind) {
    case DECL_PARAM:
        walk_expr(w, d->u.param.value);
        return;
    case DECL_STATE:
        walk_expr(w, d->u.state.count);
        walk_list(w, d->u.state.dims, d->u.state.n_dims);
        return;
    case DECL_FN:
    case DECL_LAYER:
    case DECL_ENTRY:
        for (int i = 0; i < d->u.fn.n_params; i++)
            walk_list(w, d->u.fn.params[i].type.dims,
                      d->u.fn.params[i].type.n_dims);
        for (int i = 0; i < d->u.fn.n_results; i++)
            walk_list(w, d->u.fn.results[i].type.dims,
                      d->u.fn.results[i].type.n_dims);
        if (d->u.fn.when)
            walk_expr(w, d->u.fn.when);
        walk_block(w, &d->u.fn.body);
        return;
    case DECL_MODEL:
    case DECL_USE:
    case DECL_REQUIRE:
        return;
    }
}

/* ---- the order -------------------------------------------------------- */

typedef struct {
    Global **stack, **out;
    int depth, n;
} Sorter;

static void report_cycle(Sema *s, const Sorter *k, const Global *again)
{
    int i = k->depth - 1;
    while (k->stack[i] != again)
        i--;
    const Decl *d = again->decl;
    Diag *m = diag_error(s->d, d->name.span, "'%s' needs itself", d->name.text);
    enum { SHOWN = 8 };
    for (int j = i + 1; j < k->depth && j <= i + SHOWN; j++)
        diag_note(s->d, m, k->stack[j]->decl->name.span, "by way of '%s'",
                  k->stack[j]->decl->name.text);
}

static void visit(Sema *s, Sorter *k, Global *first)
{
    if (first->order != ORDER_NEW)
        return;
    first->order = ORDER_OPEN;
    k->stack[k->depth++] = first;
    while (k->depth > 0) {
        Global *g = k->stack[k->depth - 1];
        if (g->next_need == g->n_needs) {
            g->order = ORDER_DONE;
            k->out[k->n++] = g;
            k->depth--;
            continue;
        }
        Global *to = g->needs[g->next_need++];
        if (to->order == ORDER_OPEN)
            report_cycle(s, k, to);
        if (to->order != ORDER_NEW)
            continue;
        to->order = ORDER_OPEN;
        k->stack[k->depth++] = to;
    }
}

Global **sema_order(Sema *s)
{
    Sorter k = {ARENA_ARRAY(s->a, Global *, s->n_list + 1),
                ARENA_ARRAY(s->a, Global *, s->n_list + 1), 0, 0};
    for (int i = 0; i < s->n_list; i++) {
        Walk w = {s, s->list[i]};
        walk_decl(&w, s->list[i]->decl);
    }
    for (int i = 0; i < s->n_list; i++)
        visit(s, &k, s->list[i]);
    return k.out;
}
