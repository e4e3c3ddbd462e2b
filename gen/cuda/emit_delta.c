/* emit_delta.c - the gated delta rule: the class Rule that delta.cuh asks for,
 * and the launches. */
#include "gen/cuda/emit_delta.h"

enum {
    BLOCK = 256, /* threads: DELTA_THREADS in delta.cuh */
    WARPS = BLOCK / 32,
    CHUNK = 64,             /* tokens: as in delta_chunk.cuh */
    CHUNKED_FROM = 32,      /* tokens, for form auto */
    MOST = 256,             /* dk and dv */
    BUSY = 96,              /* blocks that keep a GPU busy */
    SHARED_MOST = 99 << 10, /* bytes a block can have on every GPU */
};

/* ---- what follows the rule */

static bool is_norm(const Delta *x, Ref r)
{
    return x->member[r] && emit_node(x->e, r)->op == OP_rmsnorm;
}

static void find_members(Delta *x)
{
    const bool *before = kernel_before_rule(x->e->g);
    for (Ref i = x->e->g->n_params; i < x->e->g->n_nodes; i++) {
        Op op = emit_node(x->e, i)->op;
        x->member[i] = !before[i] && (op == OP_rmsnorm || op == OP_quantize ||
                                      op_info(op)->kind == KIND_EW);
        x->n_norms += op == OP_rmsnorm;
    }
}

/* Argument k of a norm. */
static const char *norm_argument(Delta *x, const Node *n, int k)
{
    Ref root = emit_root(x->e, n->arg[k]);
    if (x->given[root])
        return x->given[root];
    if (root < x->e->g->n_params)
        return emit_element(x->e, n->arg[k], &n->type, "t", "i");
    return emit_format(x->e, "v%u", root);
}

static const char *norm_value(Delta *x, const Node *n, int number)
{
    const char *v =
        emit_format(x->e, "(%s * scale[%d]", norm_argument(x, n, 0), number);
    return n->n_args > 1
               ? emit_format(x->e, "%s * %s)", v, norm_argument(x, n, 1))
               : emit_format(x->e, "%s)", v);
}

/* The elementwise members before node `end`, and stores of results; rounding
 * behind all of them only. */
static void emit_members(Delta *x, Ref end)
{
    Emit *e = x->e;
    bool *member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes + 1);
    const char **given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes + 1);
    for (Ref i = 0; i < end; i++) {
        member[i] = x->member[i] && !is_norm(x, i) &&
                    (end == e->g->n_nodes ||
                     emit_node(e, i)->op != OP_quantize);
        given[i] = x->given[i];
    }
    emit_elements(e, &(Element){member, given, "t", "i"});
}

/* Norm `number`, node r. */
static void emit_norm(Delta *x, Ref r, int number)
{
    const Node *n = emit_node(x->e, r);
    emit_text(x->e, "        if (p == %d) {\n", number);
    emit_members(x, r);
    emit_text(x->e, "        return %s;\n        }\n", norm_argument(x, n, 0));
    x->given[r] = norm_value(x, n, number);
}

static const char signature[] =
    "const C &call, i64 t, int i, float o, const float *x,\n"
    "                const float *scale)\n    {\n";

static void emit_norms(Delta *x)
{
    Emit *e = x->e;
    const char *eps = "0";
    int number = 0;
    emit_text(e, "    template <class C>\n    DEVICE float normed(int p, %s",
              signature);
    for (Ref i = 0; i < e->g->n_nodes; i++)
        if (is_norm(x, i)) {
            eps = emit_format(e, "p == %d ? (float)%.9g : %s", number,
                              emit_node(e, i)->attr[ATTR_eps].f, eps);
            emit_norm(x, i, number++);
        }
    emit_text(e,
              "        return o;\n    }\n"
              "    CONSTANT int NORMS = %d;\n"
              "    DEVICE float eps(int p) { return %s; }\n",
              number, eps);
}

static void emit_epilogue(Delta *x)
{
    x->given[x->ref] = "o";
    emit_operands(x->e, x->member, x->given);
    emit_norms(x);
    emit_text(x->e, "    template <class C>\n    DEVICE void finish(%s",
              signature);
    emit_members(x, x->e->g->n_nodes);
    emit_text(x->e, "    }\n");
}

/* ---- launches */

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t round4(int64_t n) { return (n + 3) / 4 * 4; }

