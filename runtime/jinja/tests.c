/* tests.c - `x is NAME`.  All give a boolean. */
#include "runtime/jinja/run.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define SIMPLE(function, condition)                                            \
    DEFINE(function)                                                           \
    {                                                                          \
        (void)r, (void)arg, (void)all;                                         \
        *out = value_bool(condition);                                          \
        return NULL;                                                           \
    }

static bool is_number(Value v)
{
    double x;
    return value_number(v, &x);
}

SIMPLE(test_defined, self.kind != VALUE_UNDEFINED)
SIMPLE(test_undefined, self.kind == VALUE_UNDEFINED)
SIMPLE(test_none, self.kind == VALUE_NONE)
SIMPLE(test_boolean, self.kind == VALUE_BOOL)
SIMPLE(test_true, self.kind == VALUE_BOOL && self.b)
SIMPLE(test_false, self.kind == VALUE_BOOL && !self.b)
SIMPLE(test_integer, self.kind == VALUE_INT || self.kind == VALUE_BIG)
SIMPLE(test_float, self.kind == VALUE_FLOAT)
SIMPLE(test_string, self.kind == VALUE_STR)
SIMPLE(test_mapping, self.kind == VALUE_DICT)
SIMPLE(test_number, is_number(self))
SIMPLE(test_escaped, self.kind == VALUE_STR && self.s->markup)

/* What has a length and can be indexed; of an undefined value both hold. */
SIMPLE(test_sequence, self.kind == VALUE_STR || self.kind == VALUE_LIST ||
                          self.kind == VALUE_TUPLE || self.kind == VALUE_DICT ||
                          self.kind == VALUE_UNDEFINED ||
                          object_is(self, OBJECT_RANGE))
SIMPLE(test_iterable, iter_possible(self))
SIMPLE(test_callable,
       self.kind == VALUE_UNDEFINED || object_is(self, OBJECT_MACRO) ||
           object_is(self, OBJECT_FUNCTION) || object_is(self, OBJECT_METHOD) ||
           object_is(self, OBJECT_LOOP) || object_is(self, OBJECT_JOINER))

static Err *is_named(Run *r, Value v, const Builtin *find(const char *),
                     Value *out)
{
    if (!value_hashable(v))
        return err_new(ERR_INPUT, "unhashable type: '%s'", value_type(v));
    *out = value_bool(v.kind == VALUE_STR &&
                      find(arena_strndup(r->a, v.s->p, v.s->n)));
    return NULL;
}

DEFINE(test_filter)
{
    (void)arg, (void)all;
    return is_named(r, self, builtin_filter, out);
}

DEFINE(test_test)
{
    (void)arg, (void)all;
    return is_named(r, self, builtin_test, out);
}

/* ---- numbers */

static Err *rest_is(Run *r, Value v, Value by, int64_t want, Value *out)
{
    Value rest;
    int64_t steps = 8;
    TRY(ops_binary(r, OP_MOD, v, by, &rest));
    *out = value_bool(value_equal(rest, value_int(want), &steps));
    return NULL;
}

DEFINE(test_odd)
{
    (void)arg, (void)all;
    return rest_is(r, self, value_int(2), 1, out);
}

DEFINE(test_even)
{
    (void)arg, (void)all;
    return rest_is(r, self, value_int(2), 0, out);
}

DEFINE(test_divisibleby)
{
    (void)all;
    return rest_is(r, self, arg[0], 0, out);
}

/* ---- strings */

static Err *case_test(Run *r, Value self, Case how, Value *out)
{
    const Str *s;
    TRY(run_print(r, self, &s));
    TRY(run_charge(r, s->n / 16));
    *out = value_bool(case_is(s, how));
    return NULL;
}

DEFINE(test_lower)
{
    (void)arg, (void)all;
    return case_test(r, self, CASE_LOWER, out);
}

DEFINE(test_upper)
{
    (void)arg, (void)all;
    return case_test(r, self, CASE_UPPER, out);
}

/* ---- two values */

static bool same(Value a, Value b)
{
    if (a.kind != b.kind)
        return false;
    if (a.kind == VALUE_BOOL)
        return a.b == b.b;
    if (a.kind == VALUE_INT)
        return a.i == b.i;
    if (a.kind == VALUE_STR)
        return str_equal(a.s, b.s);
    return a.kind == VALUE_NONE || (a.kind != VALUE_FLOAT && a.seq == b.seq);
}

DEFINE(test_sameas)
{
    (void)r, (void)all;
    *out = value_bool(same(self, arg[0]));
    return NULL;
}

static Err *compared(Run *r, Op op, Value a, Value b, Value *out)
{
    bool holds;
    TRY(compare_op(r, op, a, b, &holds));
    *out = value_bool(holds);
    return NULL;
}

#define COMPARISON(function, op)                                               \
    DEFINE(function)                                                           \
    {                                                                          \
        (void)all;                                                             \
        return compared(r, op, self, arg[0], out);                             \
    }

COMPARISON(test_in, OP_IN)
COMPARISON(test_eq, OP_EQ)
COMPARISON(test_ne, OP_NE)
COMPARISON(test_gt, OP_GT)
COMPARISON(test_ge, OP_GE)
COMPARISON(test_lt, OP_LT)
COMPARISON(test_le, OP_LE)
