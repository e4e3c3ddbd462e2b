/* jit.h - object code into memory and back out. */
#ifndef GEN_LLVM_JIT_H
#define GEN_LLVM_JIT_H

#include <llvm/Config/llvm-config.h>

#include "runtime/host_provider.h"

Err *jit_load(const void *object, size_t n, HostModule **out) MUST_USE;
void *jit_symbol(HostModule *m, const char *name);
void jit_unload(HostModule *m);

#define JIT_TEXT_(x) #x
#define JIT_TEXT(x) JIT_TEXT_(x)
#define LLVM_VERSION_TEXT                                                      \
    JIT_TEXT(LLVM_VERSION_MAJOR) "." JIT_TEXT(LLVM_VERSION_MINOR)

#endif
