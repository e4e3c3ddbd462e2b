/* cmd_inspect.c - `sextet inspect FILE [TENSOR]`: what a model file holds. */
#include "runtime/cli/inspect.h"

static Err *find_tensor(const Gguf *g, const char *name, const TensorInfo **t)
{
    const ModelInfo *m = gguf_info(g);
    *t = model_tensor(m, name);
    if (!*t)
        return err_new(ERR_INPUT,
                       "%s has no tensor '%s' (`sextet inspect FILE` lists "
                       "them)",
                       m->path, name);
    return NULL;
}

Err *cmd_inspect(const Options *o)
{
    Err *e = NULL;
    Gguf *g = NULL;
    const TensorInfo *t;
    if (o->n_args < 2 && o->f32)
        return err_new(ERR_USAGE, "--f32 needs the name of a tensor");
    DO(gguf_open(o->args[0], &g));
    if (o->n_args > 1) {
        DO(find_tensor(g, o->args[1], &t));
        DO(inspect_tensor(g, t, o));
    } else if (o->json) {
        inspect_model_json(g);
    } else {
        inspect_model(g);
    }
out:
    gguf_close(g);
    return e;
}
