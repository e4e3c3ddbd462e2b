/* test_device.c - the CUDA device on the fake driver: the toy model of
 * tests/runtime in CUDA, on one card, on parts of one, on three; recorded and
 * not; weights in tiles; what it says when the driver fails. */
#include <dlfcn.h>

#include "gen/cuda/cuda.h"
#include "runtime/cuda_kernels.h"
#include "runtime/cuda_sample.h"
#include "runtime/weights.h"
#include "tests/runtime/toy.h"

enum { N = 37 };

/* Embedding, states and head on a device each, as in test_staged.c. */
static const char plan_text[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 40\n"
    "batch 6\n"
    "outputs 3\n"
    "d0 \"cuda:@.0\" \"cuda\" capacity 0 reserve 0 bandwidth 0 "
    "weights 512 states 0 scratch 256\n"
    "d1 \"cuda:@.1\" \"cuda\" capacity 0 reserve 0 bandwidth 0 "
    "weights 0 states 1344 scratch 640\n"
    "d2 \"cuda:@.2\" \"cuda\" capacity 0 reserve 0 bandwidth 0 "
    "weights 512 states 0 scratch 1024\n"
    "w0 \"table\" f32 [8, 16] embedding d0 at 0 bytes 512\n"
    "w1 \"table\" f32 [8, 16] head d2 at 0 bytes 512\n"
    "s0 \"rows\" per_token f32 8 d1 at 0 bytes 1280\n"
    "s1 \"sum\" fixed f32 8 d1 at 1280 bytes 32\n"
    "b0 \"tokens\" i32 [T] d0 at 0 bytes 24\n"
    "b1 \"x\" f32 [T, 8] d0 at 64 bytes 192\n"
    "b2 \"x\" f32 [T, 8] slots 2 d1 at 192 bytes 192\n"
    "b3 \"y\" f32 [T, 8] d1 at 0 bytes 192\n"
    "b4 \"y\" f32 [T, 8] slots 2 d2 at 64 bytes 192\n"
    "b5 \"outputs\" i32 [R] d2 at 0 bytes 12\n"
    "b6 \"logits\" f32 [R, 16] d2 at 448 bytes 192\n"
    "b7 \"hidden\" f32 [T, 8] d2 at 640 bytes 192\n"
    "k0 \"embed\"\n| func embed\n"
    "k1 \"append\"\n| func append\n"
    "k2 \"mix\"\n| func mix\n"
    "k3 \"head\"\n| func head\n"
    "k4 \"add\"\n| func add\n"
    "program \"main\"\n"
    "input \"tokens\" b0\n"
    "input \"outputs\" b5\n"
    "output \"logits\" b6\n"
    "output \"hidden\" b7\n"
    "stage d0\n"
    "launch k0 on d0 (b0, w0, b1) \"x\"\n"
    "copy on d1 (b1, b2) \"x\"\n"
    "stage d1\n"
    "launch k1 on d1 (b2, s0) \"rows\"\n"
    "launch k2 on d1 (s0, s1, b3) \"y\"\n"
    "copy on d2 (b3, b4) \"y\"\n"
    "stage d2\n"
    "launch k3 on d2 (b4, w1, b5, b6) \"logits\"\n"
    "launch k4 on d2 (b4, b4, b7) \"hidden\"\n";

/* ---- the fakes */

/* Libraries that are open are found by their names. */
static void use_fakes(void)
{
    cr_assert(dlopen(BUILD_DIR "/fakecuda/libcuda.so.1", RTLD_NOW), "%s",
              dlerror());
    cr_assert(dlopen(BUILD_DIR "/fakecuda/libnvrtc.so.13", RTLD_NOW), "%s",
              dlerror());
}

static char *read_text(Arena *a, const char *path)
{
    char *text;
    size_t n;
    toy_ok(file_read(a, path, 1 << 20, &text, &n));
    return text;
}

/* ---- the toy's kernels */

#define ALL INT64_MAX
static CudaLaunch launches[] = {
    {"embed", SYM_T, 1, ALL, {1, SYM_T, 1}, {1, SYM_ONE, 1}, 0, 32, 0, 0},
    {"append", SYM_T, 1, ALL, {1, SYM_T, 1}, {1, SYM_ONE, 1}, 0, 32, 0, 0},
    {"mix", SYM_T, 1, ALL, {1, SYM_ONE, 1}, {1, SYM_ONE, 1}, 0, 32, 0, 0},
    {"head", SYM_R, 1, ALL, {1, SYM_R, 1}, {1, SYM_ONE, 1}, 0, 32, 0, 0},
    {"add_one", SYM_T, 1, 1, {1, SYM_T, 1}, {1, SYM_ONE, 1}, 0, 32, 0, 0},
    /* more blocks than it may have: the kernel loops */
    {"add_many", SYM_T, 2, ALL, {9, SYM_T, 64}, {1, SYM_ONE, 1}, 1, 64, 0, 0},
};
static CudaKernel kernels[] = {
    {3, 1, &launches[0], {0, SYM_ONE, 1}, 0},
    {2, 1, &launches[1], {0, SYM_ONE, 1}, 0},
    {3, 1, &launches[2], {128, SYM_ONE, 1}, 0},
    {4, 1, &launches[3], {0, SYM_ONE, 1}, 0},
    {3, 2, &launches[4], {0, SYM_ONE, 1}, 4},
};

static CudaCode toy_code(Arena *a)
{
    CudaSource *s = ARENA_ARRAY(a, CudaSource, 3);
    s[0] = (CudaSource){"toy",
                        read_text(a, SOURCE_DIR "/tests/cuda/units/toy.cu"),
                        false};
    s[1] = (CudaSource){"common.cuh",
                        read_text(a, SOURCE_DIR "/gen/cuda/common.cuh"),
                        false};
    s[2] = (CudaSource){"device.cuh",
                        read_text(a, SOURCE_DIR "/gen/cuda/device.cuh"),
                        false};
    return (CudaCode){.n_units = 1,
                      .n_headers = 2,
                      .n_kernels = 5,
                      .sample = -1,
                      .unit = s,
                      .header = s + 1,
                      .kernel = kernels};
}

/* ---- a session of it */

typedef struct {
    Arena *arena;
    char dir[64];
    Buf file, cache;
    CudaCode code;
    Plan *plan;
    Gguf *gguf;
    Pool *pool;
    CudaKernels *kernels;
    Executor *executor;
    Session *session;
} Card;

/* "cuda:@.1" becomes "cuda:0.1", or "cuda:1" with cards on their own. */
static char *plan_for(Arena *a, bool cards)
{
    char *text = arena_strndup(a, plan_text, strlen(plan_text));
    for (char *p = text; (p = strstr(p, "cuda:@."));) {
        p[5] = cards ? p[7] : '0';
        p[7] = cards ? '0' : p[7];
    }
    return text;
}

static Err *open_card(Card *c, bool graphs)
{
    ModuleCache *cache = cache_open(c->cache.data, 1 << 24);
    CudaKernelsSpec spec = {.plan = c->plan,
                            .code = &c->code,
                            .cache = cache,
                            .pool = c->pool,
                            .graphs = graphs,
                            .early = true};
    Err *e = cuda_kernels_new(&spec, &c->kernels);
    cache_close(cache);
    if (e)
        return e;
    ExecSpec x = {.plan = c->plan,
                  .file = c->gguf,
                  .cuda = c->kernels,
                  .pool = c->pool,
                  .poison = true};
    TRY(exec_open(&x, &c->executor));
    c->session = session_new(c->executor);
    return NULL;
}

static Err *card_open(Card *c, bool cards, bool graphs, int threads)
{
    use_fakes();
    *c = (Card){.arena = arena_new(), .dir = "/tmp/sextet-card-XXXXXX"};
    cr_assert(mkdtemp(c->dir));
    buf_printf(&c->file, "%s/toy.gguf", c->dir);
    buf_printf(&c->cache, "%s/cache", c->dir);
    toy_file(c->file.data, "table", TOY_WIDTH);
    c->code = toy_code(c->arena);
    c->plan = toy_parse(plan_for(c->arena, cards));
    toy_ok(pool_new(threads, &c->pool));
    toy_ok(gguf_open(c->file.data, &c->gguf));
    return open_card(c, graphs);
}

static void card_close(Card *c)
{
    char command[128];
    session_free(c->session);
    cuda_kernels_free(c->kernels);
    gguf_close(c->gguf);
    pool_free(c->pool);
    plan_free(c->plan);
    buf_free(&c->file);
    buf_free(&c->cache);
    arena_free(c->arena);
    snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    cr_expect_eq(system(command), 0);
}

/* ---- what comes out */

typedef struct {
    const ToyWant *want;
    int64_t tokens, wrong;
} Check;

static Err *check(void *ctx, const Chunk *c)
{
    Check *k = ctx;
    for (int64_t i = 0; i < c->n * TOY_WIDTH; i++) {
        float y = k->want->y[k->tokens + i / TOY_WIDTH][i % TOY_WIDTH];
        k->wrong += !(c->result.hidden[i] == y + y);
    }
    for (int64_t r = 0; r < c->n_rows; r++)
        for (int v = 0; v < TOY_VOCABULARY; v++)
            k->wrong += !(c->result.logits[r * TOY_VOCABULARY + v] ==
                          k->want->logits[k->tokens + c->rows[r]][v]);
    k->tokens += c->n;
    return NULL;
}

static Err *feed(Card *t, const int32_t *tokens, int from, int to, int last,
                 Check *k)
{
    Feed f = {.tokens = tokens + from,
              .n = to - from,
              .wanted = to - from > last ? to - from - last : 0,
              .chunk = check,
              .ctx = k};
    k->tokens = from;
    return session_feed(t->session, &f);
}

/* A prompt at once, then one token at a time; from a mark in between twice. */
static void feed_and_check(Card *t, int prompt, int last)
{
    int32_t tokens[N];
    for (int i = 0; i < N; i++)
        tokens[i] = (int32_t)((i * 7 + 3) % TOY_VOCABULARY);
    ToyWant *want = toy_want(tokens, N);
    Check k = {.want = want};
    toy_ok(session_reset(t->session));
    toy_ok(feed(t, tokens, 0, prompt, last, &k));
    toy_ok(session_mark(t->session));
    for (int again = 0; again < 2; again++) {
        toy_ok(session_rewind(t->session));
        for (int at = prompt; at < N; at++)
            toy_ok(feed(t, tokens, at, at + 1, 1, &k));
    }
    cr_expect_eq(k.wrong, 0, "prompt %d, last %d: %lld", prompt, last,
                 (long long)k.wrong);
    free(want);
}

static void run_all(bool cards, bool graphs, int threads)
{
    Card t;
    toy_ok(card_open(&t, cards, graphs, threads));
    for (int prompt = 1; prompt <= N; prompt += 7)
        feed_and_check(&t, prompt, prompt % 3);
    card_close(&t);
}

Test(device, parts_of_a_card)
{
    run_all(false, false, 1);
    run_all(false, true, 3);
}

Test(device, streams_with_their_own_minds)
{
    setenv("FAKE_CUDA_ASYNC", "1", 1);
    run_all(false, true, 1);
    run_all(false, true, 4);
}

Test(device, three_cards)
{
    setenv("FAKE_CUDA_DEVICES", "3", 1);
    setenv("FAKE_CUDA_ASYNC", "1", 1);
    run_all(true, true, 1);
    run_all(true, false, 3);
}

Test(device, cards_without_a_link)
{
    setenv("FAKE_CUDA_DEVICES", "3", 1);
    setenv("FAKE_CUDA_PEERS", "0", 1);
    run_all(true, true, 2);
}

/* ---- cards at work at once */

static bool overlap(const Span *a, const Span *b)
{
    return a->start < b->end && b->start < a->end;
}

/* Did two stages work at the same time? */
static bool was_at_once(const Card *t)
{
    int64_t n;
    const Span *s = exec_spans(t->executor, 0, &n);
    cr_assert(s);
    cr_assert_eq(n, (N + 5) / 6);
    for (int64_t i = 0; i < n * 3; i++)
        for (int64_t k = 0; k < i; k++)
            if (overlap(&s[i], &s[k]))
                return true;
    return false;
}

/* One thread of the pool is enough for three cards. */
Test(device, cards_work_at_once_with_one_thread)
{
    enum { TRIES = 100 }; /* it happens when the machine has time for it */
    Card t;
    bool once = false;
    toy_ok(card_open(&t, false, true, 1));
    cr_expect_eq(exec_lanes(t.executor, 0), 3);
    for (int i = 0; i < TRIES && !once; i++) {
        feed_and_check(&t, N, 1);
        once = was_at_once(&t);
    }
    cr_expect(once);
    card_close(&t);
}

/* ---- the cache */

Test(device, second_time_from_the_cache)
{
    Card t;
    toy_ok(card_open(&t, false, true, 2));
    CudaKernelStats s = cuda_kernels_stats(t.kernels);
    cr_expect_eq(s.units, 1);
    cr_expect_eq(s.cached, 0);
    session_free(t.session);
    cuda_kernels_free(t.kernels);
    toy_ok(open_card(&t, true));
    cr_expect_eq(cuda_kernels_stats(t.kernels).cached, 1);
    feed_and_check(&t, 5, 2);
    card_close(&t);
}

/* ---- what is traced */

typedef struct {
    int n;
    double seconds;
} Traced;

static void trace(void *ctx, const ExecTraced *of)
{
    Traced *t = ctx;
    t->n++;
    t->seconds += of->seconds;
    cr_expect(of->seconds >= 0);
}

Test(device, launches_are_timed)
{
    Card t;
    Traced sum = {0};
    toy_ok(card_open(&t, false, true, 1));
    exec_set_trace(t.executor, trace, &sum);
    feed_and_check(&t, 30, 1);
    cr_expect_eq(sum.n, 7 * (5 + 2 * 7)); /* 5 chunks, then 7 tokens twice */
    cr_expect(sum.seconds > 0);
    card_close(&t);
}

/* ---- bad days */

static void expect_refusal(const char *what, const char *part)
{
    Card t;
    setenv("FAKE_CUDA_FAIL", what, 1);
    Err *e = card_open(&t, false, true, 1);
    cr_assert(e, "%s", what);
    cr_expect(strstr(err_text(e), part), "%s: %s", what, err_text(e));
    err_free(e);
    card_close(&t);
}

Test(device, no_memory_left) { expect_refusal("cuMemAlloc:3", "cuMemAlloc"); }
Test(device, no_stream) { expect_refusal("cuStreamCreate:2", "cuda:0.1"); }
Test(device, no_context)
{
    expect_refusal("cuDevicePrimaryCtxRetain:1", "cuDevicePrimaryCtxRetain");
}
Test(device, broken_module)
{
    expect_refusal("cuModuleLoadDataEx:1+", "unit toy");
}

Test(device, a_full_card_says_what_is_free)
{
    Card t;
    setenv("FAKE_CUDA_MEMORY", "1K", 1);
    Err *e = card_open(&t, false, true, 1);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "GiB are free"), "%s", err_text(e));
    err_free(e);
    card_close(&t);
}

