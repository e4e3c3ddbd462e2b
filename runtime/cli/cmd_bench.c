/* cmd_bench.c - `sextet bench MODEL.gguf`: how fast, on uniformly random ids.
 *
 * For every --depth the sequence is filled once to that many tokens, which is
 * not timed.  Each repetition then returns there before every measurement:
 * each length of --prompt-tokens in steps of --batch, and --max-tokens single
 * tokens, one after the other, given ones and then chosen ones.  The first
 * repetition warms up and does not count. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "runtime/cli/bandwidth.h"
#include "runtime/cli/bench.h"
#include "runtime/cli/cards.h"
#include "runtime/cli/flight.h"
#include "runtime/cli/load.h"
#include "runtime/cli/print.h"
#include "runtime/cli/profile.h"
#include "runtime/generate.h"

enum { DEFAULT_DECODE = 64 };

/* One thing measured: n tokens at once, or one by one. */
typedef enum { PREFILL, DECODE, GENERATE } What;
static const char *const what_name[] = {"prefill", "decode", "generate"};

typedef struct {
    What what;
    int64_t depth, n;
    Samples seconds, rate; /* of the whole; tokens per second */
    Profile *profile;      /* NULL without --profile */
    Flight flight;
} Measure;

typedef struct {
    const Options *o;
    Arena *arena;
    Loaded model;
    int program;
    int32_t *ids;
    int n_measures;
    Measure *measure;      /* those of one depth stand together */
    TrafficMap map;        /* unless interpreted */
    double read_bandwidth; /* of memory, bytes per second */
} Bench;

