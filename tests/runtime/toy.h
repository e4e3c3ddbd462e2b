/* toy.h - a whole model for tests of the executor, without a compiler: plan
 * text for module_toy.c, a weight file, and what the result must be. */
#ifndef TESTS_RUNTIME_TOY_H
#define TESTS_RUNTIME_TOY_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "runtime/exec.h"
#include "runtime/provider.h"
#include "runtime/session.h"

enum {
    TOY_WIDTH = 8,
    TOY_VOCABULARY = 16,
    TOY_CONTEXT = 40,
    TOY_BATCH = 6,
    TOY_OUTPUTS = 3
};

/* Two devices: embed and state on the first, the head on the second. */
static const char toy_plan[] =
    "sextet-plan 1\n"
    "model \"toy\"\n"
    "context 40\n"
    "batch 6\n"
    "outputs 3\n"
    "d0 \"host:0\" \"host\" capacity 0 reserve 0 bandwidth 0 "
    "weights 512 states 1344 scratch 1024\n"
    "d1 \"host:1\" \"host\" capacity 0 reserve 0 bandwidth 0 "
    "weights 512 states 0 scratch 1024\n"
    "w0 \"table\" f32 [8, 16] embedding d0 at 0 bytes 512\n"
    "w1 \"table\" f32 [8, 16] head d1 at 0 bytes 512\n"
    "s0 \"rows\" per_token f32 8 d0 at 0 bytes 1280\n"
    "s1 \"sum\" fixed f32 8 d0 at 1280 bytes 32\n"
    "b0 \"tokens\" i32 [T] d0 at 0 bytes 24\n"
    "b1 \"x\" f32 [T, 8] d0 at 64 bytes 192\n"
    "b2 \"y\" f32 [T, 8] d0 at 256 bytes 192\n"
    "b3 \"hidden\" f32 [T, 8] d0 at 448 bytes 192\n"
    "b4 \"y\" f32 [T, 8] d1 at 0 bytes 192\n"
    "b5 \"outputs\" i32 [R] d1 at 192 bytes 12\n"
    "b6 \"logits\" f32 [R, 16] d1 at 256 bytes 192\n"
    "k0 \"embed\"\n| func embed\n"
    "k1 \"append\"\n| func append\n"
    "k2 \"mix\"\n| func mix\n"
    "k3 \"head\"\n| func head\n"
    "k4 \"add\"\n| func add\n"
    "program \"main\"\n"
    "input \"tokens\" b0\n"
    "input \"outputs\" b5\n"
    "output \"logits\" b6\n"
    "output \"hidden\" b2\n"
    "tap \"x[0]\" b1\n"
    "launch k0 on d0 (b0, w0, b1) \"x\"\n"
    "launch k1 on d0 (b1, s0) \"rows\"\n"
    "launch k2 on d0 (s0, s1, b2) \"y\"\n"
    "copy on d1 (b2, b4) \"y\"\n"
    "launch k3 on d1 (b4, w1, b5, b6) \"logits\"\n"
    "program \"draft\"\n"
    "input \"tokens\" b0\n"
    "input \"hidden\" b3\n"
    "output \"hidden\" b2\n"
    "launch k0 on d0 (b0, w0, b1) \"x\"\n"
    "launch k4 on d0 (b3, b1, b2) \"sum\"\n";

static inline void toy_ok(Err *e) { cr_assert(!e, "%s", e ? err_text(e) : ""); }

static inline float toy_weight(int64_t i)
{
    return (float)((i * 37 + 11) % 23 - 11) / 8;
}

static inline Plan *toy_parse(const char *text)
{
    Plan *p = NULL;
    toy_ok(plan_parse(text, &p));
    toy_ok(plan_verify(p));
    return p;
}

static inline void toy_u32(Buf *b, uint32_t v) { buf_add(b, &v, 4); }
static inline void toy_u64(Buf *b, uint64_t v) { buf_add(b, &v, 8); }
static inline void toy_string(Buf *b, const char *s)
{
    toy_u64(b, strlen(s));
    buf_puts(b, s);
}

