/* kernel_run.h - buffers on a machine, and the launches of one kernel on them. */
#ifndef CLI_KERNEL_RUN_H
#define CLI_KERNEL_RUN_H

#include "base/random.h"
#include "runtime/cli/kernel_check.h"
#include "runtime/cli/kernel_data.h"

/* n bytes with guards of 0xff around them. */
typedef struct {
    uint8_t *all, *at;
    int64_t n, n_all;
} MachineBuf;

/* The n bytes are those at `from`, or all 0xff if it is NULL. */
Err *machine_buf_new(const KernelMachine *m, const void *from, int64_t n,
                     MachineBuf *out) MUST_USE;
/* The bytes to `to`, unless it is NULL; *clean: are the guards as they were? */
Err *machine_buf_read(const KernelMachine *m, const MachineBuf *b, void *to,
                      bool *clean) MUST_USE;
void machine_buf_free(const KernelMachine *m, MachineBuf *b);

/* A matrix (or experts' matrices) in tiles, packed by the machine from the
 * file's layout. */
Err *kernel_pack(const KernelMachine *m, const CudaCode *code, const Type *t,
                 const KernelValue *v, MachineBuf *out) MUST_USE;

/* Every launch of the kernel that belongs to the step; scratch as for the
 * largest, `most`.  *fault: NULL, or what
 * went wrong there, in the arena. */
Err *kernel_run(const KernelMachine *m, const CudaKernel *k, KernelStep s,
                InterpStep most, const MachineBuf *arg,
                Random *random, Arena *a, const char **fault) MUST_USE;

#endif
