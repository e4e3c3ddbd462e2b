#include "runtime/cli/flight.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/memory.h"

void flight_add(Flight *f, Arena *a, const Executor *x, int program,
                const PredictSpec *s)
{
    int64_t n, batch = s->plan->batch, want = (s->tokens + batch - 1) / batch;
    const Span *span = exec_spans(x, program, &n);
    Timeline *t = &f->last;
    if (want < 2 || n != want)
        return;
    if (!f->span) {
        *t = (Timeline){.title = "measured, the last time",
                        .lanes = s->lanes,
                        .n_chunks = n,
                        .tokens = s->tokens,
                        .chunk_tokens = batch};
        t->n_rows = predict_rows(a, s->plan, s->program, &t->row);
        f->span = ARENA_ARRAY(a, Span, n * t->n_rows);
        t->span = f->span;
    }
    memcpy(f->span, span, (size_t)(n * t->n_rows) * sizeof *span);
    TimelineSums sums = timeline_sums(t);
    samples_add(&f->at_once, sums.at_once);
    samples_add(&f->idle, 100 * sums.idle);
}

void flight_report(Flight *f, Report *r)
{
    if (f->last.n_chunks == 0)
        return;
    report_int(r, "devices_in_flight", "  chunks in flight over",
               f->last.n_rows, "devices");
    report_int(r, "lanes", "  at once at most", f->last.lanes, "");
    report_samples(r, "devices_at_work", "  devices at work", &f->at_once, "");
    report_samples(r, "idle_percent", "  idle", &f->idle, "%");
}

/* One speed for all devices, the one that makes the work as long as measured. */
static Err *predict(const Flight *f, Arena *a, const PredictSpec *spec,
                    Timeline *out)
{
    TRY(predict_prompt(a, spec, out));
    predict_fit(a, out, timeline_sums(&f->last).busy);
    out->title = "predicted: one speed for all devices, such that the work "
                 "takes as long as measured";
    return NULL;
}

Err *flight_draw(const Flight *f, Arena *a, const PredictSpec *spec,
                 const char *path)
{
    Timeline both[2];
    Buf heading = {0};
    char *text = NULL;
    size_t n = 0;
    if (f->last.n_chunks == 0)
        return err_new(ERR_USAGE, "--svg: nothing to draw: that takes several "
                                  "--devices, a prompt longer than --batch, "
                                  "two --threads and no --profile");
    TRY(predict(f, a, spec, &both[0]));
    both[1] = f->last;
    FILE *out = memory_text(&text, &n);
    buf_printf(&heading, "%s, prompt of %" PRId64 " tokens, at most %d of %d "
                         "devices at work at once",
               spec->plan->model, spec->tokens, spec->lanes, f->last.n_rows);
    timeline_svg(heading.data, both, 2, out);
    fclose(out);
    Err *e = file_write(path, text, n);
    buf_free(&heading);
    free(text);
    return e;
}
