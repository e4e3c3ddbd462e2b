/* metrics.h - how good logits are: against the text, and against others.
 *
 * All in double precision, from float32 logits; natural logarithms (nats). */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include <stdint.h>

/* The first value that is NaN or infinite, -1 if all are finite. */
int64_t metrics_not_finite(const float *v, int64_t n);

/* The largest, ties to the lower index; n >= 1. */
int64_t metrics_argmax(const float *v, int64_t n);

/* -log of the probability of `target` under softmax(logits). */
double metrics_nll(const float *logits, int64_t n, int64_t target);

/* A flip further from a tie than this is a fault, not noise (nats). */
#define METRICS_NEAR_TIE 0.125

/* Ours against a reference, position by position.  Zero-initialise. */
typedef struct {
    int64_t n;           /* positions */
    double error, power; /* sums of (ours - ref)^2 and of ref^2 */
    double worst_nmse;   /* of one position */
    int64_t worst_at;    /* which */
    int64_t flips;       /* positions whose likeliest token differs */
    int64_t far_flips;   /* those with a gap of METRICS_NEAR_TIE or more */
    double largest_gap;  /* of a flip: how much likelier (log) the reference
                            finds its own first token than ours */
    double *kl;          /* of each position: KL(ref || ours); heap */
} Comparison;

void comparison_add(Comparison *c, const float *ours, const float *ref,
                    int64_t n);
void comparison_free(Comparison *c);

/* Normalised mean square error: sum (ours - ref)^2 / sum ref^2. */
double comparison_nmse(const Comparison *c);
double comparison_mean_kl(const Comparison *c);
/* The smallest value that 99 % of the positions do not exceed (nearest rank).
 * Sorts. */
double comparison_p99_kl(Comparison *c);

#endif
