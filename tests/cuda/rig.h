/* rig.h - the tables of kernel checks (runtime/cli/kernel_cases.h) in the
 * emulation.
 *
 * Units are compiled several at a time: one file that includes what they
 * include and holds each in a namespace of its own. */
#ifndef TESTS_CUDA_RIG_H
#define TESTS_CUDA_RIG_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cuda/emulator.h"
#include "runtime/cli/kernel_check.h"

enum { RIG_PAGE = 4096, RIG_PIECE = 12, RIG_PIECES = 200, RIG_THREADS = 2 };

/* Some units as one source. */
typedef struct {
    Buf source;
    EmuUnit *unit;
    char *error;
} RigPiece;

typedef struct {
    const CudaCode *code;
    EmuHeader *header;
    RigPiece piece[RIG_PIECES];
    int n, next;
    pthread_mutex_t lock;
} Rig;

/* ---- sources ---- */

static inline bool rig_is_include(const char *line)
{
    return strncmp(line, "#include", 8) == 0;
}

/* The lines of a unit that are includes, or those that are not. */
static inline void rig_add_lines(Buf *b, const char *text, bool includes)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        n += text[n] == '\n';
        if (rig_is_include(text) == includes)
            buf_add(b, text, n);
        text += n;
    }
}

static inline void rig_add_piece(Rig *r, int first, int end)
{
    RigPiece *p = &r->piece[r->n++];
    const CudaSource *unit = r->code->unit;
    for (int i = first; i < end; i++)
        rig_add_lines(&p->source, unit[i].source, true);
    for (int i = first; i < end; i++) {
        buf_printf(&p->source, "namespace n%d {\n", i);
        rig_add_lines(&p->source, unit[i].source, false);
        buf_puts(&p->source, "}\n");
    }
}

static inline void *rig_compile(void *ctx)
{
    Rig *r = ctx;
    for (;;) {
        pthread_mutex_lock(&r->lock);
        RigPiece *p = r->next < r->n ? &r->piece[r->next++] : NULL;
        pthread_mutex_unlock(&r->lock);
        if (!p)
            return NULL;
        p->unit = emu_compile(p->source.data, r->header, r->code->n_headers);
        if (!p->unit)
            p->error = strdup(emu_error());
    }
}

static inline Err *rig_load(void *ctx, const CudaCode *code)
{
    Rig *r = ctx;
    pthread_t other[RIG_THREADS];
    r->code = code;
    r->header = calloc((size_t)code->n_headers + 1, sizeof *r->header);
    for (int i = 0; i < code->n_headers; i++)
        r->header[i] =
            (EmuHeader){code->header[i].name, code->header[i].source};
    cr_assert(code->n_units <= RIG_PIECE * RIG_PIECES);
    for (int i = 0; i < code->n_units; i += RIG_PIECE)
        rig_add_piece(r, i,
                      i + RIG_PIECE < code->n_units ? i + RIG_PIECE
                                                    : code->n_units);
    for (int i = 0; i < RIG_THREADS; i++)
        cr_assert(!pthread_create(&other[i], NULL, rig_compile, r));
    for (int i = 0; i < RIG_THREADS; i++)
        pthread_join(other[i], NULL);
    for (int i = 0; i < r->n; i++)
        if (r->piece[i].error)
            return err_new(ERR_DEVICE, "%s", r->piece[i].error);
    return NULL;
}

static inline void rig_unload(void *ctx)
{
    Rig *r = ctx;
    for (int i = 0; i < r->n; i++) {
        emu_close(r->piece[i].unit);
        buf_free(&r->piece[i].source);
        free(r->piece[i].error);
    }
    free(r->header);
    r->header = NULL;
    r->n = 0;
}

/* ---- launches and memory ---- */

static inline Err *rig_run(void *ctx, const KernelRun *k)
{
    const Rig *r = ctx;
    EmuUnit *unit = r->piece[k->unit / RIG_PIECE].unit;
    const char *e = emu_launch(unit, k->symbol, k->x, k->y, k->threads,
                               k->shared, k->call, k->call_bytes, k->seed);
    return e ? err_new(ERR_DEVICE, "%s", e) : NULL;
}

/* Memory ends where a page that may not be touched begins; the page before it
 * keeps the sizes. */
static inline Err *rig_alloc(void *ctx, int64_t n, uint8_t **out)
{
    size_t room = ((size_t)n + RIG_PAGE - 1) / RIG_PAGE * RIG_PAGE;
    (void)ctx;
    uint8_t *p = aligned_alloc(RIG_PAGE, room + 2 * RIG_PAGE);
    cr_assert(p);
    memcpy(p, &room, sizeof room);
    cr_assert(!mprotect(p + RIG_PAGE + room, RIG_PAGE, PROT_NONE));
    *out = p + RIG_PAGE + room - (size_t)n;
    return NULL;
}

static inline void rig_release(void *ctx, uint8_t *at)
{
    size_t room;
    uint8_t *p = at - (uintptr_t)at % RIG_PAGE - RIG_PAGE;
    (void)ctx;
    memcpy(&room, p, sizeof room);
    cr_assert(!mprotect(p + RIG_PAGE + room, RIG_PAGE, PROT_READ | PROT_WRITE));
    free(p);
}

static inline Err *rig_write(void *ctx, uint8_t *to, const void *from,
                             int64_t n)
{
    (void)ctx;
    memcpy(to, from, (size_t)n);
    return NULL;
}

static inline Err *rig_read(void *ctx, const uint8_t *from, void *to, int64_t n)
{
    (void)ctx;
    memcpy(to, from, (size_t)n);
    return NULL;
}

/* ---- checks ---- */

static inline void rig_verdict(void *ctx, const KernelVerdict *v)
{
    (void)ctx;
    if (v->fault)
        cr_expect_fail("%s, %s, %s: %s", v->check, v->step, v->value, v->fault);
    else
        cr_expect(v->passed, "%s, %s, %s: error %g of %g, worst element %g RMS",
                  v->check, v->step, v->value, v->error, v->limit, v->worst);
}

/* r: zeros; holds the machine. */
static inline KernelMachine rig_machine(Rig *r)
{
    pthread_mutex_init(&r->lock, NULL);
    return (KernelMachine){.ctx = r, .multiprocessors = 3, .load = rig_load,
                           .unload = rig_unload, .run = rig_run,
                           .alloc = rig_alloc, .release = rig_release,
                           .write = rig_write, .read = rig_read};
}

/* All checks of a table. */
static inline void rig_check(const KernelCase *table)
{
    Rig *r = calloc(1, sizeof *r);
    KernelMachine m = rig_machine(r);
    Err *e = kernel_check(&m, table, (KernelReport){r, rig_verdict});
    cr_expect_null(e, "%s", e ? err_text(e) : "");
    err_free(e);
    free(r);
}

#endif
