/* cuda_load.c - weights to a card: each thread of the pool fills pinned buffers
 * in turn; a buffer travels on the thread's own stream while the next one is
 * filled.  Rows that lie in tiles go to a slice of the device's scratch first,
 * from where a kernel moves them; slices are as many as scratch holds, and a
 * stream waits for the one that had its slice before. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/cuda_device.h"

/* Slices where scratch holds none: 32 MiB that no plan knows of. */
enum { BUFFERS = 2, SLICE_BYTES = 8 << 20, LEAST_SLICES = 4 };
/* More threads have one buffer each: so much pinned memory is plenty. */
enum { TWO_BUFFERS_UP_TO = 32 };

typedef struct {
    Pinned host;
    CudaEvent *sent; /* the buffer is free again */
    bool busy;
} Buffer;

typedef struct {
    CudaStream *stream;
    Buffer buffer[BUFFERS];
    int next;
} Lane;

/* Memory on the device, in scratch or its own. */
typedef struct {
    pthread_mutex_t mutex;
    CudaAddress own; /* 0: none yet */
    int64_t own_bytes;
    CudaEvent *packed; /* free again; NULL: never used */
} Slice;

struct CudaLoader {
    int n_lanes, n_slices, n_buffers;
    Lane *lane; /* by thread */
    Slice *slice;
    atomic_uint next;
    bool in_scratch;
};

/* ---- buffers */

void cuda_load_begin(CudaDevice *c, int threads)
{
    CudaLoader *l = memory_array(1, sizeof *l);
    int64_t wanted = (int64_t)threads * BUFFERS;
    int64_t there = c->base.plan->scratch / SLICE_BYTES;
    l->lane = memory_array(threads, sizeof *l->lane);
    l->n_lanes = threads;
    l->n_buffers = threads > TWO_BUFFERS_UP_TO ? 1 : BUFFERS;
    l->in_scratch = there > 0;
    there = there > 0 ? there : LEAST_SLICES;
    l->n_slices = (int)(there < wanted ? there : wanted);
    l->slice = memory_array(l->n_slices, sizeof *l->slice);
    for (int i = 0; i < l->n_slices; i++)
        pthread_mutex_init(&l->slice[i].mutex, NULL);
    c->loader = l;
}

static Err *open_lane(CudaDevice *c, Lane *l)
{
    if (l->stream)
        return NULL;
    for (int i = 0; i < BUFFERS; i++)
        TRY(CUDA_ON(c, cuEventCreate, &l->buffer[i].sent, CUDA_EVENT_UNTIMED));
    return CUDA_ON(c, cuStreamCreate, &l->stream, CUDA_STREAM_NON_BLOCKING);
}

static Err *buffer_free(CudaDevice *c, Buffer *b)
{
    if (!b->busy)
        return NULL;
    b->busy = false;
    return CUDA_ON(c, cuEventSynchronize, b->sent);
}

/* Where the n bytes of a buffer may lie; with the slice's mutex held. */
static Err *slice_room(CudaDevice *c, Slice *s, int64_t n, CudaAddress *p)
{
    const CudaLoader *l = c->loader;
    if (l->in_scratch && n <= SLICE_BYTES) {
        *p = c->region[REGION_SCRATCH] +
             (CudaAddress)(s - l->slice) * SLICE_BYTES;
        return NULL;
    }
    TRY(cuda_grow(c, &s->own, &s->own_bytes, n));
    *p = s->own;
    return NULL;
}

Err *cuda_load_staging(Device *d, int thread, int64_t n, void **out)
{
    CudaDevice *c = cuda_device(d);
    Lane *l = &c->loader->lane[thread];
    Buffer *b = &l->buffer[l->next];
    TRY(cuda_device_enter(c));
    TRY(open_lane(c, l));
    TRY(buffer_free(c, b));
    TRY(pinned_grow(c, &b->host, n > SLICE_BYTES ? n : SLICE_BYTES));
    *out = b->host.p;
    return NULL;
}

/* ---- rows */

static Err *find_packer(CudaDevice *c, BlockType t, int *out)
{
    const CudaCode *code = cuda_kernels_spec(c->kernels)->code;
    for (int i = 0; i < code->n_packers; i++)
        if (code->packer[i].type == t) {
            *out = i;
            return NULL;
        }
    return err_new(ERR_DEVICE, "no kernel packs %s", block_info[t].name);
}

static Err *pack_rows(CudaDevice *c, CudaStream *stream, const PlanWeight *w,
                      int64_t n, CudaAddress from, CudaAddress to)
{
    int i;
    TRY(find_packer(c, w->type, &i));
    const CudaPacker *k =
        &cuda_kernels_spec(c->kernels)->code->packer[i];
    int64_t units = w->ne[0] / PACK_TILE_UNIT, high = n / PACK_TILE_ROWS;
    int64_t tiles = high * (units / packing_tile_units(w->ne[0]));
    return cuda_launch_plain(c, stream, c->on->packer[i], k->symbol,
                             (const CudaAddress[]){from, to}, (int32_t)high,
                             (int32_t)units,
                             (tiles + k->tiles_per_block - 1) /
                                 k->tiles_per_block,
                             k->threads);
}

