/* The GGUF reader: sound files with every variation the format allows, and
 * files spoiled field by field, byte by byte and by hand. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/gguf.h"
#include "tests/runtime/gguf_make.h"

static char path[64];

static void setup(void)
{
    strcpy(path, "/tmp/test_gguf_XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static void teardown(void) { unlink(path); }

TestSuite(gguf, .init = setup, .fini = teardown);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a small file with a bit of everything */

enum { ALIGNMENT = 64 };

static void make_scalars(Make *m)
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

static void make_arrays(Make *m)
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
static void make_sample(Make *m, uint32_t version)
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

static Err *open_bytes(const void *data, size_t n, Gguf **g)
{
    make_write(path, data, n);
    return gguf_open(path, g);
}

/* What every accepted file must keep, however it came to be. */
static void check_sound(Gguf *g)
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
static int refused(const void *data, size_t n)
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

static void must_open(const Make *m, Gguf **g)
{
    Err *e = open_bytes(m->b.data, m->b.n, g);
    cr_assert(!e, "%s", err_text(e));
    check_sound(*g);
}

/* Refused, and the message says so in these words. */
static void must_refuse(const void *data, size_t n, const char *words)
{
    Gguf *g = NULL;
    Err *e = open_bytes(data, n, &g);
    cr_assert(e, "accepted, expected: %s", words);
    cr_assert_null(g);
    cr_expect(strstr(err_text(e), words), "'%s' does not say '%s'", err_text(e),
              words);
    err_free(e);
}

/* ---- sound files */

static const MetaValue *meta(Gguf *g, const char *key)
{
    const MetaValue *v = model_meta(gguf_info(g), key);
    cr_assert(v, "%s", key);
    return v;
}

