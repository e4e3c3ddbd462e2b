/* nvrtc.h - NVIDIA's run-time compiler: CUDA source to machine code.
 *
 * Looked for where the system looks for libraries, beside this program and in
 * /usr/local/cuda; version 13 or 12, not newer than the driver if there is a
 * choice.  One that does not answer is passed over with a warning.  Any number of threads may compile at once. */
#ifndef RUNTIME_NVRTC_H
#define RUNTIME_NVRTC_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/cuda_api.h"
#include "runtime/cuda_code.h"

enum { NVRTC_MAX_ARCHS = 64 };

typedef struct {
    NvrtcApi api;
    int major, minor;
    int n_archs;
    int arch[NVRTC_MAX_ARCHS]; /* 80, 86, 90 ..., ascending */
} Nvrtc;

/* Where code shall run. */
typedef struct {
    char name[16]; /* "sm_90a", or "compute_120" */
    bool ptx;      /* the driver makes machine code of it when it is loaded */
} NvrtcTarget;

/* driver: its CUDA version as in CudaDriver, 0: any compiler will do.  Opened
 * once for the whole program, for the first caller's driver.  ERR_DEVICE says
 * what to install. */
Err *nvrtc_open(int driver, const Nvrtc **out) MUST_USE;

/* Whether the one that was opened is of a later major version than that driver,
 * which then takes none of its code. */
bool nvrtc_is_newer(int driver);

/* For cards of that architecture; PTX of the newest one known if it is newer
 * than the compiler.  n NULL: as a compiler that knows all would. */
NvrtcTarget nvrtc_target(const Nvrtc *n, int arch);

/* The options that a unit is compiled with for a target, for cache keys too. */
enum { NVRTC_OPTIONS = 7 };
void nvrtc_options(const NvrtcTarget *t, char arch[40],
                   const char *option[NVRTC_OPTIONS]);

/* Appends cubin or PTX (with its NUL) of a unit to out.  An error holds the
 * compiler's words, which name file and line. */
Err *nvrtc_compile(const Nvrtc *n, const CudaCode *c, int unit,
                   const NvrtcTarget *t, Buf *out) MUST_USE;

#endif
