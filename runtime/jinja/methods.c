/* methods.c - methods of dicts, lists and ranges. */
#include "runtime/jinja/run.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define UNUSED (void)r, (void)self, (void)arg, (void)all

DEFINE(dict_copy)
{
    UNUSED;
    *out = self; /* nobody can change either */
    return NULL;
}

DEFINE(dict_get_method)
{
    UNUSED;
    if (!value_hashable(arg[0]))
        return err_new(ERR_INPUT, "unhashable type: '%s'", value_type(arg[0]));
    const Value *v = dict_get(self.dict, arg[0]);
    *out = v ? *v : value_is_given(arg[1]) ? arg[1] : value_none();
    return NULL;
}

static Err *view(Run *r, ObjectKind kind, Value self, Value *out)
{
    Object *o = object_new(r, kind);
    o->dict = self.dict;
    *out = object_value(o);
    return NULL;
}

DEFINE(dict_items)
{
    UNUSED;
    return view(r, OBJECT_ITEMS, self, out);
}

DEFINE(dict_keys)
{
    UNUSED;
    return view(r, OBJECT_KEYS, self, out);
}

DEFINE(dict_values)
{
    UNUSED;
    return view(r, OBJECT_VALUES, self, out);
}

DEFINE(seq_copy)
{
    UNUSED;
    *out = self;
    return NULL;
}

DEFINE(seq_count)
{
    UNUSED;
    const Value *items;
    size_t n;
    int64_t count = 0;
    TRY(iter_items(r, self, &items, &n));
    for (size_t i = 0; i < n; i++) {
        bool equal;
        TRY(compare_equal(r, items[i], arg[0], &equal));
        count += equal;
    }
    *out = value_int(count);
    return NULL;
}

static int64_t from_end(int64_t i, size_t n)
{
    i += i < 0 ? (int64_t)n : 0;
    return i < 0 ? 0 : i;
}

DEFINE(seq_index)
{
    UNUSED;
    const Value *items;
    const Str *s;
    size_t n;
    int64_t start, stop;
    TRY(iter_items(r, self, &items, &n));
    TRY(run_int_arg(arg[1], 0, &start));
    TRY(run_int_arg(arg[2], (int64_t)n, &stop));
    stop = from_end(stop, n);
    for (int64_t i = from_end(start, n); i < stop && i < (int64_t)n; i++) {
        bool equal;
        TRY(compare_equal(r, items[i], arg[0], &equal));
        if (equal) {
            *out = value_int(i);
            return NULL;
        }
    }
    TRY(run_repr(r, arg[0], &s));
    return err_new(ERR_INPUT, "%.*s is not in list",
                   (int)(s->n < 200 ? s->n : 200), s->p);
}
