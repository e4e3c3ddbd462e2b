/* check.c - cases through the passes, the schedule, the host JIT and an
 * executor, and what comes out against the interpreter.
 *
 * The interpreter gives the same bits on the module as it came, after each half
 * of the passes, and (rounded activations are operations) what the executor is
 * compared with.  How exact float32 can be depends on the graph: a value may
 * be a small difference of large ones, a choice between equal experts, a code
 * that rounds up or down.  So the interpreter also runs with every value off by
 * about 2^-20, N_NOISE times, and what that does to a result sets the limit:
 *     error <= base + FACTOR * noise
 * as normalised mean squares over all tokens of a step, one limit for each part
 * of a concatenated result.  The base is BASE; or, where a graph rounds, what a
 * single code that goes the other way may do.  A part that noise changes by
 * more than ILL says nothing and is counted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/interp.h"
#include "compiler/pass.h"
#include "compiler/schedule.h"
#include "runtime/cli/plan_check.h"
#include "runtime/exec.h"
#include "tests/graphfuzz/values.h"

enum { N_NOISE = 3 };
static const double BASE = 1e-11, FACTOR = 8, ILL = 1e-4;

typedef struct {
    const Fuzz *f;
    const FuzzCase *c;
    Arena *arena;
    Gguf *file;
    Module *plain; /* before fusion: what is compared with */
    Plan *plan;
    Values want, noise[N_NOISE];
    double base;
    Err *error;
} Run;

/* ---- passes and plan ---- */

static Err *check_text(Arena *a, const Module *m)
{
    Module *again;
    const char *text = module_text(a, m);
    Err *e = module_parse(a, text, &again);
    if (!e && strcmp(text, module_text(a, again)) != 0)
        e = err_new(ERR_INPUT, "the text does not read back");
    return e;
}

static Err *run_passes(Run *r, PassContext *pass, const char *from,
                       const char *to, Module **m)
{
    bool on = false;
    for (int i = 0; i < pass_count; i++) {
        on = on || strcmp(pass_table[i].name, from) == 0;
        if (!on)
            continue;
        TRY(pass_run(pass_table[i].name, pass, m));
        TRY(check_text(r->arena, *m));
        if (strcmp(pass_table[i].name, to) == 0)
            return NULL;
    }
    return err_new(ERR_INPUT, "no pass %s", to);
}

static Err *same_bits(const Values *a, const Values *b, const char *when)
{
    for (int i = 0; i < a->n; i++) {
        const Value *x = &a->at[i], *y = values_find(b, x);
        if (!y || x->n != y->n ||
            memcmp(x->v, y->v, sizeof *x->v * (size_t)x->n) != 0)
            return err_new(ERR_INPUT,
                           "%s the interpreter has another %s of @%s (step %d)",
                           when, x->name, x->entry, x->step);
    }
    return NULL;
}

/* A copy: passes change what they get. */
static Err *copy_module(Arena *a, const Module *m, Module **out)
{
    return module_parse(a, module_text(a, m), out);
}

static Err *front_half(Run *r, PassContext *pass, Module **m)
{
    Values before = {.arena = r->arena};
    r->want.arena = r->arena;
    TRY(copy_module(r->arena, r->c->m, m));
    if (r->c->s.activations == BT_f32)
        TRY(values_interpret(&before, r->c, *m, r->file, 0));
    TRY(run_passes(r, pass, "canonicalise", "dense", m));
    TRY(copy_module(r->arena, *m, &r->plain));
    TRY(values_interpret(&r->want, r->c, r->plain, r->file, 0));
    return same_bits(&before, &r->want, "after pass dense");
}

static Err *back_half(Run *r, PassContext *pass, Module **m)
{
    Values after = {.arena = r->arena};
    TRY(run_passes(r, pass, "place", "fuse_across", m));
    TRY(values_interpret(&after, r->c, *m, r->file, 0));
    return same_bits(&r->want, &after, "after pass fuse_across");
}

static Err *make_plan(Run *r)
{
    Module *m = NULL, *kernels;
    Machine *machine =
        machine_uniform(r->arena, "host", r->c->devices, 0);
    PassContext pass = {r->arena, gguf_info(r->file), machine, &r->c->s};
    TRY(front_half(r, &pass, &m));
    TRY(back_half(r, &pass, &m));
    TRY(schedule_build(&pass, m, &kernels, &r->plan));
    TRY(plan_verify(r->plan));
    return plan_check_kernels(r->plan);
}

