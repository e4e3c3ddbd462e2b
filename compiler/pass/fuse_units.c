/* fuse_units.c - the book-keeping of fusion: which nodes are together, what
 * stands between two sets of them, and the order in the end. */
#include <string.h>

#include "compiler/pass/fuse_int.h"

static bool is_source(const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    return k == KIND_SRC || k == KIND_VIEW;
}

Ref units_root(const Units *u, Ref r) { return graph_behind_views(u->g, r); }

/* For each node the nodes that read it, counted first, then filled in. */
static void find_users(Units *u)
{
    const Graph *g = u->g;
    int total = 0;
    for (Ref i = 0; i < g->n_nodes; i++)
        for (int k = 0; u->of[i] >= 0 && k < g->node[i].n_args; k++)
            u->user_at[units_root(u, g->node[i].arg[k]) + 1]++;
    for (Ref i = 0; i < g->n_nodes; i++)
        u->user_at[i + 1] += u->user_at[i];
    total = u->user_at[g->n_nodes];
    u->user = ARENA_ARRAY(u->c->arena, int, total + 1);
    int *fill = ARENA_ARRAY(u->c->arena, int, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++)
        for (int k = 0; u->of[i] >= 0 && k < g->node[i].n_args; k++) {
            Ref r = units_root(u, g->node[i].arg[k]);
            u->user[u->user_at[r] + fill[r]++] = (int)i;
        }
}

static void add_node(Units *u, int unit, Ref i)
{
    Ref *at = u->head[unit] == NO_REF ? &u->head[unit] : &u->next[u->tail[unit]];
    *at = u->tail[unit] = i;
    u->next[i] = NO_REF;
    u->size[unit]++;
    u->of[i] = unit;
}

/* A node's own unit, or that of the kernel it already belongs to. */
static void first_units(Units *u)
{
    Graph *g = u->g;
    int *unit_of_group = ARENA_ARRAY(u->c->arena, int, g->n_groups + 1);
    for (int k = 0; k < g->n_groups; k++)
        unit_of_group[k] = -1;
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        u->of[i] = -1;
        u->head[i] = u->next[i] = NO_REF;
        if (is_source(n))
            continue;
        int unit = (int)i;
        if (n->kernel >= 0) {
            int *first = &unit_of_group[n->kernel];
            *first = *first < 0 ? unit : *first;
            unit = *first;
        }
        OpKind k = op_info(n->op)->kind;
        u->fixed[unit] = k == KIND_CALL || k == KIND_COMM;
        u->rule[unit] = n->kernel >= 0 ? g->group[n->kernel].rule
                                       : op_info(n->op)->name;
        add_node(u, unit, i);
    }
}

static KernelClass class_of(const Units *u, int unit)
{
    KernelClass c = KERNEL_ROW;
    Graph one = {.n_nodes = 1};
    for (Ref i = u->head[unit]; i != NO_REF; i = u->next[i]) {
        one.node = &u->g->node[i];
        c = kernel_class_of_both(c, kernel_class(&one));
    }
    return c;
}

Units *units_new(PassContext *c, Graph *g)
{
    Arena *a = c->arena;
    uint32_t n = g->n_nodes + 1;
    Units *u = ARENA_NEW(a, Units);
    u->c = c;
    u->g = g;
    u->of = ARENA_ARRAY(a, int, n);
    u->class = ARENA_ARRAY(a, KernelClass, n);
    u->fixed = ARENA_ARRAY(a, bool, n);
    u->rule = ARENA_ARRAY(a, const char *, n);
    u->head = ARENA_ARRAY(a, Ref, n);
    u->tail = ARENA_ARRAY(a, Ref, n);
    u->next = ARENA_ARRAY(a, Ref, n);
    u->size = ARENA_ARRAY(a, int, n);
    u->user_at = ARENA_ARRAY(a, int, n + 1);
    u->rank = ARENA_ARRAY(a, int, n);
    u->at = ARENA_ARRAY(a, int, n);
    u->seen = ARENA_ARRAY(a, int, n);
    u->stack = ARENA_ARRAY(a, int, n);
    first_units(u);
    find_users(u);
    for (Ref i = 0; i < g->n_nodes; i++) {
        u->rank[i] = (int)i; /* kernels stand in one piece: in run order */
        u->at[i] = u->head[i] != NO_REF ? (int)i : -1;
        if (u->head[i] != NO_REF)
            u->class[i] = class_of(u, (int)i);
    }
    return u;
}

/* ---- what stands between ---- */

/* Pushes the units that read one of `unit` and stand before `last` in the
 * order; true when one of them is `last` itself. */
static bool visit_readers(Units *u, int unit, int last, int *n)
{
    bool met = false;
    for (Ref i = u->head[unit]; i != NO_REF; i = u->next[i]) {
        u->steps += 1 + u->user_at[i + 1] - u->user_at[i];
        for (int k = u->user_at[i]; k < u->user_at[i + 1]; k++) {
            int next = u->of[u->user[k]];
            met = met || next == last;
            if (u->rank[next] >= u->rank[last] || u->seen[next] == u->mark)
                continue;
            u->seen[next] = u->mark;
            u->stack[(*n)++] = next;
        }
    }
    return met;
}

