/* emit_attention.c - attention kernels: what attention*.cuh asks of P, and
 * which kernel takes which steps. */
#include <ctype.h>

#include "gen/cuda/emit.h"

enum { THREADS = 256 };
/* Blocks that share a step of few tokens: two on each of the largest chip's
 * multiprocessors. */
enum { BLOCKS = 256 };
enum { FAN_COUNTERS = 2 }; /* u32 words for each of them */

/* A state of heads: `row` values a key, group g from first + g * step on. */
typedef struct {
    BlockType type;
    int64_t row, first, step;
} KvRows;

typedef struct {
    Emit *e;
    Ref ref;
    const Node *node;
    int64_t heads, groups, per_group, d;
    KvRows keys, values;
} Attention;

/* ---- the states */

/* What emit_view_index says, as a number. */
static int64_t view_index(const Emit *e, Ref r, int64_t i)
{
    for (; op_info(emit_node(e, r)->op)->kind == KIND_VIEW;
         r = emit_node(e, r)->arg[0]) {
        const Node *n = emit_node(e, r);
        int64_t w = type_last(&n->type);
        if (n->op == OP_slice)
            i = i / w * type_last(&emit_node(e, n->arg[0])->type) + i % w +
                n->attr[ATTR_begin].i;
    }
    return i;
}

static bool is_kv_type(BlockType t)
{
    return t == BT_f32 || t == BT_f16 || t == BT_bf16 || t == BT_q8_0 ||
           t == BT_q4_0;
}

/* Groups at one distance, each in whole blocks and without gaps? */
static bool lines_up(const Attention *a, Ref r, const KvRows *kv)
{
    int64_t block = block_info[kv->type].elems;
    bool ok = a->d % block == 0 && kv->first % block == 0 &&
              kv->step % block == 0;
    for (int64_t g = 0; g < a->groups; g++) {
        int64_t at = kv->first + g * kv->step;
        ok = ok && view_index(a->e, r, g * a->d) == at &&
             view_index(a->e, r, (g + 1) * a->d - 1) == at + a->d - 1;
    }
    return ok;
}

static KvRows state_rows(const Attention *a, int arg)
{
    Emit *e = a->e;
    Ref r = a->node->arg[arg];
    const Type *t = &emit_node(e, emit_root(e, r))->type;
    KvRows kv = {.type = t->dtype, .row = emit_row_size(t)};
    kv.first = view_index(e, r, 0);
    kv.step = a->groups > 1 ? view_index(e, r, a->d) - kv.first : a->d;
    if (!is_kv_type(t->dtype) || !lines_up(a, r, &kv))
        emit_fail(e, err_new(ERR_LIMIT, "@%s: states of %s with such rows have "
                             "no attention kernel", e->g->name,
                             block_info[t->dtype].name));
    return kv;
}

static void put_rows(const Attention *a, const char *name, const KvRows *kv)
{
    char type[16];
    snprintf(type, sizeof type, "%s", block_info[kv->type].name);
    type[0] = (char)toupper((unsigned char)type[0]);
    emit_text(a->e, "    typedef KvRows<Kv%s, %lld, %lld, %lld> %s;\n", type,
              (long long)kv->row, (long long)kv->first, (long long)kv->step,
              name);
}

static void put_state(const Attention *a, const char *name, int arg)
{
    Emit *e = a->e;
    emit_text(e, "    DEVICE const u8 *%s(const Args &call)\n"
                 "    {\n        return call.arg[%d];\n    }\n",
              name, emit_arg(e, emit_root(e, a->node->arg[arg])));
}

/* ---- the description */

/* What is rounded, as an expression, and where its blocks lie. */
static void put_rounding(const Attention *a, Ref r, const char *const *given)
{
    Emit *e = a->e;
    const Node *n = emit_node(e, r);
    const BlockInfo *b = &block_info[n->type.dtype];
    Ref root = emit_root(e, n->arg[0]);
    emit_text(e, "    return %s;\n    }\n    CONSTANT int CODES = %d;\n",
              given[root] ? given[root] : emit_format(e, "v%u", root),
              n->type.dtype == BT_q8a ? 8 : 16);
    emit_text(e, "    DEVICE u8 *block(const Args &call, i64 t, int i)\n    {\n"
                 "        return call.arg[%d] + (t * %lld + i) / %d * %d;\n"
                 "    }\n",
              emit_arg(e, r), (long long)emit_row_size(&n->type),
              (int)b->elems, (int)b->bytes);
}

