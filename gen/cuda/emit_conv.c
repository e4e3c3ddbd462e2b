/* emit_conv.c - causal convolution (conv.cuh) and what follows it element by
 * element.
 *
 * Few tokens: one launch, a thread a channel, which also moves the state on.
 * Many: blocks of channels x runs of tokens, all reading the old state, then a
 * launch that makes the new one. */
#include "gen/cuda/emit.h"

enum { THREADS = 128, RUN = 8, MAX_TAPS = 64 };

typedef struct {
    Emit *e;
    Ref n; /* the convolution */
    long long taps, channels;
    int state; /* argument */
} Conv;

static Conv conv_new(Emit *e)
{
    Ref n = emit_find(e, KIND_CONV);
    const Ref *arg = emit_node(e, n)->arg;
    const Type *w = &emit_node(e, arg[1])->type;
    Conv c = {e, n, w->dim[0].k, w->dim[1].k, emit_arg(e, arg[2])};
    if (block_info[w->dtype].kind != BLOCK_FLOAT || c.taps > MAX_TAPS)
        emit_fail(e, err_new(ERR_LIMIT, "@%s: cannot compile this convolution",
                             e->g->name));
    return c;
}

/* The thread's channel and the functions that conv.cuh wants. */
static void put_begin(const Conv *c)
{
    Emit *e = c->e;
    const Node *n = emit_node(e, c->n);
    emit_text(e, "{\n    int c = block_x() * %d + thread();\n", THREADS);
    emit_text(e, "    bool mine = c < %lld;\n", c->channels);
    emit_text(e, "    float *kept = (float *)call.arg[%d] + c;\n", c->state);
    emit_text(e, "    auto input = [&](i64 t) { return %s; };\n",
              emit_element(e, n->arg[0], &n->type, "t", "c"));
    emit_text(e, "    stage_begin();\n");
}

static void put_convolve(const Conv *c, const char *from, const char *to)
{
    Emit *e = c->e;
    Ref w = emit_node(e, c->n)->arg[1];
    bool *after = ARENA_ARRAY(e->arena, bool, e->g->n_nodes);
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    for (Ref i = c->n + 1; i < e->g->n_nodes; i++)
        after[i] = op_info(emit_node(e, i)->op)->kind == KIND_EW;
    given[c->n] = "y";
    emit_text(e, "    auto weight = [&](int j) { return %s; };\n",
              emit_element(e, w, &emit_node(e, w)->type, "0",
                           emit_format(e, "((i64)c * %lld + j)", c->taps)));
    emit_text(e, "    auto store = [&](i64 t, float y) {\n");
    emit_elements(e, &(Element){after, given, "t", "c"});
    emit_text(e, "    };\n    if (mine)\n        convolve<%lld, %lld, %d>(kept, "
                 "%s, %s, input, weight, store);\n",
              c->taps, c->channels, RUN, from, to);
}

static void put_keep(const Conv *c)
{
    emit_text(c->e, "    if (mine)\n        conv_keep<%lld, %lld>(kept, "
                    "call.tokens, input);\n",
              c->taps, c->channels);
}

static CudaLaunch launch(const Conv *c, int64_t from, int64_t to)
{
    return (CudaLaunch){.by = SYM_T, .from = from, .to = to,
                        .x = {c->channels, SYM_ONE, THREADS},
                        .y = {1, SYM_ONE, 1}};
}

void emit_conv_class(Emit *e)
{
    Conv c = conv_new(e);
    CudaLaunch few = launch(&c, 1, RUN), many = launch(&c, RUN + 1, e->tokens),
               keep = many;
    many.y = (CudaExtent){1, SYM_T, RUN};
    emit_include(e, "conv.cuh");
    emit_ops(e);
    emit_kernel(e, "_few", THREADS, 1, few);
    put_begin(&c);
    put_convolve(&c, "0", "call.tokens");
    put_keep(&c);
    emit_text(e, "}\n");
    if (e->tokens <= RUN)
        return;
    emit_kernel(e, "_many", THREADS, 1, many);
    put_begin(&c);
    emit_text(e, "    i64 from = (i64)block_y() * %d;\n", RUN);
    put_convolve(&c, "from", emit_format(e, "least(from + %d, (i64)call.tokens)",
                                         RUN));
    emit_text(e, "}\n");
    emit_kernel(e, "_keep", THREADS, 1, keep);
    put_begin(&c);
    put_keep(&c);
    emit_text(e, "}\n");
}
