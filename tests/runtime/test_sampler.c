#include "runtime/sampler.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { V = 8 };
static const float slope[V] = {0.F, 1.F, 2.F, 3.F, 2.5F, 1.F, -1.F, -2.F};

static int32_t pick(const SamplerParams *p, const float *logits, int32_t n,
                    uint64_t position)
{
    Sampler *s = sampler_new(n);
    SamplerInput in = {.logits = logits, .position = position};
    int32_t id = -1;
    Err *e = sampler_check(p, n);
    cr_assert_null(e);
    e = sampler_pick(s, p, &in, &id);
    cr_assert_null(e);
    sampler_free(s);
    return id;
}

/* The words of an error of sampler_pick, or of sampler_check before it. */
static void assert_error(const SamplerParams *p, const float *logits,
                         const char *words)
{
    Sampler *s = sampler_new(V);
    SamplerInput in = {.logits = logits};
    int32_t id = 7;
    Err *e = sampler_check(p, V);
    if (!e)
        e = sampler_pick(s, p, &in, &id);
    cr_assert(e && strstr(err_text(e), words), "wanted '%s', got '%s'", words,
              e ? err_text(e) : "no error");
    cr_assert(id == 7 || id == -1);
    err_free(e);
    sampler_free(s);
}

/* Pearson's statistic of `draws` draws against the shares `want` (0 = must
 * never come).  The bound is the mean of the distribution plus six of its
 * standard deviations: the draws are fixed, so the test cannot flicker. */
static void assert_shares(const SamplerParams *p, const SamplerInput *base,
                          const double want[V])
{
    enum { DRAWS = 20000 };
    int64_t seen[V] = {0};
    double chi2 = 0, total = 0;
    int cells = 0;
    Sampler *s = sampler_new(V);
    for (int i = 0; i < DRAWS; i++) {
        SamplerInput in = *base;
        int32_t id = -1;
        in.position = (uint64_t)i;
        cr_assert_null(sampler_pick(s, p, &in, &id));
        seen[id]++;
    }
    sampler_free(s);
    for (int i = 0; i < V; i++)
        total += want[i];
    for (int i = 0; i < V; i++) {
        double expected = want[i] / total * DRAWS;
        if (want[i] == 0) {
            cr_assert_eq(seen[i], 0, "id %d", i);
            continue;
        }
        chi2 += ((double)seen[i] - expected) * ((double)seen[i] - expected) /
                expected;
        cells++;
    }
    double k = cells - 1;
    cr_assert(chi2 <= k + 6 * sqrt(2 * k), "chi2 %g, %g degrees", chi2, k);
}

static void expect_kept(const SamplerParams *p, const float *logits,
                        const char *kept)
{
    double want[V];
    SamplerInput in = {.logits = logits};
    for (int i = 0; i < V; i++)
        want[i] = kept[i] == '1' ? exp(logits[i] / p->temperature) : 0;
    assert_shares(p, &in, want);
}

/* ---- the generator */

Test(sampler, philox_known_answers)
{
    /* kat_vectors of the authors' Random123 distribution */
    uint32_t c[4] = {0}, key[2] = {0};
    const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    sampler_philox(c, key);
    cr_assert_arr_eq(c, zero, sizeof c);

    uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    const uint32_t key_pi[2] = {0xa4093822, 0x299f31d0};
    const uint32_t out[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    sampler_philox(pi, key_pi);
    cr_assert_arr_eq(pi, out, sizeof out);
}

Test(sampler, uniform_is_uniform_and_keyed)
{
    double sum = 0, lo = 1, hi = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double u = sampler_uniform(42, i);
        cr_assert(u >= 0 && u < 1);
        sum += u;
        lo = u < lo ? u : lo;
        hi = u > hi ? u : hi;
    }
    cr_assert_float_eq(sum / 100000, 0.5, 0.005);
    cr_assert(lo < 1e-4 && hi > 1 - 1e-4);
    cr_assert_neq(sampler_uniform(1, 5), sampler_uniform(2, 5));
    cr_assert_neq(sampler_uniform(1, 5), sampler_uniform(1, 6));
    cr_assert_neq(sampler_uniform(1, 5),
                  sampler_uniform(1, 5 + ((uint64_t)1 << 32)));
    cr_assert_neq(sampler_uniform(1, 5),
                  sampler_uniform(1 + ((uint64_t)1 << 32), 5));
}

/* ---- greedy */

