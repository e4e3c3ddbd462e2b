#include <math.h>
#include <string.h>

#include "tests/graphfuzz/make.h"

/* Values beyond this come near what f16 holds after a few more operations. */
static const double MAX_SIZE = 30;

const Type *type_of(const Maker *m, Ref r) { return &m->g->node[r].type; }

int64_t some_width(Maker *m)
{
    return m->palette->width[below(m, FUZZ_WIDTHS)];
}

/* ---- nodes ---- */

/* About the RMS of a node's values, from those of its arguments. */
static double size_of(const Maker *m, const Node *n)
{
    double a = n->n_args > 0 ? m->size[n->arg[0]] : 1;
    double b = n->n_args > 1 ? m->size[n->arg[1]] : 1;
    double d = n->n_args > 0 ? (double)type_last(type_of(m, n->arg[0])) : 1;
    switch ((int)n->op) {
    case OP_square:
        return 2 * a * a;
    case OP_exp:
        return exp(2 * a);
    case OP_sum:
        return a * d;
    case OP_add:
    case OP_sub:
    case OP_max:
    case OP_min:
    case OP_concat:
        return a + b;
    case OP_mul:
        return a * b;
    case OP_div: /* by half and more: add_divided() */
        return 2 * a;
    case OP_combine:
        return a * b * sqrt((double)type_of(m, n->arg[0])->dim[1].k);
    case OP_log:
    case OP_softmax:
    case OP_sigmoid:
    case OP_tanh:
    case OP_rmsnorm:
    case OP_l2norm:
        return 1;
    case OP_attention:
    case OP_delta_rule:
        return m->size[n->arg[2]];
    default:
        return a;
    }
}

Ref add_node(Maker *m, Node n)
{
    for (int i = 0; i < n.n_args; i++)
        if (n.arg[i] == NO_REF)
            return NO_REF;
    Err *e = infer_type(m->g, &n, &n.type);
    double size = e ? 0 : size_of(m, &n);
    bool fits = !e && size < MAX_SIZE && m->g->n_nodes < MAKE_MAX_NODES &&
                type_elements(&n.type).k <= 1 << 16;
    err_free(e);
    if (!fits)
        return NO_REF;
    if (!n.name)
        n.name = op_info(n.op)->name;
    Ref r = graph_add(m->g, n);
    m->size[r] = size;
    return r;
}

Ref unary(Maker *m, Op op, Ref x)
{
    return add_node(m, (Node){.op = op, .n_args = 1, .arg = {x}});
}

Ref binary(Maker *m, Op op, Ref x, Ref y)
{
    return add_node(m, (Node){.op = op, .n_args = 2, .arg = {x, y}});
}

Ref with_eps(Maker *m, Op op, int n_args, Ref x, Ref w)
{
    Node n = {.op = op, .n_args = n_args, .arg = {x, w}};
    n.attr[ATTR_eps].f = chance(m, 2) ? 1e-6 : 1e-3;
    return add_node(m, n);
}

Ref constant(Maker *m, double v)
{
    Node n = {.op = OP_const, .name = "c"};
    n.attr[ATTR_value].f = v;
    Ref r = add_node(m, n);
    if (r != NO_REF)
        m->size[r] = fabs(v);
    return r;
}

/* ---- weights and states ---- */

/* A name for a new weight or state: that of an equal node now and then. */
static const char *source_text(Maker *m, const Node *n)
{
    for (Ref i = 0; n->op == OP_weight && i < m->g->n_nodes; i++)
        if (m->g->node[i].op == OP_weight && chance(m, 8) &&
            type_equal(&m->g->node[i].type, &n->type))
            return m->g->node[i].text;
    bool layer = m->g->kind == GRAPH_FUNC;
    Buf b = {0};
    buf_printf(&b, "%s.%s%s%d", m->g->name, layer ? "{i}." : "", n->name,
               m->n_sources++);
    const char *text = arena_strndup(m->g->arena, b.data, b.n);
    buf_free(&b);
    return text;
}