/* Need for the plan's regions and the kernels' scratch on the only card. */
static int64_t bytes_of_plan(const Card *t)
{
    int64_t n = 0;
    for (int i = 0; i < t->plan->n_devices; i++) {
        const PlanDevice *d = &t->plan->device[i];
        n += d->weights + d->states + d->scratch +
             cuda_code_scratch(&t->code, t->plan) + cuda_code_counters(&t->code);
    }
    return n;
}

/* A card that holds the plan, but not what tokens are chosen by, is refused
 * where tokens can be chosen, before anything is loaded. */
Test(device, room_for_choosing)
{
    Card t;
    char memory[32];
    toy_ok(card_open(&t, false, true, 1));
    snprintf(memory, sizeof memory, "%lld", (long long)bytes_of_plan(&t));
    session_free(t.session);
    cuda_kernels_free(t.kernels);
    setenv("FAKE_CUDA_MEMORY", memory, 1);
    ModuleCache *cache = cache_open(t.cache.data, 1 << 24);
    CudaKernelsSpec spec = {
        .plan = t.plan, .code = &t.code, .cache = cache, .pool = t.pool};
    toy_ok(cuda_kernels_new(&spec, &t.kernels));
    cuda_kernels_free(t.kernels);
    t.kernels = NULL;
    t.code.sample = 0;
    Err *e = cuda_kernels_begin(&spec, &t.kernels);
    cache_close(cache);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "GiB are free"), "%s", err_text(e));
    err_free(e);
    t.session = NULL;
    card_close(&t);
}