/* DeltaTile::FLOATS of delta.cuh, in bytes. */
static int64_t recurrent_bytes(const Delta *x)
{
    int64_t columns = x->dv % 4 ? x->dv : x->dv / 4;
    int64_t fit = BLOCK / columns, rows = (x->dk + fit - 1) / fit;
    int64_t groups = (x->dk + rows - 1) / rows;
    return 4 * (4 * round4(groups * rows) + round4(groups * 2 * x->dv) +
                2 * round4(x->dv) + x->dv + 3 * groups);
}

/* DeltaPrepare::BYTES of delta_prepare.cuh. */
static int64_t prepare_bytes(const Delta *x)
{
    return CHUNK * 2 * (2 * x->dk + most(x->dk, x->dv)) +
           CHUNK * (CHUNK + 8) * 4 + x->Hv / x->Hk * 2 * CHUNK * 4;
}

/* DeltaWalk::BYTES of delta_walk.cuh. */
static int64_t walk_bytes(const Delta *x, int64_t columns)
{
    return 6 * CHUNK * 2 * most(x->dk, columns + CHUNK) + 4 * CHUNK * 4;
}

/* DeltaScratch::BYTES of delta_chunk.cuh. */
static int64_t scratch_bytes(const Delta *x)
{
    return 2 * (2 * x->Hk * x->dk + x->Hv * (x->dk + x->dv + CHUNK)) +
           4 * x->Hv;
}

/* Rows of the chunked form share the units of shared memory evenly, and the
 * state of 16 columns fits in the registers of a warp. */
static bool is_chunk_length(int64_t d)
{
    return d == 32 || d == 64 || d == 128;
}

static bool can_chunk(const Delta *x)
{
    return is_chunk_length(x->dk) && is_chunk_length(x->dv) &&
           prepare_bytes(x) <= SHARED_MOST;
}

static CudaExtent fixed(int64_t n) { return (CudaExtent){n, SYM_ONE, 1}; }

/* DeltaConvolved::FLOATS of delta_conv.cuh, in bytes. */
static int64_t convolved_bytes(const Delta *x)
{
    int64_t values = (2 * x->dk + x->dv + BLOCK - 1) / BLOCK;
    return 4 * (values * (2 * x->conv.taps - 1) * BLOCK + 1);
}

static void emit_recurrent(Delta *x, int64_t to)
{
    const char *source = x->by_heads ? "DeltaConvolved<Rule, Conv>"
                                     : "DeltaLoaded<Rule>";
    int64_t shared = recurrent_bytes(x) +
                     (x->by_heads ? convolved_bytes(x) : 0);
    emit_kernel(x->e, "_tokens", BLOCK, 2,
                (CudaLaunch){.by = SYM_T,
                             .from = 1,
                             .to = to,
                             .x = fixed(x->Hv),
                             .y = fixed(1),
                             .shared = shared});
    emit_text(x->e,
              "{\n    typedef %s Source;\n"
              "    static_assert((DeltaTile<Rule::DK, Rule::DV>::FLOATS + "
              "Source::FLOATS) * 4 <= %lld, \"\");\n"
              "    SHARED_BUFFER(shared);\n"
              "    delta_recurrent<Rule, Source>(call, shared);\n}\n",
              source, (long long)shared);
}

static void emit_prepare(Delta *x, CudaLaunch l)
{
    l.x = (CudaExtent){1, SYM_T, CHUNK};
    l.y = fixed(x->Hk);
    l.shared = prepare_bytes(x);
    emit_kernel_alone(x->e, "_prepare", BLOCK, 2, l);
    emit_text(x->e,
              "{\n    static_assert(DeltaPrepare<Rule>::BYTES <= %lld && "
              "DeltaScratch<Rule>::BYTES <= %lld, \"\");\n"
              "    SHARED_BUFFER(shared);\n"
              "    delta_prepare<Rule>(call, shared);\n}\n",
              (long long)l.shared, (long long)scratch_bytes(x));
}

/* Few columns a block if the heads are few. */
static int64_t walk_columns(const Delta *x)
{
    return x->dv % 64 == 0 && x->Hv * x->dv / 64 >= BUSY ? 64 : 32;
}

static void emit_walk(Delta *x, CudaLaunch l, const char *to)
{
    int64_t columns = walk_columns(x);
    l.x = fixed(x->Hv * x->dv / columns);
    l.y = fixed(1);
    l.shared = walk_bytes(x, columns);
    emit_kernel_alone(x->e, "_walk", (int)(2 * columns), 1, l);
    emit_text(x->e,
              "{\n    static_assert(DeltaWalk<Rule, %lld>::BYTES <= %lld, "
              "\"\");\n    SHARED_BUFFER(shared);\n"
              "    delta_walk<Rule, %lld>(call, shared, %s);\n}\n",
              (long long)columns, (long long)l.shared, (long long)columns, to);
}

