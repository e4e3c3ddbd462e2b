#include "runtime/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct Session {
    Executor *executor;
    int64_t *past;   /* by program */
    int64_t *marked; /* past as it was at the mark */
    bool has_mark;
    /* The feed in hand, cut into steps. */
    Step *step;
    int64_t n_steps, step_room;
    int32_t *positions, *rows; /* [n of the feed] */
    int64_t token_room;
    Step chooses; /* the step in hand of those that choose their tokens */
    int32_t position;
    const volatile sig_atomic_t *stop;
};

Session *session_new(Executor *x)
{
    Session *s = memory_array(1, sizeof *s);
    s->executor = x;
    s->past = memory_array(x->info.n_programs, sizeof *s->past);
    s->marked = memory_array(x->info.n_programs, sizeof *s->marked);
    return s;
}

void session_free(Session *s)
{
    if (!s)
        return;
    s->executor->kind->close(s->executor);
    free(s->past);
    free(s->marked);
    free(s->step);
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

/* Room for `more` than there is; old contents may go. */
static void *room(void *at, int64_t more, int64_t *have, size_t size)
{
    if (more <= *have)
        return at;
    free(at);
    *have = more;
    return memory_array(more, size);
}

static void make_room(Session *s, const Feed *f)
{
    int64_t have = s->token_room;
    s->positions = room(s->positions, f->n, &have, sizeof *s->positions);
    s->rows = room(s->rows, f->n, &s->token_room, sizeof *s->rows);
    int64_t steps = 0;
    for (int64_t at = 0; at < f->n; steps++)
        at += step_length(session_info(s), f, at);
    s->step = room(s->step, steps, &s->step_room, sizeof *s->step);
    s->n_steps = steps;
}

/* Tokens [at, at + n) of the feed. */
static Step make_step(Session *s, const Feed *f, int64_t at, int64_t n)
{
    const ProgramInfo *p = &session_info(s)->program[f->program];
    int64_t past = s->past[f->program] + at;
    Step step = {.program = f->program,
                 .past = past,
                 .n = n,
                 .tokens = f->tokens + at,
                 .positions = s->positions + at,
                 .hidden = f->hidden ? f->hidden + at * p->width : NULL,
                 .rows = s->rows + at,
                 .logits_only = f->logits_only,
                 .unread = f->unread};
    for (int64_t i = 0; i < n; i++) {
        s->positions[at + i] = (int32_t)(past + i);
        if (at + i >= f->wanted)
            s->rows[at + step.n_rows++] = (int32_t)i;
    }
    return step;
}

typedef struct {
    Session *s;
    const Feed *f;
    int64_t past; /* before the feed */
} Feeding;

Err *session_stopped(const Session *s)
{
    return s->stop && *s->stop ? err_new(ERR_STOPPED, "stopped") : NULL;
}

static Err *step_done(void *ctx, int64_t i, const StepResult *r)
{
    const Feeding *g = ctx;
    Session *s = g->s;
    const Step *t = &s->step[i];
    Chunk c = {.first = t->past - g->past,
               .n = t->n,
               .rows = t->rows,
               .n_rows = t->n_rows,
               .result = *r};
    s->past[g->f->program] += t->n;
    if (g->f->chunk)
        TRY(g->f->chunk(g->f->ctx, &c));
    return i + 1 < s->n_steps ? session_stopped(s) : NULL;
}

static Err *run_steps(Session *s, const Feed *f)
{
    Executor *x = s->executor;
    Feeding g = {s, f, s->past[f->program]};
    if (x->kind->steps)
        return x->kind->steps(x, s->step, s->n_steps, step_done, &g);
    for (int64_t i = 0; i < s->n_steps; i++) {
        StepResult r;
        TRY(x->kind->step(x, &s->step[i], &r));
        TRY(step_done(&g, i, &r));
    }
    return NULL;
}

Err *session_feed(Session *s, const Feed *f)
{
    TRY(check_feed(s, f));
    TRY(session_stopped(s));
    make_room(s, f);
    int64_t at = 0;
    for (int64_t i = 0; i < s->n_steps; i++) {
        int64_t n = step_length(session_info(s), f, at);
        s->step[i] = make_step(s, f, at, n);
        at += n;
    }
    return s->n_steps ? run_steps(s, f) : NULL;
}

/* ---- choosing tokens where the logits are */

bool session_can_choose(const Session *s, int program, const Choosing *how)
{
    const ExecutorKind *kind = s->executor->kind;
    return kind->can_choose && kind->can_choose(s->executor, program, how);
}

Err *session_choose(Session *s, const Choosing *how)
{
    s->chooses = s->step[s->n_steps - 1];
    return s->executor->kind->choose_begin(s->executor, &s->chooses, how);
}

Err *session_choose_next(Session *s)
{
    Step *t = &s->chooses;
    int64_t *past = &s->past[t->program];
    static const int32_t row = 0;
    if (*past >= session_info(s)->context)
        return err_new(ERR_LIMIT, "the context of %" PRId64 " tokens is full",
                       session_info(s)->context);
    s->position = (int32_t)*past;
    *t = (Step){.program = t->program,
                .past = *past,
                .n = 1,
                .positions = &s->position,
                .rows = &row,
                .n_rows = 1,
                .logits_only = true,
                .unread = true};
    ++*past;
    return s->executor->kind->choose_next(s->executor, t);
}

Err *session_chosen(Session *s, int64_t i, int32_t *id)
{
    return s->executor->kind->chosen(s->executor, i, id);
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
