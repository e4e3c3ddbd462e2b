/* host_provider.h - the host JIT behind a function table.
 *
 * gen/llvm builds it as a module of its own (sextet-llvm.so), found beside the
 * program and opened with dlopen, so that an install without LLVM still
 * starts.  Everything crosses this border as text or plain data.
 *
 * A kernel is a `func` of graph text.  Compiled, it is
 *     void NAME(const KernelCall *c, int64_t begin, int64_t end, void *scratch)
 * which does work items [begin, end) of KernelInfo.items (a Dim: k or k times
 * T, R or C); items may run in any order on any threads.  NAME.info is a
 * constant KernelInfo beside it. */
#ifndef RUNTIME_HOST_PROVIDER_H
#define RUNTIME_HOST_PROVIDER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { HOST_PROVIDER_ABI = 3 };
#define HOST_PROVIDER_SYMBOL "sextet_host_provider"

typedef struct {
    void *const *arg; /* the step's arguments: inputs, then results */
    int64_t tokens;   /* T */
    int64_t outputs;  /* R */
    int64_t past;     /* rows already in the per-token states (C = past + T) */
    int64_t capacity; /* rows the per-token states can hold */
    void *shared;     /* KernelInfo.shared bytes, one for all threads */
    void *counters;   /* KernelInfo.counters bytes, likewise */
} KernelCall;

typedef void KernelFn(const KernelCall *c, int64_t begin, int64_t end,
                      void *scratch);

typedef struct {
    int64_t items_k;   /* items = items_k * value of items_sym */
    int64_t items_sym; /* a Sym of plan.h */
    int64_t scratch;   /* bytes per thread, 64-byte aligned */
    int64_t shared;    /* bytes that all threads of a launch share, 64-byte
                          aligned; other kernels leave anything there */
    int64_t counters;  /* the same, but zero when a launch begins and left so
                          by every kernel */
} KernelInfo;

typedef struct HostModule HostModule;

typedef struct {
    int abi;             /* HOST_PROVIDER_ABI */
    const char *version; /* part of the cache key: provider and LLVM */
    /* kernels: graph text.  cpu: "native" or an LLVM CPU name such as
     * "x86-64-v3".  object receives relocatable object code; ir, if not NULL,
     * the LLVM IR before and after optimisation as text. */
    Err *(*compile)(const char *kernels, const char *cpu, Buf *object,
                    Buf *ir);
    /* The cpu string "native" stands for here, with its features: for cache
     * keys.  Static storage. */
    const char *(*native_cpu)(void);
    Err *(*load)(const void *object, size_t n, HostModule **out);
    /* NULL if there is none. */
    void *(*symbol)(HostModule *m, const char *name);
    void (*unload)(HostModule *m);
} HostProvider;

#endif
