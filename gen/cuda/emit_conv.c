/* emit_conv.c - causal convolution (conv.cuh) and what follows it element by
 * element.
 *
 * Few tokens: one launch, a thread a channel, which also moves the state on.
 * Many: blocks of channels x runs of tokens, all reading the old state, then a
 * launch that makes the new one. */
#include "gen/cuda/emit_conv.h"

/* As in conv.cuh. */
enum { THREADS = 128, RUN = 8, MAX_TAPS = 64 };

Conv conv_new(Emit *e)
{
    Ref n = emit_find(e, KIND_CONV);
    const Type *w = &emit_node(e, emit_node(e, n)->arg[1])->type;
    Conv c = {.e = e, .n = n, .taps = w->dim[0].k, .channels = w->dim[1].k,
              .last = NO_REF};
    if (block_info[w->dtype].kind != BLOCK_FLOAT || c.taps > MAX_TAPS)
        emit_fail(e, err_new(ERR_LIMIT, "@%s: cannot compile this convolution",
                             e->g->name));
    return c;
}

static void put_inputs(const Conv *c)
{
    Emit *e = c->e;
    const Node *n = emit_node(e, c->n);
    Ref w = n->arg[1];
    emit_text(e, "    CONSTANT int TAPS = %lld, CHANNELS = %lld;\n", c->taps,
              c->channels);
    emit_text(e, "    template <class C> DEVICE float input(const C &call, i64 "
                 "t, int c)\n    {\n        return %s;\n    }\n",
              emit_element(e, n->arg[0], &n->type, "t", "c"));
    emit_text(e, "    template <class C> DEVICE float weight(const C &call, int "
                 "c, int j)\n    {\n        return %s;\n    }\n",
              emit_element(e, w, &emit_node(e, w)->type, "0",
                           emit_format(e, "((i64)c * %lld + j)", c->taps)));
    emit_text(e, "    template <class C> DEVICE float *state(const C &call, int "
                 "c)\n    {\n        return (float *)call.arg[%d] + c;\n    }\n",
              emit_arg(e, n->arg[2]));
}

/* A function of the sum y: the nodes behind it, then `end`. */
static void put_after(const Conv *c, const char *head, const char *end)
{
    Emit *e = c->e;
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    given[c->n] = "y";
    emit_text(e, "    template <class C>\n    DEVICE %s(const C &call, i64 t, "
                 "int c, float y)\n    {\n", head);
    emit_elements(e, &(Element){c->after, given, "t", "c"});
    emit_text(e, "%s    }\n", end);
}

void conv_members(const Conv *c)
{
    Emit *e = c->e;
    put_inputs(c);
    if (c->last == NO_REF) {
        put_after(c, "void store", "");
        return;
    }
    put_after(c, "float value",
              c->last == c->n ? "    return y;\n"
                              : emit_format(e, "    return v%u;\n", c->last));
    if (c->to)
        emit_text(e, "    template <class C>\n    DEVICE void store(const C &call, "
                 "i64 t, int c, float y)\n    {\n        ((float *)%s)[t * "
                 "CHANNELS + c] = value(call, t, c, y);\n    }\n", c->to);
}

static void put_launch(const Conv *c, const char *name, CudaLaunch l)
{
    l.by = SYM_T;
    l.x = (CudaExtent){c->channels, SYM_ONE, THREADS};
    emit_kernel(c->e, name, THREADS, 1, l);
    emit_text(c->e, "{\n    conv%s<Conv>(call);\n}\n", name);
}

void conv_launches(const Conv *c, int64_t from)
{
    CudaExtent one = {1, SYM_ONE, 1}, runs = {1, SYM_T, RUN};
    int64_t many = from > RUN ? from : RUN + 1, last = c->e->tokens;
    if (from <= RUN)
        put_launch(c, "_few", (CudaLaunch){.from = from, .to = RUN, .y = one});
    if (last < many)
        return;
    put_launch(c, "_many", (CudaLaunch){.from = many, .to = last, .y = runs});
    put_launch(c, "_keep", (CudaLaunch){.from = many, .to = last, .y = one});
}

void emit_conv_class(Emit *e)
{
    Conv c = conv_new(e);
    bool *after = ARENA_ARRAY(e->arena, bool, e->g->n_nodes);
    for (Ref i = e->g->n_params; i < e->g->n_nodes; i++)
        after[i] = op_info(emit_node(e, i)->op)->kind == KIND_EW;
    c.after = after;
    emit_include(e, "conv.cuh");
    emit_ops(e);
    emit_text(e, "struct Conv {\n");
    conv_members(&c);
    emit_text(e, "};\n");
    conv_launches(&c, 1);
}
