#include "runtime/flow.h"

#include "runtime/plan.h"

void flow_init(Flow *f, int n_stages, int lanes, int64_t n_chunks)
{
    *f = (Flow){.n_stages = n_stages, .lanes = lanes, .n_chunks = n_chunks};
}

static bool may_begin(const Flow *f, int s)
{
    int64_t c = f->done[s];
    bool last = s == f->n_stages - 1;
    if (f->busy[s] || c == f->n_chunks)
        return false;
    if (s > 0 && f->done[s - 1] <= c)
        return false; /* has not arrived */
    return last ? f->taken == c : f->done[s + 1] + PLAN_SLOTS > c;
}

/* Later stages hold older chunks. */
bool flow_next(Flow *f, FlowWork *out)
{
    if (f->n_busy == f->lanes)
        return false;
    for (int s = f->n_stages - 1; s >= 0; s--)
        if (may_begin(f, s)) {
            f->busy[s] = true;
            f->n_busy++;
            *out = (FlowWork){s, f->done[s]};
            return true;
        }
    return false;
}

void flow_done(Flow *f, int stage)
{
    f->busy[stage] = false;
    f->n_busy--;
    f->done[stage]++;
}
