/* canonicalise.c - the same meaning with nothing idle in it.
 *
 * Probes nobody asked for go; equal nodes become one; a reshape of a reshape
 * becomes one reshape, a reshape to the same shape none; what nobody reads is
 * dropped.  Results that are only views get a node of their own, so that later
 * stages never have to return part of a buffer. */
#include <string.h>

#include "compiler/pass.h"

static bool is_effect(const Node *n) { return n->op == OP_append; }

/* What stands for node i from now on. */
static Ref simplify(PassContext *c, Graph *g, Ref i)
{
    Node *n = &g->node[i];
    if (n->op == OP_tap && !c->settings->taps)
        return n->arg[0];
    if (n->op == OP_reshape) {
        Node *x = &g->node[n->arg[0]];
        if (x->op == OP_reshape)
            n->arg[0] = x->arg[0];
        if (type_equal(&n->type, &g->node[n->arg[0]].type))
            return n->arg[0];
    }
    if (n->op == OP_slice && type_equal(&n->type, &g->node[n->arg[0]].type))
        return n->arg[0];
    return i;
}

static bool same_node(const Node *a, const Node *b)
{
    if (a->op != b->op || a->n_args != b->n_args ||
        !type_equal(&a->type, &b->type))
        return false;
    if ((a->text != NULL) != (b->text != NULL) ||
        (a->text && strcmp(a->text, b->text) != 0))
        return false;
    return memcmp(a->arg, b->arg, sizeof *a->arg * (size_t)a->n_args) == 0 &&
           memcmp(a->attr, b->attr, sizeof a->attr) == 0;
}

static bool mergeable(const Graph *g, const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    if (n->op == OP_input || n->op == OP_state || n->op == OP_tap ||
        k == KIND_CALL || is_effect(n))
        return false;
    for (int i = 0; i < n->n_args; i++)
        if (g->node[n->arg[i]].op == OP_state)
            return false;
    return true;
}

static uint32_t node_hash(const Node *n)
{
    uint32_t h = 17u + (uint32_t)n->op;
    for (int i = 0; i < n->n_args; i++)
        h = h * 31u + n->arg[i];
    for (const char *p = n->text; p && *p; p++)
        h = h * 31u + (unsigned char)*p;
    return h;
}

/* An earlier node equal to i, or i itself, which is then remembered. */
static Ref find_equal(const Graph *g, Ref *table, uint32_t mask, Ref i)
{
    uint32_t at = node_hash(&g->node[i]) & mask;
    for (; table[at] != NO_REF; at = (at + 1) & mask)
        if (same_node(&g->node[table[at]], &g->node[i]))
            return table[at];
    table[at] = i;
    return i;
}

static void merge_nodes(PassContext *c, Graph *g)
{
    uint32_t size = 64;
    while (size < 2 * g->n_nodes)
        size *= 2;
    Ref *table = ARENA_ARRAY(c->arena, Ref, size);
    Ref *to = ARENA_ARRAY(c->arena, Ref, g->n_nodes + 1);
    memset(table, 0xff, sizeof *table * size);
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node *n = &g->node[i];
        for (int k = 0; k < n->n_args; k++)
            n->arg[k] = to[n->arg[k]];
        to[i] = simplify(c, g, i);
        if (to[i] == i && mergeable(g, n))
            to[i] = find_equal(g, table, size - 1, i);
    }
    for (int i = 0; i < g->n_results; i++)
        g->result[i].ref = to[g->result[i].ref];
}

/* Only what a result, or a state, depends on. */
static void drop_dead(PassContext *c, Graph *g)
{
    bool *keep = ARENA_ARRAY(c->arena, bool, g->n_nodes + 1);
    uint32_t dropped = 0;
    for (Ref i = 0; i < g->n_params; i++)
        keep[i] = true;
    for (int i = 0; i < g->n_results; i++)
        keep[g->result[i].ref] = true;
    for (Ref i = g->n_nodes; i-- > 0;) {
        const Node *n = &g->node[i];
        keep[i] = keep[i] || is_effect(n) ||
                  (n->op == OP_tap && c->settings->taps);
        for (int k = 0; keep[i] && k < n->n_args; k++)
            keep[n->arg[k]] = true;
        dropped += !keep[i];
    }
    graph_compact(g, keep);
    if (dropped)
        pass_explain(c, "canonicalise", "@%s: %u nodes do nothing: dropped",
                     g->name, dropped);
}

static bool is_view(const Graph *g, Ref r)
{
    return r < g->n_params || op_info(g->node[r].op)->kind == KIND_VIEW;
}

static Err *own_results(Graph *g)
{
    for (int i = 0; i < g->n_results; i++) {
        Ref x = g->result[i].ref, arg[2], y;
        if (!is_view(g, x))
            continue;
        Attr one = {.f = 1};
        arg[0] = x;
        TRY(graph_emit(g, OP_const, "one", 0, NULL, &one, &arg[1]));
        TRY(graph_emit(g, OP_mul, "copy", 2, arg, NULL, &y));
        g->result[i].ref = y;
    }
    return NULL;
}

static void choose_forms(PassContext *c, Graph *g)
{
    const AttrInfo *form = &op_info(OP_delta_rule)->attr[ATTR_delta_form];
    for (int s = 0; s < c->settings->n_sets; s++) {
        if (strcmp(c->settings->set[s].name, "delta") != 0)
            continue;
        for (int64_t k = 0; k < form->n_choices; k++)
            for (Ref i = 0; i < g->n_nodes; i++)
                if (g->node[i].op == OP_delta_rule &&
                    strcmp(form->choice[k], c->settings->set[s].value) == 0)
                    g->node[i].attr[ATTR_delta_form].i = k;
    }
}

PassFn pass_canonicalise;
Err *pass_canonicalise(PassContext *c, Module **m)
{
    for (int i = 0; i < (*m)->n_graphs; i++) {
        Graph *g = (*m)->graph[i];
        merge_nodes(c, g);
        drop_dead(c, g);
        choose_forms(c, g);
        TRY(own_results(g));
    }
    return NULL;
}
