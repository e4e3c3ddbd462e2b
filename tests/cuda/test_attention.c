/* test_attention.c - attention in the emulation against the interpreter; a key
 * or value that is no number is seen by the tokens behind it, by no other. */
#include "rig.h"

#include "gen/cuda/cuda.h"
#include "runtime/cli/kernel_run.h"

Test(attention, kernels) { rig_check(kernel_cases_attention); }

/* ---- one key is spoilt ---- */

enum { H = 4, G = 2, D = 64, PAST = 30, TOKENS = 70, KEY = 61, AT = D + 9 };

#define SPOILT(type)                                                           \
    {"spoilt_" type, 1, {{TOKENS, 1, PAST}, {6, 1, KEY - 3}},                  \
     .text = "(%q: f32[T,4,64], @k: " type "[C,2,64], @v: " type               \
             "[C,2,64]) {\n"                                                   \
             "  %o = attention %q, @k, @v {scale=0.1} : f32[T,4,64]\n"         \
             "  ret %o\n"                                                      \
             "}\n"}
static const KernelCase spoilt[] = {
    SPOILT("f32"), SPOILT("f16"), SPOILT("bf16"), SPOILT("q8_0"),
    SPOILT("q4_0"), {0}};

/* Value AT of row KEY becomes x, as far as its type can say so. */
static void spoil(KernelValue *v, float x)
{
    const BlockInfo *info = &block_info[v->type];
    int64_t block = (KEY * G * D + AT) / info->elems;
    float y[32];
    uint8_t *bytes = v->bytes + block * info->bytes;
    block_decode(v->type, bytes, info->elems, y);
    y[AT % info->elems] = x;
    cr_assert(block_encode(v->type, y, info->elems, bytes));
    kernel_value_decode(v);
}

/* Does a token that sees keys up to `last` see it in value i of a head? */
static bool is_seen(const KernelValue *kv, int param, int head, int i,
                    int64_t last)
{
    const double *row = kv->v + ((int64_t)KEY * G + head / (H / G)) * D;
    bool any = false;
    for (int j = 0; j < D; j++)
        any = any || !isfinite(row[j]);
    return last >= KEY && (param == 1 ? any : !isfinite(row[i]));
}

static void expect_seen(const KernelCase *c, InterpStep at, int param,
                        const KernelValue *kv, const float *o)
{
    int wrong = 0;
    for (int t = 0; t < at.tokens; t++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < D; i++) {
                bool odd = !isfinite(o[(t * H + h) * D + i]);
                wrong += odd != is_seen(kv, param, h, i, at.past + t);
            }
    cr_expect_eq(wrong, 0, "%s, parameter %d, T=%d: %d elements wrong", c->name,
                 param, (int)at.tokens, wrong);
}

/* One step, with state `param` (1: keys, 2: values) spoilt by x. */
static void run_spoilt(const KernelMachine *m, const CudaCode *code,
                       const Graph *g, int kernel, int param, float x, int step)
{
    const KernelCase *c = &spoilt[kernel];
    KernelStep s = {c->step[step], PAST + TOKENS};
    KernelValue value[4];
    MachineBuf buf[4];
    Arena *a = arena_new();
    Random random = random_seed((uint64_t)(kernel * 8 + param));
    const char *fault;
    bool clean;
    for (int i = 0; i < 4; i++) {
        value[i] = i < 3 ? kernel_value_random(&random, g, (Ref)i, s, c->fill)
                         : kernel_value_result(&g->node[g->result[0].ref].type,
                                               s);
        if (i == param)
            spoil(&value[i], x);
        cr_assert(!machine_buf_new(m, value[i].bytes, value[i].n_bytes,
                                   &buf[i]));
    }
    cr_assert(!kernel_run(m, &code->kernel[kernel], s, c->step[0], buf, &random,
                          a, &fault));
    cr_expect(!fault, "%s: %s", c->name, fault);
    cr_assert(!machine_buf_read(m, &buf[3], value[3].bytes, &clean) && clean);
    expect_seen(c, s.at, param, &value[param],
                (const float *)(const void *)value[3].bytes);
    for (int i = 0; i < 4; i++) {
        machine_buf_free(m, &buf[i]);
        kernel_value_free(&value[i]);
    }
    arena_free(a);
}

static const Graph *parse_kernel(Arena *a, const PlanKernel *k)
{
    Buf text = {0};
    Module *m;
    buf_printf(&text, "module spoilt\n%s", k->text);
    cr_assert(!module_parse(a, text.data, &m));
    buf_free(&text);
    return m->graph[0];
}

Test(attention, spoilt_keys_are_seen_where_they_belong)
{
    Rig *r = calloc(1, sizeof *r);
    KernelMachine m = rig_machine(r);
    Arena *a = arena_new();
    Plan *plan;
    CudaCode *code;
    cr_assert(!kernel_check_plan(a, spoilt, &plan) && !cuda_code(plan, &code));
    cr_assert(!m.load(m.ctx, code));
    for (int k = 0; k < plan->n_kernels; k++)
        for (int param = 1; param < 3; param++)
            for (int step = 0; step < 2; step++) {
                const Graph *g = parse_kernel(a, &plan->kernel[k]);
                run_spoilt(&m, code, g, k, param, NAN, step);
                if (param == 2) /* as a key it may mean a weight of 0 */
                    run_spoilt(&m, code, g, k, param, INFINITY, step);
            }
    m.unload(m.ctx);
    cuda_code_free(code);
    arena_free(a);
    free(r);
}
