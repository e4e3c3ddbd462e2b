#include "sampler.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"

typedef struct {
    float logit;
    int32_t id;
    double share; /* exp((logit - largest) / T), once the temperature is in */
} Cand;

struct Sampler {
    int32_t vocab;
    Cand *cand;      /* [vocab]; candidates, always ascending by id */
    uint32_t *count; /* [vocab]; zero between calls */
};

static const double ban_at = -100;

/* ---- parameters */

SamplerParams sampler_defaults(void)
{
    return (SamplerParams){
        .temperature = 1, .top_p = 1, .repeat_penalty = 1, .window = 64};
}

static Err *in_range(const char *field, double value, double lo, double hi)
{
    if (value >= lo && value <= hi) /* false for NaN */
        return NULL;
    return err_new(ERR_INPUT, "%s is %g; it must be from %g to %g", field,
                   value, lo, hi);
}

Err *sampler_check(const SamplerParams *p, int32_t vocab)
{
    TRY(in_range("temperature", p->temperature, 0, 100));
    TRY(in_range("top_p", p->top_p, 0, 1));
    if (p->top_p <= 0)
        return err_new(ERR_INPUT, "top_p is 0; it must be above 0");
    TRY(in_range("min_p", p->min_p, 0, 1));
    TRY(in_range("repeat_penalty", p->repeat_penalty, 0.01, 100));
    TRY(in_range("presence_penalty", p->presence_penalty, -100, 100));
    TRY(in_range("frequency_penalty", p->frequency_penalty, -100, 100));
    if (p->top_k < 0)
        return err_new(ERR_INPUT,
                       "top_k is %" PRId64 "; it must not be "
                       "negative (0 = all)",
                       p->top_k);
    if (p->window < -1)
        return err_new(ERR_INPUT,
                       "window is %" PRId64 "; it must be -1 (all) "
                       "or more",
                       p->window);
    for (int64_t i = 0; i < p->n_bias; i++) {
        if (p->bias[i].id < 0 || p->bias[i].id >= vocab)
            return err_new(ERR_INPUT,
                           "logit_bias names id %" PRId32
                           ", outside the vocabulary of %" PRId32,
                           p->bias[i].id, vocab);
        TRY(in_range("logit_bias", p->bias[i].bias, -INFINITY, 100));
    }
    return NULL;
}

Sampler *sampler_new(int32_t vocab)
{
    Sampler *s = calloc(1, sizeof *s);
    if (!s)
        memory_out(sizeof *s);
    s->vocab = vocab;
    s->cand = calloc((size_t)vocab, sizeof *s->cand);
    s->count = calloc((size_t)vocab, sizeof *s->count);
    if (!s->cand || !s->count)
        memory_out((size_t)vocab * (sizeof *s->cand + sizeof *s->count));
    return s;
}

void sampler_free(Sampler *s)
{
    if (!s)
        return;
    free(s->cand);
    free(s->count);
    free(s);
}

/* ---- random numbers */

void sampler_philox(uint32_t c[4], const uint32_t key[2])
{
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53 * c[0];
        uint64_t b = (uint64_t)0xCD9E8D57 * c[2];
        uint32_t c1 = c[1], c3 = c[3];
        c[0] = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c[3] = (uint32_t)a;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
}

double sampler_uniform(uint64_t seed, uint64_t position)
{
    uint32_t c[4] = {(uint32_t)position, (uint32_t)(position >> 32), 0, 0};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    sampler_philox(c, key);
    uint64_t bits = (uint64_t)c[0] << 32 | c[1];
    return (double)(bits >> 11) * 0x1p-53;
}

/* ---- from logits to candidates */

Err *sampler_bad_logit(int32_t id, float logit)
{
    return err_new(ERR_INPUT, "the logit of token %" PRId32 " is %s", id,
                   isnan(logit) ? "NaN" : "+Inf");
}

static Err *name_bad_logit(const float *logits, int32_t n)
{
    int32_t i = 0;
    while (i + 1 < n && logits[i] < INFINITY) /* false for NaN */
        i++;
    return sampler_bad_logit(i, logits[i]);
}

