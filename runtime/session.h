/* session.h - one sequence: token ids in, logits out.
 *
 * Cuts what it is fed into steps that the executor can do, counts positions and
 * checks ids.  One thread at a time. */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include <signal.h>

#include "runtime/executor.h"

typedef struct Session Session;

/* Takes over the executor, which starts out empty. */
Session *session_new(Executor *x);
void session_free(Session *s); /* closes the executor; NULL is fine */
const ExecutorInfo *session_info(const Session *s);

/* -1 if the model has no such entry point. */
int session_program(const Session *s, const char *name);

/* Tokens fed so far to a program: each counts for itself. */
int64_t session_past(const Session *s, int program);

/* What one step made: tokens [first, first + n) of those fed, of which `rows`
 * (counted from `first`) have logits.  Valid during the call.  An error ends
 * the feeding. */
typedef struct {
    int64_t first, n;
    const int32_t *rows;
    int64_t n_rows;
    StepResult result;
} Chunk;
typedef Err *ChunkFn(void *ctx, const Chunk *c);

typedef struct {
    int program;
    const int32_t *tokens;
    int64_t n;
    const float *hidden; /* [n, width] for programs that take it, else NULL */
    /* Logits are wanted for tokens [wanted, n); n: for none. */
    int64_t wanted;
    bool logits_only; /* and hidden vectors are not: they may be NULL */
    bool unread;      /* nor are the logits: they are for session_choose */
    ChunkFn *chunk; /* may be NULL */
    void *ctx;
} Feed;

/* Ids outside the vocabulary and more tokens than the context has room for are
 * errors, found before anything is computed.  After another error the sequence
 * is in an unknown state: reset it. */
Err *session_feed(Session *s, const Feed *f) MUST_USE;

/* Choosing tokens where the logits are, if that can be; behind a feed of which
 * the last token alone was wanted.  Nothing of this waits but
 * session_chosen. */
bool session_can_choose(const Session *s, int program, const Choosing *how);
Err *session_choose(Session *s, const Choosing *how) MUST_USE;
/* Queues a step of the token chosen last, which counts as fed from now on, and
 * the choice that follows it.  At most one more than session_chosen told. */
Err *session_choose_next(Session *s) MUST_USE;
/* Choice i since session_choose: the last that was queued, or the one before. */
Err *session_chosen(Session *s, int64_t i, int32_t *id) MUST_USE;

/* An empty sequence again, for all programs. */
Err *session_reset(Session *s) MUST_USE;

/* Remembers this point of the sequence; rewind goes back to it, any number of
 * times, until the next reset or mark.  Rewind without a mark is an error. */
Err *session_mark(Session *s) MUST_USE;
Err *session_rewind(Session *s) MUST_USE;

/* ERR_STOPPED if the flag of session_set_stop says so. */
Err *session_stopped(const Session *s) MUST_USE;

/* Ends session_feed between two steps with ERR_STOPPED while *flag is not 0;
 * a signal handler may set it.  NULL: never. */
void session_set_stop(Session *s, const volatile sig_atomic_t *flag);

#endif
