/* test_memplan.c - every byte has its place: nothing that lives at the same
 * time overlaps, regions are as long as what they hold, and a refusal's numbers
 * are exact. */
#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

#include "compiler/random_graph.h"
#include "compiler/schedule.h"

/* ---- plans */

static Err *plan_of(Arena *a, Module *m, const Machine *machine,
                    const Settings *s, Plan **out)
{
    static const char *const passes[] = {"canonicalise", "place", "fuse",
                                         "expand", "fuse_across"};
    PassContext c = {.arena = a, .machine = machine, .settings = s};
    Module *kernels;
    *out = NULL;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        TRY(pass_run(passes[i], &c, &m));
    return schedule_build(&c, m, &kernels, out);
}

static Settings settings(int64_t context)
{
    return (Settings){.context = context, .batch = 16, .outputs = 4,
                      .fuse = FUSE_BLOCK};
}

static Plan *good_plan_with(Arena *a, Module *m, const Machine *machine,
                            const Settings *s)
{
    Plan *p;
    Err *e = plan_of(a, m, machine, s, &p);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    return p;
}

static Plan *good_plan(Arena *a, Module *m, const Machine *machine,
                       int64_t context)
{
    Settings s = settings(context);
    return good_plan_with(a, m, machine, &s);
}

/* ---- lifetimes, worked out again here */

typedef struct {
    int first, last;
} Life;

static void see(Life *l, int step)
{
    l->first = step < l->first ? step : l->first;
    l->last = step > l->last ? step : l->last;
}

static Life life_of(const PlanProgram *g, int buffer)
{
    Life l = {INT_MAX, INT_MIN};
    for (int i = 0; i < g->n_inputs; i++)
        if (g->input[i].buffer == buffer)
            see(&l, -1);
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i].buffer == buffer)
            see(&l, g->n_steps);
    for (int i = 0; i < g->n_taps; i++)
        if (g->tap[i].buffer == buffer)
            see(&l, g->n_steps);
    for (int s = 0; s < g->n_steps; s++)
        for (int k = 0; k < g->step[s].n_args; k++)
            if (g->step[s].arg[k].kind == ARG_BUFFER &&
                g->step[s].arg[k].index == buffer)
                see(&l, s);
    return l;
}

/* Where a chunk's values arrive while another one is worked on: always taken. */
static Life life_with_slots(const Plan *p, const PlanProgram *g, int buffer)
{
    Life l = life_of(g, buffer);
    if (p->buffer[buffer].slots > 1 && l.last >= l.first)
        l = (Life){-1, g->n_steps};
    return l;
}

static bool apart(int64_t a, int64_t a_bytes, int64_t b, int64_t b_bytes)
{
    return a + a_bytes <= b || b + b_bytes <= a;
}

static int check_program(const Plan *p, const PlanProgram *g)
{
    int shared = 0; /* pairs that use the same bytes one after the other */
    for (int i = 0; i < p->n_buffers; i++)
        for (int j = 0; j < i; j++) {
            const PlanBuffer *x = &p->buffer[i], *y = &p->buffer[j];
            Life a = life_with_slots(p, g, i), b = life_with_slots(p, g, j);
            if (x->device != y->device || a.last < a.first || b.last < b.first)
                continue;
            bool clear = apart(x->offset, plan_span(x), y->offset, plan_span(y));
            bool together = a.first <= b.last && b.first <= a.last;
            cr_assert(clear || !together, "%s and %s overlap", x->name,
                      y->name);
            shared += !clear;
        }
    return shared;
}

