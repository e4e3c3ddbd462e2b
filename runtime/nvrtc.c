#include "runtime/nvrtc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "runtime/library.h"

static Nvrtc nvrtc;
static Err *trouble; /* why there is none; kept for as long as the program */
static int for_driver;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool tried;

static Err *check(const Nvrtc *n, NvrtcResult r, const char *call)
{
    return r == NVRTC_OK ? NULL
                         : err_new(ERR_DEVICE, "%s: %s", call,
                                   n->api.nvrtcGetErrorString(r));
}
#define NVRTC(n, name, ...) check(n, (n)->api.name(__VA_ARGS__), #name)

/* ---- finding the library */

/* The folder that this program lies in, with a '/'. */
static void own_folder(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    while (n > 0 && out[n - 1] != '/')
        n--;
    out[n > 0 ? n : 0] = '\0';
}

static void *open_in(const char *folder, int major)
{
    char path[4200];
    snprintf(path, sizeof path, "%slibnvrtc.so.%d", folder, major);
    return library_open(path, false);
}

/* What NVRTC opens itself when it compiles first, by name alone: once it is
 * loaded from here, that finds it. */
static void open_builtins(const char *folder)
{
    char path[4200];
    snprintf(path, sizeof path, "%slibnvrtc-builtins.so.%d.%d", folder,
             nvrtc.major, nvrtc.minor);
    if (folder[0])
        (void)library_open(path, true);
}

static Err *find_symbols(void *lib)
{
    static const LibrarySymbol symbol[] = {
#define NVRTC_SYM(name, parameters) {#name, offsetof(NvrtcApi, name)},
#define NVRTC_TEXT(name, parameters) NVRTC_SYM(name, parameters)
#include "runtime/nvrtc_syms.def"
#undef NVRTC_SYM
#undef NVRTC_TEXT
    };
    const char *missing = library_find(
        lib, symbol, sizeof symbol / sizeof *symbol, &nvrtc.api);
    return missing ? err_new(ERR_DEVICE, "libnvrtc has no %s", missing) : NULL;
}

