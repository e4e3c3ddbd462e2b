#include "runtime/cuda_compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

typedef struct {
    const CudaCode *code;
    const Nvrtc *nvrtc; /* NULL: there is none */
    const char *version; /* of the one that makes, or made, the code */
    CudaBinary *out;
    CacheKey *key; /* by unit */
    bool *hit;
    Err **error;
    int *order; /* units: those that take longest first */
} Work;

/* ---- keys: everything that the code depends on */

/* All headers count for every unit: an edit compiles everything again. */
static void headers_key(const CudaCode *c, char hex[2 * SHA256_BYTES + 1])
{
    size_t n = 2 * (size_t)c->n_headers;
    const char **part = memory_array((int)n, sizeof *part);
    for (int i = 0; i < c->n_headers; i++) {
        part[2 * i] = c->header[i].name;
        part[2 * i + 1] = c->header[i].source;
    }
    CacheKey k = cache_key(part, (int)n);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", k.hash[i]);
    free(part);
}

static CacheKey unit_key(const Work *w, const char *headers, int unit)
{
    const char *part[4 + NVRTC_OPTIONS] = {"cuda 1", w->version, headers,
                                           w->code->unit[unit].source};
    char arch[40];
    nvrtc_options(&w->out->target, arch, part + 4);
    return cache_key(part, 4 + NVRTC_OPTIONS);
}

/* Where the cache remembers the version, and the target it chose. */
static CacheKey version_key(int arch)
{
    char name[32];
    snprintf(name, sizeof name, "nvrtc for sm_%d", arch);
    return cache_key(&(const char *){name}, 1);
}

typedef struct {
    char version[16];
    NvrtcTarget target;
} Remembered;

static Remembered remember(const Nvrtc *n, int arch, ModuleCache *cache)
{
    Remembered r, old;
    CacheKey key = version_key(arch);
    Buf b = {0};
    memset(&r, 0, sizeof r); /* the padding, too: it is written out */
    snprintf(r.version, sizeof r.version, "%d.%d", n->major, n->minor);
    NvrtcTarget t = nvrtc_target(n, arch);
    memcpy(r.target.name, t.name, strlen(t.name) + 1);
    r.target.ptx = t.ptx;
    bool same = cache_get(cache, &key, &b) && b.n == sizeof old &&
                memcmp(b.data, &r, sizeof r) == 0;
    if (!same)
        cache_put(cache, &key, &r, sizeof r);
    buf_free(&b);
    return r;
}

static bool recall(int arch, ModuleCache *cache, Remembered *r)
{
    CacheKey key = version_key(arch);
    Buf b = {0};
    bool there = cache_get(cache, &key, &b) && b.n == sizeof *r;
    if (there)
        memcpy(r, b.data, sizeof *r);
    r->version[sizeof r->version - 1] = '\0';
    r->target.name[sizeof r->target.name - 1] = '\0';
    buf_free(&b);
    return there;
}

/* ---- compiling */

static void compile_units(void *ctx, int64_t begin, int64_t end, int thread)
{
    Work *w = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        int u = w->order[i];
        if (!w->hit[u])
            w->error[u] = nvrtc_compile(w->nvrtc, w->code, u, &w->out->target,
                                        &w->out->unit[u]);
    }
}

/* A unit's text is a fair guess of the time it takes: long ones first, so that
 * no thread is left with one at the end. */
static void order_units(Work *w)
{
    const CudaSource *unit = w->code->unit;
    for (int i = 0; i < w->code->n_units; i++) {
        size_t n = strlen(unit[i].source);
        int at = i;
        for (; at && strlen(unit[w->order[at - 1]].source) < n; at--)
            w->order[at] = w->order[at - 1];
        w->order[at] = i;
    }
}

/* The first error; the others are dropped. */
static Err *first_error(Work *w)
{
    Err *first = NULL;
    for (int i = 0; i < w->code->n_units; i++) {
        if (first)
            err_free(w->error[i]);
        else
            first = w->error[i];
    }
    return first;
}

static void look_up(Work *w, ModuleCache *cache)
{
    char headers[2 * SHA256_BYTES + 1];
    headers_key(w->code, headers);
    for (int i = 0; i < w->code->n_units; i++) {
        w->key[i] = unit_key(w, headers, i);
        w->hit[i] = cache_get(cache, &w->key[i], &w->out->unit[i]);
        w->out->cached += w->hit[i];
    }
}

static Err *make_missing(Work *w, ModuleCache *cache, Pool *pool)
{
    if (w->out->cached == w->code->n_units)
        return NULL;
    order_units(w);
    pool_run(pool, compile_units, w, w->code->n_units);
    TRY(first_error(w));
    for (int i = 0; i < w->code->n_units; i++)
        if (!w->hit[i])
            cache_put(cache, &w->key[i], w->out->unit[i].data,
                      w->out->unit[i].n);
    return NULL;
}

static Err *get_units(Work *w, ModuleCache *cache, Pool *pool, Err *no_nvrtc)
{
    int n = w->code->n_units;
    w->key = memory_array(n, sizeof *w->key);
    w->hit = memory_array(n, sizeof *w->hit);
    w->error = memory_array(n, sizeof *w->error);
    w->order = memory_array(n, sizeof *w->order);
    look_up(w, cache);
    Err *e = NULL;
    if (w->nvrtc)
        e = make_missing(w, cache, pool);
    else if (w->out->cached < n)
        e = err_new(ERR_DEVICE, "%s; the cache holds %d of %d units",
                    err_text(no_nvrtc), w->out->cached, n);
    else
        log_info("cuda", "no NVRTC here; all %d units were cached", n);
    free(w->key);
    free(w->hit);
    free(w->error);
    free(w->order);
    return e;
}

static void say_newer(const Nvrtc *n, int arch, const NvrtcTarget *t)
{
    if (t->ptx)
        log_warning("this card is sm_%d, newer than NVRTC %d.%d knows: using "
                    "%s, which the driver compiles (slower to start, and "
                    "perhaps to run; a newer NVRTC would help)",
                    arch, n->major, n->minor, t->name);
}

Err *cuda_compile(const CudaCode *c, int arch, int driver, ModuleCache *cache,
                  Pool *pool, CudaBinary *out)
{
    Remembered r = {0};
    Work w = {.code = c, .out = out};
    *out = (CudaBinary){.n_units = c->n_units,
                        .unit = memory_array(c->n_units, sizeof *out->unit)};
    Err *missing = nvrtc_open(driver, &w.nvrtc);
    if (w.nvrtc)
        r = remember(w.nvrtc, arch, cache);
    else if (!recall(arch, cache, &r))
        return missing;
    out->target = r.target;
    w.version = r.version;
    if (w.nvrtc)
        say_newer(w.nvrtc, arch, &out->target);
    Err *e = get_units(&w, cache, pool, missing);
    err_free(missing);
    return e;
}

Err *cuda_compile_again(const CudaCode *c, int unit, int driver, CudaBinary *b)
{
    const Nvrtc *n;
    TRY(nvrtc_open(driver, &n));
    buf_clear(&b->unit[unit]);
    return nvrtc_compile(n, c, unit, &b->target, &b->unit[unit]);
}

void cuda_binary_free(CudaBinary *b)
{
    for (int i = 0; i < b->n_units && b->unit; i++)
        buf_free(&b->unit[i]);
    free(b->unit);
    *b = (CudaBinary){0};
}
