#include "runtime/library.h"

#include <dlfcn.h>
#include <string.h>

void *library_open(const char *name, bool global)
{
    void *library =
        dlopen(name, RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL));
    /* The C library keeps a message until it was read, and read over. */
    (void)dlerror();
    (void)dlerror();
    return library;
}

const char *library_find(void *library, const LibrarySymbol *symbol, size_t n,
                         void *table)
{
    for (size_t i = 0; i < n; i++) {
        void *fn = dlsym(library, symbol[i].name);
        if (!fn)
            return symbol[i].name;
        memcpy((char *)table + symbol[i].at, &fn, sizeof fn);
    }
    return NULL;
}
