/* sema_stmt.c - statements. */
#include <string.h>

#include "dsl/sema.h"

static bool can_be_bound(const Sort *t)
{
    return sort_is_static(t) || t->kind == SORT_TENSOR ||
           t->kind == SORT_WEIGHT || t->kind == SORT_SCOPE ||
           t->kind == SORT_ERROR;
}

static void bind(Sema *s, const Ident *name, const Sort *t, const Poly *poly)
{
    static const char *const reserved[] = {"T", "R", "C", "file"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name->text, reserved[i]) == 0) {
            diag_error(s->d, name->span, "'%s' has a meaning already",
                       name->text);
            return;
        }
    env_bind_stmt(s, env_local(s, name, t, poly));
}

static const char *plural(int n) { return n == 1 ? "" : "s"; }

static void check_bind(Sema *s, const Stmt *st)
{
    Expr *value = st->u.bind.value;
    const Sort *t = sema_expr(s, value, SORT_ERROR);
    int n = st->u.bind.n_names;
    int found = t->kind == SORT_TUPLE ? t->n_items : 1;
    bool sound = t->kind != SORT_ERROR && found == n;
    if (t->kind != SORT_ERROR && found != n)
        diag_error(s->d, st->u.bind.names[0].span, "%d name%s for %d result%s",
                   n, plural(n), found, plural(found));
    for (int i = 0; i < n; i++) {
        const Sort *item = !sound                  ? sort_plain(SORT_ERROR)
                           : t->kind == SORT_TUPLE ? t->items[i]
                                                   : t;
        bool is_int = item->kind == SORT_INT && n == 1;
        if (!can_be_bound(item))
            sema_expected(s, value, "a value that a name can stand for");
        bind(s, &st->u.bind.names[i], item, is_int ? value->poly : NULL);
    }
}

/* ---- return ----------------------------------------------------------- */

static void check_result(Sema *s, Expr *e, const Field *f)
{
    const Sort *want = f->type.sort;
    sema_expr(s, e, want->kind);
    if (want->kind == SORT_ERROR || sema_failed(e))
        return;
    const Sort *got = e->sort;
    if (want->kind == SORT_TENSOR) {
        got = sema_as_tensor(s, e, want->elem);
        if (!got)
            return;
    }
    bool number = want->kind == SORT_FLOAT && got->kind == SORT_INT;
    if (number || sort_equal(want, got))
        return;
    Diag *m = diag_error(s->d, e->span, "expected %s, found %s",
                         sema_describe(s, want), sema_describe(s, got));
    diag_note(s->d, m, f->type.span, "the result is declared here");
}

static void check_return(Sema *s, const Stmt *st)
{
    const Decl *d = s->fn->decl;
    int n = st->u.ret.n_values, want = d->u.fn.n_results;
    s->env->returned = true;
    if (s->env->loops > 0)
        diag_error(s->d, st->span, "no 'return' inside a loop");
    if (n == 1 && want > 1) { /* return f(x), all of its results */
        Expr *e = st->u.ret.values[0];
        const Sort *t = sema_expr(s, e, SORT_ERROR);
        if (t->kind == SORT_ERROR)
            return;
    }
    for (int i = 0; i < n; i++) {
        if (n == want)
            check_result(s, st->u.ret.values[i], &d->u.fn.results[i]);
        else if (n > 1)
            sema_expr(s, st->u.ret.values[i], SORT_ERROR);
    }
    if (n == want)
        return;
    Diag *m = diag_error(s->d, st->span, "%d value%s for %d result%s", n,
                         plural(n), want, plural(want));
    diag_note(s->d, m, d->name.span, "declared here");
}

/* ---- for -------------------------------------------------------------- */

/* An int that the body binds anew has no one value in it. */
static void forget_ints(Sema *s, const Block *b);

