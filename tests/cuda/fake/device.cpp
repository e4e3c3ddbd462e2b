// Cards, contexts, errors.
#include "fake.h"

#include <cstring>
#include <map>
#include <memory>

namespace fake {

std::mutex lock;
std::condition_variable &changed = *new std::condition_variable();
thread_local CUctx_st *current;
thread_local int captures;

namespace {

bool initialized;

int n_devices() { return (int)setting("FAKE_CUDA_DEVICES", 1); }
bool is_device(int d) { return d >= 0 && d < n_devices(); }

// Bytes of shared memory that a block may ask for (CUDA programming guide,
// technical specifications by compute capability).
int shared_limit(int64_t arch)
{
    switch (arch) {
    case 75: return 64 << 10;
    case 80:
    case 87: return 163 << 10;
    case 86:
    case 89:
    case 120:
    case 121: return 99 << 10;
    default: return 227 << 10;
    }
}

int attribute(CudaAttribute a)
{
    int64_t arch = setting("FAKE_CUDA_ARCH", 90);
    switch (a) {
    case CUDA_CLOCK_KHZ: return 1000000;
    case CUDA_SM_COUNT: return (int)setting("FAKE_CUDA_SMS", 4);
    case CUDA_MEMORY_CLOCK_KHZ: return 1000000;
    case CUDA_MEMORY_BUS_BITS: return 512;
    case CUDA_ARCH_MAJOR: return (int)(arch / 10);
    case CUDA_ARCH_MINOR: return (int)(arch % 10);
    case CUDA_SHARED_PER_BLOCK: return shared_limit(arch);
    }
    return 0;
}

struct ErrorText {
    CudaResult result;
    const char *name, *text;
};
const ErrorText ERRORS[] = {
    {CUDA_OK, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_NO_DEVICE, "CUDA_ERROR_NO_DEVICE",
     "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE",
     "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {PEER_ACCESS_UNSUPPORTED, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED",
     "peer access is not supported between these two devices"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_PEER_ALREADY_ENABLED, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED",
     "peer access is already enabled"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
     "capture was not initiated in this stream"},
    {CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED",
     "capture has unjoined work"},
    {UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

const ErrorText *find_error(CudaResult r)
{
    for (const ErrorText &e : ERRORS)
        if (e.result == r)
            return &e;
    return nullptr;
}

} // namespace

void report_left(FILE *f)
{
    report_left_memory(f);
    report_left_streams(f);
    report_left_modules(f);
}

CUctx_st *context_of(int device)
{
    static auto &contexts = *new std::map<int, std::unique_ptr<CUctx_st>>();
    std::unique_ptr<CUctx_st> &c = contexts[device];
    if (!c) {
        c.reset(new CUctx_st());
        c->device = device;
        c->null_stream.context = c.get();
    }
    return c.get();
}

CudaResult enter(const char *name, Needs needs)
{
    int usual = UNKNOWN;
    if (strstr(name, "Alloc"))
        usual = CUDA_OUT_OF_MEMORY;
    if (int r = count_call(name, usual))
        return r;
    if (!initialized)
        return NOT_INITIALIZED;
    if (needs == NEEDS_INIT)
        return CUDA_OK;
    std::lock_guard<std::mutex> guard(lock);
    if (!current || !current->retained)
        return INVALID_CONTEXT;
    if (needs == NEEDS_NO_CAPTURE && captures)
        return CAPTURE_UNSUPPORTED;
    return current->broken;
}

} // namespace fake

using namespace fake;

CudaResult cuInit(unsigned flags)
{
    if (int r = count_call(__func__, UNKNOWN))
        return r;
    if (flags)
        return INVALID_VALUE;
    if (n_devices() < 1)
        return CUDA_NO_DEVICE;
    initialized = true;
    return CUDA_OK;
}

CudaResult cuDriverGetVersion(int *version)
{
    if (int r = count_call(__func__, UNKNOWN))
        return r;
    *version = (int)setting("FAKE_CUDA_DRIVER_VERSION", 13000);
    return CUDA_OK;
}

CudaResult cuGetErrorName(CudaResult r, const char **name)
{
    const ErrorText *e = find_error(r);
    *name = e ? e->name : nullptr;
    return valid_if(e);
}

CudaResult cuGetErrorString(CudaResult r, const char **text)
{
    const ErrorText *e = find_error(r);
    *text = e ? e->text : nullptr;
    return valid_if(e);
}

CudaResult cuDeviceGetCount(int *n)
{
    ENTER(NEEDS_INIT);
    *n = n_devices();
    return CUDA_OK;
}

CudaResult cuDeviceGet(CudaOrdinal *d, int i)
{
    ENTER(NEEDS_INIT);
    if (!is_device(i))
        return INVALID_DEVICE;
    *d = i;
    return CUDA_OK;
}

CudaResult cuDeviceGetName(char *name, int n, CudaOrdinal d)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d))
        return INVALID_DEVICE;
    snprintf(name, (size_t)n, "NVIDIA Emulated");
    return CUDA_OK;
}

CudaResult cuDeviceGetPCIBusId(char *id, int n, CudaOrdinal d)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d))
        return INVALID_DEVICE;
    snprintf(id, (size_t)n, "0000:%02X:00.0", (unsigned)d + 1);
    return CUDA_OK;
}

CudaResult cuDeviceTotalMem_v2(size_t *bytes, CudaOrdinal d)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d))
        return INVALID_DEVICE;
    *bytes = (size_t)setting("FAKE_CUDA_MEMORY", 4ll << 30);
    return CUDA_OK;
}

CudaResult cuDeviceGetAttribute(int *value, CudaAttribute a, CudaOrdinal d)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d))
        return INVALID_DEVICE;
    *value = attribute(a);
    return valid_if(*value || a == CUDA_ARCH_MINOR);
}

CudaResult cuDeviceCanAccessPeer(int *yes, CudaOrdinal d, CudaOrdinal peer)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d) || !is_device(peer))
        return INVALID_DEVICE;
    *yes = d != peer && setting("FAKE_CUDA_PEERS", 1);
    return CUDA_OK;
}

CudaResult cuDevicePrimaryCtxRetain(CudaContext **c, CudaOrdinal d)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d))
        return INVALID_DEVICE;
    std::lock_guard<std::mutex> guard(lock);
    *c = context_of(d);
    (*c)->retained++;
    return CUDA_OK;
}

CudaResult cuDevicePrimaryCtxRelease_v2(CudaOrdinal d)
{
    ENTER(NEEDS_INIT);
    if (!is_device(d))
        return INVALID_DEVICE;
    std::lock_guard<std::mutex> guard(lock);
    CUctx_st *c = context_of(d);
    if (!c->retained)
        return INVALID_CONTEXT;
    if (--c->retained == 0) {
        c->broken = CUDA_OK;
        c->peers.clear();
    }
    return CUDA_OK;
}

CudaResult cuCtxSetCurrent(CudaContext *c)
{
    ENTER(NEEDS_INIT);
    current = c;
    return CUDA_OK;
}

CudaResult cuCtxEnablePeerAccess(CudaContext *peer, unsigned flags)
{
    ENTER(NEEDS_CONTEXT);
    std::lock_guard<std::mutex> guard(lock);
    if (flags || !peer)
        return INVALID_VALUE;
    if (peer == current || !setting("FAKE_CUDA_PEERS", 1))
        return PEER_ACCESS_UNSUPPORTED;
    return current->peers.insert(peer).second ? CUDA_OK
                                              : CUDA_PEER_ALREADY_ENABLED;
}
