/* canonicalise.c - the same meaning with nothing idle in it.
 *
 * Probes nobody asked for go; equal nodes become one; a reshape of a reshape or
 * a slice of a slice becomes one, a view of the same shape none; what nobody
 * reads is dropped unless it changes a state.  Results that are only views get
 * a node of their own, so that later stages never have to return part of a
 * buffer. */
#include <string.h>

#include "compiler/pass.h"

/* Nodes that change a state, or call what does. */
static bool is_effect(const Module *m, const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    if (k != KIND_CALL)
        return n->op == OP_append || k == KIND_CONV || k == KIND_DELTA;
    const Graph *f = module_find(m, n->text);
    for (Ref i = 0; i < f->n_nodes; i++)
        if (is_effect(m, &f->node[i]))
            return true;
    return false;
}

/* What stands for node i from now on. */
static Ref simplify(PassContext *c, Graph *g, Ref i)
{
    Node *n = &g->node[i];
    if (n->op == OP_tap && !c->settings->taps)
        return n->arg[0];
    if (op_info(n->op)->kind != KIND_VIEW)
        return i;
    const Node *x = &g->node[n->arg[0]];
    if (x->op == n->op) {
        n->arg[0] = x->arg[0];
        n->attr[ATTR_begin].i += x->attr[ATTR_begin].i; /* 0 in a reshape */
    }
    return type_equal(&n->type, &g->node[n->arg[0]].type) ? n->arg[0] : i;
}

static bool same_node(const Node *a, const Node *b)
{
    if (a->op != b->op || a->n_args != b->n_args || a->device != b->device ||
        !type_equal(&a->type, &b->type))
        return false;
    if ((a->text != NULL) != (b->text != NULL) ||
        (a->text && strcmp(a->text, b->text) != 0))
        return false;
    return memcmp(a->arg, b->arg, sizeof *a->arg * (size_t)a->n_args) == 0 &&
           memcmp(a->attr, b->attr, sizeof a->attr) == 0;
}

static bool mergeable(const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    return n->op != OP_input && n->op != OP_state && n->op != OP_tap &&
           n->op != OP_append && k != KIND_CALL && k != KIND_CONV &&
           k != KIND_DELTA;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    return (h ^ x) * 0x9e3779b97f4a7c15u ^ h >> 29;
}

static uint32_t node_hash(const Node *n)
{
    uint64_t h = mix((uint64_t)n->op, (uint64_t)n->type.rank);
    for (int i = 0; i < n->n_args; i++)
        h = mix(h, n->arg[i]);
    for (int i = 0; i < op_info(n->op)->n_attrs; i++)
        h = mix(h, (uint64_t)n->attr[i].i);
    for (int i = 0; i < n->type.rank; i++)
        h = mix(h, (uint64_t)n->type.dim[i].k);
    for (const char *p = n->text; p && *p; p++)
        h = mix(h, (unsigned char)*p);
    return (uint32_t)(h >> 32);
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
        if (to[i] == i && mergeable(n))
            to[i] = find_equal(g, table, size - 1, i);
    }
    for (int i = 0; i < g->n_results; i++)
        g->result[i].ref = to[g->result[i].ref];
}

/* Only what a result, or a state, depends on. */
static void drop_dead(PassContext *c, const Module *m, Graph *g)
{
    bool *keep = ARENA_ARRAY(c->arena, bool, g->n_nodes + 1);
    uint32_t dropped = 0;
    for (Ref i = 0; i < g->n_params; i++)
        keep[i] = true;
    for (int i = 0; i < g->n_results; i++)
        keep[g->result[i].ref] = true;
    for (Ref i = g->n_nodes; i-- > 0;) {
        const Node *n = &g->node[i];
        keep[i] = keep[i] || is_effect(m, n) ||
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
        if (g->node[x].type.dtype != BT_f32)
            return err_new(ERR_INPUT,
                           "@%s: %%%s is %s: a result is f32 or computed",
                           g->name, g->node[x].name,
                           type_text(g->arena, &g->node[x].type));
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
        drop_dead(c, *m, g);
        choose_forms(c, g);
        TRY(own_results(g));
    }
    return NULL;
}