static void check_scalars(Gguf *g)
{
    static const struct {
        const char *key;
        int64_t want;
    } ints[] = {{"t.u8", 200},        {"t.i8", -128}, {"t.u16", 60000},
                {"t.i16", -1},        {"t.i32", -7},  {"t.u32", 4000000000},
                {"t.u64", 1LL << 40}, {"t.i64", -1},  {"t.bool", 1}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        cr_expect_eq(meta(g, ints[i].key)->ints[0], ints[i].want, "%s",
                     ints[i].key);
    cr_expect_eq(meta(g, "t.bool")->kind, META_BOOL);
    cr_expect(meta(g, "t.f32")->floats[0] == 0.25);
    cr_expect(meta(g, "t.f64")->floats[0] == -1.5);
    cr_expect_str_eq(meta(g, "general.architecture")->strings[0], "test");
    cr_expect_null(model_meta(gguf_info(g), "t.absent"));
}

static void check_arrays(Gguf *g)
{
    const MetaValue *v = meta(g, "t.ints");
    cr_expect(v->is_array && v->n == 4 && v->ints[0] == 11 && v->ints[3] == 8);
    v = meta(g, "t.words");
    cr_expect(v->n == 3 && v->lengths[0] == 0 && v->lengths[1] == 5);
    cr_expect_str_eq(v->strings[2], "line\nbreak");
    v = meta(g, "t.flags");
    cr_expect(v->n == 2 && v->ints[0] == 1 && v->ints[1] == 0);
    v = meta(g, "t.none");
    cr_expect(v->is_array && v->n == 0 && v->kind == META_FLOAT);
}

Test(gguf, reads_everything_of_versions_2_and_3)
{
    for (uint32_t version = 2; version <= 3; version++) {
        Make m = {0};
        Gguf *g;
        make_sample(&m, version);
        must_open(&m, &g);
        check_scalars(g);
        check_arrays(g);
        const TensorInfo *t = model_tensor(gguf_info(g), "b.weight");
        cr_assert(t && t->type == BT_q4_0 && t->rank == 2);
        cr_expect(t->ne[0] == 64 && t->ne[1] == 2 && t->ne[3] == 1);
        cr_expect_eq(t->bytes, 72);
        cr_expect_eq(t->offset, (int64_t)m.b.n - 512 + 128);
        cr_expect_eq(model_tensor(gguf_info(g), "d")->bytes, 20);
        cr_expect_null(model_tensor(gguf_info(g), "t.u8"));
        gguf_close(g);
        make_free(&m);
    }
}

/* One f32 tensor of four values, or none, at an alignment. */
static void make_tiny(Make *m, uint32_t alignment, int n_tensors)
{
    make_head(m, 3, (uint64_t)n_tensors, 1);
    make_scalar(m, "general.alignment", 4, 4, alignment);
    if (n_tensors)
        make_tensor(m, "x", 0, 1, (uint64_t[]){4}, 0);
}

Test(gguf, alignments)
{
    static const struct {
        uint32_t alignment;
        const char *words; /* NULL: sound */
    } rows[] = {{1, NULL},
                {8, NULL},
                {32, NULL},
                {65536, NULL},
                {0, "general.alignment"},
                {3, "power of two"},
                {48, "power of two"},
                {131072, "general.alignment"},
                {UINT32_MAX, "general.alignment"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Make m = {0};
        Gguf *g;
        uint32_t a = rows[i].alignment;
        make_tiny(&m, a, 1);
        make_data(&m, a && a <= 65536 ? a : 1, 16); /* no padding behind it */
        if (rows[i].words) {
            must_refuse(m.b.data, m.b.n, rows[i].words);
        } else {
            must_open(&m, &g);
            gguf_close(g);
        }
        make_free(&m);
    }
}

Test(gguf, nothing_in_it)
{
    Make m = {0};
    Gguf *g;
    make_head(&m, 3, 0, 0);
    must_open(&m, &g);
    cr_expect_eq(gguf_info(g)->n_tensors, 0);
    gguf_close(g);
    make_free(&m);
    make_tiny(&m, 64, 0); /* no tensors: no data section, no padding */
    must_open(&m, &g);
    gguf_close(g);
    make_free(&m);
}

Test(gguf, gaps_and_any_order_are_fine)
{
    Make m = {0};
    Gguf *g;
    make_head(&m, 3, 3, 0);
    make_tensor(&m, "late", 0, 1, (uint64_t[]){8}, 192);
    make_tensor(&m, "early", 0, 1, (uint64_t[]){8}, 0);
    make_tensor(&m, "middle", 0, 1, (uint64_t[]){8}, 64);
    make_data(&m, 32, 300);
    must_open(&m, &g);
    gguf_close(g);
    make_free(&m);
}

/* ---- spoiled by hand: a field of the sample, its new value, the words */

static const struct {
    const char *field;
    uint64_t value;
    const char *words;
} spoiled[] = {
    {"version", 0, "version 0"},
    {"version", 1, "too old"},
    {"version", 4, "version 4"},
    {"version", 0x03000000, "big-endian"},
    {"version", 0x02000000, "big-endian"},
    {"n_tensors", UINT64_MAX, "tensors"},
    {"n_tensors", 1 << 20, "do not fit"},
    {"n_tensors", (1 << 20) + 1, "at most 1048576"},
    {"n_tensors", 6, "tensor"},
    {"n_meta", UINT32_MAX, "at most 65536"},
    {"n_meta", 65536, "do not fit"},
    {"n_meta", 19, "tensor number 1"},
    {"n_meta", 17, "tensor 't.none'"},
    {"t.u8.length", 0, "a name is empty"},
    {"t.u8.length", 65536, "65536 bytes"},
    {"t.u8.length", UINT64_MAX, "bytes"},
    {"t.u8.length", 1ULL << 63, "bytes"},
    {"t.u8.type", 13, "no value type 13"},
    {"t.u8.type", UINT32_MAX, "no value type"},
    {"t.bool.value", 2, "a bool is 2"},
    {"t.u64.value", 1ULL << 63, "larger than 2^63 - 1"},
    {"t.ints.element", 9, "array of arrays"},
    {"t.ints.element", 13, "no value type 13"},
    {"t.ints.count", UINT64_MAX, "array of"},
    {"t.ints.count", 1ULL << 62, "array of"},
    {"t.ints.count", 1ULL << 32, "array of"},
    {"t.words.count", 1ULL << 61, "array of"},
    {"t.words[1].length", (64 << 20) + 1, "67108865 bytes"},
    {"t.words[1].length", 64 << 20, "missing"},
    {"t.words[1].length", UINT64_MAX, "bytes"},
    {"t.words[1].length", 4, "not valid UTF-8"},
    {"t.words[0].length", 5, "NUL"},
    {"general.alignment.type", 5, NULL},
    {"general.alignment.type", 6, "not a whole number"},
    {"test.block_count.value", 513, "test.block_count"},
    {"test.block_count.value", 512, NULL},
    {"a.weight.length", 0, "a name is empty"},
    {"a.weight.length", 64, "64 bytes"},
    {"a.weight.rank", 0, "0 dimensions"},
    {"a.weight.rank", 5, "5 dimensions"},
    {"a.weight.rank", UINT32_MAX, "dimensions"},
    {"a.weight.ne0", 0, "dimension 0 is 0"},
    {"a.weight.ne1", 0, "dimension 1 is 0"},
    {"a.weight.ne1", 1ULL << 63, "dimension 1"},
    {"a.weight.ne1", UINT64_MAX, "dimension 1"},
    {"a.weight.ne1", 1ULL << 60, "2^63 - 1"},
    {"a.weight.ne1", 1ULL << 58, "2^63 - 1 bytes"},
    {"a.weight.ne1", 1ULL << 57, "missing"},
    {"a.weight.ne1", 5, "overlap"},
    {"b.weight.ne0", 63, "blocks of 32"},
    {"b.weight.ne0", 1ULL << 62, "2^63 - 1"},
    {"b.weight.ne1", 100, "are missing"},
    {"e.ne0", 100, "are missing"},
    {"e.ne1", 100, "are missing"},
    {"a.weight.type", 4, "removed"},
    {"a.weight.type", 5, "removed"},
    {"a.weight.type", 9, "for computing"},
    {"a.weight.type", 15, "for computing"},
    {"a.weight.type", 31, "removed"},
    {"a.weight.type", 33, "removed"},
    {"a.weight.type", 36, "removed"},
    {"a.weight.type", 38, "removed"},
    {"a.weight.type", 43, "unknown"},
    {"a.weight.type", UINT32_MAX, "unknown"},
    {"a.weight.type", 26, NULL},
    {"a.weight.type", 28, "overlap"},
    {"a.weight.type", 12, "blocks of 256"},
    {"a.weight.offset", 32, "not a multiple"},
    {"a.weight.offset", 1, "not a multiple"},
    {"a.weight.offset", 64, "overlap"},
    {"a.weight.offset", 256, "overlap"},
    {"a.weight.offset", 1024, "missing"},
    {"a.weight.offset", INT64_MAX - 63, "2^63 - 1"},
    {"a.weight.offset", 1ULL << 63, "offset"},
    {"a.weight.offset", UINT64_MAX - 63, "offset"},
    {"d.offset", 256, "overlap"},
    {"e.offset", 512, "missing"},
};

Test(gguf, spoiled_by_hand)
{
    Make m = {0};
    make_sample(&m, 3);
    for (size_t i = 0; i < sizeof spoiled / sizeof *spoiled; i++) {
        const MakeField *f = make_find(&m, spoiled[i].field);
        make_set(&m, f, spoiled[i].value);
        if (spoiled[i].words)
            must_refuse(m.b.data, m.b.n, spoiled[i].words);
        else
            cr_expect_eq(refused(m.b.data, m.b.n), 0, "%s", f->what);
        make_set(&m, f, f->value);
    }
    make_free(&m);
}

/* Errors say where: the byte of the number that is wrong, and whose it is. */
Test(gguf, errors_name_byte_and_entry)
{
    static const char *const fields[] = {"t.bool.value", "a.weight.type",
                                         "b.weight.ne0"};
    static const char *const subjects[] = {"key 't.bool'", "tensor 'a.weight'",
                                           "tensor 'b.weight'"};
    Make m = {0};
    make_sample(&m, 3);
    for (int i = 0; i < 3; i++) {
        char words[128];
        const MakeField *f = make_find(&m, fields[i]);
        make_set(&m, f, 0x80);
        if (i < 2) {
            snprintf(words, sizeof words, "byte %zu: %s: ", f->at, subjects[i]);
            must_refuse(m.b.data, m.b.n, words);
        }
        make_set(&m, f, f->value);
    }
    make_set(&m, make_find(&m, "b.weight.ne0"), 63);
    must_refuse(m.b.data, m.b.n, subjects[2]);
    make_free(&m);
}

/* ---- spoiled by rule */

/* Numbers that have broken parsers: around zero, signs, word sizes, limits. */
static const uint64_t nasty[] = {0,
                                 1,
                                 2,
                                 3,
                                 7,
                                 15,
                                 31,
                                 33,
                                 63,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x100,
                                 0x7fff,
                                 0x8000,
                                 0xffff,
                                 0x10000,
                                 0x3fffffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xfffffff8,
                                 0xffffffff,
                                 0x100000000,
                                 0x100000001,
                                 (64 << 20) + 1,
                                 (256 << 20) + 1,
                                 0x1fffffffffffffff,
                                 0x2000000000000000,
                                 0x3fffffffffffffff,
                                 0x7fffffffffffffe0,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0x8000000000000001,
                                 0xffffffffffffffc0,
                                 0xffffffffffffffff};

Test(gguf, every_field_times_every_nasty_value)
{
    Make m = {0};
    int tried = 0, errors = 0;
    make_sample(&m, 3);
    for (int i = 0; i < m.n_fields; i++) {
        const MakeField *f = &m.field[i];
        for (size_t k = 0; k < sizeof nasty / sizeof *nasty + 2; k++) {
            uint64_t v = k < sizeof nasty / sizeof *nasty ? nasty[k]
                         : k % 2                          ? f->value + 1
                                                          : f->value - 1;
            if (f->width < 8 && k < sizeof nasty / sizeof *nasty &&
                v >> 8 * f->width)
                continue;
            make_set(&m, f, v);
            errors += refused(m.b.data, m.b.n);
            tried++;
        }
        make_set(&m, f, f->value);
    }
    make_free(&m);
    cr_log_info("%d files, %d refused, %d sound", tried, errors,
                tried - errors);
    cr_expect(tried > 2000 && errors > 1000, "%d of %d", errors, tried);
}

Test(gguf, every_header_byte_changed)
{
    static const unsigned values[] = {0x00, 0x7f, 0x80, 0xff};
    Make m = {0};
    int errors = 0;
    make_sample(&m, 3);
    for (size_t i = 0; i < m.b.n - 512; i++) {
        char was = m.b.data[i];
        for (int k = 0; k < 12; k++) {
            m.b.data[i] =
                (char)(k < 4 ? values[k] : (unsigned char)was ^ 1U << (k - 4));
            errors += refused(m.b.data, m.b.n);
        }
        m.b.data[i] = was;
    }
    make_free(&m);
    cr_expect(errors > 2000, "%d", errors);
}

/* Cut anywhere up to the last byte of the last tensor, it is refused. */
Test(gguf, cut_at_every_byte)
{
    Make m = {0};
    make_sample(&m, 3);
    size_t end = m.b.n - 512 + 384 + 14;
    for (size_t n = 0; n < m.b.n; n++)
        cr_assert_eq(refused(m.b.data, n), n < end, "cut at %zu", n);
    must_refuse(m.b.data, end - 3, "3 are missing, an incomplete download?");
    must_refuse(m.b.data, 100, "do not fit");
    must_refuse(m.b.data, 600, "bytes are missing");
    must_refuse(m.b.data, 3, "missing");
    must_refuse(m.b.data, 0, "empty");
    make_free(&m);
}

static uint64_t seed = 7;
static uint64_t rnd(void)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return seed >> 33 ^ seed << 20;
}

Test(gguf, random_damage)
{
    Make m = {0};
    make_sample(&m, 3);
    for (int round = 0; round < 3000; round++) {
        Buf b = {0};
        buf_add(&b, m.b.data, m.b.n);
        for (int k = 0; k < 3; k++) {
            const MakeField *f = &m.field[rnd() % (unsigned)m.n_fields];
            uint64_t v = nasty[rnd() % (sizeof nasty / sizeof *nasty)];
            memcpy(b.data + f->at, &v, (size_t)f->width);
        }
        refused(b.data, b.n);
        buf_free(&b);
    }
    make_free(&m);
}

/* ---- names and text */

static const struct {
    const char *bytes;
    size_t n;
    const char *words; /* of a value; NULL: sound */
    bool name;         /* sound as a name too */
} texts[] = {
    {"plain", 5, NULL, true},
    {"", 0, NULL, false},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, NULL, true},
    {"\xf4\x8f\xbf\xbf", 4, NULL, true},
    {"tab\t", 4, NULL, false},
    {"\x7f", 1, NULL, false},
    {"\xc2\x85", 2, NULL, false},
    {"a\0b", 3, "NUL", false},
    {"\x80", 1, "UTF-8", false},
    {"\xc0\x80", 2, "UTF-8", false},
    {"\xc1\xbf", 2, "UTF-8", false},
    {"\xc3", 1, "UTF-8", false},
    {"\xc3(", 2, "UTF-8", false},
    {"\xe0\x80\x80", 3, "UTF-8", false},
    {"\xe0\x9f\xbf", 3, "UTF-8", false},
    {"\xe2\x82", 2, "UTF-8", false},
    {"\xed\xa0\x80", 3, "UTF-8", false},
    {"\xed\xbf\xbf", 3, "UTF-8", false},
    {"\xf0\x80\x80\x80", 4, "UTF-8", false},
    {"\xf0\x9f\x98", 3, "UTF-8", false},
    {"\xf4\x90\x80\x80", 4, "UTF-8", false},
    {"\xf5\x80\x80\x80", 4, "UTF-8", false},
    {"\xff", 1, "UTF-8", false},
};

