/* machine.h - what the devices are: machine descriptions, models/machines/.
 *
 *     # six cards of one kind
 *     device cuda * 6
 *       memory    24 GiB       # what the card says it has
 *       reserve   512 MiB      # driver and context
 *       bandwidth 936 GB/s     # nominal; the cost model's bound
 *       compute   71 TFLOP/s   # the same, of the products that prefill does
 *     link 12.5 GB/s 10 us     # between any two devices
 *
 * Units: GiB MiB KiB B, GB/s, TFLOP/s, us.  One `device` line opens a group of equal
 * devices. */
#ifndef COMPILER_MACHINE_H
#define COMPILER_MACHINE_H

#include "base/arena.h"
#include "base/err.h"
#include "runtime/plan.h"

typedef struct {
    const char *name;
    int n_devices;
    PlanDevice *device;    /* weights, states, scratch still 0 */
    double link_bandwidth; /* bytes per second */
    double link_latency;   /* seconds */
} Machine;

/* Keeps `name`, which stands before messages: "NAME:LINE: ...". */
Err *machine_parse(Arena *a, const char *name, const char *text,
                   Machine **out) MUST_USE;
/* A machine without devices, and n more of one kind with `capacity` bytes each
 * (0: no limit); 1 to 64 in all.  Keeps name and kind. */
Machine *machine_new(Arena *a, const char *name);
Err *machine_add(Arena *a, Machine *m, const char *kind, int64_t n,
                 int64_t capacity) MUST_USE;
/* The two in one: 1 to 64 devices. */
Machine *machine_uniform(Arena *a, const char *kind, int n, int64_t capacity);

#endif
