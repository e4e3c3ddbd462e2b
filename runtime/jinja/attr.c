/* attr.c - a.b, a[b] and a[b:c].
 *
 * As the sandbox looks things up: `a.b` is first what Python's type has of that
 * name, then the item; `a['b']` the other way round; what is not there is
 * undefined and says so when it is used. */
#include <string.h>

#include "runtime/jinja/run.h"

static Value method_value(Run *r, const Builtin *b, Value self)
{
    Object *o = object_new(r, OBJECT_METHOD);
    o->builtin = b;
    o->self = self;
    return object_value(o);
}

static Value unsafe(Run *r, Value of, const char *name)
{
    Text t = text_new(r->a, 4096);
    text_puts(&t, "access to attribute ");
    value_repr_str(&t, str_of(r->a, name));
    text_printf(&t, " of '%s' object is unsafe.", value_type(of));
    const Str *s = text_done(&t);
    return run_hint(r, arena_strndup(r->a, s->p, s->n));
}

static Err *loop_attribute(Run *r, const Loop *l, const char *name, Value *out,
                           bool *found)
{
    const int64_t i = (int64_t)l->index, n = (int64_t)l->n;
    *found = true;
    if (strcmp(name, "index") == 0)
        *out = value_int(i + 1);
    else if (strcmp(name, "index0") == 0)
        *out = value_int(i);
    else if (strcmp(name, "first") == 0)
        *out = value_bool(i == 0);
    else if (strcmp(name, "last") == 0)
        *out = value_bool(i + 1 == n);
    else if (strcmp(name, "length") == 0)
        *out = value_int(n);
    else if (strcmp(name, "revindex") == 0)
        *out = value_int(n - i);
    else if (strcmp(name, "revindex0") == 0)
        *out = value_int(n - i - 1);
    else if (strcmp(name, "depth") == 0)
        *out = value_int(l->depth + 1);
    else if (strcmp(name, "depth0") == 0)
        *out = value_int(l->depth);
    else if (strcmp(name, "previtem") == 0)
        *out = i ? l->v[i - 1] : run_hint(r, "there is no previous item");
    else if (strcmp(name, "nextitem") == 0)
        *out = i + 1 < n ? l->v[i + 1] : run_hint(r, "there is no next item");
    else
        *found = false;
    return NULL;
}

static Err *macro_attribute(Run *r, const Object *o, const char *name,
                            Value *out, bool *found)
{
    const Node *m = o->macro;
    Values names = {0};
    *found = true;
    if (strcmp(name, "name") == 0)
        *out = run_string(r, m->name);
    else if (strcmp(name, "catch_kwargs") == 0)
        *out = value_bool(m->flag & USES_KWARGS);
    else if (strcmp(name, "catch_varargs") == 0)
        *out = value_bool(m->flag & USES_VARARGS);
    else if (strcmp(name, "caller") == 0)
        *out = value_bool(m->flag & USES_CALLER);
    else if (strcmp(name, "arguments") == 0) {
        for (size_t i = 0; i < m->args->n_keys; i++)
            TRY(run_push(r, &names, run_string(r, m->args->key[i])));
        *out = value_seq(r->a, VALUE_TUPLE, names.v, names.n);
    } else
        *found = false;
    return NULL;
}

/* What Python's type has of that name. */
static Err *type_attribute(Run *r, Value of, const char *name, Value *out,
                           bool *found)
{
    const Builtin *method = builtin_method(of, name);
    *found = true;
    if (method) {
        *out = method_value(r, method, of);
        return NULL;
    }
    if (builtin_is_unsafe(of, name)) {
        *out = unsafe(r, of, name);
        return NULL;
    }
    if (object_is(of, OBJECT_LOOP))
        return loop_attribute(r, of.object->loop, name, out, found);
    if (object_is(of, OBJECT_MACRO))
        return macro_attribute(r, of.object, name, out, found);
    if (of.kind == VALUE_TUPLE && of.seq->group &&
        (strcmp(name, "grouper") == 0 || strcmp(name, "list") == 0)) {
        *out = of.seq->v[name[0] == 'l'];
        return NULL;
    }
    *found = false;
    return NULL;
}

