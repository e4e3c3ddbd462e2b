#include "runtime/cli/check_kernels.h"

#include <stdio.h>
#include <string.h>

#include "runtime/cli/check_card.h"
#include "runtime/cli/kernel_sample.h"

/* What has been found, in all and of the class at work. */
typedef struct {
    int checks, failed;
    double worst; /* error, of its limit */
    bool quiet;
} Found;

static void verdict(void *ctx, const KernelVerdict *v)
{
    Found *f = ctx;
    f->checks++;
    if (v->passed) {
        double part = v->limit > 0 ? v->error / v->limit : 0;
        f->worst = part > f->worst ? part : f->worst;
        return;
    }
    f->failed++;
    if (f->quiet)
        return;
    if (v->fault)
        printf("  %s, %s, %s: %s\n", v->check, v->step, v->value, v->fault);
    else
        printf("  %s, %s, %s: error %.3g, limit %.3g, an element is off by "
               "%.3g RMS\n",
               v->check, v->step, v->value, v->error, v->limit, v->worst);
}

static void add_found(const Found *f, const char *class, Found *all)
{
    if (!f->quiet)
        printf("%-9s %4d values compared, %d wrong; the worst error is %.2g of "
               "its limit\n",
               class, f->checks, f->failed, f->worst);
    fflush(stdout);
    all->checks += f->checks;
    all->failed += f->failed;
}

static Err *check_class(const KernelMachine *m, int class, bool quiet,
                        Found *all)
{
    Found f = {.quiet = quiet};
    TRY(kernel_check(m, kernel_cases[class], (KernelReport){&f, verdict}));
    add_found(&f, kernel_class_name[class], all);
    return NULL;
}

static Err *check_sample(const KernelMachine *m, bool quiet, Found *all)
{
    Found f = {.quiet = quiet};
    TRY(kernel_check_sample(m, (KernelReport){&f, verdict}));
    add_found(&f, "sample", all);
    return NULL;
}

static Err *check_classes(const KernelMachine *m, const Options *o)
{
    Found all = {0};
    for (int i = 0; i < KERNEL_CLASS_COUNT; i++)
        if (strcmp(o->kernels, "all") == 0 ||
            strcmp(o->kernels, kernel_class_name[i]) == 0)
            TRY(check_class(m, i, o->quiet || o->json, &all));
    if (strcmp(o->kernels, "all") == 0 || strcmp(o->kernels, "sample") == 0)
        TRY(check_sample(m, o->quiet || o->json, &all));
    if (o->json)
        printf("{\"compared\": %d, \"wrong\": %d}\n", all.checks, all.failed);
    return all.failed ? err_new(ERR_DEVICE, "%d of %d values are wrong",
                                all.failed, all.checks)
                      : NULL;
}

Err *check_kernels(const Options *o)
{
    Err *e = NULL;
    CheckCard *card = NULL;
    Pool *pool = NULL;
    ModuleCache *cache = cache_open(o->cache_dir, o->cache_size);
    int64_t threads = o->threads ? o->threads : pool_cpus();
    DO(pool_new((int)(threads < POOL_MAX_THREADS ? threads : POOL_MAX_THREADS),
                &pool));
    DO(check_card_open(0, cache, pool, &card));
    if (!o->quiet && !o->json)
        printf("cuda:0: %s\n", check_card_name(card));
    KernelMachine m = check_card_machine(card);
    DO(check_classes(&m, o));
out:
    check_card_close(card);
    pool_free(pool);
    cache_close(cache);
    return e;
}
