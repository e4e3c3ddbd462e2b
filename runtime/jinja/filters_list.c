/* filters_list.c - filters that go over something. */
#include <string.h>

#include "runtime/jinja/run.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define UNUSED (void)r, (void)self, (void)arg, (void)all

static bool is_said(Value v)
{
    return value_is_given(v) && v.kind != VALUE_NONE;
}

static bool flag(Value v) { return value_is_given(v) && ops_truth(v); }

/* jinja2's ignore_case: strings are compared in lower case. */
static Err *fold_key(Run *r, Value *key, bool case_sensitive)
{
    if (case_sensitive || key->kind != VALUE_STR)
        return NULL;
    return str_lower(r, *key, NULL, NULL, key);
}

/* The attribute of every item that sorting, grouping and the like look at. */
static Err *keys_of(Run *r, const Value *items, size_t n, Value path,
                    bool case_sensitive, Value **keys)
{
    TRY(run_charge(r, n));
    *keys = ARENA_ARRAY(r->a, Value, n);
    for (size_t i = 0; i < n; i++) {
        TRY(attr_path(r, items[i], path, &(*keys)[i]));
        TRY(fold_key(r, &(*keys)[i], case_sensitive));
    }
    return NULL;
}

/* ---- one of them, all of them */

DEFINE(filter_length)
{
    UNUSED;
    int64_t n;
    TRY(iter_length(r, self, &n));
    *out = value_int(n);
    return NULL;
}

DEFINE(filter_first)
{
    UNUSED;
    bool any;
    TRY(iter_first(r, self, out, &any));
    if (!any)
        *out = run_hint(r, "No first item, sequence was empty.");
    return NULL;
}

static bool is_reversible(Value v)
{
    return iter_has_length(v) && !object_is(v, OBJECT_LOOP);
}

DEFINE(filter_last)
{
    UNUSED;
    const Value *items;
    size_t n;
    if (!is_reversible(self))
        return err_new(ERR_INPUT, "'%s' object is not reversible",
                       value_type(self));
    TRY(iter_items(r, self, &items, &n));
    *out = n ? items[n - 1] : run_hint(r, "No last item, sequence was empty.");
    return NULL;
}

DEFINE(filter_list)
{
    UNUSED;
    const Value *items;
    size_t n;
    TRY(iter_items(r, self, &items, &n));
    *out = value_seq(r->a, VALUE_LIST, items, n);
    return NULL;
}

static Err *make_items(Run *r, Value over, const Args *args, Values *out)
{
    const Value *items;
    size_t n;
    (void)args;
    if (over.kind == VALUE_UNDEFINED)
        return NULL;
    if (over.kind != VALUE_DICT)
        return err_new(ERR_INPUT, "Can only get item pairs from a mapping.");
    TRY(dict_items(r, over, NULL, NULL, &over));
    TRY(iter_items(r, over, &items, &n));
    out->v = (Value *)items;
    out->n = out->cap = n;
    return NULL;
}

DEFINE(filter_items)
{
    UNUSED;
    *out = object_generator(r, make_items, self, NULL);
    return NULL;
}

DEFINE(filter_reverse)
{
    UNUSED;
    const Value *items;
    size_t n;
    if (self.kind == VALUE_STR) {
        const Value bound[3] = {{0}, {0}, value_int(-1)};
        return attr_slice(r, self, bound, out);
    }
    if (!iter_possible(self))
        return err_new(ERR_INPUT, "argument must be iterable");
    bool lazy = is_reversible(self);
    TRY(iter_items(r, self, &items, &n));
    Object *o = object_new(r, OBJECT_REVERSED);
    for (size_t i = n; i-- > 0;)
        TRY(run_push(r, &o->generator.items, items[i]));
    *out = lazy ? object_value(o) : run_list(r, &o->generator.items);
    return NULL;
}

DEFINE(filter_join)
{
    UNUSED;
    const Value *items;
    size_t n;
    const Str *with = str_of(r->a, "");
    Text t = run_text(r);
    if (value_is_given(arg[0]))
        TRY(run_print(r, arg[0], &with));
    TRY(iter_items(r, self, &items, &n));
    TRY(run_charge(r, n));
    for (size_t i = 0; i < n && !t.full; i++) {
        Value v;
        TRY(attr_path(r, items[i], arg[1], &v));
        if (i)
            text_str(&t, with);
        value_print(&t, v);
    }
    return run_text_value(r, &t, out);
}

