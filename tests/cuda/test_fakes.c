/* The fake libcuda and libnvrtc behave as the manuals say of the real ones. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/cuda_api.h"

enum {
    N = 300,
    INVALID_VALUE = 1,
    NOT_INITIALIZED = 3,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY = 209,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_UNJOINED = 904,
    UNKNOWN = 999,
    INVALID_OPTION = 5
};

static CudaApi cu;
static NvrtcApi rtc;

typedef struct {
    CudaAddress arg[2], scratch, counters, step;
    int32_t tokens, outputs;
    uint64_t early;
} Call2;

#define OK(x)                                                                  \
    do {                                                                       \
        CudaResult r_ = (x);                                                   \
        cr_assert_eq(r_, CUDA_OK, "%s: %d", #x, r_);                           \
    } while (0)

static void *open_fake(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, BUILD_DIR "/fakecuda/%s", name);
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert(lib, "%s", dlerror());
    return lib;
}

static void find(void *lib, const char *name, void *out)
{
    void *p = dlsym(lib, name);
    cr_assert(p, "no %s", name);
    memcpy(out, &p, sizeof p);
}

static void open_libraries(void)
{
    void *lib = open_fake("libcuda.so.1");
#define CUDA_SYM(name, parameters) find(lib, #name, &cu.name);
#include "runtime/cuda_syms.def"
#undef CUDA_SYM
    lib = open_fake("libnvrtc.so.13");
#define NVRTC_SYM(name, parameters) find(lib, #name, &rtc.name);
#define NVRTC_TEXT(name, parameters) find(lib, #name, &rtc.name);
#include "runtime/nvrtc_syms.def"
#undef NVRTC_SYM
#undef NVRTC_TEXT
}

/* The first card, its context current. */
static void start(void)
{
    CudaContext *c;
    open_libraries();
    OK(cu.cuInit(0));
    OK(cu.cuDevicePrimaryCtxRetain(&c, 0));
    OK(cu.cuCtxSetCurrent(c));
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    char *text = calloc(1, 1 << 18);
    cr_assert(fread(text, 1, (1 << 18) - 1, f) > 0);
    fclose(f);
    return text;
}

/* The tree's headers with the real device.cuh, as the program gives them. */
static NvrtcResult compile(const char *source, const char *arch,
                           NvrtcProgram **p)
{
    char *header[2] = {read_text(SOURCE_DIR "/gen/cuda/common.cuh"),
                       read_text(SOURCE_DIR "/gen/cuda/device.cuh")};
    static const char *const name[] = {"common.cuh", "device.cuh"};
    const char *const option[] = {"--std=c++17", arch};
    OK(rtc.nvrtcCreateProgram(p, source, "unit.cu", 2,
                              (const char *const *)header, name));
    NvrtcResult r = rtc.nvrtcCompileProgram(*p, 2, option);
    free(header[0]);
    free(header[1]);
    return r;
}

static char *cubin_of_unit(const char *arch)
{
    NvrtcProgram *p;
    size_t n;
    char *source = read_text(SOURCE_DIR "/tests/cuda/units/fakes.cu");
    OK(compile(source, arch, &p));
    OK(rtc.nvrtcGetCUBINSize(p, &n));
    cr_assert(n > 0);
    char *cubin = malloc(n);
    OK(rtc.nvrtcGetCUBIN(p, cubin));
    OK(rtc.nvrtcDestroyProgram(&p));
    free(source);
    return cubin;
}

static CudaModule *load_unit(void)
{
    CudaModule *m;
    char *cubin = cubin_of_unit("-arch=sm_90");
    OK(cu.cuModuleLoadDataEx(&m, cubin, 0, NULL, NULL));
    free(cubin);
    return m;
}

static CudaResult launch_rows(CudaFunction *f, unsigned threads, unsigned rows,
                              CudaAddress in, CudaAddress out, CudaStream *s)
{
    Call2 call = {.arg = {in, out}, .tokens = N};
    void *parameters[] = {&call};
    CudaLaunchAttribute early = {.id = CUDA_LAUNCH_PROGRAMMATIC,
                                 .value.allowed = 1};
    CudaLaunchConfig c = {.grid_x = (N + threads - 1) / threads,
                          .grid_y = rows,
                          .grid_z = 1,
                          .block_x = threads,
                          .block_y = 1,
                          .block_z = 1,
                          .stream = s,
                          .attribute = &early,
                          .n_attributes = 1};
    CudaResult r = cu.cuLaunchKernelEx(&c, f, parameters, NULL);
    memset(&call, 0xff, sizeof call);
    return r;
}

