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

static int64_t row_bytes(const PlanWeight *w)
{
    return block_bytes(w->type, w->ne[0]);
}

/* Rows that are read at once: those that are packed together stay so. */
static int64_t piece_rows(const PlanWeight *w)
{
    int64_t unit = w->packing ? PACK_TILE_ROWS : 1;
    int64_t units = PIECE_BYTES / (unit * row_bytes(w));
    return unit * (units ? units : 1);
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
    int64_t group = PACK_LANES * row_bytes(w);
    for (int64_t i = 0; i < n; i += group) {
        memcpy(room, at + i, (size_t)group);
        packing_pack8(w->type, blocks, room, at + i);
    }
}

/* Tiles are made on the device, the other packing here. */
static void pack_piece(const PlanWeight *w, void *at, int64_t n)
{
    if (w->packing != PACK_X8)
        return;
    void *room = memory(PACK_LANES * row_bytes(w));
    pack_rows(w, at, n, room);
    free(room);
}

/* Rows [first, first + n). */
static Err *read_piece(const Loading *l, const PlanWeight *w, int64_t first,
                       int64_t n, int thread)
{
    const Gguf *g = l->spec->file;
    Device *d = l->device[w->device];
    int64_t from = first * row_bytes(w), bytes = n * row_bytes(w);
    void *direct =
        d->kind->host_address(d, (Place){REGION_WEIGHTS, w->offset + from});
    void *to = direct;
    if (!direct)
        TRY(d->kind->staging(d, thread, bytes, &to));
    TRY(gguf_read(g, model_tensor(gguf_info(g), w->tensor), from, bytes, to));
    pack_piece(w, to, bytes);
    return direct ? NULL : d->kind->write_rows(d, thread, w, first, n, to);
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
        int64_t piece = piece_rows(weight), bytes = row_bytes(weight);
        int64_t from = (i - l->first[w]) * piece;
        int64_t n = weight->bytes / bytes - from;
        n = n < piece ? n : piece;
        Err *e = read_piece(l, weight, from, n, thread);
        if (e)
            fail(l, e);
        int64_t done = atomic_fetch_add(&l->done, n * bytes) + n * bytes;
        if (thread == 0 && l->spec->progress)
            l->spec->progress(l->spec->progress_ctx, done, l->total);
    }
}

/* Ends the loading of every device; the first error is kept. */
static void end_loading(Loading *l)
{
    for (int i = 0; i < l->spec->plan->n_devices; i++) {
        Device *d = l->device[i];
        Err *e = d->kind->loaded ? d->kind->loaded(d) : NULL;
        if (e)
            fail(l, e);
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
        const PlanWeight *w = &p->weight[i];
        int64_t rows = w->bytes / row_bytes(w), piece = piece_rows(w);
        l.first[i + 1] = l.first[i] + (rows + piece - 1) / piece;
        l.total += w->bytes;
    }
    pool_run(spec->pool, load_pieces, &l, l.first[p->n_weights]);
    end_loading(&l);
    free(l.first);
    Err *e = atomic_load(&l.e);
    if (!e && spec->progress)
        spec->progress(spec->progress_ctx, l.total, l.total);
    return e ? e : gguf_unchanged(spec->file);
}
