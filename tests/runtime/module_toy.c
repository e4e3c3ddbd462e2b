/* module_toy.c - a host compiler for tests: knows five kernels by name.
 *
 * "Compiling" checks the text and wraps it, "loading" checks the wrapping, so
 * that the kernel set, cache and executor run as with the real one.  A text
 * that says "fault:compile" does not compile, one that says "fault:load" does
 * not load, one that says "fault:info" describes a kernel wrongly. */
#include <stdio.h>
#include <string.h>

#include "runtime/host_provider.h"
#include "runtime/plan.h"

/* Shapes of the toy model. */
enum { WIDTH = 8, VOCABULARY = 16 };

static const char object_magic[] = "toy object\n";

/* tokens i32[T], table f32[WIDTH, VOCABULARY] -> x f32[T, WIDTH] */
static void embed(const KernelCall *c, int64_t begin, int64_t end,
                  void *scratch)
{
    const int32_t *tokens = c->arg[0];
    const float *table = c->arg[1];
    float *x = c->arg[2];
    (void)scratch;
    for (int64_t t = begin; t < end; t++)
        for (int i = 0; i < WIDTH; i++)
            x[t * WIDTH + i] = table[tokens[t] * WIDTH + i];
}

/* x, rows (per token) -> stores x behind the rows that are there */
static void append(const KernelCall *c, int64_t begin, int64_t end,
                   void *scratch)
{
    const float *x = c->arg[0];
    float *rows = c->arg[1];
    (void)scratch;
    for (int64_t t = begin; t < end; t++)
        memcpy(rows + (c->past + t) * WIDTH, x + t * WIDTH,
               WIDTH * sizeof(float));
}

/* rows, sum f32[WIDTH] (fixed) -> y[t] = running sum + mean of all rows so far,
 * a channel an item; the thread's scratch holds the mean. */
static void mix(const KernelCall *c, int64_t begin, int64_t end, void *scratch)
{
    const float *rows = c->arg[0];
    float *sum = c->arg[1], *y = c->arg[2], *mean = scratch;
    for (int64_t i = begin; i < end; i++)
        for (int64_t t = 0; t < c->tokens; t++) {
            *mean = 0;
            for (int64_t s = 0; s <= c->past + t; s++)
                *mean += rows[s * WIDTH + i];
            *mean /= (float)(c->past + t + 1);
            sum[i] += rows[(c->past + t) * WIDTH + i];
            y[t * WIDTH + i] = sum[i] + *mean;
        }
}

/* y, table, outputs i32[R] -> logits f32[R, VOCABULARY] */
static void head(const KernelCall *c, int64_t begin, int64_t end, void *scratch)
{
    const float *y = c->arg[0], *table = c->arg[1];
    const int32_t *outputs = c->arg[2];
    float *logits = c->arg[3];
    (void)scratch;
    for (int64_t r = begin; r < end; r++)
        for (int v = 0; v < VOCABULARY; v++) {
            float dot = 0;
            for (int i = 0; i < WIDTH; i++)
                dot += y[outputs[r] * WIDTH + i] * table[v * WIDTH + i];
            logits[r * VOCABULARY + v] = dot;
        }
}

/* hidden f32[T, WIDTH], x -> hidden + x */
static void add(const KernelCall *c, int64_t begin, int64_t end, void *scratch)
{
    const float *a = c->arg[0], *b = c->arg[1];
    float *sum = c->arg[2];
    (void)scratch;
    for (int64_t i = begin * WIDTH; i < end * WIDTH; i++)
        sum[i] = a[i] + b[i];
}

static const struct {
    const char *name;
    KernelFn *fn;
    KernelInfo info;
} kernels[] = {
    {"embed", embed, {1, SYM_T, 0, 0, 0}},
    {"append", append, {1, SYM_T, 0, 0, 0}},
    {"mix", mix, {WIDTH, SYM_ONE, sizeof(float), 0, 0}},
    {"head", head, {1, SYM_R, 0, 0, 0}},
    {"add", add, {1, SYM_T, 0, 0, 0}},
};
static const KernelInfo wrong_info = {-1, SYM_T, 0, 0, 0};

struct HostModule {
    char *text;
};

static Err *toy_compile(const char *text, const char *cpu, Buf *object, Buf *ir)
{
    (void)cpu;
    (void)ir;
    if (strstr(text, "fault:compile"))
        return err_new(ERR_DEVICE, "the toy compiler was told to fail");
    buf_puts(object, object_magic);
    buf_puts(object, text);
    return NULL;
}

static const char *toy_cpu(void) { return "toy-cpu"; }

static Err *toy_load(const void *object, size_t n, HostModule **out)
{
    size_t head_bytes = sizeof object_magic - 1;
    *out = NULL;
    if (n < head_bytes || memcmp(object, object_magic, head_bytes) != 0)
        return err_new(ERR_DEVICE, "not a toy object");
    HostModule *m = calloc(1, sizeof *m);
    if (!m || !(m->text = calloc(1, n + 1)))
        abort();
    memcpy(m->text, object, n);
    if (!strstr(m->text, "fault:load")) {
        *out = m;
        return NULL;
    }
    free(m->text);
    free(m);
    return err_new(ERR_DEVICE, "the toy loader was told to fail");
}

/* True if "func NAME" stands in the module. */
static bool defines(const HostModule *m, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "func %s\n", name);
    return strstr(m->text, line) != NULL;
}

static void *toy_symbol(HostModule *m, const char *name)
{
    char base[64];
    snprintf(base, sizeof base, "%.*s", (int)strcspn(name, "."), name);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        void *p;
        if (strcmp(kernels[i].name, base) != 0 || !defines(m, base))
            continue;
        if (strchr(name, '.'))
            return strstr(m->text, "fault:info")
                       ? (void *)(uintptr_t)&wrong_info
                       : (void *)(uintptr_t)&kernels[i].info;
        memcpy(&p, &kernels[i].fn, sizeof p);
        return p;
    }
    return NULL;
}

static void toy_unload(HostModule *m)
{
    free(m->text);
    free(m);
}

extern const HostProvider sextet_host_provider;
__attribute__((visibility("default")))
const HostProvider sextet_host_provider = {
    .abi = HOST_PROVIDER_ABI,
    .version = "toy 1",
    .compile = toy_compile,
    .native_cpu = toy_cpu,
    .load = toy_load,
    .symbol = toy_symbol,
    .unload = toy_unload,
};
