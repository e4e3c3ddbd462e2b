#include "compiler/kernels.h"

const char *const kernel_class_name[KERNEL_CLASS_COUNT] = {
    "row", "matmul", "experts", "attention", "conv", "delta"};

static KernelClass class_of_kind(OpKind k)
{
    switch (k) {
    case KIND_MATMUL:
        return KERNEL_MATMUL;
    case KIND_EXPERTS:
        return KERNEL_EXPERTS;
    case KIND_ATTENTION:
        return KERNEL_ATTENTION;
    case KIND_CONV:
        return KERNEL_CONV;
    case KIND_DELTA:
        return KERNEL_DELTA;
    case KIND_SRC:
    case KIND_VIEW:
    case KIND_EW:
    case KIND_ROW:
    case KIND_COMM:
    case KIND_CALL:
        break;
    }
    return KERNEL_ROW;
}

KernelClass kernel_class_of_both(KernelClass a, KernelClass b)
{
    bool second = a == KERNEL_ROW || b == KERNEL_EXPERTS || b == KERNEL_DELTA;
    return second && b != KERNEL_ROW ? b : a;
}

KernelClass kernel_class(const Graph *k)
{
    KernelClass c = KERNEL_ROW;
    for (Ref i = 0; i < k->n_nodes; i++)
        c = kernel_class_of_both(c, class_of_kind(op_info(k->node[i].op)->kind));
    return c;
}

/* ---- what back ends may rely on ---- */

static Err *bad(const Graph *k, const Node *n, const char *what)
{
    return err_new(ERR_INPUT, "%s %%%s in a %s kernel: %s",
                   op_info(n->op)->name, n->name,
                   kernel_class_name[kernel_class(k)], what);
}

static bool is_made(const Graph *k, Ref r)
{
    return r >= k->n_params && k->node[r].op != OP_const &&
           !node_is_view(&k->node[r]);
}

/* Row kernels: one symbol, whole rows; picked rows come from outside. */
static Err *verify_row(const Graph *k)
{
    Sym sym = SYM_COUNT;
    for (Ref i = k->n_params; i < k->n_nodes; i++) {
        const Node *n = &k->node[i];
        if (!is_made(k, i) || n->op == OP_append)
            continue;
        Sym s = n->type.rank ? n->type.dim[0].sym : SYM_ONE;
        if (sym == SYM_COUNT)
            sym = s;
        if (s != sym || (s != SYM_ONE && n->type.dim[0].k != 1))
            return bad(k, n, "rows of another axis");
        if (n->op == OP_rows && is_made(k, graph_behind_views(k, n->arg[0])))
            return bad(k, n, "picks rows of a value made here");
    }
    return NULL;
}

/* What an epilogue may read besides values of its own shape. */
static bool epilogue_operand(const Graph *k, const Type *y, Ref r)
{
    const Type *t = &k->node[r].type;
    if (k->node[r].op == OP_const || t->rank == 0)
        return true;
    bool same = t->rank == y->rank;
    for (int i = 0; same && i < y->rank; i++)
        same = dim_equal(t->dim[i], y->dim[i]) ||
               (i == y->rank - 1 && dim_equal(t->dim[i], dim_const(1)));
    return same ||
           (t->rank == 1 && (dim_equal(t->dim[0], y->dim[y->rank - 1]) ||
                             dim_equal(t->dim[0], dim_const(1))));
}

static Err *verify_epilogue(const Graph *k, const Node *n)
{
    if (op_info(n->op)->kind != KIND_EW)
        return bad(k, n, "only elementwise operations follow the product");
    for (int i = 0; i < n->n_args; i++) {
        const Node *x = &k->node[n->arg[i]];
        if (is_made(k, n->arg[i]) && !type_equal(&x->type, &n->type))
            return bad(k, n, "reads a value of another shape");
        if (!epilogue_operand(k, &n->type, n->arg[i]))
            return bad(k, n, "reads an operand that does not line up");
    }
    return NULL;
}

