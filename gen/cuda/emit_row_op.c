/* emit_row_op.c - phases of row kernels: calls of row.cuh, rope.cuh and place.cuh
 * with the elements that they read and make. */
#include <math.h>

#include "gen/cuda/emit_pack.h"
#include "gen/cuda/emit_row.h"

enum { ROPE_MOST = 8192 };

typedef long long wide; /* for formats */

static const Node *node_of(const RowPart *p, Ref r)
{
    return emit_node(p->e, r);
}

static const Type *type_of(const RowPart *p, Ref r)
{
    return &emit_node(p->e, r)->type;
}

/* Element `i` of a row shaped like r itself. */
static const char *element(RowPart *p, Ref r, const char *i)
{
    return emit_element(p->e, r, type_of(p, r), "row", i);
}

/* The number that the row picks with, inside [0, limit). */
static const char *picked(RowPart *p, Ref ids, const char *limit)
{
    return emit_format(p->e, "bounded(%s, %s)", element(p, ids, "0"), limit);
}

/* ---- elements that are expressions; `at` is the index in the row ---- */

typedef const char *PointFn(RowPart *p, Ref n);

static const char *point_take(RowPart *p, Ref n)
{
    const Ref *arg = node_of(p, n)->arg;
    wide k = row_last(p, n), all = type_last(type_of(p, arg[0]));
    bool weight = emit_lead(type_of(p, arg[0])) == SYM_ONE;
    const char *id = emit_format(p->e, "(int)bounded(%s, %lld)",
                                 element(p, arg[1], "at"), all);
    if (!weight)
        id = emit_format(p->e, "(at / %lld * %lld + %s)", k, all, id);
    return element(p, arg[0], id);
}

static const char *point_combine(RowPart *p, Ref n)
{
    const Ref *arg = node_of(p, n)->arg;
    wide k = type_last(type_of(p, arg[1])), width = row_last(p, n);
    const char *y = emit_format(p->e, "(j * %lld + at)", width);
    return emit_format(p->e,
                       "weighted_sum<%lld>([&](int j) { return %s; }, "
                       "[&](int j) { return %s; })",
                       k, element(p, arg[1], "j"), element(p, arg[0], y));
}

static const char *point_concat(RowPart *p, Ref n)
{
    const Ref *arg = node_of(p, n)->arg;
    wide a = row_last(p, arg[0]), b = row_last(p, arg[1]), all = a + b;
    const char *left =
        emit_format(p->e, "(at / %lld * %lld + at %% %lld)", all, a, all);
    const char *right = emit_format(
        p->e, "(at / %lld * %lld + at %% %lld - %lld)", all, b, all, a);
    return emit_format(p->e, "(at %% %lld < %lld ? %s : %s)", all, a,
                       element(p, arg[0], left), element(p, arg[1], right));
}

static const char *point_tap(RowPart *p, Ref n)
{
    return element(p, node_of(p, n)->arg[0], "at");
}

static const char *point_rows(RowPart *p, Ref n)
{
    const Ref *arg = node_of(p, n)->arg;
    return emit_element(p->e, arg[0], type_of(p, n),
                        picked(p, arg[1], emit_count(SYM_T)), "at");
}

static const char *table_file(RowPart *p, BlockType t)
{
    const char *file = emit_pack_file(t);
    if (!file)
        emit_fail(p->e, err_new(ERR_DEVICE, "no CUDA code reads %s",
                                block_info[t].name));
    else
        emit_include(p->e, file);
    return block_info[t].name;
}

static const char *point_embed(RowPart *p, Ref n)
{
    const Ref *arg = node_of(p, n)->arg;
    const Type *w = type_of(p, arg[0]);
    const char *rows = emit_format(p->e, "%lld", (wide)w->dim[1].k);
    return emit_format(p->e, "file_value_%s(call.arg[%d] + %s * %lld, at)",
                       table_file(p, w->dtype), emit_arg(p->e, arg[0]),
                       picked(p, arg[1], rows),
                       (wide)block_bytes(w->dtype, w->dim[0].k));
}