DEFINE(filter_sum)
{
    UNUSED;
    const Value *items;
    size_t n;
    Value sum = value_is_given(arg[1]) ? arg[1] : value_int(0);
    if (sum.kind == VALUE_STR)
        return err_new(ERR_INPUT,
                       "sum() can't sum strings [use ''.join(seq) instead]");
    TRY(iter_items(r, self, &items, &n));
    for (size_t i = 0; i < n; i++) {
        Value v;
        TRY(attr_path(r, items[i], arg[0], &v));
        TRY(ops_binary(r, OP_ADD, sum, v, &sum));
        TRY(run_charge(r, 1));
    }
    *out = sum;
    return NULL;
}

/* ---- map, select and the like */

static Err *map_attribute(Run *r, const Value *items, size_t n,
                          const Args *args, Values *out)
{
    Value path = value_none(), fallback = value_none();
    for (size_t i = 0; i < args->n_keys; i++) {
        if (strcmp(args->key[i], "attribute") == 0)
            path = args->key_value[i];
        else if (strcmp(args->key[i], "default") == 0)
            fallback = args->key_value[i];
        else
            return err_new(ERR_INPUT, "Unexpected keyword argument '%s'",
                           args->key[i]);
    }
    for (size_t i = 0; i < n; i++) {
        Value v;
        TRY(run_charge(r, 1));
        TRY(attr_path(r, items[i], path, &v));
        if (v.kind == VALUE_UNDEFINED && fallback.kind != VALUE_NONE)
            v = fallback;
        TRY(run_push(r, out, v));
    }
    return NULL;
}

/* The row of a table that args->v[at] names; the rest are its arguments. */
static Err *named(Run *r, const Args *args, size_t at,
                  const Builtin *find(const char *), const char *what,
                  const Builtin **found, Args *rest)
{
    const Str *s;
    TRY(run_print(r, args->v[at], &s));
    const char *name = arena_strndup(r->a, s->p, s->n);
    *found = find(name);
    if (!*found)
        return err_new(ERR_INPUT, "No %s named '%.100s'.", what, name);
    *rest = *args;
    rest->v += at + 1;
    rest->n -= at + 1;
    return NULL;
}

static bool has_key(const Args *args, const char *key)
{
    for (size_t i = 0; i < args->n_keys; i++)
        if (strcmp(args->key[i], key) == 0)
            return true;
    return false;
}

static Err *make_map(Run *r, Value over, const Args *args, Values *out)
{
    const Value *items;
    const Builtin *filter;
    Args rest;
    size_t n;
    if (!ops_truth(over))
        return NULL;
    TRY(iter_items(r, over, &items, &n));
    if (args->n == 0 && has_key(args, "attribute"))
        return map_attribute(r, items, n, args, out);
    if (args->n == 0)
        return err_new(ERR_INPUT, "map requires a filter argument");
    TRY(named(r, args, 0, builtin_filter, "filter", &filter, &rest));
    for (size_t i = 0; i < n; i++) {
        Value v;
        TRY(run_charge(r, 1));
        TRY(builtin_call(r, filter, items[i], &rest, &v));
        TRY(run_push(r, out, v));
    }
    return NULL;
}

DEFINE(filter_map)
{
    UNUSED;
    *out = object_generator(r, make_map, self, all);
    return NULL;
}

/* Those items whose attribute (or they themselves) pass the test, or do not. */
static Err *sieve(Run *r, Value over, const Args *args, bool attribute,
                  bool keep, Values *out)
{
    const Value *items;
    const Builtin *test = NULL;
    Args rest;
    size_t n;
    if (!ops_truth(over))
        return NULL;
    TRY(iter_items(r, over, &items, &n));
    if (attribute && args->n == 0)
        return err_new(ERR_INPUT, "Missing parameter for attribute name");
    if (args->n > attribute)
        TRY(named(r, args, attribute, builtin_test, "test", &test, &rest));
    for (size_t i = 0; i < n; i++) {
        Value v = items[i];
        TRY(run_charge(r, 1));
        if (attribute)
            TRY(attr_path(r, v, args->v[0], &v));
        if (test)
            TRY(builtin_call(r, test, v, &rest, &v));
        if (ops_truth(v) == keep)
            TRY(run_push(r, out, items[i]));
    }
    return NULL;
}

