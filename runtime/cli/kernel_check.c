#include "runtime/cli/kernel_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gen/cuda/cuda.h"
#include "runtime/cli/kernel_run.h"

enum { MAX_VALUES = 32, SPARE_ROWS = 5 };
/* Of an element, in RMS of its row; of one computed in f16, more: rows have
 * single large elements; of a code of 8 bits, up to half a step and more. */
static const double WORST = 1e-2, WORST_F16 = 5e-2, WORST_CODES = 0.25,
                    F16_LIMIT = 1e-7, CODES_LIMIT = 1e-6;

/* ---- checks: rows of the table, once for each of their words ---- */

typedef struct {
    const KernelCase *row;
    const char *name; /* of the check and of its func */
    const char *text;
    Module *m;
    const Graph *g;
} Check;

typedef struct {
    Arena *arena;
    Check *check;
    int n, cap;
} Checks;

static char *keep(Arena *a, Buf *b)
{
    char *s = arena_strndup(a, b->data, b->n);
    buf_free(b);
    return s;
}

static Err *parse(Arena *a, Check *c)
{
    Buf text = {0};
    buf_printf(&text, "module check\n%s", c->text);
    Err *e = module_parse(a, text.data, &c->m);
    buf_free(&text);
    if (e)
        return err_note(e, "check %s", c->name);
    c->g = c->m->graph[0];
    return c->g->n_params + (Ref)c->g->n_results <= MAX_VALUES
               ? NULL
               : err_new(ERR_INPUT, "check %s: too many values", c->name);
}

static Err *add_check(Checks *c, const KernelCase *row, const char *word,
                      int n)
{
    Buf name = {0}, text = {0};
    if (c->n == c->cap) {
        Check *more = ARENA_ARRAY(c->arena, Check, 2 * c->cap + 16);
        if (c->n)
            memcpy(more, c->check, sizeof *more * (size_t)c->n);
        c->check = more;
        c->cap = 2 * c->cap + 16;
    }
    buf_puts(&name, row->name);
    if (n)
        buf_printf(&name, "_%.*s", n, word);
    buf_printf(&text, "func @%s", name.data);
    for (const char *p = row->text; *p; p++)
        buf_add(&text, *p == '?' ? word : p, *p == '?' ? (size_t)n : 1);
    buf_puts(&text, "\n");
    Check *k = &c->check[c->n++];
    *k = (Check){.row = row, .name = keep(c->arena, &name)};
    k->text = keep(c->arena, &text);
    return parse(c->arena, k);
}

static Err *list_checks(const KernelCase *table, Checks *c)
{
    for (const KernelCase *row = table; row->name; row++) {
        const char *word = row->each ? row->each : "";
        do {
            word += strspn(word, " ");
            int n = (int)strcspn(word, " ");
            TRY(add_check(c, row, word, n));
            word += n;
        } while (word[strspn(word, " ")]);
    }
    return NULL;
}

/* ---- the plan whose kernels they are ---- */

static InterpStep largest(const KernelCase *row, InterpStep s)
{
    for (int i = 0; i < CASE_STEPS && row->step[i].tokens; i++) {
        InterpStep t = row->step[i];
        s.tokens = t.tokens > s.tokens ? t.tokens : s.tokens;
        s.outputs = t.outputs > s.outputs ? t.outputs : s.outputs;
        s.past = t.past > s.past ? t.past : s.past;
    }
    return s;
}

/* The weights in tiles: what packs them is part of the code. */
static void add_tiles(Plan *p, const Check *c)
{
    for (Ref i = 0; i < c->g->n_params; i++) {
        const Type *t = &c->g->node[i].type;
        if (t->packing != PACK_TILE)
            continue;
        PlanWeight *w = &p->weight[p->n_weights++];
        *w = (PlanWeight){.tensor = c->name, .type = t->dtype,
                          .packing = t->packing, .rank = t->rank};
        for (int k = 0; k < t->rank; k++)
            w->ne[k] = t->dim[k].k;
    }
}

