/* kernel_check.h - runs the kernels of a table on a machine and compares them
 * with the interpreter.
 *
 * Values start as random numbers, results and scratch as NaN, counters as zero.
 * A check fails when an error is above its limit (a NaN that the interpreter
 * has not is), when an element is off by more than a hundredth of its row's
 * RMS, when anything but results and states changed, when a byte around a
 * buffer changed, when a counter is left, or when a launch fails. */
#ifndef CLI_KERNEL_CHECK_H
#define CLI_KERNEL_CHECK_H

#include "runtime/cli/kernel_cases.h"
#include "runtime/cuda_code.h"

typedef struct {
    int unit;
    const char *symbol;
    int64_t x, y, shared; /* blocks; bytes of dynamic shared memory */
    int threads;
    const void *call; /* struct Call<n> */
    int64_t call_bytes;
    uint64_t seed; /* of orders that the machine may choose */
} KernelRun;

/* What runs them: the tests' emulation, or a device. */
typedef struct {
    void *ctx;
    int multiprocessors;
    /* Guard bytes wanted behind each buffer; 0 if touching them is a fault. */
    int64_t behind;
    /* Compiles the units; they are those that `run` means until unload. */
    Err *(*load)(void *ctx, const CudaCode *code);
    void (*unload)(void *ctx); /* before the code goes */
    /* Runs a launch to its end. */
    Err *(*run)(void *ctx, const KernelRun *run);
    /* Memory that kernels address; aligned to 64 bytes, so is n. */
    Err *(*alloc)(void *ctx, int64_t n, uint8_t **out);
    void (*release)(void *ctx, uint8_t *at);
    Err *(*write)(void *ctx, uint8_t *to, const void *from, int64_t n);
    Err *(*read)(void *ctx, const uint8_t *from, void *to, int64_t n);
} KernelMachine;

/* Of one result or state in one step; `fault` of the whole step, without
 * errors. */
typedef struct {
    const char *check, *step, *value; /* "rope", "T=5 R=2 past=3", "state 1" */
    double error, limit; /* NMSE */
    double worst;        /* farthest element, in RMS of its row */
    bool passed;
    const char *fault; /* or NULL */
} KernelVerdict;

typedef struct {
    void *ctx;
    void (*verdict)(void *ctx, const KernelVerdict *v);
} KernelReport;

/* All rows of the table.  The error is of what is no kernel's fault alone: a
 * unit that does not compile, no memory. */
Err *kernel_check(const KernelMachine *m, const KernelCase *table,
                  KernelReport report) MUST_USE;

/* The rows of the table as kernels of a plan, in the arena: what kernel_check
 * compiles.  Kernels of the plan are called like their checks. */
Err *kernel_check_plan(Arena *a, const KernelCase *table,
                       Plan **out) MUST_USE;

#endif
