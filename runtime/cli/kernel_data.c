#include "runtime/cli/kernel_data.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static void *room(size_t n)
{
    return memory_must(calloc(n + 1, 1), n + 1);
}

static int64_t count(const Type *t, KernelStep s, bool state)
{
    int64_t n = 1, rows = state ? s.capacity : s.at.past + s.at.tokens;
    for (int i = 0; i < t->rank; i++)
        n *= dim_value(t->dim[i], s.at.tokens, s.at.outputs, rows);
    return n;
}

static KernelValue value_new(const Type *t, KernelStep s, bool state)
{
    KernelValue v = {.type = t->dtype, .n = count(t, s, state)};
    v.n_bytes = block_bytes(v.type, v.n);
    v.bytes = room((size_t)v.n_bytes);
    return v;
}

KernelValue kernel_value_result(const Type *t, KernelStep s)
{
    KernelValue v = value_new(t, s, false);
    memset(v.bytes, 0xff, (size_t)v.n_bytes);
    return v;
}

void kernel_value_decode(KernelValue *v)
{
    float *f = room(sizeof *f * (size_t)v->n);
    if (!v->v)
        v->v = room(sizeof *v->v * (size_t)v->n);
    block_decode(v->type, v->bytes, v->n, f);
    for (int64_t i = 0; i < v->n; i++)
        v->v[i] = f[i];
    free(f);
}

void kernel_value_free(KernelValue *v)
{
    free(v->bytes);
    free(v->v);
}

/* ---- random values ---- */

static void fill_blocks(Random *r, KernelValue *v)
{
    const BlockInfo *info = &block_info[v->type];
    for (int64_t i = 0; i < v->n / info->elems; i++)
        random_block(r, v->type, 0.01F, v->bytes + i * info->bytes);
}

static float real(Random *r, KernelFill fill)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 1e-44F, 0, -0.0F};
    float x = random_real(r);
    if (fill == FILL_ODD && random_below(r, 100) == 0)
        return odd[random_below(r, 6)];
    if (fill == FILL_POSITIVE)
        return fabsf(x) + 1e-3F;
    return x;
}

/* Stretches of 32 of one magnitude, some of them of one value. */
static void spread(Random *r, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32) {
        float scale = ldexpf(1, (int)random_below(r, 41) - 20);
        bool alike = random_below(r, 8) == 0;
        for (int64_t k = i; k < i + 32 && k < n; k++)
            x[k] = (alike ? 1 : x[k]) * scale;
    }
}

static void spread_rows(Random *r, float *x, int64_t n, int64_t row)
{
    for (int64_t i = 0; i < n; i += row) {
        float scale = ldexpf(1, (int)random_below(r, 101) - 60);
        for (int64_t k = i; k < i + row; k++)
            x[k] *= scale;
    }
}

static void make_units(float *x, int64_t n, int64_t row)
{
    for (int64_t i = 0; i < n; i += row) {
        double sum = 0;
        for (int64_t k = i; k < i + row; k++)
            sum += (double)x[k] * (double)x[k];
        for (int64_t k = i; k < i + row; k++)
            x[k] = (float)(x[k] / sqrt(sum + 1e-6));
    }
}

static bool begins(const Node *n, const char *word)
{
    return strncmp(n->name, word, strlen(word)) == 0;
}

/* What the name asks for (kernel_cases.h). */
static void by_name(const Node *node, float *x, int64_t n)
{
    if (begins(node, "unit"))
        make_units(x, n, type_last(&node->type));
    for (int64_t i = 0; i < n; i++)
        if (begins(node, "share"))
            x[i] = 1 / (1 + expf(-x[i]));
        else if (begins(node, "decay"))
            x[i] = -0.5F * fabsf(x[i]);
        else if (begins(node, "slow"))
            x[i] = -0.005F * fabsf(x[i]);
        else if (begins(node, "steep"))
            x[i] = -20.0F * fabsf(x[i]);
}

static void fill_floats(Random *r, const Node *n, KernelValue *v,
                        KernelFill fill)
{
    float *x = room(sizeof *x * (size_t)v->n);
    for (int64_t i = 0; i < v->n; i++)
        x[i] = real(r, fill);
    if (fill >= FILL_SPREAD)
        spread(r, x, v->n);
    if (fill == FILL_ROWS)
        spread_rows(r, x, v->n, type_last(&n->type));
    by_name(n, x, v->n);
    if (block_info[v->type].kind == BLOCK_ACT)
        block_quantize(v->type, x, v->n, v->bytes);
    else
        block_encode(v->type, x, v->n, v->bytes);
    free(x);
}

static bool holds(const int32_t *id, int64_t n, int32_t x)
{
    for (int64_t i = 0; i < n; i++)
        if (id[i] == x)
            return true;
    return false;
}

/* Ids below `limit`; rows of `distinct` of them without repeats. */
static void fill_ids(Random *r, KernelValue *v, int64_t limit, int64_t distinct)
{
    int32_t *id = (int32_t *)(void *)v->bytes;
    for (int64_t i = 0; i < v->n; i++)
        do
            id[i] = (int32_t)random_below(r, limit);
        while (holds(id + i - i % distinct, i % distinct, id[i]));
}

/* What argument k of a node may point at. */
static int64_t id_limit(const Graph *g, const Node *n, KernelStep s)
{
    const Type *t = &g->node[n->arg[0]].type;
    if (n->op == OP_matmul_experts)
        return g->node[n->arg[1]].type.dim[2].k;
    if (n->op == OP_embed)
        return t->dim[1].k;
    if (n->op == OP_rows)
        return s.at.tokens;
    return n->op == OP_take ? type_last(t) : 100000; /* positions */
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static void fill_ids_of(Random *r, const Graph *g, Ref param, KernelStep s,
                        KernelValue *v)
{
    const Type *t = &g->node[param].type;
    int64_t limit = 100000;
    for (Ref i = g->n_params; i < g->n_nodes; i++)
        for (int k = 1; k < g->node[i].n_args; k++)
            if (g->node[i].arg[k] == param)
                limit = smaller(limit, id_limit(g, &g->node[i], s));
    fill_ids(r, v, limit, t->rank > 1 ? type_last(t) : 1);
}

KernelValue kernel_value_random(Random *r, const Graph *g, Ref param,
                                KernelStep s, KernelFill fill)
{
    const Node *n = &g->node[param];
    KernelValue v = value_new(&n->type, s, n->op == OP_state);
    if (v.type == BT_i32)
        fill_ids_of(r, g, param, s, &v);
    else if (n->op == OP_weight && block_info[v.type].kind == BLOCK_QUANT)
        fill_blocks(r, &v);
    else
        fill_floats(r, n, &v, n->op == OP_input ? fill : FILL_NORMAL);
    kernel_value_decode(&v);
    return v;
}
