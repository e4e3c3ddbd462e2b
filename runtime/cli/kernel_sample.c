#include "runtime/cli/kernel_sample.h"

#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gen/cuda/cuda.h"
#include "runtime/cli/kernel_run.h"
#include "runtime/cuda_sample.h"

/* ---- what is checked ---- */

typedef enum {
    LOGITS_NORMAL,  /* about normal, deviation 3 */
    LOGITS_PEAK,    /* one far ahead */
    LOGITS_EQUAL,   /* all the same */
    LOGITS_STEPS,   /* of few values: many ties */
    LOGITS_ZEROS,   /* zeros of both signs and less */
    LOGITS_FEW,     /* most are -Inf */
    LOGITS_ONE,     /* all but one are */
    LOGITS_HUGE,    /* as large as numbers get */
    LOGITS_CLOSE,   /* nearly alike */
    LOGITS_MASKED,  /* all -Inf: an error, like the next two */
    LOGITS_NAN,
    LOGITS_INF,
    LOGITS_COUNT
} Logits;
static const char *const logits_name[LOGITS_COUNT] = {
    "normal", "peak", "equal", "steps", "zeros", "few",
    "one",    "huge", "close", "masked", "nan",  "inf"};

typedef struct {
    const char *name;
    double temperature;
    int64_t top_k;
    double top_p, min_p, repeat, presence, frequency; /* 0: off */
    int64_t window;
    int n_bias; /* some of them for ids that were given one before */
    bool ban;   /* all ids but a few */
} Setting;

static const Setting settings[] = {
    {.name = "greedy"},
    {.name = "greedy, penalties", .repeat = 1.3, .presence = 0.5,
     .frequency = 0.2, .window = 16},
    {.name = "greedy, biases", .n_bias = 40},
    {.name = "all", .temperature = 1},
    {.name = "all, cold", .temperature = 0.01},
    {.name = "all, freezing", .temperature = 1e-300},
    {.name = "all, hot", .temperature = 50},
    {.name = "top-k 1", .temperature = 1, .top_k = 1},
    {.name = "top-k 20, top-p", .temperature = 0.6, .top_k = 20, .top_p = 0.95},
    {.name = "top-k 40", .temperature = 1.5, .top_k = 40},
    {.name = "top-k 300, top-p, min-p", .temperature = 1, .top_k = 300,
     .top_p = 0.9, .min_p = 0.01},
    {.name = "top-k 1500", .temperature = 2, .top_k = 1500},
    {.name = "top-k of all", .temperature = 1, .top_k = 1 << 30},
    {.name = "top-p", .temperature = 1, .top_p = 0.9},
    {.name = "top-p 1/1000", .temperature = 1, .top_p = 0.001},
    {.name = "top-p, hot", .temperature = 5, .top_p = 0.97},
    {.name = "top-p, min-p", .temperature = 1.2, .top_p = 0.999, .min_p = 0.02},
    {.name = "min-p", .temperature = 1, .min_p = 0.1},
    {.name = "min-p, hot", .temperature = 20, .min_p = 0.05},
    {.name = "min-p 1", .temperature = 1, .min_p = 1},
    {.name = "penalties, whole history", .temperature = 1, .top_k = 20,
     .repeat = 1.2, .frequency = 1, .window = -1},
    {.name = "penalties, window 3", .temperature = 0.8, .repeat = 0.7,
     .presence = -2, .window = 3},
    {.name = "penalties, window 0", .temperature = 0.8, .top_k = 10,
     .repeat = 5},
    {.name = "biases, penalties", .temperature = 1, .top_k = 50, .top_p = 0.95,
     .presence = 1, .window = 64, .n_bias = 300},
    {.name = "bans", .temperature = 1, .top_p = 0.95, .ban = true},
};

static const int32_t vocabularies[] = {1, 2, 127, 129, 1000, 5003, 40001};
enum { WIDEST = 40001 + 63, TEXT = 4, PROMPT = 10, MOST_HISTORY = 1024 };