Test(sampler, greedy_takes_the_largest_and_the_lower_id)
{
    SamplerParams p = sampler_defaults();
    const float tie[4] = {1, 3, 3, 2};
    const float negative[3] = {-INFINITY, -5, -4};
    const float zeros[2] = {-0.F, 0.F};
    p.temperature = 0;
    cr_assert_eq(pick(&p, slope, V, 0), 3);
    cr_assert_eq(pick(&p, tie, 4, 9), 1);
    cr_assert_eq(pick(&p, negative, 3, 0), 2);
    cr_assert_eq(pick(&p, zeros, 2, 0), 0);
    const SamplerBias nothing = {0, 0}; /* the way past the short cut */
    p.bias = &nothing;
    p.n_bias = 1;
    cr_assert_eq(pick(&p, slope, V, 0), 3);
    cr_assert_eq(pick(&p, tie, 4, 9), 1);
    cr_assert_eq(pick(&p, negative, 3, 0), 2);
    cr_assert_eq(pick(&p, zeros, 2, 0), 0);
}

Test(sampler, ids_beyond_the_vocabulary_do_not_exist)
{
    SamplerParams p = sampler_defaults();
    const float padded[6] = {0, 1, 0, 99, NAN, INFINITY};
    p.temperature = 0;
    cr_assert_eq(pick(&p, padded, 3, 0), 1);
}

/* ---- distributions */

Test(sampler, draws_follow_the_softmax)
{
    SamplerParams p = sampler_defaults();
    expect_kept(&p, slope, "11111111");
    p.temperature = 0.6;
    p.seed = 0x123456789abcdef;
    expect_kept(&p, slope, "11111111");
}

Test(sampler, extreme_temperatures_are_defined)
{
    SamplerParams p = sampler_defaults();
    p.temperature = 1e-300;
    for (uint64_t i = 0; i < 100; i++)
        cr_assert_eq(pick(&p, slope, V, i), 3);
    const float wide[V] = {3e38F, -3e38F, 3e38F, -3e38F, -3e38F, -3e38F, 0, 0};
    p.temperature = 1;
    for (uint64_t i = 0; i < 100; i++) {
        int32_t id = pick(&p, wide, V, i);
        cr_assert(id == 0 || id == 2);
    }
}

Test(sampler, masked_ids_never_come)
{
    SamplerParams p = sampler_defaults();
    const float masked[V] = {-INFINITY, 1, -INFINITY, 2, 0, 0, -INFINITY, 0};
    expect_kept(&p, masked, "01011101");
    p.top_k = 7; /* more than there are */
    expect_kept(&p, masked, "01011101");
}

Test(sampler, same_seed_and_position_same_token)
{
    SamplerParams p = sampler_defaults(), q = sampler_defaults();
    int differ_seed = 0, differ_position = 0;
    q.seed = 1;
    for (uint64_t i = 0; i < 500; i++) {
        cr_assert_eq(pick(&p, slope, V, i), pick(&p, slope, V, i));
        differ_seed += pick(&p, slope, V, i) != pick(&q, slope, V, i);
        differ_position += pick(&p, slope, V, i) != pick(&p, slope, V, i + 1);
    }
    cr_assert(differ_seed > 200 && differ_position > 200);
}

/* ---- filters */

Test(sampler, top_k)
{
    SamplerParams p = sampler_defaults();
    const float ties[V] = {2, 5, 2, 2, 7, 2, 1, 2};
    p.top_k = 3;
    expect_kept(&p, slope, "00111000");
    p.top_k = 4; /* of equals, the lower ids */
    expect_kept(&p, ties, "11101000");
    p.top_k = 1;
    expect_kept(&p, ties, "00001000");
    p.top_k = 100;
    expect_kept(&p, slope, "11111111");
}

Test(sampler, top_p)
{
    SamplerParams p = sampler_defaults();
    float shares[V];
    const double percent[V] = {40, 5, 20, 5, 10, 10, 5, 5};
    for (int i = 0; i < V; i++)
        shares[i] = (float)log(percent[i]);
    p.top_p = 0.39;
    expect_kept(&p, shares, "10000000");
    p.top_p = 0.41;
    expect_kept(&p, shares, "10100000");
    p.top_p = 0.65; /* one of the two tens: the lower id */
    expect_kept(&p, shares, "10101000");
    p.top_p = 0.79;
    expect_kept(&p, shares, "10101100");
    p.top_p = 1e-9; /* never empty */
    expect_kept(&p, shares, "10000000");
    p.top_p = 1;
    expect_kept(&p, shares, "11111111");
}

