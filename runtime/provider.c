#include "runtime/provider.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

static const char module_name[] = "sextet-llvm.so";

/* The folder of the program, with the slash, then the module's name. */
static Err *beside_program(Buf *path)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0 || n >= (ssize_t)sizeof exe - 1)
        return err_new(ERR_IO, "cannot find out where the program lies; say "
                               "--provider=FILE");
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    buf_add(path, exe, slash ? (size_t)(slash - exe) + 1 : 0);
    buf_puts(path, module_name);
    return NULL;
}

static Err *open_at(const char *path, const HostProvider **out)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_new(ERR_DEVICE,
                       "cannot open the host compiler: %s\n"
                       "Install LLVM 19 and build with WITH_LLVM=ON, or say "
                       "--provider=FILE",
                       dlerror());
    const HostProvider *p = dlsym(library, HOST_PROVIDER_SYMBOL);
    if (!p)
        return err_new(ERR_DEVICE, "'%s' is not a host compiler: it has no %s",
                       path, HOST_PROVIDER_SYMBOL);
    if (p->abi != HOST_PROVIDER_ABI)
        return err_new(ERR_DEVICE,
                       "'%s' has interface %d, this program needs %d: build "
                       "both together",
                       path, p->abi, HOST_PROVIDER_ABI);
    *out = p;
    return NULL;
}

Err *provider_open(const char *path, const HostProvider **out)
{
    Buf found = {0};
    Err *e = NULL;
    *out = NULL;
    if (!path)
        DO(beside_program(&found));
    e = open_at(path ? path : found.data, out);
out:
    buf_free(&found);
    return e;
}
