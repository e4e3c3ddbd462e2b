/* A timeline made by hand: its sums, its text, its picture. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/timeline.h"

/* Two devices, three chunks; the second is slower. */
static const Span spans[] = {{0, 1}, {1, 3}, {1, 2}, {3, 5}, {3, 4}, {5, 6.5}};
static TimelineRow rows[] = {{"host:0", "0-3"}, {"<host:1>", "4"}};

static Timeline sample(void)
{
    return (Timeline){.title = "made by hand",
                      .n_rows = 2,
                      .row = rows,
                      .lanes = 2,
                      .n_chunks = 3,
                      .tokens = 26,
                      .chunk_tokens = 10,
                      .span = spans};
}

typedef void PrintFn(const Timeline *t, FILE *f);

static char *printed(const Timeline *t, PrintFn *print)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    print(t, f);
    fclose(f);
    return text;
}

static void svg(const Timeline *t, FILE *f)
{
    timeline_svg("A & B", t, 1, f);
}

Test(timeline, sums)
{
    Timeline t = sample();
    TimelineSums s = timeline_sums(&t);
    cr_expect_float_eq(s.end, 6.5, 1e-12);
    cr_expect_float_eq(s.busy, 8.5, 1e-12);
    cr_expect_float_eq(s.at_once, 8.5 / 6.5, 1e-12);
    cr_expect_float_eq(s.idle, 1 - 8.5 / 13, 1e-12);
    cr_expect_float_eq(timeline_busy(&t, 1), 5.5, 1e-12);
}

Test(timeline, units_by_size)
{
    Timeline t = sample();
    cr_expect_str_eq(timeline_unit(&t, 12).name, "s");
    cr_expect_str_eq(timeline_unit(&t, 0.5).name, "ms");
    cr_expect_str_eq(timeline_unit(&t, 0.005).name, "us");
    t.relative = true;
    cr_expect_str_eq(timeline_unit(&t, 0.005).name, "units");
}

/* 64 columns of 6.5 s / 64: chunk 0 of host:0 covers the midpoints of the
 * first ten. */
Test(timeline, text)
{
    Timeline t = sample();
    char *text = printed(&t, timeline_print);
    cr_expect_str_eq(
        text,
        "prompt of 26 tokens: 3 chunks of 10 over 2 devices; made by hand\n"
        "device    layers         first, last chunk    busy\n"
        "host:0    0-3                1000, 1000 ms    46 %\n"
        "<host:1>  4                  2000, 1500 ms    85 %\n"
        "time      0                                                        "
        "6500 ms\n"
        "host:0    00000000001111111111..........222222222...................."
        ".....\n"
        "<host:1>  ..........000000000000000000001111111111111111111222222222"
        "222222\n"
        "read after 6500 ms, 4 tokens/s; 1.31 devices at work on average, 35 "
        "% idle; one by one: 8500 ms\n");
    free(text);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* More chunks than letters and columns: the beginning, and that it is one. */
Test(timeline, long_ones_are_cut)
{
    enum { CHUNKS = 500 };
    Span *s = calloc(CHUNKS, sizeof *s);
    Timeline t = {.title = "", .n_rows = 1, .row = rows, .lanes = 1,
                  .n_chunks = CHUNKS, .tokens = CHUNKS, .chunk_tokens = 1,
                  .span = s};
    for (int i = 0; i < CHUNKS; i++)
        s[i] = (Span){i, i + 1};
    char *text = printed(&t, timeline_print);
    cr_expect(strstr(text, "\nhost:0    001122334455"), "%s", text);
    cr_expect(strstr(text, "vv ...\nread after 500 s, 1 tokens/s\n"), "%s",
              text);
    free(text);
    free(s);
}

Test(timeline, json)
{
    Timeline t = sample();
    char *text = printed(&t, timeline_json);
    cr_expect(strstr(text, "{\"tokens\":26,\"chunk_tokens\":10,\"relative\":"
                           "false,\"lanes\":2,\"end\":6.5,"),
              "%s", text);
    cr_expect(strstr(text, "{\"name\":\"host:0\",\"work\":[[0,1],[1,2],[3,4]]}"),
              "%s", text);
    free(text);
}

/* One bar a work (and the ground of each row and of the page), each with its
 * words; names cannot leave their place. */
Test(timeline, picture)
{
    Timeline t = sample();
    char *text = printed(&t, svg);
    cr_expect_eq(count(text, "<rect"), 6 + 2 + 1);
    cr_expect_eq(count(text, "<title>chunk "), 6);
    cr_expect(strstr(text, "chunk 2 on &#60;host:1&#62;: 5000 to 6500 ms"));
    cr_expect(strstr(text, ">A &#38; B</text>"));
    cr_expect_eq(count(text, "<host"), 0);
    cr_expect_eq(count(text, "nan"), 0);
    free(text);
}
