#include "emulator.h"
#include "fault.h"
#include "grid.h"
#include "say.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <string>

using namespace emu;

struct EmuUnit {
    void *library;
};

namespace {

std::mutex one_launch;
thread_local std::string said;

const EmuKernel *find(const EmuUnit *u, const char *symbol)
{
    return (const EmuKernel *)dlsym(u->library, symbol);
}

std::string refuse(const EmuKernel *k, const char *name, int64_t blocks_x,
                   int64_t blocks_y, int threads, int64_t shared,
                   int64_t call_bytes)
{
    std::string kernel = std::string("kernel ") + name + ": ";
    if (!k)
        return kernel + "not in the unit";
    if (blocks_x < 1 || blocks_x > 0x7fffffff || blocks_y < 1 ||
        blocks_y > 65535)
        return kernel + "grid of " + std::to_string(blocks_x) + " x " +
               std::to_string(blocks_y) + " blocks";
    if (threads < 32 || threads % 32 || threads > (int)k->threads ||
        threads > MAX_THREADS)
        return kernel + std::to_string(threads) + " threads, made for " +
               std::to_string(k->threads);
    if (shared < 0 || shared > (int64_t)MAX_SHARED)
        return kernel + std::to_string(shared) + " bytes of shared memory";
    if (call_bytes != (int64_t)k->call_bytes)
        return kernel + "argument of " + std::to_string(call_bytes) +
               " bytes, takes " + std::to_string(k->call_bytes);
    return "";
}

} // namespace

const char *emu_say(const std::string &text)
{
    said = text;
    return said.c_str();
}

EmuUnit *emu_open(const char *path)
{
    std::string name = strchr(path, '/') ? path : std::string("./") + path;
    void *library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        emu_say(dlerror());
        return nullptr;
    }
    auto attach = (void (*)(EmuHost *))dlsym(library, "emu_attach");
    if (!attach) {
        emu_say(name + " was not compiled for the emulation");
        dlclose(library);
        return nullptr;
    }
    attach(&grid.host);
    return new EmuUnit{library};
}

void emu_close(EmuUnit *unit)
{
    if (unit)
        dlclose(unit->library);
    delete unit;
}

int emu_kernel(const EmuUnit *unit, const char *symbol, int *threads,
               int *call_bytes)
{
    const EmuKernel *k = find(unit, symbol);
    if (!k)
        return 0;
    *threads = (int)k->threads;
    *call_bytes = (int)k->call_bytes;
    return 1;
}

int emu_arch(const EmuUnit *unit)
{
    auto arch = (const int *)dlsym(unit->library, "emu_unit_arch");
    return arch ? *arch / 10 : 0;
}

const char *emu_launch(EmuUnit *unit, const char *symbol, int64_t grid_x,
                       int64_t grid_y, int threads, int64_t shared,
                       const void *call, int64_t call_bytes, uint64_t seed)
{
    const EmuKernel *kernel = find(unit, symbol);
    std::string why =
        refuse(kernel, symbol, grid_x, grid_y, threads, shared, call_bytes);
    if (!why.empty())
        return emu_say(why);
    Launch launch = {symbol, kernel,  call,           grid_x,
                     grid_y, threads, (size_t)shared, seed};
    std::lock_guard<std::mutex> lock(one_launch);
    Faults faults;
    const char *e = grid_run(&launch);
    return e ? emu_say(e) : nullptr;
}

void emu_patience(int seconds) { patience = seconds; }

const char *emu_error(void) { return said.c_str(); }
