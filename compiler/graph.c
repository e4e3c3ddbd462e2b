#include "compiler/graph.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

/* ---- the op table ---- */

typedef struct {
    const char *name;
    int min_args, max_args;
    OpKind kind;
    const char *attrs;
} OpRow;

static const OpRow op_rows[OP_COUNT] = {
#define OP(name, min, max, kind, attrs, expr)                                  \
    {#name, min, max, KIND_##kind, attrs},
#include "compiler/ops.def"
#undef OP
};

static void copy_word(char dst[16], const char *s, size_t n)
{
    assert(n < 16);
    memcpy(dst, s, n);
    dst[n] = '\0';
}

/* "theta:f" or "pairing:half|adjacent" */
static void read_attr(AttrInfo *a, const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n), *end = s + n;
    copy_word(a->name, s, (size_t)(colon - s));
    const char *p = colon + 1;
    if (end - p == 1) {
        a->kind = *p == 'f' ? ATTR_FLOAT : ATTR_INT;
        return;
    }
    a->kind = ATTR_CHOICE;
    while (p < end) {
        size_t len = strcspn(p, "| ");
        copy_word(a->choice[a->n_choices++], p, len);
        p += len + 1;
    }
}

static void read_row(OpInfo *o, const OpRow *r)
{
    *o = (OpInfo){.name = r->name,
                  .min_args = r->min_args,
                  .max_args = r->max_args,
                  .kind = r->kind};
    for (const char *p = r->attrs; *p;) {
        size_t n = strcspn(p, " ");
        read_attr(&o->attr[o->n_attrs++], p, n);
        p += n;
        p += strspn(p, " ");
    }
}

static OpInfo op_table[OP_COUNT];
static pthread_once_t op_table_once = PTHREAD_ONCE_INIT;

static void read_table(void)
{
    for (int i = 0; i < OP_COUNT; i++)
        read_row(&op_table[i], &op_rows[i]);
}

const OpInfo *op_info(Op op)
{
    pthread_once(&op_table_once, read_table);
    return &op_table[op];
}

Op op_from_name(const char *name)
{
    Op op = 0;
    while (op < OP_COUNT && strcmp(op_rows[op].name, name) != 0)
        op++;
    return op;
}

/* ---- modules and graphs ---- */

Module *module_new(Arena *a, const char *name)
{
    Module *m = ARENA_NEW(a, Module);
    m->arena = m->by_name.a = a;
    m->name = name;
    return m;
}

Graph *graph_new(Arena *a, GraphKind kind, const char *name)
{
    Graph *g = ARENA_NEW(a, Graph);
    g->arena = a;
    g->kind = kind;
    g->name = name;
    return g;
}

void module_append(Module *m, Graph *g)
{
    if (m->n_graphs == m->cap) {
        int cap = m->cap ? 2 * m->cap : 8;
        Graph **more = ARENA_ARRAY(m->arena, Graph *, cap);
        if (m->n_graphs)
            memcpy(more, m->graph, sizeof *more * (size_t)m->n_graphs);
        m->graph = more;
        m->cap = cap;
    }
    m->graph[m->n_graphs++] = g;
    NameEntry *e = names_entry(&m->by_name, g->name);
    e->value = e->value ? e->value : g;
}

Graph *module_add(Module *m, GraphKind kind, const char *name)
{
    Graph *g = graph_new(m->arena, kind, name);
    module_append(m, g);
    return g;
}

Graph *module_find(const Module *m, const char *name)
{
    return names_get(&m->by_name, name);
}

/* ---- names ---- */

static uint32_t name_hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

static Ref *name_slot(const Graph *g, const char *name)
{
    uint32_t mask = g->n_slots - 1, i = name_hash(name) & mask;
    while (g->slot[i] != NO_REF &&
           strcmp(g->node[g->slot[i]].name, name) != 0)
        i = (i + 1) & mask;
    return &g->slot[i];
}

static void names_rebuild(Graph *g)
{
    uint32_t want = 64;
    while (want < 4 * (g->n_nodes + 1))
        want *= 2;
    if (want > g->n_slots) {
        g->slot = ARENA_ARRAY(g->arena, Ref, want);
        g->n_slots = want;
    }
    for (uint32_t i = 0; i < g->n_slots; i++)
        g->slot[i] = NO_REF;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        *name_slot(g, g->node[i].name) = i;
}

Ref graph_lookup(const Graph *g, const char *name)
{
    return g->n_slots ? *name_slot(g, name) : NO_REF;
}

