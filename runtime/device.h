/* device.h - what the executor needs of a device: memory and launches.
 *
 * A device of a plan has three regions (plan.h), allocated once.  One thread at
 * a time, the owner of the pool in use, launches on a device; `write` of
 * disjoint bytes may be called by several, also while a launch runs. */
#ifndef RUNTIME_DEVICE_H
#define RUNTIME_DEVICE_H

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

/* One kernel, ready to run on T, R, C of the call. */
typedef struct {
    const KernelCall *call; /* arg: addresses of this device; shared and
                               counters are set by the device */
    KernelFn *fn;
    int64_t items;
} Launch;

/* What the kernels that will run want besides their arguments (KernelInfo). */
typedef struct {
    int64_t scratch;          /* bytes for each thread */
    int64_t shared, counters; /* bytes */
} KernelRoom;

/* What a kind of device can do. */
typedef struct {
    const char *kind; /* PlanDevice.kind */
    /* Allocates the regions; states and scratch begin as zeros. */
    Err *(*open)(const PlanDevice *d, Pool *pool, KernelRoom room,
                 Device **out);
    void (*close)(Device *d);
    /* A byte's address as kernels take it. */
    void *(*address)(Device *d, Place at);
    /* The same if this program may read and write there, else NULL. */
    void *(*host_address)(Device *d, Place at);
    Err *(*write)(Device *d, Place at, const void *src, int64_t n);
    Err *(*zero)(Device *d, Place at, int64_t n);
    Err *(*launch)(Device *d, const Launch *l);
    /* Later launches are computed by these threads; the caller is now the one
     * that uses the device.  pool has no more threads than that of `open`. */
    void (*use)(Device *d, Pool *pool);
} DeviceKind;

/* The part that every kind begins with. */
struct Device {
    const DeviceKind *kind;
    const PlanDevice *plan;
};

/* Finds the kind and opens; refuses a device whose regions do not fit into
 * its capacity (0: unlimited) without the reserve.  d must outlive it. */
Err *device_open(const PlanDevice *d, Pool *pool, KernelRoom room,
                 Device **out) MUST_USE;
void device_close(Device *d); /* NULL is fine */

/* n bytes from one device to another. */
Err *device_copy(Device *to, Place at, Device *from, Place src,
                 int64_t n) MUST_USE;

/* The kinds: one file dev_NAME.c each. */
extern const DeviceKind device_host;

#endif
