#include "runtime/cli/load.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "gen/cuda/cuda.h"
#include "runtime/cli/cuda_files.h"
#include "runtime/cli/devices.h"
#include "runtime/cli/dump_code.h"
#include "runtime/cli/interp_executor.h"
#include "runtime/cli/plan_check.h"
#include "runtime/cli/print.h"
#include "runtime/cli/request.h"
#include "runtime/nvrtc.h"
#include "runtime/provider.h"

/* A plan of the largest model is some MiB of text. */
static const size_t plan_text_limit = (size_t)256 << 20;

int64_t load_peak_memory(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (int64_t)u.ru_maxrss * 1024;
}

/* Returns the seconds since *mark and sets it to now. */
static double lap(double *mark)
{
    double now = clock_seconds(), took = now - *mark;
    *mark = now;
    return took;
}

/* ---- the file */

static Err *open_tokenizer(const Options *o, Loaded *l)
{
    TokenizerOptions how = {.nfc = NFC_DEFAULT};
    if (o->given[OPT_nfc])
        how.nfc = strcmp(o->nfc, "on") == 0 ? NFC_ON : NFC_OFF;
    return tokenizer_new(gguf_info(l->file), &how, &l->tokenizer);
}

Err *load_file(const Options *o, const char *path, bool tokenizer, Loaded *out)
{
    double mark = clock_seconds();
    *out = (Loaded){.arena = arena_new()};
    Err *e = gguf_open(path, &out->file);
    out->times.header = lap(&mark);
    if (!e && tokenizer)
        e = open_tokenizer(o, out);
    out->times.tokenizer = lap(&mark);
    if (e)
        load_close(out);
    return e;
}

/* ---- the plan */

static Err *read_plan(const Options *o, Loaded *l)
{
    char *text;
    size_t n;
    Arena *a = arena_new();
    Err *e = file_read(a, o->plan, plan_text_limit, &text, &n);
    if (!e && strlen(text) != n)
        e = err_new(ERR_INPUT, "the plan holds a NUL byte");
    if (!e)
        e = plan_parse(text, &l->plan);
    arena_free(a);
    return e ? err_note(e, "%.200s", o->plan) : NULL;
}

static Err *make_request(const Options *o, const LoadWish *w, Loaded *l,
                         CompileRequest *r)
{
    Options mine = *o;
    if (!o->given[OPT_context] && w->context)
        mine.context = w->context;
    if (strcmp(o->devices, "interp") == 0)
        mine.devices = "host";
    TRY(request_make(l->arena, &mine, gguf_info(l->file), w->outputs, r));
    r->settings.taps = w->taps;
    return NULL;
}

static Err *make_plan(const Options *o, const LoadWish *w, Loaded *l)
{
    CompileRequest r;
    if (o->plan) {
        TRY(read_plan(o, l));
    } else {
        TRY(make_request(o, w, l, &r));
        TRY(compile_to_fit(&r, &l->plan));
        TRY(compile_check(l->plan));
    }
    TRY(plan_verify(l->plan));
    return plan_check_kernels(l->plan);
}

/* ---- the executor */

/* A line that counts up, on a terminal and for those who wait. */
typedef struct {
    double start; /* clock_seconds() */
    int percent;  /* shown last, -1: nothing yet */
} Progress;

static void show_progress(void *ctx, int64_t done, int64_t total)
{
    static const double patience = 0.5; /* seconds */
    Progress *p = ctx;
    char a[PRINT_BYTES_MAX], b[PRINT_BYTES_MAX];
    int percent = (int)(total ? done * 100 / total : 100);
    if (percent == p->percent ||
        (p->percent < 0 && clock_seconds() - p->start < patience))
        return;
    p->percent = percent;
    if (done == total)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\rloading %s of %s ", print_bytes(done, a),
                print_bytes(total, b));
}

static Err *open_executor(const Options *o, Loaded *l)
{
    Progress progress = {clock_seconds(), -1};
    bool show = !o->quiet && isatty(STDERR_FILENO);
    ExecSpec spec = {.plan = l->plan,
                     .file = l->file,
                     .kernels = l->kernels,
                     .cuda = l->cuda,
                     .pool = l->pool,
                     .progress = show ? show_progress : NULL,
                     .progress_ctx = &progress,
                     .poison = o->poison};
    return exec_open(&spec, &l->executor);
}

static Err *make_host_kernels(const Options *o, Loaded *l)
{
    const HostProvider *provider;
    TRY(provider_open(o->provider, &provider));
    if (o->dump)
        TRY(dump_code(provider, l->plan, o->cpu, o->dump));
    TRY(kernel_set_new(l->plan, provider, o->cpu, l->cache, l->pool,
                       &l->kernels));
    KernelStats s = kernel_set_stats(l->kernels);
    log_info("load", "%d kernels in %d objects, %d of them cached, %lld bytes",
             l->plan->n_kernels, s.groups, s.cached, (long long)s.bytes);
    return NULL;
}

