/* value.h - the values that JSON and templates compute with.
 *
 * Python's model of them, because the templates were written for it: integers
 * and floats are different (1 and 1.0), True equals 1, dicts keep the order in
 * which keys came, "no such thing" is a value that says what was missing.
 * An integer beyond 64 bits is kept as its digits (VALUE_BIG): it is printed
 * and compared, but nothing can be computed with it.
 *
 * Values are small and copied; what they point to lies in an arena and, except
 * for dicts under construction, never changes. */
#ifndef RUNTIME_VALUE_H
#define RUNTIME_VALUE_H

#include "base/err.h"
#include "runtime/str.h"

typedef enum {
    VALUE_UNDEFINED,
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_BIG,
    VALUE_FLOAT,
    VALUE_STR,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_OBJECT, /* made by templates only: runtime/jinja/object.h */
} ValueKind;

typedef struct Seq Seq;
typedef struct Dict Dict;
typedef struct Missing Missing;
typedef struct Object Object;

typedef struct {
    ValueKind kind;
    union {
        bool b;
        int64_t i;
        double f;
        const Str *s; /* STR; BIG: the decimal digits */
        const Seq *seq;
        Dict *dict;
        const Missing *missing; /* UNDEFINED; NULL: nothing was given */
        Object *object;
    };
} Value;

struct Seq {
    size_t n;
    const Value *v;
    bool group; /* a pair of groupby: .grouper and .list */
};

/* Why something is undefined: the words, or what was looked up in what. */
struct Missing {
    const char *hint;
    Value name;
    const Value *of; /* NULL: a variable */
};

struct Dict {
    size_t n, cap;
    Value *key, *val;
    uint32_t *slot; /* hash table of index + 1, once n is large */
    size_t slots;
};

static inline Value value_none(void) { return (Value){VALUE_NONE, {0}}; }
static inline Value value_bool(bool b) { return (Value){VALUE_BOOL, {.b = b}}; }
static inline Value value_int(int64_t i)
{
    return (Value){VALUE_INT, {.i = i}};
}
static inline Value value_float(double f)
{
    return (Value){VALUE_FLOAT, {.f = f}};
}
static inline Value value_str(const Str *s)
{
    return (Value){VALUE_STR, {.s = s}};
}
static inline Value value_dict(Dict *d)
{
    return (Value){VALUE_DICT, {.dict = d}};
}
static inline bool value_is_given(Value v)
{
    return v.kind != VALUE_UNDEFINED || v.missing;
}

/* Takes over the array. */
Value value_seq(Arena *a, ValueKind list_or_tuple, const Value *v, size_t n);
/* Decimal digits, with or without '-': INT if it fits, else BIG. */
Value value_integer(Arena *a, const char *digits, size_t n, Origin origin);
/* A bool, int or float as a number; false for anything else. */
bool value_number(Value v, double *out);
bool value_as_int(Value v, int64_t *out); /* bool or int */

/* Dicts.  Keys must be hashable; a key that is there keeps its place. */
Dict *dict_new(Arena *a);
void dict_set(Arena *a, Dict *d, Value key, Value val);
const Value *dict_get(const Dict *d, Value key); /* NULL: not there */
const Value *dict_find(const Dict *d, const char *name);

enum { VALUE_DEPTH = 400 }; /* how deep values may nest to be compared */

bool value_hashable(Value v);
/* Python's ==; deeper nesting than VALUE_DEPTH is unequal, and *steps counts
 * down so that shared parts cannot take for ever: then also unequal. */
bool value_equal(Value a, Value b, int64_t *steps);
const char *value_type(Value v); /* Python's name of the type */

/* ---- value_text.c: as Python writes them */
void value_write_float(Text *t, double f); /* repr: 1.0, 1e-07, inf */
void value_repr(Text *t, Value v);
void value_print(Text *t, Value v); /* str() */
void value_repr_str(Text *t, const Str *s);
/* Why v is undefined, in jinja2's words. */
const Str *value_missing_text(Arena *a, Value v);

/* How objects print, for value_repr: set once by runtime/jinja. */
const char *object_type(const Object *o);
void object_repr(Text *t, const Object *o, int depth);
void value_repr_at(Text *t, Value v, int depth);

#endif