/* The text as a value, as a key and as a tensor's name. */
static void make_with_text(Make *m, int place, const char *s, size_t n)
{
    make_head(m, 3, 1, 1);
    make_bytes(m, place == 1 ? s : "key", place == 1 ? n : 3, "key");
    make_uint(m, 4, 8, "type");
    make_bytes(m, place == 0 ? s : "value", place == 0 ? n : 5, "value");
    make_bytes(m, place == 2 ? s : "name", place == 2 ? n : 4, "name");
    make_uint(m, 4, 1, "rank");
    make_uint(m, 8, 1, "ne0");
    make_uint(m, 4, 0, "type");
    make_uint(m, 8, 0, "offset");
    make_data(m, 32, 32);
}

Test(gguf, text_is_utf8)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int place = 0; place < 3; place++) {
            Make m = {0};
            bool sound = place == 0 ? !texts[i].words : texts[i].name;
            make_with_text(&m, place, texts[i].bytes, texts[i].n);
            cr_expect_eq(refused(m.b.data, m.b.n), !sound, "text %zu in %d", i,
                         place);
            if (place == 0 && !sound)
                must_refuse(m.b.data, m.b.n, texts[i].words);
            make_free(&m);
        }
}

Test(gguf, name_lengths)
{
    char name[70000];
    memset(name, 'n', sizeof name);
    for (int place = 1; place < 3; place++)
        for (size_t n = 1; n < sizeof name; n = n * 2 + 1) {
            Make m = {0};
            make_with_text(&m, place, name, n);
            size_t max = place == 1 ? 65535 : 63;
            cr_expect_eq(refused(m.b.data, m.b.n), n > max, "%zu", n);
            make_free(&m);
        }
    Make m = {0};
    make_with_text(&m, 1, name, 65536);
    must_refuse(m.b.data, m.b.n, "65536 bytes");
    make_free(&m);
    make_with_text(&m, 2, name, 64);
    must_refuse(m.b.data, m.b.n, "at most 63");
    make_free(&m);
}

