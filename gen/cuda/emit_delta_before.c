/* emit_delta_before.c - what the gated delta rule reads: rows of heads, the norms
 * and factors of q and k, a convolution under them. */
#include "gen/cuda/emit_delta.h"

enum { VALUES = 3 }; /* q, k and v */

/* ---- where heads lie */

/* As emit_view_index, in numbers. */
static int64_t view_index(const Emit *e, Ref r, int64_t i)
{
    for (; op_info(emit_node(e, r)->op)->kind == KIND_VIEW;
         r = emit_node(e, r)->arg[0]) {
        const Node *n = emit_node(e, r);
        int64_t w = type_last(&n->type),
                all = type_last(&emit_node(e, n->arg[0])->type);
        if (n->op == OP_slice)
            i = i / w * all + i % w + n->attr[ATTR_begin].i;
    }
    return i;
}

static int64_t heads_of(const Delta *x, int k) { return k < 2 ? x->Hk : x->Hv; }
static int64_t length_of(const Delta *x, int k) { return k < 2 ? x->dk : x->dv; }

/* Do the heads' rows lie in one piece each? */
static void check_rows(Delta *x, int k)
{
    const Emit *e = x->e;
    Ref r = x->below[k];
    int64_t row = emit_row_size(&emit_node(e, emit_root(e, r))->type),
            d = length_of(x, k);
    for (int64_t h = 0; h < heads_of(x, k); h++) {
        int64_t first = view_index(e, r, h * d);
        for (int64_t i = 1; i < d; i++)
            if (view_index(e, r, h * d + i) != first + i) {
                emit_fail(x->e, err_new(ERR_LIMIT,
                                        "heads of the delta rule are no rows"));
                return;
            }
        x->aligned = x->aligned && first % 4 == 0 && row % 4 == 0 && d % 4 == 0;
    }
}

/* Is every channel of the convolution one head's? */
static bool is_shared_out(const Delta *x)
{
    int64_t n = 0;
    bool *taken = ARENA_ARRAY(x->e->arena, bool, x->conv.channels);
    for (int k = 0; k < VALUES; k++)
        for (int64_t i = 0; i < heads_of(x, k) * length_of(x, k); i++) {
            int64_t c = view_index(x->e, x->below[k], i);
            if (taken[c])
                return false;
            taken[c] = true;
            n++;
        }
    return n == x->conv.channels;
}

static void find_conv(Delta *x)
{
    enum { LEAST_TAPS = 2, MOST_TAPS = 8 }; /* in registers */
    Emit *e = x->e;
    Ref end = emit_root(e, x->below[VALUES - 1]);
    x->end = end < e->g->n_params ? NO_REF : end;
    if (x->end == NO_REF)
        return;
    const bool *before = kernel_before_rule(e->g);
    bool *after = ARENA_ARRAY(e->arena, bool, e->g->n_nodes);
    for (Ref i = e->g->n_params; i <= end; i++)
        after[i] = before[i] && op_info(emit_node(e, i)->op)->kind == KIND_EW;
    x->conv = conv_new(e);
    x->conv.after = after;
    x->conv.last = end;
    x->by_heads = x->conv.taps >= LEAST_TAPS && x->conv.taps <= MOST_TAPS &&
                  is_shared_out(x);
}

void delta_find_arguments(Delta *x)
{
    for (int k = 0; k < VALUES; k++) {
        x->below[k] = kernel_below_factors(x->e->g, x->node->arg[k]);
        check_rows(x, k);
    }
    find_conv(x);
}

/* ---- struct Conv */

/* The channel of value i of a head: q, then k, then v. */
static void put_channel(Delta *x)
{
    Emit *e = x->e;
    const char *head[VALUES] = {"Rule::key(head)", "Rule::key(head)", "head"};
    int64_t first = 0;
    emit_text(e, "    DEVICE int channel(int head, int i)\n    {\n");
    for (int k = 0; k < VALUES; k++) {
        long long d = length_of(x, k);
        const char *at = emit_format(e, "(%s * %lld + i - %lld)", head[k], d,
                                     (long long)first);
        first += d;
        if (k < VALUES - 1)
            emit_text(e, "        if (i < %lld)\n    ", (long long)first);
        emit_text(e, "        return %s;\n",
                  emit_view_index(e, x->below[k], at));
    }
    emit_text(e, "    }\n");
}

