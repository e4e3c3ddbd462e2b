/* The GGUF reader on large numbers: sizes, memory and time. */
#include "tests/runtime/gguf_sample.h"

TestSuite(gguf_limits, .init = setup, .fini = teardown);

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

Test(gguf_limits, sizes_agree_with_128_bit_arithmetic)
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

Test(gguf_limits, twenty_million_empty_strings)
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

Test(gguf_limits, memory_and_header_limits)
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

Test(gguf_limits, many_names_stay_linear)
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
