/* cmd_plan.c - does it fit, and what lies where: from the file's header. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/cli/options.h"
#include "runtime/cli/plan_schedule.h"
#include "runtime/cli/request.h"
#include "runtime/gguf.h"

enum { MAX_DEVICES = 64, MAX_ROWS = WEIGHT_CLASS_COUNT + 9 };

/* One line of the table: bytes on each device. */
typedef struct {
    const char *name;
    int64_t bytes[MAX_DEVICES];
} Row;

typedef struct {
    const Plan *p;
    int n;
    Row row[MAX_ROWS];
} Table;

static double gib(int64_t bytes)
{
    return (double)bytes / (1024. * 1024 * 1024);
}

static Row *add_row(Table *t, const char *name)
{
    t->row[t->n].name = name;
    return &t->row[t->n++];
}

static void add_weights(Table *t)
{
    const Plan *p = t->p;
    for (int c = 0; c < WEIGHT_CLASS_COUNT; c++)
        add_row(t, weight_class_name[c]);
    for (int i = 0; i < p->n_weights; i++)
        t->row[p->weight[i].cls].bytes[p->weight[i].device] +=
            p->weight[i].bytes;
}

static void add_states(Table *t)
{
    const Plan *p = t->p;
    Row *kv = add_row(t, "keys, values"), *fixed = add_row(t, "states");
    for (int i = 0; i < p->n_states; i++) {
        Row *r = p->state[i].kind == STATE_PER_TOKEN ? kv : fixed;
        r->bytes[p->state[i].device] += p->state[i].bytes;
    }
}

/* Of scratch, what arrives for a chunk while the one before is worked on; the
 * programs share the region, so the one with most counts. */
static void add_in_flight(const Plan *p, Row *r)
{
    for (int i = 0; i < p->n_programs; i++) {
        const PlanProgram *q = &p->program[i];
        int64_t bytes[MAX_DEVICES] = {0};
        for (int k = 0; k < q->n_steps; k++) {
            const PlanBuffer *b =
                q->step[k].kind == STEP_COPY && q->n_stages
                    ? &p->buffer[q->step[k].arg[1].index]
                    : NULL;
            if (b)
                bytes[b->device] += plan_stride(b) * b->slots;
        }
        for (int d = 0; d < p->n_devices; d++)
            if (bytes[d] > r->bytes[d])
                r->bytes[d] = bytes[d];
    }
}

/* What kernels want besides the regions, the same on every device. */
static void add_kernels(const Plan *p, Row *r)
{
    int64_t room = compile_room(p);
    for (int d = 0; d < p->n_devices; d++)
        r->bytes[d] = room;
}

/* Alignment is what the regions hold besides; free what the device has left. */
static void add_totals(Table *t)
{
    const Plan *p = t->p;
    int parts = t->n;
    Row *flight = add_row(t, "in flight"), *scratch = add_row(t, "scratch");
    Row *kernels = add_row(t, "kernels"), *align = add_row(t, "alignment");
    Row *total = add_row(t, "total"), *reserve = add_row(t, "reserve");
    Row *left = add_row(t, "free");
    add_in_flight(p, flight);
    add_kernels(p, kernels);
    for (int d = 0; d < p->n_devices; d++) {
        const PlanDevice *dev = &p->device[d];
        align->bytes[d] = dev->weights + dev->states;
        for (int i = 0; i < parts; i++)
            align->bytes[d] -= t->row[i].bytes[d];
        scratch->bytes[d] = dev->scratch - flight->bytes[d];
        total->bytes[d] =
            dev->weights + dev->states + dev->scratch + kernels->bytes[d];
        reserve->bytes[d] = dev->reserve;
        left->bytes[d] = dev->capacity ? dev->capacity - dev->reserve -
                                             total->bytes[d]
                                       : 0;
    }
}

static int64_t row_sum(const Table *t, const Row *r)
{
    int64_t sum = 0;
    for (int d = 0; d < t->p->n_devices; d++)
        sum += r->bytes[d];
    return sum;
}

static bool is_empty(const Table *t, const Row *r)
{
    for (int d = 0; d < t->p->n_devices; d++)
        if (r->bytes[d])
            return false;
    return true;
}

static void print_table(const Table *t)
{
    const Plan *p = t->p;
    printf("%-12s", "GiB");
    for (int d = 0; d < p->n_devices; d++)
        printf(" %8s", p->device[d].name);
    printf("%s %16s\n", p->n_devices > 1 ? "      all" : "", "bytes in all");
    for (int i = 0; i < t->n; i++) {
        const Row *r = &t->row[i];
        if (is_empty(t, r))
            continue;
        printf("%-12s", r->name);
        for (int d = 0; d < p->n_devices; d++)
            printf(" %8.3f", gib(r->bytes[d]));
        if (p->n_devices > 1)
            printf(" %8.3f", gib(row_sum(t, r)));
        printf(" %16" PRId64 "\n", row_sum(t, r));
    }
}

