/* pass.h - graph passes by name; passes.def lists them in order.
 *
 * A pass gets a verified module and leaves a verified one, possibly another.
 * It allocates in c->arena and says why on c->explain. */
#ifndef COMPILER_PASS_H
#define COMPILER_PASS_H

#include "base/model_info.h"
#include "compiler/graph.h"
#include "compiler/machine.h"
#include "compiler/settings.h"

typedef struct {
    Arena *arena;
    const ModelInfo *model;   /* NULL: weights stay as they are */
    const Machine *machine;   /* NULL: one device */
    const Settings *settings; /* never NULL in a pass */
} PassContext;

typedef Err *PassFn(PassContext *c, Module **m);

typedef struct {
    const char *name;
    const char *needs, *leaves;
    PassFn *run;
} Pass;

extern const Pass pass_table[];
extern const int pass_count;

extern const Settings pass_defaults;

/* Runs one pass and verifies what it left.  c->settings may be NULL here:
 * defaults then. */
Err *pass_run(const char *name, PassContext *c, Module **m) MUST_USE;

/* One line of --explain: "fuse: ...". */
void pass_explain(const PassContext *c, const char *pass, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
