/* gguf_make.h - writes GGUF files for tests, byte by byte, and remembers where
 * each number stands so that a test can spoil it. */
#ifndef TESTS_GGUF_MAKE_H
#define TESTS_GGUF_MAKE_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { MAKE_MAX_FIELDS = 1024 };

typedef struct {
    size_t at;
    int width;
    uint64_t value;
    char what[48];
} MakeField;

typedef struct {
    Buf b;
    int n_fields;
    MakeField field[MAKE_MAX_FIELDS];
} Make;

static inline void make_free(Make *m)
{
    buf_free(&m->b);
    m->n_fields = 0;
}

static inline void make_raw(Make *m, int width, uint64_t v)
{
    for (int i = 0; i < width; i++)
        buf_add(&m->b, (char[]){(char)(v >> 8 * i)}, 1);
}

/* A number with a label, printf-like. */
__attribute__((format(printf, 4, 5))) static inline void
make_uint(Make *m, int width, uint64_t v, const char *what, ...)
{
    cr_assert(m->n_fields < MAKE_MAX_FIELDS);
    MakeField *f = &m->field[m->n_fields++];
    va_list ap;
    va_start(ap, what);
    vsnprintf(f->what, sizeof f->what, what, ap);
    va_end(ap);
    f->at = m->b.n;
    f->width = width;
    f->value = v;
    make_raw(m, width, v);
}

static inline void make_bytes(Make *m, const void *s, size_t n,
                              const char *what)
{
    make_uint(m, 8, n, "%s.length", what);
    buf_add(&m->b, s, n);
}

static inline void make_string(Make *m, const char *s, const char *what)
{
    make_bytes(m, s, strlen(s), what);
}

static inline void make_head(Make *m, uint32_t version, uint64_t n_tensors,
                             uint64_t n_meta)
{
    buf_puts(&m->b, "GGUF");
    make_uint(m, 4, version, "version");
    make_uint(m, 8, n_tensors, "n_tensors");
    make_uint(m, 8, n_meta, "n_meta");
}

/* Key and type; the value follows. */
static inline void make_key(Make *m, const char *key, uint32_t type)
{
    make_string(m, key, key);
    make_uint(m, 4, type, "%s.type", key);
}

static inline void make_scalar(Make *m, const char *key, uint32_t type,
                               int width, uint64_t v)
{
    make_key(m, key, type);
    make_uint(m, width, v, "%s.value", key);
}

static inline void make_text(Make *m, const char *key, const char *value)
{
    char what[48];
    snprintf(what, sizeof what, "%.30s.value", key);
    make_key(m, key, 8);
    make_string(m, value, what);
}

/* Key, array type, element type, count; the elements follow. */
static inline void make_array(Make *m, const char *key, uint32_t type,
                              uint64_t n)
{
    make_key(m, key, 9);
    make_uint(m, 4, type, "%s.element", key);
    make_uint(m, 8, n, "%s.count", key);
}

static inline void make_tensor(Make *m, const char *name, uint32_t type,
                               int rank, const uint64_t *ne, uint64_t offset)
{
    make_string(m, name, name);
    make_uint(m, 4, (uint64_t)rank, "%s.rank", name);
    for (int i = 0; i < rank; i++)
        make_uint(m, 8, ne[i], "%s.ne%d", name, i);
    make_uint(m, 4, type, "%s.type", name);
    make_uint(m, 8, offset, "%s.offset", name);
}

/* Zeros up to the data section, then n bytes of data. */
static inline void make_data(Make *m, size_t alignment, size_t n)
{
    while (m->b.n % alignment)
        make_raw(m, 1, 0);
    for (size_t i = 0; i < n; i++)
        make_raw(m, 1, 0x11 * (i % 8));
}

static inline MakeField *make_find(Make *m, const char *what)
{
    for (int i = 0; i < m->n_fields; i++)
        if (strcmp(m->field[i].what, what) == 0)
            return &m->field[i];
    cr_assert_fail("no field '%s'", what);
    return NULL;
}

static inline void make_set(Make *m, const MakeField *f, uint64_t v)
{
    for (int i = 0; i < f->width; i++)
        m->b.data[f->at + (size_t)i] = (char)(v >> 8 * i);
}

static inline void make_write(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f, "%s", path);
    cr_assert_eq(fwrite(data, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

#endif