/* ---- noise ---- */

/* One code of the few hundred of a row, a step further. */
static double rounding_of(const Node *n)
{
    if (n->op != OP_append && n->op != OP_quantize)
        return BASE;
    switch ((int)n->type.dtype) {
    case BT_f32:
        return BASE;
    case BT_f16:
    case BT_q16a:
        return 1e-8;
    case BT_bf16:
        return 1e-6;
    case BT_q4_0:
        return 1e-3;
    default:
        return 1e-5;
    }
}

static double base_of(const Module *m)
{
    double most = BASE;
    for (int i = 0; i < m->n_graphs; i++)
        for (Ref k = 0; k < m->graph[i]->n_nodes; k++)
            most = fmax(most, rounding_of(&m->graph[i]->node[k]));
    return most;
}

static bool takes_noise(const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    return k != KIND_SRC && k != KIND_VIEW && k != KIND_CALL &&
           n->op != OP_append && n->op != OP_tap && n->type.dtype == BT_f32 &&
           n->type.rank && n->type.dim[n->type.rank - 1].sym == SYM_ONE;
}

static Ref with_noise(Graph *g, Ref x)
{
    char text[64];
    Ref arg[2] = {x}, y;
    Dim last = g->node[x].type.dim[g->node[x].type.rank - 1];
    snprintf(text, sizeof text, "noise.%.30s.%u", g->name, x);
    Node w = {.op = OP_weight, .name = "noise",
              .text = arena_strndup(g->arena, text, strlen(text)),
              .type = type_make(BT_f32, 1, &last)};
    arg[1] = graph_add(g, w);
    Err *e = graph_emit(g, OP_mul, "noisy", 2, arg, NULL, &y);
    if (e)
        abort();
    return y;
}

static void noisy_graph(const Graph *g, Graph *to)
{
    Ref *map = ARENA_ARRAY(to->arena, Ref, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node n = g->node[i];
        for (int k = 0; k < n.n_args; k++)
            n.arg[k] = map[n.arg[k]];
        map[i] = graph_add(to, n);
        if (takes_noise(&g->node[i]))
            map[i] = with_noise(to, map[i]);
    }
    to->n_params = g->n_params;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, map[g->result[i].ref]);
}

static Err *make_noise(Run *r)
{
    Module *m = module_new(r->arena, "noisy");
    r->base = base_of(r->plain);
    for (int i = 0; i < r->plain->n_graphs; i++) {
        const Graph *g = r->plain->graph[i];
        noisy_graph(g, module_add(m, g->kind, g->name));
    }
    for (int i = 0; i < N_NOISE; i++) {
        r->noise[i].arena = r->arena;
        TRY(values_interpret(&r->noise[i], r->c, m, r->file,
                             (uint64_t)i + 1));
    }
    return NULL;
}

/* ---- comparing ---- */

/* Columns [from, from + n) of a value. */
typedef struct {
    int64_t from, n;
} Part;

/* Of mean squares; NaN where one side is not finite. */
static double error_of(const Value *got, const Value *want, Part p)
{
    double err = 0, power = 0;
    for (int64_t i = 0; i < want->n; i += want->width)
        for (int64_t k = i + p.from; k < i + p.from + p.n; k++) {
            double d = got->v[k] - want->v[k];
            err += d * d;
            power += want->v[k] * want->v[k];
        }
    return err == 0 ? 0 : err / power;
}

/* What is wrong with it, with the element that is furthest off. */
static Err *mismatch(const Value *got, const Value *want, Part p, double err,
                     double limit)
{
    int64_t at = p.from;
    double most = -1;
    for (int64_t i = 0; i < want->n; i += want->width)
        for (int64_t k = i + p.from; k < i + p.from + p.n; k++)
            if (!(fabs(got->v[k] - want->v[k]) <= most)) {
                most = fabs(got->v[k] - want->v[k]);
                at = k;
            }
    return err_new(ERR_INPUT,
                   "@%s: %s, columns %d to %d, step %d: error %.3g, limit "
                   "%.3g; row %d, column %d is %.9g, not %.9g",
                   want->entry, want->name, (int)p.from,
                   (int)(p.from + p.n - 1), want->step, err, limit,
                   (int)(at / want->width), (int)(at % want->width),
                   got->v[at], want->v[at]);
}

