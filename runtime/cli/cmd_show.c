/* cmd_show.c - any stage of the compiler as text or as a picture. */
#include <stdio.h>

#include "runtime/cli/options.h"
#include "runtime/cli/request.h"
#include "runtime/gguf.h"

static Err *show(Arena *a, const Options *o, const ModelInfo *info)
{
    CompileRequest r;
    Plan *plan = NULL;
    TRY(request_make(a, o, info, 1, &r));
    r.show = stdout;
    r.show_stage = stage_from_name(o->stage);
    r.dot = o->dot;
    if (o->dot && (r.show_stage == STAGE_ast || r.show_stage == STAGE_plan))
        return err_new(ERR_USAGE, "--dot draws graph, fused, schedule and "
                                  "kernels");
    TRY(compile_to_fit(&r, &plan));
    plan_free(plan);
    return NULL;
}

Err *cmd_show(const Options *o)
{
    Arena *a = arena_new();
    Gguf *file = NULL;
    Err *e = NULL;
    DO(gguf_open(o->args[0], &file));
    DO(show(a, o, gguf_info(file)));
out:
    gguf_close(file);
    arena_free(a);
    return e;
}
