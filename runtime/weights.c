#include "runtime/weights.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { PIECE_BYTES = 8 << 20 };

static Err *check_weight(const PlanWeight *w, const TensorInfo *t)
{
    if (!t)
        return err_new(ERR_INPUT, "the file has no tensor '%s'", w->tensor);
    if (t->type != w->type)
        return err_new(ERR_INPUT, "tensor '%s' is %s, the plan expects %s",
                       w->tensor, block_info[t->type].name,
                       block_info[w->type].name);
    /* extents beyond the rank are 1: {D} and {D, 1} are the same matrix */
    bool same = t->bytes == w->bytes;
    for (int i = 0; same && i < PLAN_MAX_RANK; i++)
        same = t->ne[i] == w->ne[i];
    if (!same)
        return err_new(ERR_INPUT, "tensor '%s' has not the shape of the plan",
                       w->tensor);
    return NULL;
}

Err *weights_check(const Plan *p, const ModelInfo *m)
{
    for (int i = 0; i < p->n_weights; i++)
        TRY(check_weight(&p->weight[i], model_tensor(m, p->weight[i].tensor)));
    return NULL;
}

/* ---- reading */

typedef struct {
    const ExecSpec *spec;
    Device *const *device;
    int64_t *first; /* number of each weight's first piece, and of the end */
    int64_t total;
    atomic_int_fast64_t done;
    _Atomic(Err *) e; /* the first */
} Loading;

static void fail(Loading *l, Err *e)
{
    Err *none = NULL;
    if (!atomic_compare_exchange_strong(&l->e, &none, e))
        err_free(e);
}

/* Bytes that are read at once: whole rows that are packed together. */
static int64_t piece_bytes(const PlanWeight *w)
{
    int64_t rows = PACK_LANES * block_bytes(w->type, w->ne[0]);
    if (!w->packing)
        return PIECE_BYTES;
    return rows > PIECE_BYTES ? rows : PIECE_BYTES / rows * rows;
}

static void *memory(int64_t n)
{
    void *p = malloc((size_t)n);
    if (!p)
        memory_out((size_t)n);
    return p;
}

/* n bytes of whole groups of rows, packed in place with the help of room. */
static void pack_rows(const PlanWeight *w, uint8_t *at, int64_t n,
                      uint8_t *room)
{
    int64_t blocks = w->ne[0] / block_info[w->type].elems;
    int64_t group = PACK_LANES * block_bytes(w->type, w->ne[0]);
    for (int64_t i = 0; i < n; i += group) {
        memcpy(room, at + i, (size_t)group);
        packing_pack8(w->type, blocks, room, at + i);
    }
}

static void pack_piece(const PlanWeight *w, void *at, int64_t n)
{
    if (!w->packing)
        return;
    void *room = memory(PACK_LANES * block_bytes(w->type, w->ne[0]));
    pack_rows(w, at, n, room);
    free(room);
}

static Err *read_piece(Device *d, const Gguf *g, const PlanWeight *w,
                       int64_t from, int64_t n)
{
    const TensorInfo *t = model_tensor(gguf_info(g), w->tensor);
    Place at = {REGION_WEIGHTS, w->offset + from};
    void *direct = d->kind->host_address(d, at);
    void *to = direct ? direct : memory(n);
    Err *e = gguf_read(g, t, from, n, to);
    if (!e)
        pack_piece(w, to, n);
    if (!e && !direct)
        e = d->kind->write(d, at, to, n);
    if (!direct)
        free(to);
    return e;
}

static void load_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    Loading *l = ctx;
    const Plan *p = l->spec->plan;
    int w = 0;
    for (int64_t i = begin; i < end && !atomic_load(&l->e); i++) {
        while (l->first[w + 1] <= i)
            w++;
        const PlanWeight *weight = &p->weight[w];
        int64_t piece = piece_bytes(weight);
        int64_t from = (i - l->first[w]) * piece;
        int64_t n = weight->bytes - from;
        n = n < piece ? n : piece;
        Err *e = read_piece(l->device[weight->device], l->spec->file, weight,
                            from, n);
        if (e)
            fail(l, e);
        int64_t done = atomic_fetch_add(&l->done, n) + n;
        if (thread == 0 && l->spec->progress)
            l->spec->progress(l->spec->progress_ctx, done, l->total);
    }
}

Err *weights_load(const ExecSpec *spec, Device *const *device)
{
    const Plan *p = spec->plan;
    Loading l = {.spec = spec, .device = device};
    if (p->n_weights == 0)
        return NULL;
    TRY(weights_check(p, gguf_info(spec->file)));
    l.first = calloc((size_t)p->n_weights + 1, sizeof *l.first);
    if (!l.first)
        memory_out(((size_t)p->n_weights + 1) * sizeof *l.first);
    for (int i = 0; i < p->n_weights; i++) {
        int64_t bytes = p->weight[i].bytes, piece = piece_bytes(&p->weight[i]);
        l.first[i + 1] = l.first[i] + (bytes + piece - 1) / piece;
        l.total += bytes;
    }
    pool_run(spec->pool, load_pieces, &l, l.first[p->n_weights]);
    free(l.first);
    Err *e = atomic_load(&l.e);
    if (!e && spec->progress)
        spec->progress(spec->progress_ctx, l.total, l.total);
    return e ? e : gguf_unchanged(spec->file);
}
