/* rig.h - a kernel's text through the host compiler and through the
 * interpreter, on the same random inputs.
 *
 * Results and scratch start as NaN; behind every buffer lies a page that
 * faults, before it are guard bytes; items are handed out in random pieces and
 * order. A case fails when the error is not within its limit (a NaN error is
 * not), when a guard byte changed, or when an error is spread unevenly: no
 * element may be further off than ROW_LIMIT times its row's RMS. */
#ifndef TESTS_GEN_RIG_H
#define TESTS_GEN_RIG_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler/interp.h"
#include "runtime/host_provider.h"
#include "runtime/provider.h"
#include "base/random.h"

enum { GUARD = 64, MAX_VALUES = 32 };
#define ROW_LIMIT 1e-2

/* The leak checker misjudges where the thread variables of LLVM lie, and then
 * reads there. */
__attribute__((visibility("default"))) const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "use_tls=0:print_suppressions=0";
}

static inline void rig_ok(Err *e)
{
    cr_assert_null(e, "%s", e ? err_text(e) : "");
}

static inline const HostProvider *rig_provider(void)
{
    const HostProvider *p;
    rig_ok(provider_open(BUILD_DIR "/sextet-llvm.so", &p));
    return p;
}

/* ---- random numbers ---- */

static Random rig_random = {0x9e3779b97f4a7c15};

static inline int64_t rig_below(int64_t n)
{
    return random_below(&rig_random, n);
}

static inline float rig_real(void) { return random_real(&rig_random); }

/* ---- guarded memory ---- */

/* n bytes that end where a page that may not be touched begins, so that reading
 * too far is noticed too; the GUARD bytes before them are 0xff. */
typedef struct {
    uint8_t *all, *p;
    size_t n, room;
} RigBuf;

enum { PAGE = 4096 };

static inline RigBuf rig_alloc(size_t n)
{
    size_t room = (n + GUARD + PAGE - 1) / PAGE * PAGE;
    RigBuf b = {.n = n, .room = room};
    b.all = aligned_alloc(PAGE, room + PAGE);
    cr_assert(!mprotect(b.all + room, PAGE, PROT_NONE));
    memset(b.all, 0xff, room);
    b.p = b.all + room - n;
    return b;
}

static inline void rig_buf_free(RigBuf *b)
{
    cr_assert(!mprotect(b->all + b->room, PAGE, PROT_READ | PROT_WRITE));
    free(b->all);
}

static inline void rig_check_guards(const RigBuf *b, const char *what)
{
    for (int i = 1; i <= GUARD; i++)
        cr_assert(b->p[-i] == 0xff, "%s: written outside", what);
}

/* ---- one kernel ---- */

typedef struct {
    int64_t tokens, outputs, past, capacity;
} RigStep;

typedef struct {
    Arena *arena;
    const HostProvider *provider;
    const char *cpu;
    Module *m;
    Interp *interp;
    HostModule *code;
} Rig;

static inline Rig rig_new(const char *cpu, const char *funcs, int64_t context)
{
    Rig r = {arena_new(), rig_provider(), cpu, NULL, NULL, NULL};
    Buf text = {0}, object = {0};
    buf_printf(&text, "module t\n%s", funcs);
    rig_ok(module_parse(r.arena, text.data, &r.m));
    r.interp = interp_new(r.m, (InterpWeights){NULL, NULL}, context);
    rig_ok(r.provider->compile(text.data, cpu, &object, NULL));
    rig_ok(r.provider->load(object.data, object.n, &r.code));
    buf_free(&text);
    buf_free(&object);
    return r;
}

static inline void rig_free(Rig *r)
{
    r->provider->unload(r->code);
    interp_free(r->interp);
    arena_free(r->arena);
}

/* ---- inputs ---- */

typedef struct {
    int64_t n; /* values */
    BlockType type;
    RigBuf bytes;
    double *v;
} RigValue;

static inline void rig_put_half(uint8_t *p, float f)
{
    uint16_t h = float_to_half(f);
    memcpy(p, &h, 2);
}

/* Every exponent that a byte can hold, where there is room for few. */
static inline void rig_random_block(BlockType t, uint8_t *b)
{
    random_block(&rig_random, t, 0.01F, b);
    for (int i = 0; i < 4 && t == BT_nvfp4; i++)
        b[i] = (uint8_t)random_bits(&rig_random);
    if (t == BT_mxfp4) /* at times among the smallest: two are subnormal */
        b[0] = (uint8_t)(rig_below(8) ? 118 + rig_below(8) : rig_below(3));
}

static inline void rig_fill_blocks(RigValue *v)
{
    const BlockInfo *info = &block_info[v->type];
    for (int64_t i = 0; i < v->n / info->elems; i++)
        rig_random_block(v->type, v->bytes.p + i * info->bytes);
}

