/* cmd_bench.c - `sextet bench MODEL.gguf`: how fast, on uniformly random ids.
 *
 * Each repetition starts an empty sequence, reads --prompt-tokens ids in steps
 * of --batch and then feeds --max-tokens more one by one.  The first repetition
 * warms up and does not count. */
#include <string.h>

#include "base/clock.h"
#include "runtime/cli/bench.h"
#include "runtime/cli/load.h"
#include "runtime/cli/profile.h"
#include "runtime/sampler.h"

enum { DEFAULT_DECODE = 64 };

typedef struct {
    const Options *o;
    Loaded model;
    int program;
    int64_t n_prompt, n_decode;
    int32_t *ids;
    Samples prefill, decode, first;
    Profile *prefill_profile, *decode_profile; /* NULL without --profile */
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

void report_samples(Report *r, const char *key, const char *label, Samples *s,
                    const char *unit)
{
    if (s->n == 0)
        return;
    qsort(s->v, (size_t)s->n, sizeof *s->v, compare);
    double low = s->v[(s->n - 1) / 2], high = s->v[s->n / 2];
    Spread v = {(low + high) / 2, s->v[0], s->v[s->n - 1]};
    report_spread(r, key, label, v, unit);
}

static void make_ids(Bench *b)
{
    int64_t n = b->n_prompt + b->n_decode;
    const ExecutorInfo *info = session_info(b->model.session);
    double vocabulary = (double)info->program[b->program].vocabulary;
    b->ids = ARENA_ARRAY(b->model.arena, int32_t, n);
    for (int64_t i = 0; i < n; i++)
        b->ids[i] =
            (int32_t)(sampler_uniform((uint64_t)b->o->seed, (uint64_t)i) *
                      vocabulary);
}

/* Seconds to feed ids [from, from + n). */
static Err *feed(Bench *b, int64_t from, int64_t n, double *seconds)
{
    Feed f = {.program = b->program,
              .tokens = b->ids + from,
              .n = n,
              .wanted = n - 1};
    double start = clock_seconds();
    Err *e = session_feed(b->model.session, &f);
    *seconds = clock_seconds() - start;
    return e;
}

static Err *repeat(Bench *b, bool counts)
{
    double prefill, decode = 0, one;
    TRY(session_reset(b->model.session));
    profile_use(b->model.executor, counts ? b->prefill_profile : NULL);
    TRY(feed(b, 0, b->n_prompt, &prefill));
    profile_use(b->model.executor, counts ? b->decode_profile : NULL);
    for (int64_t i = 0; i < b->n_decode; i++) {
        TRY(feed(b, b->n_prompt + i, 1, &one));
        decode += one;
    }
    profile_use(b->model.executor, NULL);
    if (!counts)
        return NULL;
    samples_add(&b->first, prefill);
    samples_add(&b->prefill, (double)b->n_prompt / prefill);
    if (b->n_decode)
        samples_add(&b->decode, (double)b->n_decode / decode);
    return NULL;
}

static void report(Bench *b)
{
    Report r;
    report_begin(&r, stdout, b->o->json);
    report_int(&r, "prompt_tokens", "prompt", b->n_prompt, "tokens");
    report_int(&r, "decode_tokens", "decode", b->n_decode, "tokens");
    report_int(&r, "threads", "threads",
               b->model.pool ? pool_threads(b->model.pool) : 1, "");
    report_samples(&r, "prefill_tokens_per_s", "prefill", &b->prefill,
                   "tokens/s");
    report_samples(&r, "first_token_s", "time to first token", &b->first, "s");
    report_samples(&r, "decode_tokens_per_s", "decode", &b->decode, "tokens/s");
    report_bytes(&r, "peak_memory_bytes", "peak memory", load_peak_memory());
    if (b->prefill_profile) {
        profile_report(b->prefill_profile, &r, "prefill");
        profile_report(b->decode_profile, &r, "decode");
    }
    report_end(&r);
}

static Err *start(Bench *b)
{
    const Options *o = b->o;
    b->n_prompt = o->prompt_tokens;
    b->n_decode = o->given[OPT_max_tokens] ? o->max_tokens : DEFAULT_DECODE;
    LoadWish wish = {.context = b->n_prompt + b->n_decode, .outputs = 1};
    TRY(load_open(o, o->args[0], &wish, &b->model));
    b->program = session_program(b->model.session, "main");
    if (b->program < 0)
        return err_new(ERR_INPUT, "the model has no entry point 'main'");
    if (o->profile && !b->model.plan)
        return err_new(ERR_USAGE, "--profile counts kernels: the interpreter "
                                  "has none");
    if (o->profile) {
        b->prefill_profile = profile_new(b->model.plan);
        b->decode_profile = profile_new(b->model.plan);
    }
    make_ids(b);
    return NULL;
}

static Err *check_options(const Options *o)
{
    if (o->repeat < 1 || o->repeat > BENCH_MAX)
        return err_new(ERR_USAGE, "--repeat is from 1 to %d", BENCH_MAX);
    if (o->prompt_tokens < 1 || o->prompt_tokens > INT32_MAX ||
        o->max_tokens > INT32_MAX)
        return err_new(ERR_USAGE, "--prompt-tokens is at least 1 and, as "
                                  "--max-tokens, below 2^31");
    return NULL;
}

Err *cmd_bench(const Options *o)
{
    TRY(check_options(o));
    if (o->startup)
        return bench_startup(o);
    Bench *b = calloc(1, sizeof *b);
    if (!b)
        abort();
    b->o = o;
    Err *e = start(b);
    for (int64_t i = 0; i <= o->repeat && !e; i++)
        e = repeat(b, i > 0);
    if (!e)
        report(b);
    profile_free(b->prefill_profile);
    profile_free(b->decode_profile);
    load_close(&b->model);
    free(b);
    return e;
}
