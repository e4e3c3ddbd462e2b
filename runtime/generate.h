/* generate.h - a text: tokens in, then one chosen after the other.
 *
 * Tokens are chosen where the logits are if the executor does that (a card, if
 * the list of biases is not far longer than the vocabulary), else by sampler.h
 * on the host; both choose alike (docs/runtime.md says how
 * nearly). */
#ifndef RUNTIME_GENERATE_H
#define RUNTIME_GENERATE_H

#include "runtime/sampler.h"
#include "runtime/session.h"

/* A token was chosen; *more = false: it is the last one. */
typedef Err *GenerateFn(void *ctx, int32_t id, bool *more);

typedef struct {
    int program;
    const int32_t *tokens; /* [n], n >= 1: fed first */
    int64_t n;
    const SamplerParams *params; /* passed sampler_check */
    int32_t vocab;  /* ids that may be chosen, as for sampler_new */
    int64_t most;   /* tokens to choose at most; 0: as the context has room */
    bool on_host;   /* do not choose on a device */
    GenerateFn *token;
    void *ctx;
} Generate;

/* Penalties see the fed tokens and those chosen; positions count from the first
 * fed token.
 *
 * Ends without error when `token` says so, after `most` tokens, or when the
 * context has no room to feed the last one.  What was fed then: all but the
 * last token, and where a device chose them the last, too, unless there was no
 * more to come anyway (it was under way when the host saw it): session_past
 * says which.  So a chat that goes on feeds what is missing behind
 * session_past, or rewinds to a mark.
 * ERR_STOPPED as session_feed. */
Err *generate(Session *s, const Generate *g) MUST_USE;

#endif
