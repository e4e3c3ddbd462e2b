/* shrink.c - the smallest case that still fails, found by trying: fewer steps
 * and settings, then fewer and smaller nodes, again and again until nothing
 * more can go. */
#include <string.h>

#include "compiler/pass.h"
#include "tests/graphfuzz/graphfuzz.h"

enum { MAX_TRIES = 600 };

typedef struct {
    Arena *arena;
    FuzzCase *best;
    FailsFn *fails;
    void *ctx;
    int tries;
} Shrink;

/* Keeps the candidate if it fails. */
static bool attempt(Shrink *s, FuzzCase *c)
{
    if (!c || s->tries >= MAX_TRIES)
        return false;
    s->tries++;
    if (!s->fails(s->ctx, c))
        return false;
    s->best = c;
    return true;
}

static FuzzCase *copy(Shrink *s) { return case_with(s->arena, s->best, s->best->m); }

/* ---- settings and steps ---- */

static bool try_settings(Shrink *s)
{
    bool any = false;
    FuzzCase *c = copy(s);
    c->devices = 1;
    c->s.place = NULL;
    any |= s->best->devices > 1 && attempt(s, c);
    c = copy(s);
    c->s.activations = BT_f32;
    any |= s->best->s.activations != BT_f32 && attempt(s, c);
    c = copy(s);
    c->s.taps = false;
    any |= s->best->s.taps && attempt(s, c);
    c = copy(s);
    c->s.pipeline = false;
    any |= s->best->s.pipeline && attempt(s, c);
    c = copy(s);
    c->n_types = 0;
    any |= s->best->n_types && attempt(s, c);
    for (FusePreset p = FUSE_NONE; p < s->best->s.fuse; p++) {
        c = copy(s);
        c->s.fuse = p;
        any |= attempt(s, c);
    }
    return any;
}

static bool try_sets(Shrink *s)
{
    bool any = false;
    for (int i = s->best->s.n_sets; i-- > 0;) {
        FuzzCase *c = copy(s);
        c->s.n_sets--;
        memmove(&c->set[i], &c->set[i + 1],
                sizeof *c->set * (size_t)(c->s.n_sets - i));
        any |= attempt(s, c);
    }
    for (int i = s->best->n_types; i-- > 0;) {
        FuzzCase *c = copy(s);
        c->n_types--;
        memmove(&c->type[i], &c->type[i + 1],
                sizeof *c->type * (size_t)(c->n_types - i));
        any |= attempt(s, c);
    }
    return any;
}

static bool try_step(Shrink *s, int i, int tokens, int outputs)
{
    FuzzCase *c = copy(s);
    FuzzStep *p = &c->step[i];
    if (tokens < 1 || outputs < 0 || outputs > tokens ||
        (tokens == p->tokens && outputs == p->outputs))
        return false;
    *p = (FuzzStep){tokens, outputs};
    return attempt(s, case_with(s->arena, c, c->m)); /* sizes follow */
}

static bool try_steps(Shrink *s)
{
    bool any = false;
    for (int i = s->best->n_steps; i-- > 0 && s->best->n_steps > 1;) {
        FuzzCase *c = copy(s);
        c->n_steps--;
        memmove(&c->step[i], &c->step[i + 1],
                sizeof *c->step * (size_t)(c->n_steps - i));
        any |= attempt(s, case_with(s->arena, c, c->m));
    }
    for (int i = 0; i < s->best->n_steps; i++) {
        FuzzStep p = s->best->step[i];
        int few = p.outputs < 1 ? p.outputs : 1;
        any |= try_step(s, i, 1, few) || try_step(s, i, p.tokens / 2, few) ||
               try_step(s, i, p.tokens - 1, few) ||
               try_step(s, i, p.tokens, few);
    }
    return any;
}

/* ---- the module ---- */

/* What a rebuilt graph has in place of one node. */
typedef struct {
    Ref at;
    enum { NOTHING, BY_ARG, BY_LEAF, NARROWER } how;
    int arg;      /* BY_ARG; NARROWER: the axis */
    int64_t size; /* NARROWER */
} Edit;

