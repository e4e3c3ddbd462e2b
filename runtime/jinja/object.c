/* object.c - values that only templates make. */
#include <inttypes.h>

#include "runtime/jinja/run.h"

static const char *const names[] = {
#define OBJECT(id, name, fields) name,
#include "runtime/jinja/objects.def"
#undef OBJECT
};

const char *object_type(const Object *o) { return names[o->kind]; }

Object *object_new(Run *r, ObjectKind kind)
{
    Object *o = ARENA_NEW(r->a, Object);
    o->kind = kind;
    return o;
}

Value object_value(Object *o) { return (Value){VALUE_OBJECT, {.object = o}}; }

bool object_is(Value v, ObjectKind kind)
{
    return v.kind == VALUE_OBJECT && v.object->kind == kind;
}

Value object_generator(Run *r, GeneratorFn *make, Value over, const Args *args)
{
    Object *o = object_new(r, OBJECT_GENERATOR);
    o->generator.make = make;
    o->generator.over = over;
    if (args)
        o->generator.args = *args;
    return object_value(o);
}

int64_t object_range_length(const Object *o)
{
    int64_t from = o->range.start, to = o->range.stop, step = o->range.step;
    if (step > 0)
        return from < to ? (int64_t)(((uint64_t)to - (uint64_t)from - 1) /
                                         (uint64_t)step +
                                     1)
                         : 0;
    return from > to ? (int64_t)(((uint64_t)from - (uint64_t)to - 1) /
                                     (0 - (uint64_t)step) +
                                 1)
                     : 0;
}

static void repr_view(Text *t, const Object *o, int depth)
{
    text_printf(t, "%s([", names[o->kind]);
    for (size_t i = 0; i < o->dict->n && !t->full; i++) {
        text_puts(t, i ? ", " : "");
        if (o->kind == OBJECT_ITEMS)
            text_puts(t, "(");
        if (o->kind != OBJECT_VALUES)
            value_repr_at(t, o->dict->key[i], depth + 2);
        if (o->kind == OBJECT_ITEMS)
            text_puts(t, ", ");
        if (o->kind != OBJECT_KEYS)
            value_repr_at(t, o->dict->val[i], depth + 2);
        if (o->kind == OBJECT_ITEMS)
            text_puts(t, ")");
    }
    text_puts(t, "])");
}

static void repr_range(Text *t, const Object *o)
{
    text_printf(t, "range(%" PRId64 ", %" PRId64, o->range.start,
                o->range.stop);
    if (o->range.step != 1)
        text_printf(t, ", %" PRId64, o->range.step);
    text_puts(t, ")");
}

void object_repr(Text *t, const Object *o, int depth)
{
    switch (o->kind) {
    case OBJECT_KEYS:
    case OBJECT_VALUES:
    case OBJECT_ITEMS:
        repr_view(t, o, depth);
        break;
    case OBJECT_RANGE:
        repr_range(t, o);
        break;
    case OBJECT_NAMESPACE:
        text_puts(t, "<Namespace ");
        value_repr_at(t, value_dict(o->names), depth + 1);
        text_puts(t, ">");
        break;
    case OBJECT_MACRO:
        if (o->macro->kind == NODE_CALL_BLOCK)
            text_puts(t, "<Macro anonymous>");
        else
            text_printf(t, "<Macro '%.200s'>", o->macro->name);
        break;
    case OBJECT_LOOP:
        text_printf(t, "<LoopContext %zu/%zu>", o->loop->index + 1, o->loop->n);
        break;
    case OBJECT_FUNCTION:
    case OBJECT_METHOD:
        text_printf(t, "<%s %s>", names[o->kind], o->builtin->name);
        break;
    case OBJECT_GENERATOR:
    case OBJECT_REVERSED:
    case OBJECT_CYCLER:
    case OBJECT_JOINER:
        text_printf(t, "<%s object>", names[o->kind]);
        break;
    }
}
