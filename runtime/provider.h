/* provider.h - finds and opens the host compiler module (host_provider.h). */
#ifndef RUNTIME_PROVIDER_H
#define RUNTIME_PROVIDER_H

#include "runtime/host_provider.h"

/* path NULL: sextet-llvm.so beside the running program.  Opened once and never
 * closed (LLVM does not like to be); *out lives as long as the process. */
Err *provider_open(const char *path, const HostProvider **out) MUST_USE;

#endif