/* a[key] without any fallback. */
static Err *plain_item(Run *r, Value of, Value key, Value *out, bool *found)
{
    int64_t i, n;
    *found = false;
    if (of.kind == VALUE_DICT || object_is(of, OBJECT_NAMESPACE)) {
        const Dict *d = of.kind == VALUE_DICT ? of.dict : of.object->names;
        const Value *v = value_hashable(key) ? dict_get(d, key) : NULL;
        if (v) {
            *out = *v;
            *found = true;
        }
        return NULL;
    }
    bool indexed = of.kind == VALUE_STR || of.kind == VALUE_LIST ||
                   of.kind == VALUE_TUPLE || object_is(of, OBJECT_RANGE);
    if (!indexed || !value_as_int(key, &i))
        return NULL;
    TRY(iter_length(r, of, &n));
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return NULL;
    *found = true;
    if (of.kind == VALUE_STR) {
        size_t from = str_byte(of.s, (size_t)i);
        TRY(run_charge(r, of.s->chars == of.s->n ? 1 : 1 + from / 64));
        *out = value_str(
            str_part(r->a, of.s, from, str_byte(of.s, (size_t)i + 1)));
    } else if (of.kind == VALUE_OBJECT) {
        *out = value_int(of.object->range.start + i * of.object->range.step);
    } else {
        *out = of.seq->v[i];
    }
    return NULL;
}

Err *attr_get(Run *r, Value of, const char *name, Value *out)
{
    bool found;
    if (of.kind == VALUE_UNDEFINED && !builtin_is_unsafe(of, name))
        return run_undefined(r, of);
    TRY(type_attribute(r, of, name, out, &found));
    if (found)
        return NULL;
    Value key = run_string(r, name);
    TRY(plain_item(r, of, key, out, &found));
    if (!found)
        *out = run_missing(r, &of, key);
    return NULL;
}

Err *attr_item(Run *r, Value of, Value key, Value *out)
{
    bool found;
    if (of.kind == VALUE_UNDEFINED)
        return run_undefined(r, of);
    TRY(plain_item(r, of, key, out, &found));
    if (!found && key.kind == VALUE_STR) {
        const char *name = arena_strndup(r->a, key.s->p, key.s->n);
        TRY(type_attribute(r, of, name, out, &found));
    }
    if (!found)
        *out = run_missing(r, &of, key);
    return NULL;
}

/* ---- slices */

typedef struct {
    int64_t start, stop, step;
} Slice;

static Err *bound_of(Value v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (!value_is_given(v) || v.kind == VALUE_NONE)
        return NULL;
    if (!value_as_int(v, out))
        return err_new(ERR_INPUT, "slice indices must be integers or None or "
                                  "have an __index__ method");
    return NULL;
}

static int64_t clamp(int64_t i, int64_t low, int64_t high)
{
    return i < low ? low : i > high ? high : i;
}

/* Into the n items there are, as Python's slice.indices does. */
static Err *slice_of(const Value bound[3], int64_t n, Slice *s)
{
    TRY(bound_of(bound[2], 1, &s->step));
    if (s->step == 0)
        return err_new(ERR_INPUT, "slice step cannot be zero");
    if (s->step == INT64_MIN)
        s->step++;
    bool back = s->step < 0;
    int64_t low = back ? -1 : 0, high = back ? n - 1 : n;
    int64_t none = INT64_MIN; /* stands for "not said" */
    TRY(bound_of(bound[0], none, &s->start));
    TRY(bound_of(bound[1], none, &s->stop));
    if (s->start == none)
        s->start = back ? high : low;
    else
        s->start = clamp(s->start < 0 ? s->start + n : s->start, low, high);
    if (s->stop == none)
        s->stop = back ? low : high;
    else
        s->stop = clamp(s->stop < 0 ? s->stop + n : s->stop, low, high);
    return NULL;
}

