#include "runtime/jinja/run.h"

#include <inttypes.h>
#include <string.h>

const TemplateBounds template_bounds = {
    .steps = 10 * 1000 * 1000,
    .depth = 600,
    .output = 32u << 20,
    .memory = 256u << 20,
};

Err *run_charge(Run *r, size_t n)
{
    if (n > (size_t)r->steps) {
        r->steps = 0;
        return err_new(ERR_LIMIT,
                       "the template takes more than %" PRId64 " steps",
                       r->bounds.steps);
    }
    r->steps -= (int64_t)n;
    if (arena_bytes(r->a) > r->bounds.memory)
        return err_new(ERR_LIMIT,
                       "the template takes more than %zu MiB of memory",
                       r->bounds.memory >> 20);
    return NULL;
}

Text run_text(const Run *r) { return text_new(r->a, r->bounds.output); }

Err *run_text_value(Run *r, Text *t, Value *out)
{
    if (t->full)
        return err_new(ERR_LIMIT,
                       "the template makes more than %zu bytes of text, or "
                       "values nested deeper than %d",
                       r->bounds.output, VALUE_DEPTH);
    TRY(run_charge(r, t->n / 64));
    *out = value_str(text_done(t));
    return NULL;
}

Err *run_print(Run *r, Value v, const Str **out)
{
    Text t = run_text(r);
    Value s;
    if (v.kind == VALUE_STR) {
        *out = v.s;
        return NULL;
    }
    value_print(&t, v);
    TRY(run_text_value(r, &t, &s));
    *out = s.s;
    return NULL;
}

Err *run_repr(Run *r, Value v, const Str **out)
{
    Text t = run_text(r);
    Value s;
    value_repr(&t, v);
    TRY(run_text_value(r, &t, &s));
    *out = s.s;
    return NULL;
}

Err *run_push(Run *r, Values *list, Value v)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        TRY(run_charge(r, list->n));
        Value *more = ARENA_ARRAY(r->a, Value, cap);
        if (list->n)
            memcpy(more, list->v, list->n * sizeof *more);
        list->v = more;
        list->cap = cap;
    }
    list->v[list->n++] = v;
    return NULL;
}

Value run_list(Run *r, const Values *items)
{
    return value_seq(r->a, VALUE_LIST, items->v, items->n);
}

Value run_pair(Run *r, Value a, Value b)
{
    Value *v = ARENA_ARRAY(r->a, Value, 2);
    v[0] = a;
    v[1] = b;
    return value_seq(r->a, VALUE_TUPLE, v, 2);
}

Value run_string(Run *r, const char *literal)
{
    return value_str(str_of(r->a, literal));
}

/* ---- undefined */

static Value undefined(Run *r, Missing m)
{
    Missing *copy = ARENA_NEW(r->a, Missing);
    *copy = m;
    return (Value){VALUE_UNDEFINED, {.missing = copy}};
}

Value run_hint(Run *r, const char *hint)
{
    return undefined(r, (Missing){.hint = hint});
}

Value run_missing(Run *r, const Value *of, Value name)
{
    Missing m = {.name = name};
    if (of) {
        Value *copy = ARENA_NEW(r->a, Value);
        *copy = *of;
        m.of = copy;
    }
    return undefined(r, m);
}

Err *run_undefined(Run *r, Value v)
{
    const Str *s = value_missing_text(r->a, v);
    return err_new(ERR_INPUT, "%.*s", (int)(s->n < 900 ? s->n : 900), s->p);
}

Err *run_type_error(Value v, const char *wanted)
{
    return err_new(ERR_INPUT, "expected %s, not %s", wanted, value_type(v));
}

Err *run_int_arg(Value v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (value_is_given(v) && !value_as_int(v, out))
        return err_new(ERR_INPUT,
                       "'%s' object cannot be interpreted as an integer",
                       value_type(v));
    return NULL;
}

Err *run_str_arg(Run *r, Value v, const Str **out)
{
    if (v.kind == VALUE_UNDEFINED)
        return run_undefined(r, v);
    if (v.kind != VALUE_STR)
        return err_new(ERR_INPUT, "expected a string, not '%s'", value_type(v));
    *out = v.s;
    return NULL;
}

/* ---- scopes */

Scope *scope_new(Run *r, Scope *up, const Node *body)
{
    Scope *s = ARENA_NEW(r->a, Scope);
    s->up = up;
    for (size_t i = 0; body && i < body->n_hides; i++)
        scope_set(r, s, body->hides[i],
                  run_missing(r, NULL, run_string(r, body->hides[i])));
    return s;
}

const Value *scope_find(const Scope *s, const char *name)
{
    for (; s; s = s->up)
        for (const Binding *b = s->first; b; b = b->next)
            if (b->name == name)
                return &b->value;
    return NULL;
}

void scope_set(Run *r, Scope *s, const char *name, Value v)
{
    for (Binding *b = s->first; b; b = b->next)
        if (b->name == name) {
            b->value = v;
            return;
        }
    Binding *b = ARENA_NEW(r->a, Binding);
    *b = (Binding){name, v, s->first};
    s->first = b;
}