static PointFn *const point_of[OP_COUNT] = {
    [OP_take] = point_take, [OP_combine] = point_combine,
    [OP_concat] = point_concat, [OP_tap] = point_tap,
    [OP_rows] = point_rows, [OP_embed] = point_embed,
};

bool row_is_pointwise(const RowPart *p, Ref n)
{
    const Node *node = node_of(p, n);
    return point_of[node->op] && !type_of(p, node->arg[0])->packing;
}

/* ---- what a phase makes of each element ---- */

/* The statements for element `at`; y holds the leader's if it is a ROW node. */
static void put_elements(RowPart *p, int phase)
{
    Emit *e = p->e;
    Ref leader = row_leader(p, phase);
    bool *member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes);
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes);
    const char **stored = e->stored;
    bool row = op_info(node_of(p, leader)->op)->kind == KIND_ROW;
    for (Ref i = 0; i < e->g->n_nodes; i++)
        member[i] = row_has(p, i) && p->phase[i] == phase && (i != leader || !row);
    if (row)
        given[leader] = "y";
    emit_elements(e, &(Element){member, given, "row", "at"});
    for (Ref i = 0; i < e->g->n_nodes; i++)
        if (row_has(p, i) && p->phase[i] == phase && p->stored[i])
            emit_text(e, "    %s(at) = %s;\n", stored[i],
                      given[i] ? given[i] : emit_format(e, "v%u", i));
}

/* put(i, y) for pieces of `last` elements. */
static void put_sink(RowPart *p, int phase)
{
    Ref leader = row_leader(p, phase);
    emit_text(p->e, "    auto put = [&](int i, auto y) {\n"
                    "    int at = h * %lld + i;\n",
              (wide)row_last(p, leader));
    put_elements(p, phase);
    emit_text(p->e, "    };\n");
}

/* x(i): element of the piece's argument. */
static void put_source(RowPart *p, const char *name, Ref arg)
{
    const char *i = emit_format(p->e, "(h * %lld + i)", (wide)row_last(p, arg));
    emit_text(p->e, "    auto %s = [&](int i) { return %s; };\n", name,
              element(p, arg, i));
}

/* ---- operations on last axes, a call each ---- */

typedef void CallFn(RowPart *p, Ref n);

static void call_reduce(RowPart *p, Ref n, double divisor)
{
    emit_text(p->e, "    row_sum<%lld>(team, x, put, (float)%.9g);\n",
              (wide)row_last(p, node_of(p, n)->arg[0]), divisor);
}

static void call_sum(RowPart *p, Ref n) { call_reduce(p, n, 1); }

static void call_mean(RowPart *p, Ref n)
{
    call_reduce(p, n, (double)row_last(p, node_of(p, n)->arg[0]));
}

static void call_softmax(RowPart *p, Ref n)
{
    emit_text(p->e, "    row_softmax<%lld>(team, x, put);\n",
              (wide)row_last(p, n));
}

static void call_norm(RowPart *p, Ref n, double divisor)
{
    const Node *node = node_of(p, n);
    const char *w = node->n_args == 2 ? element(p, node->arg[1], "i") : "1.0f";
    emit_text(p->e, "    auto weight = [&](int i) { return %s; };\n"
                    "    row_norm<%lld>(team, x, weight, put, (float)%.9g, "
                    "(float)%.9g);\n",
              w, (wide)row_last(p, n), divisor, node->attr[ATTR_eps].f);
}

static void call_rmsnorm(RowPart *p, Ref n)
{
    call_norm(p, n, (double)row_last(p, n));
}

static void call_l2norm(RowPart *p, Ref n) { call_norm(p, n, 1); }

static void call_topk(RowPart *p, Ref n)
{
    emit_text(p->e, "    row_topk<%lld, %lld>(team, x, put);\n",
              (wide)row_last(p, node_of(p, n)->arg[0]), (wide)row_last(p, n));
}

/* The first node of the kernel with the same frequencies. */
static Ref same_frequencies(const RowPart *p, Ref n)
{
    const Node *node = node_of(p, n);
    Ref i = 0;
    for (;; i++) {
        const Node *m = node_of(p, i);
        if (m->op == OP_rope &&
            m->attr[ATTR_rope_dims].i == node->attr[ATTR_rope_dims].i &&
            m->attr[ATTR_rope_theta].f == node->attr[ATTR_rope_theta].f &&
            m->attr[ATTR_rope_stretch].f == node->attr[ATTR_rope_stretch].f)
            return i;
    }
}