typedef struct {
    const PlanWeight *w;
    int64_t rows, bytes;
    const void *src;
    CudaAddress to;
} Piece;

static Err *send(CudaDevice *c, CudaStream *stream, const Piece *p,
                 CudaAddress to)
{
    return CUDA_ON(c, cuMemcpyHtoDAsync_v2, to, p->src, (size_t)p->bytes,
                   stream);
}

/* By way of a slice, once what was there before is packed. */
static Err *send_in_slice(CudaDevice *c, CudaStream *stream, const Piece *p,
                          Slice *s)
{
    CudaAddress room;
    TRY(slice_room(c, s, p->bytes, &room));
    if (s->packed)
        TRY(CUDA_ON(c, cuStreamWaitEvent, stream, s->packed, 0));
    else
        TRY(CUDA_ON(c, cuEventCreate, &s->packed, CUDA_EVENT_UNTIMED));
    TRY(send(c, stream, p, room));
    TRY(pack_rows(c, stream, p->w, p->rows, room, p->to));
    return CUDA_ON(c, cuEventRecord, s->packed, stream);
}

static Err *send_tiles(CudaDevice *c, CudaStream *stream, const Piece *p)
{
    CudaLoader *l = c->loader;
    unsigned n = atomic_fetch_add(&l->next, 1);
    Slice *s = &l->slice[n % (unsigned)l->n_slices];
    pthread_mutex_lock(&s->mutex);
    Err *e = send_in_slice(c, stream, p, s);
    pthread_mutex_unlock(&s->mutex);
    return e;
}

static Err *upload(CudaDevice *c, int thread, const PlanWeight *w,
                   int64_t first, int64_t n, const void *src)
{
    CudaLoader *loader = c->loader;
    Lane *l = &loader->lane[thread];
    Buffer *b = &l->buffer[l->next];
    int64_t row = block_bytes(w->type, w->ne[0]);
    Piece p = {w, n, n * row, src,
               c->region[REGION_WEIGHTS] +
                   (CudaAddress)(w->offset + first * row)};
    if (w->packing == PACK_TILE)
        TRY(send_tiles(c, l->stream, &p));
    else
        TRY(send(c, l->stream, &p, p.to));
    TRY(CUDA_ON(c, cuEventRecord, b->sent, l->stream));
    b->busy = true;
    l->next = (l->next + 1) % loader->n_buffers;
    return NULL;
}

Err *cuda_load_rows(Device *d, int thread, const PlanWeight *w, int64_t first,
                    int64_t n, const void *src)
{
    CudaDevice *c = cuda_device(d);
    TRY(cuda_kernels_trouble(c->kernels)); /* they compile meanwhile */
    TRY(cuda_device_enter(c));
    Err *e = upload(c, thread, w, first, n, src);
    return e ? err_note(e, "loading '%.80s'", w->tensor) : NULL;
}

/* ---- the end */

static void free_lane(Lane *lane)
{
    const CudaApi *api = cuda_api();
    for (int i = 0; i < BUFFERS; i++) {
        Buffer *b = &lane->buffer[i];
        pinned_free(&b->host);
        if (b->sent)
            api->cuEventDestroy_v2(b->sent);
    }
    if (lane->stream)
        api->cuStreamDestroy_v2(lane->stream);
}

static void free_slice(Slice *s)
{
    if (s->own)
        cuda_api()->cuMemFree_v2(s->own);
    if (s->packed)
        cuda_api()->cuEventDestroy_v2(s->packed);
    pthread_mutex_destroy(&s->mutex);
}

void cuda_load_free(CudaDevice *c)
{
    CudaLoader *l = c->loader;
    if (!l)
        return;
    for (int i = 0; i < l->n_lanes; i++)
        if (l->lane[i].stream)
            cuda_api()->cuStreamSynchronize(l->lane[i].stream);
    for (int i = 0; i < l->n_lanes; i++)
        free_lane(&l->lane[i]);
    for (int i = 0; i < l->n_slices; i++)
        free_slice(&l->slice[i]);
    free(l->lane);
    free(l->slice);
    free(l);
    c->loader = NULL;
}

Err *cuda_load_end(Device *d)
{
    CudaDevice *c = cuda_device(d);
    CudaLoader *l = c->loader;
    TRY(cuda_device_enter(c));
    for (int i = 0; i < l->n_lanes; i++)
        if (l->lane[i].stream)
            TRY(CUDA_ON(c, cuStreamSynchronize, l->lane[i].stream));
    if (l->in_scratch)
        TRY(CUDA_ON(c, cuMemsetD8Async, c->region[REGION_SCRATCH], 0,
                    (size_t)c->base.plan->scratch, c->stream));
    cuda_load_free(c);
    return CUDA_ON(c, cuStreamSynchronize, c->stream);
}
