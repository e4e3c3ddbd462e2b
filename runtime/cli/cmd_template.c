/* cmd_template.c - `sextet template FILE.jinja|MODEL.gguf --context=FILE.json`:
 * a chat template rendered with any context.  Prints the text and nothing
 * else; where the template raises, its message is the error. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "runtime/cli/options.h"
#include "runtime/gguf.h"
#include "runtime/jinja/template.h"
#include "runtime/json.h"

enum { MAX_CONTEXT = 64 << 20 };

static bool is_model(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".gguf") == 0;
}

static Err *template_of_model(Arena *a, const char *path, char **text,
                              size_t *n)
{
    Err *e = NULL;
    Gguf *g = NULL;
    DO(gguf_open(path, &g));
    const MetaValue *v = model_meta(gguf_info(g), "tokenizer.chat_template");
    if (!v || v->kind != META_STRING || v->n < 1)
        DO(err_new(ERR_INPUT, "%s has no chat template", path));
    *n = v->lengths[0];
    *text = arena_strndup(a, v->strings[0], *n);
out:
    gguf_close(g);
    return e;
}

static Err *read_template(Arena *a, const char *path, char **text, size_t *n)
{
    if (is_model(path))
        return template_of_model(a, path, text, n);
    return file_read(a, path, TEMPLATE_MAX_BYTES, text, n);
}

static Err *read_context(Arena *a, const char *path, Value *out)
{
    char *text = NULL;
    size_t n = 0;
    *out = value_dict(dict_new(a));
    if (!path)
        return NULL;
    if (strcmp(path, "-") == 0)
        TRY(file_read_fd(a, STDIN_FILENO, "standard input", MAX_CONTEXT, &text,
                         &n));
    else
        TRY(file_read(a, path, MAX_CONTEXT, &text, &n));
    Err *e = json_read(a, text, n, out);
    if (e)
        return err_note(e, "%s", path);
    if (out->kind != VALUE_DICT)
        return err_new(ERR_INPUT, "%s: the context must be a JSON object",
                       path);
    return NULL;
}

/* "2026-01-02", with "T03:04:05" or " 03:04" behind it if wanted. */
static Err *parse_time(const char *s, struct tm *tm)
{
    int day = 0, end = 0;
    char gap = 0;
    *tm = (struct tm){.tm_isdst = -1};
    int got = sscanf(s, "%4d-%2d-%2d%n%c%2d:%2d%n:%2d%n", &tm->tm_year,
                     &tm->tm_mon, &tm->tm_mday, &day, &gap, &tm->tm_hour,
                     &tm->tm_min, &end, &tm->tm_sec, &end);
    bool whole = got == 3 ? s[day] == '\0'
                          : got >= 6 && (gap == 'T' || gap == ' ') &&
                                (size_t)end == strlen(s);
    tm->tm_year -= 1900;
    tm->tm_mon--;
    struct tm given = *tm;
    if (!whole || mktime(tm) == (time_t)-1 || tm->tm_mday != given.tm_mday ||
        tm->tm_mon != given.tm_mon || tm->tm_hour != given.tm_hour ||
        tm->tm_min != given.tm_min)
        return err_new(ERR_USAGE,
                       "--now=%.60s: expected a time such as "
                       "2026-01-02T03:04:05",
                       s);
    return NULL;
}

Err *cmd_template(const Options *o)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Template *t = NULL;
    Value context;
    struct tm now;
    const Str *out = NULL;
    char *text = NULL;
    size_t n = 0;
    if (o->now)
        DO(parse_time(o->now, &now));
    DO(read_template(a, o->args[0], &text, &n));
    if ((e = template_parse(a, text, n, &t))) {
        e = err_note(e, "%s", o->args[0]);
        goto out;
    }
    DO(read_context(a, o->context__file, &context));
    TemplateInput in = {.context = context.dict, .now = o->now ? &now : NULL};
    e = template_render(a, t, &in, &out, NULL);
    if (e)
        e = err_note(e, "%s", o->args[0]);
    else
        fwrite(out->p, 1, out->n, stdout);
out:
    arena_free(a);
    return e;
}
