/* verify.c - what every module satisfies, whatever made it.
 *
 * Cheap enough to run after every stage: linear in nodes and arguments. */
#include <string.h>

#include "compiler/graph.h"
#include "dsl/names.h"

/* Models have some thousand nodes; a limit keeps passes that look at pairs of
 * nodes, or walk from one to the next, within seconds and within the stack. */
enum { MAX_NODES = 1 << 17, MAX_CALL_DEPTH = 64, MAX_VIEW_DEPTH = 64 };

/* A graph that was checked: what calls of it come to. */
typedef struct {
    const Graph *g;
    int64_t nodes; /* calls expanded */
    int depth;     /* of calls in calls */
} Known;

typedef struct {
    Arena *a; /* scratch */
    Names known;
    Known *self;   /* of the graph in hand */
    int64_t nodes; /* of the entries so far, calls expanded */
    int *views;   /* by node: views between it and a value */
    Names states; /* changed so far; the value is not NULL */
} Verify;

static Err *bad(const Graph *g, const Node *n, const char *what)
{
    return err_new(ERR_INPUT, "@%s: %c%s: %s", g->name, node_sigil(n), n->name,
                   what);
}

static Sym first_symbol(const Type *t)
{
    return t->rank ? t->dim[0].sym : SYM_ONE;
}

/* Sources say their own type; that of other nodes follows from it. */
static const char *source_fault(const Node *n)
{
    BlockType t = n->type.dtype;
    Sym s = first_symbol(&n->type);
    switch ((int)n->op) {
    case OP_input:
        return t == BT_f32 || t == BT_i32 || type_is_rounded(&n->type)
                   ? NULL
                   : "an input is f32, i32, q8a or q16a";
    case OP_weight:
        return s == SYM_ONE ? NULL : "a weight has no symbolic axis";
    case OP_state:
        if (s == SYM_ONE)
            return t == BT_f32 ? NULL : "a fixed state is f32";
        if (s != SYM_C)
            return "a state is fixed or has C rows";
        return t < BT_COUNT && block_encode(t, NULL, 0, NULL)
                   ? NULL
                   : "a state cannot be stored in this type";
    default:
        return NULL;
    }
}

static const char *shape_fault(const Node *n)
{
    const Type *t = &n->type;
    const char *fault = type_fault(t);
    if (fault)
        return fault;
    if (t->dtype < BT_COUNT && t->rank && n->op != OP_weight &&
        type_last(t) % block_info[t->dtype].elems)
        return "rows are not a whole number of blocks";
    bool may = n->op == OP_state || n->op == OP_append ||
               op_info(n->op)->kind == KIND_VIEW;
    return first_symbol(t) == SYM_C && !may ? "only a state has C rows" : NULL;
}

static Err *check_type(const Graph *g, const Node *n)
{
    const char *fault = shape_fault(n);
    fault = fault ? fault : source_fault(n);
    return fault ? bad(g, n, fault) : NULL;
}

static bool text_is_safe(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == '"' || *s == '\\' || *s == 127)
            return false;
    return true;
}

static Err *check_text(const Graph *g, const Node *n, bool is_param)
{
    bool wants = (n->op == OP_weight || n->op == OP_state) && !is_param;
    wants = wants || n->op == OP_call || n->op == OP_tap;
    if (wants != (n->text != NULL))
        return bad(g, n, wants ? "needs a quoted name" : "takes no quoted name");
    if (n->text && !*n->text)
        return bad(g, n, "the quoted name is empty");
    if (n->text && !text_is_safe(n->text))
        return bad(g, n, "the quoted name holds a forbidden character");
    return NULL;
}

/* ---- calls ---- */

static Err *check_call_args(const Graph *f, const Graph *g, const Node *n)
{
    for (int i = 0; i < n->n_args; i++) {
        const Node *x = &g->node[n->arg[i]];
        if (x->op == OP_weight || x->op == OP_state)
            return bad(g, n, "passes a weight or state; functions name theirs");
        if (f->node[i].op != OP_input ||
            !type_equal(&f->node[i].type, &x->type))
            return bad(g, n, "passes a value of a wrong type");
    }
    return NULL;
}

/* Callees stand before their callers, so there is no recursion; sizes are
 * counted, since a doubling at each level would pass every other check. */
static Err *check_call(Verify *v, const Graph *g, const Node *n)
{
    const Known *k = names_get(&v->known, n->text);
    const Graph *f = k ? k->g : NULL;
    if (!f || f == g || f->kind != GRAPH_FUNC)
        return bad(g, n, "calls no function that stands before it");
    if (n->attr[ATTR_index].i < 0)
        return bad(g, n, "a layer's index is negative");
    if (f->n_results != 1 || f->n_params != (uint32_t)n->n_args)
        return bad(g, n, "passes a wrong number of values");
    TRY(check_call_args(f, g, n));
    if (!type_equal(&f->node[f->result[0].ref].type, &n->type))
        return bad(g, n, "has another type than the function's result");
    v->self->nodes += k->nodes;
    if (k->depth >= v->self->depth)
        v->self->depth = k->depth + 1;
    return v->self->depth > MAX_CALL_DEPTH ? bad(g, n, "calls nest too deep")
                                           : NULL;
}

/* ---- nodes ---- */

static Err *check_views(Verify *v, const Graph *g, Ref at)
{
    const Node *n = &g->node[at];
    if (op_info(n->op)->kind != KIND_VIEW)
        return NULL;
    v->views[at] = v->views[n->arg[0]] + 1;
    return v->views[at] > MAX_VIEW_DEPTH
               ? bad(g, n, "is a view of a view of too many views")
               : NULL;
}

/* Only what multiplies integers, or fetches rows, reads packed weights; tiles
 * serve products of floats, too. */