/* The end of what lies in a region, rounded up to PLAN_ALIGN. */
static void grow(int64_t *end, int64_t offset, int64_t bytes)
{
    int64_t to = (offset + bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
    *end = to > *end ? to : *end;
    cr_assert_eq(offset % PLAN_ALIGN, 0);
}

static void check_regions(const Plan *p)
{
    for (int d = 0; d < p->n_devices; d++) {
        int64_t weights = 0, states = 0, scratch = 0;
        for (int i = 0; i < p->n_weights; i++)
            if (p->weight[i].device == d)
                grow(&weights, p->weight[i].offset, p->weight[i].bytes);
        for (int i = 0; i < p->n_states; i++)
            if (p->state[i].device == d)
                grow(&states, p->state[i].offset, p->state[i].bytes);
        for (int i = 0; i < p->n_buffers; i++)
            if (p->buffer[i].device == d)
                grow(&scratch, p->buffer[i].offset,
                     plan_span(&p->buffer[i]));
        cr_assert_eq(p->device[d].weights, weights);
        cr_assert_eq(p->device[d].states, states);
        cr_assert_eq(p->device[d].scratch, scratch);
    }
}

static void check_disjoint(const Plan *p)
{
    for (int i = 0; i < p->n_weights; i++)
        for (int j = 0; j < i; j++) {
            const PlanWeight *x = &p->weight[i], *y = &p->weight[j];
            cr_assert(x->device != y->device ||
                          apart(x->offset, x->bytes, y->offset, y->bytes),
                      "%s and %s overlap", x->tensor, y->tensor);
            cr_assert(x->device != y->device || strcmp(x->tensor, y->tensor),
                      "%s lies twice on one device", x->tensor);
        }
    for (int i = 0; i < p->n_states; i++)
        for (int j = 0; j < i; j++) {
            const PlanState *x = &p->state[i], *y = &p->state[j];
            cr_assert(x->device != y->device ||
                          apart(x->offset, x->bytes, y->offset, y->bytes),
                      "%s and %s overlap", x->name, y->name);
        }
}

Test(memplan, what_lives_together_lies_apart)
{
    int shared = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        Arena *a = arena_new();
        Machine *machine = machine_uniform(a, "host", 1 + (int)(seed % 4), 0);
        Settings s = settings(32);
        s.pipeline = seed % 2;
        Plan *p = good_plan_with(a, random_module(a, seed / 2), machine, &s);
        for (int i = 0; i < p->n_programs; i++)
            shared += check_program(p, &p->program[i]);
        check_regions(p);
        check_disjoint(p);
        plan_free(p);
        arena_free(a);
    }
    cr_assert_gt(shared, 100, "scratch is used again %d times", shared);
}

/* ---- by hand */

static const char chain[] =
    "module t\n"
    "entry @main(%x: f32[T,32]) {\n"
    "  @k = state \"keys[0]\" : f16[C,1,32]\n"
    "  @v = state \"values[0]\" : f32[C,1,32]\n"
    "  @c = state \"conv[0]\" : f32[2,32]\n"
    "  $w = weight \"w\" : q8_0[32,64]\n"
    "  $u = weight \"u\" : f32[3,32]\n"
    "  $d = weight \"d\" : q8_0[64,32]\n"
    "  %h = causal_conv1d %x, $u, @c : f32[T,32]\n"
    "  %r = reshape %h : f32[T,1,32]\n"
    "  %a = append %r, @k : f16[C,1,32]\n"
    "  %b = append %r, @v : f32[C,1,32]\n"
    "  %o = attention %r, %a, %b {scale=1} : f32[T,1,32]\n"
    "  %f = reshape %o : f32[T,32]\n"
    "  %m = matmul %f, $w : f32[T,64]\n"
    "  %n = matmul %m, $d : f32[T,32]\n"
    "  ret y=%n\n}\n";