static CudaResult launch(CudaFunction *f, unsigned threads, CudaAddress in,
                         CudaAddress out, CudaStream *s)
{
    return launch_rows(f, threads, 1, in, out, s);
}

typedef struct {
    CudaModule *module;
    CudaFunction *f;
    CudaStream *stream;
    CudaAddress in, out;
    float *host; /* pinned, N */
} Bench;

static Bench bench_new(void)
{
    Bench b;
    start();
    b.module = load_unit();
    OK(cu.cuModuleGetFunction(&b.f, b.module, "twice_plus_one"));
    OK(cu.cuStreamCreate(&b.stream, CUDA_STREAM_NON_BLOCKING));
    OK(cu.cuMemAlloc_v2(&b.in, N * sizeof(float)));
    OK(cu.cuMemAlloc_v2(&b.out, N * sizeof(float)));
    OK(cu.cuMemHostAlloc((void **)&b.host, N * sizeof(float),
                         CUDA_HOST_PORTABLE));
    for (int i = 0; i < N; i++)
        b.host[i] = (float)i;
    return b;
}

static void bench_free(Bench *b)
{
    OK(cu.cuStreamDestroy_v2(b->stream));
    OK(cu.cuMemFree_v2(b->in));
    OK(cu.cuMemFree_v2(b->out));
    OK(cu.cuMemFreeHost(b->host));
    OK(cu.cuModuleUnload(b->module));
    OK(cu.cuDevicePrimaryCtxRelease_v2(0));
}

/* in = host; out = 2 in + 1; host = out. */
static void enqueue(Bench *b)
{
    const size_t bytes = N * sizeof(float);
    OK(cu.cuMemcpyHtoDAsync_v2(b->in, b->host, bytes, b->stream));
    OK(launch(b->f, 128, b->in, b->out, b->stream));
    OK(cu.cuMemcpyDtoHAsync_v2(b->host, b->out, bytes, b->stream));
}

static void check(const Bench *b, int times)
{
    for (int i = 0; i < N; i++)
        cr_assert_eq(b->host[i], (float)(((i + 1) << times) - 1));
}

/* ---- cards */

Test(fakes, cards)
{
    int n, value;
    char text[64];
    size_t bytes;
    CudaOrdinal d;
    open_libraries();
    cr_assert_eq(cu.cuDeviceGetCount(&n), NOT_INITIALIZED);
    setenv("FAKE_CUDA_DEVICES", "0", 1);
    cr_assert_eq(cu.cuInit(0), CUDA_NO_DEVICE);
    setenv("FAKE_CUDA_DEVICES", "3", 1);
    setenv("FAKE_CUDA_ARCH", "86", 1);
    setenv("FAKE_CUDA_MEMORY", "3G", 1);
    OK(cu.cuInit(0));
    OK(cu.cuDeviceGetCount(&n));
    cr_assert_eq(n, 3);
    cr_assert_neq(cu.cuDeviceGet(&d, 3), CUDA_OK);
    OK(cu.cuDeviceGet(&d, 2));
    OK(cu.cuDeviceGetName(text, sizeof text, d));
    OK(cu.cuDeviceGetPCIBusId(text, sizeof text, d));
    cr_assert_str_eq(text, "0000:03:00.0");
    OK(cu.cuDeviceTotalMem_v2(&bytes, d));
    cr_assert_eq(bytes, (size_t)3 << 30);
    OK(cu.cuDeviceGetAttribute(&value, CUDA_ARCH_MAJOR, d));
    cr_assert_eq(value, 8);
    OK(cu.cuDeviceGetAttribute(&value, CUDA_SHARED_PER_BLOCK, d));
    cr_assert_eq(value, 99 << 10);
    OK(cu.cuDeviceCanAccessPeer(&value, 0, 1));
    cr_assert_eq(value, 1);
}

Test(fakes, errors_have_names)
{
    const char *text;
    start();
    OK(cu.cuGetErrorName(CUDA_OUT_OF_MEMORY, &text));
    cr_assert_str_eq(text, "CUDA_ERROR_OUT_OF_MEMORY");
    OK(cu.cuGetErrorString(CUDA_OUT_OF_MEMORY, &text));
    cr_assert_str_eq(text, "out of memory");
    cr_assert_eq(cu.cuGetErrorName(12345, &text), INVALID_VALUE);
    cr_assert_null(text);
}

/* ---- memory */

