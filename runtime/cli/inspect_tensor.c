/* One tensor: statistics of its values, and the values themselves. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/cli/inspect.h"
#include "runtime/cli/print.h"
#include "runtime/cli/value_stats.h"

enum { BINS = 16, BAR = 50 };

/* First pass: statistics, and the values into a file if there is one. */
typedef struct {
    ValueStats stats;
    FILE *out;
    const char *out_path;
} Scan;

static Err *cannot_write(const char *path)
{
    return err_new(ERR_IO, "cannot write '%s': %s", path, strerror(errno));
}

/* Floats are little-endian on every machine that this program is for; the
 * build would not start elsewhere. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian only");

static Err *scan(void *ctx, const float *x, int64_t n)
{
    Scan *s = ctx;
    value_stats_add(&s->stats, x, n);
    if (s->out && fwrite(x, sizeof *x, (size_t)n, s->out) != (size_t)n)
        return cannot_write(s->out_path);
    return NULL;
}

/* Second pass: how the finite values spread between the smallest and the
 * largest. */
typedef struct {
    double min, scale; /* bins per unit */
    int64_t bin[BINS];
} Spread;

static Err *spread(void *ctx, const float *x, int64_t n)
{
    Spread *s = ctx;
    for (int64_t i = 0; i < n; i++) {
        double at = ((double)x[i] - s->min) * s->scale;
        if (at >= 0 && at <= BINS) /* false for NaN and infinities */
            s->bin[at < BINS ? (int)at : BINS - 1]++;
    }
    return NULL;
}

static void print_spread(const Spread *s)
{
    int64_t most = 1;
    for (int i = 0; i < BINS; i++)
        most = s->bin[i] > most ? s->bin[i] : most;
    for (int i = 0; i < BINS; i++) {
        int bar = (int)((double)s->bin[i] / (double)most * BAR + 0.5);
        printf("  from %12.5g %12" PRId64 " ", s->min + i / s->scale,
               s->bin[i]);
        for (int k = 0; k < bar; k++)
            putchar('#');
        putchar('\n');
    }
}

static Err *print_text(const Gguf *g, const TensorInfo *t, const ValueStats *v)
{
    char bytes[PRINT_BYTES_MAX];
    printf("%s: %s [", t->name, block_info[t->type].name);
    for (int k = 0; k < t->rank; k++)
        printf("%s%" PRId64, k ? ", " : "", t->ne[k]);
    printf("], %s at byte %" PRId64 " of %s\n", print_bytes(t->bytes, bytes),
           t->offset, gguf_file_path(g, t->shard));
    printf("%" PRId64 " values: min %.9g, max %.9g, mean %.9g, rms %.9g\n",
           v->n, v->min, v->max, value_stats_mean(v), value_stats_rms(v));
    printf("%" PRId64 " zeros, %" PRId64 " NaN, %" PRId64 " infinite\n",
           v->zeros, v->nans, v->infs);
    if (!(v->max > v->min))
        return NULL;
    Spread s = {.min = v->min, .scale = BINS / (v->max - v->min)};
    TRY(value_stats_walk(g, t, 0, v->n, spread, &s));
    print_spread(&s);
    return NULL;
}

static void print_json(const TensorInfo *t, const ValueStats *v)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"min", v->min},
                {"max", v->max},
                {"mean", value_stats_mean(v)},
                {"rms", value_stats_rms(v)}};
    fputs("{\"name\": ", stdout);
    print_json_string(stdout, t->name, strlen(t->name));
    printf(", \"type\": \"%s\", \"values\": %" PRId64 ", \"zeros\": %" PRId64
           ", \"nan\": %" PRId64 ", \"inf\": %" PRId64,
           block_info[t->type].name, v->n, v->zeros, v->nans, v->infs);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf(", \"%s\": ", rows[i].name);
        print_json_number(stdout, rows[i].value);
    }
    fputs("}\n", stdout);
}

/* Writing over a file of the model while reading it would destroy it. */
static Err *open_out(const Gguf *g, const char *path, FILE **out)
{
    struct stat a, b;
    for (int i = 0; i < gguf_n_files(g); i++)
        if (stat(path, &a) == 0 && stat(gguf_file_path(g, i), &b) == 0 &&
            a.st_dev == b.st_dev && a.st_ino == b.st_ino)
            return err_new(ERR_INPUT, "'%s' is the model file itself", path);
    *out = fopen(path, "wb");
    return *out ? NULL : cannot_write(path);
}

Err *inspect_tensor(const Gguf *g, const TensorInfo *t, const Options *o)
{
    Err *e = NULL;
    Scan s = {.out_path = o->f32};
    if (o->f32)
        TRY(open_out(g, o->f32, &s.out));
    DO(value_stats_walk(g, t, 0, value_stats_count(t), scan, &s));
    if (o->json)
        print_json(t, &s.stats);
    else
        DO(print_text(g, t, &s.stats));
out:
    if (s.out && fclose(s.out) != 0 && !e)
        e = cannot_write(o->f32);
    return e;
}