static inline void rig_fill_floats(RigValue *v)
{
    float *x = malloc(sizeof *x * (size_t)(v->n + 1));
    for (int64_t i = 0; i < v->n; i++)
        x[i] = rig_real();
    if (block_info[v->type].kind == BLOCK_ACT)
        block_quantize(v->type, x, v->n, v->bytes.p);
    else
        cr_assert(block_encode(v->type, x, v->n, v->bytes.p));
    free(x);
}

/* Ids below `limit`; rows of `distinct` of them without repeats. */
static inline void rig_fill_ids(RigValue *v, int64_t limit, int64_t distinct)
{
    int32_t *id = (int32_t *)(void *)v->bytes.p;
    for (int64_t i = 0; i < v->n; i++) {
        bool again = true;
        while (again) {
            id[i] = (int32_t)rig_below(limit);
            again = false;
            for (int64_t j = i - i % distinct; j < i; j++)
                again = again || id[j] == id[i];
        }
    }
}

/* What the ids of parameter p may be: by the node that reads them. */
static inline int64_t rig_id_limit(const Graph *g, Ref p, RigStep step)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        const Type *t = &g->node[n->arg[0]].type;
        for (int k = 1; k < n->n_args; k++) {
            if (n->arg[k] != p)
                continue;
            if (n->op == OP_matmul_experts)
                return g->node[n->arg[1]].type.dim[2].k;
            if (n->op == OP_embed)
                return t->dim[1].k;
            if (n->op == OP_rows)
                return step.tokens;
            if (n->op == OP_take)
                return type_last(t);
        }
    }
    return 100000; /* positions */
}

static inline int64_t rig_size(const Type *t, RigStep s, bool state)
{
    int64_t n = 1, c = state ? s.capacity : s.past + s.tokens;
    for (int i = 0; i < t->rank; i++)
        n *= dim_value(t->dim[i], s.tokens, s.outputs, c);
    return n;
}

static inline double *rig_decoded(const RigValue *v)
{
    double *d = malloc(sizeof *d * (size_t)(v->n + 1));
    float *f = malloc(sizeof *f * (size_t)(v->n + 1));
    block_decode(v->type, v->bytes.p, v->n, f);
    for (int64_t i = 0; i < v->n; i++)
        d[i] = f[i];
    free(f);
    return d;
}

static inline RigValue rig_value(const Type *t, RigStep s, bool state)
{
    RigValue v = {.n = rig_size(t, s, state), .type = t->dtype};
    v.bytes = rig_alloc((size_t)block_bytes(v.type, v.n));
    return v;
}

/* Rows of k values, eight side by side. */
static inline void rig_pack(RigValue *v, int64_t k)
{
    int64_t group = PACK_LANES * block_bytes(v->type, k);
    uint8_t *at = v->bytes.p, *room = malloc((size_t)group);
    cr_assert(v->n % (PACK_LANES * k) == 0);
    for (int64_t i = 0; i < v->n / (PACK_LANES * k); i++) {
        memcpy(room, at + i * group, (size_t)group);
        packing_pack8(v->type, k / block_info[v->type].elems, room,
                      at + i * group);
    }
    free(room);
}

static inline RigValue rig_param(const Graph *g, Ref p, RigStep step)
{
    const Node *n = &g->node[p];
    RigValue v = rig_value(&n->type, step, n->op == OP_state);
    if (v.type == BT_i32)
        rig_fill_ids(&v, rig_id_limit(g, p, step),
                     n->type.rank > 1 ? type_last(&n->type) : 1);
    else if (n->op == OP_weight && block_info[v.type].kind == BLOCK_QUANT)
        rig_fill_blocks(&v);
    else
        rig_fill_floats(&v);
    v.v = rig_decoded(&v);
    if (n->type.packing)
        rig_pack(&v, n->type.dim[0].k);
    return v;
}

static inline void rig_value_free(RigValue *v)
{
    rig_buf_free(&v->bytes);
    free(v->v);
}

/* ---- running ---- */

