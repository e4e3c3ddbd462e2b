/* bench_startup.c - `sextet bench --startup`.
 *
 * Every repetition is a child process, so that its peak memory is its own and
 * nothing is warm but the system's file cache.  Three kinds of repetitions:
 *   plan    header, vocabulary and plan only, as `sextet plan` does
 *   cold    to the first token, all kernels compiled
 *   cached  to the first token, kernels from the cache
 * With --machine only the first kind: those devices are not here. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/cli/bench.h"
#include "runtime/cli/load.h"
#include "runtime/cli/request.h"

typedef enum { KIND_PLAN, KIND_COLD, KIND_CACHED, KIND_COUNT } Kind;

/* What a child tells its parent, through a pipe. */
typedef struct {
    LoadTimes times;
    double first_token, total; /* seconds */
    int64_t memory;            /* peak, bytes */
    char error[512];           /* empty: it worked */
} Outcome;

static Err *first_token(Loaded *l, double *seconds)
{
    int32_t token = 0;
    double start = clock_seconds();
    Feed f = {.program = session_program(l->session, "main"),
              .tokens = &token,
              .n = 1};
    if (f.program < 0)
        return err_new(ERR_INPUT, "the model has no entry point 'main'");
    Err *e = session_feed(l->session, &f);
    *seconds = clock_seconds() - start;
    return e;
}

static Err *only_plan(const Options *o, Loaded *l)
{
    CompileRequest r;
    double start = clock_seconds();
    TRY(request_make(l->arena, o, gguf_info(l->file), 1, &r));
    TRY(compile_to_fit(&r, &l->plan));
    l->times.plan = clock_seconds() - start;
    return NULL;
}

static Err *start_up(const Options *o, Kind kind, Outcome *r)
{
    Loaded l;
    Options mine = *o;
    LoadWish wish = {.tokenizer = true, .outputs = 1};
    double start = clock_seconds();
    if (kind == KIND_COLD)
        mine.cache_size = 0;
    TRY(load_file(&mine, o->args[0], true, &l));
    if (kind == KIND_PLAN) {
        Err *e = only_plan(&mine, &l);
        r->times = l.times;
        load_close(&l);
        return e;
    }
    TRY(load_model(&mine, &wish, &l));
    r->times = l.times;
    Err *e = first_token(&l, &r->first_token);
    r->total = clock_seconds() - start;
    load_close(&l);
    return e;
}

/* Never returns. */
static void child(const Options *o, Kind kind, int out)
{
    Outcome r = {0};
    double start = clock_seconds();
    Err *e = start_up(o, kind, &r);
    if (kind == KIND_PLAN)
        r.total = clock_seconds() - start;
    r.memory = load_peak_memory();
    if (e)
        snprintf(r.error, sizeof r.error, "%s", err_text(e));
    err_free(e);
    _exit(write(out, &r, sizeof r) == (ssize_t)sizeof r ? 0 : 1);
}

/* Everything the child wrote; false if that is not one Outcome. */
static bool read_result(int in, Outcome *r)
{
    size_t n = 0;
    while (n < sizeof *r) {
        ssize_t got = read(in, (char *)r + n, sizeof *r - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    return true;
}

static Err *measure(const Options *o, Kind kind, Outcome *r)
{
    int ends[2], status;
    fflush(NULL); /* or the child would print what is waiting */
    if (pipe(ends) != 0)
        return err_new(ERR_IO, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return err_new(ERR_IO, "cannot start a process: %s", strerror(errno));
    if (pid == 0)
        child(o, kind, ends[1]);
    close(ends[1]);
    bool good = read_result(ends[0], r);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!good)
        return err_new(ERR_DEVICE, "a measuring process ended with status %d",
                       status);
    return r->error[0] ? err_new(ERR_INPUT, "%s", r->error) : NULL;
}

/* Samples of every time, by kind. */
typedef struct {
    Samples header, tokenizer, plan, kernels, weights, first, total, memory;
} Series;

static void add(Series *s, const Outcome *r)
{
    samples_add(&s->header, r->times.header);
    samples_add(&s->tokenizer, r->times.tokenizer);
    samples_add(&s->plan, r->times.plan);
    samples_add(&s->kernels, r->times.kernels);
    samples_add(&s->weights, r->times.weights);
    samples_add(&s->first, r->first_token);
    samples_add(&s->total, r->total);
    samples_add(&s->memory, (double)r->memory / (1 << 20));
}

static void report_kind(Report *r, Kind kind, Series *s)
{
    static const struct {
        const char *key, *label;
        size_t offset;
        bool plan; /* shown for KIND_PLAN, too */
    } rows[] = {
        {"header_s", "header", offsetof(Series, header), true},
        {"tokenizer_s", "vocabulary", offsetof(Series, tokenizer), true},
        {"plan_s", "compile to a plan", offsetof(Series, plan), true},
        {"kernels_s", "machine code", offsetof(Series, kernels), false},
        {"weights_s", "memory and weights", offsetof(Series, weights), false},
        {"first_token_s", "first token", offsetof(Series, first), false},
        {"total_s", "total", offsetof(Series, total), true},
        {"memory_mib", "peak memory", offsetof(Series, memory), true},
    };
    static const char *const names[KIND_COUNT] = {"plan", "cold", "cached"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char key[40], label[60];
        if (kind == KIND_PLAN && !rows[i].plan)
            continue;
        snprintf(key, sizeof key, "%s_%s", names[kind], rows[i].key);
        snprintf(label, sizeof label, "%s: %s", names[kind], rows[i].label);
        report_samples(
            r, key, label, (Samples *)(void *)((char *)s + rows[i].offset),
            rows[i].offset == offsetof(Series, memory) ? "MiB" : "s");
    }
}

static Err *measure_kind(const Options *o, Kind kind, Report *report)
{
    Outcome r = {0};
    Err *e = NULL;
    Series *s = calloc(1, sizeof *s);
    if (!s)
        memory_out(sizeof *s);
    if (kind == KIND_CACHED)
        e = measure(o, kind, &r); /* fills the cache */
    for (int64_t i = 0; i < o->repeat && !e; i++) {
        e = measure(o, kind, &r);
        add(s, &r);
    }
    if (!e)
        report_kind(report, kind, s);
    free(s);
    return e;
}

Err *bench_startup(const Options *o)
{
    Report report;
    report_begin(&report, stdout, o->json);
    Err *e = measure_kind(o, KIND_PLAN, &report);
    for (int k = KIND_COLD; k < KIND_COUNT && !e && !o->machine; k++)
        e = measure_kind(o, (Kind)k, &report);
    if (!e)
        report_end(&report);
    return e;
}
