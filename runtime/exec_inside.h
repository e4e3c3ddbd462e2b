/* exec_inside.h - what the executor's files share: exec.c runs steps,
 * exec_choose.c has their tokens chosen on a device.  Nobody else's. */
#ifndef RUNTIME_EXEC_INSIDE_H
#define RUNTIME_EXEC_INSIDE_H

#include "runtime/device.h"
#include "runtime/exec.h"
#include "runtime/program.h"

typedef struct {
    Executor base;
    const Plan *plan;
    Arena *arena;
    Pool *pool;
    Device **device;
    Program *program;
    Pipeline **pipeline; /* by program; made when it is first needed */
    char *kept; /* all fixed states, one after the other; NULL: no mark */
    bool poison;
    ExecTrace *trace;
    void *trace_ctx;
    double *seconds; /* of the launches of a list, for the trace */
    Device *chooser; /* that tokens are chosen on, NULL: none yet */
    bool feeds;      /* and it writes the inputs of the next step */
} Exec;

static inline Exec *exec_inside(Executor *x) { return (Exec *)x; }

/* A stage of a program at work on a step of the model. */
typedef struct {
    Exec *x;
    const Program *p;
    const ProgramStage *stage;
    const Step *step;
    int slot;
    bool alone; /* no other stage is at work */
    void *logits; /* of the last stage, if a token is chosen from them */
} ExecStage;

/* T, R and C of a step; the arguments are set as steps are run. */
KernelCall exec_call(const Exec *x, const Step *s);
/* To where the program reads those inputs that the stage fills. */
Err *exec_fill_inputs(Exec *x, const Program *p, const ProgramStage *g,
                      const Step *s) MUST_USE;
/* The launches and copies of a stage, queued. */
Err *exec_run_steps(const ExecStage *g, KernelCall *c) MUST_USE;
/* Fills all scratch with NaNs. */
Err *exec_poison(Exec *x) MUST_USE;

/* exec_choose.c: these of ExecutorKind. */
bool exec_can_choose(Executor *base, int program, const Choosing *how);
Err *exec_choose_begin(Executor *base, const Step *last,
                       const Choosing *how) MUST_USE;
Err *exec_choose_next(Executor *base, const Step *s) MUST_USE;
Err *exec_chosen(Executor *base, int64_t i, int32_t *id) MUST_USE;

#endif
