#include "runtime/cli/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

int64_t metrics_not_finite(const float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return i;
    return -1;
}

int64_t metrics_argmax(const float *v, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (v[i] > v[best])
            best = i;
    return best;
}

static double log_sum_exp(const float *v, int64_t n)
{
    double top = (double)v[metrics_argmax(v, n)], sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)v[i] - top);
    return top + log(sum);
}

double metrics_nll(const float *logits, int64_t n, int64_t target)
{
    return log_sum_exp(logits, n) - (double)logits[target];
}

static double divergence(const float *ref, const float *ours, int64_t n)
{
    double ref_all = log_sum_exp(ref, n), our_all = log_sum_exp(ours, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = (double)ref[i] - ref_all, q = (double)ours[i] - our_all;
        sum += exp(p) * (p - q);
    }
    return sum;
}

static void add_squares(Comparison *c, const float *ours, const float *ref,
                        int64_t n)
{
    double error = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)ours[i] - (double)ref[i];
        error += d * d;
        power += (double)ref[i] * (double)ref[i];
    }
    c->error += error;
    c->power += power;
    if (!(error / power <= c->worst_nmse)) {
        c->worst_nmse = error / power;
        c->worst_at = c->n;
    }
}

static void add_flip(Comparison *c, const float *ours, const float *ref,
                     int64_t n)
{
    int64_t want = metrics_argmax(ref, n), got = metrics_argmax(ours, n);
    double gap = (double)ref[want] - (double)ref[got];
    if (want == got)
        return;
    c->flips++;
    c->far_flips += !(gap < METRICS_NEAR_TIE);
    if (!(gap <= c->largest_gap))
        c->largest_gap = gap;
}

void comparison_add(Comparison *c, const float *ours, const float *ref,
                    int64_t n)
{
    if ((c->n & (c->n - 1)) == 0) {
        size_t cap = c->n ? 2 * (size_t)c->n : 1;
        c->kl = realloc(c->kl, cap * sizeof *c->kl);
        if (!c->kl)
            memory_out(cap * sizeof *c->kl);
    }
    add_squares(c, ours, ref, n);
    add_flip(c, ours, ref, n);
    c->kl[c->n++] = divergence(ref, ours, n);
}

void comparison_free(Comparison *c)
{
    free(c->kl);
    *c = (Comparison){0};
}

double comparison_nmse(const Comparison *c) { return c->error / c->power; }

double comparison_mean_kl(const Comparison *c)
{
    double sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        sum += c->kl[i];
    return sum / (double)c->n;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double comparison_p99_kl(Comparison *c)
{
    qsort(c->kl, (size_t)c->n, sizeof *c->kl, compare_doubles);
    int64_t rank = (c->n * 99 + 99) / 100; /* ceil(0.99 n) */
    return c->kl[rank - 1];
}
