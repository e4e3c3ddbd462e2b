/* emit_attention.c - attention kernels: what attention*.cuh asks of P, and which
 * kernel takes which steps. */
#include <ctype.h>

#include "gen/cuda/emit.h"

enum { THREADS = 256 };
/* Blocks that share a step of few tokens: two on each of the largest chip's
 * multiprocessors. */
enum { BLOCKS = 256 };
enum { FAN_COUNTERS = 2 }; /* u32 words for each of them */

typedef struct {
    Emit *e;
    Ref ref;
    const Node *node;
    int64_t heads, groups, per_group, d;
} Attention;

/* A state of heads: `row` values a key, group g from first + g * step on. */
typedef struct {
    BlockType type;
    int64_t row, first, step;
} KvRows;

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

static void put_rows(const Attention *a, const char *name, int arg)
{
    KvRows kv = state_rows(a, arg);
    char type[16];
    snprintf(type, sizeof type, "%s", block_info[kv.type].name);
    type[0] = (char)toupper((unsigned char)type[0]);
    emit_text(a->e, "    typedef KvRows<Kv%s, %lld, %lld, %lld> %s;\n", type,
              (long long)kv.row, (long long)kv.first, (long long)kv.step, name);
}

static void put_state(const Attention *a, const char *name, int arg)
{
    Emit *e = a->e;
    emit_text(e, "    DEVICE const u8 *%s(const Args &call) { return call.arg[%d]; }\n",
              name, emit_arg(e, emit_root(e, a->node->arg[arg])));
}

/* ---- the description */

static void put_finish(const Attention *a)
{
    Emit *e = a->e;
    bool *member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes + 1);
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes + 1);
    for (Ref i = 0; i < e->g->n_nodes; i++)
        member[i] = op_info(emit_node(e, i)->op)->kind == KIND_EW;
    given[a->ref] = "o";
    emit_text(e, "    DEVICE void finish(const Args &call, i64 t, int i, float o)\n"
                 "    {\n");
    emit_elements(e, &(Element){member, given, "t", "i"});
    emit_text(e, "    }\n");
}

/* struct NAME_is */
static void put_description(const Attention *a)
{
    Emit *e = a->e;
    const double log2_e = 1.44269504088896340736;
    emit_text(e, "struct %s_is {\n    typedef Call<%d> Args;\n", e->name,
              e->n_args);
    emit_text(e, "    CONSTANT int D = %lld, GROUPS = %lld, PER_GROUP = %lld;\n",
              (long long)a->d, (long long)a->groups, (long long)a->per_group);
    put_rows(a, "Keys", 1);
    put_rows(a, "Values", 2);
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

/* A slot for each block: Sums::SLOT floats. */
static const char *slots(const Attention *a, int64_t n, int64_t units,
                         int64_t rows)
{
    int64_t each = 4 * (units * THREADS * 4 + 2 * rows);
    return emit_scratch(a->e, n * each, SYM_ONE);
}

/* attention_plain.cuh: the same function for few tokens and for many. */
static void plain_kernels(const Attention *a)
{
    enum { HEADS = 8, KEYS = 32, WIDEST = 512 };
    Emit *e = a->e;
    int64_t units = a->groups * ((a->per_group + HEADS - 1) / HEADS);
    int64_t few = units < BLOCKS / 8 ? 8 : 1 + BLOCKS / (units + 1);
    int64_t n = units * few > BLOCKS ? units * few : BLOCKS;
    int64_t shared = 4 * (HEADS * a->d + KEYS * (a->d + 1) + HEADS * KEYS) +
                     sums_room(HEADS);
    if (a->d > WIDEST)
        emit_fail(e, err_new(ERR_LIMIT, "@%s: heads of %lld values", e->g->name,
                             (long long)a->d));
    emit_include(e, "attention_plain.cuh");
    emit_text(e, "static_assert(sizeof(attention::Plain<%s_is>::Room) <= %lld, "
                 "\"shared memory\");\n", e->name, (long long)shared);
    CudaLaunch l = {.by = SYM_T, .from = 1, .to = few, .x = blocks(n),
                    .y = blocks(1), .shared = shared};
    const char *at = slots(a, n, (a->d + 127) / 128, HEADS);
    int64_t counters = emit_counters(e, n * FAN_COUNTERS);
    emit_kernel(e, "_few", THREADS, 2, l);
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n    attention::plain<%s_is, %d>("
                 "call, shared, (float *)%s, call.counters + %lld);\n}\n",
              e->name, BLOCKS, at, (long long)counters);
    if (e->tokens <= few)
        return;
    l.from = few + 1;
    l.to = e->tokens;
    l.x = blocks(units);
    l.y = (CudaExtent){1, SYM_T, 1};
    emit_kernel(e, "_many", THREADS, 2, l);
    emit_text(e, "{\n    SHARED_BUFFER(shared);\n    attention::plain<%s_is, 1>("
                 "call, shared, (float *)call.scratch, call.counters);\n}\n",
              e->name);
}

void emit_attention_class(Emit *e)
{
    Attention a = {.e = e, .ref = emit_find(e, KIND_ATTENTION)};
    a.node = emit_node(e, a.ref);
    a.heads = a.node->type.dim[1].k;
    a.d = a.node->type.dim[2].k;
    a.groups = emit_node(e, a.node->arg[1])->type.dim[1].k;
    a.per_group = a.heads / a.groups;
    emit_ops(e);
    put_description(&a);
    plain_kernels(&a);
}
