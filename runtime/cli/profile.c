#include "runtime/cli/profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/cli/print.h"

enum { MOST_ROWS = 25 };

typedef struct {
    int kernel; /* n_kernels: copies between devices */
    int64_t launches;
    double seconds, bytes;
    const PlanStep *first; /* of its launches */
} Row;

struct Profile {
    const TrafficMap *map;
    Row *row; /* [n_kernels + 1] */
    double seconds;
};

Profile *profile_new(const TrafficMap *m)
{
    Profile *f = calloc(1, sizeof *f);
    int n = m->plan->n_kernels + 1;
    if (!f || !(f->row = calloc((size_t)n, sizeof *f->row)))
        memory_out(sizeof *f + (size_t)n * sizeof *f->row);
    f->map = m;
    for (int i = 0; i < n; i++)
        f->row[i].kernel = i;
    return f;
}

void profile_free(Profile *f)
{
    if (f)
        free(f->row);
    free(f);
}

static void count(void *ctx, const ExecTraced *t)
{
    Profile *f = ctx;
    const PlanStep *s = &t->program->step[t->step];
    Row *r =
        &f->row[s->kind == STEP_COPY ? f->map->plan->n_kernels : s->kernel];
    TrafficStep step = {t->tokens, t->outputs, t->past};
    if (r->launches++ == 0)
        r->first = s;
    r->seconds += t->seconds;
    r->bytes += traffic_sum(traffic_launch(f->map, s, step));
    f->seconds += t->seconds;
}

void profile_use(Executor *x, Profile *f)
{
    if (f)
        exec_set_trace(x, count, f);
    else
        exec_set_trace(x, NULL, NULL);
}

/* ---- the report */

static int by_time(const void *a, const void *b)
{
    const Row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void print_row(Report *r, const Row *row, const char *name,
                      const char *label, double share, double bandwidth)
{
    char bytes[PRINT_BYTES_MAX], rate[32] = "", part[32] = "";
    double each = 1 / (double)row->launches;
    if (row->bytes > 0)
        snprintf(rate, sizeof rate, "%.1f GB/s",
                 row->bytes / row->seconds / 1e9);
    if (row->bytes > 0 && bandwidth > 0)
        snprintf(part, sizeof part, "%.0f %%",
                 100 * row->bytes / row->seconds / bandwidth);
    report_line(
        r, "  %-4s %5.1f %% %9.2f us x %-6" PRId64 " %9s %10s %5s  %s", name,
        100 * share, 1e6 * row->seconds * each, row->launches,
        row->bytes > 0 ? print_bytes((int64_t)(row->bytes * each), bytes) : "",
        rate, part, label);
}

static void json_row(Report *r, const Row *row, const char *name,
                     const char *label, double share, double bandwidth)
{
    report_item(r);
    report_text(r, "kernel", "", name, strlen(name));
    report_text(r, "what", "", label, strlen(label));
    report_int(r, "launches", "", row->launches, "");
    report_real(r, "seconds", "", row->seconds, "");
    report_real(r, "share_of_time", "", share, "");
    report_real(r, "bytes", "", row->bytes, "");
    report_real(r, "bytes_per_s", "", row->bytes / row->seconds, "");
    if (bandwidth > 0)
        report_real(r, "share_of_bandwidth", "",
                    row->bytes / row->seconds / bandwidth, "");
    report_item_end(r);
}

static void report_row(const Profile *f, const Row *row, Report *r,
                       double bandwidth)
{
    char label[TRAFFIC_LABEL];
    const char *name = row->kernel == f->map->plan->n_kernels
                           ? "copy"
                           : f->map->plan->kernel[row->kernel].name;
    traffic_label(f->map, row->first, label);
    (r->json ? json_row : print_row)(r, row, name, label,
                                     row->seconds / f->seconds, bandwidth);
}

void profile_report(const Profile *f, Report *r, double bandwidth)
{
    int n = f->map->plan->n_kernels + 1;
    Row *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted)
        memory_out((size_t)n * sizeof *sorted);
    memcpy(sorted, f->row, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_time);
    report_list(r, "kernels");
    for (int i = 0; i < n && (r->json || i < MOST_ROWS); i++)
        if (sorted[i].launches)
            report_row(f, &sorted[i], r, bandwidth);
    report_list_end(r);
    free(sorted);
}
