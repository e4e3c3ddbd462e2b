/* pool.c - see Note [one word] for how threads and owner meet. */
#include "runtime/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Note [one word]
 *
 * `state` holds the job's number (high 32 bits), how many threads are inside
 * it, and whether it is open:
 *
 *     number << 32 | inside << 1 | open
 *
 * The owner writes the job's fields while no job is open and nobody inside,
 * then publishes a new number with the open bit.  A thread enters with a
 * compare-and-swap that counts it in; it can only succeed while the job is
 * open, so the fields it then reads are those of that number.  When the items
 * have run out the owner clears the bit, and waits for those inside.  Threads
 * that wake up late find the job closed and are not waited for.
 *
 * Sleeping: a thread counts itself in `sleepers` and looks at `state` once more
 * before it waits; the owner publishes and then looks at `sleepers`.  Both are
 * sequentially consistent, so one of the two sees the other; the mutex closes
 * the gap between the look and the wait.  The same holds the other way round
 * for `owner_sleeps`. */
#define OPEN UINT64_C(1)
#define INSIDE UINT64_C(2)
#define INSIDE_MASK (UINT64_C(0xffffffff) - OPEN)
#define NUMBER(state) ((uint32_t)((state) >> 32))

/* How often to look before sleeping: some 50 microseconds. */
enum { SPINS = 2000, PIECES_PER_THREAD = 4 };

struct Pool {
    atomic_uint_fast64_t state;
    atomic_int_fast64_t next; /* first item that nobody has taken */
    atomic_int sleepers;
    atomic_bool owner_sleeps, stop;
    PoolFn *fn; /* the job: written while nobody is inside */
    void *ctx;
    int64_t n, piece;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    int n_started;
    pthread_t *thread;
};

typedef struct {
    Pool *pool;
    int index;
} Start;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int pool_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > POOL_MAX_THREADS ? POOL_MAX_THREADS : n;
}

int pool_threads(const Pool *p) { return p->n_started + 1; }

static void work(Pool *p, int thread)
{
    for (;;) {
        int64_t begin = atomic_fetch_add(&p->next, p->piece);
        if (begin >= p->n)
            return;
        int64_t end = p->n - begin < p->piece ? p->n : begin + p->piece;
        p->fn(p->ctx, begin, end, thread);
    }
}

/* ---- a thread */

/* True if there is a job that this thread has not seen, or an end. */
static bool has_news(Pool *p, uint32_t seen)
{
    uint64_t s = atomic_load(&p->state);
    return ((s & OPEN) && NUMBER(s) != seen) || atomic_load(&p->stop);
}

static void await_news(Pool *p, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (has_news(p, seen))
            return;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_news(p, seen))
        pthread_cond_wait(&p->work, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
}

/* Enters the open job, if there is one this thread has not seen. */
static bool enter(Pool *p, uint32_t *seen)
{
    uint64_t s = atomic_load(&p->state);
    while ((s & OPEN) && NUMBER(s) != *seen)
        if (atomic_compare_exchange_weak(&p->state, &s, s + INSIDE)) {
            *seen = NUMBER(s);
            return true;
        }
    return false;
}

static void leave(Pool *p)
{
    uint64_t s = atomic_fetch_sub(&p->state, INSIDE) - INSIDE;
    if ((s & (INSIDE_MASK | OPEN)) == 0 && atomic_load(&p->owner_sleeps)) {
        pthread_mutex_lock(&p->mutex);
        pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->mutex);
    }
}

static void *thread_main(void *arg)
{
    Start start = *(Start *)arg;
    Pool *p = start.pool;
    uint32_t seen = 0;
    free(arg);
    while (!atomic_load(&p->stop)) {
        if (enter(p, &seen)) {
            work(p, start.index);
            leave(p);
        } else {
            await_news(p, seen);
        }
    }
    return NULL;
}

/* ---- the owner */

static bool someone_inside(Pool *p)
{
    return (atomic_load(&p->state) & INSIDE_MASK) != 0;
}

static void await_empty(Pool *p)
{
    for (int i = 0; i < SPINS; i++) {
        if (!someone_inside(p))
            return;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->owner_sleeps, true);
    while (someone_inside(p))
        pthread_cond_wait(&p->done, &p->mutex);
    atomic_store(&p->owner_sleeps, false);
    pthread_mutex_unlock(&p->mutex);
}

static void wake(Pool *p)
{
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
}

void pool_run(Pool *p, PoolFn *fn, void *ctx, int64_t n)
{
    if (n <= 0)
        return;
    if (p->n_started == 0 || n == 1) {
        fn(ctx, 0, n, 0);
        return;
    }
    int64_t pieces = (int64_t)pool_threads(p) * PIECES_PER_THREAD;
    p->fn = fn;
    p->ctx = ctx;
    p->n = n;
    p->piece = n < pieces ? 1 : n / pieces;
    atomic_store(&p->next, 0);
    /* Zero means "seen none" to a thread, so it is no job's number. */
    uint32_t number = NUMBER(atomic_load(&p->state)) + 1;
    number += number == 0;
    atomic_store(&p->state, (uint64_t)number << 32 | OPEN);
    if (atomic_load(&p->sleepers))
        wake(p);
    work(p, 0);
    atomic_fetch_sub(&p->state, OPEN);
    await_empty(p);
}

/* ---- making and ending */

static bool start_thread(Pool *p)
{
    Start *s = malloc(sizeof *s);
    if (!s)
        memory_out(sizeof *s);
    *s = (Start){p, p->n_started + 1};
    if (pthread_create(&p->thread[p->n_started], NULL, thread_main, s) != 0) {
        free(s);
        return false;
    }
    p->n_started++;
    return true;
}

Err *pool_new(int threads, Pool **out)
{
    *out = NULL;
    if (threads < 1 || threads > POOL_MAX_THREADS)
        return err_new(ERR_USAGE, "%d threads: expected 1 to %d", threads,
                       POOL_MAX_THREADS);
    Pool *p = calloc(1, sizeof *p);
    if (!p || !(p->thread = calloc((size_t)threads, sizeof *p->thread)))
        memory_out(sizeof *p + (size_t)threads * sizeof *p->thread);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    for (int i = 1; i < threads; i++)
        if (!start_thread(p)) {
            pool_free(p);
            return err_new(ERR_LIMIT, "cannot start thread %d of %d", i + 1,
                           threads);
        }
    *out = p;
    return NULL;
}

void pool_free(Pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    wake(p);
    for (int i = 0; i < p->n_started; i++)
        pthread_join(p->thread[i], NULL);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    free(p->thread);
    free(p);
}
