/* fuse.c - which nodes are one launch.
 *
 * Starts from one kernel a node and joins kernels by the rules of fuse.def as
 * long as any applies.  A rule never makes a kernel that kernels.h does not
 * allow, nor one that something would have to run in the middle of. */
#include <string.h>

#include "compiler/pass/fuse_int.h"

/* ---- conditions ---- */

static bool lines_up(const Type *x, const Type *y)
{
    if (x->rank == 0)
        return true;
    if (x->rank == 1)
        return dim_equal(x->dim[0], y->dim[y->rank - 1]) ||
               dim_equal(x->dim[0], dim_const(1));
    bool same = x->rank == y->rank;
    for (int i = 0; same && i < y->rank; i++)
        same = dim_equal(x->dim[i], y->dim[i]) ||
               (i == y->rank - 1 && dim_equal(x->dim[i], dim_const(1)));
    return same;
}

/* An operand of an epilogue: made here with the same shape, or from outside
 * and lining up, in whole rows. */
static bool operand_fits(const Pair *p, const Node *n, Ref r)
{
    const Node *x = node_at(p, r);
    Ref root = units_root(p->u, r);
    if (p->u->of[root] == p->a)
        return root == r && type_equal(&x->type, &n->type);
    for (; op_info(x->op)->kind == KIND_VIEW; x = node_at(p, x->arg[0]))
        if (x->op == OP_slice)
            return false;
    return lines_up(&node_at(p, r)->type, &n->type);
}

static bool is_epilogue(const Pair *p, KernelClass c)
{
    const Node *n = node_at(p, p->u->head[p->b]);
    if (p->u->class[p->a] != c || !is_single(p, p->b) ||
        op_info(n->op)->kind != KIND_EW)
        return false;
    for (int i = 0; i < n->n_args; i++)
        if (!operand_fits(p, n, n->arg[i]))
            return false;
    return true;
}

static bool fuse_matmul_epilogue(const Pair *p)
{
    return is_epilogue(p, KERNEL_MATMUL);
}

static bool fuse_experts_epilogue(const Pair *p)
{
    return is_epilogue(p, KERNEL_EXPERTS);
}

static bool fuse_attention_epilogue(const Pair *p)
{
    return is_epilogue(p, KERNEL_ATTENTION);
}

static bool fuse_conv_epilogue(const Pair *p)
{
    return is_epilogue(p, KERNEL_CONV);
}

static bool fuse_delta_norm(const Pair *p)
{
    const Node *n = node_at(p, p->u->head[p->b]);
    if (p->u->class[p->a] != KERNEL_DELTA || !is_single(p, p->b))
        return false;
    if (n->op != OP_rmsnorm)
        return is_epilogue(p, KERNEL_DELTA);
    return p->u->of[n->arg[0]] == p->a;
}

/* ---- products */

/* Rows one after the other, and a norm's weights as f32. */
static bool reads_whole_rows(const Pair *p, const Node *n)
{
    bool whole = n->n_args < 2 || node_at(p, n->arg[1])->type.dtype == BT_f32;
    const Node *x = node_at(p, n->arg[0]);
    for (; op_info(x->op)->kind == KIND_VIEW; x = node_at(p, x->arg[0]))
        whole = whole && x->op != OP_slice;
    return whole;
}

enum { LONG_ROW = 4096 }; /* the most that every block reads, or one chooses of */

/* A norm of whole rows or a rounding, on the way to the left side of products
 * and nowhere else. */
