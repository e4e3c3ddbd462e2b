/* emulator.h - runs units of CUDA source on the CPU.
 *
 * A unit is compiled for the emulation (tests/cuda/build_unit.sh, or emu_build)
 * and opened here.  A launch runs the whole grid before it returns: one thread
 * of the system, the threads of a block take turns in an order that the seed
 * decides, so do the blocks.
 *
 * Thread-safe: launches of all threads run one after the other. */
#ifndef TESTS_CUDA_EMULATOR_H
#define TESTS_CUDA_EMULATOR_H

#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct EmuUnit EmuUnit;

/* A file that the unit includes: its name in #include, its text. */
typedef struct {
    const char *name, *text;
} EmuHeader;

/* Compiles `source` into the shared object `path`; device.cuh among the headers
 * is replaced by the emulated one.  options: words for the compiler, or "".
 * NULL, or what the compiler said, to be freed by the caller. */
char *emu_build(const char *source, const EmuHeader *header, int n_headers,
                const char *options, const char *path);

/* The same with memory: what was built once from the same texts stays in the
 * build folder (emulated/).  *path: the shared object, not to be written, to be
 * freed by the caller. */
char *emu_build_once(const char *source, const EmuHeader *header, int n_headers,
                     const char *options, char **path);

/* Opens what emu_build_once makes.  n_headers 0: all of gen/cuda of the tree.
 * NULL: see emu_error(). */
EmuUnit *emu_compile(const char *source, const EmuHeader *header,
                     int n_headers);

/* NULL: see emu_error(). */
EmuUnit *emu_open(const char *path);
void emu_close(EmuUnit *unit);

/* Does the unit have it?  Then most threads of a block, bytes of Call. */
int emu_kernel(const EmuUnit *unit, const char *symbol, int *threads,
               int *call_bytes);

/* The architecture the unit was compiled for, 90 for sm_90. */
int emu_arch(const EmuUnit *unit);

/* Runs a kernel: grid_x * grid_y blocks of `threads`, `shared` bytes of dynamic
 * shared memory each (filled with NaN); `call` is the struct Call<N>.  seed 0:
 * threads and blocks in their natural order.  NULL, or what went wrong, valid
 * until the thread's next call here. */
const char *emu_launch(EmuUnit *unit, const char *symbol, int64_t grid_x,
                       int64_t grid_y, int threads, int64_t shared,
                       const void *call, int64_t call_bytes, uint64_t seed);

/* Seconds of processor time that a thread of a kernel may run without waiting
 * for others before it is taken for a loop without end: 60 unless set here. */
void emu_patience(int seconds);

/* What the last emu_compile, emu_open or emu_launch of this thread said. */
const char *emu_error(void);

#ifdef __cplusplus
}
#endif
#endif