static void call_rope(RowPart *p, Ref n)
{
    Emit *e = p->e;
    const Node *node = node_of(p, n);
    const char *f = emit_format(e, "%s_rope%u[i]", e->name,
                                same_frequencies(p, n));
    if (node->n_args == 3)
        f = emit_format(e, "frequency_over(%s, %s)", f,
                        element(p, node->arg[2], "i"));
    emit_text(e, "    auto frequency = [&](int i) { return %s; };\n", f);
    emit_text(e, "    row_rope<%lld, %lld, %s>(team, x, %s, frequency, put);\n",
              (wide)row_last(p, n), (wide)node->attr[ATTR_rope_dims].i,
              node->attr[ATTR_rope_pairing].i == ROPE_ADJACENT ? "true"
                                                               : "false",
              element(p, node->arg[1], "0"));
}

static CallFn *const call_of[OP_COUNT] = {
    [OP_sum] = call_sum,         [OP_mean] = call_mean,
    [OP_softmax] = call_softmax, [OP_rmsnorm] = call_rmsnorm,
    [OP_l2norm] = call_l2norm,   [OP_topk] = call_topk,
    [OP_rope] = call_rope,
};

/* A piece at a time: the one of this warp, or all of the row. */
static void put_call(RowPart *p, int phase)
{
    Ref n = row_leader(p, phase), arg = node_of(p, n)->arg[0];
    wide pieces = row_size(p, n) / row_last(p, n);
    bool many = p->spread == SPREAD_ROW;
    if (many)
        emit_text(p->e, "    each_row<%lld>(team, [&](int h, auto team) {\n",
                  pieces);
    put_source(p, "x", arg);
    put_sink(p, phase);
    call_of[node_of(p, n)->op](p, n);
    if (many)
        emit_text(p->e, "    });\n");
}

/* ---- rounding into states and results ---- */

/* Elements of the stretch that the team encodes: a piece, or the row. */
static void put_encode(RowPart *p, Ref n, int arg, const char *row)
{
    BlockType t = type_of(p, n)->dtype;
    Ref x = node_of(p, n)->arg[0];
    bool heads = p->spread == SPREAD_HEADS;
    wide all = row_size(p, x), d = heads ? row_last(p, x) : all;
    const char *i = emit_format(p->e, "(h * %lld + i)", d);
    if (arg < 0)
        return;
    emit_text(p->e, "    auto x = [&](int i) { return %s; };\n",
              element(p, x, i));
    emit_text(p->e, "    u8 *to = call.arg[%d] + %s * %lld + h * %lld;\n", arg,
              row, (wide)block_bytes(t, all), (wide)block_bytes(t, d));
    emit_text(p->e, "    row_encode<%lld, %d, %d>(team, to, x, [&](u8 *b, "
                    "float v) { encode_%s(b, v); });\n",
              d, block_info[t].elems, block_info[t].bytes, block_info[t].name);
}

static void put_append(RowPart *p, Ref n)
{
    put_encode(p, n, emit_arg(p->e, node_of(p, n)->arg[1]),
               "(call.step->past + row)");
}

static void put_quantize(RowPart *p, Ref n)
{
    put_encode(p, n, emit_arg(p->e, n), "row");
}

/* ---- rows of tables in tiles ---- */

static bool reads_tiles(const RowPart *p, Ref n)
{
    const Node *node = node_of(p, n);
    return node->op == OP_embed && type_of(p, node->arg[0])->packing;
}

int64_t emit_row_room(const RowPart *p)
{
    int64_t most = 0;
    for (Ref i = 0; i < p->e->g->n_nodes; i++)
        if (row_has(p, i) && reads_tiles(p, i)) {
            Ref rows = node_of(p, i)->arg[0];
            int64_t n = emit_table_bytes(type_of(p, rows)->dtype);
            most = n > most ? n : most;
        }
    return most;
}

