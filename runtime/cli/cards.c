#include "runtime/cli/cards.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "runtime/cli/print.h"
#include "runtime/device.h"

/* ---- memory */

static int64_t planned(const Loaded *l, const PlanDevice *d)
{
    return d->weights + d->states + d->scratch +
           cuda_code_room(l->code, l->plan);
}

static bool is_first_on_card(const Loaded *l, int device)
{
    const CudaOnCard *on = cuda_kernels_card(l->cuda, &l->plan->device[device]);
    for (int i = 0; i < device; i++)
        if (cuda_kernels_card(l->cuda, &l->plan->device[i]) == on)
            return false;
    return true;
}

static int64_t planned_on_card(const Loaded *l, const CudaOnCard *on)
{
    int64_t sum = 0;
    for (int i = 0; i < l->plan->n_devices; i++)
        if (cuda_kernels_card(l->cuda, &l->plan->device[i]) == on)
            sum += planned(l, &l->plan->device[i]);
    return sum;
}

static void report_card(const Loaded *l, const PlanDevice *d, Report *r)
{
    char want[PRINT_BYTES_MAX], have[PRINT_BYTES_MAX];
    int64_t used = 0;
    int64_t sum = planned_on_card(l, cuda_kernels_card(l->cuda, d));
    int name = (int)strcspn(d->name, ".");
    Err *e = cuda_kernels_used(l->cuda, d, &used);
    if (e)
        log_warning("%s", err_text(e));
    err_free(e);
    report_line(r, "memory of %-16.*s %s planned, %s in use above an empty "
                   "context (%+.2f %%)",
                name, d->name, print_bytes(sum, want), print_bytes(used, have),
                100 * ((double)used / (double)sum - 1));
    report_item(r);
    if (r->json) {
        report_text(r, "card", "", d->name, (size_t)name);
        report_int(r, "planned_bytes", "", sum, "");
        report_int(r, "used_bytes", "", used, "");
    }
    report_item_end(r);
}

void cards_report(const Loaded *l, Report *r)
{
    if (!l->cuda)
        return;
    report_list(r, "cards");
    for (int i = 0; i < l->plan->n_devices; i++)
        if (is_first_on_card(l, i))
            report_card(l, &l->plan->device[i], r);
    report_list_end(r);
}

/* ---- bandwidth */

enum { MOST_MIB = 512, READ_TIMES = 8, READ_THREADS = 256, READ_PER_SM = 8 };

/* One device with one kernel, on the model's card. */
typedef struct {
    int64_t mib; /* that are read at once */
    PlanDevice device;
    Plan plan;
    CudaLaunch launch;
    CudaKernel kernel;
    CudaSource unit;
    CudaCode code;
} Reading;

/* A part of the card's memory that is far larger than its caches. */
static int64_t mib_to_read(const Loaded *l)
{
    const CudaOnCard *on = cuda_kernels_card(l->cuda, &l->plan->device[0]);
    int64_t n = on->card->memory >> 27;
    return n < 1 ? 1 : n > MOST_MIB ? MOST_MIB : n;
}

static void describe(const Loaded *l, Reading *m)
{
    m->mib = mib_to_read(l);
    m->device = (PlanDevice){.name = l->plan->device[0].name,
                             .kind = "cuda",
                             .weights = m->mib << 20,
                             .scratch = PLAN_ALIGN};
    m->plan = (Plan){.batch = m->mib,
                     .outputs = 1,
                     .n_devices = 1,
                     .n_kernels = 1,
                     .device = &m->device};
    m->launch = (CudaLaunch){.symbol = "read_all",
                             .by = SYM_T,
                             .from = 1,
                             .to = m->mib,
                             .x = {1 << 20, SYM_T, 1},
                             .y = {1, SYM_ONE, 1},
                             .per_sm = READ_PER_SM,
                             .threads = READ_THREADS};
    m->kernel = (CudaKernel){.n_args = 2,
                             .n_launches = 1,
                             .launch = &m->launch,
                             .scratch = {0, SYM_ONE, 1}};
    m->unit = (CudaSource){
        .name = "bandwidth",
        .source = "#include \"bandwidth.cuh\"\n"
                  "KERNEL(read_all, 2, 256, 4)\n"
                  "{\n    read_everything(call);\n}\n"};
    m->code = (CudaCode){.n_units = 1,
                         .n_headers = l->code->n_headers,
                         .n_kernels = 1,
                         .sample = -1,
                         .unit = &m->unit,
                         .header = l->code->header,
                         .kernel = &m->kernel};
}

static Err *read_often(Device *d, int64_t mib, double *bytes_per_s)
{
    void *arg[] = {d->kind->address(d, (Place){REGION_WEIGHTS, 0}),
                   d->kind->address(d, (Place){REGION_SCRATCH, 0})};
    PlanStep step = {.kind = STEP_LAUNCH, .n_args = 2};
    KernelCall call = {.arg = arg, .tokens = mib, .outputs = 1};
    *bytes_per_s = 0;
    for (int i = 0; i < READ_TIMES; i++) {
        double seconds;
        TRY(d->kind->launch(d, &(LaunchList){.n = 1,
                                             .step = &step,
                                             .call = &call,
                                             .seconds = &seconds}));
        double rate = (double)(mib << 20) / seconds;
        if (seconds > 0 && rate > *bytes_per_s)
            *bytes_per_s = rate;
    }
    return NULL;
}

static Err *measure(const Loaded *l, ModuleCache *cache, double *bytes_per_s)
{
    Err *e = NULL;
    Reading m;
    CudaKernels *k = NULL;
    Device *d = NULL;
    describe(l, &m);
    DO(cuda_kernels_new(&(CudaKernelsSpec){.plan = &m.plan,
                                           .code = &m.code,
                                           .cache = cache,
                                           .pool = l->pool},
                        &k));
    DO(device_open(
        &(DeviceSpec){.plan = &m.device, .pool = l->pool, .cuda = k}, &d));
    DO(read_often(d, m.mib, bytes_per_s));
out:
    device_close(d);
    cuda_kernels_free(k);
    return e;
}

double cards_bandwidth(const Options *o, const Loaded *l)
{
    double bytes_per_s = 0;
    if (!l->cuda)
        return 0;
    ModuleCache *cache = cache_open(o->cache_dir, o->cache_size);
    Err *e = measure(l, cache, &bytes_per_s);
    cache_close(cache);
    if (!e)
        return bytes_per_s;
    log_warning("the card's bandwidth is not known: %s", err_text(e));
    err_free(e);
    return 0;
}
