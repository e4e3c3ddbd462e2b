/* functions.c - the global functions and the methods of what they make. */
#include <stdio.h>
#include <string.h>

#include "runtime/jinja/run.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define UNUSED (void)r, (void)self, (void)arg, (void)all

enum { MAX_RANGE = 100000 }; /* the sandbox's own limit */

DEFINE(function_range)
{
    UNUSED;
    Object *o = object_new(r, OBJECT_RANGE);
    int64_t first = 0;
    TRY(run_int_arg(arg[0], 0, &first));
    TRY(run_int_arg(arg[2], 1, &o->range.step));
    o->range.stop = first;
    if (value_is_given(arg[1])) {
        o->range.start = first;
        TRY(run_int_arg(arg[1], 0, &o->range.stop));
    }
    if (o->range.step == 0)
        return err_new(ERR_INPUT, "range() arg 3 must not be zero");
    if (object_range_length(o) > MAX_RANGE || object_range_length(o) < 0)
        return err_new(ERR_INPUT,
                       "Range too big. The sandbox blocks ranges larger "
                       "than MAX_RANGE (%d).",
                       MAX_RANGE);
    *out = object_value(o);
    return NULL;
}

/* ---- dicts and namespaces */

static Err *add_pairs(Run *r, Dict *d, Value from)
{
    const Value *items, *pair;
    size_t n, two;
    TRY(iter_items(r, from, &items, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(iter_items(r, items[i], &pair, &two));
        if (two != 2)
            return err_new(ERR_INPUT,
                           "dictionary update sequence element #%zu has length "
                           "%zu; 2 is required",
                           i, two);
        if (!value_hashable(pair[0]))
            return err_new(ERR_INPUT, "unhashable type: '%s'",
                           value_type(pair[0]));
        dict_set(r->a, d, pair[0], pair[1]);
    }
    return run_charge(r, n);
}

static Err *make_dict(Run *r, const Args *args, Dict **out)
{
    Dict *d = dict_new(r->a);
    if (args->n > 1)
        return err_new(ERR_INPUT, "dict expected at most 1 argument, got %zu",
                       args->n);
    if (args->n && args->v[0].kind == VALUE_DICT) {
        const Dict *from = args->v[0].dict;
        TRY(run_charge(r, from->n));
        for (size_t i = 0; i < from->n; i++)
            dict_set(r->a, d, from->key[i], from->val[i]);
    } else if (args->n) {
        TRY(add_pairs(r, d, args->v[0]));
    }
    for (size_t i = 0; i < args->n_keys; i++)
        dict_set(r->a, d, run_string(r, args->key[i]), args->key_value[i]);
    *out = d;
    return NULL;
}

DEFINE(function_dict)
{
    UNUSED;
    Dict *d;
    TRY(make_dict(r, all, &d));
    *out = value_dict(d);
    return NULL;
}

DEFINE(function_namespace)
{
    UNUSED;
    Object *o = object_new(r, OBJECT_NAMESPACE);
    TRY(make_dict(r, all, &o->names));
    *out = object_value(o);
    return NULL;
}

/* ---- cycler, joiner, loop */

DEFINE(function_cycler)
{
    UNUSED;
    Object *o = object_new(r, OBJECT_CYCLER);
    if (all->n == 0)
        return err_new(ERR_INPUT, "at least one item has to be provided");
    for (size_t i = 0; i < all->n; i++)
        TRY(run_push(r, &o->cycle, all->v[i]));
    *out = object_value(o);
    return NULL;
}

DEFINE(cycler_next)
{
    UNUSED;
    Object *o = self.object;
    *out = o->cycle.v[o->position];
    o->position = (o->position + 1) % o->cycle.n;
    return NULL;
}

DEFINE(cycler_reset)
{
    UNUSED;
    self.object->position = 0;
    *out = value_none();
    return NULL;
}

DEFINE(function_joiner)
{
    UNUSED;
    Object *o = object_new(r, OBJECT_JOINER);
    o->self = value_is_given(arg[0]) ? arg[0] : run_string(r, ", ");
    *out = object_value(o);
    return NULL;
}

DEFINE(loop_cycle)
{
    UNUSED;
    if (all->n == 0)
        return err_new(ERR_INPUT, "no items for cycling given");
    *out = all->v[self.object->loop->index % all->n];
    return NULL;
}

DEFINE(loop_changed)
{
    UNUSED;
    Loop *l = self.object->loop;
    bool same = false;
    Value now = value_seq(r->a, VALUE_TUPLE, all->v, all->n);
    if (l->has_changed)
        TRY(compare_equal(r, l->changed, now, &same));
    l->changed = now;
    l->has_changed = true;
    *out = value_bool(!same);
    return NULL;
}

/* ---- Hugging Face's own */

DEFINE(function_raise)
{
    UNUSED;
    (void)out;
    const Str *s;
    TRY(run_print(r, arg[0], &s));
    return err_new(ERR_RAISED, "%.*s", (int)(s->n < 900 ? s->n : 900), s->p);
}

/* %f, %z and %Z are not C's business: a time without a zone. */
static const Str *without_zone(Run *r, const Str *format)
{
    Text t = run_text(r);
    for (size_t i = 0; i < format->n; i++) {
        bool more = format->p[i] == '%' && i + 1 < format->n;
        if (more && format->p[i + 1] == 'f')
            text_puts(&t, "000000");
        else if (!more || !strchr("zZ", format->p[i + 1]))
            text_part(&t, format, i, i + 1 + more);
        i += more;
    }
    text_puts(&t, " "); /* so that an empty result is not a failure */
    text_add(&t, "", 1, ORIGIN_TEMPLATE);
    return text_done(&t);
}

DEFINE(function_strftime_now)
{
    UNUSED;
    const Str *format;
    char room[1024];
    TRY(run_str_arg(r, arg[0], &format));
    if (format->n > 200)
        return err_new(ERR_LIMIT, "a time format of more than 200 bytes");
    const Str *plain = without_zone(r, format);
    size_t n = strftime(room, sizeof room, plain->p, &r->now);
    if (n == 0)
        return err_new(ERR_LIMIT, "a time of more than %zu bytes", sizeof room);
    *out = value_str(str_new(r->a, arena_strndup(r->a, room, n - 1), n - 1,
                             ORIGIN_TEMPLATE));
    return NULL;
}