/* All items, in random pieces, each once, in a random order. */
static inline void rig_items(const Rig *r, const char *name,
                             const KernelCall *call)
{
    char info_name[128];
    snprintf(info_name, sizeof info_name, "%s.info", name);
    const KernelInfo *info = r->provider->symbol(r->code, info_name);
    void *at = r->provider->symbol(r->code, name);
    cr_assert(info && at, "%s is not in the object", name);
    KernelFn *fn;
    memcpy(&fn, &at, sizeof fn);
    Dim d = {info->items_k, (Sym)info->items_sym};
    int64_t n =
        dim_value(d, call->tokens, call->outputs, call->past + call->tokens);
    cr_assert(info->scratch % 64 == 0); /* so it starts aligned */
    RigBuf scratch = rig_alloc((size_t)info->scratch);
    RigBuf shared = rig_alloc((size_t)info->shared);
    RigBuf counters = rig_alloc((size_t)info->counters);
    KernelCall with_shared = *call;
    with_shared.shared = shared.p;
    with_shared.counters = memset(counters.p, 0, counters.n);
    call = &with_shared;
    int64_t cut[5] = {0, n, rig_below(n + 1), rig_below(n + 1), n};
    for (int i = 0; i < 5; i++)
        for (int j = i + 1; j < 5; j++)
            if (cut[j] < cut[i]) {
                int64_t t = cut[i];
                cut[i] = cut[j];
                cut[j] = t;
            }
    int first = (int)rig_below(4);
    for (int k = 0; k < 4; k++) {
        int piece = (first + k * 3) % 4;
        fn(call, cut[piece], cut[piece + 1], scratch.p);
    }
    rig_check_guards(&scratch, name);
    rig_check_guards(&shared, name);
    rig_check_guards(&counters, name);
    for (size_t i = 0; i < counters.n; i++)
        cr_assert(counters.p[i] == 0, "%s: leaves a counter", name);
    rig_buf_free(&scratch);
    rig_buf_free(&shared);
    rig_buf_free(&counters);
}

/* Normalised mean square error; also the worst element against its row. */
static inline double rig_error(const double *got, const double *want, int64_t n,
                               int64_t row, double *worst)
{
    double err = 0, power = 0;
    *worst = 0;
    for (int64_t i = 0; i < n; i += row) {
        double most = 0, rms = 0;
        for (int64_t k = i; k < i + row && k < n; k++) {
            double d = got[k] - want[k];
            err += d * d;
            power += want[k] * want[k];
            rms += want[k] * want[k] / (double)row;
            most = !(fabs(d) <= most) ? fabs(d) : most;
        }
        if (rms > 0 && !(most / sqrt(rms) <= *worst))
            *worst = most / sqrt(rms);
    }
    return err == 0 ? 0 : err / power;
}

static inline void rig_compare(const char *name, const char *what,
                               const RigValue *got, const double *want,
                               int64_t row, double limit)
{
    double *v = rig_decoded(got), worst;
    double err = rig_error(v, want, got->n, row, &worst);
    rig_check_guards(&got->bytes, name);
    cr_expect(err <= limit, "%s: %s: error %g, limit %g", name, what, err,
              limit);
    cr_expect(worst <= ROW_LIMIT, "%s: %s: an element is off by %g RMS", name,
              what, worst);
    free(v);
}

typedef struct {
    double limit;
    /* May change inputs before the run (then v must be set anew). */
    void (*prepare)(const Graph *g, RigValue *param);
} RigOptions;

/* Runs func `name` both ways and compares all results and states. */
static inline void rig_run(Rig *r, const char *name, RigStep step, RigOptions o)
{
    const Graph *g = module_find(r->m, name);
    RigValue param[MAX_VALUES], result[MAX_VALUES];
    InterpValue in[MAX_VALUES], out[MAX_VALUES];
    void *arg[2 * MAX_VALUES];
    char what[160];
    int np = (int)g->n_params, nr = g->n_results;
    for (int i = 0; i < np; i++) {
        param[i] = rig_param(g, (Ref)i, step);
        arg[i] = param[i].bytes.p;
    }
    if (o.prepare)
        o.prepare(g, param);
    for (int i = 0; i < np; i++)
        in[i] = (InterpValue){param[i].n, param[i].v};
    for (int i = 0; i < nr; i++) {
        result[i] = rig_value(&g->node[g->result[i].ref].type, step, false);
        arg[np + i] = result[i].bytes.p;
    }
    KernelCall call = {arg, step.tokens, step.outputs, step.past,
                       step.capacity};
    rig_items(r, name, &call);
    rig_ok(interp_run(r->interp, name,
                      (InterpStep){step.tokens, step.outputs, step.past}, in,
                      out));
    snprintf(what, sizeof what, "%s T=%d past=%d", r->cpu, (int)step.tokens,
             (int)step.past);
    for (int i = 0; i < nr; i++) {
        rig_compare(name, what, &result[i], out[i].v,
                    type_last(&g->node[g->result[i].ref].type), o.limit);
        rig_value_free(&result[i]);
        free(out[i].v);
    }
    for (int i = 0; i < np; i++) {
        if (g->node[i].op == OP_state)
            rig_compare(name, "state", &param[i], in[i].v,
                        type_last(&g->node[i].type), o.limit);
        else
            rig_check_guards(&param[i].bytes, name);
        rig_value_free(&param[i]);
    }
}

#endif
