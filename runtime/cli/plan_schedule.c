#include "runtime/cli/plan_schedule.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/memory.h"
#include "runtime/cli/predict.h"

int64_t plan_schedule_context(const Options *o)
{
    int64_t most = 0;
    for (int i = 0; i < o->prompt_tokens.n && o->given[OPT_prompt_tokens]; i++)
        if (o->prompt_tokens.item[i] > most)
            most = o->prompt_tokens.item[i];
    return most;
}

static Err *draw(const char *path, const Plan *p, const Machine *m,
                 const Timeline *t)
{
    Buf heading = {0};
    char *text = NULL;
    size_t n = 0;
    FILE *f = memory_text(&text, &n);
    buf_printf(&heading, "%s, prompt of %" PRId64 " tokens on %s", p->model,
               t->tokens, m->name);
    timeline_svg(heading.data, t, 1, f);
    fclose(f);
    Err *e = file_write(path, text, n);
    buf_free(&heading);
    free(text);
    return e;
}

typedef struct {
    Arena *arena;
    const Options *o;
    const Machine *m;
    TrafficMap map;
    PredictSpec spec;
    FILE *f;
} Report;

/* Shorter chunks fill and drain the pipeline faster, but read the weights more
 * often: what halving --batch would do. */
static Err *print_shorter(Report *r, const Timeline *whole)
{
    enum { LEAST = 32 };
    TimelineUnit u = timeline_unit(whole, timeline_sums(whole).end);
    PredictSpec spec = r->spec;
    const char *before = "with --batch=";
    for (int i = 1; i <= 3 && whole->chunk_tokens >> i >= LEAST; i++) {
        Timeline t;
        spec.chunk = whole->chunk_tokens >> i;
        TRY(predict_prompt(r->arena, &spec, &t));
        fprintf(r->f, "%s%" PRId64 ": %.4g %s", before, spec.chunk,
                timeline_sums(&t).end * u.per_second, u.name);
        before = ", ";
    }
    if (*before == ',')
        fputc('\n', r->f);
    return NULL;
}

static Err *one_prompt(Report *r, int i)
{
    Timeline t;
    r->spec.tokens = r->o->prompt_tokens.item[i];
    TRY(predict_prompt(r->arena, &r->spec, &t));
    if (r->o->json) {
        fputs(i ? "," : "", r->f);
        timeline_json(&t, r->f);
    } else {
        fputc('\n', r->f);
        timeline_print(&t, r->f);
        if (t.lanes > 1 && !t.relative)
            TRY(print_shorter(r, &t));
    }
    return r->o->svg ? draw(r->o->svg, r->spec.plan, r->m, &t) : NULL;
}

static Err *all_prompts(Report *r)
{
    if (r->o->json)
        fputs(",\"prompts\":[", r->f);
    for (int i = 0; i < r->o->prompt_tokens.n; i++)
        TRY(one_prompt(r, i));
    if (r->o->json)
        fputc(']', r->f);
    return NULL;
}

Err *plan_schedule(Arena *a, const Options *o, const Plan *p, const Machine *m,
                   FILE *f)
{
    Report r = {.arena = a, .o = o, .m = m, .f = f};
    r.spec = (PredictSpec){.plan = p,
                           .program = plan_program(p, "main"),
                           .map = &r.map,
                           .link_bandwidth = m->link_bandwidth,
                           .link_latency = m->link_latency};
    if (!o->svg && !o->given[OPT_prompt_tokens])
        return NULL;
    if (!r.spec.program)
        return err_new(ERR_INPUT, "the model has no entry point 'main'");
    if (o->svg && o->prompt_tokens.n != 1)
        return err_new(ERR_USAGE, "--svg draws one prompt: give one length in "
                                  "--prompt-tokens");
    TRY(traffic_map(a, p, &r.map));
    return all_prompts(&r);
}