/* Whether a third unit reads `first` and is read, on whatever way, by `last`.
 * Marks what `first` reaches before `last`. */
static bool stands_between(Units *u, int first, int last)
{
    int n = 0;
    u->seen[first] = ++u->mark;
    visit_readers(u, first, last, &n);
    while (n)
        if (visit_readers(u, u->stack[--n], last, &n))
            return true;
    return false;
}

bool units_joinable(Units *u, int a, int b)
{
    if (a == b || u->fixed[a] || u->fixed[b] ||
        u->size[a] + u->size[b] > UNITS_MAX_SIZE ||
        u->g->node[u->head[a]].device != u->g->node[u->head[b]].device)
        return false;
    return u->rank[a] < u->rank[b] ? !stands_between(u, a, b)
                                   : !stands_between(u, b, a);
}

/* One place for a and b: behind what stood between them, but before what the
 * first of them reaches, which stands_between() has marked. */
static void merge_places(Units *u, int a, int b)
{
    int from = u->rank[a] < u->rank[b] ? u->rank[a] : u->rank[b];
    int to = u->rank[a] + u->rank[b] - from, to_place = from, n = 0;
    for (int r = from; r <= to; r++) {
        int unit = u->at[r];
        u->at[r] = -1;
        if (unit < 0 || unit == a || unit == b)
            continue;
        if (u->seen[unit] == u->mark) {
            u->stack[n++] = unit;
            continue;
        }
        u->rank[unit] = to_place;
        u->at[to_place++] = unit;
    }
    u->rank[a] = to_place;
    u->at[to_place++] = a;
    for (int i = 0; i < n; i++) {
        u->rank[u->stack[i]] = to_place;
        u->at[to_place++] = u->stack[i];
    }
    u->steps += to - from;
}

/* Two ascending lists into one. */
static void merge_nodes(Units *u, int a, int b)
{
    Ref p = u->head[a], q = u->head[b], *end = &u->head[a];
    while (p != NO_REF || q != NO_REF) {
        bool first = q == NO_REF || (p != NO_REF && p < q);
        Ref *from = first ? &p : &q;
        *end = u->tail[a] = *from;
        *from = u->next[*from];
        end = &u->next[*end];
    }
    *end = NO_REF;
    u->head[b] = NO_REF;
}

void units_join(Units *u, int a, int b, const char *rule)
{
    merge_places(u, a, b);
    for (Ref i = u->head[b]; i != NO_REF; i = u->next[i])
        u->of[i] = a;
    merge_nodes(u, a, b);
    u->size[a] += u->size[b];
    u->class[a] = kernel_class_of_both(u->class[a], u->class[b]);
    u->rule[a] = rule;
}

double units_saved(const Units *u, int a, int b)
{
    double bytes = 0;
    for (Ref i = u->head[a]; i != NO_REF; i = u->next[i]) {
        bool read = false, elsewhere = false;
        for (int k = u->user_at[i]; k < u->user_at[i + 1]; k++) {
            int by = u->of[u->user[k]];
            read = read || by == b;
            elsewhere = elsewhere || (by != a && by != b);
        }
        const Type *t = &u->g->node[i].type;
        double size = (double)block_info[t->dtype].bytes /
                      block_info[t->dtype].elems * (double)type_elements(t).k;
        if (read)
            bytes += elsewhere ? size : 2 * size;
    }
    return bytes;
}

/* ---- the order in the end ---- */

typedef struct {
    Units *u;
    Ref *order; /* new position -> node */
    uint32_t n;
    bool *placed;
    int *waits; /* by unit: units that must come first, with repeats */
    int *ready; /* heap of units that wait for nothing, first node on top */
    int n_ready;
} Order;

static void put(Order *o, Ref i)
{
    if (o->placed[i])
        return;
    o->placed[i] = true;
    o->order[o->n++] = i;
}

/* Views outside kernels stand right before their first reader. */
static void put_views(Order *o, Ref r)
{
    const Node *n = &o->u->g->node[r];
    if (op_info(n->op)->kind != KIND_VIEW || o->placed[r])
        return;
    put_views(o, n->arg[0]);
    put(o, r);
}

/* A view of a value made here and read here is part of the kernel. */
static void put_inner(Order *o, Ref r, int unit)
{
    Node *n = &o->u->g->node[r];
    if (op_info(n->op)->kind != KIND_VIEW || o->placed[r])
        return;
    put_inner(o, n->arg[0], unit);
    n->kernel = o->u->of[units_root(o->u, r)] == unit ? unit : -1;
    put(o, r);
}

static void put_unit(Order *o, int unit)
{
    Units *u = o->u;
    for (int inner = 0; inner < 2; inner++)
        for (Ref i = u->head[unit]; i != NO_REF; i = u->next[i]) {
            const Node *n = &u->g->node[i];
            for (int k = 0; k < n->n_args; k++) {
                bool own = u->of[units_root(u, n->arg[k])] == unit;
                if (inner && own)
                    put_inner(o, n->arg[k], unit);
                else if (!inner && !own)
                    put_views(o, n->arg[k]);
            }
            if (inner)
                put(o, i);
        }
}

