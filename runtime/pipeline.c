/* pipeline.c - one mutex guards everything but the work itself: it is taken a
 * few times for each chunk and stage, some milliseconds apart. */
#include "runtime/pipeline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/flow.h"

typedef struct {
    Pipeline *pipeline;
    int index;
    bool started;    /* the thread */
    bool given;      /* work to begin with */
    int64_t chunk;
    pthread_t thread;
    pthread_cond_t wake;
    Pool *pool;
} Stage;

struct Pipeline {
    pthread_mutex_t mutex;
    pthread_cond_t news; /* for the caller: a result, or nobody busy */
    Flow flow;
    PipelineJob job;
    Err *error; /* the first; nothing new begins after it */
    bool quit;
    double start;
    Span *span;
    int64_t n_chunks;
    int lanes, n_stages;
    Stage *stage;
};

/* Begins what may begin; with the mutex held. */
static void begin_work(Pipeline *p)
{
    FlowWork w;
    while (!p->error && flow_next(&p->flow, &w)) {
        Stage *s = &p->stage[w.stage];
        s->chunk = w.chunk;
        s->given = true;
        pthread_cond_signal(&s->wake);
    }
}

static void keep_error(Pipeline *p, Err *e)
{
    if (p->error)
        err_free(e);
    else
        p->error = e;
}

/* With the mutex held, which it gives up for the work. */
static void do_work(Pipeline *p, Stage *s)
{
    PipelineJob job = p->job;
    Span *span = &p->span[s->chunk * p->n_stages + s->index];
    s->given = false;
    pthread_mutex_unlock(&p->mutex);
    span->start = clock_seconds() - p->start;
    Err *e = job.work(job.ctx, s->index, s->chunk, s->pool);
    span->end = clock_seconds() - p->start;
    pthread_mutex_lock(&p->mutex);
    keep_error(p, e);
    flow_done(&p->flow, s->index);
    begin_work(p);
    if (flow_has_result(&p->flow) || p->flow.n_busy == 0)
        pthread_cond_signal(&p->news);
}

static void *stage_main(void *arg)
{
    Stage *s = arg;
    Pipeline *p = s->pipeline;
    pthread_mutex_lock(&p->mutex);
    while (!p->quit) {
        if (s->given)
            do_work(p, s);
        else
            pthread_cond_wait(&s->wake, &p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* ---- the caller */

/* Waits for the next result; false if an error has ended the run. */
static bool await_result(Pipeline *p)
{
    while (p->error ? p->flow.n_busy > 0 : !flow_has_result(&p->flow))
        pthread_cond_wait(&p->news, &p->mutex);
    return !p->error;
}

static void reset(Pipeline *p, int64_t n_chunks, const PipelineJob *job)
{
    size_t n = (size_t)n_chunks * (size_t)p->n_stages;
    free(p->span);
    p->span = calloc(n + 1, sizeof *p->span);
    if (!p->span)
        memory_out((n + 1) * sizeof *p->span);
    p->n_chunks = n_chunks;
    p->job = *job;
    p->start = clock_seconds();
    flow_init(&p->flow, p->n_stages, p->lanes, n_chunks);
}

Err *pipeline_run(Pipeline *p, int64_t n_chunks, const PipelineJob *job)
{
    pthread_mutex_lock(&p->mutex);
    reset(p, n_chunks, job);
    begin_work(p);
    for (int64_t c = 0; c < n_chunks && await_result(p); c++) {
        pthread_mutex_unlock(&p->mutex);
        Err *e = job->done(job->ctx, c);
        pthread_mutex_lock(&p->mutex);
        keep_error(p, e);
        flow_take(&p->flow);
        begin_work(p);
    }
    while (p->flow.n_busy > 0)
        pthread_cond_wait(&p->news, &p->mutex);
    Err *e = p->error;
    p->error = NULL;
    pthread_mutex_unlock(&p->mutex);
    return e;
}

int pipeline_lanes(const Pipeline *p) { return p->lanes; }

const Span *pipeline_spans(const Pipeline *p, int64_t *n_chunks)
{
    *n_chunks = p->n_chunks;
    return p->span;
}

/* ---- making and ending */

static Err *start_stage(Pipeline *p, int i, int threads)
{
    Stage *s = &p->stage[i];
    TRY(pool_new(threads, &s->pool));
    if (pthread_create(&s->thread, NULL, stage_main, s) != 0)
        return err_new(ERR_LIMIT, "cannot start a thread for device %d of %d",
                       i + 1, p->n_stages);
    s->started = true;
    return NULL;
}

Err *pipeline_new(int n_stages, int threads, Pipeline **out)
{
    *out = NULL;
    if (n_stages < 1 || n_stages > FLOW_MAX_STAGES)
        return err_new(ERR_LIMIT, "a pipeline of %d stages: at most %d",
                       n_stages, FLOW_MAX_STAGES);
    Pipeline *p = calloc(1, sizeof *p);
    if (!p || !(p->stage = calloc((size_t)n_stages, sizeof *p->stage)))
        memory_out(sizeof *p + (size_t)n_stages * sizeof *p->stage);
    p->n_stages = n_stages;
    p->lanes = threads < n_stages ? threads : n_stages;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->news, NULL);
    for (int i = 0; i < n_stages; i++) {
        p->stage[i].pipeline = p;
        p->stage[i].index = i;
        pthread_cond_init(&p->stage[i].wake, NULL);
    }
    for (int i = 0; i < n_stages; i++) {
        int share = threads / p->lanes + (i < threads % p->lanes);
        Err *e = start_stage(p, i, share);
        if (e) {
            pipeline_free(p);
            return e;
        }
    }
    *out = p;
    return NULL;
}

static void quit(Pipeline *p)
{
    pthread_mutex_lock(&p->mutex);
    p->quit = true;
    for (int i = 0; i < p->n_stages; i++)
        pthread_cond_signal(&p->stage[i].wake);
    pthread_mutex_unlock(&p->mutex);
}

void pipeline_free(Pipeline *p)
{
    if (!p)
        return;
    quit(p);
    for (int i = 0; i < p->n_stages; i++) {
        if (p->stage[i].started)
            pthread_join(p->stage[i].thread, NULL);
        pool_free(p->stage[i].pool);
        pthread_cond_destroy(&p->stage[i].wake);
    }
    pthread_cond_destroy(&p->news);
    pthread_mutex_destroy(&p->mutex);
    free(p->span);
    free(p->stage);
    free(p);
}