static Err *compare_part(Run *r, const Value *got, const Value *want, Part p,
                         FuzzReport *report)
{
    double noise = 0;
    for (int i = 0; i < N_NOISE; i++) {
        const Value *v = values_find(&r->noise[i], want);
        double e = error_of(v, want, p);
        noise = !(e <= noise) ? e : noise; /* NaN stays */
    }
    report->n++;
    if (!(noise <= ILL)) {
        report->ill++;
        return NULL;
    }
    double err = error_of(got, want, p), limit = r->base + FACTOR * noise;
    if (err / limit > report->worst)
        report->worst = err / limit;
    return err <= limit ? NULL : mismatch(got, want, p, err, limit);
}

/* A concatenation is compared part by part. */
static Err *compare_parts(Run *r, const Graph *g, Ref at, const Value *got,
                          const Value *want, int64_t from, FuzzReport *report)
{
    const Node *n = &g->node[at];
    Part p = {from, type_last(&n->type)};
    if (n->op != OP_concat || n->type.rank != 2)
        return compare_part(r, got, want, p, report);
    int64_t left = type_last(&g->node[n->arg[0]].type);
    TRY(compare_parts(r, g, n->arg[0], got, want, from, report));
    return compare_parts(r, g, n->arg[1], got, want, from + left, report);
}

static Ref result_of(const Graph *g, const char *name)
{
    for (int i = 0; i < g->n_results; i++)
        if (strcmp(g->result[i].name, name) == 0)
            return g->result[i].ref;
    return NO_REF;
}

static Err *compare_values(Run *r, const Values *got, FuzzReport *report)
{
    for (int i = 0; i < r->want.n; i++) {
        const Value *want = &r->want.at[i], *v = values_find(got, want);
        if (!v || v->n != want->n)
            return err_new(ERR_INPUT, "@%s: no %s in step %d", want->entry,
                           want->name, want->step);
        const Graph *g = module_find(r->plain, want->entry);
        Ref at = result_of(g, want->name);
        if (at == NO_REF)
            TRY(compare_part(r, v, want, (Part){0, want->width}, report));
        else
            TRY(compare_parts(r, g, at, v, want, 0, report));
    }
    return NULL;
}

/* ---- all cases ---- */

static void run_free(Run *r)
{
    gguf_close(r->file);
    plan_free(r->plan);
    arena_free(r->arena);
}

static Err *prepare(Run *r)
{
    char path[300];
    r->arena = arena_new();
    snprintf(path, sizeof path, "%s/weights.gguf", r->f->dir);
    TRY(case_write_file(r->c, path));
    Err *e = gguf_open(path, &r->file);
    remove(path);
    TRY(e);
    TRY(make_plan(r));
    return r->f->provider ? make_noise(r) : NULL;
}

static Err *execute(Run *r, const KernelSet *kernels, FuzzReport *report)
{
    Executor *x;
    Values got = {.arena = r->arena};
    ExecSpec spec = {.plan = r->plan,
                     .file = r->file,
                     .kernels = kernels,
                     .pool = r->f->pool,
                     .poison = true};
    TRY(exec_open(&spec, &x));
    Err *e = values_execute(&got, r->c, x);
    x->kind->close(x);
    return e ? e : compare_values(r, &got, report);
}

/* The kernels of all plans as those of one, equal ones once, those with weights
 * of one type together: what kernels of a module share is compiled once. */
typedef struct {
    const char *body; /* behind the name */
    const char *type; /* of its first weight; "" without one */
    int at;           /* its number, once sorted */
} Shared;

typedef struct {
    Plan all;
    Arena *arena;
    Names known; /* body -> Shared */
    Shared **kernel;
    int n, cap;
} Joined;

static void add_kernel(Joined *j, const char *text)
{
    const char *body = strchr(text, '(');
    NameEntry *e = names_entry(&j->known, body);
    if (e->value)
        return;
    if (j->n == j->cap) {
        j->cap = j->cap ? 2 * j->cap : 64;
        Shared **more = ARENA_ARRAY(j->arena, Shared *, j->cap);
        if (j->n)
            memcpy(more, j->kernel, sizeof *more * (size_t)j->n);
        j->kernel = more;
    }
    const char *weight = strchr(body, '$');
    const char *type = weight ? strstr(weight, ": ") : NULL;
    Shared *s = e->value = j->kernel[j->n++] = ARENA_NEW(j->arena, Shared);
    *s = (Shared){e->name, type ? type : "", 0};
}

