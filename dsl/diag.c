#include "dsl/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

Diags *diag_new(const Source *s)
{
    Diags *d = ARENA_NEW(s->a, Diags);
    d->source = s;
    return d;
}

static const char *format(const Diags *d, const char *fmt, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    return arena_strndup(d->source->a, text, strlen(text));
}

static Diag *make(const Diags *d, DiagLevel level, Span at, const char *text)
{
    Diag *m = ARENA_NEW(d->source->a, Diag);
    m->level = level;
    m->span = at;
    m->text = text;
    return m;
}

static int stands_already(const Diags *d, DiagLevel level, Span at)
{
    for (const Diag *m = d->first; m; m = m->next)
        if (m->level == level && m->span.begin == at.begin &&
            m->span.end == at.end)
            return 1;
    return 0;
}

/* A message that is dropped still is a Diag: notes may hang on it. */
static Diag *keep(Diags *d, Diag *m, int *count)
{
    if (stands_already(d, m->level, m->span))
        return m;
    if (*count >= DIAG_MAX) {
        d->n_dropped += m->level == DIAG_ERROR;
        return m;
    }
    ++*count;
    if (d->last)
        d->last->next = m;
    else
        d->first = m;
    d->last = m;
    return m;
}

Diag *diag_error(Diags *d, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Diag *m = make(d, DIAG_ERROR, at, format(d, fmt, ap));
    va_end(ap);
    return keep(d, m, &d->n_errors);
}

Diag *diag_warning(Diags *d, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Diag *m = make(d, DIAG_WARNING, at, format(d, fmt, ap));
    va_end(ap);
    return keep(d, m, &d->n_warnings);
}

void diag_note(Diags *d, Diag *on, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Diag *m = make(d, DIAG_NOTE, at, format(d, fmt, ap));
    va_end(ap);
    Diag **end = &on->notes;
    while (*end)
        end = &(*end)->next;
    *end = m;
}

int diag_full(const Diags *d) { return d->n_errors >= DIAG_MAX; }

/* ---- printing --------------------------------------------------------- */

static const char *const level_names[] = {"error", "warning", "note"};

enum { WINDOW = 160 };

/* Of a very long line only what surrounds the place is shown. */
static void narrow(Place *p)
{
    if (p->n > WINDOW) {
        size_t from = p->at > WINDOW / 2 ? p->at - WINDOW / 2 : 0;
        while (from > 0 && ((unsigned char)p->text[from] & 0xC0) == 0x80)
            from--;
        p->text += from;
        p->at -= from;
        p->n -= from;
    }
    if (p->n > WINDOW)
        p->n = WINDOW;
}

/* Tabs as blanks; control characters must not reach a terminal. */
static void put_line(const Place *p, Buf *out)
{
    buf_puts(out, "    ");
    for (size_t i = 0; i < p->n; i++) {
        const char *c = &p->text[i];
        bool control = (unsigned char)*c < 0x20 || *c == 0x7F;
        buf_add(out, *c == '\t' ? " " : control ? "?" : c, 1);
    }
    buf_puts(out, "\n");
}

static void put_repeated(const Place *p, size_t from, size_t to,
                         const char *mark, Buf *out)
{
    for (size_t i = from; i < to; i++)
        if (((unsigned char)p->text[i] & 0xC0) != 0x80)
            buf_puts(out, mark);
}

/* ^~~~ under the part of the span that lies in its first line. */
static void put_marks(const Place *p, Span span, Buf *out)
{
    size_t end = p->at + (span.end - span.begin);
    if (end > p->n)
        end = p->n;
    buf_puts(out, "    ");
    put_repeated(p, 0, p->at, " ", out);
    buf_puts(out, "^");
    if (end > p->at)
        put_repeated(p, p->at + 1, end, "~", out);
    buf_puts(out, "\n");
}

static void put(const Diags *d, const Diag *m, Buf *out)
{
    Place p = source_place(d->source, m->span.begin);
    buf_printf(out, "%s:%d:%d: %s: %s\n", p.file->path, p.line, p.column,
               level_names[m->level], m->text);
    narrow(&p);
    put_line(&p, out);
    put_marks(&p, m->span, out);
    for (const Diag *n = m->notes; n; n = n->next)
        put(d, n, out);
}

void diag_print(const Diags *d, Buf *out)
{
    const Diag *list[2 * DIAG_MAX];
    int n = 0;
    for (const Diag *m = d->first; m; m = m->next) {
        if (m->level == DIAG_WARNING && d->n_errors > 0)
            continue; /* likely a consequence */
        int i = n++;
        for (; i > 0 && list[i - 1]->span.begin > m->span.begin; i--)
            list[i] = list[i - 1];
        list[i] = m;
    }
    for (int i = 0; i < n; i++)
        put(d, list[i], out);
    if (d->n_dropped)
        buf_printf(out, "%d more error%s not shown\n", d->n_dropped,
                   d->n_dropped == 1 ? "" : "s");
}

Err *diag_result(const Diags *d)
{
    int n = d->n_errors + d->n_dropped;
    if (n == 0)
        return NULL;
    return err_new(ERR_INPUT, "%s: %d error%s", d->source->files[0].path, n,
                   n == 1 ? "" : "s");
}

/* ---- suggestions ------------------------------------------------------ */

enum { GUESS_MAX_LENGTH = 63, GUESS_DISTANCE = 2 };

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment: insert, delete, replace, swap two neighbours.
 * Three rows of the table are alive at a time. */
static int edit_distance(const char *a, const char *b)
{
    int rows[3][GUESS_MAX_LENGTH + 1];
    int n = (int)strlen(a), m = (int)strlen(b);
    int *two = rows[0], *one = rows[1], *now = rows[2];
    for (int j = 0; j <= m; j++)
        one[j] = j;
    for (int i = 1; i <= n; i++) {
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int differ = a[i - 1] != b[j - 1];
            now[j] = min3(now[j - 1] + 1, one[j] + 1, one[j - 1] + differ);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min3(now[j], now[j], two[j - 2] + 1);
        }
        int *oldest = two;
        two = one;
        one = now;
        now = oldest;
    }
    return one[m];
}

Guess diag_guess(const char *name)
{
    return (Guess){.name = name, .distance = GUESS_DISTANCE + 1};
}

void diag_guess_add(Guess *g, const char *candidate)
{
    size_t n = strlen(g->name), m = strlen(candidate);
    if (n > GUESS_MAX_LENGTH || m > GUESS_MAX_LENGTH || m > n + 2 || n > m + 2)
        return;
    int distance = edit_distance(g->name, candidate);
    bool near = distance < (int)n || strcasecmp(g->name, candidate) == 0;
    if (distance > 0 && distance < g->distance && near) {
        g->best = candidate;
        g->distance = distance;
    }
}

const char *diag_guess_text(const Diags *d, const Guess *g)
{
    if (!g->best)
        return "";
    char text[128];
    snprintf(text, sizeof text, ", did you mean '%s'?", g->best);
    return arena_strndup(d->source->a, text, strlen(text));
}
