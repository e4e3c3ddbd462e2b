/* verify.c - what every module satisfies, whatever made it.
 *
 * Cheap enough to run after every stage: linear in nodes and arguments. */
#include <string.h>

#include "compiler/graph.h"

enum { MAX_EXTENT_BITS = 40, MAX_NODES = 1 << 20 };

static Err *bad(const Graph *g, const Node *n, const char *what)
{
    return err_new(ERR_INPUT, "@%s: %c%s: %s", g->name, node_sigil(n), n->name,
                   what);
}

/* Extents positive, products far from overflow, at most one symbol. */
static Err *check_type(const Graph *g, const Node *n)
{
    int64_t elements = 1;
    int symbols = 0;
    for (int i = 0; i < n->type.rank; i++) {
        Dim d = n->type.dim[i];
        if (d.k < 1 || d.k >= (int64_t)1 << MAX_EXTENT_BITS)
            return bad(g, n, "an extent is not between 1 and 2^40");
        if (__builtin_mul_overflow(elements, d.k, &elements) ||
            elements >= (int64_t)1 << 48)
            return bad(g, n, "the shape holds too many elements");
        symbols += d.sym != SYM_ONE;
        if (d.sym != SYM_ONE && i)
            return bad(g, n, "only the first axis may be symbolic");
    }
    if (symbols > 1)
        return bad(g, n, "more than one symbolic axis");
    if (n->type.dtype < BT_COUNT && n->type.rank && n->op != OP_weight &&
        type_last(&n->type) % block_info[n->type.dtype].elems)
        return bad(g, n, "rows are not a whole number of blocks");
    return NULL;
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
    if (n->text && !text_is_safe(n->text))
        return bad(g, n, "the quoted name holds a forbidden character");
    return NULL;
}

static Err *check_call(const Module *m, const Graph *g, const Node *n)
{
    const Graph *f = module_find(m, n->text);
    if (!f || f == g || f->kind != GRAPH_FUNC)
        return bad(g, n, "calls no function of this module");
    if (f->n_results != 1 || f->n_params != (uint32_t)n->n_args)
        return bad(g, n, "passes a wrong number of values");
    for (int i = 0; i < n->n_args; i++)
        if (!type_equal(&f->node[i].type, &g->node[n->arg[i]].type))
            return bad(g, n, "passes a value of a wrong type");
    if (!type_equal(&f->node[f->result[0].ref].type, &n->type))
        return bad(g, n, "has another type than the function's result");
    return NULL;
}

static Err *check_node(const Module *m, const Graph *g, Ref at)
{
    const Node *n = &g->node[at];
    Type t;
    bool is_param = at < g->n_params;
    if (is_param != (n->op == OP_input) && !(is_param && n->op <= OP_state))
        return bad(g, n, "parameters stand first and only there");
    for (int i = 0; i < n->n_args; i++)
        if (n->arg[i] >= at)
            return bad(g, n, "reads a later value");
    TRY(check_text(g, n, is_param));
    TRY(check_type(g, n));
    if (n->op == OP_call)
        return check_call(m, g, n);
    Err *e = infer_type(g, n, &t);
    if (e)
        return err_note(e, "@%s", g->name);
    if (!type_equal(&t, &n->type))
        return err_new(ERR_INPUT, "@%s: %%%s is %s, but %s gives %s", g->name,
                       n->name, type_text(g->arena, &n->type),
                       op_info(n->op)->name, type_text(g->arena, &t));
    return NULL;
}

/* Two nodes that change one state would race or depend on order alone. */
static Err *check_states(const Graph *g)
{
    bool *changed = ARENA_ARRAY(g->arena, bool, g->n_nodes + 1);
    for (Ref i = 0; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        for (int k = 0; k < n->n_args; k++) {
            if (g->node[n->arg[k]].op != OP_state)
                continue;
            if (n->op == OP_attention)
                continue; /* in a kernel: reads what another one appended */
            if (changed[n->arg[k]])
                return bad(g, n, "changes a state that another node changes");
            changed[n->arg[k]] = true;
        }
    }
    return NULL;
}

static bool groupable(const Node *n)
{
    OpKind k = op_info(n->op)->kind;
    return k != KIND_SRC && k != KIND_COMM && k != KIND_CALL;
}

/* The nodes of a group stand together: one opening, one closing. */
static Err *check_groups(const Graph *g)
{
    bool *seen = ARENA_ARRAY(g->arena, bool, g->n_groups + 1);
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

Err *graph_verify(const Module *m, const Graph *g)
{
    if (g->n_nodes > MAX_NODES)
        return err_new(ERR_LIMIT, "@%s has %u nodes, at most %d", g->name,
                       g->n_nodes, MAX_NODES);
    for (Ref i = 0; i < g->n_nodes; i++)
        TRY(check_node(m, g, i));
    for (int i = 0; i < g->n_results; i++)
        if (g->result[i].ref >= g->n_nodes)
            return err_new(ERR_INPUT, "@%s: result %d is no value", g->name,
                           i + 1);
    TRY(check_states(g));
    return check_groups(g);
}

Err *module_verify(const Module *m)
{
    for (int i = 0; i < m->n_graphs; i++)
        TRY(graph_verify(m, m->graph[i]));
    return NULL;
}