#define SIEVE(name, attribute, keep)                                           \
    static Err *make_##name(Run *r, Value over, const Args *args, Values *out) \
    {                                                                          \
        return sieve(r, over, args, attribute, keep, out);                     \
    }                                                                          \
    DEFINE(filter_##name)                                                      \
    {                                                                          \
        (void)arg;                                                             \
        *out = object_generator(r, make_##name, self, all);                    \
        return NULL;                                                           \
    }

SIEVE(select, false, true)
SIEVE(reject, false, false)
SIEVE(selectattr, true, true)
SIEVE(rejectattr, true, false)

/* ---- order */

static Err *in_order(Run *r, const Value *items, size_t n, const Value *keys,
                     bool reverse, Values *out)
{
    size_t *at;
    TRY(compare_sort(r, keys, n, reverse, &at));
    for (size_t i = 0; i < n; i++)
        TRY(run_push(r, out, items[at[i]]));
    return NULL;
}

/* jinja2 sorts by lists of attributes ("a,b.c"), of one element in general.
 * That shows: equal elements need no order. */
static Err *sort_keys(Run *r, const Value *items, size_t n, const Value *arg,
                      Value **keys)
{
    Value paths;
    bool sensitive = flag(arg[1]);
    const Value comma[2] = {run_string(r, ","), {0}};
    if (arg[2].kind == VALUE_STR)
        TRY(str_split(r, arg[2], comma, NULL, &paths));
    else
        paths = value_seq(r->a, VALUE_LIST, &arg[2], 1);
    *keys = ARENA_ARRAY(r->a, Value, n);
    for (size_t i = 0; i < n; i++) {
        Value *v = ARENA_ARRAY(r->a, Value, paths.seq->n);
        TRY(run_charge(r, paths.seq->n));
        for (size_t k = 0; k < paths.seq->n; k++) {
            TRY(attr_path(r, items[i], paths.seq->v[k], &v[k]));
            TRY(fold_key(r, &v[k], sensitive));
        }
        (*keys)[i] = value_seq(r->a, VALUE_LIST, v, paths.seq->n);
    }
    return NULL;
}

DEFINE(filter_sort)
{
    UNUSED;
    const Value *items;
    Value *keys;
    size_t n;
    Values list = {0};
    TRY(iter_items(r, self, &items, &n));
    TRY(sort_keys(r, items, n, arg, &keys));
    TRY(in_order(r, items, n, keys, flag(arg[0]), &list));
    *out = run_list(r, &list);
    return NULL;
}

DEFINE(filter_dictsort)
{
    UNUSED;
    const Value *items;
    Value *keys, pairs;
    size_t n;
    Values list = {0};
    bool by_value = arg[1].kind == VALUE_STR && str_is(arg[1].s, "value");
    if (self.kind == VALUE_UNDEFINED)
        return run_undefined(r, self);
    if (value_is_given(arg[1]) && !by_value &&
        !(arg[1].kind == VALUE_STR && str_is(arg[1].s, "key")))
        return err_new(ERR_INPUT,
                       "You can only sort by either \"key\" or \"value\"");
    if (self.kind != VALUE_DICT)
        return run_type_error(self, "a mapping");
    TRY(dict_items(r, self, arg, all, &pairs));
    TRY(iter_items(r, pairs, &items, &n));
    TRY(keys_of(r, items, n, value_int(by_value), flag(arg[0]), &keys));
    TRY(in_order(r, items, n, keys, flag(arg[2]), &list));
    *out = run_list(r, &list);
    return NULL;
}

static Err *extreme(Run *r, Value self, const Value *arg, int want, Value *out)
{
    const Value *items;
    Value *keys;
    size_t n, best = 0;
    TRY(iter_items(r, self, &items, &n));
    if (n == 0) {
        *out = run_hint(r, "No aggregated item, sequence was empty.");
        return NULL;
    }
    TRY(keys_of(r, items, n, arg[1], flag(arg[0]), &keys));
    for (size_t i = 1; i < n; i++) {
        int order;
        TRY(compare_less(r, want < 0 ? "<" : ">", keys[i], keys[best], &order));
        if (order == want)
            best = i;
    }
    *out = items[best];
    return NULL;
}

DEFINE(filter_min)
{
    UNUSED;
    return extreme(r, self, arg, -1, out);
}

DEFINE(filter_max)
{
    UNUSED;
    return extreme(r, self, arg, 1, out);
}

/* ---- unique, groupby */

static Err *make_unique(Run *r, Value over, const Args *args, Values *out)
{
    const Value *items;
    Value *keys;
    size_t n;
    Dict *seen = dict_new(r->a);
    TRY(iter_items(r, over, &items, &n));
    TRY(keys_of(r, items, n, args->v[1], flag(args->v[0]), &keys));
    for (size_t i = 0; i < n; i++) {
        if (!value_hashable(keys[i]))
            return err_new(ERR_INPUT, "unhashable type: '%s'",
                           value_type(keys[i]));
        if (dict_get(seen, keys[i]))
            continue;
        dict_set(r->a, seen, keys[i], value_none());
        TRY(run_push(r, out, items[i]));
    }
    return run_charge(r, n);
}

DEFINE(filter_unique)
{
    UNUSED;
    Value *v = ARENA_ARRAY(r->a, Value, 2);
    v[0] = arg[0];
    v[1] = arg[1];
    const Args args = {.n = 2, .v = v};
    *out = object_generator(r, make_unique, self, &args);
    return NULL;
}

static Err *push_group(Run *r, Values *groups, Value grouper, Values *members)
{
    Value pair = run_pair(r, grouper, run_list(r, members));
    Seq *s = ARENA_NEW(r->a, Seq);
    *s = *pair.seq;
    s->group = true;
    pair.seq = s;
    *members = (Values){0};
    return run_push(r, groups, pair);
}

/* An item's attribute, or the default in its place. */
static Err *grouper_of(Run *r, Value item, const Value *arg, Value *out)
{
    TRY(attr_path(r, item, arg[0], out));
    if (out->kind == VALUE_UNDEFINED && is_said(arg[1]))
        *out = arg[1];
    return NULL;
}

DEFINE(filter_groupby)
{
    UNUSED;
    const Value *items;
    size_t n, *at;
    Values groups = {0}, members = {0};
    TRY(iter_items(r, self, &items, &n));
    TRY(run_charge(r, n));
    Value *keys = ARENA_ARRAY(r->a, Value, n), grouper = {0};
    for (size_t i = 0; i < n; i++) {
        TRY(grouper_of(r, items[i], arg, &keys[i]));
        TRY(fold_key(r, &keys[i], flag(arg[2])));
    }
    TRY(compare_sort(r, keys, n, false, &at));
    for (size_t i = 0; i < n; i++) {
        bool same = false;
        if (i)
            TRY(compare_equal(r, keys[at[i - 1]], keys[at[i]], &same));
        if (i && !same)
            TRY(push_group(r, &groups, grouper, &members));
        if (!same)
            TRY(grouper_of(r, items[at[i]], arg, &grouper));
        TRY(run_push(r, &members, items[at[i]]));
    }
    if (n)
        TRY(push_group(r, &groups, grouper, &members));
    *out = run_list(r, &groups);
    return NULL;
}

/* ---- batch, slice */

static Err *make_batch(Run *r, Value over, const Args *args, Values *out)
{
    const Value *items;
    size_t n;
    int64_t size;
    Values row = {0};
    TRY(run_int_arg(args->v[0], 0, &size));
    TRY(iter_items(r, over, &items, &n));
    for (size_t i = 0; i < n; i++) {
        if ((int64_t)row.n == size) {
            TRY(run_push(r, out, run_list(r, &row)));
            row = (Values){0};
        }
        TRY(run_push(r, &row, items[i]));
    }
    while (row.n && is_said(args->v[1]) && (int64_t)row.n < size) {
        TRY(run_charge(r, 1));
        TRY(run_push(r, &row, args->v[1]));
    }
    return row.n ? run_push(r, out, run_list(r, &row)) : NULL;
}

static Err *make_slice(Run *r, Value over, const Args *args, Values *out)
{
    const Value *items;
    size_t n;
    int64_t slices;
    TRY(run_int_arg(args->v[0], 0, &slices));
    TRY(iter_items(r, over, &items, &n));
    if (slices == 0)
        return err_new(ERR_INPUT, "integer division or modulo by zero");
    size_t count = slices > 0 ? (size_t)slices : 0, from = 0;
    for (size_t i = 0; i < count; i++) {
        Values row = {0};
        size_t size = n / count + (i < n % count);
        TRY(run_charge(r, 1));
        for (size_t k = 0; k < size; k++)
            TRY(run_push(r, &row, items[from + k]));
        if (is_said(args->v[1]) && i >= n % count)
            TRY(run_push(r, &row, args->v[1]));
        from += size;
        TRY(run_push(r, out, run_list(r, &row)));
    }
    return NULL;
}

static Value lazily(Run *r, GeneratorFn *make, Value self, const Value *arg)
{
    Value *v = ARENA_ARRAY(r->a, Value, 2);
    v[0] = arg[0];
    v[1] = arg[1];
    const Args args = {.n = 2, .v = v};
    return object_generator(r, make, self, &args);
}

DEFINE(filter_batch)
{
    UNUSED;
    *out = lazily(r, make_batch, self, arg);
    return NULL;
}

DEFINE(filter_slice)
{
    UNUSED;
    *out = lazily(r, make_slice, self, arg);
    return NULL;
}
