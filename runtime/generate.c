#include "runtime/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- chosen on the host */

typedef struct {
    Session *session;
    const Generate *g;
    int64_t most; /* tokens to choose, with what the context leaves */
    Sampler *sampler;
    int32_t *ids; /* those fed first, those chosen */
    int64_t n, room;
    int32_t next;
} Text;

static void add_token(Text *t, int32_t id)
{
    if (t->n == t->room) {
        t->room = t->room * 2 + 64;
        size_t bytes = (size_t)t->room * sizeof *t->ids;
        t->ids = memory_must(realloc(t->ids, bytes), bytes);
    }
    t->ids[t->n++] = id;
}

/* The step that ends with wanted logits chooses the next token. */
static Err *pick(void *ctx, const Chunk *c)
{
    Text *t = ctx;
    if (c->n_rows == 0)
        return NULL;
    SamplerInput in = {.logits = c->result.logits,
                       .history = t->ids,
                       .n_history = t->n,
                       .position = (uint64_t)t->n};
    return sampler_pick(t->sampler, t->g->params, &in, &t->next);
}

static Err *feed_and_pick(Text *t, const int32_t *tokens, int64_t n)
{
    return session_feed(t->session, &(Feed){.program = t->g->program,
                                            .tokens = tokens,
                                            .n = n,
                                            .wanted = n - 1,
                                            .logits_only = true,
                                            .chunk = pick,
                                            .ctx = t});
}

static Err *run_on_host(Text *t)
{
    const Generate *g = t->g;
    bool more = true;
    for (int64_t i = 0; i < g->n; i++)
        add_token(t, g->tokens[i]);
    TRY(feed_and_pick(t, g->tokens, g->n));
    for (int64_t made = 1;; made++) {
        add_token(t, t->next);
        TRY(g->token(g->ctx, t->next, &more));
        if (!more || made == t->most)
            return NULL;
        TRY(feed_and_pick(t, &t->ids[t->n - 1], 1));
    }
}

static Err *generate_on_host(Text *t)
{
    t->sampler = sampler_new(t->g->vocab);
    Err *e = run_on_host(t);
    sampler_free(t->sampler);
    free(t->ids);
    return e;
}

/* ---- chosen on a device */

/* One step is under way while the host looks at the token that it is fed with:
 * a token chosen is always one of the text, whatever it turns out to be. */
static Err *run_on_device(Text *t)
{
    const Generate *g = t->g;
    bool more = true;
    for (int64_t i = 0;; i++) {
        int32_t id;
        bool next = i + 1 < t->most;
        if (next)
            TRY(session_choose_next(t->session));
        TRY(session_chosen(t->session, i, &id));
        TRY(g->token(g->ctx, id, &more));
        if (!more && next) { /* nobody wants to know what would follow */
            Err *e = session_chosen(t->session, i + 1, &id);
            bool logits = e && err_code(e) == ERR_INPUT;
            err_free(logits ? e : NULL);
            return logits ? NULL : e;
        }
        if (!next)
            return NULL;
        TRY(session_stopped(t->session));
    }
}

static Err *generate_on_device(Text *t, const Choosing *how)
{
    const Generate *g = t->g;
    TRY(session_feed(t->session, &(Feed){.program = g->program,
                                         .tokens = g->tokens,
                                         .n = g->n,
                                         .wanted = g->n - 1,
                                         .logits_only = true,
                                         .unread = true}));
    TRY(session_choose(t->session, how));
    return run_on_device(t);
}

/* ---- both */

Err *generate(Session *s, const Generate *g)
{
    int64_t room = session_info(s)->context - session_past(s, g->program);
    int64_t most = room - g->n + 1; /* the last one need not be fed */
    Choosing how = {g->params, g->vocab, g->tokens, g->n, (uint64_t)g->n};
    Text t = {.session = s,
              .g = g,
              .most = g->most && g->most < most ? g->most : most};
    return !g->on_host && session_can_choose(s, g->program, &how)
               ? generate_on_device(&t, &how)
               : generate_on_host(&t);
}