/* What is asked of a card for choosing is never more than what was kept free. */
Test(device, room_for_all_settings)
{
    enum { VOCABULARY = 1000, CONTEXT = 128 };
    static const int64_t windows[] = {-1, 0, 1, 64, 127, 128, 1 << 20};
    int64_t most = cuda_sample_most(VOCABULARY, CONTEXT);
    for (int i = 0; i < 7; i++)
        for (int biases = 0; biases <= VOCABULARY; biases += VOCABULARY / 2) {
            SamplerParams p = sampler_defaults();
            p.frequency_penalty = 1;
            p.window = windows[i];
            p.n_bias = biases;
            Choosing c = {.params = &p, .vocab = VOCABULARY};
            CudaSampleRoom room = cuda_sample_room(&c, CONTEXT);
            cr_expect(room.window < CONTEXT);
            cr_expect(room.bytes + (int64_t)sizeof(CudaSample) <= most);
            cr_expect(cuda_sample_fits(&c, VOCABULARY, CONTEXT));
            p.n_bias = most / (int64_t)sizeof(SamplerBias);
            cr_expect(!cuda_sample_fits(&c, VOCABULARY, CONTEXT));
        }
}

Test(device, an_old_driver)
{
    Card t;
    setenv("FAKE_CUDA_DRIVER_VERSION", "11040", 1);
    Err *e = card_open(&t, false, true, 1);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "too old"), "%s", err_text(e));
    err_free(e);
    card_close(&t);
}

