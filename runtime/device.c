#include "runtime/device.h"

#include <inttypes.h>
#include <string.h>

static const DeviceKind *const kinds[] = {&device_host, &device_cuda};

static Err *check_capacity(const PlanDevice *d)
{
    int64_t need = d->weights + d->states + d->scratch + d->reserve;
    if (d->capacity == 0 || need <= d->capacity)
        return NULL;
    return err_new(ERR_LIMIT,
                   "%s: %" PRId64 " bytes of weights, states, scratch and "
                   "reserve are %" PRId64 " more than its memory",
                   d->name, need, need - d->capacity);
}

Err *device_open(const DeviceSpec *s, Device **out)
{
    const PlanDevice *d = s->plan;
    *out = NULL;
    TRY(check_capacity(d));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i]->kind, d->kind) == 0)
            return kinds[i]->open(s, out);
    return err_new(ERR_LIMIT, "%s: this build has no devices of kind '%s'",
                   d->name, d->kind);
}

void device_close(Device *d)
{
    if (d)
        d->kind->close(d);
}