static bool reads_packed(const Graph *g, const Node *n, int k)
{
    OpKind kind = op_info(n->op)->kind;
    if (n->op == OP_embed)
        return k == 0;
    return (kind == KIND_MATMUL || kind == KIND_EXPERTS) && k == 1 &&
           (g->node[n->arg[k]].type.packing == PACK_TILE ||
            type_is_rounded(&g->node[n->arg[0]].type));
}

static Err *check_packing(const Graph *g, const Node *n)
{
    const Type *t = &n->type;
    if (t->packing && n->op != OP_weight)
        return bad(g, n, "is packed, as only weights can be");
    if (t->packing &&
        (t->dtype >= BT_COUNT || t->rank < 2 ||
         !packing_fits(t->packing, t->dtype, t->dim[0].k, t->dim[1].k)))
        return bad(g, n, "has a type or shape that cannot be packed");
    for (int k = 0; k < n->n_args; k++)
        if (g->node[n->arg[k]].type.packing && !reads_packed(g, n, k))
            return bad(g, n, "cannot read a packed weight");
    return NULL;
}

static Err *check_inferred(const Graph *g, const Node *n)
{
    Type t;
    Err *e = infer_type(g, n, &t);
    if (e)
        return err_note(e, "@%s", g->name);
    if (!type_equal(&t, &n->type))
        return err_new(ERR_INPUT, "@%s: %%%s is %s, but %s gives %s", g->name,
                       n->name, type_text(g->arena, &n->type),
                       op_info(n->op)->name, type_text(g->arena, &t));
    return NULL;
}

static Err *check_node(Verify *v, const Graph *g, Ref at)
{
    const Node *n = &g->node[at];
    bool is_param = at < g->n_params;
    if (is_param && n->op != OP_input && g->kind == GRAPH_ENTRY)
        return bad(g, n, "an entry takes values only");
    if (is_param ? n->op > OP_state : n->op == OP_input)
        return bad(g, n, "parameters stand first and only there");
    for (int i = 0; i < n->n_args; i++)
        if (n->arg[i] >= at)
            return bad(g, n, "reads a later value");
    TRY(check_text(g, n, is_param));
    TRY(check_type(g, n));
    TRY(check_packing(g, n));
    if (n->op == OP_call)
        return check_call(v, g, n);
    TRY(check_inferred(g, n));
    return check_views(v, g, at);
}

/* Two nodes that change one state would race or depend on order alone. */
static Err *check_states(Verify *v, const Graph *g)
{
    v->states = (Names){.a = v->a};
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        OpKind k = op_info(n->op)->kind;
        if (n->op != OP_append && k != KIND_CONV && k != KIND_DELTA)
            continue;
        const Node *s = &g->node[n->arg[n->n_args - 1]];
        NameEntry *e = names_entry(&v->states, s->text ? s->text : s->name);
        if (e->value)
            return bad(g, n, "changes a state that another node changes");
        e->value = v;
    }
    return NULL;
}

static bool groupable(const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    return k != KIND_SRC && k != KIND_COMM && k != KIND_CALL;
}

/* The nodes of a group stand together: one opening, one closing. */
static Err *check_groups(const Verify *v, const Graph *g)
{
    bool *seen = ARENA_ARRAY(v->a, bool, g->n_groups + 1);
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        if (n->kernel < 0)
            continue;
        if (n->kernel >= g->n_groups)
            return bad(g, n, "is in a kernel that does not exist");
        bool first = i == 0 || g->node[i - 1].kernel != n->kernel;
        if (first && seen[n->kernel])
            return bad(g, n, "its kernel does not stand in one piece");
        seen[n->kernel] = true;
        if (!groupable(n))
            return bad(g, n, "cannot be part of a kernel");
    }
    return NULL;
}

static Err *check_results(const Graph *g)
{
    for (int i = 0; i < g->n_results; i++) {
        Ref r = g->result[i].ref;
        if (r >= g->n_nodes)
            return err_new(ERR_INPUT, "@%s: result %d is no value", g->name,
                           i + 1);
        if (first_symbol(&g->node[r].type) == SYM_C)
            return bad(g, &g->node[r], "the rows of a state are no result");
        if (g->node[r].type.packing)
            return bad(g, &g->node[r], "a packed weight is no result");
    }
    return NULL;
}

/* ---- graphs ---- */

/* Of one function, and of all entries together. */
static Err *check_size(Verify *v, const Graph *g)
{
    bool is_entry = g->kind == GRAPH_ENTRY;
    int64_t n = v->self->nodes + (is_entry ? v->nodes : 0);
    v->nodes += is_entry ? v->self->nodes : 0;
    return n <= MAX_NODES
               ? NULL
               : err_new(ERR_LIMIT,
                         "@%s: more than %d nodes with its layers expanded",
                         g->name, MAX_NODES);
}

static Err *check_graph(Verify *v, const Graph *g)
{
    NameEntry *e = names_entry(&v->known, g->name);
    if (e->value)
        return err_new(ERR_INPUT, "graph @%s stands twice", g->name);
    v->self = e->value = ARENA_NEW(v->a, Known);
    *v->self = (Known){g, g->n_nodes, 0};
    v->views = ARENA_ARRAY(v->a, int, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++)
        TRY(check_node(v, g, i));
    TRY(check_size(v, g));
    TRY(check_states(v, g));
    TRY(check_groups(v, g));
    return check_results(g);
}

Err *module_verify(const Module *m)
{
    Arena *a = arena_new();
    Verify v = {.a = a, .known = {.a = a}};
    Err *e = NULL;
    for (int i = 0; i < m->n_graphs && !e; i++)
        e = check_graph(&v, m->graph[i]);
    arena_free(a);
    return e;
}
