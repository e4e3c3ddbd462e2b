/* The GGUF reader on files spoiled field by field, byte by byte and by hand. */
#include "tests/runtime/gguf_sample.h"

TestSuite(gguf_spoiled, .init = setup, .fini = teardown);

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

Test(gguf_spoiled, spoiled_by_hand)
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
Test(gguf_spoiled, errors_name_byte_and_entry)
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

Test(gguf_spoiled, every_field_times_every_nasty_value)
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

Test(gguf_spoiled, every_header_byte_changed)
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
Test(gguf_spoiled, cut_at_every_byte)
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

Test(gguf_spoiled, random_damage)
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
