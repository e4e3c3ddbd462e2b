/* kernel_cases.h - what the kernels of a device are held to: graphs and steps,
 * run on random inputs by kernel_check.h.  One table a kernel class; a row more
 * is a check more, in the tests and in `sextet check --kernels`.
 *
 * Inputs are filled by `fill`, but those whose names begin with
 *   unit    rows of the last axis of length 1
 *   share   between 0 and 1
 *   decay   negative, mostly above -1
 *   slow    negative, mostly above -1/100
 *   steep   negative, mostly below -10 */
#ifndef CLI_KERNEL_CASES_H
#define CLI_KERNEL_CASES_H

#include "compiler/interp.h"
#include "compiler/kernels.h"

/* What f32 inputs hold. */
typedef enum {
    FILL_NORMAL,   /* about normal */
    FILL_POSITIVE, /* the same above 1/1000 */
    FILL_ROWS,     /* rows of the last axis, each of a magnitude of its own,
                      from 2^-60 to 2^40 */
    FILL_SPREAD,   /* magnitudes from 2^-20 to 2^20, a few rows all alike */
    FILL_ODD,      /* the same with infinities, NaN and zeros of both signs */
} KernelFill;

enum { CASE_STEPS = 8 };

typedef struct {
    const char *name; /* NULL ends a table */
    double limit;     /* of sum (a-b)^2 / sum b^2, for each result and state;
                         0: equal */
    InterpStep step[CASE_STEPS]; /* {T, R, past}; T = 0 ends */
    const char *text; /* a kernel's `func` without "func @name" */
    const char *each; /* words: a check for each, which replaces every ? of the
                         text; NULL: one check */
    KernelFill fill;
} KernelCase;

/* Words for `each`: block types, elementwise ops of one and two arguments. */
extern const char case_quant_types[], case_float_types[], case_unary_ops[],
    case_binary_ops[];

extern const KernelCase kernel_cases_row[], kernel_cases_conv[],
    kernel_cases_matmul[], kernel_cases_experts[], kernel_cases_attention[],
    kernel_cases_delta[];

/* All of them, by kernel class. */
extern const KernelCase *const kernel_cases[KERNEL_CLASS_COUNT];

#endif
