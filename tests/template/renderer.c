/* renderer.c - renders many templates in one process, for the tests beside it.
 *
 * Each request is a line "T C", then T bytes of template and C bytes of JSON;
 * T is 0 for the template before.  Each answer is a line "K N" and N bytes:
 * K is o (the text), s (does not parse), e (an error), r (raised), l (a limit).
 *
 * Every template that parses is also printed, parsed again, printed again and
 * rendered again: what differs is answered with K = x. */
#include <stdio.h>
#include <string.h>

#include "runtime/jinja/template.h"
#include "runtime/json.h"

static const struct tm now = {.tm_year = 126,
                              .tm_mday = 2,
                              .tm_hour = 3,
                              .tm_min = 4,
                              .tm_sec = 5,
                              .tm_wday = 5,
                              .tm_yday = 1};

static void answer(char kind, const char *p, size_t n)
{
    printf("%c %zu\n", kind, n);
    fwrite(p, 1, n, stdout);
    fflush(stdout);
}

static void answer_error(Err *e, char kind)
{
    if (err_code(e) == ERR_RAISED)
        kind = 'r';
    if (err_code(e) == ERR_LIMIT)
        kind = 'l';
    answer(kind, err_text(e), strlen(err_text(e)));
    err_free(e);
}

static char *read_bytes(Arena *a, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    if (fread(p, 1, n, stdin) != n)
        exit(3);
    return p;
}

/* The template again by way of its printed text. */
static Template *printed(Arena *a, const Template *t)
{
    Buf once = {0}, twice = {0};
    Template *again = NULL;
    template_print(t, &once);
    Err *e = template_parse(a, once.data, once.n, &again);
    if (e)
        fprintf(stderr, "printed text does not parse: %s\n%s\n", err_text(e),
                once.data);
    else
        template_print(again, &twice);
    bool same =
        !e && once.n == twice.n && memcmp(once.data, twice.data, once.n) == 0;
    err_free(e);
    buf_free(&once);
    buf_free(&twice);
    return same ? again : NULL;
}

static bool equal(const Str *s, Err *e, const Str *t, Err *f)
{
    if (e || f)
        return e && f && err_code(e) == err_code(f);
    return str_equal(s, t);
}

static void render(Arena *a, const Template *t, const Template *again,
                   const Dict *context)
{
    const Str *text = NULL, *other = NULL;
    TemplateInput in = {.context = context, .now = &now};
    Err *e = template_render(a, t, &in, &text, NULL);
    Err *f = template_render(a, again, &in, &other, NULL);
    if (!equal(text, e, other, f))
        answer('x', "", 0);
    else if (e)
        answer_error(e, 'e'), e = NULL;
    else
        answer('o', text->p, text->n);
    err_free(e);
    err_free(f);
}

int main(void)
{
    Arena *kept = arena_new();
    Template *t = NULL, *again = NULL;
    size_t nt, nc;
    while (scanf("%zu %zu", &nt, &nc) == 2 && getchar() == '\n') {
        Arena *a = arena_new();
        Value context;
        Err *e = NULL;
        if (nt) {
            arena_free(kept);
            kept = arena_new();
            e = template_parse(kept, read_bytes(kept, nt), nt, &t);
            again = e ? NULL : printed(kept, t);
        }
        char *json = read_bytes(a, nc);
        if (e)
            answer_error(e, 's');
        else if (!t)
            answer('s', "", 0);
        else if (!again)
            answer('x', "", 0);
        else if ((e = json_read(a, json, nc, &context)))
            answer_error(e, 'e');
        else
            render(a, t, again, context.dict);
        arena_free(a);
    }
    arena_free(kept);
    return 0;
}
