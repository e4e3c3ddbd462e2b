/* device.h - what the executor needs of a device: memory and launches.
 *
 * A device of a plan has three regions (plan.h), allocated once.  What it is
 * asked to do is done in order, perhaps later than the call returns: `finish`
 * waits.  One thread at a time uses a device, but its weights may
 * be loaded by many. */
#ifndef RUNTIME_DEVICE_H
#define RUNTIME_DEVICE_H

#include "runtime/choice.h"
#include "runtime/host_provider.h"
#include "runtime/plan.h"
#include "runtime/pool.h"

typedef enum {
    REGION_WEIGHTS,
    REGION_STATES,
    REGION_SCRATCH,
    REGION_COUNT
} Region;

typedef struct {
    Region region;
    int64_t offset; /* bytes */
} Place;

typedef struct Device Device;

/* Launches that follow each other on one device. */
typedef struct {
    int id; /* with tokens and outputs the same, it stands for the same launches
               on the same addresses */
    int n;
    const PlanStep *step; /* [n] */
    const KernelCall *call; /* arg: the addresses, as this device takes them, of
                               all steps, one after the other; `shared` and
                               `counters` are the device's to set */
    double *seconds; /* [n]: what each took; NULL: nobody asks */
    void *logits; /* not NULL: in the end a token is chosen from this row, as
                     choose_begin said; its address as kernels take it */
} LaunchList;

/* Where a step of one token reads its inputs, all on one device: addresses as
 * its kernels take them, NULL for those that the program does not have. */
typedef struct {
    void *tokens, *positions, *rows;
} NextInputs;

/* What opens a device.  Kernels stand in a set by their number in the plan. */
typedef struct {
    const PlanDevice *plan;
    Pool *pool;
    const struct KernelSet *host; /* kernels for devices of kind "host" */
    struct CudaKernels *cuda;     /* and "cuda" */
} DeviceSpec;

/* Results that are fetched; taps have FETCH_TAPS and the numbers behind it. */
enum { FETCH_STATE, FETCH_LOGITS, FETCH_HIDDEN, FETCH_TAPS };

/* What a kind of device can do.  NULL where a remark says so. */
typedef struct {
    const char *kind; /* PlanDevice.kind */
    /* Allocates the regions; states and scratch begin as zeros. */
    Err *(*open)(const DeviceSpec *s, Device **out);
    void (*close)(Device *d);
    /* A byte's address as kernels take it. */
    void *(*address)(Device *d, Place at);
    /* The same if this program may read and write there, else NULL. */
    void *(*host_address)(Device *d, Place at);
    /* src may be used again when it returns. */
    Err *(*write)(Device *d, Place at, const void *src, int64_t n);
    Err *(*fill)(Device *d, Place at, uint8_t value, int64_t n);
    /* After the next finish *out points to the bytes, until the next fetch to
     * the same slot or, for a device whose memory we see, the next launch. */
    Err *(*fetch)(Device *d, Place at, int64_t n, int slot, const void **out);
    Err *(*launch)(Device *d, const LaunchList *l);
    /* To another device of the kind, done in `from`'s order. */
    Err *(*copy)(Device *to, Place at, Device *from, Place src, int64_t n);
    /* What `then` is asked from now on begins after what `first` was asked so
     * far.  NULL: nothing is done later than the call returns. */
    Err *(*order)(Device *first, Device *then);
    /* Waits until all is done; what went wrong is known now.  NULL: as above. */
    Err *(*finish)(Device *d);
    /* The caller is now the one that uses the device, and later launches are
     * computed by these threads, no more than those of `open`. */
    void (*use)(Device *d, Pool *pool);

    /* Loading, if host_address gives nothing; `thread` of the pool calls.
     * staging: n bytes for it to fill.  write_rows: rows [first, first + n) of
     * a weight, as in the file, go from there to where and how the plan wants
     * them; first is a multiple of 16, and n too unless the weight ends there
     * or lies as in the file.  The staging memory may be asked for again.
     * loaded: waits, and frees what loading took. */
    Err *(*staging)(Device *d, int thread, int64_t n, void **out);
    Err *(*write_rows)(Device *d, int thread, const PlanWeight *w,
                       int64_t first, int64_t n, const void *src);
    Err *(*loaded)(Device *d);

    /* Choosing tokens where the logits are.  NULL: it does not.
     * can_choose: whether this device does, with these settings.
     * choose_begin: how they are chosen from now on.  With next->tokens each choice also writes what the step of one token
     * behind it reads, who then writes nothing there.
     * chosen: waits for choice i since the beginning, one of the last two; an
     * ERR_INPUT says what is wrong with the logits.
     * choose_send: the token chosen last, to a place of another device of the
     * kind, or of this one, done in d's order. */
    bool (*can_choose)(const Device *d, const Choosing *how);
    Err *(*choose_begin)(Device *d, const Choosing *how,
                         const NextInputs *next);
    Err *(*chosen)(Device *d, int64_t i, int32_t *id);
    Err *(*choose_send)(Device *d, Device *to, Place at);
} DeviceKind;

/* The part that every kind begins with. */
struct Device {
    const DeviceKind *kind;
    const PlanDevice *plan;
};

/* Finds the kind and opens; refuses a device whose regions do not fit into
 * its capacity (0: unlimited) without the reserve.  What the spec points to
 * must outlive it. */
Err *device_open(const DeviceSpec *s, Device **out) MUST_USE;
void device_close(Device *d); /* NULL is fine */

/* The kinds: one file dev_NAME.c each. */
extern const DeviceKind device_host, device_cuda;

#endif