static bool more(const Slice *s, int64_t i)
{
    return s->step > 0 ? i < s->stop : i > s->stop;
}

/* The next index; outside of everything where the step leaves 64 bits. */
static int64_t next(const Slice *s, int64_t i)
{
    if (__builtin_add_overflow(i, s->step, &i))
        return s->stop;
    return i;
}

static Err *slice_str(Run *r, const Str *of, const Slice *s, Value *out)
{
    Text t = run_text(r);
    TRY(run_charge(r, of->n / 64 + 1));
    if (s->step == 1) {
        size_t from = str_byte(of, (size_t)s->start);
        size_t to = s->stop > s->start ? str_byte(of, (size_t)s->stop) : from;
        *out = value_str(str_part(r->a, of, from, to));
        return NULL;
    }
    const Value *chars;
    size_t n;
    TRY(iter_items(r, value_str(of), &chars, &n));
    for (int64_t i = s->start; more(s, i); i = next(s, i))
        text_str(&t, chars[i].s);
    TRY(run_text_value(r, &t, out));
    out->s = str_with_markup(r->a, out->s, of->markup);
    return NULL;
}

static Err *slice_range(Run *r, const Object *of, const Slice *s, Value *out)
{
    Object *o = object_new(r, OBJECT_RANGE);
    o->range.start = of->range.start + s->start * of->range.step;
    o->range.stop = of->range.start + s->stop * of->range.step;
    if (__builtin_mul_overflow(of->range.step, s->step, &o->range.step))
        return err_new(ERR_LIMIT, "an integer beyond 64 bits");
    *out = object_value(o);
    return NULL;
}

Err *attr_slice(Run *r, Value of, const Value bound[3], Value *out)
{
    Slice s;
    int64_t n;
    Values items = {0};
    if (of.kind == VALUE_UNDEFINED)
        return run_undefined(r, of);
    if (of.kind == VALUE_DICT)
        return err_new(ERR_INPUT, "unhashable type: 'slice'");
    bool range = object_is(of, OBJECT_RANGE);
    if (of.kind != VALUE_STR && of.kind != VALUE_LIST &&
        of.kind != VALUE_TUPLE && !range)
        return err_new(ERR_INPUT, "'%s' object is not subscriptable",
                       value_type(of));
    TRY(iter_length(r, of, &n));
    TRY(slice_of(bound, n, &s));
    if (of.kind == VALUE_STR)
        return slice_str(r, of.s, &s, out);
    if (range)
        return slice_range(r, of.object, &s, out);
    if (s.step == 1) {
        n = s.stop > s.start ? s.stop - s.start : 0;
        *out =
            value_seq(r->a, of.kind, n ? of.seq->v + s.start : NULL, (size_t)n);
        return NULL;
    }
    for (int64_t i = s.start; more(&s, i); i = next(&s, i))
        TRY(run_push(r, &items, of.seq->v[i]));
    TRY(run_charge(r, items.n));
    *out = value_seq(r->a, of.kind, items.v, items.n);
    return NULL;
}

/* ---- paths of filters */

static bool is_number(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return n > 0;
}

Err *attr_path(Run *r, Value of, Value path, Value *out)
{
    *out = of;
    if (path.kind == VALUE_NONE || !value_is_given(path))
        return NULL;
    if (path.kind != VALUE_STR)
        return attr_item(r, of, path, out);
    const char *p = path.s->p, *end = p + path.s->n;
    for (;;) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        size_t n = (size_t)((dot ? dot : end) - p);
        Value key = is_number(p, n)
                        ? value_integer(r->a, p, n, ORIGIN_TEMPLATE)
                        : value_str(str_new(r->a, p, n, ORIGIN_TEMPLATE));
        TRY(run_charge(r, 1));
        TRY(attr_item(r, *out, key, out));
        if (!dot)
            return NULL;
        p = dot + 1;
    }
}
