#include "runtime/kernel_set.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum { MAX_GROUPS = 16, MIN_GROUP_BYTES = 4096 };
/* A kernel that asks for more scratch a thread, or to share, is broken. */
static const int64_t max_scratch = INT64_C(1) << 30;

typedef struct {
    Buf text, object;
    CacheKey key;
    bool cached;
    HostModule *module;
    Err *e;
} Group;

struct KernelSet {
    const Plan *plan;
    const HostProvider *provider;
    const char *cpu;
    int n_groups;
    Group group[MAX_GROUPS];
    int *group_of; /* by kernel */
    Kernel *kernel;
    KernelRoom room;
    KernelStats stats;
};

/* ---- grouping: neighbours together, about the same amount of text each */

static size_t text_bytes(const Plan *p)
{
    size_t n = 0;
    for (int i = 0; i < p->n_kernels; i++)
        n += strlen(p->kernel[i].text);
    return n;
}

static void make_groups(KernelSet *s)
{
    const Plan *p = s->plan;
    size_t each = text_bytes(p) / MAX_GROUPS + 1, done = 0, last = SIZE_MAX;
    each = each < MIN_GROUP_BYTES ? MIN_GROUP_BYTES : each;
    for (int i = 0; i < p->n_kernels; i++) {
        size_t share = done / each; /* below MAX_GROUPS */
        s->n_groups += share != last;
        last = share;
        s->group_of[i] = s->n_groups - 1;
        Group *g = &s->group[s->n_groups - 1];
        if (g->text.n == 0)
            buf_puts(&g->text, "module kernels\n");
        buf_puts(&g->text, p->kernel[i].text);
        buf_puts(&g->text, "\n");
        done += strlen(p->kernel[i].text);
    }
}

/* "native" stands for what this machine has: name that. */
static const char *cpu_name(const KernelSet *s)
{
    return strcmp(s->cpu, "native") == 0 ? s->provider->native_cpu() : s->cpu;
}

static CacheKey group_key(const KernelSet *s, const Group *g)
{
    char abi[32];
    snprintf(abi, sizeof abi, "host provider %d", HOST_PROVIDER_ABI);
    const char *part[] = {abi, s->provider->version, cpu_name(s), g->text.data};
    return cache_key(part, 4);
}

/* ---- compiling */

static void compile_groups(void *ctx, int64_t begin, int64_t end, int thread)
{
    KernelSet *s = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        Group *g = &s->group[i];
        if (!g->cached)
            g->e = s->provider->compile(g->text.data, s->cpu, &g->object, NULL);
    }
}

/* The first error; the others are dropped. */
static Err *first_error(KernelSet *s)
{
    Err *first = NULL;
    for (int i = 0; i < s->n_groups; i++) {
        Err *e = s->group[i].e;
        s->group[i].e = NULL;
        if (first)
            err_free(e);
        else
            first = e;
    }
    return first;
}

static Err *make_objects(KernelSet *s, ModuleCache *cache, Pool *pool)
{
    double start = clock_seconds();
    for (int i = 0; i < s->n_groups; i++) {
        Group *g = &s->group[i];
        g->key = group_key(s, g);
        g->cached = cache_get(cache, &g->key, &g->object);
        s->stats.cached += g->cached;
    }
    pool_run(pool, compile_groups, s, s->n_groups);
    TRY(first_error(s));
    for (int i = 0; i < s->n_groups; i++) {
        Group *g = &s->group[i];
        s->stats.bytes += (int64_t)g->object.n;
        if (!g->cached)
            cache_put(cache, &g->key, g->object.data, g->object.n);
    }
    s->stats.groups = s->n_groups;
    s->stats.compile_s = clock_seconds() - start;
    return NULL;
}

/* ---- loading */

static Err *load_group(KernelSet *s, Group *g)
{
    Err *e = s->provider->load(g->object.data, g->object.n, &g->module);
    if (!e || !g->cached)
        return e;
    /* Sound on disk but not to the loader: make it anew. */
    log_warning("a cached kernel does not load (%s): compiling again",
                err_text(e));
    err_free(e);
    buf_clear(&g->object);
    TRY(s->provider->compile(g->text.data, s->cpu, &g->object, NULL));
    return s->provider->load(g->object.data, g->object.n, &g->module);
}

static bool is_room(int64_t n) { return n >= 0 && n <= max_scratch; }

static Err *check_info(const char *name, const KernelInfo *info)
{
    if (info->items_k < 0 || info->items_sym < 0 ||
        info->items_sym >= SYM_COUNT || !is_room(info->scratch) ||
        !is_room(info->shared) || !is_room(info->counters))
        return err_new(ERR_DEVICE, "kernel '%s' describes itself wrongly",
                       name);
    return NULL;
}

static void grow(int64_t *room, int64_t n) { *room = n > *room ? n : *room; }

static Err *resolve(KernelSet *s, int i)
{
    const char *name = s->plan->kernel[i].name;
    HostModule *m = s->group[s->group_of[i]].module;
    char info_name[300];
    snprintf(info_name, sizeof info_name, "%s.info", name);
    void *fn = s->provider->symbol(m, name);
    const KernelInfo *info = s->provider->symbol(m, info_name);
    if (!fn || !info)
        return err_new(ERR_DEVICE, "the compiled module lacks kernel '%s'",
                       name);
    TRY(check_info(name, info));
    /* ISO C has no cast from data to function pointers; POSIX promises that
     * their representations agree. */
    memcpy(&s->kernel[i].fn, &fn, sizeof fn);
    s->kernel[i].info = *info;
    grow(&s->room.scratch, info->scratch);
    grow(&s->room.shared, info->shared);
    grow(&s->room.counters, info->counters);
    return NULL;
}

static Err *load_all(KernelSet *s)
{
    double start = clock_seconds();
    for (int i = 0; i < s->n_groups; i++)
        TRY(load_group(s, &s->group[i]));
    for (int i = 0; i < s->plan->n_kernels; i++)
        TRY(resolve(s, i));
    s->stats.load_s = clock_seconds() - start;
    return NULL;
}

/* ---- making and ending */

Err *kernel_set_new(const Plan *plan, const HostProvider *provider,
                    const char *cpu, ModuleCache *cache, Pool *pool,
                    KernelSet **out)
{
    Err *e = NULL;
    KernelSet *s = memory_array(1, sizeof *s);
    *s = (KernelSet){.plan = plan, .provider = provider, .cpu = cpu};
    s->group_of = memory_array(plan->n_kernels, sizeof *s->group_of);
    s->kernel = memory_array(plan->n_kernels, sizeof *s->kernel);
    *out = NULL;
    make_groups(s);
    DO(make_objects(s, cache, pool));
    DO(load_all(s));
    for (int i = 0; i < s->n_groups; i++) {
        buf_free(&s->group[i].text);
        buf_free(&s->group[i].object);
    }
    *out = s;
    return NULL;
out:
    kernel_set_free(s);
    return e;
}

void kernel_set_free(KernelSet *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_groups; i++) {
        Group *g = &s->group[i];
        if (g->module)
            s->provider->unload(g->module);
        buf_free(&g->text);
        buf_free(&g->object);
    }
    free(s->group_of);
    free(s->kernel);
    free(s);
}

const Kernel *kernel_set_get(const KernelSet *s, int i)
{
    return &s->kernel[i];
}

KernelRoom kernel_set_room(const KernelSet *s) { return s->room; }

KernelStats kernel_set_stats(const KernelSet *s) { return s->stats; }