Test(sampler, top_p_sees_what_top_k_left)
{
    SamplerParams p = sampler_defaults();
    float shares[V];
    const double percent[V] = {40, 5, 20, 5, 10, 10, 5, 5};
    for (int i = 0; i < V; i++)
        shares[i] = (float)log(percent[i]);
    p.top_k = 2;
    p.top_p = 0.66; /* 40 of 60 is more than that */
    expect_kept(&p, shares, "10000000");
    p.top_p = 0.67;
    expect_kept(&p, shares, "10100000");
}

Test(sampler, min_p)
{
    SamplerParams p = sampler_defaults();
    p.min_p = exp(-1.01);
    expect_kept(&p, slope, "00111000");
    p.temperature = 2; /* it works on the shares after the temperature */
    expect_kept(&p, slope, "01111100");
    p.min_p = 1;
    expect_kept(&p, slope, "00010000");
}

/* The selection against sorting, on many sizes and on values with ties. */
typedef struct {
    float l;
    int32_t id;
} Ref;

static int by_logit(const void *x, const void *y)
{
    const Ref *a = x, *b = y;
    return a->l > b->l ? -1 : a->l < b->l ? 1 : a->id < b->id ? -1 : 1;
}

static float wild(uint32_t i, int round)
{
    uint32_t c[4] = {i, (uint32_t)round, 0, 0}, key[2] = {7, 7};
    sampler_philox(c, key);
    float f;
    if (round % 3 == 0) /* many ties */
        return (float)(c[0] % 16) - 8;
    if (round % 3 == 1) /* ordinary logits */
        return (float)c[0] * 0x1p-28F - 8;
    memcpy(&f, &c[0], sizeof f); /* any bits */
    return isfinite(f) ? f : -INFINITY;
}

Test(sampler, top_k_agrees_with_sorting)
{
    enum { N = 3000 };
    static float logits[N];
    static Ref ref[N];
    for (int round = 0; round < 60; round++) {
        int32_t n = 1 + round * 50, k = 1 + (round * 37) % n;
        SamplerParams p = sampler_defaults();
        for (int32_t i = 0; i < n; i++) {
            logits[i] = wild((uint32_t)i, round);
            ref[i] = (Ref){logits[i], i};
        }
        qsort(ref, (size_t)n, sizeof *ref, by_logit);
        if (ref[0].l == -INFINITY)
            continue;
        p.top_k = k;
        p.temperature = 100;
        for (uint64_t draw = 0; draw < 50; draw++) {
            int32_t id = pick(&p, logits, n, draw);
            bool kept = false;
            for (int32_t i = 0; i < k; i++)
                kept = kept || ref[i].id == id;
            cr_assert(kept, "round %d: id %d of top %d", round, id, k);
        }
        p.top_k = 1;
        cr_assert_eq(pick(&p, logits, n, 0), ref[0].id);
    }
}

/* ---- bias and penalties */

Test(sampler, bias_adds_and_bans)
{
    SamplerParams p = sampler_defaults();
    const SamplerBias bias[] = {{3, -100.F}, {0, 2.5F}, {0, 0.5F}, {4, -1.F}};
    const SamplerBias ban[] = {{3, -INFINITY}};
    SamplerInput in = {.logits = slope};
    double want[V];
    for (int i = 0; i < V; i++)
        want[i] = exp(slope[i]);
    want[3] = 0;
    want[0] = exp(3.0);
    want[4] = exp(1.5);
    p.bias = bias;
    p.n_bias = 4;
    assert_shares(&p, &in, want);
    p.temperature = 0;
    cr_assert_eq(pick(&p, slope, V, 0), 0);
    p.bias = ban;
    p.n_bias = 1;
    cr_assert_eq(pick(&p, slope, V, 0), 4);
}

static void assert_penalised(const SamplerParams *p, const int32_t *history,
                             int64_t n, const double want_logit[V])
{
    double want[V];
    SamplerInput in = {.logits = slope, .history = history, .n_history = n};
    for (int i = 0; i < V; i++)
        want[i] = exp(want_logit[i]);
    assert_shares(p, &in, want);
}

static const int32_t past[] = {7, 3, 3, 6, 99, -1, 3, 4};

