#include "runtime/nvml.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "runtime/library.h"

enum { MOST_PROCESSES = 32 };

typedef struct nvmlDevice_st NvmlDevice;

/* nvmlProcessInfo_v2_t */
typedef struct {
    unsigned pid;
    unsigned long long bytes; /* all bits set: not known */
    unsigned gpu_instance, compute_instance;
} NvmlProcess;

typedef struct {
    void *lib;
#define NVML_SYM(name, parameters) int(*name) parameters;
#include "runtime/nvml_syms.def"
#undef NVML_SYM
} Nvml;

static bool find(Nvml *m)
{
    static const LibrarySymbol symbol[] = {
#define NVML_SYM(name, parameters) {#name, offsetof(Nvml, name)},
#include "runtime/nvml_syms.def"
#undef NVML_SYM
    };
    return !library_find(m->lib, symbol, sizeof symbol / sizeof *symbol, m);
}

static bool open_nvml(Nvml *m)
{
    m->lib = library_open("libnvidia-ml.so.1", false);
    if (!m->lib)
        return false;
    if (find(m) && m->nvmlInit_v2() == 0)
        return true;
    dlclose(m->lib);
    return false;
}

static void close_nvml(Nvml *m)
{
    m->nvmlShutdown();
    dlclose(m->lib);
}

void nvml_driver_version(Buf *out)
{
    char version[81] = "";
    Nvml m;
    if (!open_nvml(&m))
        return;
    if (m.nvmlSystemGetDriverVersion(version, sizeof version - 1) == 0)
        buf_puts(out, version);
    close_nvml(&m);
}

static void list_users(const NvmlProcess *p, unsigned n, Buf *out)
{
    const char *between = ": ";
    for (unsigned i = 0; i < n; i++) {
        if (p[i].pid == (unsigned)getpid() || p[i].bytes + 1 == 0)
            continue;
        buf_printf(out, "%sprocess %u has %.2f GiB", between, p[i].pid,
                   (double)p[i].bytes / (1 << 30));
        between = ", ";
    }
}

void nvml_users(const char *pci_id, Buf *out)
{
    NvmlProcess process[MOST_PROCESSES];
    unsigned n = MOST_PROCESSES;
    NvmlDevice *d;
    Nvml m;
    if (!open_nvml(&m))
        return;
    if (m.nvmlDeviceGetHandleByPciBusId_v2(pci_id, &d) == 0 &&
        m.nvmlDeviceGetComputeRunningProcesses_v3(d, &n, process) == 0)
        list_users(process, n < MOST_PROCESSES ? n : MOST_PROCESSES, out);
    close_nvml(&m);
}
