/* lower.h - checked tree + model file -> graphs.
 *
 * Everything static is decided here: params are read from the metadata, `if`
 * and `for` are run, fns are inlined, optional weights chosen.  A `layer`
 * becomes one function for all indices at which its graph comes out equal, and
 * stays a call.  Weights are named, checked against the file's extents, and
 * keep the type `any` until pass/bind.c. */
#ifndef COMPILER_LOWER_H
#define COMPILER_LOWER_H

#include "base/model_info.h"
#include "compiler/graph.h"
#include "dsl/dsl.h"

typedef struct {
    const ModelInfo *model;
    BlockType key_type, value_type; /* storage of per-token states */
} LowerOptions;

/* Problems of the text or of the file against the text go to d, with the
 * place in the text; the Err then counts them. */
Err *lower_ast(Arena *a, const Ast *ast, const LowerOptions *o, Diags *d,
               Module **out) MUST_USE;

#endif
