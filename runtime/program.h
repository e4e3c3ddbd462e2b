/* program.h - a program of a plan made ready to run: its ports looked up, the
 * addresses of all arguments worked out. */
#ifndef RUNTIME_PROGRAM_H
#define RUNTIME_PROGRAM_H

#include "runtime/device.h"
#include "runtime/executor.h"

/* The inputs that the runtime knows how to fill; with the results `logits` and
 * `hidden` they are what the language's entry points declare. */
typedef enum { IN_TOKENS, IN_POSITIONS, IN_OUTPUTS, IN_HIDDEN, IN_COUNT } Input;

/* Steps [first, first + n_steps). */
typedef struct {
    int device; /* -1: of a program without stages */
    int first, n_steps;
    int64_t first_arg;       /* of its steps, in Program.address */
    bool fills[IN_COUNT];    /* the inputs that are written before it */
    int n_landing;           /* buffers with slots on its device, by offset */
    const PlanBuffer **landing;
} ProgramStage;

typedef struct {
    const PlanProgram *plan;
    const PlanBuffer *input[IN_COUNT]; /* NULL: not taken */
    const PlanBuffer *logits, *hidden; /* NULL: not made */
    int n_stages; /* 1 if the plan has none */
    ProgramStage *stage;
    void **address[PLAN_SLOTS]; /* of all steps' arguments, by slot */
    const PlanBuffer **tapped;  /* [n_taps] */
    StepTap *tap;               /* their values: where the last step's are */
    int first_step; /* steps of the programs before it */
} Program;

/* Allocates in the arena; the devices are open.  *info is for the caller of the
 * executor. */
Err *program_prepare(Arena *a, const Plan *plan, Device *const *device,
                     const PlanProgram *q, Program *out,
                     ProgramInfo *info) MUST_USE;

/* Where a slot of a buffer lies; those without slots have one place. */
static inline Place program_place(const PlanBuffer *b, int slot)
{
    return (Place){REGION_SCRATCH,
                   b->offset + (b->slots > 1 ? slot * plan_stride(b) : 0)};
}

#endif
