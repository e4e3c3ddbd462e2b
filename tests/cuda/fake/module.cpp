// Modules: shared objects of the emulator, as the fake NVRTC makes them;
// kernels and their launches.
#include "fake.h"

#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <unistd.h>

namespace fake {
namespace {

auto &modules = *new std::set<CUmod_st *>();

constexpr int USUAL_SHARED = 48 << 10;

void say(const std::string &text)
{
    fprintf(stderr, "fake CUDA: %s\n", text.c_str());
}

// Of a shared object whose section headers come last, as linkers write them; 0
// if it is none.
size_t image_bytes(const void *image)
{
    Elf64_Ehdr h;
    if (memcmp(image, ELFMAG, SELFMAG))
        return 0;
    memcpy(&h, image, sizeof h);
    if (h.e_type != ET_DYN || h.e_ehsize != sizeof h)
        return 0;
    return h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
}

std::string temporary_file(const void *bytes, size_t n)
{
    char path[] = "/tmp/cubinXXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return "";
    FILE *f = fdopen(fd, "wb");
    bool ok = fwrite(bytes, 1, n, f) == n;
    return fclose(f) == 0 && ok ? path : "";
}

EmuUnit *open_cubin(const void *image, size_t n)
{
    std::string path = temporary_file(image, n);
    if (path.empty())
        return nullptr;
    EmuUnit *u = emu_open(path.c_str());
    if (!u)
        say(emu_error());
    unlink(path.c_str());
    return u;
}

// "PTX" names the shared object: nvrtc.cpp.
EmuUnit *open_ptx(const char *text)
{
    const char *at = strstr(text, "// unit ");
    const char *end = at ? strchr(at, '\n') : nullptr;
    return end ? emu_open(std::string(at + 8, end).c_str()) : nullptr;
}

int limit_of(const CUctx_st *c)
{
    int n = 0;
    cuDeviceGetAttribute(&n, CUDA_SHARED_PER_BLOCK, c->device);
    return n;
}

CudaResult check_launch(const CudaLaunchConfig *c, const CUfunc_st *f)
{
    if (f->module->context != current)
        return INVALID_CONTEXT;
    if (!c->grid_x || !c->grid_y || c->grid_z != 1 || c->block_y != 1 ||
        c->block_z != 1)
        return INVALID_VALUE;
    if (!c->block_x || c->grid_x > 0x7fffffff || c->grid_y > 65535 ||
        c->block_x > 1024)
        return INVALID_VALUE;
    if (c->block_x > f->threads)
        return LAUNCH_OUT_OF_RESOURCES;
    if (c->shared > (unsigned)f->dynamic_shared)
        return INVALID_VALUE;
    for (unsigned i = 0; i < c->n_attributes; i++)
        if (c->attribute[i].id != CUDA_LAUNCH_PROGRAMMATIC)
            return INVALID_VALUE;
    return CUDA_OK;
}

CudaResult run(const CUfunc_st *f, const CudaLaunchConfig &c,
               const std::vector<uint64_t> &call)
{
    const char *e = emu_launch(
        f->module->unit, f->name, c.grid_x, c.grid_y, (int)c.block_x, c.shared,
        call.data(), f->call_bytes, (uint64_t)setting("FAKE_CUDA_SEED", 1));
    std::string text = e ? e : "";
    if (!e) {
        std::lock_guard<std::mutex> guard(lock);
        text = damage();
        if (!text.empty())
            text = std::string("after kernel ") + f->name + ": " + text;
    }
    if (text.empty())
        return CUDA_OK;
    say(text);
    return text.find("access") != std::string::npos ? ILLEGAL_ADDRESS
                                                    : LAUNCH_FAILED;
}

} // namespace

void report_left_modules(FILE *f)
{
    fprintf(f, "left modules %zu\n", modules.size());
}

} // namespace fake

using namespace fake;

CudaResult cuModuleLoadDataEx(CudaModule **m, const void *image, unsigned n,
                              CudaJitOption *option, void **value)
{
    ENTER(NEEDS_NO_CAPTURE);
    (void)n, (void)option, (void)value;
    size_t bytes = image_bytes(image);
    EmuUnit *u =
        bytes ? open_cubin(image, bytes) : open_ptx((const char *)image);
    if (!u)
        return INVALID_IMAGE;
    int64_t arch = setting("FAKE_CUDA_ARCH", 90), made_for = emu_arch(u);
    bool fits = bytes ? made_for / 10 == arch / 10 && made_for <= arch
                      : made_for <= arch;
    if (!fits) {
        emu_close(u);
        return NO_BINARY_FOR_GPU;
    }
    std::lock_guard<std::mutex> guard(lock);
    *m = new CUmod_st{current, u, {}};
    modules.insert(*m);
    return CUDA_OK;
}

CudaResult cuModuleUnload(CudaModule *m)
{
    ENTER(NEEDS_CONTEXT);
    drain_all();
    std::lock_guard<std::mutex> guard(lock);
    if (!modules.erase(m))
        return INVALID_HANDLE;
    for (CUfunc_st *f : m->function) {
        free((void *)f->name);
        delete f;
    }
    emu_close(m->unit);
    delete m;
    return CUDA_OK;
}

CudaResult cuModuleGetFunction(CudaFunction **f, CudaModule *m,
                               const char *name)
{
    ENTER(NEEDS_CONTEXT);
    std::lock_guard<std::mutex> guard(lock);
    if (!modules.count(m))
        return INVALID_HANDLE;
    for (CudaFunction *known : m->function)
        if (!strcmp(known->name, name)) {
            *f = known;
            return CUDA_OK;
        }
    int threads, bytes;
    if (!emu_kernel(m->unit, name, &threads, &bytes))
        return NOT_FOUND;
    *f = new CUfunc_st{m, strdup(name), (unsigned)threads, (unsigned)bytes,
                       USUAL_SHARED};
    m->function.push_back(*f);
    return CUDA_OK;
}

CudaResult cuFuncGetAttribute(int *value, CudaFunctionAttribute a,
                              CudaFunction *f)
{
    ENTER(NEEDS_CONTEXT);
    switch (a) {
    case CUDA_FUNCTION_THREADS: *value = (int)f->threads; return CUDA_OK;
    case CUDA_FUNCTION_STATIC_SHARED: *value = 0; return CUDA_OK;
    case CUDA_FUNCTION_DYNAMIC_SHARED:
        *value = f->dynamic_shared;
        return CUDA_OK;
    }
    return INVALID_VALUE;
}

CudaResult cuFuncSetAttribute(CudaFunction *f, CudaFunctionAttribute a,
                              int value)
{
    ENTER(NEEDS_CONTEXT);
    if (a != CUDA_FUNCTION_DYNAMIC_SHARED || value < 0 ||
        value > limit_of(f->module->context))
        return INVALID_VALUE;
    f->dynamic_shared = value;
    return CUDA_OK;
}

// The arguments are taken at the call, those of a graph when it is recorded.
CudaResult cuLaunchKernelEx(const CudaLaunchConfig *c, CudaFunction *f,
                            void **parameters, void **extra)
{
    ENTER(NEEDS_CONTEXT);
    if (extra || !parameters)
        return INVALID_VALUE;
    if (CudaResult r = check_launch(c, f))
        return r;
    std::vector<uint64_t> call((f->call_bytes + 7) / 8);
    memcpy(call.data(), parameters[0], f->call_bytes);
    CudaLaunchConfig config = *c;
    return submit(c->stream, [=] { return run(f, config, call); });
}
