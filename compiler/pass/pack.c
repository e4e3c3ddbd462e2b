/* pack.c - how each weight lies in device memory.
 *
 * On a CPU integer products take eight rows of a matrix at a time, a row a lane,
 * so the blocks of eight rows should lie side by side; on a GPU every product
 * takes tiles (base/packing.h).  A tensor is packed if some such product reads
 * it and everything else that reads it, anywhere in the module, can do so
 * packed: it lies in memory once. */
#include <string.h>

#include "compiler/pass.h"

typedef struct {
    Packing packing;
    Names names; /* tensor -> stamp: the strongest Use */
    int packed, plain;
} Pack;

typedef enum { USE_NONE, USE_EITHER, USE_PACKED, USE_PLAIN } Use;

/* What reading argument k wants of a weight. */
static Use use_of(const Pack *p, const Graph *g, const Node *n, int k)
{
    OpKind kind = op_info(n->op)->kind;
    if (n->op == OP_embed)
        return USE_EITHER;
    bool product = kind == KIND_MATMUL || kind == KIND_EXPERTS;
    bool rounded = type_is_rounded(&g->node[n->arg[0]].type);
    return product && k == 1 && (rounded || p->packing == PACK_TILE)
               ? USE_PACKED
               : USE_PLAIN;
}

static void wish(Pack *p, const Node *w, Use use)
{
    if (w->op != OP_weight || !w->text)
        return;
    NameEntry *e = names_entry(&p->names, w->text);
    e->stamp = (int)use > e->stamp ? (int)use : e->stamp;
}

static void collect(Pack *p, const Graph *g)
{
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        for (int k = 0; k < n->n_args; k++)
            wish(p, &g->node[n->arg[k]], use_of(p, g, n, k));
    }
    for (int i = 0; i < g->n_results; i++)
        wish(p, &g->node[g->result[i].ref], USE_PLAIN);
}

static bool fits(const Pack *p, const Type *t)
{
    /* floats are read along rows as they are, but those of experts */
    if (p->packing == PACK_TILE && t->dtype < BT_COUNT && t->rank == 2 &&
        block_info[t->dtype].kind == BLOCK_FLOAT)
        return false;
    return t->dtype < BT_COUNT && t->rank >= 2 &&
           packing_fits(p->packing, t->dtype, t->dim[0].k, t->dim[1].k);
}

static void pack_graph(Pack *p, Graph *g)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        Node *n = &g->node[i];
        if (n->op != OP_weight ||
            names_entry(&p->names, n->text)->stamp != USE_PACKED)
            continue;
        n->type.packing = fits(p, &n->type) ? p->packing : PACK_ROWS;
        p->packed += n->type.packing != PACK_ROWS;
        p->plain += n->type.packing == PACK_ROWS;
    }
}

static bool is_off(const Settings *s)
{
    bool off = false;
    for (int i = 0; i < s->n_sets; i++)
        if (strcmp(s->set[i].name, "pack") == 0)
            off = strcmp(s->set[i].value, "off") == 0;
    return off;
}

/* Weights are read where they lie: all devices are of one kind. */
static Packing wanted(const PassContext *c)
{
    bool cuda = c->machine && c->machine->n_devices &&
                strcmp(c->machine->device[0].kind, "cuda") == 0;
    return cuda ? PACK_TILE : PACK_X8;
}

PassFn pass_pack;
Err *pass_pack(PassContext *c, Module **m)
{
    if (is_off(c->settings))
        return NULL;
    Pack p = {.packing = wanted(c), .names = {.a = c->arena}};
    for (int i = 0; i < (*m)->n_graphs; i++)
        collect(&p, (*m)->graph[i]);
    for (int i = 0; i < (*m)->n_graphs; i++)
        pack_graph(&p, (*m)->graph[i]);
    if (p.packed + p.plain)
        pass_explain(c, "pack",
                     "%d matrices %s, %d as they are (no such packing for "
                     "their type or shape)",
                     p.packed,
                     p.packing == PACK_TILE ? "in tiles of 16 rows"
                                            : "with eight rows side by side",
                     p.plain);
    return NULL;
}
