/* cmd_check.c - `sextet check FILE`: is a model file sound?  And `sextet check
 * --kernels` (check_kernels.h).
 *
 * Opening it checks the structure; then every tensor is read and decoded, and
 * values that are not finite are faults. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "runtime/cli/check_kernels.h"
#include "runtime/cli/options.h"
#include "runtime/cli/print.h"
#include "runtime/cli/value_stats.h"
#include "runtime/gguf.h"
#include "runtime/pool.h"

enum { PIECE = 1 << 17 }; /* values that one thread takes at a time */

typedef struct {
    ValueStats stats;
    Err *err;
} Worker;

typedef struct {
    const Gguf *g;
    const TensorInfo *tensor; /* the one at work */
    Pool *pool;
    Worker *worker; /* one for each thread */
    bool progress;
    double started, shown;
    int64_t bytes_before, bytes_all; /* of the tensors done, of all */
    atomic_llong pieces;             /* done of the tensor at work */
} Check;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void show_progress(Check *c)
{
    double t = now();
    if (!c->progress || t - c->shown < 0.2)
        return;
    c->shown = t;
    const BlockInfo *info = &block_info[c->tensor->type];
    double piece = (double)PIECE / info->elems * info->bytes;
    double done =
        (double)c->bytes_before + piece * (double)atomic_load(&c->pieces);
    fprintf(stderr, "\r%3.0f %%  %.2f GiB/s  %-50.50s",
            100 * done / (double)c->bytes_all,
            done / (t - c->started) / (1 << 30), c->tensor->name);
}

static Err *add(void *ctx, const float *x, int64_t n)
{
    value_stats_add(ctx, x, n);
    return NULL;
}

/* Pieces [begin, end) of the tensor at work. */
static void scan(void *ctx, int64_t begin, int64_t end, int thread)
{
    Check *c = ctx;
    Worker *w = &c->worker[thread];
    int64_t all = value_stats_count(c->tensor);
    for (int64_t i = begin; i < end && !w->err; i++) {
        int64_t first = i * PIECE;
        int64_t n = all - first < PIECE ? all - first : PIECE;
        w->err = value_stats_walk(c->g, c->tensor, first, n, add, &w->stats);
        atomic_fetch_add(&c->pieces, 1);
        if (thread == 0)
            show_progress(c);
    }
}

/* The first error of any thread; the others are dropped. */
static Err *gather(Check *c, ValueStats *stats)
{
    Err *e = NULL;
    *stats = (ValueStats){0};
    for (int i = 0; i < pool_threads(c->pool); i++) {
        Worker *w = &c->worker[i];
        value_stats_join(stats, &w->stats);
        if (e)
            err_free(w->err);
        else
            e = w->err;
        *w = (Worker){0};
    }
    return e;
}

static Err *check_tensor(Check *c, const TensorInfo *t, ValueStats *stats)
{
    c->tensor = t;
    atomic_store(&c->pieces, 0);
    pool_run(c->pool, scan, c, (value_stats_count(t) - 1) / PIECE + 1);
    c->bytes_before += t->bytes;
    return gather(c, stats);
}

static void report_fault(const TensorInfo *t, const ValueStats *s, bool json,
                         bool first)
{
    if (!json) {
        printf("%s (%s): %" PRId64 " NaN, %" PRId64 " infinite of %" PRId64
               " values\n",
               t->name, block_info[t->type].name, s->nans, s->infs, s->n);
        return;
    }
    fputs(first ? "\n  {\"tensor\": " : ",\n  {\"tensor\": ", stdout);
    print_json_string(stdout, t->name, strlen(t->name));
    printf(", \"nan\": %" PRId64 ", \"inf\": %" PRId64 "}", s->nans, s->infs);
}

static void clear_progress(const Check *c)
{
    if (c->shown > 0)
        fprintf(stderr, "\r%80s\r", "");
}

static Err *check_tensors(Check *c, const Options *o, int64_t *faults)
{
    const ModelInfo *m = gguf_info(c->g);
    *faults = 0;
    for (int64_t i = 0; i < m->n_tensors; i++) {
        ValueStats s;
        Err *e = check_tensor(c, &m->tensors[i], &s);
        if (e || s.nans || s.infs)
            clear_progress(c);
        if (e)
            return e;
        if (s.nans || s.infs)
            report_fault(&m->tensors[i], &s, o->json, (*faults)++ == 0);
    }
    clear_progress(c);
    return gguf_unchanged(c->g);
}

static Err *check_values(Check *c, const Options *o)
{
    const ModelInfo *m = gguf_info(c->g);
    char bytes[PRINT_BYTES_MAX];
    int64_t faults;
    if (o->json)
        fputs("{\"faults\": [", stdout);
    TRY(check_tensors(c, o, &faults));
    if (o->json)
        printf("],\n \"tensors\": %" PRId64 ", \"bytes\": %" PRId64
               ", \"sound\": %s}\n",
               m->n_tensors, c->bytes_all, faults ? "false" : "true");
    if (faults)
        return err_new(ERR_INPUT,
                       "%s: %" PRId64 " of %" PRId64
                       " tensors hold values that are not finite",
                       m->path, faults, m->n_tensors);
    if (!o->json)
        printf("%s: sound; %" PRId64 " tensors, %s decoded in %.2f s, all "
               "values finite\n",
               m->path, m->n_tensors, print_bytes(c->bytes_all, bytes),
               now() - c->started);
    return NULL;
}

static Err *check_file(const Options *o)
{
    Err *e = NULL;
    Gguf *g = NULL;
    Check c = {.started = now()};
    DO(gguf_open(o->args[0], &g));
    c.g = g;
    for (int64_t i = 0; i < gguf_info(g)->n_tensors; i++)
        if (__builtin_add_overflow(c.bytes_all, gguf_info(g)->tensors[i].bytes,
                                   &c.bytes_all))
            c.bytes_all = INT64_MAX;
    int64_t threads = o->threads ? o->threads : pool_cpus();
    if (threads > POOL_MAX_THREADS)
        threads = POOL_MAX_THREADS;
    DO(pool_new((int)threads, &c.pool));
    c.worker = calloc((size_t)threads, sizeof *c.worker);
    if (!c.worker)
        memory_out((size_t)threads * sizeof *c.worker);
    c.progress = !o->quiet && isatty(STDERR_FILENO);
    DO(check_values(&c, o));
out:
    pool_free(c.pool);
    free(c.worker);
    gguf_close(g);
    return e;
}

Err *cmd_check(const Options *o)
{
    if ((o->n_args == 1) == (o->kernels != NULL))
        return err_new(ERR_USAGE, "check wants a FILE or --kernels");
    return o->kernels ? check_kernels(o) : check_file(o);
}