static Module *parse(Arena *a, const char *text)
{
    Module *m;
    Err *e = module_parse(a, text, &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    return m;
}

/* Weights: 32*64 and 64*32 of 34 bytes per 32, 96 floats.  States: 2 + 4 bytes
 * * 32 * context, 64 floats.  Scratch: 16 tokens of x and h, o and m, or m
 * and n: x, o and n share a place. */
enum {
    WEIGHTS = 2 * 2176 + 384, ROW = 192, FIXED = 256, SCRATCH = 6144,
};

Test(memplan, sizes_by_hand)
{
    Arena *a = arena_new();
    Plan *p = good_plan(a, parse(a, chain), NULL, 1000);
    cr_assert_eq(p->device[0].weights, WEIGHTS);
    cr_assert_eq(p->device[0].states, 1000 * ROW + FIXED);
    cr_assert_eq(p->device[0].scratch, SCRATCH);
    cr_assert_null(memplan_check(p, 0)); /* no limit */
    plan_free(p);
    arena_free(a);
}

static char *refusal(Arena *a, int64_t capacity, int64_t reserve, int n,
                     int64_t context)
{
    Machine *machine = machine_uniform(a, "host", n, capacity);
    for (int i = 0; i < n; i++)
        machine->device[i].reserve = reserve;
    Plan *p = good_plan(a, parse(a, chain), machine, context);
    Err *e = memplan_check(p, 0);
    char *said = e ? arena_strndup(a, err_text(e), strlen(err_text(e))) : NULL;
    if (e)
        cr_assert_eq(err_code(e), ERR_LIMIT);
    err_free(e);
    plan_free(p);
    return said;
}

Test(memplan, refuses_by_the_byte)
{
    Arena *a = arena_new();
    int64_t all = WEIGHTS + 1000 * ROW + FIXED + SCRATCH;
    cr_assert_null(refusal(a, all, 0, 1, 1000));
    cr_assert_null(refusal(a, all + 100, 100, 1, 1000));
    char *said = refusal(a, all - 1, 0, 1, 1000);
    cr_assert_not_null(said);
    cr_assert(strstr(said, "host:0 lacks 1 bytes"), "%s", said);
    said = refusal(a, all + 99, 100, 1, 1000);
    cr_assert(said && strstr(said, "host:0 lacks 1 bytes"), "%s", said);
    said = refusal(a, SCRATCH + WEIGHTS, 0, 1, 1000);
    cr_assert(said && strstr(said, "no context is short enough"), "%s", said);
    cr_assert(strstr(said, "at least 42 such devices (196992 bytes of weights "
                           "and states, 4736 there besides scratch)"),
              "%s", said);
    said = refusal(a, SCRATCH, 0, 1, 1000);
    cr_assert(said && !strstr(said, "such devices"), "%s", said);
    said = refusal(a, all - SCRATCH, 0, 1, 1000);
    cr_assert(said && !strstr(said, "--batch"), "%s", said);
    said = refusal(a, all - SCRATCH + 1, 0, 1, 1000);
    cr_assert(said && strstr(said, "smaller --batch (with 16 tokens scratch "
                                   "takes 6144 bytes)"),
              "%s", said);
    arena_free(a);
}

/* "--context=N would fit": it does, and N + 1 does not. */
Test(memplan, names_the_longest_context)
{
    Arena *a = arena_new();
    for (int64_t capacity = 12000; capacity < 200000; capacity += 777) {
        char *said = refusal(a, capacity, 0, 1, 1000);
        cr_assert_not_null(said);
        const char *at = strstr(said, "--context=");
        cr_assert_not_null(at, "%s", said);
        long long n = strtoll(at + strlen("--context="), NULL, 10);
        cr_assert(n >= 1 && n < 1000);
        cr_assert_null(refusal(a, capacity, 0, 1, n));
        cr_assert_not_null(refusal(a, capacity, 0, 1, n + 1));
    }
    arena_free(a);
}

/* The device that lacks most is not always the one that limits the context. */
Test(memplan, a_context_that_fits_fits_everywhere)
{
    static const char two[] =
        "module t\n"
        "func @rows(%x: f32[T,1,32]) {\n"
        "  @k = state \"k[{i}]\" : f32[C,1,32]\n"
        "  %a = append %x, @k : f32[C,1,32]\n"
        "  %o = attention %x, %a, %a {scale=1} : f32[T,1,32]\n"
        "  ret %o\n}\n"
        "entry @main(%x: f32[T,1,32]) {\n"
        "  %a = call \"rows\" %x {index=0} : f32[T,1,32]\n"
        "  %b = call \"rows\" %a {index=1} : f32[T,1,32]\n"
        "  %c = call \"rows\" %b {index=2} : f32[T,1,32]\n"
        "  ret y=%c\n}\n";
    Arena *a = arena_new();
    for (int pass = 0, context = 1000; pass < 2; pass++) {
        Machine *machine = machine_uniform(a, "host", 2, 70000);
        Settings s = settings(context);
        Plan *p;
        machine->device[1].capacity = 40000;
        s.place = "2,1";
        Err *e = plan_of(a, parse(a, two), machine, &s, &p);
        cr_assert_null(e);
        e = memplan_check(p, 0);
        cr_assert_eq(e != NULL, pass == 0);
        if (e) { /* 186,000 bytes lack on 0, 88,000 on 1 */
            const char *at = strstr(err_text(e), "--context=");
            cr_assert(at && strstr(err_text(e), "host:0 lacks"), "%s",
                      err_text(e));
            context = (int)strtol(at + strlen("--context="), NULL, 10);
        }
        err_free(e);
        plan_free(p);
    }
    arena_free(a);
}

/* More devices than layers help nobody. */
Test(memplan, advises_no_more_devices_than_layers)
{
    Arena *a = arena_new();
    static const char two[] =
        "module t\n"
        "func @layer(%x: f32[T,32]) {\n"
        "  $w = weight \"blk.{i}.w\" : f32[32,32]\n"
        "  %y = matmul %x, $w : f32[T,32]\n"
        "  ret %y\n}\n"
        "entry @main(%x: f32[T,32]) {\n"
        "  %a = call \"layer\" %x {index=0} : f32[T,32]\n"
        "  %b = call \"layer\" %a {index=1} : f32[T,32]\n"
        "  ret y=%b\n}\n";
    enum { LAYER = 32 * 32 * 4, STEP = 2 * 16 * 32 * 4 };
    for (int part = 1; part <= 3; part++) { /* of a layer, beside scratch */
        Settings s = settings(8);
        Plan *p = good_plan_with(
            a, parse(a, two),
            machine_uniform(a, "host", 1, STEP + LAYER * part / 2), &s);
        Err *e = memplan_check(p, 0);
        cr_assert(e);
        cr_expect_eq(strstr(err_text(e), "at least 2 such") != NULL, part > 1,
                     "%s", err_text(e));
        err_free(e);
        plan_free(p);
    }
    arena_free(a);
}

/* ---- stages */

/* x through four layers; the second input joins at the last. */
static const char layers[] =
    "module t\n"
    "func @double(%x: f32[T,32]) {\n"
    "  $w = weight \"w{i}\" : f32[32]\n"
    "  %y = mul %x, $w : f32[T,32]\n"
    "  ret %y\n}\n"
    "entry @main(%x: f32[T,32], %late: f32[T,32]) {\n"
    "  %a = call \"double\" %x {index=0} : f32[T,32]\n"
    "  %s = add %a, %late : f32[T,32]\n"
    "  %b = call \"double\" %s {index=1} : f32[T,32]\n"
    "  %c = call \"double\" %b {index=2} : f32[T,32]\n"
    "  %u = add %c, %late : f32[T,32]\n"
    "  %d = call \"double\" %u {index=3} : f32[T,32]\n"
    "  ret y=%d\n}\n";

/* "0>1 1>2": which stage's copies go where. */
static const char *hops(Arena *a, const Plan *p)
{
    const PlanProgram *g = &p->program[0];
    Buf b = {0};
    for (int i = 0; i < g->n_steps; i++)
        if (g->step[i].kind == STEP_COPY)
            buf_printf(&b, "%s%d>%d", b.n ? " " : "",
                       p->buffer[g->step[i].arg[0].index].device,
                       g->step[i].device);
    const char *s = arena_strndup(a, b.data ? b.data : "", b.n);
    buf_free(&b);
    return s;
}

static Plan *staged_plan(Arena *a, const char *place, bool pipeline)
{
    Settings s = settings(100);
    s.place = place;
    s.pipeline = pipeline;
    return good_plan_with(a, parse(a, layers),
                          machine_uniform(a, "host", 4, 0), &s);
}

/* What skips a device goes through it; slots only where there are stages. */
Test(memplan, stages_by_hand)
{
    Arena *a = arena_new();
    enum { VALUE = 16 * 32 * 4 };
    Plan *p = staged_plan(a, "1,1,1,1", true);
    cr_assert_eq(p->program[0].n_stages, 4);
    cr_expect_str_eq(hops(a, p), "0>1 0>1 1>2 1>2 2>3");
    for (int i = 0; i < p->n_buffers; i++)
        cr_expect_eq(p->buffer[i].bytes, VALUE);
    /* x, late and y; two slots of both, s and the next; two of both and u */
    cr_expect_eq(p->device[0].scratch, 3 * VALUE);
    cr_expect_eq(p->device[1].scratch, 5 * VALUE);
    cr_expect_eq(p->device[3].scratch, 3 * VALUE);
    plan_free(p);
    p = staged_plan(a, "1,1,1,1", false);
    cr_expect_eq(p->program[0].n_stages, 0);
    for (int i = 0; i < p->n_buffers; i++)
        cr_expect_eq(p->buffer[i].slots, 1);
    plan_free(p);
    p = staged_plan(a, "1,0,0,3", true);
    cr_expect_eq(p->program[0].n_stages, 2);
    cr_expect_str_eq(hops(a, p), "0>3 0>3");
    plan_free(p);
    p = staged_plan(a, "4", true);
    cr_expect_eq(p->program[0].n_stages, 0);
    plan_free(p);
    arena_free(a);
}

/* ---- sizes that would overflow */

static void expect_limit(const char *text, int64_t context, int64_t batch,
                         const char *message)
{
    Arena *a = arena_new();
    Plan *p;
    Settings s = {.context = context, .batch = batch, .outputs = 1};
    Err *e = plan_of(a, parse(a, text), NULL, &s, &p);
    cr_assert_not_null(e);
    cr_assert_eq(err_code(e), ERR_LIMIT, "%s", err_text(e));
    cr_assert(strstr(err_text(e), message), "%s", err_text(e));
    err_free(e);
    arena_free(a);
}

Test(memplan, refuses_what_cannot_be_counted)
{
    static const char wide[] =
        "module t\nentry @main(%x: f32[T,274877906944,512]) {\n"
        "  %y = neg %x : f32[T,274877906944,512]\n  ret y=%y\n}\n";
    static const char states[] =
        "module t\nentry @main(%x: f32[T,1,549755813888]) {\n"
        "  @a = state \"a\" : f32[C,1,549755813888]\n"
        "  @b = state \"b\" : f32[C,1,549755813888]\n"
        "  %p = append %x, @a : f32[C,1,549755813888]\n"
        "  %q = append %x, @b : f32[C,1,549755813888]\n"
        "  %o = attention %x, %p, %q {scale=1} : f32[T,1,549755813888]\n"
        "  ret y=%o\n}\n";
    expect_limit(wide, 1 << 20, 1 << 20, "main.x is too large");
    expect_limit(wide, 1 << 20, 1 << 11, "more than 2^60 bytes");
    expect_limit(states, (int64_t)1 << 31, 1, "state a is too large");
    expect_limit(states, (int64_t)1 << 19, 1, "more than 2^60 bytes");
}