static Plan *plan_of(const Checks *c)
{
    Plan *p = ARENA_NEW(c->arena, Plan);
    InterpStep most = {1, 1, 0};
    p->arena = c->arena;
    p->kernel = ARENA_ARRAY(c->arena, PlanKernel, c->n + 1);
    p->weight = ARENA_ARRAY(c->arena, PlanWeight, c->n * MAX_VALUES + 1);
    for (int i = 0; i < c->n; i++) {
        p->kernel[p->n_kernels++] =
            (PlanKernel){c->check[i].name, c->check[i].text};
        add_tiles(p, &c->check[i]);
        most = largest(c->check[i].row, most);
    }
    p->batch = most.tokens;
    p->outputs = most.outputs;
    return p;
}

Err *kernel_check_plan(Arena *a, const KernelCase *table, Plan **out)
{
    Checks c = {.arena = a};
    TRY(list_checks(table, &c));
    *out = plan_of(&c);
    return NULL;
}

/* ---- one check, one step ---- */

typedef struct {
    const KernelMachine *m;
    const CudaCode *code;
    const Check *check;
    const KernelReport *report;
    Arena *arena;
    KernelStep step;
    InterpStep most;
    char what[64]; /* the step as text */
    int n_params, n_args;
    KernelValue value[MAX_VALUES];
    MachineBuf buf[MAX_VALUES];
} Run;

static void say(const Run *r, KernelVerdict v)
{
    v.check = r->check->name;
    v.step = r->what;
    v.limit = r->check->row->limit;
    r->report->verdict(r->report->ctx, &v);
}

static void say_fault(const Run *r, const char *value, const char *fault)
{
    say(r, (KernelVerdict){.value = value, .fault = fault});
}

static const Type *arg_type(const Run *r, int i)
{
    const Graph *g = r->check->g;
    Ref n = i < r->n_params ? (Ref)i : g->result[i - r->n_params].ref;
    return &g->node[n].type;
}

static Err *put_args(Run *r, Random *random)
{
    const Graph *g = r->check->g;
    for (int i = 0; i < r->n_args; i++) {
        const Type *t = arg_type(r, i);
        KernelValue *v = &r->value[i];
        *v = i < r->n_params ? kernel_value_random(random, g, (Ref)i, r->step,
                                                   r->check->row->fill)
                             : kernel_value_result(t, r->step);
        if (t->packing == PACK_TILE)
            TRY(kernel_pack(r->m, r->code, t, v, &r->buf[i]));
        else
            TRY(machine_buf_new(r->m, v->bytes, v->n_bytes, &r->buf[i]));
    }
    return NULL;
}

/* The error of n values in rows, and that of the worst against its row's RMS.
 * What rounds to the same float is equal. */
static double error_of(const double *got, const double *want, int64_t n,
                       int64_t row, double *worst)
{
    double err = 0, power = 0;
    *worst = 0;
    for (int64_t i = 0; i < n; i += row) {
        double most = 0, rms = 0;
        for (int64_t k = i; k < i + row && k < n; k++) {
            bool same = got[k] == (double)(float)want[k] ||
                        (isnan(got[k]) && isnan(want[k]));
            double d = same ? 0 : got[k] - want[k];
            if (isfinite(want[k]))
                rms += want[k] * want[k];
            err += d * d;
            most = !(fabs(d) <= most) ? fabs(d) : most;
        }
        power += rms;
        rms = sqrt(rms / (double)row);
        if (rms > 0 && !(most / rms <= *worst))
            *worst = most / rms;
    }
    return err == 0 ? 0 : err / power;
}

static double worst_allowed(double limit)
{
    if (limit > CODES_LIMIT)
        return WORST_CODES;
    return limit > F16_LIMIT ? WORST_F16 : WORST;
}

static void compare(Run *r, int i, const char *name, const double *want)
{
    KernelValue *v = &r->value[i];
    KernelVerdict verdict = {.value = name};
    double *before = v->v;
    v->v = NULL;
    kernel_value_decode(v);
    verdict.error = error_of(v->v, want, v->n, type_last(arg_type(r, i)),
                             &verdict.worst);
    double limit = r->check->row->limit;
    verdict.passed = verdict.error <= limit &&
                     verdict.worst <= worst_allowed(limit);
    say(r, verdict);
    free(v->v);
    v->v = before;
}

