/* The GGUF reader: sound files with every variation the format allows, their
 * names, what is no such file, and reading weights. */
#include <sys/stat.h>

#include "tests/runtime/gguf_sample.h"

TestSuite(gguf, .init = setup, .fini = teardown);

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
