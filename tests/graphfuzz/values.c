#include "tests/graphfuzz/values.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/interp.h"

static void add_value(Values *all, Value v)
{
    if (all->n == all->cap) {
        all->cap = all->cap ? 2 * all->cap : 16;
        Value *more = ARENA_ARRAY(all->arena, Value, all->cap);
        if (all->n)
            memcpy(more, all->at, sizeof *more * (size_t)all->n);
        all->at = more;
    }
    all->at[all->n++] = v;
}

const Value *values_find(const Values *v, const Value *like)
{
    for (int i = 0; i < v->n; i++)
        if (v->at[i].step == like->step &&
            strcmp(v->at[i].name, like->name) == 0 &&
            strcmp(v->at[i].entry, like->entry) == 0)
            return &v->at[i];
    return NULL;
}

/* ---- inputs: by the token's place in the sequence alone ---- */

typedef struct {
    int number;
    int64_t past, n, n_rows;
    int32_t *tokens, *positions, *rows;
    int64_t width;
    float *hidden;
} Input;

static Input make_input(const FuzzCase *c, Arena *a, int step, int64_t width)
{
    Input in = {.number = step, .n = c->step[step].tokens,
                .n_rows = c->step[step].outputs, .width = width};
    in.tokens = ARENA_ARRAY(a, int32_t, in.n);
    in.positions = ARENA_ARRAY(a, int32_t, in.n);
    in.rows = ARENA_ARRAY(a, int32_t, in.n_rows + 1);
    in.hidden = ARENA_ARRAY(a, float, in.n * width + 1);
    for (int i = 0; i < step; i++)
        in.past += c->step[i].tokens;
    for (int64_t i = 0; i < in.n; i++) {
        int64_t p = in.past + i;
        in.tokens[i] = (int32_t)((p * 7 + 3) % FUZZ_VOCABULARY);
        in.positions[i] = (int32_t)(p * 3 + p % 5);
        Random r = random_seed((uint64_t)p);
        for (int64_t k = 0; k < width; k++)
            in.hidden[i * width + k] = random_real(&r);
    }
    for (int64_t i = 0; i < in.n_rows; i++)
        in.rows[i] = (int32_t)(i * in.n / in.n_rows);
    return in;
}

/* ---- interpreter ---- */

typedef struct {
    Values *values;
    const Gguf *file;
    uint64_t noise;
    const Input *input;
    const char *entry;
} Source;

static void make_noise(uint64_t seed, const char *tensor, float *dst, int64_t n)
{
    uint64_t h = seed;
    for (const char *p = tensor; *p; p++)
        h = h * 31 + (unsigned char)*p;
    Random r = random_seed(h);
    for (int64_t i = 0; i < n; i++)
        dst[i] = 1 + 0x1p-20F * random_real(&r);
}

static Err *load(void *ctx, const char *tensor, float *dst, int64_t n)
{
    const Source *s = ctx;
    if (strncmp(tensor, "noise.", 6) == 0) {
        make_noise(s->noise, tensor, dst, n);
        return NULL;
    }
    const TensorInfo *t = model_tensor(gguf_info(s->file), tensor);
    return t ? gguf_read_f32(s->file, t, 0, n, dst)
             : err_new(ERR_INPUT, "no tensor %s", tensor);
}

static void keep(Source *s, const char *name, const double *v, int64_t n,
                 int64_t rows)
{
    Value value = {.entry = s->entry, .name = name, .step = s->input->number,
                   .n = n, .width = rows ? n / rows : 0};
    value.v = ARENA_ARRAY(s->values->arena, double, n + 1);
    memcpy(value.v, v, sizeof *v * (size_t)n);
    add_value(s->values, value);
}

static void keep_tap(void *ctx, const char *name, int64_t index,
                     const double *v, int64_t n)
{
    Source *s = ctx;
    Buf b = {0};
    buf_printf(&b, "%s[%d]", name, (int)index);
    keep(s, arena_strndup(s->values->arena, b.data, b.n), v, n, s->input->n);
    buf_free(&b);
}

static InterpValue doubles(Arena *a, const int32_t *ids, const float *f,
                           int64_t n)
{
    InterpValue v = {n, ARENA_ARRAY(a, double, n + 1)};
    for (int64_t i = 0; i < n; i++)
        v.v[i] = ids ? ids[i] : (double)f[i];
    return v;
}

static InterpValue param_of(Arena *a, const Node *p, const Input *in)
{
    if (strcmp(p->name, "positions") == 0)
        return doubles(a, in->positions, NULL, in->n);
    if (strcmp(p->name, "outputs") == 0)
        return doubles(a, in->rows, NULL, in->n_rows);
    if (strcmp(p->name, "hidden") == 0)
        return doubles(a, NULL, in->hidden, in->n * in->width);
    return doubles(a, in->tokens, NULL, in->n);
}

