/* sampler.h - from one row of logits to one token id.
 *
 * Steps, in this order (each is off by default):
 *   bias          l[id] += bias; a bias of -100 or less bans the id
 *   penalties     over the last `window` tokens of the history; with c the
 *                 number of times that an id stands there, for c > 0:
 *                   repeat      l = l > 0 ? l / r : l * r
 *                   frequency   l -= c * f
 *                   presence    l -= p
 *                 (repeat: Keskar et al. 2019, CTRL, section 4.1; the others:
 *                 OpenAI's API reference; applied one after the other as
 *                 llama.cpp does)
 *   temperature   l /= T; T = 0 takes the largest l, ties to the lower id, and
 *                 skips the rest
 *   top-k         the k most likely ids
 *   top-p         the shortest list of the most likely ids, of those left,
 *                 whose shares sum to at least p of what is left; never empty
 *   min-p         ids at least min_p times as likely as the most likely
 *   draw          one id, by the shares of what is left
 * "Most likely" counts equal logits in the order of their ids.  Temperature
 * comes before the filters, as in vLLM and transformers: the values that model
 * cards recommend are meant that way.
 *
 * The draw depends on (seed, position) and on nothing else that is not in the
 * logits, so batching and scheduling cannot change a text. */
#ifndef RUNTIME_SAMPLER_H
#define RUNTIME_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
    int32_t id;
    float bias; /* -Inf to 100 */
} SamplerBias;

/* Zero is "off" for all but top_p and repeat_penalty: start from
 * sampler_defaults. */
typedef struct {
    double temperature;       /* [0, 100] */
    int64_t top_k;            /* >= 0; 0 = all */
    double top_p;             /* (0, 1] */
    double min_p;             /* [0, 1] */
    double repeat_penalty;    /* [0.01, 100]; 1 = off */
    double presence_penalty;  /* [-100, 100] */
    double frequency_penalty; /* [-100, 100] */
    int64_t window;           /* >= -1; -1 = the whole history */
    uint64_t seed;
    const SamplerBias *bias; /* [n_bias], borrowed; ids may repeat: they add */
    int64_t n_bias;
} SamplerParams;

/* Temperature 1, no filter, no penalty, window 64. */
SamplerParams sampler_defaults(void);

/* Refuses a field out of range (NaN included), naming it.  `vocab`: ids of the
 * biases must be below. */
Err *sampler_check(const SamplerParams *p, int32_t vocab) MUST_USE;

/* Scratch for one thread, 20 bytes an id; the parameters are per call. */
typedef struct Sampler Sampler;

/* Ids from `vocab` on do not exist for it: the width of the real vocabulary,
 * which may be less than that of the logits.  vocab >= 1. */
Sampler *sampler_new(int32_t vocab);
void sampler_free(Sampler *s);

/* logits: [vocab] at least; -Inf masks an id.  Any NaN or +Inf, or nothing but
 * -Inf, is an error that names the first such id.  history: the tokens that
 * penalties see, oldest first (the caller decides whether the prompt belongs);
 * ids outside the vocabulary are passed over.  position: of the token to be
 * chosen.  `p` must have passed sampler_check. */
typedef struct {
    const float *logits;
    const int32_t *history;
    int64_t n_history;
    uint64_t position;
} SamplerInput;

Err *sampler_pick(Sampler *s, const SamplerParams *p, const SamplerInput *in,
                  int32_t *id) MUST_USE;

/* For samplers elsewhere: are there penalties, and the errors of logits. */
bool sampler_has_penalties(const SamplerParams *p);
Err *sampler_bad_logit(int32_t id, float logit) MUST_USE;
Err *sampler_all_masked(int32_t vocab) MUST_USE;
Err *sampler_all_banned(void) MUST_USE;

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy
 * as 1, 2, 3; SC 2011): a block cipher on a counter.  In place. */
void sampler_philox(uint32_t counter[4], const uint32_t key[2]);

/* Uniform in [0, 1), a multiple of 2^-53. */
double sampler_uniform(uint64_t seed, uint64_t position);

#endif
