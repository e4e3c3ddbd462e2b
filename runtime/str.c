#include "runtime/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/unicode.h"

static bool is_tail(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

size_t str_chars(const char *p, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += !is_tail(p[i]);
    return chars;
}

const Str *str_new(Arena *a, const char *p, size_t n, Origin origin)
{
    Str *s = ARENA_NEW(a, Str);
    *s = (Str){.p = p ? p : "", .n = n, .origin = origin};
    s->chars = str_chars(s->p, n);
    return s;
}

const Str *str_of(Arena *a, const char *literal)
{
    return str_new(a, literal, strlen(literal), ORIGIN_TEMPLATE);
}

const Str *str_part(Arena *a, const Str *s, size_t from, size_t to)
{
    Str *part = ARENA_NEW(a, Str);
    if (from == 0 && to == s->n)
        return s;
    *part = *s;
    part->p += from;
    part->n = to - from;
    if (part->marks)
        part->marks += from;
    part->chars = s->chars == s->n ? part->n : str_chars(part->p, part->n);
    return part;
}

const Str *str_with_markup(Arena *a, const Str *s, bool markup)
{
    if (s->markup == markup)
        return s;
    Str *copy = ARENA_NEW(a, Str);
    *copy = *s;
    copy->markup = markup;
    return copy;
}

size_t str_byte(const Str *s, size_t chars)
{
    if (s->chars == s->n || chars >= s->chars)
        return chars < s->chars ? chars : s->n;
    size_t i = 0;
    for (size_t seen = 0; i < s->n; i++)
        if (!is_tail(s->p[i]) && seen++ == chars)
            break;
    return i;
}

int str_order(const Str *a, const Str *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int order = n ? memcmp(a->p, b->p, n) : 0;
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

bool str_equal(const Str *a, const Str *b)
{
    return a == b ||
           (a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0));
}

bool str_is(const Str *s, const char *literal)
{
    size_t n = strlen(literal);
    return s->n == n && memcmp(s->p, literal, n) == 0;
}

size_t str_find(const Str *s, const Str *what, size_t from, size_t to)
{
    if (what->n == 0)
        return from;
    const char *hit =
        to > from ? memmem(s->p + from, to - from, what->p, what->n) : NULL;
    return hit ? (size_t)(hit - s->p) : SIZE_MAX;
}

size_t str_find_last(const Str *s, const Str *what, size_t from, size_t to)
{
    if (to < from || to - from < what->n)
        return SIZE_MAX;
    for (size_t i = to - what->n + 1; i-- > from;)
        if (memcmp(s->p + i, what->p, what->n) == 0 && (what->n || i == to))
            return i;
    return SIZE_MAX;
}

/* ---- building */

Text text_new(Arena *a, size_t limit) { return (Text){.a = a, .limit = limit}; }

static void *grown(Arena *a, const void *old, size_t n, size_t cap)
{
    void *p = arena_alloc(a, cap);
    if (n)
        memcpy(p, old, n);
    return p;
}

static bool reserve(Text *t, size_t extra)
{
    if (t->full || extra > t->limit || t->n > t->limit - extra) {
        t->full = true;
        return false;
    }
    if (t->n + extra <= t->cap)
        return true;
    size_t cap = t->cap ? t->cap * 2 : 64;
    while (cap < t->n + extra)
        cap *= 2;
    t->p = grown(t->a, t->p, t->n, cap);
    if (t->marks)
        t->marks = grown(t->a, t->marks, t->n, cap);
    t->cap = cap;
    return true;
}

/* From now on every byte has a mark. */
static void begin_marks(Text *t)
{
    if (t->marks)
        return;
    t->marks = arena_alloc(t->a, t->cap);
    memset(t->marks, (int)t->origin, t->n);
    t->origin = ORIGIN_MIXED;
}

void text_add(Text *t, const char *p, size_t n, Origin origin)
{
    if (n == 0 || !reserve(t, n))
        return;
    if (t->n == 0)
        t->origin = origin;
    else if (t->origin != origin)
        begin_marks(t);
    memcpy(t->p + t->n, p, n);
    if (t->marks)
        memset(t->marks + t->n, (int)origin, n);
    t->n += n;
}

void text_puts(Text *t, const char *literal)
{
    text_add(t, literal, strlen(literal), ORIGIN_TEMPLATE);
}

void text_printf(Text *t, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0)
        text_add(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1,
                 ORIGIN_TEMPLATE);
}

void text_char(Text *t, uint32_t cp, Origin origin)
{
    char bytes[UNICODE_MAX_BYTES];
    text_add(t, bytes, (size_t)unicode_put(cp, bytes), origin);
}

void text_part(Text *t, const Str *s, size_t from, size_t to)
{
    if (s->origin != ORIGIN_MIXED) {
        text_add(t, s->p + from, to - from, s->origin);
        return;
    }
    while (from < to) {
        size_t end = from + 1;
        while (end < to && s->marks[end] == s->marks[from])
            end++;
        text_add(t, s->p + from, end - from, (Origin)s->marks[from]);
        from = end;
    }
}

void text_str(Text *t, const Str *s) { text_part(t, s, 0, s->n); }

void text_repeat(Text *t, const char *p, size_t n, size_t times, Origin origin)
{
    if (n && times > t->limit / n)
        t->full = true;
    for (size_t i = 0; i < times && !t->full; i++)
        text_add(t, p, n, origin);
}

const Str *text_done(Text *t)
{
    Str *s = ARENA_NEW(t->a, Str);
    *s = (Str){.p = t->p ? t->p : "", .n = t->n, .origin = t->origin};
    s->marks = t->marks;
    s->chars = str_chars(s->p, s->n);
    return s;
}