Test(fakes, memory_has_an_end)
{
    CudaAddress a, b;
    size_t left, total;
    setenv("FAKE_CUDA_MEMORY", "1M", 1);
    start();
    OK(cu.cuMemAlloc_v2(&a, 1 << 19));
    OK(cu.cuMemGetInfo_v2(&left, &total));
    cr_assert_eq(left, 1 << 19);
    cr_assert_eq(total, 1 << 20);
    cr_assert_eq(cu.cuMemAlloc_v2(&b, (1 << 19) + 1), CUDA_OUT_OF_MEMORY);
    OK(cu.cuMemFree_v2(a));
    cr_assert_eq(cu.cuMemFree_v2(a), INVALID_VALUE);
    OK(cu.cuMemAlloc_v2(&b, 1 << 20));
    cr_assert_eq(cu.cuMemsetD8Async(b + 1, 0, 1 << 20, NULL), INVALID_VALUE);
    OK(cu.cuMemFree_v2(b));
}

__attribute__((no_sanitize("address"))) static void spoil(CudaAddress p)
{
    *(volatile char *)p = 0;
}

Test(fakes, guard_bytes, .signal = SIGABRT)
{
    CudaAddress a;
    start();
    OK(cu.cuMemAlloc_v2(&a, 100));
    spoil(a + 100);
    cu.cuMemFree_v2(a);
}

Test(fakes, calls_fail_when_asked)
{
    CudaAddress a, b;
    setenv("FAKE_CUDA_FAIL", "cuMemAlloc:2,cuStreamCreate:1+=719", 1);
    start();
    CudaStream *s;
    OK(cu.cuMemAlloc_v2(&a, 100));
    cr_assert_eq(cu.cuMemAlloc_v2(&b, 100), CUDA_OUT_OF_MEMORY);
    OK(cu.cuMemAlloc_v2(&b, 100));
    cr_assert_eq(cu.cuStreamCreate(&s, 0), 719);
    cr_assert_eq(cu.cuStreamCreate(&s, 0), 719);
    OK(cu.cuMemFree_v2(a));
    OK(cu.cuMemFree_v2(b));
}

/* ---- launches, with threads and without */

static void run_bench(void)
{
    Bench b = bench_new();
    enqueue(&b);
    enqueue(&b);
    OK(cu.cuStreamSynchronize(b.stream));
    check(&b, 2);
    bench_free(&b);
}

Test(fakes, launch) { run_bench(); }

Test(fakes, launch_async)
{
    setenv("FAKE_CUDA_ASYNC", "1", 1);
    run_bench();
}

static void run_graph(void)
{
    Bench b = bench_new();
    CudaGraph *g;
    CudaGraphExec *x;
    OK(cu.cuStreamBeginCapture_v2(b.stream, CUDA_CAPTURE_THREAD_LOCAL));
    enqueue(&b);
    OK(cu.cuStreamEndCapture(b.stream, &g));
    check(&b, 0);
    OK(cu.cuGraphInstantiateWithFlags(&x, g, 0));
    OK(cu.cuGraphDestroy(g));
    for (int i = 1; i <= 3; i++) {
        OK(cu.cuGraphLaunch(x, b.stream));
        OK(cu.cuStreamSynchronize(b.stream));
        check(&b, i);
    }
    OK(cu.cuGraphExecDestroy(x));
    bench_free(&b);
}

Test(fakes, graph) { run_graph(); }

Test(fakes, graph_async)
{
    setenv("FAKE_CUDA_ASYNC", "1", 1);
    run_graph();
}

/* A second stream takes part in the capture by events. */
Test(fakes, graph_of_two_streams)
{
    Bench b = bench_new();
    CudaStream *other;
    CudaEvent *fork, *join;
    CudaGraph *g;
    CudaAddress p;
    OK(cu.cuStreamCreate(&other, CUDA_STREAM_NON_BLOCKING));
    OK(cu.cuEventCreate(&fork, CUDA_EVENT_UNTIMED));
    OK(cu.cuEventCreate(&join, CUDA_EVENT_UNTIMED));
    for (int joined = 0; joined < 2; joined++) {
        OK(cu.cuStreamBeginCapture_v2(b.stream, CUDA_CAPTURE_THREAD_LOCAL));
        OK(cu.cuEventRecord(fork, b.stream));
        OK(cu.cuStreamWaitEvent(other, fork, 0));
        OK(launch(b.f, 128, b.in, b.out, other));
        cr_assert_eq(cu.cuMemAlloc_v2(&p, 100), CAPTURE_UNSUPPORTED);
        if (joined) {
            OK(cu.cuEventRecord(join, other));
            OK(cu.cuStreamWaitEvent(b.stream, join, 0));
        }
        cr_assert_eq(cu.cuStreamEndCapture(b.stream, &g),
                     joined ? CUDA_OK : CAPTURE_UNJOINED);
    }
    OK(cu.cuGraphDestroy(g));
    OK(cu.cuStreamBeginCapture_v2(b.stream, CUDA_CAPTURE_THREAD_LOCAL));
    cr_assert_eq(cu.cuStreamSynchronize(b.stream), CAPTURE_UNSUPPORTED);
    cr_assert_eq(cu.cuStreamEndCapture(b.stream, &g), CAPTURE_INVALIDATED);
    OK(cu.cuEventDestroy_v2(fork));
    OK(cu.cuEventDestroy_v2(join));
    OK(cu.cuStreamDestroy_v2(other));
    bench_free(&b);
}

