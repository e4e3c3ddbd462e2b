/* make_blocks.c - attention, convolution, delta rule and experts with random
 * sizes, inputs and surroundings. */
#include "tests/graphfuzz/make.h"

static int64_t one_of(Maker *m, const int *list, int n)
{
    return list[below(m, n)];
}
#define ONE_OF(m, list) one_of(m, list, (int)(sizeof(list) / sizeof *(list)))

/* ---- attention ---- */

static BlockType storage(Maker *m, int64_t d)
{
    static const BlockType type[] = {BT_f32, BT_f16, BT_bf16, BT_q8_0, BT_q4_0};
    return type[below(m, d % 32 ? 3 : 5)];
}

static Ref turned(Maker *m, Ref x)
{
    int64_t d = x == NO_REF ? 0 : type_last(type_of(m, x));
    if (m->positions == NO_REF || d < 2 || chance(m, 3))
        return x;
    Node n = {.op = OP_rope, .n_args = 2, .arg = {x, m->positions}};
    n.attr[ATTR_rope_dims].i = 2 * (1 + below(m, d / 2));
    n.attr[ATTR_rope_theta].f = chance(m, 2) ? 10000 : 1e6;
    n.attr[ATTR_rope_pairing].i = below(m, 2);
    n.attr[ATTR_rope_stretch].f = chance(m, 3) ? 1.25 : 1;
    if (chance(m, 3))
        n.arg[n.n_args++] = weight(m, 1, n.attr[ATTR_rope_dims].i / 2, 0, 0);
    return add_node(m, n);
}

static int64_t storage_step(int64_t d) { return d % 32 ? 1 : 32; }

/* [C,1,n*wide] as [C,n,wide], the first d of each head. */
static Ref rows_view(Maker *m, Ref x, int64_t n, int64_t wide, int64_t d)
{
    x = reshape(m, x, 3, n, wide, 0);
    return wide == d ? x : slice(m, x, 0, d);
}

/* Heads as attention wants them. */
static Ref heads(Maker *m, Ref x, int64_t n, int64_t d)
{
    Ref y = shaped(m, x, n, d);
    if (chance(m, 2))
        y = with_eps(m, OP_rmsnorm, 2, y, weight(m, 1, d, 0, 0));
    return turned(m, y);
}

/* Rows of a state, [C,n,d]; now and then a view of wider ones. */
static Ref stored(Maker *m, Ref x, int64_t n, int64_t d)
{
    if (chance(m, 16)) {
        int64_t wide = d + storage_step(d) * below(m, 2);
        Ref s = row_state(m, storage(m, d), 1, n * wide);
        return rows_view(m, binary(m, OP_append, shaped(m, x, 1, n * wide), s),
                         n, wide, d);
    }
    x = chance(m, 3) ? shaped(m, x, n, d) : heads(m, x, n, d);
    return binary(m, OP_append, x, row_state(m, storage(m, d), n, d));
}

static Ref attend(Maker *m, Ref q, Ref k, Ref v)
{
    Node n = {.op = OP_attention, .n_args = 3, .arg = {q, k, v}};
    n.attr[ATTR_scale].f = chance(m, 2) ? 0.25 : 0.11;
    return add_node(m, n);
}

void block_attention(Maker *m, Ref x)
{
    static const int size[] = {1, 4, 8, 16, 20, 32, 32, 33, 64};
    int64_t G = 1 + below(m, 3), H = G * (1 + below(m, 3));
    int64_t d = ONE_OF(m, size);
    Ref k = stored(m, x, G, d);
    Ref v = chance(m, 12) ? k : stored(m, x, G, d);
    Ref y = attend(m, heads(m, x, H, d), k, v);
    if (chance(m, 8)) /* two readers of one state */
        y = binary(m, OP_add, y, attend(m, shaped(m, x, H, d), k, v));
    if (chance(m, 2))
        y = binary(m, OP_mul, y, unary(m, OP_sigmoid, shaped(m, x, H, d)));
    product(m, flatten(m, y), some_width(m));
}

/* ---- convolution ---- */

static Ref convolved(Maker *m, Ref x)
{
    x = flatten(m, x);
    if (x == NO_REF)
        return NO_REF;
    int64_t taps = 2 + below(m, 3), channels = type_last(type_of(m, x));
    Node n = {.op = OP_causal_conv1d, .n_args = 3};
    n.arg[0] = x;
    n.arg[1] = weight(m, 2, taps, channels, 0);
    n.arg[2] = fixed_state(m, 2, taps - 1, channels, 0);
    Ref y = add_node(m, n);
    return chance(m, 2) ? unary(m, OP_silu, y) : y;
}

void block_conv(Maker *m, Ref x) { convolved(m, x); }

/* ---- delta rule ---- */

typedef struct {
    int64_t Hk, dk, Hv, dv;
    Ref q, k, v;
} Heads;