Test(gguf, duplicates)
{
    Make m = {0};
    make_head(&m, 3, 0, 3);
    make_scalar(&m, "one", 4, 4, 1);
    make_scalar(&m, "two", 4, 4, 2);
    size_t at = m.b.n;
    make_text(&m, "one", "again");
    char words[64];
    snprintf(words, sizeof words, "byte %zu: key 'one': stands twice", at);
    must_refuse(m.b.data, m.b.n, words);
    make_free(&m);

    make_head(&m, 3, 3, 0);
    make_tensor(&m, "x", 0, 1, (uint64_t[]){8}, 0);
    make_tensor(&m, "y", 0, 1, (uint64_t[]){8}, 32);
    at = m.b.n;
    make_tensor(&m, "x", 0, 1, (uint64_t[]){8}, 64);
    make_data(&m, 32, 96);
    snprintf(words, sizeof words, "byte %zu: tensor 'x': stands twice", at);
    must_refuse(m.b.data, m.b.n, words);
    make_free(&m);
}

/* ---- sizes against 128-bit arithmetic */

static uint64_t random_extent(void)
{
    uint64_t v = 1ULL << rnd() % 64;
    switch (rnd() % 4) {
    case 0:
        return v;
    case 1:
        return v - 1 + rnd() % 3;
    case 2:
        return rnd() % v + 1;
    default:
        return (rnd() % 16 + 1) * 256;
    }
}