static void put_finish(const Attention *a)
{
    Emit *e = a->e;
    bool *member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes + 1);
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes + 1);
    Ref rounded = NO_REF;
    for (Ref i = 0; i < e->g->n_nodes; i++) {
        Op op = emit_node(e, i)->op;
        member[i] = op_info(op)->kind == KIND_EW;
        if (op == OP_quantize && rounded == NO_REF)
            rounded = i;
        else if (op == OP_quantize)
            emit_fail(e, err_new(ERR_LIMIT, "@%s: attention rounded twice",
                                 e->g->name));
    }
    given[a->ref] = "o";
    emit_operands(e, member, given);
    emit_text(e, "    DEVICE float finish(const Args &call, i64 t, int i, "
                 "float o, const float *x)\n    {\n");
    emit_elements(e, &(Element){member, given, "t", "i"});
    if (rounded != NO_REF)
        put_rounding(a, rounded, given);
    else
        emit_text(e, "    return 0;\n    }\n    CONSTANT int CODES = 0;\n");
}

/* struct NAME_is */
static void put_description(const Attention *a)
{
    Emit *e = a->e;
    const double log2_e = 1.44269504088896340736;
    emit_text(e, "struct %s_is {\n    typedef Call<%d> Args;\n", e->name,
              e->n_args);
    emit_text(e, "    CONSTANT int D = %lld, GROUPS = %lld, "
                 "PER_GROUP = %lld;\n",
              (long long)a->d, (long long)a->groups, (long long)a->per_group);
    put_rows(a, "Keys", &a->keys);
    put_rows(a, "Values", &a->values);
    put_state(a, "keys", 1);
    put_state(a, "values", 2);
    emit_text(e, "    DEVICE float query(const Args &call, i64 t, int i)\n"
                 "    {\n        return %s * (float)%.9g;\n    }\n",
              emit_element(e, a->node->arg[0], &a->node->type, "t", "i"),
              a->node->attr[ATTR_scale].f * log2_e);
    put_finish(a);
    emit_text(e, "};\n");
}

/* ---- kernels */

static CudaExtent blocks(int64_t n) { return (CudaExtent){n, SYM_ONE, 1}; }

/* Bytes of shared memory that sums of several blocks take: Sums::Room. */
static int64_t sums_room(int64_t rows)
{
    enum { MOST = 32 };
    return 4 * (2 * rows + 2 * MOST * rows + 1);
}

/* A kernel in which blocks share the keys: a slot of `floats` for each. */
static void shared_kernel(const Attention *a, const char *suffix,
                          const char *function, int64_t floats, CudaLaunch l)
{
    Emit *e = a->e;
    const char *slots = emit_scratch(e, l.x.k * 4 * floats, SYM_ONE);
    int64_t counters = emit_counters(e, l.x.k * FAN_COUNTERS);
    emit_kernel(e, suffix, THREADS, 2, l);
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n    attention::%s<%s_is, %d>("
                 "call, shared, (float *)%s, call.counters + %lld);\n}\n",
              function, e->name, BLOCKS, slots, (long long)counters);
}

/* Holds the emitter's arithmetic to the kernel's. */
static void check_room(const Attention *a, const char *type, int64_t bytes)
{
    emit_text(a->e, "static_assert(sizeof(attention::%s<%s_is>::Room) <= %lld, "
                    "\"shared memory\");\n",
              type, a->e->name, (long long)bytes);
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- attention_plain.cuh: the same function for few tokens and for many */

enum { PLAIN_HEADS = 8 }; /* of a block */

static int64_t plain_units(const Attention *a)
{
    return a->groups * ((a->per_group + PLAIN_HEADS - 1) / PLAIN_HEADS);
}

static int64_t plain_room(const Attention *a)
{
    enum { KEYS = 32 };
    return 4 * (PLAIN_HEADS * a->d + KEYS * (a->d + 1) + PLAIN_HEADS * KEYS) +
           sums_room(PLAIN_HEADS);
}

static void plain_few(const Attention *a, int64_t few)
{
    CudaLaunch l = {.by = SYM_T, .from = 1, .to = few,
                    .x = blocks(most(plain_units(a) * few, BLOCKS)),
                    .y = blocks(1), .shared = plain_room(a)};
    shared_kernel(a, "_few", "plain",
                  (a->d + 127) / 128 * THREADS * 4 + 2 * PLAIN_HEADS, l);
}

static void plain_many(const Attention *a, int64_t from)
{
    Emit *e = a->e;
    CudaLaunch l = {.by = SYM_T, .from = from, .to = e->tokens,
                    .x = blocks(plain_units(a)), .y = {1, SYM_T, 1},
                    .shared = plain_room(a)};
    emit_kernel(e, "_many", THREADS, 2, l);
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n    "
                 "attention::plain<%s_is, 1>(call, shared, "
                 "(float *)call.scratch, call.counters);\n}\n",
              e->name);
}

