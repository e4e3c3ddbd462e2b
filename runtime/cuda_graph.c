/* cuda_graph.c - the launches of a step of one token, recorded when they come
 * for the second time and played back from then on: one call for hundreds of
 * kernels.  What differs from step to step is in device memory (struct Step,
 * the inputs), so a recording serves all of them. */
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "runtime/cuda_device.h"

typedef struct {
    int id;
    int64_t outputs;
    const void *logits; /* a token is chosen from them at the end; NULL: none */
    bool bad; /* the driver would not record it */
    CudaGraphExec *exec; /* NULL: seen once */
} Recording;

struct CudaGraphs {
    int n;
    Recording *one;
};

static Recording *find(CudaGraphs *g, const LaunchList *l)
{
    for (int i = 0; i < g->n; i++)
        if (g->one[i].id == l->id && g->one[i].outputs == l->call->outputs &&
            g->one[i].logits == l->logits)
            return &g->one[i];
    return NULL;
}

static void see(CudaGraphs *g, const LaunchList *l)
{
    size_t bytes = ((size_t)g->n + 1) * sizeof *g->one;
    g->one = memory_must(realloc(g->one, bytes), bytes);
    g->one[g->n++] = (Recording){.id = l->id,
                                  .outputs = l->call->outputs,
                                  .logits = l->logits};
}

/* A recording that was begun must be ended whatever happens in between. */
static Err *record(CudaDevice *c, const LaunchList *l, CudaGraphExec **exec)
{
    CudaGraph *g = NULL;
    TRY(CUDA_ON(c, cuStreamBeginCapture_v2, c->stream,
                CUDA_CAPTURE_THREAD_LOCAL));
    Err *e = cuda_launch_list(c, l);
    Err *end = CUDA_ON(c, cuStreamEndCapture, c->stream, &g);
    if (e)
        err_free(end);
    else
        e = end;
    if (!e)
        e = CUDA_ON(c, cuGraphInstantiateWithFlags, exec, g, 0);
    if (g)
        cuda_api()->cuGraphDestroy(g);
    return e;
}

/* Without the recording the launches are made one by one: if something is
 * wrong with them, that will say so. */
static void try_to_record(CudaDevice *c, const LaunchList *l, Recording *r)
{
    Err *e = record(c, l, &r->exec);
    if (!e)
        return;
    log_warning("steps are not recorded as CUDA graphs (%s)", err_text(e));
    err_free(e);
    r->bad = true;
    r->exec = NULL;
}

Err *cuda_graph_launch(CudaDevice *c, const LaunchList *l, bool *done)
{
    *done = false;
    if (!cuda_kernels_spec(c->kernels)->graphs || l->call->tokens != 1 ||
        l->call->outputs > 1 || l->n == 0)
        return NULL;
    if (!c->graphs)
        c->graphs = memory_must(calloc(1, sizeof *c->graphs),
                                sizeof *c->graphs);
    Recording *r = find(c->graphs, l);
    if (!r) {
        see(c->graphs, l);
        return NULL;
    }
    if (!r->exec && !r->bad)
        try_to_record(c, l, r);
    *done = !r->bad;
    return r->bad ? NULL : CUDA_ON(c, cuGraphLaunch, r->exec, c->stream);
}

void cuda_graph_free(CudaDevice *c)
{
    CudaGraphs *g = c->graphs;
    for (int i = 0; g && i < g->n; i++)
        if (g->one[i].exec)
            cuda_api()->cuGraphExecDestroy(g->one[i].exec);
    if (g)
        free(g->one);
    free(g);
    c->graphs = NULL;
}