static void put_tiles(RowPart *p, int phase)
{
    Ref n = row_leader(p, phase);
    const Ref *arg = node_of(p, n)->arg;
    const Type *w = type_of(p, arg[0]);
    const char *rows = emit_format(p->e, "%lld", (wide)w->dim[1].k);
    put_sink(p, phase);
    emit_text(p->e, "    row_of_tiles<%lld, Block_%s>(team, call.arg[%d], %s, "
                    "shared + 512, put);\n",
              (wide)w->dim[0].k, table_file(p, w->dtype),
              emit_arg(p->e, arg[0]), picked(p, arg[1], rows));
}

/* ---- phases ---- */

/* Elements in any order, each from its own place: a thread has some.. */
static void put_spread(RowPart *p, int phase)
{
    Ref n = row_leader(p, phase);
    PointFn *point = point_of[node_of(p, n)->op];
    emit_text(p->e, "    NO_UNROLL for (int at = first; at < %lld; at += "
                    "stride) {\n",
              (wide)row_size(p, n));
    if (point)
        emit_text(p->e, "    float y = %s;\n", point(p, n));
    put_elements(p, phase);
    emit_text(p->e, "    }\n");
}

/* ..or a team has all; what a ROW node reads is on its way at once. */
static void put_points(RowPart *p, int phase)
{
    Emit *e = p->e;
    Ref n = row_leader(p, phase);
    PointFn *point = point_of[node_of(p, n)->op];
    wide d = p->spread == SPREAD_HEADS ? row_last(p, n) : row_size(p, n);
    if (point)
        emit_text(e, "    auto x = [&](int i) {\n    int at = h * %lld + i;\n"
                     "    return %s;\n    };\n"
                     "    each_own(own<%lld>(team, x), [&](int i, float y) {\n",
                  d, point(p, n), d);
    else
        emit_text(e, "    each<%lld>(team, [&](int, int i) {\n", d);
    emit_text(e, "    int at = h * %lld + i;\n", d);
    put_elements(p, phase);
    emit_text(e, "    });\n");
}

void emit_phase(RowPart *p, int phase)
{
    Ref n = row_leader(p, phase);
    Op op = node_of(p, n)->op;
    emit_text(p->e, "    {\n");
    if (op == OP_append)
        put_append(p, n);
    else if (op == OP_quantize)
        put_quantize(p, n);
    else if (reads_tiles(p, n))
        put_tiles(p, phase);
    else if (call_of[op])
        put_call(p, phase);
    else if (p->spread == SPREAD_ELEMENTS)
        put_spread(p, phase);
    else
        put_points(p, phase);
    emit_text(p->e, "    }\n");
}

/* ---- tables ---- */

/* theta^(-2i/dims) / stretch radians a token, as turns times 2^64; whole turns
 * fall off. */
static uint64_t frequency(const Node *n, int64_t i)
{
    const double tau = 6.283185307179586476925;
    double f = pow(n->attr[ATTR_rope_theta].f,
                   -2.0 * (double)i / (double)n->attr[ATTR_rope_dims].i);
    f = f / n->attr[ATTR_rope_stretch].f / tau;
    f = ldexp(f - floor(f), 64);
    return f < 0x1p64 ? (uint64_t)f : UINT64_MAX;
}

static void put_frequencies(const RowPart *p, Ref n)
{
    const Node *node = node_of(p, n);
    int64_t dims = node->attr[ATTR_rope_dims].i;
    if (dims > ROPE_MOST) {
        emit_fail(p->e, err_new(ERR_LIMIT, "rope over %lld dimensions",
                                (wide)dims));
        return;
    }
    emit_text(p->e, "\nTABLE u64 %s_rope%u[] = {", p->e->name, n);
    for (int64_t i = 0; i < dims / 2; i++)
        emit_text(p->e, "%s%lluu,", i % 3 ? " " : "\n    ",
                  (unsigned long long)frequency(node, i));
    emit_text(p->e, "\n};\n");
}

void emit_row_tables(const RowPart *p)
{
    for (Ref i = 0; i < p->e->g->n_nodes; i++)
        if (row_has(p, i) && node_of(p, i)->op == OP_rope &&
            same_frequencies(p, i) == i)
            put_frequencies(p, i);
}