static bool is_prologue(const Pair *p, KernelClass c)
{
    enum { AT_ONCE = 4 };
    Ref r = p->u->head[p->a];
    const Node *n = node_at(p, r);
    if (p->u->class[p->b] != c || !is_single(p, p->a) ||
        (n->op != OP_rmsnorm && n->op != OP_quantize) ||
        type_last(&n->type) > LONG_ROW || type_last(&n->type) % AT_ONCE ||
        !reads_whole_rows(p, n) || !fuse_read_by_alone(p, r, p->b))
        return false;
    for (int k = p->u->user_at[r]; k < p->u->user_at[r + 1]; k++) {
        const Node *by = node_at(p, (Ref)p->u->user[k]);
        bool rounding = n->op == OP_rmsnorm && by->op == OP_quantize;
        OpKind kind = op_info(by->op)->kind;
        bool product = kind == KIND_MATMUL || kind == KIND_EXPERTS;
        if ((!rounding && !product) || units_root(p->u, by->arg[0]) != r ||
            type_last(&n->type) != type_last(&node_at(p, by->arg[0])->type))
            return false;
    }
    return true;
}

static bool fuse_matmul_prologue(const Pair *p)
{
    return is_prologue(p, KERNEL_MATMUL);
}

static bool fuse_experts_prologue(const Pair *p)
{
    return is_prologue(p, KERNEL_EXPERTS);
}

/* An elementwise node, or the sum over a token's experts, that only the
 * epilogue of b reads. */
static bool fuse_epilogue_operand(const Pair *p)
{
    Ref r = p->u->head[p->a];
    const Node *n = node_at(p, r);
    KernelClass c = p->u->class[p->b];
    bool combine = n->op == OP_combine && c == KERNEL_MATMUL;
    if (c == KERNEL_ROW || !is_single(p, p->a) ||
        (op_info(n->op)->kind != KIND_EW && !combine) ||
        !fuse_read_by_alone(p, r, p->b))
        return false;
    for (int k = p->u->user_at[r]; k < p->u->user_at[r + 1]; k++) {
        const Node *by = node_at(p, (Ref)p->u->user[k]);
        if (op_info(by->op)->kind != KIND_EW ||
            !type_equal(&by->type, &n->type))
            return false;
    }
    for (int k = 0; k < n->n_args && !combine; k++)
        if (!lines_up(&node_at(p, n->arg[k])->type, &n->type))
            return false;
    return true;
}

/* All products of a unit read one input (and one choice of experts). */
static const Node *product_of(const Pair *p, int unit)
{
    for (Ref i = p->u->head[unit]; i != NO_REF; i = p->u->next[i]) {
        OpKind k = op_info(node_at(p, i)->op)->kind;
        if (k == KIND_MATMUL || k == KIND_EXPERTS)
            return node_at(p, i);
    }
    return NULL;
}

static bool same_input(const Pair *p, KernelClass c)
{
    if (p->u->class[p->a] != c || p->u->class[p->b] != c)
        return false;
    const Node *x = product_of(p, p->a), *y = product_of(p, p->b);
    return x->arg[0] == y->arg[0] &&
           (c != KERNEL_EXPERTS || x->arg[2] == y->arg[2]);
}

static bool reads_from(const Pair *p, int unit, Ref r)
{
    for (int k = p->u->user_at[r]; k < p->u->user_at[r + 1]; k++)
        if (p->u->of[p->u->user[k]] == unit)
            return true;
    return false;
}

static bool reads_unit(const Pair *p, int reader, int unit)
{
    for (Ref i = p->u->head[unit]; i != NO_REF; i = p->u->next[i])
        if (reads_from(p, reader, i))
            return true;
    return false;
}

/* Products with experts and with one matrix for all, of the same values. */
static bool fuse_experts_beside(const Pair *p)
{
    KernelClass a = p->u->class[p->a], b = p->u->class[p->b];
    if (!(a == KERNEL_EXPERTS && b == KERNEL_MATMUL) &&
        !(a == KERNEL_MATMUL && b == KERNEL_EXPERTS))
        return false;
    return product_of(p, p->a)->arg[0] == product_of(p, p->b)->arg[0] &&
           !reads_unit(p, p->a, p->b) && !reads_unit(p, p->b, p->a);
}

/* A product of experts, with its prologue, that only the sum over a token's
 * experts reads, in b's epilogue. */
