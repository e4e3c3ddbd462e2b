/* bench.h - the parts of `sextet bench`. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "runtime/cli/options.h"
#include "runtime/cli/report.h"

/* Times of the same thing, repeated. */
enum { BENCH_MAX = 1000 };
typedef struct {
    int n;
    double v[BENCH_MAX];
} Samples;

void samples_add(Samples *s, double v); /* those above BENCH_MAX are dropped */
/* A row with median, least and most; nothing if there are no samples. */
void report_samples(Report *r, const char *key, const char *label, Samples *s,
                    const char *unit);

/* --startup: from the command to the first token, each repetition in a process
 * of its own. */
Err *bench_startup(const Options *o) MUST_USE;

#endif