static void forget_stmt(Sema *s, const Stmt *st)
{
    switch (st->kind) {
    case STMT_BIND:
        for (int i = 0; i < st->u.bind.n_names; i++) {
            const Local *l = env_find(s->env, st->u.bind.names[i].text);
            if (!l || l->sort->kind != SORT_INT)
                continue;
            Local *any = ARENA_NEW(s->a, Local);
            *any = *l;
            any->poly = sema_fresh(s, l->name);
            ((Local *)(uintptr_t)l)->used = true;
            env_bind(s, any);
        }
        return;
    case STMT_FOR:
        forget_ints(s, &st->u.loop.body);
        return;
    case STMT_IF:
        forget_ints(s, &st->u.cond.then);
        forget_ints(s, &st->u.cond.otherwise);
        return;
    case STMT_RETURN:
        return;
    }
}

static void forget_ints(Sema *s, const Block *b)
{
    for (int i = 0; i < b->n; i++)
        forget_stmt(s, b->items[i]);
}

/* The same slot in every round. */
static void check_loop_writes(Sema *s, int from, uint32_t first_order)
{
    Env *env = s->env;
    for (int i = from; i < env->n_writes; i++) {
        const Write *w = &env->writes[i];
        if (!poly_uses_from(w->index, first_order))
            diag_error(s->d, w->span,
                       "every round of the loop writes the same slot of %s",
                       w->state->name.text);
    }
}

static void check_for(Sema *s, const Stmt *st)
{
    Env *env = s->env;
    sema_scalar(s, st->u.loop.from, SORT_INT);
    sema_scalar(s, st->u.loop.to, SORT_INT);
    int mark = env_mark(env), writes = env->n_writes;
    uint32_t order = s->next_order;
    forget_ints(s, &st->u.loop.body);
    Local *i = env_local(s, &st->u.loop.name, sort_plain(SORT_INT), NULL);
    i->used = true;
    env_bind(s, i);
    env->loops++;
    sema_block(s, &st->u.loop.body);
    env->loops--;
    env->returned = false;
    check_loop_writes(s, writes, order);
    Changes c = env_restore(s, mark);
    env_leave_loop(s, &c);
}

/* ---- if --------------------------------------------------------------- */

typedef struct {
    Changes changes;
    bool returned;
    Write *writes;
    int n_writes; /* beyond those before the `if` */
} Branch;

static Branch check_branch(Sema *s, const Block *b, int writes)
{
    Env *env = s->env;
    Branch out;
    int mark = env_mark(env);
    env->returned = false;
    sema_block(s, b);
    out.returned = env->returned;
    out.n_writes = env->n_writes - writes;
    out.writes = ARENA_ARRAY(s->a, Write, out.n_writes + 1);
    if (out.n_writes)
        memcpy(out.writes, env->writes + writes,
               sizeof(Write) * (size_t)out.n_writes);
    env->n_writes = writes;
    out.changes = env_restore(s, mark);
    return out;
}

/* Only one branch will run, so they may write the same slot. */
static void keep_writes(Sema *s, const Branch *b)
{
    for (int i = 0; i < b->n_writes; i++)
        env_add_write(s, &b->writes[i]);
}

static void check_if(Sema *s, const Stmt *st)
{
    Env *env = s->env;
    sema_scalar(s, st->u.cond.cond, SORT_BOOL);
    int writes = env->n_writes;
    Branch a = check_branch(s, &st->u.cond.then, writes);
    Branch b = check_branch(s, &st->u.cond.otherwise, writes);
    env->returned = a.returned && b.returned;
    keep_writes(s, &a);
    keep_writes(s, &b);
    if (a.returned)
        env_join(s, &b.changes, &b.changes);
    else if (b.returned)
        env_join(s, &a.changes, &a.changes);
    else
        env_join(s, &a.changes, &b.changes);
}

void sema_block(Sema *s, const Block *b)
{
    for (int i = 0; i < b->n; i++) {
        const Stmt *st = b->items[i];
        if (s->env->returned) {
            diag_error(s->d, st->span, "never reached: 'return' came before");
            return;
        }
        switch (st->kind) {
        case STMT_BIND:
            check_bind(s, st);
            break;
        case STMT_RETURN:
            check_return(s, st);
            break;
        case STMT_FOR:
            check_for(s, st);
            break;
        case STMT_IF:
            check_if(s, st);
            break;
        }
    }
}