/* ---- one text on the machine and on the host ---- */

typedef struct {
    const KernelMachine *m;
    const KernelReport *report;
    CudaCode *code;
    Arena *arena;
    Random random;
    const Setting *setting;
    Logits kind;
    int32_t vocab;
    SamplerParams params;
    SamplerBias *bias;
    float *logits;              /* [WIDEST] */
    int32_t id[PROMPT + TEXT];  /* prompt and text, as the host chooses it */
    int64_t n;
    char name[64];
    const char *fault;          /* the first */
    MachineBuf arg[2], out;     /* logits, CudaSample with its tables */
    MachineBuf next;            /* tokens, positions, rows, past, capacity */
} Check;

static float logit(Check *c, int32_t i)
{
    float x = random_real(&c->random);
    switch (c->kind) {
    case LOGITS_NORMAL:
    case LOGITS_NAN:
    case LOGITS_INF:
    case LOGITS_COUNT:
        break;
    case LOGITS_PEAK:
        return i == c->vocab / 2 ? 30 : x;
    case LOGITS_EQUAL:
        return -1.5F;
    case LOGITS_STEPS:
        return floorf(x);
    case LOGITS_ZEROS:
        return x > 1 ? 0.F : x > -1 ? -0.F : x;
    case LOGITS_FEW:
        return random_below(&c->random, 50) ? -INFINITY : x;
    case LOGITS_ONE:
        return i == c->vocab - 1 ? -7.F : -INFINITY;
    case LOGITS_HUGE:
        return x > 0 ? FLT_MAX : x * (FLT_MAX / 4);
    case LOGITS_CLOSE:
        return 10 + x * 0x1p-18F;
    case LOGITS_MASKED:
        return -INFINITY;
    }
    return 3 * x;
}

/* Behind the vocabulary lie numbers that nobody may look at. */
static void make_logits(Check *c)
{
    for (int32_t i = 0; i < WIDEST; i++)
        c->logits[i] = i < c->vocab ? logit(c, i) : NAN;
    int32_t at = (int32_t)random_below(&c->random, c->vocab);
    if (c->kind == LOGITS_NAN)
        c->logits[at] = random_below(&c->random, 2) ? NAN : -NAN;
    if (c->kind == LOGITS_INF)
        c->logits[at] = INFINITY;
}

static void make_params(Check *c)
{
    const Setting *s = c->setting;
    int64_t room = s->ban ? c->vocab : s->n_bias, n = 0;
    c->bias = ARENA_ARRAY(c->arena, SamplerBias, room + 1);
    for (int i = 0; i < s->n_bias; i++, n++) {
        int32_t id = (int32_t)random_below(
            &c->random, c->vocab < 200 ? c->vocab : 200);
        float bias = random_below(&c->random, 9) == 0 ? -100.F : 4.F;
        c->bias[n] = (SamplerBias){id, bias * random_real(&c->random)};
    }
    for (int32_t i = 0; i < c->vocab && s->ban; i++)
        if (i % 7 != 3 || c->kind == LOGITS_PEAK)
            c->bias[n++] = (SamplerBias){i, -INFINITY};
    c->params = sampler_defaults();
    c->params.temperature = s->temperature;
    c->params.top_k = s->top_k;
    c->params.top_p = s->top_p > 0 ? s->top_p : 1;
    c->params.min_p = s->min_p;
    c->params.repeat_penalty = s->repeat > 0 ? s->repeat : 1;
    c->params.presence_penalty = s->presence;
    c->params.frequency_penalty = s->frequency;
    c->params.window = s->window;
    c->params.seed = random_bits(&c->random);
    c->params.bias = c->bias;
    c->params.n_bias = n;
}

static void say(Check *c, const char *fmt, int i, const char *a, const char *b)
{
    char text[200];
    snprintf(text, sizeof text, fmt, i, a, b);
    if (!c->fault)
        c->fault = arena_strndup(c->arena, text, strlen(text));
}

