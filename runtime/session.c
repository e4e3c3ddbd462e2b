#include "runtime/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct Session {
    Executor *executor;
    int64_t *past;      /* by program */
    int64_t *marked;    /* past as it was at the mark */
    bool has_mark;
    int32_t *positions; /* [batch] */
    int32_t *rows;      /* [batch] */
    const volatile sig_atomic_t *stop;
};

static void *array(int64_t n, size_t size)
{
    void *p = calloc((size_t)n + 1, size);
    if (!p)
        abort();
    return p;
}

Session *session_new(Executor *x)
{
    Session *s = array(1, sizeof *s);
    s->executor = x;
    s->past = array(x->info.n_programs, sizeof *s->past);
    s->marked = array(x->info.n_programs, sizeof *s->marked);
    s->positions = array(x->info.batch, sizeof *s->positions);
    s->rows = array(x->info.batch, sizeof *s->rows);
    return s;
}

void session_free(Session *s)
{
    if (!s)
        return;
    s->executor->kind->close(s->executor);
    free(s->past);
    free(s->marked);
    free(s->positions);
    free(s->rows);
    free(s);
}

const ExecutorInfo *session_info(const Session *s)
{
    return &s->executor->info;
}

int session_program(const Session *s, const char *name)
{
    const ExecutorInfo *info = session_info(s);
    for (int i = 0; i < info->n_programs; i++)
        if (strcmp(info->program[i].name, name) == 0)
            return i;
    return -1;
}

int64_t session_past(const Session *s, int program) { return s->past[program]; }

void session_set_stop(Session *s, const volatile sig_atomic_t *flag)
{
    s->stop = flag;
}

static Err *check_feed(const Session *s, const Feed *f)
{
    const ExecutorInfo *info = session_info(s);
    const ProgramInfo *p = &info->program[f->program];
    int64_t room = info->context - s->past[f->program];
    if (f->n > room)
        return err_new(ERR_LIMIT,
                       "the context is full: %" PRId64 " tokens more, room for "
                       "%" PRId64 " of %" PRId64 " (--context=N makes it "
                       "larger)",
                       f->n, room, info->context);
    if (p->takes_hidden && !f->hidden)
        return err_new(ERR_INPUT, "entry point '%s' needs hidden vectors",
                       p->name);
    for (int64_t i = 0; i < f->n && p->vocabulary; i++)
        if (f->tokens[i] < 0 || f->tokens[i] >= p->vocabulary)
            return err_new(ERR_INPUT,
                           "token id %" PRId32 " is outside the vocabulary of "
                           "%" PRId64,
                           f->tokens[i], p->vocabulary);
    return NULL;
}

/* How many tokens from `at` on make one step: as many as fit the batch without
 * more wanted rows than a step can give. */
static int64_t step_length(const ExecutorInfo *info, const Feed *f, int64_t at)
{
    int64_t n = f->n - at < info->batch ? f->n - at : info->batch;
    int64_t unwanted = f->wanted > at ? f->wanted - at : 0;
    int64_t most = unwanted + info->outputs;
    return n < most ? n : most;
}

static Err *feed_step(Session *s, const Feed *f, int64_t at, int64_t n)
{
    const ProgramInfo *p = &session_info(s)->program[f->program];
    int64_t past = s->past[f->program];
    Chunk c = {.first = at, .n = n, .rows = s->rows};
    for (int64_t i = 0; i < n; i++) {
        s->positions[i] = (int32_t)(past + i);
        if (at + i >= f->wanted)
            s->rows[c.n_rows++] = (int32_t)i;
    }
    Step step = {.program = f->program,
                 .past = past,
                 .n = n,
                 .tokens = f->tokens + at,
                 .positions = s->positions,
                 .hidden = f->hidden ? f->hidden + at * p->width : NULL,
                 .rows = s->rows,
                 .n_rows = c.n_rows};
    TRY(s->executor->kind->step(s->executor, &step, &c.result));
    s->past[f->program] += n;
    return f->chunk ? f->chunk(f->ctx, &c) : NULL;
}

Err *session_feed(Session *s, const Feed *f)
{
    TRY(check_feed(s, f));
    for (int64_t at = 0, n; at < f->n; at += n) {
        if (s->stop && *s->stop)
            return err_new(ERR_STOPPED, "stopped");
        n = step_length(session_info(s), f, at);
        TRY(feed_step(s, f, at, n));
    }
    return NULL;
}

Err *session_reset(Session *s)
{
    for (int i = 0; i < session_info(s)->n_programs; i++)
        s->past[i] = 0;
    s->has_mark = false;
    return s->executor->kind->reset(s->executor);
}

Err *session_mark(Session *s)
{
    s->has_mark = false;
    TRY(s->executor->kind->mark(s->executor));
    for (int i = 0; i < session_info(s)->n_programs; i++)
        s->marked[i] = s->past[i];
    s->has_mark = true;
    return NULL;
}

Err *session_rewind(Session *s)
{
    if (!s->has_mark)
        return err_new(ERR_INPUT, "there is no mark to go back to");
    for (int i = 0; i < session_info(s)->n_programs; i++)
        s->past[i] = s->marked[i];
    return s->executor->kind->rewind(s->executor);
}
