#include "runtime/value.h"

#include <string.h>

#include "runtime/number.h"

enum { SMALL_DICT = 8 }; /* entries that are searched one by one */

Value value_seq(Arena *a, ValueKind kind, const Value *v, size_t n)
{
    Seq *s = ARENA_NEW(a, Seq);
    *s = (Seq){.n = n, .v = v};
    return (Value){kind, {.seq = s}};
}

Value value_integer(Arena *a, const char *digits, size_t n, Origin origin)
{
    int64_t i;
    if (number_int(digits, n, &i))
        return value_int(i);
    bool minus = n && digits[0] == '-';
    size_t skip = minus;
    while (skip < n && digits[skip] == '0')
        skip++;
    char *text = arena_alloc(a, n - skip + 2);
    text[0] = '-';
    memcpy(text + minus, digits + skip, n - skip);
    if (number_int(text, minus + n - skip, &i))
        return value_int(i);
    origin = origin == ORIGIN_MIXED ? ORIGIN_INPUT : origin; /* no marks here */
    return (Value){VALUE_BIG,
                   {.s = str_new(a, text, minus + n - skip, origin)}};
}

bool value_as_int(Value v, int64_t *out)
{
    if (v.kind == VALUE_BOOL)
        *out = v.b;
    else if (v.kind == VALUE_INT)
        *out = v.i;
    else
        return false;
    return true;
}

bool value_number(Value v, double *out)
{
    int64_t i;
    if (value_as_int(v, &i))
        *out = (double)i;
    else if (v.kind == VALUE_FLOAT)
        *out = v.f;
    else if (v.kind == VALUE_BIG)
        return number_float(v.s->p, v.s->n, out);
    else
        return false;
    return true;
}

/* ---- equality */

static bool equal_numbers(Value a, Value b)
{
    int64_t i, j;
    double x, y;
    if (value_as_int(a, &i) && value_as_int(b, &j))
        return i == j;
    if (a.kind == VALUE_BIG && b.kind == VALUE_BIG)
        return str_equal(a.s, b.s);
    if (a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT)
        return false; /* BIG and INT */
    return value_number(a, &x) && value_number(b, &y) && x == y;
}

static bool is_number(Value v)
{
    return v.kind == VALUE_BOOL || v.kind == VALUE_INT || v.kind == VALUE_BIG ||
           v.kind == VALUE_FLOAT;
}

static bool equal_at(Value a, Value b, int depth, int64_t *steps);

static bool equal_seqs(const Seq *a, const Seq *b, int depth, int64_t *steps)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!equal_at(a->v[i], b->v[i], depth + 1, steps))
            return false;
    return true;
}

static bool equal_dicts(const Dict *a, const Dict *b, int depth, int64_t *steps)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const Value *v = dict_get(b, a->key[i]);
        if (!v || !equal_at(a->val[i], *v, depth + 1, steps))
            return false;
    }
    return true;
}

static bool equal_at(Value a, Value b, int depth, int64_t *steps)
{
    if (depth > VALUE_DEPTH || --*steps < 0)
        return false;
    if (is_number(a) && is_number(b))
        return equal_numbers(a, b);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_STR:
        *steps -= a.s->n == b.s->n ? (int64_t)(a.s->n / 64) : 0;
        return str_equal(a.s, b.s);
    case VALUE_LIST:
    case VALUE_TUPLE:
        return a.seq == b.seq || equal_seqs(a.seq, b.seq, depth, steps);
    case VALUE_DICT:
        return a.dict == b.dict || equal_dicts(a.dict, b.dict, depth, steps);
    case VALUE_OBJECT:
        return a.object == b.object;
    case VALUE_UNDEFINED:
    case VALUE_NONE:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_BIG:
    case VALUE_FLOAT:
        return true;
    }
    return false;
}

bool value_equal(Value a, Value b, int64_t *steps)
{
    return equal_at(a, b, 0, steps);
}

/* ---- hashing */

static bool hashable_at(Value v, int depth)
{
    if (v.kind == VALUE_LIST || v.kind == VALUE_DICT || depth > 16)
        return false;
    if (v.kind == VALUE_TUPLE)
        for (size_t i = 0; i < v.seq->n; i++)
            if (!hashable_at(v.seq->v[i], depth + 1))
                return false;
    return true;
}

