/* kernel_cut.h - groups of a placed graph cut out as functions of their own.
 *
 * A kernel is a `func` whose parameters are, in order of first use, what its
 * nodes read from outside (values as input nodes, weights as weight nodes,
 * states as state nodes) and whose results are the values that others read.
 * At run time its arguments are the parameters, then the results.  A result
 * that is an append, or no result at all, lives in its state: append results
 * are never results of a kernel (their readers take the state instead).
 * VIEW and const nodes have no kernel; each kernel holds its own copies.  kernels.h
 * says which there may be. */
#ifndef COMPILER_KERNEL_CUT_H
#define COMPILER_KERNEL_CUT_H

#include "compiler/kernels.h"

/* What cutting needs to know of all groups, found once.  g stays as it is. */
typedef struct {
    const Graph *g;
    Ref *first;   /* by group: its first node; the others follow it */
    bool *wanted; /* by node: read outside its group, a result or a tap */
    int n_cuts;
    Ref *map; /* by node: what it became in the last cut.. */
    int *cut; /* ..if this is n_cuts */
} KernelCutter;
KernelCutter *kernel_cutter(Arena *a, const Graph *g);

/* Group k cut out, its nodes at least one.  The arguments are nodes of g:
 * n_params parameters, then the results. */
typedef struct {
    Graph *fn; /* named `name`, standing in no module */
    Ref *args;
    int n_args, n_params;
} KernelCut;
Err *kernel_cut(Arena *a, KernelCutter *c, int k, const char *name,
                KernelCut *out) MUST_USE;

#endif