static bool fuse_experts_combined(const Pair *p)
{
    Ref product = NO_REF;
    if (p->u->class[p->a] != KERNEL_EXPERTS || p->u->class[p->b] != KERNEL_MATMUL)
        return false;
    for (Ref i = p->u->head[p->a]; i != NO_REF; i = p->u->next[i]) {
        const Node *n = node_at(p, i);
        bool prologue = n->op == OP_quantize || n->op == OP_rmsnorm;
        if (!prologue && product != NO_REF)
            return false;
        product = prologue ? product : i;
    }
    if (product == NO_REF || !fuse_read_by_alone(p, product, p->b))
        return false;
    for (int k = p->u->user_at[product]; k < p->u->user_at[product + 1]; k++) {
        const Node *by = node_at(p, (Ref)p->u->user[k]);
        if (by->op != OP_combine || by->arg[0] != product ||
            units_root(p->u, by->arg[1]) == product)
            return false;
    }
    return true;
}

static bool fuse_matmul_siblings(const Pair *p)
{
    return same_input(p, KERNEL_MATMUL);
}

static bool fuse_experts_siblings(const Pair *p)
{
    return same_input(p, KERNEL_EXPERTS);
}

static Dim row_axis(const Pair *p, int unit)
{
    for (Ref i = p->u->head[unit]; i != NO_REF; i = p->u->next[i]) {
        const Node *n = node_at(p, i);
        if (n->op != OP_append)
            return n->type.rank ? n->type.dim[0] : dim_const(1);
    }
    return node_at(p, node_at(p, p->u->head[unit])->arg[0])->type.dim[0];
}

/* rows picks from the whole of its argument: that must be there before. */
static bool picks_from(const Pair *p, int b, int a)
{
    for (Ref i = p->u->head[b]; i != NO_REF; i = p->u->next[i])
        if (node_at(p, i)->op == OP_rows &&
            p->u->of[units_root(p->u, node_at(p, i)->arg[0])] == a)
            return true;
    return false;
}

static bool same_rows(const Pair *p)
{
    return p->u->class[p->a] == KERNEL_ROW && p->u->class[p->b] == KERNEL_ROW &&
           row_axis(p, p->a).sym != SYM_ONE &&
           dim_equal(row_axis(p, p->a), row_axis(p, p->b)) &&
           !picks_from(p, p->b, p->a) && !picks_from(p, p->a, p->b);
}

/* Does node n of b read rows that a has made, b's own values and weights alone? */
static bool reads_products(const Pair *p, const Node *n)
{
    for (int i = 0; i < n->n_args; i++) {
        Ref r = units_root(p->u, n->arg[i]);
        const Node *x = node_at(p, r);
        bool made = p->u->of[r] == p->a || p->u->of[r] == p->b;
        if (made ? x->type.rank == 0 ||
                       !dim_equal(x->type.dim[0], row_axis(p, p->b))
                 : x->op != OP_weight && x->op != OP_const)
            return false;
    }
    return true;
}

/* A choice of a row's largest values, with what belongs to it, from products. */
static bool fuse_router_choice(const Pair *p)
{
    bool chooses = false;
    if (p->u->class[p->a] != KERNEL_MATMUL || p->u->class[p->b] != KERNEL_ROW ||
        row_axis(p, p->b).sym == SYM_ONE)
        return false;
    for (Ref i = p->u->head[p->b]; i != NO_REF; i = p->u->next[i]) {
        const Node *n = node_at(p, i);
        chooses = chooses || n->op == OP_topk;
        if (!kernel_chooses_by(n->op) || !reads_products(p, n) ||
            type_elements(&n->type).k > LONG_ROW)
            return false;
    }
    for (Ref i = p->u->head[p->a]; i != NO_REF && chooses; i = p->u->next[i])
        chooses = node_at(p, i)->op != OP_topk;
    return chooses;
}