static void plain_kernels(const Attention *a)
{
    enum { WIDEST = 512 };
    Emit *e = a->e;
    int64_t few = most(8, BLOCKS / plain_units(a));
    if (a->d > WIDEST)
        emit_fail(e, err_new(ERR_LIMIT, "@%s: heads of %lld values", e->g->name,
                             (long long)a->d));
    emit_include(e, "attention_plain.cuh");
    check_room(a, "Plain", plain_room(a));
    plain_few(a, few);
    if (e->tokens > few)
        plain_many(a, few + 1);
}

/* ---- with matrix units */

/* Bytes from row to row in shared memory: KvRaw::STRIDE. */
static int64_t raw_stride(const Attention *a, const KvRows *kv)
{
    int64_t all = block_bytes(kv->type, kv->row) |
                  block_bytes(kv->type, kv->first) |
                  block_bytes(kv->type, kv->step) | 16;
    int64_t bytes = block_bytes(kv->type, a->d) + 16 - (all & -all);
    return ((bytes + 15) / 16 | 1) * 16;
}

/* attention_decode.cuh */
static void decode_kernel(const Attention *a, int64_t few)
{
    enum { ROWS = 16, WARPS = THREADS / 32, RING = 72 << 10 };
    Emit *e = a->e;
    int64_t units = a->groups * ((a->per_group + ROWS - 1) / ROWS);
    int64_t stride = most(raw_stride(a, &a->keys), raw_stride(a, &a->values));
    int64_t tile = stride <= 272 ? 128 : stride <= 544 ? 64 : 32;
    int64_t stages = most(2, least(4, RING / (tile * stride)));
    int64_t shared = a->d / 16 * 1024 + tile / 16 * 512 + WARPS * ROWS * 4 +
                     (sums_room(ROWS) + 15) / 16 * 16 + stages * tile * stride;
    emit_include(e, "attention_decode.cuh");
    check_room(a, "Decode", shared);
    CudaLaunch l = {.by = SYM_T, .from = 1, .to = few,
                    .x = blocks(most(units * few, BLOCKS)), .y = blocks(1),
                    .shared = shared};
    shared_kernel(a, "_few", "decode", a->d * 16 + 2 * ROWS, l);
}

/* attention_prefill.cuh */
static void prefill_kernel(const Attention *a, int64_t from)
{
    enum { ROWS = 64, KEYS = 64, PREFILL_THREADS = 128 };
    Emit *e = a->e;
    CudaLaunch l = {.by = SYM_T, .from = from, .to = e->tokens,
                    .x = {a->per_group, SYM_T, ROWS}, .y = blocks(a->groups),
                    .shared = (ROWS + 2 * KEYS) * a->d * 2};
    emit_include(e, "attention_prefill.cuh");
    check_room(a, "Prefill", l.shared);
    emit_kernel_alone(e, "_many", PREFILL_THREADS, 2, l);
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n    "
                 "attention::prefill<%s_is>(call, shared);\n}\n", e->name);
}

/* Up to how many tokens each of them reads its keys by itself: more leave too
 * few blocks to the other kernel. */
static int64_t few_tokens(const Attention *a)
{
    return most(8, least(32, BLOCKS / a->groups));
}

static void matrix_kernels(const Attention *a)
{
    int64_t few = few_tokens(a);
    decode_kernel(a, few);
    if (a->e->tokens <= few)
        return;
    prefill_kernel(a, few + 1);
}

/* Matrix units take heads whose rows are whole words in any group. */
static bool fits_matrices(const Attention *a)
{
    enum { WORDS = 64 };
    const KvRows *kv[] = {&a->keys, &a->values};
    for (int i = 0; i < 2; i++)
        if (kv[i]->row % WORDS || kv[i]->first % WORDS || kv[i]->step % WORDS)
            return false;
    return a->d == 64 || a->d == 128 || a->d == 256;
}

void emit_attention_class(Emit *e)
{
    Attention a = {.e = e, .ref = emit_find(e, KIND_ATTENTION)};
    a.node = emit_node(e, a.ref);
    a.heads = a.node->type.dim[1].k;
    a.d = a.node->type.dim[2].k;
    a.groups = emit_node(e, a.node->arg[1])->type.dim[1].k;
    a.per_group = a.heads / a.groups;
    a.keys = state_rows(&a, 1);
    a.values = state_rows(&a, 2);
    emit_ops(e);
    put_description(&a);
    if (fits_matrices(&a))
        matrix_kernels(&a);
    else
        plain_kernels(&a);
}
