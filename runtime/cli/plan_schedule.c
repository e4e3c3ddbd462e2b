#include "runtime/cli/plan_schedule.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
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
    FILE *f = open_memstream(&text, &n);
    if (!f)
        abort();
    buf_printf(&heading, "%s, prompt of %" PRId64 " tokens on %s", p->model,
               t->tokens, m->name);
    timeline_svg(heading.data, t, 1, f);
    fclose(f);
    Err *e = file_write(path, text, n);
    buf_free(&heading);
    free(text);
    return e;
}

/* Shorter chunks fill and drain the pipeline faster, but read the weights more
 * often: what halving --batch would do. */
static Err *print_shorter(Arena *a, PredictSpec spec, const Timeline *whole)
{
    enum { LEAST = 32 };
    TimelineUnit u = timeline_unit(whole, timeline_sums(whole).end);
    const char *before = "with --batch=";
    for (int i = 1; i <= 3 && whole->chunk_tokens >> i >= LEAST; i++) {
        Timeline t;
        spec.chunk = whole->chunk_tokens >> i;
        TRY(predict_prompt(a, &spec, &t));
        printf("%s%" PRId64 ": %.4g %s", before, spec.chunk,
               timeline_sums(&t).end * u.per_second, u.name);
        before = ", ";
    }
    if (*before == ',')
        putchar('\n');
    return NULL;
}

static Err *one_prompt(Arena *a, const Options *o, const TrafficMap *map,
                       const Machine *m, PredictSpec *spec, int i)
{
    Timeline t;
    spec->tokens = o->prompt_tokens.item[i];
    TRY(predict_prompt(a, spec, &t));
    if (o->json) {
        fputs(i ? "," : "", stdout);
        timeline_json(&t, stdout);
    } else {
        putchar('\n');
        timeline_print(&t, stdout);
        if (t.lanes > 1 && !t.relative)
            TRY(print_shorter(a, *spec, &t));
    }
    return o->svg ? draw(o->svg, map->plan, m, &t) : NULL;
}

Err *plan_schedule(Arena *a, const Options *o, const Plan *p, const Machine *m)
{
    TrafficMap map;
    PredictSpec spec = {.plan = p,
                        .program = plan_program(p, "main"),
                        .map = &map,
                        .link_bandwidth = m->link_bandwidth,
                        .link_latency = m->link_latency};
    if (!o->svg && !o->given[OPT_prompt_tokens])
        return NULL;
    if (!spec.program)
        return err_new(ERR_INPUT, "the model has no entry point 'main'");
    if (o->svg && o->prompt_tokens.n != 1)
        return err_new(ERR_USAGE, "--svg draws one prompt: give one length in "
                                  "--prompt-tokens");
    TRY(traffic_map(a, p, &map));
    if (o->json)
        fputs(",\"prompts\":[", stdout);
    for (int i = 0; i < o->prompt_tokens.n; i++)
        TRY(one_prompt(a, o, &map, m, &spec, i));
    if (o->json)
        putchar(']');
    return NULL;
}