bool kernel_is_prologue(const Graph *k, Ref r)
{
    const Node *n = &k->node[r];
    if (r < k->n_params || (n->op != OP_rmsnorm && n->op != OP_quantize))
        return false;
    for (Ref i = r + 1; i < k->n_nodes; i++) {
        const Node *by = &k->node[i];
        OpKind kind = op_info(by->op)->kind;
        bool reads = by->n_args && !node_is_view(by) &&
                     graph_behind_views(k, by->arg[0]) == r;
        if (reads && (kind == KIND_MATMUL || kind == KIND_EXPERTS))
            return true;
        if (reads && by->op == OP_quantize && kernel_is_prologue(k, i))
            return true;
    }
    return false;
}

bool kernel_is_left(const Graph *k, Ref r)
{
    const Node *n = &k->node[r];
    Ref x = r < k->n_params || n->op != OP_quantize ? NO_REF : n->arg[0];
    return x != NO_REF && k->node[x].op == OP_rmsnorm &&
           kernel_class(k) == KERNEL_MATMUL && kernel_is_prologue(k, x) &&
           !kernel_is_prologue(k, r);
}

/* ---- the delta rule and what stands before it */

bool kernel_is_factor(const Graph *g, Ref r)
{
    const Node *n = &g->node[r];
    return (n->op == OP_mul || n->op == OP_div) &&
           g->node[n->arg[1]].op == OP_const;
}

Ref kernel_below_factors(const Graph *g, Ref r)
{
    while (kernel_is_factor(g, r))
        r = g->node[r].arg[0];
    return g->node[r].op == OP_l2norm ? g->node[r].arg[0] : r;
}

static Ref find_op(const Graph *k, Op op)
{
    for (Ref i = 0; i < k->n_nodes; i++)
        if (k->node[i].op == op)
            return i;
    return NO_REF;
}

const bool *kernel_before_rule(const Graph *k)
{
    enum { VALUES = 3 }; /* q, k and v */
    Ref rule = find_op(k, OP_delta_rule);
    if (rule == NO_REF)
        return NULL;
    bool *before = ARENA_ARRAY(k->arena, bool, k->n_nodes + 1);
    for (int i = 0; i < VALUES; i++)
        before[k->node[rule].arg[i]] = true;
    for (Ref i = rule; i-- > 0;)
        for (int j = 0; before[i] && j < k->node[i].n_args; j++)
            before[k->node[i].arg[j]] = true;
    return before;
}

/* What follows attention and the delta rule. */
static bool is_last_rounding(const Graph *k, Ref r)
{
    KernelClass c = kernel_class(k);
    return k->node[r].op == OP_quantize &&
           (c == KERNEL_DELTA || c == KERNEL_ATTENTION);
}

static bool is_layered_node(const Graph *k, Ref r)
{
    const Node *n = &k->node[r];
    if (n->op == OP_combine || kernel_is_prologue(k, r) ||
        is_last_rounding(k, r) ||
        (n->op == OP_matmul && kernel_class(k) == KERNEL_EXPERTS))
        return true;
    for (int j = 0; op_info(n->op)->kind == KIND_EW && j < n->n_args; j++)
        if (k->node[n->arg[j]].op == OP_slice)
            return true;
    return false;
}

bool kernel_chooses_by(Op op)
{
    return op == OP_topk || op == OP_softmax || op == OP_take || op == OP_sum ||
           op == OP_mean || op_info(op)->kind == KIND_EW;
}

const bool *kernel_choice(const Graph *k)
{
    if (kernel_class(k) != KERNEL_MATMUL || find_op(k, OP_topk) == NO_REF)
        return NULL;
    bool *in = ARENA_ARRAY(k->arena, bool, k->n_nodes);
    for (Ref i = k->n_params; i < k->n_nodes; i++) {
        const Node *n = &k->node[i];
        bool row = op_info(n->op)->kind == KIND_ROW;
        if (!kernel_chooses_by(n->op))
            continue;
        for (int j = 0; j < n->n_args; j++)
            row = row || in[graph_behind_views(k, n->arg[j])];
        in[i] = row;
    }
    return in;
}

