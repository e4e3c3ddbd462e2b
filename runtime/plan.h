/* plan.h - the contract between compiler and runtime: plain data.
 *
 * The compiler fills a Plan, the runtime runs it, plan_text.c prints and
 * parses it.  Every byte of every device is assigned here, before anything is
 * loaded.  Memory: everything a Plan points to lives in plan->arena.
 *
 * Offsets are bytes from the start of the named region of a device and
 * multiples of PLAN_ALIGN; `bytes` are exact, padding lies between.  Regions
 * are allocated separately, each aligned to PLAN_ALIGN:
 *   weights   file blocks, row after row as in the file, or packed (packing.h)
 *   states    per-token states [context rows] and fixed states; fixed ones
 *             are zero at the start of a sequence, rows of the others are
 *             written before they are read
 *   scratch   values between kernels; lives for one step */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/err.h"
#include "base/packing.h"

enum { PLAN_ALIGN = 64, PLAN_MAX_RANK = 4, PLAN_SLOTS = 2 };

/* A dimension: k, or k times a number known only at run time. */
typedef enum {
    SYM_ONE, /* plain k */
    SYM_T,   /* tokens in this step */
    SYM_R,   /* rows of the step whose logits are wanted */
    SYM_C,   /* tokens in the sequence, this step included */
    SYM_COUNT
} Sym;

typedef struct {
    int64_t k;
    Sym sym;
} Dim;

/* What a weight is for: rows of `sextet plan`. */
#define PLAN_CLASSES(X)                                                        \
    X(embedding) X(head) X(attention) X(deltanet) X(router) X(experts)         \
    X(shared) X(dense) X(norms) X(other)
typedef enum {
#define X(name) WEIGHT_##name,
    PLAN_CLASSES(X)
#undef X
    WEIGHT_CLASS_COUNT
} WeightClass;
extern const char *const weight_class_name[WEIGHT_CLASS_COUNT];
extern const char *const sym_name[SYM_COUNT]; /* "", "T", "R", "C" */

typedef struct {
    const char *name;    /* "host:0", "cuda:3" */
    const char *kind;    /* "host", "cuda" */
    int64_t capacity;    /* bytes the machine says it has */
    int64_t reserve;     /* bytes kept for driver and system */
    double bandwidth;    /* bytes per second, for the cost model; 0: unknown */
    double compute;      /* operations per second, likewise */
    int64_t weights, states, scratch; /* region sizes in bytes */
} PlanDevice;

/* One tensor of the file on one device (a tied table may stand twice). */
typedef struct {
    const char *tensor; /* name in the file */
    BlockType type;
    Packing packing; /* blocks of each ne[1] rows, in memory */
    int rank;
    int64_t ne[PLAN_MAX_RANK]; /* ne[0] contiguous */
    WeightClass cls;
    int device;
    int64_t offset, bytes;
} PlanWeight;

typedef enum { STATE_PER_TOKEN, STATE_FIXED } StateKind;

/* PER_TOKEN: `context` rows of `elems` values; FIXED: `elems` values once. */
typedef struct {
    const char *name; /* "keys[3]" */
    StateKind kind;
    BlockType type;
    int64_t elems;
    int device;
    int64_t offset, bytes;
} PlanState;

/* A value that crosses kernels.  dim[0] is the slowest axis.  One that arrives
 * from another device while the one before is still read has PLAN_SLOTS slots,
 * `plan_stride` bytes apart; chunk c of a prompt uses slot c % PLAN_SLOTS. */
typedef struct {
    const char *name;
    BlockType type;
    int rank;
    Dim dim[PLAN_MAX_RANK];
    int slots; /* 1 or PLAN_SLOTS */
    int device;
    int64_t offset, bytes; /* bytes of a slot at the largest T and R */
} PlanBuffer;

typedef enum { ARG_BUFFER, ARG_WEIGHT, ARG_STATE } ArgKind;
typedef struct {
    ArgKind kind;
    int index;
} PlanArg;

