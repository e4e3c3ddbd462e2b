#include "runtime/cli/interp_executor.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compiler/interp.h"

typedef struct {
    Executor base;
    Arena *arena;
    Gguf *file;
    Module *m;
    Interp *x;
    ProgramInfo *program;
    float *logits, *hidden; /* of the last step; heap */
    StepTap *tap;           /* heap, values too */
    int n_taps, cap_taps;
    int64_t n; /* tokens of the step in hand */
} InterpExecutor;

/* ---- weights and probes ---- */

static Err *load_weight(void *ctx, const char *tensor, float *dst, int64_t n)
{
    InterpExecutor *x = ctx;
    const TensorInfo *t = model_tensor(gguf_info(x->file), tensor);
    if (!t)
        return err_new(ERR_INPUT, "the file has no tensor %s", tensor);
    void *raw = malloc((size_t)t->bytes);
    if (!raw)
        memory_out((size_t)t->bytes);
    Err *e = gguf_read(x->file, t, 0, t->bytes, raw);
    if (!e)
        block_decode(t->type, raw, n, dst);
    free(raw);
    return e;
}

static float *to_floats(const double *v, int64_t n)
{
    float *f = malloc(sizeof *f * (size_t)(n + 1));
    if (!f)
        memory_out(sizeof *f * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)v[i];
    return f;
}

static void drop_taps(InterpExecutor *x)
{
    for (int i = 0; i < x->n_taps; i++)
        free((void *)x->tap[i].values);
    x->n_taps = 0;
}

static void keep_tap(void *ctx, const char *name, int64_t index,
                     const double *v, int64_t n)
{
    InterpExecutor *x = ctx;
    if (x->n_taps == x->cap_taps) {
        x->cap_taps = x->cap_taps ? 2 * x->cap_taps : 16;
        x->tap = realloc(x->tap, sizeof *x->tap * (size_t)x->cap_taps);
        if (!x->tap)
            memory_out(sizeof *x->tap * (size_t)x->cap_taps);
    }
    Buf b = {0};
    buf_printf(&b, "%s[%lld]", name, (long long)index);
    x->tap[x->n_taps++] =
        (StepTap){arena_strndup(x->arena, b.data, b.n), n / x->n,
                  to_floats(v, n)};
    buf_free(&b);
}

/* ---- one step ---- */