static bool stands_before(const Order *o, int a, int b)
{
    return o->u->head[a] < o->u->head[b];
}

static void push_ready(Order *o, int unit)
{
    int i = o->n_ready++;
    for (int up = (i - 1) / 2; i && stands_before(o, unit, o->ready[up]);
         i = up, up = (i - 1) / 2)
        o->ready[i] = o->ready[up];
    o->ready[i] = unit;
}

static int pop_ready(Order *o)
{
    int top = o->ready[0], last = o->ready[--o->n_ready], i = 0;
    for (int down = 1; down < o->n_ready; down = 2 * i + 1) {
        if (down + 1 < o->n_ready &&
            stands_before(o, o->ready[down + 1], o->ready[down]))
            down++;
        if (!stands_before(o, o->ready[down], last))
            break;
        o->ready[i] = o->ready[down];
        i = down;
    }
    o->ready[i] = last;
    return top;
}

static void count_waits(Order *o)
{
    Units *u = o->u;
    for (Ref i = 0; i < u->g->n_nodes; i++)
        for (int k = u->user_at[i]; k < u->user_at[i + 1]; k++)
            if (u->of[i] >= 0 && u->of[u->user[k]] != u->of[i])
                o->waits[u->of[u->user[k]]]++;
    for (Ref i = 0; i < u->g->n_nodes; i++)
        if (u->head[i] != NO_REF && o->waits[i] == 0)
            push_ready(o, (int)i);
}

static void release(Order *o, int unit)
{
    Units *u = o->u;
    for (Ref i = u->head[unit]; i != NO_REF; i = u->next[i])
        for (int k = u->user_at[i]; k < u->user_at[i + 1]; k++) {
            int by = u->of[u->user[k]];
            if (by != unit && --o->waits[by] == 0)
                push_ready(o, by);
        }
}

/* Ready units in the order of their first nodes, so that the text stays close
 * to what the author wrote. */
static void order_units(Order *o)
{
    count_waits(o);
    while (o->n_ready) {
        int unit = pop_ready(o);
        put_unit(o, unit);
        release(o, unit);
    }
}

static void renumber(Order *o)
{
    Graph *g = o->u->g;
    Arena *a = o->u->c->arena;
    Node *node = ARENA_ARRAY(a, Node, g->n_nodes + 1);
    Ref *to = ARENA_ARRAY(a, Ref, g->n_nodes + 1);
    bool *keep = ARENA_ARRAY(a, bool, g->n_nodes + 1);
    for (uint32_t i = 0; i < o->n; i++) {
        node[i] = g->node[o->order[i]];
        to[o->order[i]] = i;
        keep[i] = true;
    }
    for (uint32_t i = 0; i < o->n; i++)
        for (int k = 0; k < node[i].n_args; k++)
            node[i].arg[k] = to[node[i].arg[k]];
    memcpy(g->node, node, sizeof *node * g->n_nodes);
    for (int i = 0; i < g->n_results; i++)
        g->result[i].ref = to[g->result[i].ref];
    graph_compact(g, keep);
}

/* Node.kernel holds unit numbers, all below n_units, until here; groups count
 * in run order. */
static void name_groups(Units *u, uint32_t n_units)
{
    Graph *g = u->g;
    int *group = ARENA_ARRAY(u->c->arena, int, n_units + 1);
    for (uint32_t i = 0; i < n_units; i++)
        group[i] = -1;
    g->n_groups = 0;
    for (Ref i = 0; i < g->n_nodes; i++) {
        int unit = g->node[i].kernel;
        if (unit < 0)
            continue;
        if (group[unit] < 0)
            group[unit] = graph_add_group(g, u->rule[unit]);
        g->node[i].kernel = group[unit];
    }
}

void units_commit(Units *u)
{
    Graph *g = u->g;
    Arena *a = u->c->arena;
    Order o = {u, ARENA_ARRAY(a, Ref, g->n_nodes + 1), 0,
               ARENA_ARRAY(a, bool, g->n_nodes + 1),
               ARENA_ARRAY(a, int, g->n_nodes + 1),
               ARENA_ARRAY(a, int, g->n_nodes + 1), 0};
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node *n = &g->node[i];
        n->kernel = u->of[i] >= 0 && !u->fixed[u->of[i]] ? u->of[i] : -1;
        if (op_info(n->op)->kind == KIND_SRC)
            put(&o, i);
    }
    order_units(&o);
    for (int i = 0; i < g->n_results; i++)
        put_views(&o, g->result[i].ref);
    uint32_t n_units = g->n_nodes; /* views that nobody reads go now */
    renumber(&o);
    name_groups(u, n_units);
}

/* ---- conditions */

bool fuse_read_by_alone(const Pair *p, Ref r, int unit)
{
    const Units *u = p->u;
    for (int k = u->user_at[r]; k < u->user_at[r + 1]; k++)
        if (u->of[u->user[k]] != unit)
            return false;
    for (int i = 0; i < u->g->n_results; i++)
        if (units_root(u, u->g->result[i].ref) == r)
            return false;
    return true;
}
