/* kernel_sample.h - checks of the kernel that chooses tokens: it must take what
 * sampler.h takes. */
#ifndef CLI_KERNEL_SAMPLE_H
#define CLI_KERNEL_SAMPLE_H

#include "runtime/cli/kernel_check.h"

/* For each of many settings and kinds of logits, texts of some tokens, chosen
 * one after the other on the machine and by the host's sampler: one verdict
 * for each text. */
Err *kernel_check_sample(const KernelMachine *m, KernelReport report) MUST_USE;

#endif
