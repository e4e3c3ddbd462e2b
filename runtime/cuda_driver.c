#include "runtime/cuda_driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "runtime/library.h"
#include "runtime/nvml.h"

/* What it takes to load code of NVRTC 12 and later. */
enum { OLDEST_DRIVER = 12000 };

static const char *const places[] = {
    "libcuda.so.1",
    "/usr/local/nvidia/lib64/libcuda.so.1", /* containers */
    "/usr/lib/wsl/lib/libcuda.so.1",
};

static CudaDriver driver;
static Err *trouble; /* why there is none; kept for as long as the program */
static pthread_once_t once = PTHREAD_ONCE_INIT;

const CudaApi *cuda_api(void) { return &driver.api; }

static size_t stem(const char *call)
{
    const char *version = strstr(call, "_v2");
    return version ? (size_t)(version - call) : strlen(call);
}

Err *cuda_check(CudaResult r, const char *call, const char *who)
{
    const char *name = NULL, *text = NULL;
    if (r == CUDA_OK)
        return NULL;
    driver.api.cuGetErrorName(r, &name);
    driver.api.cuGetErrorString(r, &text);
    return err_new(ERR_DEVICE, "%s: %.*s: %s (%s, %d)", who, (int)stem(call),
                   call, text ? text : "unknown error",
                   name ? name : "no name", r);
}

/* ---- opening */

static void *open_library(void)
{
    void *lib = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places && !lib; i++)
        lib = library_open(places[i], false);
    return lib;
}

static Err *find_symbols(void *lib)
{
    static const LibrarySymbol symbol[] = {
#define CUDA_SYM(name, parameters) {#name, offsetof(CudaApi, name)},
#include "runtime/cuda_syms.def"
#undef CUDA_SYM
    };
    const char *missing = library_find(
        lib, symbol, sizeof symbol / sizeof *symbol, &driver.api);
    if (!missing)
        return NULL;
    return err_new(ERR_DEVICE,
                   "the NVIDIA driver is too old: its libcuda.so.1 has "
                   "no %s; driver 525 (CUDA 12.0) or newer is needed",
                   missing);
}

static Err *attribute(const CudaCard *c, CudaAttribute a, int *value)
{
    return CUDA(c->name, cuDeviceGetAttribute, value, a, c->ordinal);
}

/* Two transfers a clock; drivers that no longer tell say 0 or refuse. */
static double nominal_bandwidth(const CudaCard *c)
{
    int khz = 0, bits = 0;
    Err *e = attribute(c, CUDA_MEMORY_CLOCK_KHZ, &khz);
    if (!e)
        e = attribute(c, CUDA_MEMORY_BUS_BITS, &bits);
    bool known = !e;
    err_free(e);
    return known ? 2e3 * khz * bits / 8 : 0;
}

static Err *look_at_card(int i, CudaCard *c)
{
    int major, minor;
    size_t bytes;
    snprintf(c->name, sizeof c->name, "cuda:%d", i);
    TRY(CUDA(c->name, cuDeviceGet, &c->ordinal, i));
    TRY(attribute(c, CUDA_ARCH_MAJOR, &major));
    TRY(attribute(c, CUDA_ARCH_MINOR, &minor));
    TRY(attribute(c, CUDA_SM_COUNT, &c->sms));
    TRY(attribute(c, CUDA_SHARED_PER_BLOCK, &c->shared));
    TRY(CUDA(c->name, cuDeviceTotalMem_v2, &bytes, c->ordinal));
    TRY(CUDA(c->name, cuDeviceGetPCIBusId, c->pci_id, (int)sizeof c->pci_id,
             c->ordinal));
    c->arch = 10 * major + minor;
    c->memory = (int64_t)bytes;
    c->bandwidth = nominal_bandwidth(c);
    return CUDA(c->name, cuDeviceGetName, c->name, (int)sizeof c->name,
                c->ordinal);
}

static Err *look_at_cards(void)
{
    int n = 0;
    CudaResult r = driver.api.cuDeviceGetCount(&n);
    if (r == CUDA_NO_DEVICE || (r == CUDA_OK && n < 1))
        return err_new(ERR_DEVICE, "the NVIDIA driver finds no card");
    TRY(cuda_check(r, "cuDeviceGetCount", "cuda"));
    driver.n_cards = n < CUDA_MAX_CARDS ? n : CUDA_MAX_CARDS;
    for (int i = 0; i < driver.n_cards; i++)
        TRY(look_at_card(i, &driver.card[i]));
    return NULL;
}

static Err *begin(void)
{
    CudaResult r = driver.api.cuInit(0);
    if (r == CUDA_NO_DEVICE)
        return err_new(ERR_DEVICE, "the NVIDIA driver finds no card");
    TRY(cuda_check(r, "cuInit", "cuda"));
    TRY(CUDA("cuda", cuDriverGetVersion, &driver.version));
    if (driver.version < OLDEST_DRIVER)
        return err_new(ERR_DEVICE,
                       "the NVIDIA driver is too old: it does CUDA %d.%d, "
                       "driver 525 (CUDA 12.0) or newer is needed",
                       driver.version / 1000, driver.version % 1000 / 10);
    return look_at_cards();
}

static void say_what_was_found(void)
{
    Buf version = {0};
    nvml_driver_version(&version);
    log_info("cuda", "driver %s, CUDA %d.%d", version.data ? version.data : "?",
             driver.version / 1000, driver.version % 1000 / 10);
    buf_free(&version);
    for (int i = 0; i < driver.n_cards; i++) {
        const CudaCard *c = &driver.card[i];
        log_info("cuda", "cuda:%d: %s, sm_%d, %d multiprocessors, %lld MiB", i,
                 c->name, c->arch, c->sms, (long long)(c->memory >> 20));
    }
}

static void open_driver(void)
{
    void *lib = open_library();
    if (!lib) {
        trouble = err_new(ERR_DEVICE, "no NVIDIA driver on this machine "
                                      "(libcuda.so.1 does not open)");
        return;
    }
    trouble = find_symbols(lib);
    if (!trouble)
        trouble = begin();
    if (!trouble)
        say_what_was_found();
}

Err *cuda_driver(const CudaDriver **out)
{
    pthread_once(&once, open_driver);
    *out = trouble ? NULL : &driver;
    return trouble ? err_new(err_code(trouble), "%s", err_text(trouble)) : NULL;
}

Err *cuda_card_of(const PlanDevice *d, int *card)
{
    const CudaDriver *drv;
    char *end = NULL;
    TRY(cuda_driver(&drv));
    long n = strncmp(d->name, "cuda:", 5) == 0 && d->name[5] >= '0' &&
                     d->name[5] <= '9'
                 ? strtol(d->name + 5, &end, 10)
                 : -1;
    if (n < 0 || (*end != '\0' && *end != '.'))
        return err_new(ERR_INPUT, "the plan's device '%.40s' names no card "
                                  "(cuda:0, cuda:0.1)", d->name);
    if (n >= drv->n_cards)
        return err_new(ERR_DEVICE, "%s: this machine has %d card%s", d->name,
                       drv->n_cards, drv->n_cards > 1 ? "s" : "");
    *card = (int)n;
    return NULL;
}