static Err *put_tables(Check *c)
{
    Choosing how = {&c->params, c->vocab, c->id, c->n, (uint64_t)c->n};
    CudaSampleRoom room = cuda_sample_room(&how, MOST_HISTORY);
    char *bytes = memory_array((int)room.bytes, 1);
    Err *e = NULL;
    int32_t next[7] = {-1, -1, -1, -1, (int32_t)c->n - 1};
    DO(machine_buf_new(c->m, NULL, WIDEST * (int64_t)sizeof *c->logits,
                       &c->arg[0]));
    DO(machine_buf_new(c->m, NULL, room.bytes, &c->arg[1]));
    DO(machine_buf_new(c->m, NULL, CUDA_SAMPLE_OUT * 8, &c->out));
    DO(machine_buf_new(c->m, next, sizeof next, &c->next));
    CudaAddress at = (CudaAddress)(uintptr_t)c->arg[1].at;
    CudaAddress inputs = (CudaAddress)(uintptr_t)c->next.at;
    CudaSample *s = (CudaSample *)(void *)bytes;
    cuda_sample_fill(&how, &room, at, bytes);
    s->out = (CudaAddress)(uintptr_t)c->out.at;
    if (c->vocab % 2) {
        s->tokens = inputs;
        s->positions = inputs + 4;
        s->rows = inputs + 8;
        s->step = inputs + 16;
    }
    DO(c->m->write(c->m->ctx, c->arg[1].at, bytes, room.bytes));
out:
    free(bytes);
    return e;
}

/* What the next step would find. */
static Err *check_next(Check *c, int i, int32_t id)
{
    int32_t next[7];
    bool clean;
    TRY(machine_buf_read(c->m, &c->next, next, &clean));
    int32_t past = (int32_t)c->n - 1;
    bool right = c->vocab % 2 ? next[0] == id && next[1] == past &&
                                    next[2] == 0 && next[4] == past
                              : next[0] == -1 && next[2] == -1;
    if (!clean || !right)
        say(c, "token %d: the next step's inputs are wrong%s%s", i, "", "");
    return NULL;
}

static Err *pick_there(Check *c, int i, int32_t *id, Err **wrong)
{
    const CudaKernel *k = &c->code->kernel[c->code->sample];
    KernelStep step = {{1, 1, 0}, 1};
    uint64_t word[CUDA_SAMPLE_OUT];
    const char *fault;
    bool clean;
    TRY(c->m->write(c->m->ctx, c->arg[0].at, c->logits,
                    WIDEST * (int64_t)sizeof *c->logits));
    TRY(kernel_run(c->m, k, step, step.at, c->arg, &c->random, c->arena,
                   &fault));
    if (fault) {
        say(c, "token %d: %s%s", i, fault, "");
        return NULL;
    }
    TRY(machine_buf_read(c->m, &c->out, word, &clean));
    *wrong = cuda_sample_read(word[i % CUDA_SAMPLE_OUT], c->vocab, id);
    for (int b = 0; b < 2 && clean; b++)
        TRY(machine_buf_read(c->m, &c->arg[b], NULL, &clean));
    if (!clean)
        say(c, "token %d: bytes changed that are not its%s%s", i, "", "");
    return NULL;
}

/* The next token by both. */
static Err *pick_both(Check *c, Sampler *s, int i)
{
    int32_t here, there = -1;
    Err *wrong = NULL;
    SamplerInput in = {c->logits, c->id, c->n, (uint64_t)c->n};
    make_logits(c);
    Err *e = sampler_pick(s, &c->params, &in, &here);
    TRY(pick_there(c, i, &there, &wrong));
    if (!c->fault && !e != !wrong)
        say(c, "token %d: %s%s", i, "an error here or there alone: ",
            err_text(e ? e : wrong));
    else if (e && wrong && strcmp(err_text(e), err_text(wrong)) != 0)
        say(c, "token %d: '%s', not '%s'", i, err_text(wrong), err_text(e));
    else if (!e && !c->fault && here != there) {
        char a[20], b[20];
        snprintf(a, sizeof a, "%" PRId32, there);
        snprintf(b, sizeof b, "%" PRId32, here);
        say(c, "token %d is %s, not %s", i, a, b);
    }
    c->id[c->n++] = e ? 0 : here;
    if (!c->fault)
        TRY(check_next(c, i, e ? 0 : here));
    err_free(wrong);
    err_free(e);
    return NULL;
}

