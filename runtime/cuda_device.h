/* cuda_device.h - a logical device on a card: what dev_cuda.c shares with the
 * files that launch, record and load for it. */
#ifndef RUNTIME_CUDA_DEVICE_H
#define RUNTIME_CUDA_DEVICE_H

#include "runtime/cuda_kernels.h"
#include "runtime/device.h"

/* struct Step of gen/cuda/common.cuh */
typedef struct {
    int64_t past, capacity;
} CudaStep;

/* Memory that both sides reach; grows. */
typedef struct {
    void *p;
    int64_t n;
} Pinned;

typedef struct CudaGraphs CudaGraphs; /* cuda_graph.c */
typedef struct CudaLoader CudaLoader; /* cuda_load.c */
typedef struct CudaTimer CudaTimer;   /* cuda_time.c */
typedef struct CudaChooser CudaChooser; /* cuda_choose.c */

typedef struct {
    Device base;
    const CudaKernels *kernels;
    const CudaOnCard *on;
    CudaStream *stream; /* everything that it does, in order */
    CudaEvent *reached; /* for order */
    CudaAddress region[REGION_COUNT];
    CudaAddress scratch, counters, step; /* of the kernels */
    CudaStep now;                        /* what `step` holds */
    Pinned sent;      /* bytes on their way to the device */
    int64_t sent_at;  /* and how many of them */
    Pinned *fetched;  /* by slot */
    int n_fetched;
    uint8_t *parameters; /* of a launch: struct Call<n> */
    CudaGraphs *graphs;
    CudaLoader *loader;
    CudaTimer *timer;
    CudaChooser *chooser;
} CudaDevice;

static inline CudaDevice *cuda_device(Device *d) { return (CudaDevice *)d; }

/* CUDA on behalf of a device. */
#define CUDA_ON(c, call, ...) CUDA((c)->base.plan->name, call, __VA_ARGS__)

/* Makes this thread one that works for the device's card. */
Err *cuda_device_enter(const CudaDevice *c) MUST_USE;
/* At least n bytes; what was there is lost if it has to grow. */
Err *pinned_grow(const CudaDevice *c, Pinned *m, int64_t n) MUST_USE;
void pinned_free(Pinned *m);
/* The same for memory of the device: *p with room for *room bytes, 0 and 0 at
 * first. */
Err *cuda_grow(CudaDevice *c, CudaAddress *p, int64_t *room, int64_t n) MUST_USE;
/* Queues a copy to the device; src may be used again when it returns. */
Err *cuda_send(CudaDevice *c, CudaAddress to, const char *src,
               int64_t n) MUST_USE;
/* From an address of one device to a place of another, in the first's order. */
Err *cuda_copy(CudaDevice *from, CudaAddress src, CudaDevice *to, Place at,
               int64_t n) MUST_USE;

/* ---- cuda_launch.c: launches of a list, one by one */
Err *cuda_launch_list(CudaDevice *c, const LaunchList *l) MUST_USE;
/* One step of the list, whose arguments begin at arg.  before: the step whose
 * launches are right before it on the stream; NULL: who knows. */
Err *cuda_launch_step(CudaDevice *c, const KernelCall *call, const PlanStep *s,
                      void *const *arg, const PlanStep *before) MUST_USE;
/* Of a kernel with these arguments: grid x blocks of `threads`. */
Err *cuda_launch_plain(CudaDevice *c, CudaStream *stream, CudaFunction *f,
                       const char *symbol, const CudaAddress arg[2],
                       int32_t tokens, int32_t outputs, int64_t blocks,
                       int threads) MUST_USE;
/* Bytes of the largest struct Call of these kernels. */
size_t cuda_call_bytes(const CudaCode *c);

/* ---- cuda_graph.c: steps of one token as a graph */
/* Does the list by a graph: *done, or else it is for others to do. */
Err *cuda_graph_launch(CudaDevice *c, const LaunchList *l, bool *done) MUST_USE;
void cuda_graph_free(CudaDevice *c);

/* ---- cuda_time.c: what each launch takes */
Err *cuda_time_list(CudaDevice *c, const LaunchList *l) MUST_USE;
void cuda_time_free(CudaDevice *c);

/* ---- cuda_choose.c: choosing tokens */
bool cuda_can_choose(const Device *d, const Choosing *how);
Err *cuda_choose_begin(Device *d, const Choosing *how, const NextInputs *next);
Err *cuda_chosen(Device *d, int64_t i, int32_t *id);
Err *cuda_choose_send(Device *d, Device *to, Place at);
/* The launches that choose from these logits. */
Err *cuda_choose_launch(CudaDevice *c, const KernelCall *call,
                        void *logits) MUST_USE;
/* After they were queued, recorded or not. */
Err *cuda_choose_queued(CudaDevice *c, const KernelCall *call) MUST_USE;
void cuda_choose_free(CudaDevice *c);

/* ---- cuda_load.c: weights */
Err *cuda_load_staging(Device *d, int thread, int64_t n, void **out);
Err *cuda_load_rows(Device *d, int thread, const PlanWeight *w, int64_t first,
                    int64_t n, const void *src);
Err *cuda_load_end(Device *d);
void cuda_load_begin(CudaDevice *c, int threads);
void cuda_load_free(CudaDevice *c);

#endif
