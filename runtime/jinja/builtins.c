#include "runtime/jinja/builtins.h"

#include <string.h>

#include "runtime/jinja/run.h"

typedef enum {
    TYPE_NONE,
    TYPE_STR,
    TYPE_DICT,
    TYPE_SEQ,
    TYPE_LIST,
    TYPE_RANGE,
    TYPE_LOOP,
    TYPE_CYCLER,
} Type;

typedef struct {
    Type type;
    Builtin builtin;
} Method;

static const Builtin filters[] = {
#define FILTER(name, function, required, params)                               \
    {name, required, params, function},
#include "runtime/jinja/filters.def"
#undef FILTER
};
static const Builtin tests[] = {
#define TEST(name, function, required, params)                                 \
    {name, required, params, function},
#include "runtime/jinja/tests.def"
#undef TEST
};
static const Builtin functions[] = {
#define FUNCTION(name, function, required, params)                             \
    {name, required, params, function},
#include "runtime/jinja/functions.def"
#undef FUNCTION
};
static const Method methods[] = {
#define METHOD(type, name, function, required, params)                         \
    {TYPE_##type, {name, required, params, function}},
#include "runtime/jinja/methods.def"
#undef METHOD
};
static const struct {
    Type type;
    const char *name;
} unsafe_methods[] = {
#define METHOD(type, name, function, required, params)
#define UNSAFE(type, name) {TYPE_##type, name},
#include "runtime/jinja/methods.def"
#undef METHOD
#undef UNSAFE
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const Builtin *search(const Builtin *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const Builtin *builtin_filter(const char *name)
{
    return search(filters, COUNT(filters), name);
}

const Builtin *builtin_test(const char *name)
{
    return search(tests, COUNT(tests), name);
}

const Builtin *builtin_function(const char *name)
{
    return search(functions, COUNT(functions), name);
}

static Type type_of(Value v)
{
    if (v.kind == VALUE_STR)
        return TYPE_STR;
    if (v.kind == VALUE_DICT)
        return TYPE_DICT;
    if (v.kind == VALUE_LIST || v.kind == VALUE_TUPLE)
        return TYPE_SEQ;
    if (object_is(v, OBJECT_RANGE))
        return TYPE_RANGE;
    if (object_is(v, OBJECT_LOOP))
        return TYPE_LOOP;
    return object_is(v, OBJECT_CYCLER) ? TYPE_CYCLER : TYPE_NONE;
}

const Builtin *builtin_method(Value self, const char *name)
{
    Type type = type_of(self);
    for (size_t i = 0; type && i < COUNT(methods); i++)
        if (methods[i].type == type &&
            strcmp(methods[i].builtin.name, name) == 0)
            return self.kind == VALUE_TUPLE && strcmp(name, "copy") == 0
                       ? NULL
                       : &methods[i].builtin;
    return NULL;
}

bool builtin_is_unsafe(Value self, const char *name)
{
    static const char *const inside[] = {"__class__", "__dict__", "__doc__",
                                         "__init__",  "__len__",  "__iter__",
                                         "__str__",   "__repr__", "__eq__"};
    Type type = self.kind == VALUE_LIST ? TYPE_LIST : type_of(self);
    for (size_t i = 0; i < COUNT(unsafe_methods); i++)
        if (unsafe_methods[i].type == type &&
            strcmp(unsafe_methods[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < COUNT(inside); i++)
        if (strcmp(inside[i], name) == 0)
            return !object_is(self, OBJECT_NAMESPACE);
    return false;
}

/* ---- arguments to parameters */

/* The place of a keyword in the parameter list, or -1. */
static int parameter(const char *params, const char *name)
{
    size_t want = strlen(name);
    for (int i = 0; *params; i++) {
        size_t n = strcspn(params, " ");
        if (n == want && memcmp(params, name, n) == 0)
            return i;
        params += n + (params[n] == ' ');
    }
    return -1;
}

static int count_parameters(const char *params)
{
    int n = *params != '\0';
    for (; *params; params++)
        n += *params == ' ';
    return n;
}

static Err *bind(const Builtin *b, const Args *args, Value *bound)
{
    int n = count_parameters(b->params);
    if (args->n > (size_t)n)
        return err_new(ERR_INPUT, "%s() takes at most %d arguments (%zu given)",
                       b->name, n, args->n);
    for (size_t i = 0; i < args->n; i++)
        bound[i] = args->v[i];
    for (size_t i = 0; i < args->n_keys; i++) {
        int at = parameter(b->params, args->key[i]);
        if (at < 0)
            return err_new(ERR_INPUT,
                           "%s() got an unexpected keyword argument '%s'",
                           b->name, args->key[i]);
        if (value_is_given(bound[at]))
            return err_new(ERR_INPUT,
                           "%s() got multiple values for argument '%s'",
                           b->name, args->key[i]);
        bound[at] = args->key_value[i];
    }
    for (int i = 0; i < b->required; i++)
        if (!value_is_given(bound[i]))
            return err_new(ERR_INPUT, "%s() misses an argument", b->name);
    return NULL;
}

Err *builtin_call(Run *r, const Builtin *b, Value self, const Args *args,
                  Value *out)
{
    Value bound[BUILTIN_MAX_PARAMS] = {{0}};
    if (strcmp(b->params, "*") != 0)
        TRY(bind(b, args, bound));
    return b->fn(r, self, bound, args, out);
}
