/* value_stats.h - what the decoded values of a tensor look like. */
#ifndef CLI_VALUE_STATS_H
#define CLI_VALUE_STATS_H

#include <stdint.h>

#include "runtime/gguf.h"

typedef struct {
    int64_t n, zeros, nans, infs;
    double min, max;        /* of the finite values; 0 if there are none */
    double sum, sum_square; /* of the finite values */
} ValueStats;

void value_stats_add(ValueStats *s, const float *x, int64_t n);
void value_stats_join(ValueStats *s, const ValueStats *other);
double value_stats_mean(const ValueStats *s);
double value_stats_rms(const ValueStats *s);

/* Hands all values [first, first + n) of t to `use` in order, in pieces that
 * fit a fixed buffer.  first and n are multiples of VALUE_STEP, or n ends the
 * tensor. */
enum { VALUE_STEP = 1 << 14 };
typedef Err *ValueUse(void *ctx, const float *x, int64_t n);
Err *value_stats_walk(const Gguf *g, const TensorInfo *t, int64_t first,
                      int64_t n, ValueUse *use, void *ctx) MUST_USE;

int64_t value_stats_count(const TensorInfo *t); /* values of a tensor */

#endif