static void add_one(void *counter) { ++*(int *)counter; }

/* Two streams in turn, held together by events alone. */
Test(fakes, events_order_streams)
{
    enum { TURNS = 50 };
    setenv("FAKE_CUDA_ASYNC", "1", 1);
    Bench b = bench_new();
    CudaStream *s[2] = {b.stream};
    CudaEvent *e, *begin;
    float ms;
    int counter = 0;
    OK(cu.cuStreamCreate(&s[1], CUDA_STREAM_NON_BLOCKING));
    OK(cu.cuEventCreate(&e, CUDA_EVENT_TIMED));
    OK(cu.cuEventCreate(&begin, CUDA_EVENT_TIMED));
    OK(cu.cuEventRecord(begin, s[0]));
    for (int i = 0; i < TURNS; i++) {
        OK(cu.cuLaunchHostFunc(s[i % 2], add_one, &counter));
        OK(cu.cuEventRecord(e, s[i % 2]));
        OK(cu.cuStreamWaitEvent(s[(i + 1) % 2], e, 0));
    }
    OK(cu.cuEventSynchronize(e));
    cr_assert_eq(counter, TURNS);
    OK(cu.cuEventElapsedTime(&ms, begin, e));
    cr_assert(ms >= 0);
    OK(cu.cuEventDestroy_v2(e));
    OK(cu.cuEventDestroy_v2(begin));
    OK(cu.cuStreamDestroy_v2(s[1]));
    bench_free(&b);
}

/* ---- two cards */

Test(fakes, two_cards)
{
    setenv("FAKE_CUDA_DEVICES", "2", 1);
    Bench b = bench_new();
    CudaContext *c[2];
    CudaStream *s;
    CudaAddress there;
    OK(cu.cuDevicePrimaryCtxRetain(&c[0], 0));
    OK(cu.cuDevicePrimaryCtxRetain(&c[1], 1));
    enqueue(&b);
    OK(cu.cuCtxSetCurrent(c[1]));
    OK(cu.cuCtxEnablePeerAccess(c[0], 0));
    cr_assert_eq(cu.cuCtxEnablePeerAccess(c[0], 0), CUDA_PEER_ALREADY_ENABLED);
    cr_assert_eq(launch(b.f, 128, b.in, b.out, b.stream), INVALID_CONTEXT);
    OK(cu.cuStreamCreate(&s, CUDA_STREAM_NON_BLOCKING));
    cr_assert_eq(launch(b.f, 128, b.in, b.out, s), INVALID_CONTEXT);
    OK(cu.cuMemAlloc_v2(&there, N * sizeof(float)));
    OK(cu.cuMemcpyPeerAsync(there, c[1], b.out, c[0], N * sizeof(float), s));
    memset(b.host, 0, N * sizeof(float));
    OK(cu.cuMemcpyDtoHAsync_v2(b.host, there, N * sizeof(float), s));
    OK(cu.cuStreamSynchronize(s));
    check(&b, 1);
    OK(cu.cuMemFree_v2(there));
    OK(cu.cuStreamDestroy_v2(s));
    OK(cu.cuDevicePrimaryCtxRelease_v2(1));
    OK(cu.cuCtxSetCurrent(c[0]));
    OK(cu.cuDevicePrimaryCtxRelease_v2(0));
    bench_free(&b);
}

/* ---- the report */

/* In a process of its own, which leaves one piece of memory behind. */
static void leave_memory(void)
{
    CudaAddress p;
    start();
    free(cubin_of_unit("-arch=sm_90"));
    OK(cu.cuMemAlloc_v2(&p, 100));
    OK(cu.cuMemAlloc_v2(&p, 100));
    OK(cu.cuMemFree_v2(p));
    exit(0);
}

