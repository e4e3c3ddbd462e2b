/* pipeline.h - the compiler as one call: model text and file header to Plan.
 *
 * Nothing but the metadata and the tensor list of the file is needed. */
#ifndef COMPILER_PIPELINE_H
#define COMPILER_PIPELINE_H

#include "base/model_info.h"
#include "compiler/graph.h"
#include "compiler/machine.h"
#include "compiler/settings.h"
#include "runtime/plan.h"

/* In the order they are made; names as in --stage=. */
#define STAGES(X)                                                              \
    X(ast, "the checked text, canonical, with what was found in comments")     \
    X(graph, "one node an operation; layers as functions")                     \
    X(fused, "block types, rounding and fusion: one kernel block a launch")    \
    X(schedule, "calls expanded: one graph an entry, on devices")              \
    X(kernels, "the distinct kernels as functions")                            \
    X(plan, "what the runtime runs: every byte and every launch")
typedef enum {
#define X(name, what) STAGE_##name,
    STAGES(X)
#undef X
    STAGE_COUNT
} Stage;
extern const char *const stage_name[STAGE_COUNT];
/* STAGE_COUNT if there is none. */
Stage stage_from_name(const char *name);

typedef struct {
    const ModelInfo *model;
    const char *mdl;        /* path of a model text; NULL: the built-in one */
    const Machine *machine; /* NULL: one host device without a limit */
    Settings settings;
    const char *dump;       /* folder for every stage as text; NULL: none */
    FILE *show;             /* receives stage `show_stage` */
    Stage show_stage;
    bool dot;               /* show graphs as Graphviz text */
    FILE *messages;         /* diagnostics of the model text; NULL: none */
} CompileRequest;

/* The Plan is the caller's (plan_free).  A plan that does not fit its devices
 * is made all the same: compile_check says so. */
Err *compile_model(const CompileRequest *r, Plan **out) MUST_USE;
/* If it does not fit and layers may be cut otherwise, once more with the
 * scratch memory that turned out to be needed, and with smaller batches; *out is
 * a plan that fits or else the last one.  Only that one is shown, dumped and
 * explained. */
Err *compile_to_fit(const CompileRequest *r, Plan **out) MUST_USE;
/* Bytes that kernels want of every device besides its regions. */
int64_t compile_room(const Plan *p);
/* memplan_check with them. */
Err *compile_check(const Plan *p) MUST_USE;
/* Only as far as the interpreter needs: bound, rounded, not fused.  In a. */
Err *compile_graph(const CompileRequest *r, Arena *a, Module **out) MUST_USE;

#endif
