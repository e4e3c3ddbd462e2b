/* emit_operands.c - what the elementwise end of a kernel reads of its parameters,
 * as a function of its own: loaded before anything is stored, so that no load
 * waits for a store that might change it. */
#include <string.h>

#include "gen/cuda/emit.h"

typedef struct {
    Emit *e;
    const char **first; /* by node: how it is read first */
    bool *mixed;        /* by node: several of its elements are read */
} Operands;

static void find_operand(Operands *o, const Node *reader, Ref r)
{
    Ref root = emit_root(o->e, r);
    if (root >= o->e->g->n_params)
        return;
    const char *text = emit_element(o->e, r, &reader->type, "t", "i");
    if (o->first[root] && strcmp(text, o->first[root]) != 0)
        o->mixed[root] = true;
    if (!o->first[root])
        o->first[root] = text;
}

void emit_operands(Emit *e, const bool *member, const char **given)
{
    Operands o = {e, ARENA_ARRAY(e->arena, const char *, e->g->n_nodes + 1),
                  ARENA_ARRAY(e->arena, bool, e->g->n_nodes + 1)};
    int n = 0;
    for (Ref i = 0; i < e->g->n_nodes; i++)
        for (int k = 0; member[i] && emit_node(e, i)->op != OP_combine &&
                        k < emit_node(e, i)->n_args;
             k++)
            find_operand(&o, emit_node(e, i), emit_node(e, i)->arg[k]);
    emit_text(e, "    template <class C>\n    DEVICE void operands(const C "
                 "&call, i64 t, int i, float *x)\n    {\n");
    for (Ref i = 0; i < e->g->n_params; i++)
        if (o.first[i] && !o.mixed[i]) {
            emit_text(e, "        x[%d] = %s;\n", n, o.first[i]);
            given[i] = emit_format(e, "x[%d]", n++);
        }
    emit_text(e, "    }\n    CONSTANT int OPERANDS = %d;\n", n);
}