/* A norm that products of b read as it is, and others rounded. */
static bool fuse_router_norm(const Pair *p)
{
    const Units *u = p->u;
    Ref r = u->head[p->a], q = u->next[r];
    const Node *n = node_at(p, r);
    if (u->class[p->a] != KERNEL_ROW || u->class[p->b] != KERNEL_MATMUL ||
        u->size[p->a] != 2 || n->op != OP_rmsnorm || !reads_whole_rows(p, n) ||
        node_at(p, q)->op != OP_quantize || node_at(p, q)->arg[0] != r ||
        n->type.rank != 2 || type_last(&n->type) > LONG_ROW)
        return false;
    for (int i = 0; i < u->g->n_results; i++)
        if (units_root(u, u->g->result[i].ref) == r)
            return false;
    for (int k = u->user_at[r]; k < u->user_at[r + 1]; k++) {
        const Node *by = node_at(p, (Ref)u->user[k]);
        if ((Ref)u->user[k] != q &&
            (u->of[u->user[k]] != p->b || by->arg[0] != r ||
             op_info(by->op)->kind != KIND_MATMUL))
            return false;
    }
    return !reads_from(p, p->b, q);
}

static bool fuse_row_chain(const Pair *p) { return same_rows(p); }
static bool fuse_row_siblings(const Pair *p) { return same_rows(p); }

/* ---- the rules ---- */

typedef enum { READS, BESIDE, FEEDS } Reach;

typedef struct {
    const char *name;
    FusePreset preset;
    Reach reach;
    bool (*condition)(const Pair *p);
    const char *why;
} Rule;

