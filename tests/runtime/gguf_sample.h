/* gguf_sample.h - what the tests of the GGUF reader share: a file with a bit of
 * everything, made in memory, written to a path of the test's own and opened. */
#ifndef TESTS_GGUF_SAMPLE_H
#define TESTS_GGUF_SAMPLE_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "runtime/gguf.h"
#include "tests/runtime/gguf_make.h"

static char path[64];

static inline void setup(void)
{
    strcpy(path, "/tmp/test_gguf_XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static inline void teardown(void) { unlink(path); }

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a small file with a bit of everything */

enum { ALIGNMENT = 64 };

static inline void make_scalars(Make *m)
{
    static const struct {
        const char *key;
        uint32_t type;
        int width;
        uint64_t value;
    } rows[] = {
        {"t.u8", 0, 1, 200},
        {"t.i8", 1, 1, 0x80},
        {"t.u16", 2, 2, 60000},
        {"t.i16", 3, 2, 0xffff},
        {"t.u32", 4, 4, 4000000000},
        {"t.i32", 5, 4, 0xfffffff9},
        {"t.f32", 6, 4, 0x3e800000},
        {"t.bool", 7, 1, 1},
        {"t.u64", 10, 8, 1ULL << 40},
        {"t.i64", 11, 8, UINT64_MAX},
        {"t.f64", 12, 8, 0xbff8000000000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        make_scalar(m, rows[i].key, rows[i].type, rows[i].width, rows[i].value);
}

static inline void make_arrays(Make *m)
{
    static const char *const words[3] = {"", "caf\xc3\xa9", "line\nbreak"};
    make_array(m, "t.ints", 5, 4);
    for (int i = 0; i < 4; i++)
        make_uint(m, 4, 11 - (unsigned)i, "t.ints[%d]", i);
    make_array(m, "t.words", 8, 3);
    for (int i = 0; i < 3; i++) {
        char what[32];
        snprintf(what, sizeof what, "t.words[%d]", i);
        make_string(m, words[i], what);
    }
    make_array(m, "t.flags", 7, 2);
    make_uint(m, 1, 1, "t.flags[0]");
    make_uint(m, 1, 0, "t.flags[1]");
    make_array(m, "t.none", 6, 0);
}

/* 5 tensors; the data section has 512 bytes. */
static inline void make_sample(Make *m, uint32_t version)
{
    make_head(m, version, 5, 18);
    make_text(m, "general.architecture", "test");
    make_scalar(m, "general.alignment", 4, 4, ALIGNMENT);
    make_scalar(m, "test.block_count", 4, 4, 2);
    make_scalars(m);
    make_arrays(m);
    make_tensor(m, "a.weight", 0, 2, (uint64_t[]){8, 4}, 0);
    make_tensor(m, "b.weight", 2, 2, (uint64_t[]){64, 2}, 128);
    make_tensor(m, "c", 1, 1, (uint64_t[]){3}, 256);
    make_tensor(m, "d", 30, 4, (uint64_t[]){5, 1, 1, 2}, 320);
    make_tensor(m, "e", 25, 2, (uint64_t[]){7, 1}, 384);
    make_data(m, ALIGNMENT, 512);
}

static inline Err *open_bytes(const void *data, size_t n, Gguf **g)
{
    make_write(path, data, n);
    return gguf_open(path, g);
}

/* What every accepted file must keep, however it came to be. */
static inline void check_sound(Gguf *g)
{
    const ModelInfo *m = gguf_info(g);
    int64_t size = gguf_file_bytes(g, 0);
    char byte[2];
    for (int64_t i = 0; i < m->n_meta; i++) {
        const MetaValue *v = &m->meta[i];
        cr_assert_eq(model_meta(m, v->key), v);
        cr_assert(v->is_array || v->n == 1);
        for (int64_t k = 0; v->kind == META_STRING && k < v->n; k++)
            cr_assert_eq(strlen(v->strings[k]), v->lengths[k]);
    }
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const TensorInfo *t = &m->tensors[i];
        cr_assert_eq(model_tensor(m, t->name), t);
        cr_assert(t->bytes > 0 && t->offset > 0);
        cr_assert(t->bytes <= size && t->offset <= size - t->bytes);
        Err *e = gguf_read(g, t, 0, 1, byte);
        cr_assert(!e);
        e = gguf_read(g, t, t->bytes - 1, 1, byte);
        cr_assert(!e);
    }
}

/* 1 if it is refused (with file and byte in the message), 0 if it is sound. */
static inline int refused(const void *data, size_t n)
{
    Gguf *g = NULL;
    double start = now();
    Err *e = open_bytes(data, n, &g);
    cr_assert(now() - start < 1, "takes longer than a second");
    if (!e) {
        check_sound(g);
        gguf_close(g);
        return 0;
    }
    cr_assert_null(g);
    cr_assert(strstr(err_text(e), path), "%s", err_text(e));
    err_free(e);
    return 1;
}

static inline void must_open(const Make *m, Gguf **g)
{
    Err *e = open_bytes(m->b.data, m->b.n, g);
    cr_assert(!e, "%s", err_text(e));
    check_sound(*g);
}

/* Refused, and the message says so in these words. */
static inline void must_refuse(const void *data, size_t n, const char *words)
{
    Gguf *g = NULL;
    Err *e = open_bytes(data, n, &g);
    cr_assert(e, "accepted, expected: %s", words);
    cr_assert_null(g);
    cr_expect(strstr(err_text(e), words), "'%s' does not say '%s'", err_text(e),
              words);
    err_free(e);
}

/* ---- numbers at random */

static uint64_t seed = 7;
static inline uint64_t rnd(void)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return seed >> 33 ^ seed << 20;
}

#endif