/* A launch that fails is an error of its step; so is everything after it. */
Test(device, a_launch_fails)
{
    Card t;
    int32_t tokens[N] = {0};
    ToyWant *want = toy_want(tokens, N);
    Check k = {.want = want};
    setenv("FAKE_CUDA_FAIL", "cuLaunchKernelEx:4+=700", 1);
    toy_ok(card_open(&t, false, true, 1));
    Err *e = feed(&t, tokens, 0, 6, 1, &k);
    cr_assert(e);
    cr_expect(strstr(err_text(e), "kernel"), "%s", err_text(e));
    err_free(e);
    card_close(&t);
    free(want);
}

/* Recording fails: the launches go one by one. */
Test(device, no_graphs)
{
    setenv("FAKE_CUDA_FAIL", "cuGraphInstantiateWithFlags:1+", 1);
    run_all(false, true, 1);
}

Test(device, newer_than_the_compiler)
{
    setenv("FAKE_CUDA_ARCH", "130", 1);
    run_all(false, true, 1);
}

/* ---- weights in tiles */

static const char tiles_text[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 8\n"
    "batch 4\n"
    "outputs 1\n"
    "d0 \"cuda:0\" \"cuda\" capacity 0 reserve 0 bandwidth 0 "
    "weights 9277312 states 0 scratch 64\n"
    /* several pieces, experts, plain */
    "w0 \"high\" q8_0/t16 [4096, 2064] other d0 at 0 bytes 8982528\n"
    "w1 \"experts\" q8_0/t16 [256, 16, 3] other d0 at 8982528 bytes 13056\n"
    "w2 \"wide\" q8_0/t16 [384, 48] other d0 at 8995584 bytes 19584\n"
    "w3 \"plain\" f32 [8192, 8] other d0 at 9015168 bytes 262144\n";

static void put_tensor(Buf *b, const PlanWeight *w, uint64_t *at)
{
    toy_string(b, w->tensor);
    toy_u32(b, (uint32_t)w->rank);
    for (int i = 0; i < w->rank; i++)
        toy_u64(b, (uint64_t)w->ne[i]);
    toy_u32(b, (uint32_t)block_info[w->type].gguf_id);
    toy_u64(b, *at);
    *at += (uint64_t)(w->bytes + 31) / 32 * 32;
}

static uint8_t byte_at(int64_t i) { return (uint8_t)(i * 2654435761 >> 13); }

static void write_file(const Plan *p, const char *path)
{
    Buf b = {0};
    uint64_t n = 0;
    buf_puts(&b, "GGUF");
    toy_u32(&b, 3);
    toy_u64(&b, (uint64_t)p->n_weights);
    toy_u64(&b, 1);
    toy_string(&b, "general.architecture");
    toy_u32(&b, 8);
    toy_string(&b, "toy");
    for (int i = 0; i < p->n_weights; i++)
        put_tensor(&b, &p->weight[i], &n);
    while (b.n % 32)
        buf_add(&b, "", 1);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t v = byte_at((int64_t)i);
        buf_add(&b, &v, 1);
    }
    toy_ok(file_write(path, b.data, b.n));
    buf_free(&b);
}

