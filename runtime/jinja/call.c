/* call.c - calling macros, functions, methods and loops. */
#include <string.h>

#include "runtime/jinja/run.h"

/* ---- macros */

/* How far a call's arguments are taken: positional ones by number, keywords by
 * a mark each. */
typedef struct {
    const Args *args;
    bool *used; /* keywords */
} Taking;

static const Value *take_keyword(Taking *t, const char *name)
{
    for (size_t i = 0; i < t->args->n_keys; i++)
        if (!t->used[i] && strcmp(t->args->key[i], name) == 0) {
            t->used[i] = true;
            return &t->args->key_value[i];
        }
    return NULL;
}

static Value not_provided(Run *r, const char *name)
{
    Text t = text_new(r->a, 1024);
    text_puts(&t, "parameter ");
    value_repr_str(&t, str_of(r->a, name));
    text_puts(&t, " was not provided");
    const Str *s = text_done(&t);
    return run_hint(r, arena_strndup(r->a, s->p, s->n));
}

static Err *bind_parameter(Run *r, const ArgList *params, size_t i, Taking *t,
                           Scope *s)
{
    Value v;
    const Value *given =
        i < t->args->n ? &t->args->v[i] : take_keyword(t, params->key[i]);
    if (given)
        v = *given;
    else if (params->value[i])
        TRY(eval_expr(r, params->value[i], s, &v));
    else
        v = not_provided(r, params->key[i]);
    scope_set(r, s, params->key[i], v);
    return NULL;
}

static void bind_special(Run *r, Scope *s, const char *name, Value v)
{
    const char *interned = ast_name(r->t, name, strlen(name));
    if (interned)
        scope_set(r, s, interned, v);
}

static bool has_parameter(const ArgList *params, const char *name)
{
    for (size_t i = 0; i < params->n_keys; i++)
        if (strcmp(params->key[i], name) == 0)
            return true;
    return false;
}

static void bind_caller(Run *r, const Node *m, Taking *t, Scope *s)
{
    if (!(m->flag & USES_CALLER) || has_parameter(m->args, "caller"))
        return;
    const Value *caller = take_keyword(t, "caller");
    bind_special(r, s, "caller",
                 caller ? *caller : run_hint(r, "No caller defined"));
}

/* Keywords that no parameter took: kwargs, or an error. */
static Err *bind_rest(Run *r, const Node *m, Taking *t, Scope *s)
{
    Dict *rest = dict_new(r->a);
    for (size_t i = 0; i < t->args->n_keys; i++) {
        if (t->used[i])
            continue;
        if (!(m->flag & USES_KWARGS))
            return err_new(ERR_INPUT,
                           "macro '%s' takes no keyword argument '%s'", m->name,
                           t->args->key[i]);
        dict_set(r->a, rest, run_string(r, t->args->key[i]),
                 t->args->key_value[i]);
    }
    if (m->flag & USES_KWARGS)
        bind_special(r, s, "kwargs", value_dict(rest));
    size_t n = m->args->n_keys;
    bool extra = t->args->n > n;
    if (extra && !(m->flag & USES_VARARGS))
        return err_new(ERR_INPUT,
                       "macro '%s' takes not more than %zu argument(s)",
                       m->name, n);
    if (m->flag & USES_VARARGS)
        bind_special(r, s, "varargs",
                     value_seq(r->a, VALUE_TUPLE, extra ? t->args->v + n : NULL,
                               extra ? t->args->n - n : 0));
    return NULL;
}

Err *call_macro(Run *r, const Object *macro, const Args *args, Value *out)
{
    const Node *m = macro->macro;
    const Str *text;
    Scope *s = scope_new(r, macro->scope, m->d);
    Taking t = {args, ARENA_ARRAY(r->a, bool, args->n_keys)};
    for (size_t i = 0; i < m->args->n_keys; i++)
        TRY(bind_parameter(r, m->args, i, &t, s));
    bind_caller(r, m, &t, s);
    TRY(bind_rest(r, m, &t, s));
    TRY(eval_capture(r, m->d, s, &text));
    *out = value_str(text);
    return NULL;
}

/* ---- the other callables */

static Err *call_loop(Run *r, const Loop *l, const Args *args, Value *out)
{
    if (!l->node->flag)
        return err_new(ERR_INPUT,
                       "The loop must have the 'recursive' marker to "
                       "be called recursively.");
    if (args->n != 1 || args->n_keys)
        return err_new(ERR_INPUT, "loop() takes one argument");
    return eval_recurse(r, l, args->v[0], out);
}

static Err *call_joiner(Run *r, Object *o, Value *out)
{
    *out = o->position++ ? o->self : run_string(r, "");
    return NULL;
}

Err *call_value(Run *r, Value callee, const Args *args, Value *out)
{
    if (callee.kind == VALUE_UNDEFINED)
        return run_undefined(r, callee);
    if (callee.kind == VALUE_OBJECT) {
        Object *o = callee.object;
        if (o->kind == OBJECT_MACRO)
            return call_macro(r, o, args, out);
        if (o->kind == OBJECT_FUNCTION || o->kind == OBJECT_METHOD)
            return builtin_call(r, o->builtin, o->self, args, out);
        if (o->kind == OBJECT_LOOP)
            return call_loop(r, o->loop, args, out);
        if (o->kind == OBJECT_JOINER)
            return call_joiner(r, o, out);
    }
    return err_new(ERR_INPUT, "'%s' object is not callable",
                   value_type(callee));
}