void delta_put_conv(Delta *x)
{
    emit_text(x->e, "struct Conv {\n");
    conv_members(&x->conv);
    if (x->by_heads) {
        put_channel(x);
        emit_text(x->e, "    template <class C> DEVICE u32 *counters(const C "
                        "&call)\n    {\n        return call.counters + %lld;\n"
                        "    }\n",
                  (long long)emit_counters(x->e, x->Hk));
    }
    emit_text(x->e, "};\n");
}

/* ---- struct Rule */

/* Where element `i` (an expression) of r lies in token t. */
static const char *place(Delta *x, Ref r, const char *i)
{
    Ref root = emit_root(x->e, r);
    const char *memory = root == x->end
                             ? x->conv.to
                             : emit_format(x->e, "call.arg[%d]",
                                           emit_arg(x->e, root));
    return emit_format(x->e, "((const float *)%s + t * %lld + %s)", memory,
                       (long long)emit_row_size(&emit_node(x->e, root)->type),
                       emit_view_index(x->e, r, i));
}

static void put_rows(Delta *x, int k, const char *name)
{
    const char *i =
        emit_format(x->e, "head * %lld", (long long)length_of(x, k));
    emit_text(x->e,
              "    template <class C> DEVICE const float *%s(const C &call, "
              "i64 t, int head)\n    {\n        return %s;\n    }\n",
              name, place(x, x->below[k], i));
}

static void put_number(Delta *x, int k, const char *name)
{
    emit_text(x->e,
              "    template <class C> DEVICE float %s(const C &call, i64 t, "
              "int head)\n    {\n        return *%s;\n    }\n",
              name, place(x, x->node->arg[k], "head"));
}

/* What q (k) is times what lies under it. */
static void put_factor(Delta *x, int k, const char *name)
{
    Emit *e = x->e;
    Ref r = x->node->arg[k], *list = ARENA_ARRAY(e->arena, Ref, r + 1);
    int n = 0;
    for (; kernel_is_factor(e->g, r); r = emit_node(e, r)->arg[0])
        list[n++] = r;
    const Node *norm = emit_node(e, r);
    emit_text(e, "    DEVICE float %s_factor(float squares)\n    {\n", name);
    if (norm->op == OP_l2norm)
        emit_text(e, "        float x = 1 / sqrtf(squares + (float)%.9g);\n",
                  norm->attr[ATTR_eps].f);
    else
        emit_text(e, "        float x = 1;\n");
    while (n-- > 0) {
        const Node *f = emit_node(e, list[n]);
        emit_text(e, "        x = op_%s(x, (float)%.9g);\n",
                  op_info(f->op)->name,
                  emit_node(e, f->arg[1])->attr[ATTR_value].f);
    }
    emit_text(e, "        return x;\n    }\n");
}

static void put_sizes(Delta *x)
{
    bool tiled = x->node->attr[ATTR_delta_heads].i == HEADS_TILED;
    bool scaled = x->below[0] != x->node->arg[0] ||
                  x->below[1] != x->node->arg[1];
    emit_text(x->e,
              "    CONSTANT int HK = %lld, HV = %lld, DK = %lld, DV = %lld;\n"
              "    CONSTANT bool TILED = %s, ALIGNED = %s, SCALED = %s;\n"
              "    DEVICE int key(int head) { return head %s %lld; }\n",
              (long long)x->Hk, (long long)x->Hv, (long long)x->dk,
              (long long)x->dv, tiled ? "true" : "false",
              x->aligned ? "true" : "false", scaled ? "true" : "false",
              tiled ? "%" : "/", (long long)(tiled ? x->Hk : x->Hv / x->Hk));
}

void delta_put_arguments(Delta *x)
{
    put_sizes(x);
    if (x->end == NO_REF || x->conv.to) {
        put_rows(x, 0, "q");
        put_rows(x, 1, "k");
        put_rows(x, 2, "v");
    }
    put_factor(x, 0, "q");
    put_factor(x, 1, "k");
    put_number(x, 3, "beta");
    put_number(x, 4, "g");
    emit_text(x->e,
              "    template <class C> DEVICE float *state(const C &call, int "
              "head)\n    {\n        return (float *)call.arg[%d] + (i64)head "
              "* DK * DV;\n    }\n",
              emit_arg(x->e, emit_root(x->e, x->node->arg[5])));
}
