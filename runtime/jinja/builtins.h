/* builtins.h - filters, tests, functions and methods, by the .def tables.
 *
 * All have one signature: `self` is what a filter or test is applied to or the
 * object of a method, `arg` the arguments in the order of the row's parameter
 * list (not given: value_is_given is false), `all` the arguments as they came,
 * for rows whose parameters are "*". */
#ifndef JINJA_BUILTINS_H
#define JINJA_BUILTINS_H

#include "runtime/value.h"

typedef struct Run Run;
typedef struct Builtin Builtin;

typedef struct {
    size_t n, n_keys;
    const Value *v;
    const char *const *key;
    const Value *key_value;
} Args;

typedef Err *BuiltinFn(Run *r, Value self, const Value *arg, const Args *all,
                       Value *out);

enum { BUILTIN_MAX_PARAMS = 6 };

struct Builtin {
    const char *name;
    int required;
    const char *params; /* names with blanks between; "*": any */
    BuiltinFn *fn;
};

const Builtin *builtin_filter(const char *name); /* NULL: there is none */
const Builtin *builtin_test(const char *name);
const Builtin *builtin_function(const char *name);
/* A method of values of self's type. */
const Builtin *builtin_method(Value self, const char *name);
/* Something Python's type has and the sandbox keeps from templates. */
bool builtin_is_unsafe(Value self, const char *name);

Err *builtin_call(Run *r, const Builtin *b, Value self, const Args *args,
                  Value *out) MUST_USE;

#define BUILTIN(function)                                                      \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out);
#define FILTER(name, function, required, params) BUILTIN(function)
#define TEST(name, function, required, params) BUILTIN(function)
#define FUNCTION(name, function, required, params) BUILTIN(function)
#define METHOD(type, name, function, required, params) BUILTIN(function)
#include "runtime/jinja/filters.def"
#include "runtime/jinja/functions.def"
#include "runtime/jinja/methods.def"
#include "runtime/jinja/tests.def"
#undef BUILTIN
#undef FILTER
#undef TEST
#undef FUNCTION
#undef METHOD

#endif