Test(sampler, repeat_penalty)
{
    SamplerParams p = sampler_defaults();
    p.repeat_penalty = 2; /* positive logits shrink, negative ones grow */
    const double want[V] = {0, 1, 2, 1.5, 1.25, 1, -2, -4};
    assert_penalised(&p, past, 8, want);
}

Test(sampler, presence_and_frequency_penalty)
{
    SamplerParams p = sampler_defaults();
    p.presence_penalty = 0.5;
    const double presence[V] = {0, 1, 2, 2.5, 2, 1, -1.5, -2.5};
    assert_penalised(&p, past, 8, presence);
    p.presence_penalty = 0;
    p.frequency_penalty = 0.25;
    const double frequency[V] = {0, 1, 2, 2.25, 2.25, 1, -1.25, -2.25};
    assert_penalised(&p, past, 8, frequency);
}

Test(sampler, penalties_come_one_after_the_other)
{
    SamplerParams p = sampler_defaults();
    p.repeat_penalty = 2;
    p.presence_penalty = 0.5;
    p.frequency_penalty = 0.25;
    const double want[V] = {0, 1, 2, 0.25, 0.5, 1, -2.75, -4.75};
    assert_penalised(&p, past, 8, want);
}

Test(sampler, window_counts_the_last_tokens)
{
    SamplerParams p = sampler_defaults();
    p.presence_penalty = 1;
    p.window = 2; /* 3 and 4 */
    const double two[V] = {0, 1, 2, 2, 1.5, 1, -1, -2};
    assert_penalised(&p, past, 8, two);
    p.window = 0;
    const double none[V] = {0, 1, 2, 3, 2.5, 1, -1, -2};
    assert_penalised(&p, past, 8, none);
    p.window = -1;
    const double all[V] = {0, 1, 2, 2, 1.5, 1, -2, -3};
    assert_penalised(&p, past, 8, all);
}

/* ---- errors */

Test(sampler, undefined_logits_are_errors)
{
    SamplerParams p = sampler_defaults();
    for (int greedy = 0; greedy < 2; greedy++) {
        float l[V];
        p.temperature = greedy ? 0 : 1;
        memcpy(l, slope, sizeof l);
        l[6] = NAN;
        assert_error(&p, l, "the logit of token 6 is NaN");
        l[2] = -NAN;
        assert_error(&p, l, "the logit of token 2 is NaN");
        l[1] = INFINITY;
        assert_error(&p, l, "the logit of token 1 is +Inf");
        for (int i = 0; i < V; i++)
            l[i] = -INFINITY;
        assert_error(&p, l, "all 8 logits are -Inf");
    }
}

Test(sampler, banning_everything_is_an_error)
{
    SamplerParams p = sampler_defaults();
    SamplerBias bias[V];
    for (int i = 0; i < V; i++)
        bias[i] = (SamplerBias){i, -100};
    p.bias = bias;
    p.n_bias = V;
    assert_error(&p, slope, "logit_bias bans every token");
}

#define BAD(field, value, words)                                               \
    do {                                                                       \
        SamplerParams p = sampler_defaults();                                  \
        p.field = value;                                                       \
        assert_error(&p, slope, words);                                        \
    } while (0)

Test(sampler, parameters_are_checked_by_name)
{
    BAD(temperature, -0.1, "temperature is -0.1");
    BAD(temperature, (double)NAN, "temperature is nan");
    BAD(temperature, (double)INFINITY, "temperature is inf");
    BAD(top_k, -1, "top_k is -1");
    BAD(top_p, 0, "top_p is 0");
    BAD(top_p, 1.01, "top_p is 1.01");
    BAD(min_p, -0.01, "min_p is -0.01");
    BAD(min_p, 1.5, "min_p is 1.5");
    BAD(repeat_penalty, 0, "repeat_penalty is 0");
    BAD(presence_penalty, 101, "presence_penalty is 101");
    BAD(frequency_penalty, (double)NAN, "frequency_penalty is nan");
    BAD(window, -2, "window is -2");
    const SamplerBias outside = {V, 0}, nan_bias = {0, NAN}, big = {0, 101};
    SamplerParams p = sampler_defaults();
    p.n_bias = 1;
    p.bias = &outside;
    assert_error(&p, slope, "logit_bias names id 8");
    p.bias = &nan_bias;
    assert_error(&p, slope, "logit_bias is nan");
    p.bias = &big;
    assert_error(&p, slope, "logit_bias is 101");
}
