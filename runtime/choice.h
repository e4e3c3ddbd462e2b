/* choice.h - how the tokens of a sequence are to be chosen, by whoever has the
 * logits. */
#ifndef RUNTIME_CHOICE_H
#define RUNTIME_CHOICE_H

#include "runtime/sampler.h"

/* Borrowed during the call that takes it.  The first token is chosen as
 * sampler_pick would with this history and position; each one chosen joins the
 * history of the next. */
typedef struct {
    const SamplerParams *params; /* passed sampler_check */
    int32_t vocab;               /* as for sampler_new */
    const int32_t *history;
    int64_t n_history;
    uint64_t position;
} Choosing;

#endif
