/* template_speed.c - TEMPLATE CONTEXT.json [ROUNDS]: the time to parse a chat
 * template and to render it, medians and the longest. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "runtime/jinja/template.h"
#include "runtime/json.h"

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *us, int n)
{
    qsort(us, (size_t)n, sizeof *us, by_size);
    printf("%-8s median %.1f us, p99 %.1f us\n", what, us[n / 2],
           us[n * 99 / 100]);
}

static Err *measure(const char *text, size_t n, const char *json, size_t m,
                    int rounds)
{
    double *parse = calloc((size_t)rounds, sizeof *parse);
    double *read = calloc((size_t)rounds, sizeof *read);
    double *render = calloc((size_t)rounds, sizeof *render);
    Err *e = NULL;
    int64_t steps = 0;
    size_t bytes = 0;
    for (int i = 0; i < rounds && !e; i++) {
        Arena *a = arena_new();
        Template *t = NULL;
        Value context = {0};
        const Str *out = NULL;
        double t0 = clock_seconds();
        e = template_parse(a, text, n, &t);
        double t1 = clock_seconds();
        if (!e)
            e = json_read(a, json, m, &context);
        double t2 = clock_seconds();
        TemplateInput in = {.context = context.dict};
        if (!e)
            e = template_render(a, t, &in, &out, &steps);
        double t3 = clock_seconds();
        parse[i] = 1e6 * (t1 - t0);
        read[i] = 1e6 * (t2 - t1);
        render[i] = 1e6 * (t3 - t2);
        bytes = e ? 0 : out->n;
        arena_free(a);
    }
    if (!e) {
        report("parse", parse, rounds);
        report("JSON", read, rounds);
        report("render", render, rounds);
        printf("%zu bytes of text, %lld steps\n", bytes, (long long)steps);
    }
    free(parse);
    free(read);
    free(render);
    return e;
}

int main(int argc, char **argv)
{
    Arena *a = arena_new();
    char *text = NULL, *json = NULL;
    size_t n = 0, m = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: %s TEMPLATE CONTEXT.json [ROUNDS]\n", argv[0]);
        return 2;
    }
    Err *e = file_read(a, argv[1], TEMPLATE_MAX_BYTES, &text, &n);
    if (!e)
        e = file_read(a, argv[2], 1 << 26, &json, &m);
    if (!e)
        e = measure(text, n, json, m, argc > 3 ? atoi(argv[3]) : 2000);
    if (e)
        fprintf(stderr, "%s\n", err_text(e));
    int status = e != NULL;
    err_free(e);
    arena_free(a);
    return status;
}