bool value_hashable(Value v) { return hashable_at(v, 0); }

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211u;
    return mix(h, n);
}

/* Equal values have equal hashes: 1, 1.0 and True. */
static uint64_t hash(Value v)
{
    double x;
    uint64_t h = (uint64_t)v.kind, bits;
    if (v.kind == VALUE_STR)
        return hash_bytes(v.s->p, v.s->n);
    if (value_number(v, &x)) {
        x = x == 0 ? 0 : x;
        memcpy(&bits, &x, sizeof bits);
        return mix(7, bits);
    }
    if (v.kind == VALUE_TUPLE)
        for (size_t i = 0; i < v.seq->n; i++)
            h = mix(h, hash(v.seq->v[i]));
    if (v.kind == VALUE_OBJECT)
        h = mix(h, (uint64_t)(uintptr_t)v.object);
    return h;
}

static bool same_key(Value a, Value b)
{
    int64_t steps = INT64_MAX;
    return value_equal(a, b, &steps);
}

/* ---- dicts */

Dict *dict_new(Arena *a) { return ARENA_NEW(a, Dict); }

static void index_entry(Dict *d, size_t i)
{
    size_t at = hash(d->key[i]) & (d->slots - 1);
    while (d->slot[at])
        at = (at + 1) & (d->slots - 1);
    d->slot[at] = (uint32_t)i + 1;
}

static void grow(Arena *a, Dict *d)
{
    size_t cap = d->cap ? d->cap * 2 : 4;
    Value *key = ARENA_ARRAY(a, Value, cap), *val = ARENA_ARRAY(a, Value, cap);
    if (d->n) {
        memcpy(key, d->key, d->n * sizeof *key);
        memcpy(val, d->val, d->n * sizeof *val);
    }
    d->key = key;
    d->val = val;
    d->cap = cap;
    if (cap <= SMALL_DICT)
        return;
    d->slots = cap * 2;
    d->slot = ARENA_ARRAY(a, uint32_t, d->slots);
    for (size_t i = 0; i < d->n; i++)
        index_entry(d, i);
}

static size_t find(const Dict *d, Value key)
{
    if (!d->slots) {
        for (size_t i = 0; i < d->n; i++)
            if (same_key(d->key[i], key))
                return i;
        return SIZE_MAX;
    }
    size_t at = hash(key) & (d->slots - 1);
    for (; d->slot[at]; at = (at + 1) & (d->slots - 1))
        if (same_key(d->key[d->slot[at] - 1], key))
            return d->slot[at] - 1;
    return SIZE_MAX;
}

void dict_set(Arena *a, Dict *d, Value key, Value val)
{
    size_t i = find(d, key);
    if (i != SIZE_MAX) {
        d->val[i] = val;
        return;
    }
    if (d->n == d->cap)
        grow(a, d);
    d->key[d->n] = key;
    d->val[d->n] = val;
    if (d->slots)
        index_entry(d, d->n);
    d->n++;
}

const Value *dict_get(const Dict *d, Value key)
{
    size_t i = find(d, key);
    return i == SIZE_MAX ? NULL : &d->val[i];
}

const Value *dict_find(const Dict *d, const char *name)
{
    Str s = {.p = name, .n = strlen(name)};
    return dict_get(d, value_str(&s));
}

const char *value_type(Value v)
{
    switch (v.kind) {
    case VALUE_UNDEFINED:
        return "Undefined";
    case VALUE_NONE:
        return "NoneType";
    case VALUE_BOOL:
        return "bool";
    case VALUE_INT:
    case VALUE_BIG:
        return "int";
    case VALUE_FLOAT:
        return "float";
    case VALUE_STR:
        return v.s->markup ? "Markup" : "str";
    case VALUE_LIST:
        return "list";
    case VALUE_TUPLE:
        return "tuple";
    case VALUE_DICT:
        return "dict";
    case VALUE_OBJECT:
        return object_type(v.object);
    }
    return "?";
}