/* Reads argument i back; what is neither result nor state must be as it was
 * (weights in tiles: their guards). */
static Err *collect(Run *r, int i, const char *name, bool changes)
{
    KernelValue *v = &r->value[i];
    bool clean, packed = arg_type(r, i)->packing == PACK_TILE;
    uint8_t *bytes = ARENA_ARRAY(r->arena, uint8_t, v->n_bytes + 1);
    TRY(machine_buf_read(r->m, &r->buf[i], bytes, &clean));
    if (!clean)
        say_fault(r, name, "bytes around it changed");
    if (changes)
        memcpy(v->bytes, bytes, (size_t)v->n_bytes);
    else if (!packed && memcmp(v->bytes, bytes, (size_t)v->n_bytes))
        say_fault(r, name, "an input changed");
    return NULL;
}

static Err *compare_all(Run *r)
{
    const Graph *g = r->check->g;
    InterpValue in[MAX_VALUES], out[MAX_VALUES] = {{0}};
    for (int i = 0; i < r->n_params; i++)
        in[i] = (InterpValue){r->value[i].n, r->value[i].v};
    Interp *x = interp_new(r->check->m, (InterpWeights){0}, r->step.capacity);
    Err *e = interp_run(x, g->name, r->step.at, in, out);
    for (int i = 0; i < r->n_args && !e; i++) {
        bool result = i >= r->n_params;
        bool state = !result && g->node[i].op == OP_state;
        Buf name = {0};
        buf_printf(&name, "%s %d", result ? "result" : "argument",
                   result ? i - r->n_params : i);
        e = collect(r, i, name.data, result || state);
        if (!e && (result || state))
            compare(r, i, name.data,
                    result ? out[i - r->n_params].v : r->value[i].v);
        buf_free(&name);
    }
    for (int i = 0; i < r->n_args - r->n_params; i++)
        free(out[i].v);
    interp_free(x);
    return e;
}

static Err *run_step(Run *r, InterpStep at, int number)
{
    Err *e = NULL;
    const char *fault;
    int kernel = number / CASE_STEPS;
    Random random = random_seed((uint64_t)number);
    r->step.at = at;
    r->arena = arena_new();
    snprintf(r->what, sizeof r->what, "T=%d R=%d past=%d", (int)at.tokens,
             (int)at.outputs, (int)at.past);
    DO(put_args(r, &random));
    DO(kernel_run(r->m, &r->code->kernel[kernel], r->step, r->most, r->buf,
                  &random, r->arena, &fault));
    if (fault)
        say_fault(r, "launch", fault);
    else
        DO(compare_all(r));
out:
    for (int i = 0; i < r->n_args; i++) {
        machine_buf_free(r->m, &r->buf[i]);
        kernel_value_free(&r->value[i]);
        r->value[i] = (KernelValue){0};
    }
    arena_free(r->arena);
    return e ? err_note(e, "check %s, %s", r->check->name, r->what) : NULL;
}

static Err *run_check(const KernelMachine *m, const CudaCode *code,
                      const Check *c, int kernel, const KernelReport *report)
{
    const KernelCase *row = c->row;
    InterpStep most = largest(row, (InterpStep){1, 1, 0});
    Run r = {.m = m, .code = code, .check = c, .report = report};
    r.n_params = (int)c->g->n_params;
    r.n_args = r.n_params + c->g->n_results;
    r.step.capacity = most.past + most.tokens + SPARE_ROWS;
    r.most = most;
    for (int i = 0; i < CASE_STEPS && row->step[i].tokens; i++)
        TRY(run_step(&r, row->step[i], kernel * CASE_STEPS + i));
    return NULL;
}

Err *kernel_check(const KernelMachine *m, const KernelCase *table,
                  KernelReport report)
{
    Err *e = NULL;
    CudaCode *code = NULL;
    Checks c = {.arena = arena_new()};
    DO(list_checks(table, &c));
    DO(cuda_code(plan_of(&c), &code));
    DO(m->load(m->ctx, code));
    for (int i = 0; i < c.n; i++)
        DO(run_check(m, code, &c.check[i], i, &report));
out:
    m->unload(m->ctx);
    cuda_code_free(code);
    arena_free(c.arena);
    return e;
}