static int by_type(const void *a, const void *b)
{
    const Shared *p = *(Shared *const *)a, *q = *(Shared *const *)b;
    int order = strncmp(p->type, q->type, 8);
    return order ? order : strcmp(p->body, q->body);
}

static void name_kernel(Joined *j, int i)
{
    char name[16];
    Buf text = {0};
    snprintf(name, sizeof name, "k%d", i);
    buf_printf(&text, "func @%s%s", name, j->kernel[i]->body);
    j->all.kernel[i] = (PlanKernel){
        arena_strndup(j->arena, name, strlen(name)),
        arena_strndup(j->arena, text.data, text.n)};
    j->kernel[i]->at = i;
    buf_free(&text);
}

typedef int NumberFn(const Joined *j, const Plan *p, int k);

static int joined_number(const Joined *j, const Plan *p, int k)
{
    return ((Shared *)names_get(&j->known, strchr(p->kernel[k].text, '(')))->at;
}

static int own_number(const Joined *j, const Plan *p, int k)
{
    int i = 0;
    while (strcmp(strchr(p->kernel[i].text, '('), j->kernel[k]->body) != 0)
        i++;
    return i;
}

/* Steps of the plan count its own kernels, or the joined ones. */
static void renumber(const Joined *j, Plan *p, NumberFn *number)
{
    for (int i = 0; i < p->n_programs; i++)
        for (int s = 0; s < p->program[i].n_steps; s++) {
            PlanStep *step = &p->program[i].step[s];
            if (step->kind == STEP_LAUNCH)
                step->kernel = number(j, p, step->kernel);
        }
}

static void join_plans(Joined *j, const Run *run, int n)
{
    j->known.a = j->arena = arena_new();
    for (int i = 0; i < n; i++)
        for (int k = 0; k < run[i].plan->n_kernels; k++)
            add_kernel(j, run[i].plan->kernel[k].text);
    if (j->n)
        qsort(j->kernel, (size_t)j->n, sizeof *j->kernel, by_type);
    j->all.n_kernels = j->n;
    j->all.kernel = ARENA_ARRAY(j->arena, PlanKernel, j->n + 1);
    for (int i = 0; i < j->n; i++)
        name_kernel(j, i);
    for (int i = 0; i < n; i++)
        renumber(j, run[i].plan, joined_number);
}

/* A refused kernel is an error of them all. */
static Err *compile_and_run(const Fuzz *f, Run *run, int n, FuzzReport *report)
{
    Joined j = {0};
    KernelSet *kernels;
    ModuleCache *none = cache_open(NULL, 0);
    join_plans(&j, run, n);
    Err *e = kernel_set_new(&j.all, f->provider, run[0].c->cpu, none, f->pool,
                            &kernels);
    report->kernels += e ? 0 : j.n;
    for (int i = 0; i < n && !e; i++)
        run[i].error = execute(&run[i], kernels, report);
    if (kernels)
        kernel_set_free(kernels);
    cache_close(none);
    for (int i = 0; i < n; i++)
        renumber(&j, run[i].plan, own_number);
    arena_free(j.arena);
    return e;
}

/* The cases whose plans are there, together; if that fails one by one. */
static void compile_prepared(const Fuzz *f, Run *run, int n,
                             FuzzReport *report)
{
    if (n == 0)
        return;
    Err *e = compile_and_run(f, run, n, report);
    for (int i = 0; i < n && e && n > 1; i++)
        run[i].error = compile_and_run(f, &run[i], 1, report);
    if (n == 1 && e)
        run[0].error = e;
    else
        err_free(e);
}

void check_cases(const Fuzz *f, FuzzCase *const *c, int n, FuzzReport *report,
                 Err **error)
{
    Run *run = calloc((size_t)n, sizeof *run), bad;
    int good = 0, *at = calloc((size_t)n, sizeof *at);
    if (!run || !at)
        abort();
    for (int i = 0; i < n; i++) {
        run[good] = (Run){.f = f, .c = c[i]};
        at[good] = i;
        error[i] = prepare(&run[good]);
        if (error[i]) {
            bad = run[good];
            run_free(&bad);
        } else {
            good++;
        }
    }
    if (f->provider)
        compile_prepared(f, run, good, report);
    for (int i = 0; i < good; i++) {
        error[at[i]] = run[i].error;
        run_free(&run[i]);
    }
    free(run);
    free(at);
}
