#include "runtime/cli/timeline.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/cli/print.h"

static const Span *span_of(const Timeline *t, int64_t chunk, int row)
{
    return &t->span[chunk * t->n_rows + row];
}

double timeline_busy(const Timeline *t, int row)
{
    double sum = 0;
    for (int64_t c = 0; c < t->n_chunks; c++)
        sum += span_of(t, c, row)->end - span_of(t, c, row)->start;
    return sum;
}

TimelineSums timeline_sums(const Timeline *t)
{
    TimelineSums s = {0};
    for (int r = 0; r < t->n_rows; r++) {
        double end = span_of(t, t->n_chunks - 1, r)->end;
        s.end = end > s.end ? end : s.end;
        s.busy += timeline_busy(t, r);
    }
    s.at_once = s.end > 0 ? s.busy / s.end : 0;
    s.idle = 1 - s.at_once / t->lanes;
    return s;
}

TimelineUnit timeline_unit(const Timeline *t, double end)
{
    if (t->relative)
        return (TimelineUnit){"units", 1};
    if (end >= 10)
        return (TimelineUnit){"s", 1};
    return end >= 0.01 ? (TimelineUnit){"ms", 1e3} : (TimelineUnit){"us", 1e6};
}

/* ---- text */

enum { COLUMNS = 64 };

/* Enough digits to tell things apart, no more. */
static int digits(double v) { return v < 10 ? 2 : v < 100 ? 1 : 0; }

static double length(const Span *s) { return s->end - s->start; }

static void print_rows(const Timeline *t, double end, TimelineUnit u, FILE *f)
{
    fprintf(f, "%-9s %-9s %22s %7s\n", "device", "layers", "first, last chunk",
            "busy");
    for (int r = 0; r < t->n_rows; r++) {
        char ends[64];
        double a = length(span_of(t, 0, r)) * u.per_second;
        double b = length(span_of(t, t->n_chunks - 1, r)) * u.per_second;
        int n = digits(a > b ? a : b);
        snprintf(ends, sizeof ends, "%.*f, %.*f %s", n, a, n, b, u.name);
        fprintf(f, "%-9s %-9s %22s %5.0f %%\n", t->row[r].device,
                t->row[r].layers, ends, 100 * timeline_busy(t, r) / end);
    }
}

/* The chunk that a row works on at a moment, -1: none.  Moments of a row come
 * in order: *from is where to look. */
static int64_t chunk_at(const Timeline *t, int row, double when, int64_t *from)
{
    while (*from < t->n_chunks && span_of(t, *from, row)->end <= when)
        ++*from;
    return *from < t->n_chunks && span_of(t, *from, row)->start <= when ? *from
                                                                        : -1;
}

/* Seconds of a column: all of it, or the beginning so that an average work
 * fills two. */
static double column_width(const Timeline *t, const TimelineSums *s)
{
    double all = s->end / COLUMNS;
    double mean = s->busy / ((double)t->n_chunks * t->n_rows);
    return all < mean / 2 ? all : mean / 2;
}

static void draw_row(const Timeline *t, int row, double width, double end,
                     FILE *f)
{
    static const char letter[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    int64_t from = 0;
    fprintf(f, "%-9s ", t->row[row].device);
    for (int i = 0; i < COLUMNS; i++) {
        double when = (i + 0.5) * width;
        int64_t c = chunk_at(t, row, when, &from);
        if (when < end)
            fputc(c < 0 ? '.' : letter[c % (int64_t)(sizeof letter - 1)], f);
    }
    fputs(width * COLUMNS < end * 0.999 ? " ...\n" : "\n", f);
}

static void draw(const Timeline *t, const TimelineSums *s, TimelineUnit u,
                 FILE *f)
{
    double width = column_width(t, s);
    char right[32];
    snprintf(right, sizeof right, "%.4g %s", width * COLUMNS * u.per_second,
             u.name);
    fprintf(f, "%-9s 0%*s\n", "time", COLUMNS - 1, right);
    for (int r = 0; r < t->n_rows; r++)
        draw_row(t, r, width, s->end, f);
}

void timeline_print(const Timeline *t, FILE *f)
{
    TimelineSums s = timeline_sums(t);
    TimelineUnit u = timeline_unit(t, s.end);
    fprintf(f, "prompt of %" PRId64 " tokens: %" PRId64 " chunk%s of %" PRId64
               " over %d device%s; %s\n",
            t->tokens, t->n_chunks, t->n_chunks > 1 ? "s" : "", t->chunk_tokens,
            t->n_rows, t->n_rows > 1 ? "s" : "", t->title);
    print_rows(t, s.end, u, f);
    draw(t, &s, u, f);
    double end = s.end * u.per_second, all = s.busy * u.per_second;
    fprintf(f, "read after %.*f %s", digits(end), end, u.name);
    if (!t->relative)
        fprintf(f, ", %.0f tokens/s", (double)t->tokens / s.end);
    if (t->n_rows > 1)
        fprintf(f, "; %.2f devices at work on average, %.0f %% idle; one by "
                   "one: %.*f %s",
                s.at_once, 100 * s.idle, digits(all), all, u.name);
    fputc('\n', f);
}

/* ---- JSON */

void timeline_json(const Timeline *t, FILE *f)
{
    TimelineSums s = timeline_sums(t);
    fprintf(f, "{\"tokens\":%" PRId64 ",\"chunk_tokens\":%" PRId64
               ",\"relative\":%s,\"lanes\":%d,\"end\":",
            t->tokens, t->chunk_tokens, t->relative ? "true" : "false",
            t->lanes);
    print_json_number(f, s.end);
    fputs(",\"busy_at_once\":", f);
    print_json_number(f, s.at_once);
    fputs(",\"idle_share\":", f);
    print_json_number(f, s.idle);
    fputs(",\"devices\":[", f);
    for (int r = 0; r < t->n_rows; r++) {
        fputs(r ? ",{\"name\":" : "{\"name\":", f);
        print_json_string(f, t->row[r].device, strlen(t->row[r].device));
        fputs(",\"work\":[", f);
        for (int64_t c = 0; c < t->n_chunks; c++) {
            fputs(c ? ",[" : "[", f);
            print_json_number(f, span_of(t, c, r)->start);
            fputc(',', f);
            print_json_number(f, span_of(t, c, r)->end);
            fputc(']', f);
        }
        fputs("]}", f);
    }
    fputs("]}", f);
}