void samples_add(Samples *s, double v)
{
    if (s->n < BENCH_MAX)
        s->v[s->n++] = v;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static Spread spread_of(Samples *s)
{
    qsort(s->v, (size_t)s->n, sizeof *s->v, compare);
    double low = s->v[(s->n - 1) / 2], high = s->v[s->n / 2];
    return (Spread){(low + high) / 2, s->v[0], s->v[s->n - 1]};
}

void report_samples(Report *r, const char *key, const char *label, Samples *s,
                    const char *unit)
{
    if (s->n)
        report_spread(r, key, label, spread_of(s), unit);
}

/* ---- measuring */

/* Feeds n ids and says how long it took; the first id is that of the place in
 * the sequence, so that nothing is read twice. */
static Err *feed(Bench *b, int64_t n, int64_t wanted, double *seconds)
{
    int64_t past = session_past(b->model.session, b->program);
    Feed f = {.program = b->program,
              .tokens = b->ids + past,
              .n = n,
              .wanted = wanted,
              .logits_only = true};
    double start = clock_seconds();
    Err *e = session_feed(b->model.session, &f);
    *seconds = clock_seconds() - start;
    return e;
}

static Err *token_chosen(void *ctx, int32_t id, bool *more)
{
    (void)ctx;
    (void)id;
    *more = true;
    return NULL;
}

/* A text of n tokens behind the one that belongs here. */
static Err *make_text(Bench *b, int64_t n, double *seconds)
{
    int64_t past = session_past(b->model.session, b->program);
    const ExecutorInfo *info = session_info(b->model.session);
    SamplerParams params = sampler_defaults();
    params.temperature = 0.7;
    params.top_k = 20;
    params.top_p = 0.95;
    params.seed = (uint64_t)b->o->seed;
    Generate g = {.program = b->program,
                  .tokens = b->ids + past,
                  .n = 1,
                  .params = &params,
                  .vocab = (int32_t)info->program[b->program].vocabulary,
                  .most = n,
                  .on_host = strcmp(b->o->sampler, "host") == 0,
                  .token = token_chosen};
    double start = clock_seconds();
    Err *e = generate(b->model.session, &g);
    *seconds = clock_seconds() - start;
    return e;
}

static Err *feed_singly(Bench *b, int64_t n, double *seconds)
{
    *seconds = 0;
    for (int64_t i = 0; i < n; i++) {
        double one;
        TRY(feed(b, 1, 0, &one));
        *seconds += one;
    }
    return NULL;
}

static Err *fill(Bench *b, int64_t depth)
{
    double seconds;
    TRY(session_reset(b->model.session));
    TRY(feed(b, depth, depth, &seconds));
    return session_mark(b->model.session);
}

static PredictSpec prediction(const Bench *b, const Measure *m)
{
    const Plan *p = b->model.plan;
    return (PredictSpec){.plan = p,
                         .program = &p->program[b->program],
                         .map = &b->map,
                         .past = m->depth,
                         .tokens = m->n,
                         .lanes = exec_lanes(b->model.executor, b->program)};
}

static void count(Bench *b, Measure *m, double seconds)
{
    samples_add(&m->seconds, seconds);
    samples_add(&m->rate, (double)m->n / seconds);
    if (!b->model.plan || m->profile || m->what != PREFILL)
        return;
    PredictSpec spec = prediction(b, m);
    flight_add(&m->flight, b->arena, b->model.executor, b->program, &spec);
}

static Err *run(Bench *b, Measure *m, bool counts)
{
    double seconds = 0;
    TRY(session_rewind(b->model.session));
    profile_use(b->model.executor, counts ? m->profile : NULL);
    switch (m->what) {
    case PREFILL:
        TRY(feed(b, m->n, m->n - 1, &seconds));
        break;
    case DECODE:
        TRY(feed_singly(b, m->n, &seconds));
        break;
    case GENERATE:
        TRY(make_text(b, m->n, &seconds));
        break;
    }
    profile_use(b->model.executor, NULL);
    if (counts)
        count(b, m, seconds);
    return NULL;
}

/* The measurements [first, end) share a depth. */
static Err *measure_depth(Bench *b, int first, int end)
{
    TRY(fill(b, b->measure[first].depth));
    for (int64_t i = 0; i <= b->o->repeat; i++)
        for (int k = first; k < end; k++)
            TRY(run(b, &b->measure[k], i > 0));
    return NULL;
}

static Err *measure_all(Bench *b)
{
    for (int i = 0, end; i < b->n_measures; i = end) {
        for (end = i + 1; end < b->n_measures &&
                          b->measure[end].depth == b->measure[i].depth;)
            end++;
        TRY(measure_depth(b, i, end));
    }
    return NULL;
}

/* ---- the report */

/* bytes_per_s as a part of what the threads reach in a plain loop over a
 * buffer of n bytes. */
static void report_share(Bench *b, const char *key, double bytes_per_s,
                         int64_t n, Report *r)
{
    char size[PRINT_BYTES_MAX];
    bool cached = n < BANDWIDTH_MEMORY && !b->model.cuda;
    double all =
        cached ? bandwidth_read(b->model.pool, n) : b->read_bandwidth;
    double share = all > 0 ? bytes_per_s / all : 0;
    report_line(r,
                "  %.0f %% of the %.1f GB/s at which %s can be read again "
                "and again",
                100 * share, all / 1e9, print_bytes(n, size));
    if (r->json)
        report_real(r, key, "", share, "");
}

/* What a decoded token touches in the middle of the run, and what part of the
 * memory's speed that is.  A small model lies in a cache: so the comparison
 * with a buffer of the same size, too. */
static void report_traffic(Bench *b, const Measure *m, double rate, Report *r)
{
    char all[PRINT_BYTES_MAX], weights[PRINT_BYTES_MAX], kv[PRINT_BYTES_MAX],
        states[PRINT_BYTES_MAX];
    TrafficStep middle = {1, 1, m->depth + m->n / 2};
    Traffic t =
        traffic_program(&b->map, &b->model.plan->program[b->program], middle);
    double sum = traffic_sum(t);
    report_line(r,
                "  %s a token: weights %s, states %s, keys and values %s; "
                "%.1f GB/s",
                print_bytes((int64_t)sum, all),
                print_bytes((int64_t)t.weights, weights),
                print_bytes((int64_t)t.states, states),
                print_bytes((int64_t)t.rows, kv), sum * rate / 1e9);
    if (r->json) {
        report_real(r, "bytes_per_token", "", sum, "");
        report_real(r, "weight_bytes_per_token", "", t.weights, "");
        report_real(r, "state_bytes_per_token", "", t.states, "");
        report_real(r, "kv_bytes_per_token", "", t.rows, "");
        report_real(r, "bytes_per_s", "", sum * rate, "");
    }
    report_share(b, "share_of_bandwidth", sum * rate, BANDWIDTH_MEMORY, r);
    if (sum < BANDWIDTH_MEMORY && !b->model.cuda)
        report_share(b, "share_of_bandwidth_same_size", sum * rate,
                     (int64_t)sum, r);
}

static void report_measure(Bench *b, Measure *m, Report *r)
{
    char label[80];
    Spread rate = spread_of(&m->rate);
    snprintf(label, sizeof label, "%s %" PRId64 " at %" PRId64,
             what_name[m->what], m->n, m->depth);
    report_item(r);
    if (r->json) {
        const char *what = what_name[m->what];
        report_text(r, "what", "", what, strlen(what));
        report_int(r, "tokens", "", m->n, "");
        report_int(r, "depth", "", m->depth, "");
    }
    report_spread(r, "tokens_per_s", label, rate, "tokens/s");
    if (m->what == DECODE && b->model.plan)
        report_traffic(b, m, rate.median, r);
    else if (m->what == PREFILL)
        report_samples(r, "first_token_s", "  time to first token", &m->seconds,
                       "s");
    flight_report(&m->flight, r);
    if (m->profile)
        profile_report(m->profile, r, b->read_bandwidth);
    report_item_end(r);
}

/* Late, for its buffer would count as the model's memory. */
static void measure_memory(Bench *b, Report *r)
{
    if (!b->model.pool)
        return;
    b->read_bandwidth = b->model.cuda
                            ? cards_bandwidth(b->o, &b->model)
                            : bandwidth_read(b->model.pool, BANDWIDTH_MEMORY);
    if (r->json)
        report_real(r, "read_bytes_per_s", "", b->read_bandwidth, "");
    report_line(r, "%-26s %.1f GB/s", "memory, read", b->read_bandwidth / 1e9);
}

static void report(Bench *b)
{
    Report r;
    report_begin(&r, stdout, b->o->json);
    report_int(&r, "threads", "threads",
               b->model.pool ? pool_threads(b->model.pool) : 1, "");
    report_bytes(&r, "peak_memory_bytes", "peak memory", load_peak_memory());
    cards_report(&b->model, &r);
    measure_memory(b, &r);
    report_list(&r, "measurements");
    for (int i = 0; i < b->n_measures; i++)
        report_measure(b, &b->measure[i], &r);
    report_list_end(&r);
    report_end(&r);
}

/* The first prompt that is measured. */
static Err *draw(Bench *b)
{
    const Measure *m = b->measure;
    if (!b->o->svg)
        return NULL;
    if (!b->model.plan || m->what != PREFILL)
        return err_new(ERR_USAGE, "--svg draws how devices read a prompt");
    PredictSpec spec = prediction(b, m);
    return flight_draw(&m->flight, b->arena, &spec, b->o->svg);
}

/* ---- preparing */

static void add_measure(Bench *b, What what, int64_t depth, int64_t n)
{
    if (n)
        b->measure[b->n_measures++] =
            (Measure){.what = what, .depth = depth, .n = n};
}

/* Those that are asked for, and the tokens that the longest one needs. */
static Err *list_measures(Bench *b, Arena *a, int64_t *context)
{
    const Options *o = b->o;
    int64_t decode = o->given[OPT_max_tokens] ? o->max_tokens : DEFAULT_DECODE;
    b->measure = ARENA_ARRAY(a, Measure, o->depth.n * (o->prompt_tokens.n + 2));
    *context = 0;
    for (int d = 0; d < o->depth.n; d++) {
        int64_t depth = o->depth.item[d];
        for (int i = 0; i < o->prompt_tokens.n; i++)
            add_measure(b, PREFILL, depth, o->prompt_tokens.item[i]);
        add_measure(b, DECODE, depth, decode);
        add_measure(b, GENERATE, depth, decode);
    }
    for (int i = 0; i < b->n_measures; i++) {
        const Measure *m = &b->measure[i];
        if (m->n > INT32_MAX || m->depth > INT32_MAX - m->n)
            return err_new(ERR_USAGE, "--depth with --prompt-tokens or "
                                      "--max-tokens is below 2^31");
        if (*context < m->depth + m->n)
            *context = m->depth + m->n;
    }
    return b->n_measures ? NULL
                         : err_new(ERR_USAGE, "nothing to measure: neither "
                                              "--prompt-tokens nor "
                                              "--max-tokens");
}

static void make_ids(Bench *b, Arena *a, int64_t n)
{
    const ExecutorInfo *info = session_info(b->model.session);
    double vocabulary = (double)info->program[b->program].vocabulary;
    b->ids = ARENA_ARRAY(a, int32_t, n);
    for (int64_t i = 0; i < n; i++)
        b->ids[i] =
            (int32_t)(sampler_uniform((uint64_t)b->o->seed, (uint64_t)i) *
                      vocabulary);
}

static Err *start(Bench *b, Arena *a)
{
    const Options *o = b->o;
    int64_t context;
    TRY(list_measures(b, a, &context));
    LoadWish wish = {.context = context, .outputs = 1};
    TRY(load_open(o, o->args[0], &wish, &b->model));
    b->program = session_program(b->model.session, "main");
    if (b->program < 0)
        return err_new(ERR_INPUT, "the model has no entry point 'main'");
    make_ids(b, a, context);
    if (o->profile && !b->model.plan)
        return err_new(ERR_USAGE, "--profile counts kernels: the interpreter "
                                  "has none");
    if (!b->model.plan)
        return NULL;
    TRY(traffic_map(a, b->model.plan, &b->map));
    for (int i = 0; i < b->n_measures && o->profile; i++)
        b->measure[i].profile = profile_new(&b->map);
    return NULL;
}

Err *cmd_bench(const Options *o)
{
    if (o->repeat < 1 || o->repeat > BENCH_MAX)
        return err_new(ERR_USAGE, "--repeat is from 1 to %d", BENCH_MAX);
    if (o->startup)
        return bench_startup(o);
    Arena *a = arena_new();
    Bench b = {.o = o, .arena = a};
    Err *e = start(&b, a);
    if (!e)
        e = measure_all(&b);
    if (!e)
        report(&b);
    if (!e)
        e = draw(&b);
    for (int i = 0; i < b.n_measures; i++)
        profile_free(b.measure[i].profile);
    load_close(&b.model);
    arena_free(a);
    return e;
}