static void print_json(const Table *t, bool fits)
{
    const Plan *p = t->p;
    printf("{\"model\":\"%s\",\"context\":%" PRId64 ",\"batch\":%" PRId64
           ",\"fits\":%s,\"devices\":[",
           p->model, p->context, p->batch, fits ? "true" : "false");
    for (int d = 0; d < p->n_devices; d++) {
        printf("%s{\"name\":\"%s\"", d ? "," : "", p->device[d].name);
        for (int i = 0; i < t->n; i++)
            printf(",\"%s\":%" PRId64, t->row[i].name, t->row[i].bytes[d]);
        printf("}");
    }
    printf("]");
}

/* ---- how fast at best ---- */

static int64_t meta_number(const ModelInfo *m, const char *arch,
                           const char *key)
{
    char name[160];
    snprintf(name, sizeof name, "%.60s.%s", arch, key);
    const MetaValue *v = model_meta(m, name);
    return v && v->kind == META_INT && v->n == 1 ? v->ints[0] : 0;
}

/* Bytes a decoded token moves on device d with `depth` tokens before it: all
 * matrices once, of experts only the chosen ones, fixed states read and
 * written, one pass over the keys and values. */
static double token_bytes(const Table *t, int d, double chosen, double depth)
{
    double bytes = 0;
    for (int c = 0; c < WEIGHT_CLASS_COUNT; c++) {
        double part = (double)t->row[c].bytes[d];
        if (c == WEIGHT_experts)
            part *= chosen;
        bytes += c == WEIGHT_embedding ? 0 : part;
    }
    bytes += 2 * (double)t->row[WEIGHT_CLASS_COUNT + 1].bytes[d];
    return bytes + (double)t->row[WEIGHT_CLASS_COUNT].bytes[d] * depth /
                       (double)t->p->context;
}

static bool is_tied(const Plan *p)
{
    for (int i = 0; i < p->n_weights; i++)
        if (p->weight[i].cls == WEIGHT_head)
            return false;
    return true;
}

static void print_bound(const Table *t, const ModelInfo *m)
{
    const Plan *p = t->p;
    int64_t all = meta_number(m, p->model, "expert_count");
    int64_t used = meta_number(m, p->model, "expert_used_count");
    double chosen = all > 0 && used > 0 ? (double)used / (double)all : 1;
    double seconds[2] = {0};
    for (int d = 0; d < p->n_devices; d++) {
        double tied = is_tied(p) && d == p->n_devices - 1
                          ? (double)t->row[WEIGHT_embedding].bytes[d]
                          : 0;
        if (p->device[d].bandwidth <= 0)
            return;
        for (int k = 0; k < 2; k++)
            seconds[k] += (tied + token_bytes(t, d, chosen,
                                              k ? (double)p->context : 0)) /
                          p->device[d].bandwidth;
    }
    printf("memory bandwidth alone allows %.0f tokens/s, one sequence, "
           "%.0f at full context\n",
           1 / seconds[0], 1 / seconds[1]);
}

/* ---- the command ---- */

static void print_verdict(const Table *t, const ModelInfo *info,
                          const Options *o)
{
    const Plan *p = t->p;
    printf("fits: %s over %d device%s, context %" PRId64
           " tokens, keys and values %s\n",
           p->model, p->n_devices, p->n_devices > 1 ? "s" : "", p->context,
           o->kv);
    print_bound(t, info);
}

static void print_all(const Table *t, bool fits, const char *schedule,
                      const ModelInfo *info, const Options *o)
{
    if (o->json)
        print_json(t, fits);
    else
        print_table(t);
    if (fits && !o->json)
        print_verdict(t, info, o);
    fputs(schedule, stdout);
    if (o->json)
        puts("}");
}

/* The schedule comes first, for it may turn out to be impossible. */
static Err *report(Arena *a, const Plan *p, const CompileRequest *r,
                   const Options *o)
{
    Table t = {.p = p};
    char *schedule = NULL;
    size_t n = 0;
    FILE *f = memory_text(&schedule, &n);
    Err *refusal = compile_check(p);
    Err *e = refusal ? NULL : plan_schedule(a, o, p, r->machine, f);
    fclose(f);
    add_weights(&t);
    add_states(&t);
    add_totals(&t);
    if (!e)
        print_all(&t, !refusal, schedule, r->model, o);
    free(schedule);
    return refusal ? refusal : e;
}

static Err *make_plan(Arena *a, const Options *o, const ModelInfo *info)
{
    CompileRequest r;
    Plan *plan = NULL;
    TRY(request_make(a, o, info, 1, &r));
    int64_t longest = plan_schedule_context(o);
    if (!o->given[OPT_context] && longest > r.settings.context)
        r.settings.context = longest;
    TRY(compile_to_fit(&r, &plan));
    Err *e = report(a, plan, &r, o);
    plan_free(plan);
    return e;
}

Err *cmd_plan(const Options *o)
{
    Arena *a = arena_new();
    Gguf *file = NULL;
    Err *e = NULL;
    DO(gguf_open(o->args[0], &file));
    DO(make_plan(a, o, gguf_info(file)));
out:
    gguf_close(file);
    arena_free(a);
    return e;
}