static Ref add_source(Maker *m, Op op, const char *name, Type t)
{
    Node n = {.op = op, .name = name, .type = t};
    n.text = source_text(m, &n);
    return add_node(m, n);
}

static Type constant_type(BlockType t, int rank, int64_t a, int64_t b,
                          int64_t c)
{
    return type_make(t, rank,
                     (Dim[]){dim_const(a), dim_const(b), dim_const(c)});
}

Ref weight(Maker *m, int rank, int64_t a, int64_t b, int64_t c)
{
    return add_source(m, OP_weight, "w",
                      constant_type(TYPE_ANY, rank, a, b, c));
}

Ref factors(Maker *m, int64_t n)
{
    return add_source(m, OP_weight, "f", constant_type(TYPE_ANY, 1, n, 0, 0));
}

Ref fixed_state(Maker *m, int rank, int64_t a, int64_t b, int64_t c)
{
    return add_source(m, OP_state, "s", constant_type(BT_f32, rank, a, b, c));
}

Ref row_state(Maker *m, BlockType t, int64_t a, int64_t b)
{
    Dim dim[] = {dim_sym(SYM_C), dim_const(a), dim_const(b)};
    return add_source(m, OP_state, "s", type_make(t, 3, dim));
}

Ref product(Maker *m, Ref x, int64_t out)
{
    if (x == NO_REF)
        return NO_REF;
    return binary(m, OP_matmul, x,
                  weight(m, 2, type_last(type_of(m, x)), out, 0));
}

/* ---- views ---- */

Ref reshape(Maker *m, Ref x, int rank, int64_t a, int64_t b, int64_t c)
{
    if (x == NO_REF)
        return NO_REF;
    Dim dim[] = {type_of(m, x)->dim[0], dim_const(a), dim_const(b),
                 dim_const(c)};
    Node n = {.op = OP_reshape, .n_args = 1, .arg = {x}};
    n.type = type_make(type_of(m, x)->dtype, rank, dim);
    return add_node(m, n);
}

Ref slice(Maker *m, Ref x, int64_t begin, int64_t size)
{
    if (x == NO_REF || type_of(m, x)->rank < 2)
        return NO_REF;
    Node n = {.op = OP_slice, .n_args = 1, .arg = {x}};
    n.type = *type_of(m, x);
    n.type.dim[n.type.rank - 1] = dim_const(size);
    n.attr[ATTR_begin].i = begin;
    return add_node(m, n);
}

Ref flatten(Maker *m, Ref x)
{
    if (x == NO_REF || type_of(m, x)->rank == 2)
        return x;
    return reshape(m, x, 2, type_elements(type_of(m, x)).k, 0, 0);
}

Ref shaped(Maker *m, Ref x, int64_t a, int64_t b)
{
    int64_t want = a * (b ? b : 1);
    x = flatten(m, x);
    if (x == NO_REF)
        return NO_REF;
    int64_t has = type_last(type_of(m, x));
    if (has > want && chance(m, 4))
        x = slice(m, x, below(m, has - want + 1), want);
    else if (has != want || chance(m, 3))
        x = product(m, x, want);
    return b ? reshape(m, x, 3, a, b, 0) : x;
}

/* ---- choosing ---- */

static bool is_value(const Node *n, Sym sym)
{
    return n->op != OP_weight && n->op != OP_state && n->op != OP_append &&
           n->type.dtype == BT_f32 && n->type.rank &&
           n->type.dim[0].sym == sym;
}

static Ref pick_any(Maker *m, Sym sym)
{
    Ref found = NO_REF;
    int n = 0;
    for (Ref i = 0; i < m->g->n_nodes; i++)
        if (is_value(&m->g->node[i], sym) && chance(m, ++n))
            found = i;
    return found;
}

/* Late values rather than early ones, so that graphs become deep. */
Ref pick(Maker *m, Sym sym)
{
    Ref a = pick_any(m, sym), b = pick_any(m, sym);
    return a != NO_REF && a > b ? a : b;
}
