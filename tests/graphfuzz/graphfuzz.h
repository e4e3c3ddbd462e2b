/* graphfuzz.h - random modules through the whole compiler and the host JIT,
 * against the interpreter.
 *
 * A Case is a module as lowering leaves it, with everything else that decides
 * what is compiled and run.  It prints as graph text behind a head of comment
 * lines, and reads back: that text is what a failure prints and what a replay
 * takes.
 *
 *     # step 5 2              one line a step: tokens, wanted rows
 *     # cpu x86-64-v2
 *     # devices 3
 *     # place 1,1,0
 *     # fuse block            none, epilogue or block
 *     # set row_chain off
 *     # activations q8a
 *     # taps
 *     # pipeline              all steps in flight at once
 *     # spare 7               rows that the context has beyond the steps
 *     # type blk.0.w1 q4_k    a weight's type; f32 where no line says
 *     module fuzz
 *     ...
 *
 * Entries: main(tokens, positions, outputs) -> (logits, hidden), and perhaps
 * draft, which also takes hidden; as the runtime knows them. */
#ifndef TESTS_GRAPHFUZZ_GRAPHFUZZ_H
#define TESTS_GRAPHFUZZ_GRAPHFUZZ_H

#include "compiler/graph.h"
#include "compiler/settings.h"
#include "runtime/gguf.h"
#include "runtime/host_provider.h"
#include "runtime/pool.h"
#include "base/random.h"

enum { FUZZ_MAX_STEPS = 6, FUZZ_MAX_SETS = 16, FUZZ_VOCABULARY = 23 };

typedef struct {
    int tokens, outputs;
} FuzzStep;

typedef struct {
    const char *tensor;
    BlockType type;
} FuzzType;

typedef struct {
    Arena *arena;
    const char *cpu;
    int devices;
    int64_t spare;
    Settings s; /* s.set points to set */
    Setting set[FUZZ_MAX_SETS];
    int n_steps;
    FuzzStep step[FUZZ_MAX_STEPS];
    int n_types;
    FuzzType *type;
    Module *m;
} FuzzCase;

/* What neighbouring seeds have in common, so that they share kernels: compiling
 * is what takes the time. */
enum { FUZZ_WIDTHS = 4, FUZZ_NEIGHBOURS = 64 };
typedef struct {
    int64_t width[FUZZ_WIDTHS];
    bool type[BT_COUNT]; /* of weights */
} FuzzPalette;

/* make.c: a module that passes module_verify; the same for the same state. */
Module *make_module(Arena *a, Random *r, const FuzzPalette *p);

/* case.c */
FuzzCase *case_random(Arena *a, uint64_t seed, const char *cpu);
void case_print(const FuzzCase *c, FILE *f);
Err *case_parse(Arena *a, const char *text, FuzzCase **out) MUST_USE;
/* The case with another module in another arena; types of tensors that it does
 * not have are dropped. */
FuzzCase *case_with(Arena *a, const FuzzCase *c, Module *m);

/* tensors.c: every weight of the module with its full name. */
typedef struct {
    const char *name, *pattern; /* the latter may hold {i} */
    Type type;                  /* as the case has it */
} Tensor;
int case_tensors(const FuzzCase *c, Arena *a, Tensor **out);
/* Writes them to a GGUF file; the values depend on the names alone, and are of
 * a size that keeps products about as large as what goes in. */
Err *case_write_file(const FuzzCase *c, const char *path) MUST_USE;

/* check.c: what the runs of several cases share. */
typedef struct {
    const HostProvider *provider; /* NULL: passes and schedule only */
    Pool *pool;
    const char *dir; /* for weight files */
} Fuzz;

typedef struct {
    int n, ill;        /* compared values; those too ill-conditioned to judge */
    double worst;      /* error over limit, below 1 */
    int64_t kernels;
} FuzzReport;

/* Whether n cases, which are for one processor, do what they mean: error[i] is
 * NULL or what case i does wrong. */
void check_cases(const Fuzz *f, FuzzCase *const *c, int n, FuzzReport *report,
                 Err **error);

/* shrink.c: `fails` says whether a case still fails in the same way; returns
 * the smallest found that does. */
typedef bool FailsFn(void *ctx, const FuzzCase *c);
FuzzCase *shrink_case(Arena *a, const FuzzCase *c, FailsFn *fails, void *ctx);

#endif