static void emit_last_rows(Delta *x, CudaLaunch l, const char *from)
{
    l.x = (CudaExtent){x->Hv, SYM_T, WARPS};
    l.y = fixed(1);
    emit_kernel(x->e, "_rows", BLOCK, 4, l);
    emit_text(x->e, "{\n    delta_rows<Rule>(call, %s);\n}\n", from);
}

/* Where the chunked form leaves o: in the rule's own result, else in that of
 * another member, which takes its place element by element; else in scratch:
 * what was convolved is not needed any more. */
static const char *place_of_o(Delta *x)
{
    const Emit *e = x->e;
    int arg = emit_arg(e, x->ref);
    for (int i = 0; i < e->g->n_results && arg < 0; i++)
        if (emit_node(e, e->g->result[i].ref)->op != OP_quantize)
            arg = (int)e->g->n_params + i;
    if (arg >= 0)
        return emit_format(x->e, "(float *)call.arg[%d]", arg);
    return emit_format(x->e, "(float *)%s",
                       x->conv.to ? x->conv.to
                                  : emit_scratch(x->e, 4 * x->Hv * x->dv,
                                                 SYM_T));
}

static void emit_chunked(Delta *x, const char *o, int64_t from)
{
    CudaLaunch l = {.by = SYM_T, .from = from, .to = INT64_MAX};
    const Emit *e = x->e;
    bool alone = e->g->n_results == 0 ||
                 (e->g->n_results == 1 && e->g->result[0].ref == x->ref);
    emit_prepare(x, l);
    emit_walk(x, l, o);
    if (!alone)
        emit_last_rows(x, l, o);
}

/* ---- the kernel */

static void emit_rule(Delta *x, bool chunked)
{
    emit_ops(x->e);
    emit_text(x->e, "struct Rule {\n");
    delta_put_arguments(x);
    emit_epilogue(x);
    if (chunked)
        emit_text(x->e,
                  "    template <class C> DEVICE u8 *scratch(const C &call)\n"
                  "    {\n        return %s;\n    }\n",
                  emit_scratch(x->e, scratch_bytes(x), SYM_T));
    emit_text(x->e, "};\n");
    if (x->end != NO_REF)
        delta_put_conv(x);
}

static void emit_includes(const Delta *x, bool chunked)
{
    emit_include(x->e, chunked ? "delta_prepare.cuh" : "delta.cuh");
    if (chunked)
        emit_include(x->e, "delta_walk.cuh");
    if (x->end != NO_REF)
        emit_include(x->e, "delta_conv.cuh");
    emit_include(x->e, "place.cuh");
}

/* Which tokens take which form. */
static void emit_forms(Delta *x)
{
    int64_t form = x->node->attr[ATTR_delta_form].i, from = 1;
    bool chunked = can_chunk(x) && form != FORM_RECURRENT;
    if (form == FORM_AUTO)
        from = CHUNKED_FROM;
    chunked = chunked && x->e->tokens >= from;
    if (x->end != NO_REF && (chunked || !x->by_heads))
        x->conv.to = emit_scratch(x->e, 4 * x->conv.channels, SYM_T);
    emit_includes(x, chunked);
    emit_rule(x, chunked);
    if (x->conv.to)
        conv_launches(&x->conv, x->by_heads ? from : 1);
    if (!chunked)
        emit_recurrent(x, INT64_MAX);
    else if (from > 1)
        emit_recurrent(x, from - 1);
    if (chunked)
        emit_chunked(x, place_of_o(x), from);
}

void emit_delta_class(Emit *e)
{
    Delta x = {.e = e, .ref = emit_find(e, KIND_DELTA), .aligned = true};
    x.node = emit_node(e, x.ref);
    const Type *q = &emit_node(e, x.node->arg[0])->type;
    x.Hk = q->dim[1].k;
    x.dk = q->dim[2].k;
    x.Hv = x.node->type.dim[1].k;
    x.dv = x.node->type.dim[2].k;
    x.member = ARENA_ARRAY(e->arena, bool, e->g->n_nodes + 1);
    x.given = ARENA_ARRAY(e->arena, const char *, e->g->n_nodes + 1);
    if (x.dk > MOST || x.dv > MOST) {
        emit_fail(e, err_new(ERR_LIMIT,
                             "heads of the delta rule longer than %d", MOST));
        return;
    }
    delta_find_arguments(&x);
    find_members(&x);
    emit_forms(&x);
}
