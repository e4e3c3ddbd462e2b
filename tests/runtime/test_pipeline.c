/* test_pipeline.c - the threads of the pipeline: order, real concurrency,
 * errors.  Runs under ThreadSanitizer too. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/flow.h"
#include "runtime/pipeline.h"

enum { STAGES = 4, CHUNKS = 40, ITEMS = 24 };

typedef struct {
    int stages;
    /* What stage s makes of chunk c goes to slot c % 2 before stage s + 1, not
     * atomic on purpose: only the pipeline's order keeps it right. */
    int64_t slot[STAGES + 1][2];
    int64_t sum[STAGES]; /* a stage's state */
    int64_t taken;
    int64_t fail_stage, fail_chunk, fail_done; /* -1: not */
    atomic_int calls;
} World;

static World new_world(int stages)
{
    return (World){.stages = stages,
                   .fail_stage = -1,
                   .fail_chunk = -1,
                   .fail_done = -1};
}

/* Items of a pool's job, in an array. */
static void count_item(void *ctx, int64_t begin, int64_t end, int thread)
{
    int *seen = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        seen[i]++;
}

static Err *work(void *ctx, int stage, int64_t chunk, Pool *pool)
{
    World *w = ctx;
    int seen[ITEMS] = {0};
    atomic_fetch_add(&w->calls, 1);
    if (stage == w->fail_stage && chunk == w->fail_chunk)
        return err_new(ERR_DEVICE, "told to fail");
    pool_run(pool, count_item, seen, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        if (seen[i] != 1)
            return err_new(ERR_DEVICE, "an item was done %d times", seen[i]);
    int64_t in = stage == 0 ? chunk : w->slot[stage][chunk % 2];
    w->sum[stage] += in;
    w->slot[stage + 1][chunk % 2] = in + w->sum[stage];
    return NULL;
}

/* The same, chunk after chunk. */
static int64_t expected(int stages, int64_t chunk)
{
    int64_t sum[STAGES] = {0}, v = 0;
    for (int64_t c = 0; c <= chunk; c++) {
        v = c;
        for (int s = 0; s < stages; s++)
            v += sum[s] += v;
    }
    return v;
}

static Err *done(void *ctx, int64_t chunk)
{
    World *w = ctx;
    if (chunk == w->fail_done)
        return err_new(ERR_STOPPED, "had enough");
    if (chunk != w->taken || w->slot[w->stages][chunk % 2] !=
                                 expected(w->stages, chunk))
        return err_new(ERR_DEVICE, "chunk %lld is wrong", (long long)chunk);
    w->taken++;
    return NULL;
}

static Pipeline *open_pipeline(int stages, int threads)
{
    Pipeline *p;
    Err *e = pipeline_new(stages, threads, &p);
    cr_assert(!e, "%s", e ? err_text(e) : "");
    cr_assert_eq(pipeline_lanes(p), threads < stages ? threads : stages);
    return p;
}

static void run(Pipeline *p, int stages, int64_t chunks)
{
    World w = new_world(stages);
    Err *e = pipeline_run(p, chunks, &(PipelineJob){work, done, &w});
    cr_assert(!e, "%s", e ? err_text(e) : "");
    cr_assert_eq(w.taken, chunks);
    cr_assert_eq(w.calls, chunks * stages);
}

Test(pipeline, states_are_handed_on_in_order)
{
    for (int stages = 1; stages <= STAGES; stages++)
        for (int threads = 1; threads <= 6; threads++) {
            Pipeline *p = open_pipeline(stages, threads);
            for (int64_t chunks = 0; chunks <= CHUNKS; chunks += 8)
                run(p, stages, chunks);
            run(p, stages, 1);
            pipeline_free(p);
        }
}

/* Stage 0 may not end chunk 1 before stage 1 works on chunk 0, and the other
 * way round: only two stages at work at once get through. */
typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t met;
    int n;
} Meeting;

static Err *meet(void *ctx, int stage, int64_t chunk, Pool *pool)
{
    Meeting *m = ctx;
    (void)pool;
    if (stage + chunk != 1)
        return NULL;
    pthread_mutex_lock(&m->mutex);
    m->n++;
    pthread_cond_broadcast(&m->met);
    while (m->n < 2)
        pthread_cond_wait(&m->met, &m->mutex);
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}

static Err *taken(void *ctx, int64_t chunk)
{
    (void)ctx;
    (void)chunk;
    return NULL;
}

Test(pipeline, stages_work_at_once, .timeout = 60)
{
    Meeting m = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    Pipeline *p = open_pipeline(2, 2);
    Err *e = pipeline_run(p, 2, &(PipelineJob){meet, taken, &m});
    cr_assert(!e);
    int64_t n;
    const Span *span = pipeline_spans(p, &n);
    cr_assert_eq(n, 2);
    cr_expect(span[1].start < span[2].end && span[2].start < span[1].end);
    for (int i = 0; i < 4; i++)
        cr_expect(span[i].start >= 0 && span[i].start <= span[i].end);
    pipeline_free(p);
}

static void expect_error(World *w, ErrCode code, int64_t most_calls)
{
    Pipeline *p = open_pipeline(w->stages, w->stages);
    Err *e = pipeline_run(p, CHUNKS, &(PipelineJob){work, done, w});
    cr_assert(e);
    cr_expect_eq(err_code(e), code, "%s", err_text(e));
    cr_expect_leq(w->calls, most_calls);
    err_free(e);
    run(p, w->stages, CHUNKS); /* as good as new */
    pipeline_free(p);
}

Test(pipeline, the_first_error_ends_it)
{
    for (int stage = 0; stage < STAGES; stage++)
        for (int64_t chunk = 0; chunk < CHUNKS; chunk += 13) {
            World w = new_world(STAGES);
            w.fail_stage = stage;
            w.fail_chunk = chunk;
            /* no chunk is more than two ahead of the one behind it */
            expect_error(&w, ERR_DEVICE, (chunk + 2 * STAGES + 1) * STAGES);
            cr_expect_leq(w.taken, chunk);
        }
    World w = new_world(STAGES);
    w.fail_done = 5;
    expect_error(&w, ERR_STOPPED, (6 + 2 * STAGES) * STAGES);
    cr_expect_eq(w.taken, 5);
}

Test(pipeline, refuses_too_many_stages)
{
    Pipeline *p;
    Err *e = pipeline_new(FLOW_MAX_STAGES + 1, 2, &p);
    cr_assert(e && !p);
    err_free(e);
}
