/* The thread pool: every item once, whatever the numbers; small jobs in a row;
 * sleeping and waking. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/pool.h"

static Pool *make(int threads)
{
    Pool *p = NULL;
    Err *e = pool_new(threads, &p);
    cr_assert(!e, "%s", e ? err_text(e) : "");
    cr_assert_eq(pool_threads(p), threads);
    return p;
}

typedef struct {
    unsigned char *done; /* not atomic: two writers of one item are a race */
    int threads;
    atomic_int bad;
} Marks;

static void mark(void *ctx, int64_t begin, int64_t end, int thread)
{
    Marks *m = ctx;
    if (thread < 0 || thread >= m->threads || begin >= end)
        atomic_fetch_add(&m->bad, 1);
    for (int64_t i = begin; i < end; i++)
        m->done[i]++;
}

static void expect_each_once(Pool *p, int64_t n)
{
    Marks m = {calloc((size_t)n + 1, 1), pool_threads(p), 0};
    pool_run(p, mark, &m, n);
    cr_expect_eq(atomic_load(&m.bad), 0);
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(m.done[i], 1, "item %lld", (long long)i);
    cr_expect_eq(m.done[n], 0);
    free(m.done);
}

Test(pool, each_item_once)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 7, 8, 31, 32, 33, 1000, 65537};
    for (int threads = 1; threads <= 9; threads += 2) {
        Pool *p = make(threads);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            expect_each_once(p, sizes[i]);
        pool_free(p);
    }
}

static void add(void *ctx, int64_t begin, int64_t end, int thread)
{
    int64_t *sum = ctx; /* one slot a thread, a cache line apart */
    for (int64_t i = begin; i < end; i++)
        sum[8 * thread] += i;
}

Test(pool, many_small_jobs, .timeout = 60)
{
    Pool *p = make(4);
    int64_t sum[32] = {0}, want = 0;
    for (int64_t job = 0; job < 20000; job++) {
        pool_run(p, add, sum, job % 9);
        want += job % 9 * (job % 9 - 1) / 2;
    }
    cr_expect_eq(sum[0] + sum[8] + sum[16] + sum[24], want);
    pool_free(p);
}

static void nap(long microseconds)
{
    struct timespec t = {0, microseconds * 1000};
    nanosleep(&t, NULL);
}

static void slow(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    nap(300);
    atomic_fetch_add((atomic_long *)ctx, end - begin);
}

/* Pauses long enough that everybody sleeps, on both sides. */
Test(pool, sleep_and_wake, .timeout = 60)
{
    Pool *p = make(3);
    atomic_long count = 0;
    for (int i = 0; i < 60; i++) {
        nap(i % 2 ? 2000 : 0);
        pool_run(p, slow, &count, 3);
    }
    cr_expect_eq(atomic_load(&count), 180);
    pool_free(p);
}

Test(pool, start_and_stop, .timeout = 60)
{
    for (int i = 0; i < 200; i++)
        pool_free(make(1 + i % 5));
    pool_free(NULL);
}

Test(pool, refuses_silly_sizes)
{
    static const int bad[] = {0, -1, POOL_MAX_THREADS + 1};
    for (int i = 0; i < 3; i++) {
        Pool *p = NULL;
        Err *e = pool_new(bad[i], &p);
        cr_assert(e && !p);
        cr_expect_eq(err_code(e), ERR_USAGE);
        err_free(e);
    }
    cr_expect_geq(pool_cpus(), 1);
}
