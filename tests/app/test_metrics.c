/* NLL, KL divergence, NMSE and flips against values worked out by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "runtime/cli/metrics.h"

#define NEAR(a, b) (fabs((a) - (b)) <= 1e-12 * (1 + fabs(b)))

Test(metrics, finite)
{
    float v[] = {0, -1, 2, 3};
    cr_expect_eq(metrics_not_finite(v, 4), -1);
    v[2] = NAN;
    cr_expect_eq(metrics_not_finite(v, 4), 2);
    v[1] = -INFINITY;
    cr_expect_eq(metrics_not_finite(v, 4), 1);
    cr_expect_eq(metrics_not_finite(v, 0), -1);
}

Test(metrics, argmax_takes_the_first_of_equals)
{
    const float v[] = {1, 5, 5, -7};
    cr_expect_eq(metrics_argmax(v, 4), 1);
    cr_expect_eq(metrics_argmax(v, 1), 0);
}

/* softmax(0, ln 3) = 1/4, 3/4; large offsets must not matter. */
Test(metrics, nll)
{
    const float v[] = {0, 0}, far[] = {10000, 10000};
    cr_expect(NEAR(metrics_nll(v, 2, 0), log(2)));
    cr_expect(NEAR(metrics_nll(far, 2, 1), log(2)));
    const float w[] = {2, 1, 0};
    double all = log(exp(2) + exp(1) + 1);
    for (int i = 0; i < 3; i++)
        cr_expect(NEAR(metrics_nll(w, 3, i), all - (2 - i)));
}

Test(metrics, comparison_of_equals)
{
    Comparison c = {0};
    const float v[] = {1, -2, 3};
    comparison_add(&c, v, v, 3);
    comparison_add(&c, v, v, 3);
    cr_expect_eq(c.n, 2);
    cr_expect_eq(comparison_nmse(&c), 0);
    cr_expect_eq(c.worst_nmse, 0);
    cr_expect_eq(comparison_mean_kl(&c), 0);
    cr_expect_eq(comparison_p99_kl(&c), 0);
    cr_expect_eq(c.flips, 0);
    cr_expect_eq(c.far_flips, 0);
    comparison_free(&c);
}

Test(metrics, comparison)
{
    Comparison c = {0};
    const float ref[] = {2, 1}, ours[] = {1, 2}, same[] = {0, 3},
                near_ref[] = {1, 1.0625f}, near_ours[] = {1.0625f, 1};
    comparison_add(&c, same, same, 2);
    comparison_add(&c, ours, ref, 2);
    cr_expect(NEAR(comparison_nmse(&c), 2.0 / 14));
    cr_expect(NEAR(c.worst_nmse, 2.0 / 5));
    cr_expect_eq(c.worst_at, 1);
    /* p = softmax(2, 1): KL = (p0 - p1) * 1 */
    double p0 = 1 / (1 + exp(-1));
    cr_expect(NEAR(comparison_mean_kl(&c), (2 * p0 - 1) / 2));
    cr_expect(NEAR(comparison_p99_kl(&c), 2 * p0 - 1));
    cr_expect_eq(c.flips, 1);
    cr_expect_eq(c.far_flips, 1);
    cr_expect_eq(c.largest_gap, 1);
    comparison_add(&c, near_ours, near_ref, 2);
    cr_expect_eq(c.flips, 2);
    cr_expect_eq(c.far_flips, 1);
    comparison_free(&c);
}

/* 200 positions with KL 0 .. 0 and three large ones: rank 198 of 200. */
Test(metrics, percentile)
{
    Comparison c = {0};
    const float ref[] = {0, 0};
    for (int i = 0; i < 200; i++) {
        const float ours[] = {i < 3 ? (float)(i + 1) : 0, 0};
        comparison_add(&c, ours, ref, 2);
    }
    double one = log((1 + exp(1)) / 2) - 0.5; /* KL of the smallest */
    cr_expect(NEAR(comparison_p99_kl(&c), one));
    comparison_free(&c);
}