/* A GGUF file with one float32 tensor [width, vocabulary]. */
static inline void toy_file(const char *path, const char *tensor, int64_t width)
{
    Buf b = {0};
    buf_puts(&b, "GGUF");
    toy_u32(&b, 3);
    toy_u64(&b, 1);
    toy_u64(&b, 1);
    toy_string(&b, "general.architecture");
    toy_u32(&b, 8);
    toy_string(&b, "toy");
    toy_string(&b, tensor);
    toy_u32(&b, 2);
    toy_u64(&b, (uint64_t)width);
    toy_u64(&b, TOY_VOCABULARY);
    toy_u32(&b, 0);
    toy_u64(&b, 0);
    while (b.n % 32)
        buf_add(&b, "", 1);
    for (int64_t i = 0; i < width * TOY_VOCABULARY; i++) {
        float v = toy_weight(i);
        buf_add(&b, &v, 4);
    }
    toy_ok(file_write(path, b.data, b.n));
    buf_free(&b);
}

/* ---- what must come out, token by token */

typedef struct {
    float x[TOY_CONTEXT][TOY_WIDTH], y[TOY_CONTEXT][TOY_WIDTH];
    float logits[TOY_CONTEXT][TOY_VOCABULARY];
} ToyWant;

static inline ToyWant *toy_want(const int32_t *tokens, int n)
{
    ToyWant *w = calloc(1, sizeof *w);
    for (int t = 0; t < n; t++) {
        for (int i = 0; i < TOY_WIDTH; i++) {
            float sum = 0, mean = 0;
            w->x[t][i] = toy_weight(tokens[t] * TOY_WIDTH + i);
            for (int s = 0; s <= t; s++) {
                sum += w->x[s][i];
                mean += w->x[s][i];
            }
            w->y[t][i] = sum + mean / (float)(t + 1);
        }
        for (int v = 0; v < TOY_VOCABULARY; v++)
            for (int i = 0; i < TOY_WIDTH; i++)
                w->logits[t][v] += w->y[t][i] * toy_weight(v * TOY_WIDTH + i);
    }
    return w;
}

/* ---- everything that a session needs */

typedef struct {
    char dir[64];
    Buf file, cache_dir;
    Plan *plan;
    Gguf *gguf;
    Pool *pool;
    ModuleCache *cache;
    KernelSet *kernels;
    Executor *executor;
    Session *session;
} Toy;

static inline Err *toy_open_all(Toy *t)
{
    const HostProvider *provider;
    TRY(provider_open(BUILD_DIR "/module_toy.so", &provider));
    TRY(kernel_set_new(t->plan, provider, "native", t->cache, t->pool,
                       &t->kernels));
    ExecSpec spec = {.plan = t->plan,
                     .file = t->gguf,
                     .kernels = t->kernels,
                     .pool = t->pool};
    TRY(exec_open(&spec, &t->executor));
    t->session = session_new(t->executor);
    return NULL;
}

/* Opens the plan on a file written for it; returns what opening said. */
static inline Err *toy_open(Toy *t, const char *plan, int threads)
{
    *t = (Toy){.dir = "/tmp/sextet-toy-XXXXXX"};
    cr_assert(mkdtemp(t->dir));
    buf_printf(&t->file, "%s/toy.gguf", t->dir);
    buf_printf(&t->cache_dir, "%s/cache", t->dir);
    toy_file(t->file.data, "table", TOY_WIDTH);
    t->plan = toy_parse(plan);
    toy_ok(pool_new(threads, &t->pool));
    toy_ok(gguf_open(t->file.data, &t->gguf));
    t->cache = cache_open(t->cache_dir.data, 1 << 20);
    return toy_open_all(t);
}

static inline void toy_close(Toy *t)
{
    char command[128];
    session_free(t->session);
    kernel_set_free(t->kernels);
    cache_close(t->cache);
    gguf_close(t->gguf);
    pool_free(t->pool);
    plan_free(t->plan);
    buf_free(&t->file);
    buf_free(&t->cache_dir);
    snprintf(command, sizeof command, "rm -rf '%s'", t->dir);
    cr_expect_eq(system(command), 0);
}

#endif
