/* iter.c - going over values, asking for their length and what is in them. */
#include <string.h>

#include "runtime/jinja/run.h"
#include "runtime/unicode.h"

static Err *not_iterable(Run *r, Value v)
{
    if (v.kind == VALUE_UNDEFINED)
        return run_undefined(r, v);
    return err_new(ERR_INPUT, "'%s' object is not iterable", value_type(v));
}

/* Each character a string of its own. */
static Err *characters(Run *r, const Str *s, const Value **items, size_t *n)
{
    TRY(run_charge(r, s->chars));
    s = str_with_markup(r->a, s, false);
    Value *v = ARENA_ARRAY(r->a, Value, s->chars);
    *n = 0;
    for (size_t i = 0; i < s->n;) {
        uint32_t cp;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        v[(*n)++] = value_str(str_part(r->a, s, i, i + len));
        i += len;
    }
    *items = v;
    return NULL;
}

static Err *generated(Run *r, Generator *g, const Value **items, size_t *n)
{
    if (g->make) {
        GeneratorFn *make = g->make;
        g->make = NULL;
        TRY(make(r, g->over, &g->args, &g->items));
    }
    *items = g->items.n ? g->items.v + g->next : NULL;
    *n = g->items.n - g->next;
    return NULL;
}

static Err *pairs(Run *r, const Dict *d, const Value **items)
{
    TRY(run_charge(r, d->n));
    Value *v = ARENA_ARRAY(r->a, Value, d->n);
    for (size_t i = 0; i < d->n; i++)
        v[i] = run_pair(r, d->key[i], d->val[i]);
    *items = v;
    return NULL;
}

static Err *numbers(Run *r, const Object *o, const Value **items, size_t *n)
{
    *n = (size_t)object_range_length(o);
    TRY(run_charge(r, *n));
    Value *v = ARENA_ARRAY(r->a, Value, *n);
    for (size_t i = 0; i < *n; i++)
        v[i] = value_int(o->range.start + (int64_t)i * o->range.step);
    *items = v;
    return NULL;
}

static Err *object_items(Run *r, Value v, const Value **items, size_t *n)
{
    Object *o = v.object;
    switch (o->kind) {
    case OBJECT_GENERATOR:
    case OBJECT_REVERSED:
        TRY(generated(r, &o->generator, items, n));
        o->generator.next = o->generator.items.n;
        return NULL;
    case OBJECT_KEYS:
    case OBJECT_VALUES:
        *items = o->kind == OBJECT_KEYS ? o->dict->key : o->dict->val;
        *n = o->dict->n;
        return NULL;
    case OBJECT_ITEMS:
        *n = o->dict->n;
        return pairs(r, o->dict, items);
    case OBJECT_RANGE:
        return numbers(r, o, items, n);
    case OBJECT_NAMESPACE:
    case OBJECT_MACRO:
    case OBJECT_FUNCTION:
    case OBJECT_METHOD:
    case OBJECT_LOOP:
    case OBJECT_CYCLER:
    case OBJECT_JOINER:
        break;
    }
    return not_iterable(r, v);
}

Err *iter_items(Run *r, Value v, const Value **items, size_t *n)
{
    *items = NULL;
    *n = 0;
    switch (v.kind) {
    case VALUE_UNDEFINED:
        return NULL;
    case VALUE_STR:
        return characters(r, v.s, items, n);
    case VALUE_LIST:
    case VALUE_TUPLE:
        *items = v.seq->v;
        *n = v.seq->n;
        return NULL;
    case VALUE_DICT:
        *items = v.dict->key;
        *n = v.dict->n;
        return NULL;
    case VALUE_OBJECT:
        return object_items(r, v, items, n);
    case VALUE_NONE:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_BIG:
    case VALUE_FLOAT:
        break;
    }
    return not_iterable(r, v);
}

/* Takes one from a generator, looks at the first of anything else. */
Err *iter_first(Run *r, Value v, Value *out, bool *any)
{
    const Value *items;
    size_t n;
    if (object_is(v, OBJECT_GENERATOR) || object_is(v, OBJECT_REVERSED)) {
        TRY(generated(r, &v.object->generator, &items, &n));
        v.object->generator.next += n > 0;
    } else {
        TRY(iter_items(r, v, &items, &n));
    }
    *any = n > 0;
    if (n)
        *out = items[0];
    return NULL;
}

bool iter_has_length(Value v)
{
    if (v.kind == VALUE_OBJECT)
        return v.object->kind == OBJECT_KEYS ||
               v.object->kind == OBJECT_VALUES ||
               v.object->kind == OBJECT_ITEMS ||
               v.object->kind == OBJECT_RANGE || v.object->kind == OBJECT_LOOP;
    return v.kind == VALUE_UNDEFINED || v.kind == VALUE_STR ||
           v.kind == VALUE_LIST || v.kind == VALUE_TUPLE ||
           v.kind == VALUE_DICT;
}

bool iter_possible(Value v)
{
    return iter_has_length(v) || object_is(v, OBJECT_GENERATOR) ||
           object_is(v, OBJECT_REVERSED);
}

static int64_t object_length(const Object *o)
{
    if (o->kind == OBJECT_RANGE)
        return object_range_length(o);
    return (int64_t)(o->kind == OBJECT_LOOP ? o->loop->n : o->dict->n);
}

Err *iter_length(Run *r, Value v, int64_t *out)
{
    (void)r;
    if (!iter_has_length(v))
        return err_new(ERR_INPUT, "object of type '%s' has no len()",
                       value_type(v));
    *out = v.kind == VALUE_STR         ? (int64_t)v.s->chars
           : v.kind == VALUE_DICT      ? (int64_t)v.dict->n
           : v.kind == VALUE_OBJECT    ? object_length(v.object)
           : v.kind == VALUE_UNDEFINED ? 0
                                       : (int64_t)v.seq->n;
    return NULL;
}

static Err *str_contains(Run *r, Value of, Value what, bool *out)
{
    if (what.kind == VALUE_UNDEFINED || what.kind != VALUE_STR)
        return err_new(ERR_INPUT,
                       "'in <string>' requires string as left operand, not %s",
                       value_type(what));
    TRY(run_charge(r, of.s->n / 16));
    *out = str_find(of.s, what.s, 0, of.s->n) != SIZE_MAX;
    return NULL;
}

static Err *dict_contains(Value of, Value what, bool *out)
{
    if (!value_hashable(what))
        return err_new(ERR_INPUT, "unhashable type: '%s'", value_type(what));
    *out = dict_get(of.kind == VALUE_DICT ? of.dict : of.object->dict, what);
    return NULL;
}

Err *iter_contains(Run *r, Value of, Value what, bool *out)
{
    const Value *items;
    size_t n;
    *out = false;
    if (of.kind == VALUE_STR)
        return str_contains(r, of, what, out);
    if (of.kind == VALUE_DICT || object_is(of, OBJECT_KEYS))
        return dict_contains(of, what, out);
    if (!iter_possible(of))
        return err_new(ERR_INPUT, "argument of type '%s' is not iterable",
                       value_type(of));
    TRY(iter_items(r, of, &items, &n));
    for (size_t i = 0; i < n && !*out; i++)
        TRY(compare_equal(r, items[i], what, out));
    return NULL;
}