/* The same bytes, in another order inside 16 rows if they are tiles. */
static void check_weight(const PlanWeight *w, const uint8_t *p, int64_t from)
{
    int64_t row = block_bytes(w->type, w->ne[0]), wrong = 0, moved = 0;
    int64_t each = w->packing ? PACK_TILE_ROWS * row : 1;
    for (int64_t i = 0; i < w->bytes; i += each) {
        int64_t count[256] = {0};
        for (int64_t k = i; k < i + each; k++) {
            count[p[k]]++;
            count[byte_at(from + k)]--;
            moved += p[k] != byte_at(from + k);
        }
        for (int v = 0; v < 256; v++)
            wrong += count[v] != 0;
    }
    cr_expect_eq(wrong, 0, "%s", w->tensor);
    cr_expect_eq(moved > 0, w->packing == PACK_TILE, "%s", w->tensor);
}

/* A plan of weights, as tiles_text is, and its device. */
typedef struct {
    char path[32];
    Plan *plan;
    CudaCode *code;
    CudaKernels *kernels;
    Pool *pool;
    Gguf *file;
    Device *device;
} Tiles;

static void tiles_open(Tiles *t, const char *text, int threads)
{
    ModuleCache *cache = cache_open(NULL, 0);
    use_fakes();
    *t = (Tiles){.path = "/tmp/sextet-tiles-XXXXXX", .plan = toy_parse(text)};
    close(mkstemp(t->path));
    write_file(t->plan, t->path);
    toy_ok(pool_new(threads, &t->pool));
    toy_ok(gguf_open(t->path, &t->file));
    toy_ok(cuda_code(t->plan, &t->code));
    CudaKernelsSpec spec = {t->plan, t->code, cache, t->pool, 1, 1};
    toy_ok(cuda_kernels_new(&spec, &t->kernels));
    cache_close(cache);
    toy_ok(device_open(
        &(DeviceSpec){&t->plan->device[0], t->pool, NULL, t->kernels},
        &t->device));
}

