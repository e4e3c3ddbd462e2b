/* sema_env.c - what names mean at one point of a function. */
#include <string.h>

#include "dsl/sema.h"

Env *env_new(Sema *s)
{
    Env *env = ARENA_NEW(s->a, Env);
    env->names.a = s->a;
    return env;
}

Local *env_find(const Env *env, const char *name)
{
    return env ? names_get(&env->names, name) : NULL;
}

Local *env_local(Sema *s, const Ident *name, const Sort *sort, const Poly *poly)
{
    Local *l = ARENA_NEW(s->a, Local);
    l->name = name->text;
    l->span = name->span;
    l->sort = sort;
    l->poly = poly ? poly : sema_fresh(s, name->text);
    return l;
}

static void set(Sema *s, NameEntry *entry, Local *l)
{
    Env *env = s->env;
    if (env->n_undo == env->cap_undo) {
        int cap = env->cap_undo ? 2 * env->cap_undo : 8;
        Undo *more = ARENA_ARRAY(s->a, Undo, cap);
        if (env->n_undo)
            memcpy(more, env->undo, sizeof *more * (size_t)env->n_undo);
        env->undo = more;
        env->cap_undo = cap;
    }
    env->undo[env->n_undo++] = (Undo){entry, entry->value};
    entry->value = l;
}

void env_bind(Sema *s, Local *l)
{
    set(s, names_entry(&s->env->names, l->name), l);
}

void env_bind_stmt(Sema *s, Local *l)
{
    l->next = s->env->bound;
    s->env->bound = l;
    env_bind(s, l);
}

void env_report_unused(Sema *s)
{
    for (const Local *l = s->env->bound; l; l = l->next)
        if (!l->used && l->name[0] != '_' && l->sort->kind != SORT_ERROR)
            diag_warning(s->d, l->span, "'%s' is never read", l->name);
}

int env_mark(const Env *env) { return env->n_undo; }

/* The oldest log entry of a name holds what it was at the mark; the newest is
 * met first on the way back, so "after" is what stands in the table then. */
Changes env_restore(Sema *s, int mark)
{
    Env *env = s->env;
    Changes c = {ARENA_ARRAY(s->a, Change, env->n_undo - mark + 1), 0};
    int stamp = ++env->stamp;
    for (int i = mark; i < env->n_undo; i++) {
        NameEntry *e = env->undo[i].entry;
        if (e->stamp == stamp)
            continue;
        e->stamp = stamp;
        c.items[c.n++] = (Change){e, env->undo[i].old, e->value};
    }
    for (int i = 0; i < c.n; i++)
        c.items[i].entry->value = c.items[i].before;
    env->n_undo = mark;
    return c;
}

/* ---- joining ---------------------------------------------------------- */

static Local *copy(Sema *s, const Local *l)
{
    Local *c = ARENA_NEW(s->a, Local);
    *c = *l;
    return c;
}

static Local *join(Sema *s, Local *a, Local *b)
{
    if (!a || !b) {
        Local *l = copy(s, a ? a : b);
        if (l->state == LOCAL_BOUND)
            l->state = LOCAL_MAYBE;
        return l;
    }
    if (a == b)
        return a;
    a->used = b->used = true;
    Local *l = copy(s, a->state != LOCAL_BOUND ? a : b);
    if (a->state != LOCAL_BOUND || b->state != LOCAL_BOUND)
        return l;
    if (a->sort->kind == SORT_ERROR || b->sort->kind == SORT_ERROR) {
        l->sort = sort_plain(SORT_ERROR);
    } else if (!sort_equal(a->sort, b->sort)) {
        l->state = LOCAL_CLASH;
        l->other = a;
    }
    if (!poly_equal(a->poly, b->poly))
        l->poly = sema_fresh(s, l->name);
    return l;
}

static Names by_name(Sema *s, const Changes *c)
{
    Names t = {.a = s->a};
    for (int i = 0; i < c->n; i++)
        names_entry(&t, c->items[i].entry->name)->value = &c->items[i];
    return t;
}

void env_join(Sema *s, const Changes *a, const Changes *b)
{
    Names in_a = by_name(s, a), in_b = by_name(s, b);
    for (int i = 0; i < a->n; i++) {
        const Change *x = &a->items[i];
        const Change *y = names_get(&in_b, x->entry->name);
        set(s, x->entry, join(s, x->after, y ? y->after : x->before));
    }
    for (int i = 0; i < b->n; i++) {
        const Change *y = &b->items[i];
        if (!names_get(&in_a, y->entry->name))
            set(s, y->entry, join(s, y->before, y->after));
    }
}

static void check_carried(Sema *s, const Change *c)
{
    const Local *now = c->after, *was = c->before;
    if (now->sort->kind == SORT_ERROR || was->sort->kind == SORT_ERROR ||
        now->state != LOCAL_BOUND || was->state != LOCAL_BOUND ||
        sort_equal(now->sort, was->sort))
        return;
    Diag *m = diag_error(s->d, now->span,
                         "'%s' is %s here and was %s before the loop: a loop "
                         "cannot change what a name is",
                         now->name, sema_describe(s, now->sort),
                         sema_describe(s, was->sort));
    diag_note(s->d, m, was->span, "bound before the loop here");
}

void env_leave_loop(Sema *s, const Changes *body)
{
    for (int i = 0; i < body->n; i++) {
        const Change *c = &body->items[i];
        Local *after = c->after, *l;
        if (!after)
            continue;
        if (c->before) {
            check_carried(s, c);
            after->used = c->before->used = true;
            l = copy(s, c->before);
            l->span = after->span;
            if (!poly_equal(after->poly, l->poly))
                l->poly = sema_fresh(s, l->name);
        } else {
            l = copy(s, after);
            l->state = LOCAL_GONE;
        }
        set(s, c->entry, l);
    }
}

/* ---- states ----------------------------------------------------------- */

void env_add_write(Sema *s, const Write *w)
{
    Env *env = s->env;
    if (env->n_writes == MAX_WRITES)
        return;
    if (env->n_writes == env->cap_writes) {
        int cap = env->cap_writes ? 2 * env->cap_writes : 4;
        Write *more = ARENA_ARRAY(s->a, Write, cap);
        if (env->n_writes)
            memcpy(more, env->writes, sizeof *more * (size_t)env->n_writes);
        env->writes = more;
        env->cap_writes = cap;
    }
    env->writes[env->n_writes++] = *w;
}

void env_write(Sema *s, const Decl *state, const Poly *index, Span at)
{
    Env *env = s->env;
    if ((s->write_checks += env->n_writes) > MAX_WRITE_CHECKS)
        return;
    for (int i = 0; i < env->n_writes; i++) {
        const Write *w = &env->writes[i];
        if (w->state != state || !poly_equal(w->index, index))
            continue;
        Buf slot = {0};
        poly_print(index, &slot);
        Diag *m =
            diag_error(s->d, at, "this writes %s[%s] a second time in one step",
                       state->name.text, slot.data);
        diag_note(s->d, m, w->span, "first written here");
        buf_free(&slot);
        return;
    }
    env_add_write(s, &(Write){state, index, at});
}