static Err *check_text(Check *c)
{
    Err *e = NULL;
    Sampler *s = sampler_new(c->vocab);
    snprintf(c->name, sizeof c->name, "%s of %" PRId32,
             logits_name[c->kind], c->vocab);
    c->fault = NULL;
    make_params(c);
    for (c->n = 0; c->n < PROMPT; c->n++) /* one id too many: passed over */
        c->id[c->n] = (int32_t)random_below(&c->random, c->vocab + 1);
    DO(put_tables(c));
    for (int i = 0; i < TEXT && !c->fault; i++)
        DO(pick_both(c, s, i));
    c->report->verdict(c->report->ctx,
                       &(KernelVerdict){.check = c->setting->name,
                                        .step = c->name,
                                        .value = "text",
                                        .passed = !c->fault,
                                        .fault = c->fault});
out:
    for (int i = 0; i < 2; i++)
        machine_buf_free(c->m, &c->arg[i]);
    machine_buf_free(c->m, &c->out);
    machine_buf_free(c->m, &c->next);
    sampler_free(s);
    return e;
}

/* Errors end the text that a session makes, but not the sampler's: the kinds
 * that give them are checked like the others.  Every setting meets every kind,
 * but not with each vocabulary. */
static Err *check_all(Check *c)
{
    const int n_settings = sizeof settings / sizeof *settings;
    const int n_sizes = sizeof vocabularies / sizeof *vocabularies;
    for (int v = 0; v < n_sizes; v++)
        for (int s = 0; s < n_settings; s++)
            for (int k = 0; k < LOGITS_COUNT; k++) {
                c->vocab = vocabularies[v];
                c->setting = &settings[s];
                c->kind = (Logits)k;
                if ((v + s + k) % 5)
                    continue;
                TRY(check_text(c));
            }
    return NULL;
}

/* A plan of nothing but logits. */
static Err *make_code(Arena *a, CudaCode **out)
{
    PlanBuffer *b = ARENA_NEW(a, PlanBuffer);
    PlanPort *port = ARENA_NEW(a, PlanPort);
    PlanProgram *q = ARENA_NEW(a, PlanProgram);
    Plan *p = ARENA_NEW(a, Plan);
    *b = (PlanBuffer){.name = "logits", .type = BT_f32, .rank = 2,
                      .dim = {{1, SYM_R}, {WIDEST, SYM_ONE}}, .slots = 1};
    *port = (PlanPort){"logits", 0};
    *q = (PlanProgram){.name = "main", .n_outputs = 1, .output = port};
    *p = (Plan){.arena = a, .batch = 1, .outputs = 1, .n_buffers = 1,
                .n_programs = 1, .buffer = b, .program = q};
    return cuda_code(p, out);
}

Err *kernel_check_sample(const KernelMachine *m, KernelReport report)
{
    Err *e = NULL;
    Check *c = memory_array(1, sizeof *c);
    bool loaded = false;
    c->m = m;
    c->report = &report;
    c->arena = arena_new();
    c->random = random_seed(31);
    c->logits = ARENA_ARRAY(c->arena, float, WIDEST);
    DO(make_code(c->arena, &c->code));
    loaded = true;
    DO(m->load(m->ctx, c->code));
    DO(check_all(c));
out:
    if (loaded)
        m->unload(m->ctx);
    cuda_code_free(c->code);
    arena_free(c->arena);
    free(c);
    return e;
}