static const Rule rules[] = {
#define RULE(name, preset, reach, why)                                         \
    {#name, FUSE_##preset, reach, fuse_##name, why},
#include "compiler/fuse.def"
#undef RULE
};
enum { N_RULES = sizeof rules / sizeof *rules };

static bool rule_is_on(const Settings *s, const Rule *r)
{
    bool on = s->fuse >= r->preset;
    for (int i = 0; i < s->n_sets; i++)
        if (strcmp(s->set[i].name, r->name) == 0)
            on = strcmp(s->set[i].value, "on") == 0;
    return on;
}

/* A hostile graph can have billions of pairs. */
static bool is_tired(const Units *u) { return u->steps > UNITS_MAX_STEPS; }

static bool try_join(Units *u, const Rule *r, int a, int b)
{
    Pair p = {u, a, b};
    u->steps++;
    if (a < 0 || b < 0 || a == b || u->fixed[a] || u->fixed[b] ||
        is_tired(u) || !r->condition(&p) ||
        !units_joinable(u, a, b))
        return false;
    if (u->c->settings->explain)
        pass_explain(u->c, "fuse",
                     "@%s: %s joins %%%s to %%%s: 1 launch and %.1f KiB a "
                     "token less (%s)",
                     u->g->name, r->name, u->g->node[u->head[b]].name,
                     u->g->node[u->head[a]].name, units_saved(u, a, b) / 1024,
                     r->why);
    units_join(u, a, b, r->name);
    return true;
}

/* Node i joins the unit that makes one of its arguments. */
static bool join_reads(Units *u, const Rule *r, Ref i)
{
    const Node *n = &u->g->node[i];
    for (int k = 0; k < n->n_args; k++)
        if (try_join(u, r, u->of[units_root(u, n->arg[k])], u->of[i]))
            return true;
    return false;
}

/* Two readers of value i join. */
static bool join_beside(Units *u, const Rule *r, Ref i)
{
    for (int k = u->user_at[i]; k < u->user_at[i + 1]; k++)
        for (int j = u->user_at[i]; j < k && !is_tired(u); j++)
            if (try_join(u, r, u->of[u->user[j]], u->of[u->user[k]]))
                return true;
    return false;
}

/* Unit a, which `by` reads, joins another unit that `by` reads. */
static bool join_other_feed(Units *u, const Rule *r, int by, int a)
{
    for (Ref j = u->head[by]; j != NO_REF; j = u->next[j])
        for (int k = 0; k < u->g->node[j].n_args; k++) {
            int b = u->of[units_root(u, u->g->node[j].arg[k])];
            if (a != by && b != by && try_join(u, r, a, b))
                return true;
        }
    return false;
}

/* Two units that a third one reads join. */
static bool join_feeds(Units *u, const Rule *r, Ref i)
{
    const Node *n = &u->g->node[i];
    for (int k = 0; k < n->n_args; k++)
        if (join_other_feed(u, r, u->of[i],
                            u->of[units_root(u, n->arg[k])]))
            return true;
    return false;
}

static bool apply_at(Units *u, const Rule *r, Ref i)
{
    switch (r->reach) {
    case READS:
        return u->of[i] >= 0 && join_reads(u, r, i);
    case BESIDE:
        return join_beside(u, r, i);
    case FEEDS:
        return u->of[i] >= 0 && join_feeds(u, r, i);
    }
    return false;
}

static void apply_rule(Units *u, const Rule *r)
{
    bool more = true;
    while (more && !is_tired(u)) {
        more = false;
        for (Ref i = 0; i < u->g->n_nodes; i++)
            while (apply_at(u, r, i))
                more = true;
    }
}

static void fuse_graph(PassContext *c, Graph *g, bool rows_only)
{
    Units *u = units_new(c, g);
    for (int i = 0; i < N_RULES; i++)
        if (rule_is_on(c->settings, &rules[i]) &&
            (!rows_only || rules[i].condition == fuse_row_chain))
            apply_rule(u, &rules[i]);
    if (is_tired(u))
        pass_explain(c, "fuse", "@%s: stopped looking after %d steps", g->name,
                     UNITS_MAX_STEPS);
    units_commit(u);
}

static bool is_choice(const AttrInfo *a, const char *value)
{
    for (int i = 0; i < a->n_choices; i++)
        if (strcmp(a->choice[i], value) == 0)
            return true;
    return false;
}

/* --set may name a rule, `delta` (canonicalise) or `pack`. */
static bool is_known(const Setting *set)
{
    if (strcmp(set->name, "delta") == 0)
        return is_choice(&op_info(OP_delta_rule)->attr[ATTR_delta_form],
                         set->value);
    bool value = strcmp(set->value, "on") == 0 || strcmp(set->value, "off") == 0;
    if (strcmp(set->name, "pack") == 0)
        return value;
    for (int r = 0; r < N_RULES; r++)
        if (strcmp(rules[r].name, set->name) == 0)
            return value;
    return false;
}

/* A rule that makes kernels which a host does not take. */
static bool is_for_cards(const char *name)
{
    for (int r = 0; r < N_RULES; r++)
        if (strcmp(rules[r].name, name) == 0)
            return rules[r].preset == FUSE_LAYER;
    return false;
}

static Err *check_settings(const Settings *s)
{
    for (int i = 0; i < s->n_sets; i++)
        if (s->fuse < FUSE_LAYER && is_for_cards(s->set[i].name) &&
            strcmp(s->set[i].value, "on") == 0)
            return err_new(ERR_USAGE, "--set %s=on wants --fuse=layer, on a GPU",
                           s->set[i].name);
    for (int i = 0; i < s->n_sets; i++)
        if (!is_known(&s->set[i]))
            return err_new(ERR_USAGE, "--set %s=%s: unknown setting or value; "
                                      "pack and fusion rules take on or off, "
                                      "delta takes auto, recurrent or chunked",
                           s->set[i].name, s->set[i].value);
    return NULL;
}

PassFn pass_fuse, pass_fuse_across;

Err *pass_fuse(PassContext *c, Module **m)
{
    TRY(check_settings(c->settings));
    for (int i = 0; i < (*m)->n_graphs; i++)
        fuse_graph(c, (*m)->graph[i], false);
    return NULL;
}

Err *pass_fuse_across(PassContext *c, Module **m)
{
    for (int i = 0; i < (*m)->n_graphs; i++)
        fuse_graph(c, (*m)->graph[i], true);
    return NULL;
}