static bool emit(Graph *g, Op op, Ref a, Ref b, Ref *out)
{
    Ref arg[] = {a, b};
    Err *e = graph_emit(g, op, "leaf", 2, arg, NULL, out);
    bool ok = !e;
    err_free(e);
    return ok;
}

/* A value of that type from the tokens alone. */
static bool add_leaf(Graph *g, const Type *t, Ref *out)
{
    Ref tokens = graph_lookup(g, "tokens"), rows = graph_lookup(g, "outputs");
    if (tokens == NO_REF || t->dtype != BT_f32 || !t->rank)
        return false;
    Dim dim[] = {dim_const(type_elements(t).k), dim_const(FUZZ_VOCABULARY)};
    char text[32];
    snprintf(text, sizeof text, "leaf.%d", (int)dim[0].k);
    Node w = {.op = OP_weight, .name = "w", .type = type_make(TYPE_ANY, 2, dim),
              .text = arena_strndup(g->arena, text, strlen(text))};
    if (!emit(g, OP_embed, graph_add(g, w), tokens, out))
        return false;
    if (t->dim[0].sym == SYM_R && !emit(g, OP_rows, *out, rows, out))
        return false;
    Node n = {.op = OP_reshape, .n_args = 1, .arg = {*out}, .name = "leaf",
              .type = *t};
    Err *e = infer_type(g, &n, &n.type);
    bool ok = !e && type_equal(&n.type, t);
    err_free(e);
    *out = ok && t->rank != 2 ? graph_add(g, n) : *out;
    return ok;
}

/* Node n into `to`, with its type inferred anew. */
static bool add_again(Graph *to, Node n, Ref *out)
{
    Err *e = infer_type(to, &n, &n.type);
    bool ok = !e;
    err_free(e);
    if (ok)
        *out = graph_add(to, n);
    return ok;
}

static bool rebuild_node(Graph *to, const Graph *g, const Edit *e, Ref i,
                         const Ref *map, Ref *out)
{
    Node n = g->node[i];
    for (int k = 0; k < n.n_args; k++)
        n.arg[k] = map[n.arg[k]];
    if (i == e->at && e->how == BY_ARG) {
        *out = n.arg[e->arg];
        return true;
    }
    if (i == e->at && e->how == BY_LEAF)
        return add_leaf(to, &n.type, out);
    if (i == e->at && e->how == NARROWER)
        n.type.dim[e->arg] = dim_const(e->size);
    return add_again(to, n, out);
}

/* Nodes that a result depends on; what changes a state for nobody goes too. */
static void drop_unread(Graph *g)
{
    bool *keep = ARENA_ARRAY(g->arena, bool, g->n_nodes + 1);
    for (int i = 0; i < g->n_results; i++)
        keep[g->result[i].ref] = true;
    for (Ref i = g->n_nodes; i-- > 0;) {
        keep[i] = keep[i] || i < g->n_params;
        for (int k = 0; keep[i] && k < g->node[i].n_args; k++)
            keep[g->node[i].arg[k]] = true;
    }
    graph_compact(g, keep);
}

/* NULL if the edit does not make a graph. */
static Graph *rebuild(Arena *a, const Graph *g, const Edit *e)
{
    Graph *to = graph_new(a, g->kind, g->name);
    Ref *map = ARENA_ARRAY(a, Ref, g->n_nodes + 1);
    to->n_params = g->n_params;
    for (Ref i = 0; i < g->n_nodes; i++)
        if (!rebuild_node(to, g, e, i, map, &map[i]))
            return NULL;
    for (int i = 0; i < g->n_results; i++)
        graph_add_result(to, g->result[i].name, map[g->result[i].ref]);
    drop_unread(to);
    return to;
}

static bool try_module(Shrink *s, Module *m)
{
    Err *e = module_verify(m);
    bool ok = !e;
    err_free(e);
    return ok && attempt(s, case_with(s->arena, s->best, m));
}