Test(fakes, report)
{
    char path[] = "/tmp/reportXXXXXX";
    int fd = mkstemp(path), status;
    cr_assert(fd >= 0);
    close(fd);
    setenv("FAKE_CUDA_REPORT", path, 1);
    pid_t child = fork();
    if (!child)
        leave_memory();
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    char *text = read_text(path);
    cr_assert(strstr(text, "cuMemAlloc 2\n"), "%s", text);
    cr_assert(strstr(text, "left memory 1\n"), "%s", text);
    cr_assert(strstr(text, "left streams 0\n"), "%s", text);
    cr_assert(strstr(text, "nvrtcCompileProgram 1\n"), "%s", text);
    cr_assert(strstr(text, "left programs 0\n"), "%s", text);
    free(text);
    unlink(path);
    unsetenv("FAKE_CUDA_REPORT");
}

/* ---- what goes wrong */

static void expect_broken(const char *kernel, CudaResult want)
{
    Bench b = bench_new();
    OK(cu.cuModuleGetFunction(&b.f, b.module, kernel));
    cr_assert_eq(launch(b.f, 32, b.in, b.out, b.stream), want);
    cr_assert_eq(cu.cuStreamSynchronize(b.stream), want);
    cr_assert_eq(launch(b.f, 32, b.in, b.out, b.stream), want);
}

Test(fakes, illegal_access_breaks_the_context)
{
    expect_broken("illegal", ILLEGAL_ADDRESS);
}

Test(fakes, write_behind_memory_breaks_the_context)
{
    expect_broken("one_too_many", 719);
}

Test(fakes, refused)
{
    Bench b = bench_new();
    CudaModule *m;
    CudaFunction *f;
    cr_assert_eq(cu.cuModuleLoadDataEx(&m, "nothing", 0, NULL, NULL),
                 INVALID_IMAGE);
    cr_assert_eq(cu.cuModuleGetFunction(&f, b.module, "nothing"), NOT_FOUND);
    cr_assert_eq(
        cu.cuFuncSetAttribute(b.f, CUDA_FUNCTION_DYNAMIC_SHARED, 228 << 10),
        INVALID_VALUE);
    cr_assert_eq(launch(b.f, 160, b.in, b.out, b.stream), 701);
    cr_assert_eq(launch_rows(b.f, 128, 65536, b.in, b.out, b.stream),
                 INVALID_VALUE);
    OK(cu.cuCtxSetCurrent(NULL));
    cr_assert_eq(launch(b.f, 128, b.in, b.out, b.stream), INVALID_CONTEXT);
    cr_assert_eq(cu.cuCtxEnablePeerAccess(NULL, 0), INVALID_CONTEXT);
}

/* ---- NVRTC */

Test(fakes, compiler_says_what_is_wrong)
{
    NvrtcProgram *p;
    char log[4096];
    size_t n;
    start();
    cr_assert_eq(
        compile("#include \"common.cuh\"\nnonsense", "-arch=sm_90", &p),
        NVRTC_COMPILATION_FAILED);
    OK(rtc.nvrtcGetProgramLogSize(p, &n));
    cr_assert(n > 1 && n <= sizeof log);
    OK(rtc.nvrtcGetProgramLog(p, log));
    cr_assert(strstr(log, "nonsense"), "%s", log);
    OK(rtc.nvrtcDestroyProgram(&p));
    cr_assert_eq(compile("", "-arch=sm_33", &p), INVALID_OPTION);
    OK(rtc.nvrtcDestroyProgram(&p));
    cr_assert_eq(compile("", "--nonsense", &p), INVALID_OPTION);
    OK(rtc.nvrtcDestroyProgram(&p));
}

/* A cubin is for its own architecture, PTX for all later ones. */
Test(fakes, architectures)
{
    CudaModule *m;
    NvrtcProgram *p;
    size_t n;
    char ptx[1024], *cubin;
    start();
    cubin = cubin_of_unit("-arch=sm_89");
    cr_assert_eq(cu.cuModuleLoadDataEx(&m, cubin, 0, NULL, NULL), NO_BINARY);
    free(cubin);
    OK(compile("#include \"common.cuh\"", "--gpu-architecture=compute_80", &p));
    OK(rtc.nvrtcGetPTXSize(p, &n));
    cr_assert(n <= sizeof ptx);
    OK(rtc.nvrtcGetPTX(p, ptx));
    OK(rtc.nvrtcGetCUBINSize(p, &n));
    cr_assert_eq(n, 0);
    OK(rtc.nvrtcDestroyProgram(&p));
    OK(cu.cuModuleLoadDataEx(&m, ptx, 0, NULL, NULL));
    OK(cu.cuModuleUnload(m));
}
