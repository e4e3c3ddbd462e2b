/* cuda_compiler.c - units side by side, by threads that do nothing else. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/cuda_compile.h"

typedef struct {
    CudaBinary *binary;
    int unit;
    bool packs;
} Job;

struct CudaCompiler {
    const CudaCode *code;
    const Nvrtc *nvrtc;
    int n_jobs, n_packs, n_threads;
    Job *job; /* those of packers stand first */
    pthread_t *thread;
    pthread_mutex_t mutex; /* for all that follows */
    pthread_cond_t news;
    int next, done, packs_done;
    Err *error; /* the first; nothing is begun after it */
    double start, end;
};

/* ---- what is to be done, in which order */

static bool is_packer(const CudaCode *c, int unit)
{
    for (int i = 0; i < c->n_packers; i++)
        if (c->packer[i].unit == unit)
            return true;
    return false;
}

/* Whether unit x of that code is better begun before unit y: else no thread
 * would be left with a long one at the end.  The length of a text is a fair
 * guess. */
static bool is_before(const CudaCode *c, int x, int y)
{
    const CudaSource *a = &c->unit[x], *b = &c->unit[y];
    bool p = is_packer(c, x), q = is_packer(c, y);
    if (p != q)
        return p;
    if (a->slow != b->slow)
        return a->slow;
    return strlen(a->source) > strlen(b->source);
}

static void add_job(CudaCompiler *c, CudaBinary *b, int unit)
{
    int at = c->n_jobs++;
    for (; at && is_before(c->code, unit, c->job[at - 1].unit); at--)
        c->job[at] = c->job[at - 1];
    c->job[at] = (Job){b, unit, is_packer(c->code, unit)};
    c->n_packs += c->job[at].packs;
}

/* ---- work */

/* Does the next job; with the mutex held, which it gives up meanwhile. */
static void do_job(CudaCompiler *c)
{
    Job *j = &c->job[c->next++];
    pthread_mutex_unlock(&c->mutex);
    Err *e = nvrtc_compile(c->nvrtc, c->code, j->unit, &j->binary->target,
                           &j->binary->unit[j->unit]);
    pthread_mutex_lock(&c->mutex);
    c->done++;
    c->packs_done += j->packs;
    c->end = clock_seconds();
    if (c->error)
        err_free(e);
    else
        c->error = e;
    if (c->error)
        c->next = c->n_jobs;
    pthread_cond_broadcast(&c->news);
}

static void *compile_jobs(void *ctx)
{
    CudaCompiler *c = ctx;
    pthread_mutex_lock(&c->mutex);
    while (c->next < c->n_jobs)
        do_job(c);
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* ---- for others */

static Err *again(const Err *e)
{
    return e ? err_new(err_code(e), "%s", err_text(e)) : NULL;
}

Err *cuda_compiler_wait(CudaCompiler *c, bool all)
{
    pthread_mutex_lock(&c->mutex);
    int end = all ? c->n_jobs : c->n_packs;
    while (!c->n_threads && !c->error && c->next < end)
        do_job(c);
    while (!c->error && (all ? c->done < c->n_jobs : c->packs_done < end))
        pthread_cond_wait(&c->news, &c->mutex);
    Err *e = again(c->error);
    pthread_mutex_unlock(&c->mutex);
    return e;
}

Err *cuda_compiler_trouble(CudaCompiler *c)
{
    pthread_mutex_lock(&c->mutex);
    Err *e = again(c->error);
    pthread_mutex_unlock(&c->mutex);
    return e;
}

double cuda_compiler_seconds(const CudaCompiler *c)
{
    return c->n_jobs ? c->end - c->start : 0;
}

CudaCompiler *cuda_compiler_new(const CudaCode *code, CudaBinary *b, int n,
                                int threads)
{
    CudaCompiler *c = memory_array(1, sizeof *c);
    c->code = code;
    c->start = c->end = clock_seconds();
    c->job = memory_array((int64_t)n * code->n_units, sizeof *c->job);
    for (int i = 0; i < n; i++)
        for (int u = 0; u < code->n_units; u++)
            if (!b[i].hit[u])
                add_job(c, &b[i], u);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->news, NULL);
    threads = threads < c->n_jobs ? threads : c->n_jobs;
    c->thread = memory_array(threads, sizeof *c->thread);
    if (c->n_jobs) /* known to be there: the binaries say so */
        c->error = nvrtc_open(0, &c->nvrtc);
    if (c->error) /* read before there is a thread that may set it */
        threads = 0;
    while (c->n_threads < threads &&
           pthread_create(&c->thread[c->n_threads], NULL, compile_jobs, c) == 0)
        c->n_threads++;
    return c;
}

void cuda_compiler_free(CudaCompiler *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->next = c->n_jobs;
    pthread_mutex_unlock(&c->mutex);
    for (int i = 0; i < c->n_threads; i++)
        pthread_join(c->thread[i], NULL);
    pthread_cond_destroy(&c->news);
    pthread_mutex_destroy(&c->mutex);
    err_free(c->error);
    free(c->thread);
    free(c->job);
    free(c);
}