typedef struct {
    const char *name; /* symbol in the object code */
    const char *text; /* the kernel as graph text (one `func`) */
} PlanKernel;

typedef enum { STEP_LAUNCH, STEP_COPY } StepKind;

/* LAUNCH: arguments in the order of the kernel's inputs, then its results.
 * COPY: arg[0] to arg[1], buffers of the same type on two devices. */
typedef struct {
    StepKind kind;
    int kernel; /* LAUNCH */
    int device; /* where it runs; all arguments of a LAUNCH lie there, and
                   arg[1] of a COPY */
    const char *note; /* names of the values made, for traces */
    int n_args;
    PlanArg *arg;
} PlanStep;

/* A named buffer that the runtime fills before, or reads after, a run. */
typedef struct {
    const char *name;
    int buffer;
} PlanPort;

/* The next n_steps steps of a program, all on one device: its launches and the
 * copies of what the next stage's device needs. */
typedef struct {
    int device;
    int n_steps;
} PlanStage;

/* An entry point of the model text: "main", "draft".
 *
 * With stages, several chunks of a prompt may be on their way at once, each in
 * another stage (flow.h).  They partition the steps in order, each on a device
 * of its own; copies go to the next stage's device and arrive in buffers with
 * slots, whose bytes nothing else in the program uses; results lie on the last
 * stage's device.  Without stages a step of the model ends before the next
 * begins. */
typedef struct {
    const char *name;
    int n_inputs, n_outputs, n_taps, n_steps, n_stages;
    PlanPort *input, *output;
    PlanPort *tap; /* "hidden[3]": probes asked for with --dump-hidden */
    PlanStep *step;
    PlanStage *stage;
} PlanProgram;

typedef struct {
    Arena *arena;
    const char *model; /* general.architecture */
    int64_t context;   /* tokens the per-token states can hold */
    int64_t batch;     /* largest T of a step */
    int64_t outputs;   /* largest R of a step */
    int n_devices, n_weights, n_states, n_buffers, n_kernels, n_programs;
    PlanDevice *device;
    PlanWeight *weight;
    PlanState *state;
    PlanBuffer *buffer;
    PlanKernel *kernel;
    PlanProgram *program;
} Plan;

void plan_free(Plan *p);

/* plan_text.c (where the form is described) and plan_parse.c: the two are
 * inverse.  Parsing checks the form only; follow it with plan_verify. */
void plan_print(const Plan *p, FILE *f);
Err *plan_parse(const char *text, Plan **out) MUST_USE;
/* plan_verify.c: what the runtime relies on, whoever wrote the plan.  Sizes
 * follow from types and shapes, offsets lie inside regions, weights and states
 * do not overlap, indices and kinds are in range, the arguments of a step lie
 * where it runs.  That a kernel's text fits the arguments of its launches is
 * the compiler's to check. */
Err *plan_verify(const Plan *p) MUST_USE;

/* NULL if there is no such program / port. */
const PlanProgram *plan_program(const Plan *p, const char *name);
const PlanBuffer *plan_port(const Plan *p, const PlanPort *ports, int n,
                            const char *name);
/* The widest row of logits of any program; 0: there are none. */
int64_t plan_vocabulary(const Plan *p);

/* Bytes from a slot of a buffer to the next, and of all its slots. */
static inline int64_t plan_stride(const PlanBuffer *b)
{
    return (b->bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

static inline int64_t plan_span(const PlanBuffer *b)
{
    return plan_stride(b) * (b->slots - 1) + b->bytes;
}

/* The extent a dimension has in a step; context: tokens in the sequence, this
 * step included. */
static inline int64_t dim_value(Dim d, int64_t tokens, int64_t outputs,
                                int64_t context)
{
    int64_t by[SYM_COUNT] = {1, tokens, outputs, context};
    return d.k * by[d.sym];
}

#endif
