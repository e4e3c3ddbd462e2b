#include "runtime/cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/cli/print.h"

enum { LABEL_WIDTH = 26 };

void report_begin(Report *r, FILE *f, bool json)
{
    *r = (Report){f, json, 0};
    if (json)
        fputc('{', f);
}

void report_end(Report *r)
{
    if (r->json)
        fputs("}\n", r->f);
}

static void begin_row(Report *r, const char *key, const char *label)
{
    if (r->json)
        fprintf(r->f, "%s\"%s\": ", r->n ? ", " : "", key);
    else
        fprintf(r->f, "%-*s ", LABEL_WIDTH, label);
    r->n++;
}

static void end_row(Report *r, const char *unit)
{
    if (!r->json)
        fprintf(r->f, "%s%s\n", unit[0] ? " " : "", unit);
}

void report_int(Report *r, const char *key, const char *label, int64_t v,
                const char *unit)
{
    begin_row(r, key, label);
    fprintf(r->f, "%" PRId64, v);
    end_row(r, unit);
}

void report_real(Report *r, const char *key, const char *label, double v,
                 const char *unit)
{
    begin_row(r, key, label);
    if (r->json)
        print_json_number(r->f, v);
    else
        fprintf(r->f, "%.6g", v);
    end_row(r, unit);
}

void report_spread(Report *r, const char *key, const char *label, Spread v,
                   const char *unit)
{
    begin_row(r, key, label);
    if (!r->json) {
        fprintf(r->f, "%.4g %s (%.4g to %.4g)\n", v.median, unit, v.least,
                v.most);
        return;
    }
    fputs("{\"median\": ", r->f);
    print_json_number(r->f, v.median);
    fputs(", \"least\": ", r->f);
    print_json_number(r->f, v.least);
    fputs(", \"most\": ", r->f);
    print_json_number(r->f, v.most);
    fputc('}', r->f);
}

void report_list(Report *r, const char *key)
{
    if (r->json)
        fprintf(r->f, "%s\"%s\": [", r->n ? ", " : "", key);
    r->n = 0;
}

void report_list_end(Report *r)
{
    if (r->json)
        fputc(']', r->f);
    r->n = 1;
}

void report_item(Report *r)
{
    if (r->json)
        fputs(r->n ? ", {" : "{", r->f);
    r->n = 0;
}

void report_item_end(Report *r)
{
    if (r->json)
        fputc('}', r->f);
    r->n = 1;
}

void report_line(Report *r, const char *fmt, ...)
{
    if (r->json)
        return;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(r->f, fmt, ap);
    va_end(ap);
    fputc('\n', r->f);
}

void report_reals(Report *r, const char *key, const double *v, int64_t n)
{
    if (!r->json)
        return;
    begin_row(r, key, "");
    fputc('[', r->f);
    for (int64_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", r->f);
        print_json_number(r->f, v[i]);
    }
    fputc(']', r->f);
}

void report_text(Report *r, const char *key, const char *label, const char *s,
                 size_t n)
{
    begin_row(r, key, label);
    if (r->json)
        print_json_string(r->f, s, n);
    else
        fwrite(s, 1, n, r->f);
    end_row(r, "");
}

void report_bytes(Report *r, const char *key, const char *label, int64_t v)
{
    char text[PRINT_BYTES_MAX];
    begin_row(r, key, label);
    if (r->json)
        fprintf(r->f, "%" PRId64, v);
    else
        fputs(print_bytes(v, text), r->f);
    end_row(r, "");
}