/* The three inputs cut out of one row, as models do, or made one by one. */
static void delta_inputs(Maker *m, Ref x, Heads *h)
{
    int64_t nk = h->Hk * h->dk, nv = h->Hv * h->dv;
    if (chance(m, 2)) {
        Ref y = product(m, flatten(m, x), 2 * nk + nv);
        y = chance(m, 2) ? convolved(m, y) : y;
        h->q = reshape(m, slice(m, y, 0, nk), 3, h->Hk, h->dk, 0);
        h->k = reshape(m, slice(m, y, nk, nk), 3, h->Hk, h->dk, 0);
        h->v = reshape(m, slice(m, y, 2 * nk, nv), 3, h->Hv, h->dv, 0);
    } else {
        h->q = shaped(m, x, h->Hk, h->dk);
        h->k = shaped(m, x, h->Hk, h->dk);
        h->v = shaped(m, x, h->Hv, h->dv);
    }
    h->q = with_eps(m, OP_l2norm, 1, h->q, 0);
    h->k = with_eps(m, OP_l2norm, 1, h->k, 0); /* or the state would grow */
}

/* Below zero. */
static Ref log_decay(Maker *m, Ref x, int64_t n)
{
    Ref y = unary(m, OP_softplus, shaped(m, x, n, 0));
    if (chance(m, 2))
        y = binary(m, OP_mul, y,
                   unary(m, OP_sigmoid, weight(m, 1, n, 0, 0)));
    return unary(m, OP_neg, y);
}

static void gated_norm(Maker *m, Ref y, Ref x, const Heads *h)
{
    y = with_eps(m, OP_rmsnorm, 2, y, weight(m, 1, h->dv, 0, 0));
    Ref z = unary(m, OP_silu, shaped(m, x, h->Hv, h->dv));
    y = binary(m, OP_mul, y, z);
    product(m, flatten(m, y), some_width(m));
}

void block_delta(Maker *m, Ref x)
{
    static const int size[] = {1, 5, 8, 13, 16, 32, 33, 64};
    Heads h = {.Hk = 1 + below(m, 3), .dk = ONE_OF(m, size),
               .dv = ONE_OF(m, size)};
    h.Hv = h.Hk * (1 + below(m, 3));
    delta_inputs(m, x, &h);
    Node n = {.op = OP_delta_rule, .n_args = 6, .arg = {h.q, h.k, h.v}};
    n.arg[3] = unary(m, OP_sigmoid, shaped(m, x, h.Hv, 0));
    n.arg[4] = log_decay(m, x, h.Hv);
    n.arg[5] = fixed_state(m, 3, h.Hv, h.dk, h.dv);
    n.attr[ATTR_delta_heads].i = below(m, 2);
    n.attr[ATTR_delta_form].i = below(m, 3);
    Ref y = add_node(m, n);
    if (!chance(m, 3))
        gated_norm(m, y, x, &h);
}

/* ---- experts ---- */

static Ref expert_product(Maker *m, Ref x, int64_t out, int64_t experts,
                          Ref ids)
{
    if (x == NO_REF)
        return NO_REF;
    Node n = {.op = OP_matmul_experts, .n_args = 3};
    n.arg[0] = x;
    n.arg[1] = weight(m, 3, type_last(type_of(m, x)), out, experts);
    n.arg[2] = ids;
    return add_node(m, n);
}

static Ref chosen(Maker *m, Ref p, int64_t k)
{
    Node n = {.op = OP_topk, .n_args = 1, .arg = {p}};
    if (p == NO_REF)
        return NO_REF;
    n.type = *type_of(m, p);
    n.type.dim[n.type.rank - 1] = dim_const(k);
    return add_node(m, n);
}

/* Now and then the best but one. */
static Ref chosen_of(Maker *m, Ref p, int64_t k, int64_t experts)
{
    if (k == experts || !chance(m, 8))
        return chosen(m, p, k);
    return slice(m, chosen(m, p, k + 1), below(m, 2), k);
}

void block_experts(Maker *m, Ref x)
{
    int64_t E = 2 + below(m, 9), k = 1 + below(m, E < 4 ? E : 4);
    int64_t F = some_width(m);
    x = flatten(m, x);
    if (x != NO_REF && m->size[x] > 3) /* a softmax that underflows is all ties */
        x = with_eps(m, OP_rmsnorm, 1, x, 0);
    Ref p = product(m, x, E);
    p = chance(m, 3) ? p : unary(m, OP_softmax, p);
    Ref ids = chosen_of(m, p, k, E), w = binary(m, OP_take, p, ids);
    if (chance(m, 2))
        w = unary(m, OP_softmax, w);
    if (chance(m, 4)) /* a factor of each expert */
        w = binary(m, OP_mul, w,
                   binary(m, OP_take, factors(m, E), ids));
    Ref y = expert_product(m, x, F, E, ids);
    if (chance(m, 2))
        y = binary(m, OP_mul, unary(m, OP_silu, y),
                   expert_product(m, x, F, E, ids));
    if (!chance(m, 4))
        y = expert_product(m, y, some_width(m), E, ids);
    binary(m, OP_combine, y, w);
}
