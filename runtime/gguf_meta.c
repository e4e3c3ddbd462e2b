/* Metadata entries: key, type, value. */
#include <inttypes.h>
#include <string.h>

#include "runtime/gguf_int.h"

enum { MAX_KEY = 65535, MAX_STRING = 64 << 20 };
enum { TYPE_STRING = 8, TYPE_ARRAY = 9, TYPE_COUNT = 13 };

/* The format's value types by number. */
static const struct {
    const char *name;
    MetaKind kind;
    int bytes; /* in the file; of a string at least */
    int is_signed;
} types[TYPE_COUNT] = {
    {"u8", META_INT, 1, 0},     {"i8", META_INT, 1, 1},
    {"u16", META_INT, 2, 0},    {"i16", META_INT, 2, 1},
    {"u32", META_INT, 4, 0},    {"i32", META_INT, 4, 1},
    {"f32", META_FLOAT, 4, 0},  {"bool", META_BOOL, 1, 0},
    {"str", META_STRING, 8, 0}, {"array", META_INT, 12, 0},
    {"u64", META_INT, 8, 0},    {"i64", META_INT, 8, 1},
    {"f64", META_FLOAT, 8, 0},
};

static Err *read_int(Reader *r, uint32_t type, int64_t *out)
{
    uint64_t v;
    int bits = 8 * types[type].bytes;
    TRY(reader_uint(r, types[type].bytes, &v));
    if (types[type].kind == META_BOOL && v > 1)
        return reader_error(r, ERR_INPUT, "a bool is %" PRIu64, v);
    if (types[type].is_signed && bits < 64 && v >> (bits - 1))
        v |= UINT64_MAX << bits; /* extend the sign */
    if (!types[type].is_signed && v > INT64_MAX)
        return reader_error(r, ERR_INPUT, "%" PRIu64 " is larger than 2^63 - 1",
                            v);
    memcpy(out, &v, sizeof v);
    return NULL;
}

static Err *read_float(Reader *r, uint32_t type, double *out)
{
    uint64_t v;
    TRY(reader_uint(r, types[type].bytes, &v));
    if (types[type].bytes == 4) {
        uint32_t bits = (uint32_t)v;
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
    } else {
        memcpy(out, &v, sizeof v);
    }
    return NULL;
}

static Err *read_ints(Reader *r, uint32_t type, uint64_t n, MetaValue *m)
{
    void *p;
    TRY(reader_array(r, n, types[type].bytes, sizeof(int64_t), &p));
    int64_t *ints = p;
    m->ints = ints;
    for (uint64_t i = 0; i < n; i++)
        TRY(read_int(r, type, &ints[i]));
    return NULL;
}

static Err *read_floats(Reader *r, uint32_t type, uint64_t n, MetaValue *m)
{
    void *p;
    TRY(reader_array(r, n, types[type].bytes, sizeof(double), &p));
    double *floats = p;
    m->floats = floats;
    for (uint64_t i = 0; i < n; i++)
        TRY(read_float(r, type, &floats[i]));
    return NULL;
}

static Err *read_strings(Reader *r, uint32_t type, uint64_t n, MetaValue *m)
{
    void *p, *q;
    TRY(reader_array(r, n, types[type].bytes, sizeof(char *), &p));
    TRY(reader_array(r, n, types[type].bytes, sizeof(uint32_t), &q));
    const char **strings = p;
    uint32_t *lengths = q;
    m->strings = strings;
    m->lengths = lengths;
    for (uint64_t i = 0; i < n; i++)
        TRY(reader_string(r, READ_TEXT, MAX_STRING, &strings[i], &lengths[i]));
    return NULL;
}

static Err *read_values(Reader *r, uint32_t type, uint64_t n, MetaValue *m)
{
    m->kind = types[type].kind;
    m->n = (int64_t)n; /* below 2^28, or read_* refuses it */
    switch (m->kind) {
    case META_INT:
    case META_BOOL:
        return read_ints(r, type, n, m);
    case META_FLOAT:
        return read_floats(r, type, n, m);
    case META_STRING:
        return read_strings(r, type, n, m);
    }
    return NULL;
}

static Err *read_type(Reader *r, uint32_t *type)
{
    TRY(reader_u32(r, type));
    if (*type >= TYPE_COUNT)
        return reader_error(r, ERR_INPUT, "there is no value type %" PRIu32,
                            *type);
    return NULL;
}

static Err *read_entry(Reader *r, int64_t i, MetaValue *m)
{
    uint32_t type, n;
    uint64_t count = 1;
    reader_subject(r, "key", i, NULL);
    TRY(reader_string(r, READ_NAME, MAX_KEY, &m->key, &n));
    reader_subject(r, "key", i, m->key);
    TRY(read_type(r, &type));
    m->is_array = type == TYPE_ARRAY;
    if (m->is_array) {
        TRY(read_type(r, &type));
        if (type == TYPE_ARRAY)
            return reader_error(r, ERR_INPUT, "an array of arrays");
        TRY(reader_uint(r, 8, &count));
    }
    return read_values(r, type, count, m);
}

Err *gguf_meta_parse(Reader *r, int64_t n, ModelInfo *info, int64_t **record_at)
{
    MetaValue *meta = ARENA_ARRAY(r->arena, MetaValue, n);
    *record_at = ARENA_ARRAY(r->arena, int64_t, n);
    info->meta = meta;
    info->n_meta = n;
    for (int64_t i = 0; i < n; i++) {
        (*record_at)[i] = r->pos;
        TRY(read_entry(r, i, &meta[i]));
    }
    return NULL;
}

Err *gguf_meta_int(const GgufFile *f, const char *key, int64_t low,
                   int64_t high, int64_t *v, int *found)
{
    const MetaValue *m = model_meta(&f->info, key);
    *v = 0;
    *found = m != NULL;
    if (!m)
        return NULL;
    if (m->kind != META_INT || m->is_array)
        return err_new(ERR_INPUT, "%s: key '%s' is not a whole number", f->path,
                       key);
    if (m->ints[0] < low || m->ints[0] > high)
        return err_new(ERR_INPUT,
                       "%s: key '%s' is %" PRId64 ", not %" PRId64
                       " to %" PRId64,
                       f->path, key, m->ints[0], low, high);
    *v = m->ints[0];
    return NULL;
}