static double *from_ints(const int32_t *v, int64_t n)
{
    double *d = malloc(sizeof *d * (size_t)(n + 1));
    if (!d)
        memory_out(sizeof *d * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        d[i] = v[i];
    return d;
}

static double *from_floats(const float *v, int64_t n)
{
    double *d = malloc(sizeof *d * (size_t)(n + 1));
    if (!d)
        memory_out(sizeof *d * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        d[i] = (double)v[i];
    return d;
}

/* The value of an entry's parameter, by its name. */
static Err *make_param(const Step *s, const Node *p, InterpValue *out)
{
    int64_t width = type_elements(&p->type).k;
    if (strcmp(p->name, "tokens") == 0)
        *out = (InterpValue){s->n, from_ints(s->tokens, s->n)};
    else if (strcmp(p->name, "positions") == 0)
        *out = (InterpValue){s->n, from_ints(s->positions, s->n)};
    else if (strcmp(p->name, "outputs") == 0)
        *out = (InterpValue){s->n_rows, from_ints(s->rows, s->n_rows)};
    else if (strcmp(p->name, "hidden") == 0 && s->hidden)
        *out = (InterpValue){s->n * width, from_floats(s->hidden, s->n * width)};
    else
        return err_new(ERR_INPUT, "the entry wants an unknown input %s",
                       p->name);
    return NULL;
}

static void keep_results(InterpExecutor *x, const Graph *g,
                         const InterpValue *results, StepResult *out)
{
    for (int i = 0; i < g->n_results; i++) {
        float **to = strcmp(g->result[i].name, "logits") == 0   ? &x->logits
                     : strcmp(g->result[i].name, "hidden") == 0 ? &x->hidden
                                                                : NULL;
        if (to) {
            free(*to);
            *to = to_floats(results[i].v, results[i].n);
        }
        free(results[i].v);
    }
    *out = (StepResult){x->logits, x->hidden, x->n_taps, x->tap};
}

static Err *run_entry(InterpExecutor *x, const Graph *g, const Step *s,
                      StepResult *out)
{
    InterpValue *in = calloc(g->n_params + 1, sizeof *in);
    InterpValue *results = calloc((size_t)g->n_results + 1, sizeof *results);
    InterpStep step = {s->n, s->n_rows, s->past};
    Err *e = NULL;
    if (!in || !results)
        memory_out((g->n_params + (size_t)g->n_results + 2) * sizeof *in);
    for (Ref i = 0; i < g->n_params && !e; i++)
        e = make_param(s, &g->node[i], &in[i]);
    if (!e)
        e = interp_run(x->x, g->name, step, in, results);
    if (!e)
        keep_results(x, g, results, out);
    for (Ref i = 0; i < g->n_params; i++)
        free(in[i].v);
    free(in);
    free(results);
    return e;
}

static Err *interp_step(Executor *base, const Step *s, StepResult *out)
{
    InterpExecutor *x = (InterpExecutor *)base;
    const Graph *g = module_find(x->m, x->program[s->program].name);
    drop_taps(x);
    x->n = s->n;
    return run_entry(x, g, s, out);
}

static Err *interp_executor_reset(Executor *base)
{
    interp_reset(((InterpExecutor *)base)->x);
    return NULL;
}

static Err *interp_executor_mark(Executor *base)
{
    interp_mark(((InterpExecutor *)base)->x);
    return NULL;
}

static Err *interp_executor_rewind(Executor *base)
{
    interp_rewind(((InterpExecutor *)base)->x);
    return NULL;
}

static void interp_executor_close(Executor *base)
{
    InterpExecutor *x = (InterpExecutor *)base;
    drop_taps(x);
    free(x->tap);
    free(x->logits);
    free(x->hidden);
    interp_free(x->x);
    arena_free(x->arena);
    free(x);
}

static const ExecutorKind interp_kind = {.step = interp_step,
                                         .reset = interp_executor_reset,
                                         .mark = interp_executor_mark,
                                         .rewind = interp_executor_rewind,
                                         .close = interp_executor_close};

/* ---- opening ---- */

static void describe(const Graph *g, ProgramInfo *p)
{
    p->name = g->name;
    for (Ref i = 0; i < g->n_params; i++)
        if (strcmp(g->node[i].name, "hidden") == 0)
            p->takes_hidden = true;
    for (int i = 0; i < g->n_results; i++) {
        int64_t width = type_last(&g->node[g->result[i].ref].type);
        if (strcmp(g->result[i].name, "logits") == 0)
            p->vocabulary = width;
        if (strcmp(g->result[i].name, "hidden") == 0)
            p->width = width;
    }
}

static void describe_all(InterpExecutor *x, const Settings *s)
{
    x->program = ARENA_ARRAY(x->arena, ProgramInfo, x->m->n_graphs + 1);
    x->base.info = (ExecutorInfo){.context = s->context, .batch = s->batch,
                                  .outputs = s->outputs};
    for (int i = 0; i < x->m->n_graphs; i++)
        if (x->m->graph[i]->kind == GRAPH_ENTRY)
            describe(x->m->graph[i],
                     &x->program[x->base.info.n_programs++]);
    x->base.info.program = x->program;
}

Err *interp_executor_open(const CompileRequest *r, Gguf *file, Executor **out)
{
    InterpExecutor *x = calloc(1, sizeof *x);
    if (!x)
        memory_out(sizeof *x);
    *out = NULL;
    x->base.kind = &interp_kind;
    x->arena = arena_new();
    x->file = file;
    Err *e = compile_graph(r, x->arena, &x->m);
    if (e) {
        interp_executor_close(&x->base);
        return e;
    }
    x->x = interp_new(x->m, (InterpWeights){x, load_weight},
                      r->settings.context);
    interp_set_tap(x->x, (InterpTap){x, keep_tap});
    describe_all(x, &r->settings);
    *out = &x->base;
    return NULL;
}