Err *sampler_all_masked(int32_t vocab)
{
    return err_new(ERR_INPUT, "all %" PRId32 " logits are -Inf", vocab);
}

Err *sampler_all_banned(void)
{
    return err_new(ERR_INPUT, "logit_bias bans every token that is left");
}

/* One pass without a branch: this is most of the work of a greedy pick. */
static Err *check_logits(const Sampler *s, const float *logits)
{
    unsigned bad = 0, any = 0;
    for (int32_t i = 0; i < s->vocab; i++) {
        bad |= !(logits[i] < INFINITY);
        any |= logits[i] > -INFINITY;
    }
    if (bad)
        return name_bad_logit(logits, s->vocab);
    if (!any)
        return sampler_all_masked(s->vocab);
    return NULL;
}

/* Back to float without leaving the finite numbers: only a ban masks. */
static float finite(double x)
{
    return (float)(x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x);
}

static Err *apply_bias(Sampler *s, const SamplerParams *p)
{
    for (int64_t i = 0; i < p->n_bias; i++) {
        Cand *c = &s->cand[p->bias[i].id];
        if (p->bias[i].bias <= ban_at)
            c->logit = -INFINITY;
        else if (c->logit != -INFINITY)
            c->logit = finite((double)c->logit + p->bias[i].bias);
    }
    if (!p->n_bias)
        return NULL;
    for (int32_t i = 0; i < s->vocab; i++)
        if (s->cand[i].logit != -INFINITY)
            return NULL;
    return sampler_all_banned();
}

static void penalise(Cand *c, uint32_t count, const SamplerParams *p)
{
    double l = c->logit;
    if (l == -INFINITY)
        return;
    l = l > 0 ? l / p->repeat_penalty : l * p->repeat_penalty;
    l -= count * p->frequency_penalty;
    l -= p->presence_penalty;
    c->logit = finite(l);
}

bool sampler_has_penalties(const SamplerParams *p)
{
    return p->repeat_penalty != 1 || p->frequency_penalty != 0 ||
           p->presence_penalty != 0;
}

static void apply_penalties(Sampler *s, const SamplerParams *p,
                            const SamplerInput *in)
{
    int64_t from = 0;
    if (p->window >= 0 && p->window < in->n_history)
        from = in->n_history - p->window;
    if (!sampler_has_penalties(p))
        return;
    for (int64_t i = from; i < in->n_history; i++)
        if (in->history[i] >= 0 && in->history[i] < s->vocab)
            s->count[in->history[i]]++;
    for (int64_t i = from; i < in->n_history; i++) {
        int32_t id = in->history[i];
        if (id < 0 || id >= s->vocab || !s->count[id])
            continue;
        penalise(&s->cand[id], s->count[id], p);
        s->count[id] = 0;
    }
}

static const Cand *best_of(const Cand *c, int32_t n)
{
    const Cand *best = c;
    for (int32_t i = 1; i < n; i++)
        if (c[i].logit > best->logit)
            best = &c[i];
    return best;
}

/* ---- filters */

/* Order-preserving image of a float in the whole numbers; -0 and 0 agree. */
static uint32_t key_of(float f)
{
    uint32_t u;
    f += 0.0F;
    memcpy(&u, &f, sizeof u);
    return u & 0x80000000U ? ~u : u | 0x80000000U;
}

enum { PASSES = 3, DIGITS = 2048 };
static const int pass_shift[PASSES] = {21, 10, 0};
static const uint32_t pass_last[PASSES] = {2047, 2047, 1023};

/* The digit of the key at which the weights, added from the largest digit
 * down, reach the target; *above grows by the weight of the larger digits. */
static uint32_t find_digit(const double sum[DIGITS], const bool used[DIGITS],
                           uint32_t last, double target, double *above)
{
    uint32_t lowest = 0, digit = last;
    while (!used[lowest])
        lowest++;
    /* Rounding may leave the sum short of the target: then keep them all. */
    for (; digit > lowest && *above + sum[digit] < target; digit--)
        *above += sum[digit];
    return digit;
}

