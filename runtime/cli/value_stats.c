#include "runtime/cli/value_stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* Works on a copy that stays in registers. */
void value_stats_add(ValueStats *s, const float *x, int64_t n)
{
    ValueStats v = *s;
    for (int64_t i = 0; i < n; i++) {
        float f = x[i];
        if (!isfinite(f)) {
            v.nans += isnan(f) != 0;
            v.infs += isinf(f) != 0;
            continue;
        }
        double d = (double)f;
        if (v.n + i == v.nans + v.infs) /* the first finite value */
            v.min = v.max = d;
        v.zeros += f == 0.0F;
        v.min = d < v.min ? d : v.min;
        v.max = d > v.max ? d : v.max;
        v.sum += d;
        v.sum_square += d * d;
    }
    v.n += n;
    *s = v;
}

static int64_t finite(const ValueStats *s) { return s->n - s->nans - s->infs; }

void value_stats_join(ValueStats *s, const ValueStats *other)
{
    if (finite(other) && (!finite(s) || other->min < s->min))
        s->min = other->min;
    if (finite(other) && (!finite(s) || other->max > s->max))
        s->max = other->max;
    s->n += other->n;
    s->zeros += other->zeros;
    s->nans += other->nans;
    s->infs += other->infs;
    s->sum += other->sum;
    s->sum_square += other->sum_square;
}

double value_stats_mean(const ValueStats *s)
{
    return finite(s) ? s->sum / (double)finite(s) : 0;
}

double value_stats_rms(const ValueStats *s)
{
    return finite(s) ? sqrt(s->sum_square / (double)finite(s)) : 0;
}

int64_t value_stats_count(const TensorInfo *t)
{
    return t->bytes / block_info[t->type].bytes * block_info[t->type].elems;
}

Err *value_stats_walk(const Gguf *g, const TensorInfo *t, int64_t first,
                      int64_t n, ValueUse *use, void *ctx)
{
    Err *e = NULL;
    float *x = malloc(sizeof *x * VALUE_STEP);
    if (!x)
        memory_out(sizeof *x * VALUE_STEP);
    while (n > 0) {
        int64_t k = n < VALUE_STEP ? n : VALUE_STEP;
        DO(gguf_read_f32(g, t, first, k, x));
        DO(use(ctx, x, k));
        first += k;
        n -= k;
    }
out:
    free(x);
    return e;
}