/* "x", then "x.1", "x.2"...: a base seen before continues where it stopped,
 * or a thousand values named %x would cost a million probes. */
static const char *name_unique(Graph *g, const char *name)
{
    enum { ROOM_FOR_NUMBER = 12 };
    char text[GRAPH_MAX_NAME + 1];
    if (strlen(name) > GRAPH_MAX_NAME)
        name = arena_strndup(g->arena, name, GRAPH_MAX_NAME);
    Ref first = graph_lookup(g, name);
    if (first == NO_REF)
        return name;
    int *next = &g->node[first].n_copies;
    do
        snprintf(text, sizeof text, "%.*s.%d", GRAPH_MAX_NAME - ROOM_FOR_NUMBER,
                 name, ++*next);
    while (graph_lookup(g, text) != NO_REF);
    return arena_strndup(g->arena, text, strlen(text));
}

/* ---- nodes ---- */

Ref graph_add(Graph *g, Node n)
{
    if (g->n_nodes == g->cap) {
        uint32_t cap = g->cap ? 2 * g->cap : 32;
        Node *more = ARENA_ARRAY(g->arena, Node, cap);
        if (g->n_nodes)
            memcpy(more, g->node, sizeof *more * g->n_nodes);
        g->node = more;
        g->cap = cap;
    }
    n.kernel = n.device = -1;
    if (4 * (g->n_nodes + 1) > g->n_slots)
        names_rebuild(g);
    n.name = name_unique(g, n.name);
    n.n_copies = 0;
    *name_slot(g, n.name) = g->n_nodes;
    g->node[g->n_nodes] = n;
    return g->n_nodes++;
}

Err *graph_emit(Graph *g, Op op, const char *name, int n_args, const Ref *args,
                const Attr *attrs, Ref *out)
{
    Node n = {.op = op, .n_args = n_args, .name = name};
    for (int i = 0; i < n_args; i++)
        n.arg[i] = args[i];
    for (int i = 0; attrs && i < op_info(op)->n_attrs; i++)
        n.attr[i] = attrs[i];
    TRY(infer_type(g, &n, &n.type));
    *out = graph_add(g, n);
    return NULL;
}

void graph_add_result(Graph *g, const char *name, Ref r)
{
    if (g->n_results == g->cap_results) {
        g->cap_results = g->cap_results ? 2 * g->cap_results : 4;
        Result *more = ARENA_ARRAY(g->arena, Result, g->cap_results);
        if (g->n_results)
            memcpy(more, g->result, sizeof *more * (size_t)g->n_results);
        g->result = more;
    }
    g->result[g->n_results++] = (Result){name, r};
}

Ref graph_behind_views(const Graph *g, Ref r)
{
    while (node_is_view(&g->node[r]))
        r = g->node[r].arg[0];
    return r;
}

int *graph_uses(Arena *a, const Graph *g)
{
    int *uses = ARENA_ARRAY(a, int, g->n_nodes + 1);
    for (uint32_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_args; k++)
            uses[g->node[i].arg[k]]++;
    for (int i = 0; i < g->n_results; i++)
        uses[g->result[i].ref]++;
    return uses;
}

void graph_compact(Graph *g, const bool *keep)
{
    Ref *to = ARENA_ARRAY(g->arena, Ref, g->n_nodes + 1);
    uint32_t n = 0, params = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        to[i] = n;
        if (!keep[i])
            continue;
        params += i < g->n_params;
        g->node[n] = g->node[i];
        for (int k = 0; k < g->node[n].n_args; k++)
            g->node[n].arg[k] = to[g->node[n].arg[k]];
        n++;
    }
    g->n_nodes = n;
    g->n_params = params;
    for (int i = 0; i < g->n_results; i++)
        g->result[i].ref = to[g->result[i].ref];
    names_rebuild(g);
}

int graph_add_group(Graph *g, const char *rule)
{
    if (g->n_groups == g->cap_groups) {
        g->cap_groups = g->cap_groups ? 2 * g->cap_groups : 16;
        Group *more = ARENA_ARRAY(g->arena, Group, g->cap_groups);
        if (g->n_groups)
            memcpy(more, g->group, sizeof *more * (size_t)g->n_groups);
        g->group = more;
    }
    char text[32];
    int n = snprintf(text, sizeof text, "k%d", g->n_groups);
    const char *name = arena_strndup(g->arena, text, (size_t)n);
    g->group[g->n_groups] = (Group){name, rule};
    return g->n_groups++;
}

char node_sigil(const Node *n)
{
    return n->op == OP_weight ? '$' : n->op == OP_state ? '@' : '%';
}