/* Keeps the shortest head of the list "by descending logit, then ascending id"
 * whose weights (1 each, or the shares) sum to at least `target` > 0; returns
 * its length, at least 1.  No sort: three passes of a radix selection narrow
 * down the key of the last one kept, so the time is linear for any logits. */
static int32_t keep_head(Cand *c, int32_t n, bool shares, double target)
{
    double above = 0;
    uint32_t prefix = 0, fixed = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        double sum[DIGITS] = {0};
        bool used[DIGITS] = {false};
        uint32_t last = pass_last[pass];
        for (int32_t i = 0; i < n; i++) {
            uint32_t key = key_of(c[i].logit);
            if ((key & fixed) != prefix)
                continue;
            uint32_t digit = key >> pass_shift[pass] & last;
            sum[digit] += shares ? c[i].share : 1;
            used[digit] = true;
        }
        uint32_t digit = find_digit(sum, used, last, target, &above);
        prefix |= digit << pass_shift[pass];
        fixed |= last << pass_shift[pass];
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        uint32_t key = key_of(c[i].logit);
        if (key < prefix || (key == prefix && above >= target))
            continue;
        if (key == prefix)
            above += shares ? c[i].share : 1;
        c[kept++] = c[i];
    }
    return kept;
}

static double sum_shares(const Cand *c, int32_t n)
{
    double total = 0;
    for (int32_t i = 0; i < n; i++)
        total += c[i].share;
    return total;
}

/* The largest share is 1, and no filter before this one takes it away. */
static int32_t keep_min_p(Cand *c, int32_t n, double min_p)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (c[i].share >= min_p)
            c[kept++] = c[i];
    return kept;
}

static int32_t filter(Cand *c, int32_t n, const SamplerParams *p)
{
    if (p->top_k && p->top_k < n)
        n = keep_head(c, n, false, (double)p->top_k);
    double largest = best_of(c, n)->logit;
    for (int32_t i = 0; i < n; i++)
        c[i].share = exp((c[i].logit - largest) / p->temperature);
    if (p->top_p < 1)
        n = keep_head(c, n, true, p->top_p * sum_shares(c, n));
    return p->min_p > 0 ? keep_min_p(c, n, p->min_p) : n;
}

/* ---- the choice */

static int32_t draw(const Cand *c, int32_t n, double uniform)
{
    double left = uniform * sum_shares(c, n);
    int32_t id = c[0].id;
    for (int32_t i = 0; i < n; i++) {
        if (c[i].share <= 0)
            continue; /* so far behind that the share is 0 in double */
        id = c[i].id;
        left -= c[i].share;
        if (left < 0)
            break;
    }
    return id; /* the last one if rounding left a rest */
}

static int32_t largest(const float *logits, int32_t n)
{
    int32_t best = 0;
    float most = logits[0];
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > most) {
            most = logits[i];
            best = i;
        }
    return best;
}

static int32_t drop_masked(Cand *c, int32_t n)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (c[i].logit != -INFINITY)
            c[kept++] = c[i];
    return kept;
}

Err *sampler_pick(Sampler *s, const SamplerParams *p, const SamplerInput *in,
                  int32_t *id)
{
    *id = -1;
    TRY(check_logits(s, in->logits));
    if (p->temperature == 0 && !p->n_bias && !sampler_has_penalties(p)) {
        *id = largest(in->logits, s->vocab);
        return NULL;
    }
    for (int32_t i = 0; i < s->vocab; i++)
        s->cand[i] = (Cand){in->logits[i], i, 0};
    TRY(apply_bias(s, p));
    apply_penalties(s, p, in);
    if (p->temperature == 0) {
        *id = best_of(s->cand, s->vocab)->id;
        return NULL;
    }
    int32_t n = drop_masked(s->cand, s->vocab);
    n = filter(s->cand, n, p);
    *id = draw(s->cand, n, sampler_uniform(p->seed, in->position));
    return NULL;
}
