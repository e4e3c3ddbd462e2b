#include "runtime/cli/profile.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 25 };

typedef struct {
    int kernel; /* n_kernels: copies between devices */
    int64_t launches;
    double seconds;
    const char *note; /* of its first launch */
} Row;

struct Profile {
    const Plan *plan;
    Row *row; /* [n_kernels + 1] */
    double seconds;
};

Profile *profile_new(const Plan *p)
{
    Profile *f = calloc(1, sizeof *f);
    if (!f || !(f->row = calloc((size_t)p->n_kernels + 1, sizeof *f->row)))
        abort();
    f->plan = p;
    for (int i = 0; i <= p->n_kernels; i++)
        f->row[i].kernel = i;
    return f;
}

void profile_free(Profile *f)
{
    if (f)
        free(f->row);
    free(f);
}

static void count(void *ctx, const PlanProgram *program, int step,
                  double seconds)
{
    Profile *f = ctx;
    const PlanStep *s = &program->step[step];
    Row *r = &f->row[s->kind == STEP_COPY ? f->plan->n_kernels : s->kernel];
    if (r->launches++ == 0)
        r->note = s->note;
    r->seconds += seconds;
    f->seconds += seconds;
}

void profile_use(Executor *x, Profile *f)
{
    if (f)
        exec_set_trace(x, count, f);
    else
        exec_set_trace(x, NULL, NULL);
}

static int by_time(const void *a, const void *b)
{
    const Row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void report_row(const Profile *f, const Row *r, Report *out,
                       const char *what)
{
    char key[300], label[64];
    const char *name = r->kernel == f->plan->n_kernels
                           ? "copy"
                           : f->plan->kernel[r->kernel].name;
    snprintf(key, sizeof key, "%s_%s_s", what, name);
    snprintf(label, sizeof label, "%s %.40s", what, name);
    KernelTime t = {r->seconds, r->seconds / f->seconds, r->launches,
                    r->note ? r->note : ""};
    report_kernel(out, key, label, &t);
}

void profile_report(const Profile *f, Report *r, const char *what)
{
    int n = f->plan->n_kernels + 1;
    Row *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted)
        abort();
    memcpy(sorted, f->row, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_time);
    for (int i = 0; i < n && i < MOST_ROWS && sorted[i].launches; i++)
        report_row(f, &sorted[i], r, what);
    free(sorted);
}