__extension__ typedef __int128 Wide;

/* Bytes of the shape, -1 if no reader may accept it in a file of that size. */
static Wide oracle(BlockType t, const uint64_t *ne, int64_t room)
{
    Wide n = 1;
    const BlockInfo *info = &block_info[t];
    for (int i = 0; i < 4; i++) {
        if (ne[i] == 0 || ne[i] > INT64_MAX)
            return -1;
        n *= (Wide)ne[i];
        if (n > INT64_MAX)
            return -1;
    }
    if (ne[0] % (uint64_t)info->elems)
        return -1;
    n = n / info->elems * info->bytes;
    return n > room ? -1 : n;
}

/* A header with one tensor in front of a hole; returns the hole's offset. */
static int64_t write_sparse(BlockType t, const uint64_t *ne, int64_t size)
{
    Make m = {0};
    make_head(&m, 3, 1, 0);
    make_tensor(&m, "x", (uint32_t)block_info[t].gguf_id, 4, ne, 0);
    make_data(&m, 32, 0);
    make_write(path, m.b.data, m.b.n);
    int64_t data = (int64_t)m.b.n;
    make_free(&m);
    cr_assert_eq(truncate(path, (off_t)(data + size)), 0);
    return data;
}

Test(gguf, sizes_agree_with_128_bit_arithmetic)
{
    int64_t room = 1LL << 40; /* a hole costs no disk */
    int accepted = 0;
    if (truncate(path, (off_t)room * 2) != 0)
        room = 1LL << 30;
    for (int round = 0; round < 4000; round++) {
        BlockType t = (BlockType)(rnd() % BT_q8a);
        uint64_t ne[4];
        for (int i = 0; i < 4; i++)
            ne[i] = i && rnd() % 2 ? 1 : random_extent();
        if (rnd() % 2)
            ne[0] = (ne[0] >> 40) / 256 * 256 + 256;
        Wide want = oracle(t, ne, room);
        write_sparse(t, ne, room);
        Gguf *g = NULL;
        Err *e = gguf_open(path, &g);
        cr_assert_eq(e == NULL, want >= 0, "%s %s",
                     e ? err_text(e) : "accepted", block_info[t].name);
        if (!e)
            cr_assert_eq(gguf_info(g)->tensors[0].bytes, (int64_t)want);
        accepted += !e;
        err_free(e);
        gguf_close(g);
    }
    cr_expect(accepted > 400 && accepted < 3600, "%d", accepted);
}