/* Rows of what products left, and of weights. */
static Err *verify_choice(const Graph *k, const Node *n)
{
    for (int i = 0; i < n->n_args; i++) {
        Ref r = graph_behind_views(k, n->arg[i]);
        const Node *x = &k->node[r];
        if (!is_made(k, r) && x->op != OP_weight && x->op != OP_const)
            return bad(k, n, "chooses by a value from outside");
        if (is_made(k, r) &&
            (!x->type.rank || !dim_equal(x->type.dim[0], n->type.dim[0])))
            return bad(k, n, "rows of another axis");
    }
    return NULL;
}

bool kernel_is_layered(const Graph *k)
{
    if (kernel_class(k) == KERNEL_ROW)
        return false;
    if (kernel_choice(k))
        return true;
    const bool *before = kernel_before_rule(k);
    for (Ref i = k->n_params; i < k->n_nodes; i++)
        if (is_layered_node(k, i) || (before && before[i] && is_made(k, i)))
            return true;
    return false;
}

/* Rows of whole blocks, of a value made here or its reshape; no block is of two
 * heads. */
static Err *verify_last_rounding(const Graph *k, const Node *n)
{
    Ref r = n->arg[0], head = find_op(k, OP_attention);
    int64_t elems = block_info[BT_q8a].elems;
    if (head == NO_REF)
        head = find_op(k, OP_delta_rule);
    if (type_last(&k->node[head].type) % elems)
        return bad(k, n, "rounds parts of heads together");
    if (n != &k->node[find_op(k, OP_quantize)])
        return bad(k, n, "is the second rounding");
    for (; node_is_view(&k->node[r]); r = k->node[r].arg[0])
        if (k->node[r].op == OP_slice)
            return bad(k, n, "rounds parts of rows");
    if (!is_made(k, r) || type_last(&k->node[r].type) % elems ||
        type_last(&n->type) % elems)
        return bad(k, n, "rounds what no head makes");
    return NULL;
}

/* A node of the convolution under q, k and v. */
static Err *verify_convolution(const Graph *k, Ref r)
{
    const Node *n = &k->node[r];
    Ref conv = find_op(k, OP_causal_conv1d);
    if (conv == NO_REF || (n->op == OP_causal_conv1d && r != conv))
        return bad(k, n, "stands before the rule");
    for (int j = 0; r == conv && j < n->n_args; j++)
        if (is_made(k, graph_behind_views(k, n->arg[j])))
            return bad(k, n, "reads a value made in the same kernel");
    return r == conv ? NULL : verify_epilogue(k, n);
}

/* Heads of d values lie in one piece each. */
static bool has_whole_heads(const Graph *k, Ref r, int64_t d)
{
    int slices = 0;
    for (; node_is_view(&k->node[r]); r = k->node[r].arg[0])
        if (k->node[r].op == OP_slice)
            slices += type_last(&k->node[r].type) % d ? 2 : 1;
    return slices < 2;
}

/* One value under q, k and v, if it is made here. */
static Err *verify_sources(const Graph *k, const Node *rule)
{
    Ref v = graph_behind_views(k, rule->arg[2]);
    for (int i = 0; i < 3; i++) {
        const Type *t = &k->node[rule->arg[i]].type;
        Ref below = kernel_below_factors(k, rule->arg[i]),
            root = graph_behind_views(k, below);
        if ((is_made(k, root) || is_made(k, v)) && root != v)
            return bad(k, rule, "reads another value made here");
        if (below != rule->arg[i] && (i == 2 || !type_equal(&k->node[below].type, t)))
            return bad(k, rule, "reads heads of another shape");
        if ((below != rule->arg[i] || is_made(k, root)) &&
            !has_whole_heads(k, below, type_last(t)))
            return bad(k, rule, "reads heads in pieces");
    }
    return NULL;
}

static bool is_result(const Graph *k, Ref r)
{
    for (int i = 0; i < k->n_results; i++)
        if (k->result[i].ref == r)
            return true;
    return false;
}

/* Before the rule: factors and norms of q and k, and a convolution. */
static Err *verify_before(const Graph *k, const Node *rule, Ref r)
{
    const Node *n = &k->node[r];
    if (is_result(k, r))
        return bad(k, n, "is read before the rule and elsewhere");
    for (int i = 0; i < 2; i++)
        for (Ref x = rule->arg[i], end = kernel_below_factors(k, x); x != end;
             x = k->node[x].arg[0])
            if (x == r)
                return NULL;
    return verify_convolution(k, r);
}