static Err *tiles_load(Tiles *t)
{
    ExecSpec spec = {.plan = t->plan, .file = t->file, .pool = t->pool};
    return weights_load(&spec, &t->device);
}

static void tiles_check(const Tiles *t)
{
    Device *d = t->device;
    const void *memory;
    int64_t from = 0;
    toy_ok(d->kind->fetch(d, (Place){REGION_WEIGHTS, 0},
                          t->plan->device[0].weights, 0, &memory));
    toy_ok(d->kind->finish(d));
    for (int i = 0; i < t->plan->n_weights; i++) {
        const PlanWeight *w = &t->plan->weight[i];
        check_weight(w, (const uint8_t *)memory + w->offset, from);
        from += (w->bytes + 31) / 32 * 32;
    }
}

static void tiles_close(Tiles *t)
{
    device_close(t->device);
    cuda_kernels_free(t->kernels);
    cuda_code_free(t->code);
    gguf_close(t->file);
    pool_free(t->pool);
    plan_free(t->plan);
    unlink(t->path);
}

Test(device, weights_in_tiles)
{
    Tiles t;
    tiles_open(&t, tiles_text, 3);
    toy_ok(tiles_load(&t));
    tiles_check(&t);
    tiles_close(&t);
}

/* `n` matrices of MATRIX bytes each, a piece of its own. */
enum { MATRIX = 960 * 512 / 32 * 34 };

static void matrices(Buf *b, int n)
{
    buf_printf(b,
               "sextet-plan 1\n"
               "model \"toy\"\n"
               "context 8\n"
               "batch 4\n"
               "outputs 1\n"
               "d0 \"cuda:0\" \"cuda\" capacity 0 reserve 0 bandwidth 0 "
               "weights %d states 0 scratch 64\n",
               n * MATRIX);
    for (int i = 0; i < n; i++)
        buf_printf(b,
                   "w%d \"m%d\" q8_0/t16 [512, 960] other d0 at %d bytes %d\n",
                   i, i, i * MATRIX, MATRIX);
}

/* However many threads there are, rows on their way to tiles lie in four pieces
 * of memory that the plan does not count. */
Test(device, loading_takes_a_bounded_part_of_a_card)
{
    enum { N_MATRICES = 40, THREADS = 24, PIECES = 4, BESIDES = 1 << 20 };
    Tiles t;
    Buf text = {0};
    char memory[32];
    snprintf(memory, sizeof memory, "%d",
             (N_MATRICES + PIECES) * MATRIX + BESIDES);
    setenv("FAKE_CUDA_MEMORY", memory, 1);
    matrices(&text, N_MATRICES);
    tiles_open(&t, text.data, THREADS);
    toy_ok(tiles_load(&t));
    tiles_check(&t);
    tiles_close(&t);
    buf_free(&text);
}