/* ---- memory and time */

/* A header that is mostly zeros: an array of n elements in a hole. */
static Err *open_hole(uint32_t element, uint64_t n, int64_t bytes, Gguf **g)
{
    Make m = {0};
    make_head(&m, 3, 0, 1);
    make_array(&m, "hole", element, n);
    make_write(path, m.b.data, m.b.n);
    cr_assert_eq(truncate(path, (off_t)((int64_t)m.b.n + bytes)), 0);
    make_free(&m);
    return gguf_open(path, g);
}

static int64_t peak_rss(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long long kb = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return (int64_t)kb << 10;
}

Test(gguf, twenty_million_empty_strings)
{
    Gguf *g = NULL;
    double start = now();
    int64_t before = peak_rss();
    Err *e = open_hole(8, 20000000, 160000000, &g);
    double seconds = now() - start;
    int64_t grown = peak_rss() - before;
    cr_assert(!e, "%s", err_text(e));
    cr_expect_eq(gguf_info(g)->meta[0].n, 20000000);
    cr_expect(grown < (64 << 20) + 4 * 160000000LL, "%lld bytes",
              (long long)grown);
    cr_expect(seconds < 10, "%g s", seconds);
    gguf_close(g);
}

Test(gguf, memory_and_header_limits)
{
    static const struct {
        uint32_t element;
        uint64_t n;
        int64_t bytes;
        const char *words; /* NULL: sound */
    } rows[] = {
        {0, 16 << 20, 16 << 20, NULL},
        {0, 200 << 20, 200 << 20, "of memory"},
        {7, 100 << 20, 100 << 20, "of memory"},
        {0, 300 << 20, 300 << 20, "array of"},
        {8, 1 << 20, 1 << 20, "array of"},
        {8, 40 << 20, 1LL << 40, "array of"},
        {12, 1LL << 40, 1LL << 43, "array of"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Gguf *g = NULL;
        Err *e = open_hole(rows[i].element, rows[i].n, rows[i].bytes, &g);
        cr_expect_eq(e == NULL, rows[i].words == NULL, "row %zu: %s", i,
                     e ? err_text(e) : "accepted");
        if (e && rows[i].words)
            cr_expect(strstr(err_text(e), rows[i].words), "%s", err_text(e));
        err_free(e);
        gguf_close(g);
    }
}

Test(gguf, many_names_stay_linear)
{
    enum { N_META = 65536, N_TENSORS = 200000 };
    Buf b = {0};
    Make m = {0};
    make_head(&m, 3, N_TENSORS, N_META);
    for (uint64_t i = 0; i < N_META; i++) {
        m.n_fields = 0;
        char key[32];
        snprintf(key, sizeof key, "k%d", (int)i);
        make_scalar(&m, key, 0, 1, 1);
    }
    for (uint64_t i = 0; i < N_TENSORS; i++) {
        m.n_fields = 0;
        char name[32];
        snprintf(name, sizeof name, "t%d", (int)i);
        /* offsets from the last to the first: sorting has work to do */
        make_tensor(&m, name, 24, 1, (uint64_t[]){32},
                    (N_TENSORS - 1 - i) * 32);
    }
    make_data(&m, 32, N_TENSORS * 32);
    make_write(path, m.b.data, m.b.n);
    Gguf *g = NULL;
    double start = now();
    Err *e = gguf_open(path, &g);
    double seconds = now() - start;
    cr_assert(!e, "%s", err_text(e));
    cr_expect(seconds < 5, "%g s", seconds);
    cr_expect(model_meta(gguf_info(g), "k65535") != NULL);
    cr_expect(model_tensor(gguf_info(g), "t199999")->offset % 32 == 0);
    gguf_close(g);
    make_free(&m);
    buf_free(&b);
}

/* ---- what is not a file of ours */

static void refuse_path(const char *p, const char *words)
{
    Gguf *g = NULL;
    Err *e = gguf_open(p, &g);
    cr_assert(e, "%s", p);
    cr_expect(strstr(err_text(e), words), "%s", err_text(e));
    err_free(e);
}

Test(gguf, only_regular_files)
{
    refuse_path("/no/such/file.gguf", "cannot open");
    refuse_path("/dev/zero", "not a regular file");
    refuse_path("/tmp", "not a regular file");
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    refuse_path(path, "not a regular file");
}

Test(gguf, other_formats)
{
    must_refuse("PK\x03\x04 a zip file", 15, "50 4b 03 04");
    must_refuse("<html>", 6, "not a GGUF file");
    must_refuse("GGUG\x03\0\0\0\0\0\0\0", 12, "not a GGUF file");
}

/* ---- reading weights */

Test(gguf, reads_are_checked)
{
    Make m = {0};
    Gguf *g;
    uint8_t b[128];
    float y[128];
    make_sample(&m, 3);
    must_open(&m, &g);
    const TensorInfo *t = model_tensor(gguf_info(g), "b.weight");
    static const int64_t bad[][2] = {
        {-1, 1}, {0, -1},        {0, 73},        {72, 1},
        {73, 0}, {INT64_MAX, 1}, {1, INT64_MAX}, {INT64_MIN, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err *e = gguf_read(g, t, bad[i][0], bad[i][1], b);
        cr_expect(e, "row %zu", i);
        err_free(e);
    }
    cr_expect_null(gguf_read(g, t, 72, 0, b));
    cr_expect_null(gguf_read(g, t, 0, 72, b));
    cr_expect_eq(memcmp(b, m.b.data + t->offset, 72), 0);
    cr_expect_null(gguf_read_f32(g, t, 32, 96, y));
    float want[128];
    block_decode(BT_q4_0, b, 128, want);
    cr_expect_eq(memcmp(y, want + 32, 96 * sizeof *y), 0);
    for (int64_t first = -32; first <= 128; first += 16) {
        Err *e = gguf_read_f32(g, t, first, 32, y);
        bool sound = first >= 0 && first % 32 == 0 && first <= 96;
        cr_expect_eq(e == NULL, sound, "from %d", (int)first);
        err_free(e);
    }
    gguf_close(g);
    make_free(&m);
}

Test(gguf, cut_short_or_changed_after_opening)
{
    Make m = {0};
    Gguf *g;
    uint8_t b[128];
    make_sample(&m, 3);
    must_open(&m, &g);
    const TensorInfo *t = model_tensor(gguf_info(g), "b.weight");
    cr_expect_null(gguf_unchanged(g));
    cr_assert_eq(truncate(path, (off_t)t->offset + 10), 0);
    Err *e = gguf_read(g, t, 0, 72, b);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "cut short"), "%s", err_text(e));
    cr_expect(strstr(err_text(e), "b.weight"), "%s", err_text(e));
    err_free(e);
    e = gguf_unchanged(g);
    cr_assert(e);
    err_free(e);
    gguf_close(g);
    make_free(&m);
}