static int64_t hidden_width(const Graph *g)
{
    Ref h = graph_lookup(g, "hidden");
    return h != NO_REF && h < g->n_params ? type_last(&g->node[h].type) : 0;
}

static Err *interpret_entry(Source *s, const FuzzCase *c, Interp *x,
                            const Graph *g, int step)
{
    Arena *a = arena_new();
    Input in = make_input(c, a, step, hidden_width(g));
    InterpValue param[8], result[8];
    s->input = &in;
    s->entry = g->name;
    for (Ref i = 0; i < g->n_params; i++)
        param[i] = param_of(a, &g->node[i], &in);
    Err *e = interp_run(x, g->name, (InterpStep){in.n, in.n_rows, in.past},
                        param, result);
    for (int i = 0; i < g->n_results && !e; i++) {
        bool rows = strcmp(g->result[i].name, "logits") == 0;
        keep(s, g->result[i].name, result[i].v, result[i].n,
             rows ? in.n_rows : in.n);
        free(result[i].v);
    }
    arena_free(a);
    return e;
}

Err *values_interpret(Values *v, const FuzzCase *c, const Module *m,
                      const Gguf *file, uint64_t noise)
{
    Source s = {.values = v, .file = file, .noise = noise};
    Interp *x = interp_new(m, (InterpWeights){&s, load}, c->s.context);
    Err *e = NULL;
    if (c->s.taps)
        interp_set_tap(x, (InterpTap){&s, keep_tap});
    for (int step = 0; step < c->n_steps; step++)
        for (int i = 0; i < m->n_graphs && !e; i++)
            if (m->graph[i]->kind == GRAPH_ENTRY)
                e = interpret_entry(&s, c, x, m->graph[i], step);
    interp_free(x);
    return e;
}

/* ---- executor ---- */

static void keep_floats(Values *v, const char *entry, const char *name,
                        int step, const float *f, int64_t rows, int64_t width)
{
    Value value = {.entry = entry, .name = name, .step = step,
                   .n = rows * width, .width = width};
    if (!f)
        return;
    value.v = ARENA_ARRAY(v->arena, double, value.n + 1);
    for (int64_t i = 0; i < value.n; i++)
        value.v[i] = (double)f[i];
    add_value(v, value);
}

typedef struct {
    Values *values;
    const FuzzCase *c;
    const ProgramInfo *program;
    int step; /* the first of those at hand */
} Results;

static Err *keep_results(void *ctx, int64_t i, const StepResult *r)
{
    const Results *to = ctx;
    const ProgramInfo *p = to->program;
    int step = to->step + (int)i;
    const FuzzStep *s = &to->c->step[step];
    keep_floats(to->values, p->name, "logits", step, r->logits, s->outputs,
                p->vocabulary);
    keep_floats(to->values, p->name, "hidden", step, r->hidden, s->tokens,
                p->width);
    for (int k = 0; k < r->n_taps; k++)
        keep_floats(to->values, p->name, r->tap[k].name, step, r->tap[k].values,
                    s->tokens, r->tap[k].width);
    return NULL;
}

static Step make_step(Values *v, const FuzzCase *c, const ProgramInfo *p,
                      int program, int step)
{
    Input in = make_input(c, v->arena, step, p->takes_hidden ? p->width : 0);
    return (Step){.program = program, .past = in.past, .n = in.n,
                  .tokens = in.tokens, .positions = in.positions,
                  .hidden = p->takes_hidden ? in.hidden : NULL,
                  .rows = in.rows, .n_rows = in.n_rows};
}

static Err *execute_all(Results *to, Executor *x, int program)
{
    Step s[FUZZ_MAX_STEPS];
    for (int i = 0; i < to->c->n_steps; i++)
        s[i] = make_step(to->values, to->c, to->program, program, i);
    if (to->c->s.pipeline)
        return x->kind->steps(x, s, to->c->n_steps, keep_results, to);
    for (; to->step < to->c->n_steps; to->step++) {
        StepResult r;
        TRY(x->kind->step(x, &s[to->step], &r));
        TRY(keep_results(to, 0, &r));
    }
    return NULL;
}

Err *values_execute(Values *v, const FuzzCase *c, Executor *x)
{
    for (int i = 0; i < x->info.n_programs; i++) {
        Results to = {v, c, &x->info.program[i], 0};
        TRY(execute_all(&to, x, i));
    }
    return NULL;
}