/* The module with graph number `at` replaced, or left out (g NULL). */
static bool try_graph(Shrink *s, int at, Graph *g)
{
    Module *m = module_new(s->arena, s->best->m->name);
    for (int i = 0; i < s->best->m->n_graphs; i++)
        if (i != at)
            module_append(m, s->best->m->graph[i]);
        else if (g)
            module_append(m, g);
    return try_module(s, m);
}

static bool try_edit(Shrink *s, int at, Edit e)
{
    Graph *g = rebuild(s->arena, s->best->m->graph[at], &e);
    return g && try_graph(s, at, g);
}

static bool try_node(Shrink *s, int at, Ref i)
{
    const Node *n = &s->best->m->graph[at]->node[i];
    if (try_edit(s, at, (Edit){.at = i, .how = BY_LEAF}))
        return true;
    for (int k = 0; k < n->n_args; k++)
        if (try_edit(s, at, (Edit){.at = i, .how = BY_ARG, .arg = k}))
            return true;
    return false;
}

/* One result less, while another one stays. */
static bool try_results(Shrink *s, int at)
{
    const Graph *g = s->best->m->graph[at];
    for (int i = 0; i < g->n_results && g->n_results > 1; i++) {
        Graph *to = rebuild(s->arena, g, &(Edit){.how = NOTHING});
        if (!to)
            return false;
        to->n_results--;
        memmove(&to->result[i], &to->result[i + 1],
                sizeof *to->result * (size_t)(to->n_results - i));
        drop_unread(to);
        if (try_graph(s, at, to))
            return true;
    }
    return false;
}

static bool try_nodes(Shrink *s)
{
    bool any = false;
    for (int at = s->best->m->n_graphs; at-- > 0;) {
        any |= try_graph(s, at, NULL);
        if (at >= s->best->m->n_graphs)
            continue;
        any |= try_results(s, at);
        for (Ref i = s->best->m->graph[at]->n_nodes; i-- > 0;)
            if (i < s->best->m->graph[at]->n_nodes &&
                i >= s->best->m->graph[at]->n_params)
                any |= try_node(s, at, i);
    }
    return any;
}

static bool try_axis(Shrink *s, int at, Ref i, int axis, int64_t size)
{
    int64_t by[] = {1, size / 2, size - 1};
    for (int k = 0; k < 3; k++)
        if (by[k] >= 1 && by[k] < size &&
            try_edit(s, at, (Edit){.at = i, .how = NARROWER, .arg = axis,
                                   .size = by[k]}))
            return true;
    return false;
}

static bool try_sizes(Shrink *s)
{
    bool any = false;
    for (int at = 0; at < s->best->m->n_graphs; at++)
        for (Ref i = 0; i < s->best->m->graph[at]->n_nodes; i++) {
            Type t = s->best->m->graph[at]->node[i].type;
            for (int k = 0; k < t.rank; k++)
                if (t.dim[k].sym == SYM_ONE &&
                    i < s->best->m->graph[at]->n_nodes)
                    any |= try_axis(s, at, i, k, t.dim[k].k);
        }
    return any;
}

/* Calls expanded: then every node can go by itself. */
static bool try_flat(Shrink *s)
{
    PassContext c = {.arena = s->arena, .settings = &s->best->s};
    Module *m = s->best->m;
    Err *e = pass_run("expand", &c, &m);
    bool ok = !e && m->n_graphs < s->best->m->n_graphs;
    err_free(e);
    return ok && try_module(s, m);
}

FuzzCase *shrink_case(Arena *a, const FuzzCase *c, FailsFn *fails, void *ctx)
{
    Shrink s = {.arena = a, .fails = fails, .ctx = ctx};
    s.best = case_with(a, c, c->m);
    bool more = true;
    try_flat(&s);
    while (more && s.tries < MAX_TRIES) {
        more = try_settings(&s);
        more |= try_steps(&s);
        more |= try_nodes(&s);
        more |= try_sets(&s);
        more |= try_sizes(&s);
    }
    return s.best;
}