static int ascending(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static Err *learn_archs(void)
{
    int n = 0;
    TRY(NVRTC(&nvrtc, nvrtcGetNumSupportedArchs, &n));
    if (n < 1 || n > NVRTC_MAX_ARCHS)
        return err_new(ERR_DEVICE, "libnvrtc knows %d architectures", n);
    TRY(NVRTC(&nvrtc, nvrtcGetSupportedArchs, nvrtc.arch));
    nvrtc.n_archs = n;
    qsort(nvrtc.arch, (size_t)n, sizeof *nvrtc.arch, ascending);
    return NULL;
}

static Err *use_library(void *lib, const char *folder)
{
    TRY(find_symbols(lib));
    TRY(NVRTC(&nvrtc, nvrtcVersion, &nvrtc.major, &nvrtc.minor));
    open_builtins(folder);
    log_info("cuda", "NVRTC %d.%d from %s", nvrtc.major, nvrtc.minor,
             folder[0] ? folder : "the system's libraries");
    return learn_archs();
}

/* A library that is there and of no use: the next one may be better. */
static void pass_over(Err *e, const char *folder, int major)
{
    log_warning("%slibnvrtc.so.%d is of no use: %s", folder, major,
                err_text(e));
    err_free(e);
    nvrtc = (Nvrtc){0};
}

static bool search_in(const char *folder, int major)
{
    void *lib = open_in(folder, major);
    Err *e = lib ? use_library(lib, folder) : NULL;
    if (e)
        pass_over(e, folder, major);
    return lib && !e;
}

static Err *search(void)
{
    static const int majors[] = {13, 12};
    char own[4096];
    const char *const folder[] = {
        "", own, "/usr/local/cuda/lib64/", "/usr/local/cuda/lib/",
        "/usr/local/cuda/targets/x86_64-linux/lib/",
        "/usr/local/cuda-13/lib64/", "/usr/local/cuda-12/lib64/"};
    bool new_driver = for_driver == 0 || for_driver >= 13000;
    own_folder(own, sizeof own);
    for (int m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof folder / sizeof *folder; i++)
            if (search_in(folder[i], majors[new_driver ? m : 1 - m]))
                return NULL;
    return err_new(ERR_DEVICE,
                   "NVRTC, which compiles CUDA kernels, is not on this "
                   "machine: install libnvrtc.so.%s (package cuda-nvrtc, or put it and "
                   "its libnvrtc-builtins beside this program)",
                   new_driver ? "13 or .12" : "12");
}

Err *nvrtc_open(int driver, const Nvrtc **out)
{
    pthread_mutex_lock(&lock);
    if (!tried) {
        tried = true;
        for_driver = driver;
        trouble = search();
    }
    pthread_mutex_unlock(&lock);
    *out = trouble ? NULL : &nvrtc;
    return trouble ? err_new(err_code(trouble), "%s", err_text(trouble)) : NULL;
}

bool nvrtc_is_newer(int driver)
{
    return nvrtc.n_archs && nvrtc.major > driver / 1000;
}

/* ---- compiling */

NvrtcTarget nvrtc_target(const Nvrtc *n, int arch)
{
    NvrtcTarget t = {.ptx = n != NULL};
    int best = n ? n->arch[0] : arch;
    for (int i = 0; n && i < n->n_archs; i++) {
        best = n->arch[i] <= arch ? n->arch[i] : best;
        t.ptx = t.ptx && n->arch[i] != arch;
    }
    /* Hopper's own instructions are only in its "a" variant. */
    snprintf(t.name, sizeof t.name, "%s_%d%s", t.ptx ? "compute" : "sm", best,
             best == 90 && !t.ptx ? "a" : "");
    return t;
}

void nvrtc_options(const NvrtcTarget *t, char arch[40],
                   const char *option[NVRTC_OPTIONS])
{
    snprintf(arch, 40, "--gpu-architecture=%s", t->name);
    option[0] = arch;
    option[1] = "-std=c++17";
    option[2] = "-default-device";
    option[3] = "--extra-device-vectorization";
    option[4] = "--disable-warnings"; /* so that a log begins with the error */
    /* Exact quotients and roots come with a rare path that branches; where the
     * last bit matters there is exact_quotient(). */
    option[5] = "--prec-div=false";
    option[6] = "--prec-sqrt=false";
}

static Err *compile_error(const Nvrtc *n, NvrtcProgram *p, const char *unit,
                          Err *e)
{
    size_t bytes = 0;
    if (n->api.nvrtcGetProgramLogSize(p, &bytes) != NVRTC_OK || bytes < 2)
        return err_note(e, "unit %s", unit);
    char *log = memory_must(calloc(1, bytes + 1), bytes + 1);
    if (n->api.nvrtcGetProgramLog(p, log) == NVRTC_OK) {
        err_free(e);
        e = err_new(ERR_DEVICE, "unit %s does not compile:\n%s", unit, log);
    }
    free(log);
    return e;
}

static Err *take_code(const Nvrtc *n, NvrtcProgram *p, bool ptx, Buf *out)
{
    size_t bytes = 0;
    if (ptx)
        TRY(NVRTC(n, nvrtcGetPTXSize, p, &bytes));
    else
        TRY(NVRTC(n, nvrtcGetCUBINSize, p, &bytes));
    char *code = memory_must(malloc(bytes + 1), bytes + 1);
    Err *e = ptx ? NVRTC(n, nvrtcGetPTX, p, code)
                 : NVRTC(n, nvrtcGetCUBIN, p, code);
    if (!e)
        buf_add(out, code, bytes);
    free(code);
    return e;
}

static Err *make_program(const Nvrtc *n, const CudaCode *c, int unit,
                         NvrtcProgram **p)
{
    size_t room = (size_t)c->n_headers + 1;
    const char **text =
        memory_must(calloc(2 * room, sizeof *text), 2 * room * sizeof *text);
    const char **name = text + room;
    char file[80];
    for (int i = 0; i < c->n_headers; i++) {
        text[i] = c->header[i].source;
        name[i] = c->header[i].name;
    }
    snprintf(file, sizeof file, "%.60s.cu", c->unit[unit].name);
    Err *e = NVRTC(n, nvrtcCreateProgram, p, c->unit[unit].source, file,
                   c->n_headers, text, name);
    free(text);
    return e;
}

Err *nvrtc_compile(const Nvrtc *n, const CudaCode *c, int unit,
                   const NvrtcTarget *t, Buf *out)
{
    const char *option[NVRTC_OPTIONS];
    char arch[40];
    NvrtcProgram *p = NULL;
    nvrtc_options(t, arch, option);
    TRY(make_program(n, c, unit, &p));
    Err *e = NVRTC(n, nvrtcCompileProgram, p, NVRTC_OPTIONS, option);
    if (e)
        e = compile_error(n, p, c->unit[unit].name, e);
    else
        e = take_code(n, p, t->ptx, out);
    n->api.nvrtcDestroyProgram(&p);
    return e;
}
