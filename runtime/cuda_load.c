/* cuda_load.c - weights to a card: each thread of the pool fills pinned buffers
 * in turn; a buffer travels on the thread's own stream while the next one is
 * filled.  Rows that lie in tiles go to memory on the device first, from where
 * a kernel moves them. */
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/cuda_device.h"

enum { BUFFERS = 2, SLICE_BYTES = 8 << 20 };

typedef struct {
    Pinned host;
    CudaAddress device; /* for rows to be packed; 0: none yet */
    int64_t device_bytes;
    CudaEvent *sent; /* the buffer is free again */
    bool busy;
} Buffer;

typedef struct {
    CudaStream *stream;
    Buffer buffer[BUFFERS];
    int next;
} Lane;

struct CudaLoader {
    int n_lanes;
    Lane *lane;   /* by thread */
    bool in_scratch; /* the device's buffers are slices of its scratch */
};

/* ---- buffers */

static int64_t slices_bytes(const CudaLoader *l)
{
    return (int64_t)l->n_lanes * BUFFERS * SLICE_BYTES;
}

void cuda_load_begin(CudaDevice *c, int threads)
{
    CudaLoader *l = memory_must(calloc(1, sizeof *l), sizeof *l);
    size_t bytes = (size_t)threads * sizeof *l->lane;
    l->lane = memory_must(calloc(1, bytes), bytes);
    l->n_lanes = threads;
    l->in_scratch = slices_bytes(l) <= c->base.plan->scratch;
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

/* Memory on the device for the n bytes of a buffer. */
static Err *device_room(CudaDevice *c, int thread, Buffer *b, int64_t n,
                        CudaAddress *p)
{
    CudaLoader *l = c->loader;
    int number = thread * BUFFERS + (int)(b - l->lane[thread].buffer);
    if (l->in_scratch && n <= SLICE_BYTES) {
        *p = c->region[REGION_SCRATCH] + (CudaAddress)number * SLICE_BYTES;
        return NULL;
    }
    if (n > b->device_bytes) {
        if (b->device)
            TRY(CUDA_ON(c, cuMemFree_v2, b->device));
        b->device = 0;
        TRY(CUDA_ON(c, cuMemAlloc_v2, &b->device, (size_t)n));
        b->device_bytes = n;
    }
    *p = b->device;
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

static Err *upload(CudaDevice *c, int thread, const PlanWeight *w,
                   int64_t first, int64_t n, const void *src)
{
    Lane *l = &c->loader->lane[thread];
    Buffer *b = &l->buffer[l->next];
    int64_t row = block_bytes(w->type, w->ne[0]);
    CudaAddress to = c->region[REGION_WEIGHTS] +
                     (CudaAddress)(w->offset + first * row);
    CudaAddress room = to;
    if (w->packing == PACK_TILE)
        TRY(device_room(c, thread, b, n * row, &room));
    TRY(CUDA_ON(c, cuMemcpyHtoDAsync_v2, room, src, (size_t)(n * row),
                l->stream));
    if (w->packing == PACK_TILE)
        TRY(pack_rows(c, l->stream, w, n, room, to));
    TRY(CUDA_ON(c, cuEventRecord, b->sent, l->stream));
    b->busy = true;
    l->next = (l->next + 1) % BUFFERS;
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
        if (b->device)
            api->cuMemFree_v2(b->device);
        if (b->sent)
            api->cuEventDestroy_v2(b->sent);
    }
    if (lane->stream)
        api->cuStreamDestroy_v2(lane->stream);
}

void cuda_load_free(CudaDevice *c)
{
    CudaLoader *l = c->loader;
    for (int i = 0; l && i < l->n_lanes; i++) {
        if (l->lane[i].stream)
            cuda_api()->cuStreamSynchronize(l->lane[i].stream);
        free_lane(&l->lane[i]);
    }
    if (l)
        free(l->lane);
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