static Err *verify_behind(const Graph *k, const Node *n, const bool *before)
{
    for (int i = 0; i < n->n_args; i++) {
        Ref root = graph_behind_views(k, n->arg[i]);
        if (is_made(k, root) && before[root])
            return bad(k, n, "reads what stands before the rule");
    }
    if (n->op == OP_quantize)
        return verify_last_rounding(k, n);
    return n->op == OP_rmsnorm ? NULL : verify_epilogue(k, n);
}

static Err *verify_delta(const Graph *k)
{
    const bool *before = kernel_before_rule(k);
    Ref rule = find_op(k, OP_delta_rule);
    const Node *d = &k->node[rule];
    TRY(verify_sources(k, d));
    for (int i = 3; i < d->n_args; i++)
        if (is_made(k, graph_behind_views(k, d->arg[i])))
            return bad(k, d, "reads a value made in the same kernel");
    for (Ref i = k->n_params; i < k->n_nodes; i++) {
        const Node *n = &k->node[i];
        if (!is_made(k, i) || i == rule)
            continue;
        if (n->op == OP_delta_rule)
            return bad(k, n, "more than one input");
        TRY(before[i] ? verify_before(k, d, i) : verify_behind(k, n, before));
    }
    return NULL;
}

bool kernel_combines(const Graph *k, Ref product)
{
    for (Ref i = product + 1; i < k->n_nodes; i++)
        if (k->node[i].op == OP_combine && k->node[i].arg[0] == product)
            return true;
    return false;
}

/* The sum over a token's experts: of parameters, or of this kernel's product. */
static Err *verify_combine(const Graph *k, const Node *n)
{
    for (int i = 0; i < n->n_args; i++) {
        Ref r = graph_behind_views(k, n->arg[i]);
        bool product = op_info(k->node[r].op)->kind == KIND_EXPERTS;
        if (is_made(k, r) && !(i == 0 && product && r == n->arg[0]))
            return bad(k, n, "reads a value made in the same kernel");
    }
    return NULL;
}

/* One anchor, or several products of one input; then elementwise.  x: by kind of
 * product, if the kernel sums up its own experts' products. */
static Err *verify_anchored(const Graph *k, KernelClass c)
{
    Ref x[2] = {NO_REF, NO_REF};
    bool many = c == KERNEL_MATMUL || c == KERNEL_EXPERTS, combined = false;
    const bool *choice = kernel_choice(k);
    for (Ref i = k->n_params; i < k->n_nodes; i++)
        combined = combined || kernel_combines(k, i);
    for (Ref i = k->n_params; i < k->n_nodes; i++) {
        const Node *n = &k->node[i];
        if (!is_made(k, i))
            continue;
        if (class_of_kind(op_info(n->op)->kind) == KERNEL_ROW) {
            if (choice && choice[i])
                TRY(verify_choice(k, n));
            else if (n->op == OP_combine)
                TRY(verify_combine(k, n));
            else if (!kernel_is_prologue(k, i) && !kernel_is_left(k, i))
                TRY(is_last_rounding(k, i) ? verify_last_rounding(k, n)
                                           : verify_epilogue(k, n));
            continue;
        }
        Ref *left = &x[combined && op_info(n->op)->kind == KIND_MATMUL];
        if (*left != NO_REF && (!many || n->arg[0] != *left))
            return bad(k, n, "more than one input");
        *left = n->arg[0];
        for (int j = 0; j < n->n_args; j++)
            if (is_made(k, graph_behind_views(k, n->arg[j])) &&
                !kernel_is_prologue(k, graph_behind_views(k, n->arg[j])))
                return bad(k, n, "reads a value made in the same kernel");
    }
    return NULL;
}

Err *kernel_verify(const Graph *k)
{
    KernelClass c = kernel_class(k);
    if (c == KERNEL_DELTA)
        return verify_delta(k);
    return c == KERNEL_ROW ? verify_row(k) : verify_anchored(k, c);
}
