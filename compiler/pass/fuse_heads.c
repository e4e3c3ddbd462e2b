/* fuse_heads.c - what joins the kernels of the delta rule and of attention on a
 * card: norms and a convolution before, rounding behind. */
#include "compiler/pass/fuse_int.h"

/* ---- before the delta rule */

/* NO_REF if the unit has none. */
static Ref rule_of(const Pair *p, int unit)
{
    Ref i = p->u->class[unit] == KERNEL_DELTA ? p->u->head[unit] : NO_REF;
    while (i != NO_REF && node_at(p, i)->op != OP_delta_rule)
        i = p->u->next[i];
    return i;
}

/* What stands below the factors that unit b has of q or k. */
static Ref below_factors(const Pair *p, Ref x)
{
    while (p->u->of[x] == p->b && kernel_is_factor(p->u->g, x))
        x = node_at(p, x)->arg[0];
    return x;
}

/* Heads in one piece each, cut at most once out of wider rows. */
static bool reads_whole_heads(const Pair *p, Ref r, int64_t d)
{
    int slices = 0;
    for (; op_info(node_at(p, r)->op)->kind == KIND_VIEW;
         r = node_at(p, r)->arg[0])
        if (node_at(p, r)->op == OP_slice)
            slices += type_last(&node_at(p, r)->type) % d ? 2 : 1;
    return slices < 2;
}

/* Do only the rule, besides its first n arguments, and factors (and norms) of
 * its unit read r? */
static bool only_rule_reads(const Pair *p, Ref rule, Ref r, int n, bool norms)
{
    for (int k = p->u->user_at[r]; k < p->u->user_at[r + 1]; k++) {
        Ref by = (Ref)p->u->user[k];
        bool above = kernel_is_factor(p->u->g, by) ||
                     (norms && node_at(p, by)->op == OP_l2norm);
        if (by != rule && !(above && p->u->of[by] == p->b))
            return false;
    }
    for (int i = n; i < node_at(p, rule)->n_args; i++)
        if (units_root(p->u, node_at(p, rule)->arg[i]) == r)
            return false;
    return true;
}

/* l2norm of q or k, or a factor: the next one below those that b has. */
bool fuse_delta_heads(const Pair *p)
{
    Ref r = p->u->head[p->a], rule = rule_of(p, p->b);
    const Node *n = node_at(p, r);
    bool norm = n->op == OP_l2norm, next = false;
    if (rule == NO_REF || !is_single(p, p->a) ||
        (!norm && !kernel_is_factor(p->u->g, r)) || !fuse_read_by_alone(p, r, p->b))
        return false;
    for (int i = 0; i < 2; i++) {
        Ref x = below_factors(p, node_at(p, rule)->arg[i]);
        if (x != r && units_root(p->u, x) == r)
            return false;
        next = next || x == r;
    }
    return next && only_rule_reads(p, rule, r, 2, false) &&
           (!norm || reads_whole_heads(p, n->arg[0], type_last(&n->type)));
}

/* A convolution, whose last value is what q, k and v are heads of. */
bool fuse_delta_conv(const Pair *p)
{
    const Units *u = p->u;
    Ref rule = rule_of(p, p->b), last = u->tail[p->a];
    if (u->class[p->a] != KERNEL_CONV || rule == NO_REF)
        return false;
    for (int i = 0; i < 3; i++) {
        Ref x = node_at(p, rule)->arg[i], r = kernel_below_factors(u->g, x);
        if (units_root(u, r) != last || (i == 2 && r != x) ||
            !reads_whole_heads(p, r, type_last(&node_at(p, x)->type)))
            return false;
    }
    for (Ref i = u->head[p->a]; i != last; i = u->next[i])
        if (!fuse_read_by_alone(p, i, p->a))
            return false;
    return fuse_read_by_alone(p, last, p->b) &&
           only_rule_reads(p, rule, last, 3, true);
}

/* ---- behind */

/* Rounding of whole heads, the unit's only one. */
static bool is_last_rounding(const Pair *p, KernelClass c)
{
    const Node *n = node_at(p, p->u->head[p->b]);
    if (p->u->class[p->a] != c || !is_single(p, p->b) || n->op != OP_quantize)
        return false;
    for (Ref i = p->u->head[p->a]; i != NO_REF; i = p->u->next[i])
        if (node_at(p, i)->op == OP_quantize)
            return false;
    Ref root = units_root(p->u, n->arg[0]);
    int64_t elems = block_info[BT_q8a].elems;
    for (Ref r = n->arg[0]; r != root; r = node_at(p, r)->arg[0])
        if (node_at(p, r)->op == OP_slice)
            return false;
    return p->u->of[root] == p->a &&
           type_last(&node_at(p, root)->type) % elems == 0 &&
           type_last(&n->type) % elems == 0;
}

bool fuse_delta_rounding(const Pair *p)
{
    return is_last_rounding(p, KERNEL_DELTA);
}

bool fuse_attention_rounding(const Pair *p)
{
    return is_last_rounding(p, KERNEL_ATTENTION);
}