/* The source is written for the first card's architecture. */
static Err *dump_source(const Options *o, const Loaded *l)
{
    const CudaDriver *d;
    int card;
    TRY(cuda_driver(&d));
    TRY(cuda_card_of(&l->plan->device[0], &card));
    NvrtcTarget t = nvrtc_target(NULL, d->card[card].arch);
    return cuda_files_dump(l->code, t.name, o->dump);
}

static Err *begin_cuda_kernels(const Options *o, Loaded *l)
{
    TRY(cuda_code(l->plan, &l->code));
    if (o->kernel_dir)
        TRY(cuda_files_replace(l->code, o->kernel_dir));
    if (o->dump)
        TRY(dump_source(o, l));
    CudaKernelsSpec spec = {.plan = l->plan,
                            .code = l->code,
                            .cache = l->cache,
                            .pool = l->pool,
                            .graphs = strcmp(o->graphs, "on") == 0,
                            .early = strcmp(o->early, "on") == 0};
    return cuda_kernels_begin(&spec, &l->cuda);
}

static Err *finish_cuda_kernels(const Options *o, Loaded *l)
{
    bool show = !o->quiet && isatty(STDERR_FILENO);
    if (!l->cuda)
        return NULL;
    if (show)
        fputs("\rcompiling kernels ", stderr);
    Err *e = cuda_kernels_finish(l->cuda);
    if (show)
        fputs("\r\033[K", stderr);
    if (e)
        return e;
    CudaKernelStats s = cuda_kernels_stats(l->cuda);
    log_info("load",
             "%d kernels in %d units, %d of them cached, %lld bytes; compiled "
             "in %.2f s, loaded in %.2f s",
             l->plan->n_kernels, s.units, s.cached, (long long)s.bytes,
             s.compile_s, s.load_s);
    return NULL;
}

static Err *make_kernels(const Options *o, Loaded *l)
{
    const Plan *p = l->plan;
    int64_t threads = o->threads ? o->threads : pool_cpus();
    bool host = devices_are(p->device, p->n_devices, "host");
    if (!host && !devices_are(p->device, p->n_devices, "cuda"))
        return err_new(ERR_INPUT, "the plan's devices are neither all host nor "
                                  "all cuda");
    TRY(pool_new(threads > INT32_MAX ? INT32_MAX : (int)threads, &l->pool));
    l->cache = cache_open(o->cache_dir, o->cache_size);
    return (host ? make_host_kernels : begin_cuda_kernels)(o, l);
}

static Err *load_compiled(const Options *o, const LoadWish *w, Loaded *l)
{
    double mark = clock_seconds();
    TRY(make_plan(o, w, l));
    l->times.plan = lap(&mark);
    TRY(make_kernels(o, l));
    l->times.kernels = lap(&mark);
    TRY(open_executor(o, l));
    l->times.weights = lap(&mark);
    TRY(finish_cuda_kernels(o, l));
    l->times.kernels += lap(&mark);
    cache_close(l->cache);
    l->cache = NULL;
    return NULL;
}

static Err *load_interpreted(const Options *o, const LoadWish *w, Loaded *l)
{
    CompileRequest r;
    double mark = clock_seconds();
    TRY(make_request(o, w, l, &r));
    TRY(interp_executor_open(&r, l->file, &l->executor));
    l->times.plan = lap(&mark);
    return NULL;
}

Err *load_model(const Options *o, const LoadWish *w, Loaded *l)
{
    bool interp = strcmp(o->devices, "interp") == 0;
    if (interp && o->plan)
        return err_new(ERR_USAGE, "--devices=interp takes no --plan: it works "
                                  "on the graph before it is planned");
    Err *e = interp ? load_interpreted(o, w, l) : load_compiled(o, w, l);
    if (e) {
        load_close(l);
        return e;
    }
    l->session = session_new(l->executor);
    const LoadTimes *t = &l->times;
    l->times.total =
        t->header + t->tokenizer + t->plan + t->kernels + t->weights;
    return NULL;
}

Err *load_open(const Options *o, const char *path, const LoadWish *w,
               Loaded *out)
{
    TRY(load_file(o, path, w->tokenizer, out));
    return load_model(o, w, out);
}

void load_close(Loaded *l)
{
    if (l->session)
        session_free(l->session);
    else if (l->executor)
        l->executor->kind->close(l->executor);
    kernel_set_free(l->kernels);
    cuda_kernels_free(l->cuda);
    cache_close(l->cache);
    cuda_code_free(l->code);
    pool_free(l->pool);
    plan_free(l->plan);
    tokenizer_free(l->tokenizer);
    gguf_close(l->file);
    if (l->arena)
        arena_free(l->arena);
    *l = (Loaded){0};
}
