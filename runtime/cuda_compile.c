#include "runtime/cuda_compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

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

/* version: of the compiler that makes, or made, the code. */
static CacheKey unit_key(const CudaSource *unit, const char *version,
                         const char *headers, const NvrtcTarget *target)
{
    const char *part[4 + NVRTC_OPTIONS] = {"cuda 1", version, headers,
                                           unit->source};
    char arch[40];
    nvrtc_options(target, arch, part + 4);
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

/* ---- binaries */

static void look_up(const CudaCode *c, const char *version, ModuleCache *cache,
                    CudaBinary *b)
{
    char headers[2 * SHA256_BYTES + 1];
    headers_key(c, headers);
    for (int i = 0; i < c->n_units; i++) {
        b->key[i] = unit_key(&c->unit[i], version, headers, &b->target);
        b->hit[i] = cache_get(cache, &b->key[i], &b->unit[i]);
        b->cached += b->hit[i];
    }
}

static void say_newer(const Nvrtc *n, int arch, const NvrtcTarget *t)
{
    if (t->ptx)
        log_warning("this card is sm_%d, newer than NVRTC %d.%d knows: using "
                    "%s, which the driver compiles (slower to start, and "
                    "perhaps to run; a newer NVRTC would help)",
                    arch, n->major, n->minor, t->name);
}

/* no_nvrtc: NULL if there is one. */
static Err *check_found(const CudaBinary *b, const Err *no_nvrtc)
{
    if (!no_nvrtc)
        return NULL;
    if (b->cached < b->n_units)
        return err_new(ERR_DEVICE, "%s; the cache holds %d of %d units",
                       err_text(no_nvrtc), b->cached, b->n_units);
    log_info("cuda", "no NVRTC here; all %d units were cached", b->n_units);
    return NULL;
}

Err *cuda_binary_new(const CudaCode *c, int arch, int driver,
                     ModuleCache *cache, CudaBinary *out)
{
    Remembered r = {0};
    const Nvrtc *nvrtc;
    *out = (CudaBinary){.n_units = c->n_units,
                        .unit = memory_array(c->n_units, sizeof *out->unit),
                        .key = memory_array(c->n_units, sizeof *out->key),
                        .hit = memory_array(c->n_units, sizeof *out->hit)};
    Err *missing = nvrtc_open(driver, &nvrtc);
    if (nvrtc)
        r = remember(nvrtc, arch, cache);
    else if (!recall(arch, cache, &r))
        return missing;
    out->target = r.target;
    if (nvrtc)
        say_newer(nvrtc, arch, &out->target);
    look_up(c, r.version, cache, out);
    Err *e = check_found(out, missing);
    err_free(missing);
    return e;
}

void cuda_binary_keep(const CudaBinary *b, ModuleCache *cache)
{
    for (int i = 0; i < b->n_units; i++)
        if (!b->hit[i] && b->unit[i].n)
            cache_put(cache, &b->key[i], b->unit[i].data, b->unit[i].n);
}

Err *cuda_compile_again(const CudaCode *c, int unit, int driver,
                        ModuleCache *cache, CudaBinary *b)
{
    const Nvrtc *n;
    Buf *code = &b->unit[unit];
    TRY(nvrtc_open(driver, &n));
    buf_clear(code);
    TRY(nvrtc_compile(n, c, unit, &b->target, code));
    b->hit[unit] = false;
    cache_put(cache, &b->key[unit], code->data, code->n);
    return NULL;
}

void cuda_binary_free(CudaBinary *b)
{
    for (int i = 0; i < b->n_units && b->unit; i++)
        buf_free(&b->unit[i]);
    free(b->unit);
    free(b->key);
    free(b->hit);
    *b = (CudaBinary){0};
}
