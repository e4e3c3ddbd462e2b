/* cuda_api.h - the CUDA driver and NVRTC as this program uses them: types,
 * constants and function tables.  Declared here so that neither building nor
 * starting needs CUDA; both libraries are opened at run time (cuda_driver.h,
 * nvrtc.h).
 *
 * Source: the CUDA driver API and NVRTC reference manuals; layouts are part of
 * the driver's binary interface and never change under one symbol name. */
#ifndef RUNTIME_CUDA_API_H
#define RUNTIME_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

/* ---- the driver */

typedef int CudaResult;
enum {
    CUDA_OK = 0,
    CUDA_OUT_OF_MEMORY = 2,
    CUDA_NO_DEVICE = 100,
    CUDA_PEER_ALREADY_ENABLED = 704,
};

typedef int CudaOrdinal;      /* CUdevice */
typedef uint64_t CudaAddress; /* CUdeviceptr */
typedef struct CUctx_st CudaContext;
typedef struct CUmod_st CudaModule;
typedef struct CUfunc_st CudaFunction;
typedef struct CUstream_st CudaStream;
typedef struct CUevent_st CudaEvent;
typedef struct CUgraph_st CudaGraph;
typedef struct CUgraphExec_st CudaGraphExec;
typedef void CudaHostFn(void *ctx);

typedef enum {
    CUDA_CLOCK_KHZ = 13,
    CUDA_SM_COUNT = 16,
    CUDA_MEMORY_CLOCK_KHZ = 36,
    CUDA_MEMORY_BUS_BITS = 37,
    CUDA_ARCH_MAJOR = 75,
    CUDA_ARCH_MINOR = 76,
    CUDA_SHARED_PER_BLOCK = 97, /* bytes, what a kernel may ask for */
} CudaAttribute;

typedef enum {
    CUDA_FUNCTION_THREADS = 0, /* most threads of a block */
    CUDA_FUNCTION_STATIC_SHARED = 1,
    CUDA_FUNCTION_DYNAMIC_SHARED = 8,
} CudaFunctionAttribute;

typedef enum {
    CUDA_JIT_ERROR_LOG = 5,       /* char * */
    CUDA_JIT_ERROR_LOG_BYTES = 6, /* unsigned in the pointer */
} CudaJitOption;

enum {
    CUDA_STREAM_NON_BLOCKING = 1, /* does not wait for the null stream */
    CUDA_EVENT_TIMED = 0,
    CUDA_EVENT_UNTIMED = 2,
    CUDA_HOST_PORTABLE = 1, /* pinned for all contexts */
    CUDA_LAUNCH_PROGRAMMATIC = 6,
};

typedef enum {
    CUDA_CAPTURE_THREAD_LOCAL = 1, /* what other threads do is theirs */
} CudaCaptureMode;

/* CUlaunchAttribute: id, padding to 8 bytes, a union of 64 bytes. */
typedef struct {
    int id, padding;
    union {
        int allowed; /* CUDA_LAUNCH_PROGRAMMATIC: may begin early */
        char room[64];
    } value;
} CudaLaunchAttribute;

/* CUlaunchConfig */
typedef struct {
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z;
    unsigned shared; /* bytes */
    CudaStream *stream;
    CudaLaunchAttribute *attribute;
    unsigned n_attributes;
} CudaLaunchConfig;

typedef struct {
#define CUDA_SYM(name, parameters) CudaResult(*name) parameters;
#include "runtime/cuda_syms.def"
#undef CUDA_SYM
} CudaApi;

/* ---- NVRTC */

typedef int NvrtcResult;
enum { NVRTC_OK = 0, NVRTC_COMPILATION_FAILED = 6 };
typedef struct NvrtcProgram_st NvrtcProgram;

typedef struct {
#define NVRTC_SYM(name, parameters) NvrtcResult(*name) parameters;
#define NVRTC_TEXT(name, parameters) const char *(*name)parameters;
#include "runtime/nvrtc_syms.def"
#undef NVRTC_SYM
#undef NVRTC_TEXT
} NvrtcApi;

#endif
