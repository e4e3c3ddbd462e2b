#include "dsl/doc.h"

#include <string.h>

typedef enum {
    DOC_TEXT,
    DOC_BREAK,
    DOC_CAT,
    DOC_NEST,
    DOC_GROUP,
    DOC_FLAT
} DocKind;

struct Doc {
    DocKind kind;
    const char *text; /* DOC_TEXT, DOC_BREAK */
    int n;
    const Doc *const *parts;
    int width;   /* on one line */
    bool breaks; /* a break stands in it */
};

enum { WIDE = 1 << 20 }; /* widths stop counting here */

static Doc *make(Arena *a, DocKind kind, int n, const Doc *const *parts)
{
    Doc *d = ARENA_NEW(a, Doc);
    d->kind = kind;
    const Doc **kept = ARENA_ARRAY(a, const Doc *, n + 1);
    for (int i = 0; i < n; i++) {
        if (!parts[i])
            continue;
        kept[d->n++] = parts[i];
        d->width += parts[i]->width;
        d->width = d->width > WIDE ? WIDE : d->width;
        d->breaks |= parts[i]->breaks;
    }
    d->parts = kept;
    return d;
}

static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += n < WIDE && ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

const Doc *doc_text(Arena *a, const char *text)
{
    Doc *d = make(a, DOC_TEXT, 0, NULL);
    d->text = text;
    d->width = characters(text);
    return d;
}

const Doc *doc_break(Arena *a, const char *flat)
{
    Doc *d = make(a, DOC_BREAK, 0, NULL);
    d->text = flat;
    d->width = characters(flat);
    d->breaks = true;
    return d;
}

const Doc *doc_cat(Arena *a, int n, const Doc *const *parts)
{
    return make(a, DOC_CAT, n, parts);
}

const Doc *doc_nest(Arena *a, const Doc *d) { return make(a, DOC_NEST, 1, &d); }

const Doc *doc_group(Arena *a, const Doc *d)
{
    return make(a, DOC_GROUP, 1, &d);
}

const Doc *doc_flat(Arena *a, const Doc *d)
{
    Doc *flat = make(a, DOC_FLAT, 1, &d);
    flat->breaks = false;
    return flat;
}

const Doc *doc_items(Arena *a, const char *open, int n, const Doc *const *items,
                     const char *close)
{
    const Doc **parts = ARENA_ARRAY(a, const Doc *, 3 * n + 1);
    int m = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0)
            parts[m++] = doc_text(a, ",");
        parts[m++] = doc_break(a, i ? " " : "");
        parts[m++] = items[i];
    }
    const Doc *inner = doc_nest(a, doc_cat(a, m, parts));
    const Doc *last = n > 0 ? doc_break(a, "") : NULL;
    return doc_group(
        a, DOC(a, doc_text(a, open), inner, last, doc_text(a, close)));
}

typedef struct {
    Buf *out;
    int column;
} Writer;

/* What stands behind part i on its line before the next break. */
static int tail_width(const Doc *d, int i, int tail)
{
    int w = 0;
    for (int j = i + 1; j < d->n; j++) {
        if (d->parts[j]->breaks)
            return w;
        w += d->parts[j]->width;
    }
    return w + tail;
}

static void put(Writer *w, const Doc *d, int indent, bool flat, int tail);

static void put_parts(Writer *w, const Doc *d, int indent, bool flat, int tail)
{
    for (int i = 0; i < d->n; i++)
        put(w, d->parts[i], indent, flat, flat ? 0 : tail_width(d, i, tail));
}

static void put(Writer *w, const Doc *d, int indent, bool flat, int tail)
{
    switch (d->kind) {
    case DOC_TEXT:
        buf_puts(w->out, d->text);
        w->column += d->width;
        return;
    case DOC_BREAK:
        if (flat)
            buf_puts(w->out, d->text);
        else
            buf_printf(w->out, "\n%*s", indent, "");
        w->column = flat ? w->column + d->width : indent;
        return;
    case DOC_CAT:
        put_parts(w, d, indent, flat, tail);
        return;
    case DOC_NEST:
        put_parts(w, d, indent + DOC_INDENT, flat, tail);
        return;
    case DOC_FLAT:
        put_parts(w, d, indent, true, tail);
        return;
    case DOC_GROUP:
        flat = flat || w->column + d->width + tail <= DOC_WIDTH;
        put_parts(w, d, indent, flat, tail);
        return;
    }
}

void doc_put(const Doc *d, int column, int indent, Buf *out)
{
    Writer w = {out, column};
    put(&w, d, indent, false, 0);
}

void doc_put_flat(const Doc *d, Buf *out)
{
    Writer w = {out, 0};
    put(&w, d, 0, true, 0);
}
