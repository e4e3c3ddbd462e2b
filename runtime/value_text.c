/* value_text.c - values as Python's str() and repr() write them. */
#include <string.h>
#include <utf8proc.h>

#include "runtime/number.h"
#include "runtime/unicode.h"
#include "runtime/value.h"

void value_write_float(Text *t, double f)
{
    char text[NUMBER_FLOAT_BYTES];
    text_add(t, text, number_repr(f, text), ORIGIN_TEMPLATE);
}

/* ---- strings */

static bool is_printable(uint32_t cp)
{
    if (cp < 0x7F)
        return cp >= 0x20;
    /* unassigned, separators, controls, surrogates, private use */
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c != UTF8PROC_CATEGORY_CN && c < UTF8PROC_CATEGORY_ZS;
}

static void repr_escape(Text *t, uint32_t cp)
{
    if (cp == '\n')
        text_puts(t, "\\n");
    else if (cp == '\r')
        text_puts(t, "\\r");
    else if (cp == '\t')
        text_puts(t, "\\t");
    else
        text_printf(t,
                    cp < 0x100     ? "\\x%02x"
                    : cp < 0x10000 ? "\\u%04x"
                                   : "\\U%08x",
                    (unsigned)cp);
}

void value_repr_str(Text *t, const Str *s)
{
    bool apostrophe = s->n && memchr(s->p, '\'', s->n);
    char quote = apostrophe && !memchr(s->p, '"', s->n) ? '"' : '\'';
    text_add(t, &quote, 1, ORIGIN_TEMPLATE);
    for (size_t i = 0; i < s->n && !t->full;) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        if (cp == (uint32_t)quote || cp == '\\')
            text_puts(t, "\\");
        if (is_printable(cp))
            text_part(t, s, i, i + len);
        else
            repr_escape(t, cp);
        i += len;
    }
    text_add(t, &quote, 1, ORIGIN_TEMPLATE);
}

/* ---- containers */

static void repr_seq(Text *t, Value v, int depth)
{
    bool tuple = v.kind == VALUE_TUPLE;
    text_puts(t, tuple ? "(" : "[");
    for (size_t i = 0; i < v.seq->n && !t->full; i++) {
        if (i)
            text_puts(t, ", ");
        value_repr_at(t, v.seq->v[i], depth + 1);
    }
    text_puts(t, !tuple ? "]" : v.seq->n == 1 ? ",)" : ")");
}

static void repr_dict(Text *t, const Dict *d, int depth)
{
    text_puts(t, "{");
    for (size_t i = 0; i < d->n && !t->full; i++) {
        if (i)
            text_puts(t, ", ");
        value_repr_at(t, d->key[i], depth + 1);
        text_puts(t, ": ");
        value_repr_at(t, d->val[i], depth + 1);
    }
    text_puts(t, "}");
}

static void repr_string_value(Text *t, const Str *s)
{
    if (s->markup)
        text_puts(t, "Markup(");
    value_repr_str(t, s);
    if (s->markup)
        text_puts(t, ")");
}

void value_repr_at(Text *t, Value v, int depth)
{
    if (depth > VALUE_DEPTH) {
        t->full = true;
        return;
    }
    switch (v.kind) {
    case VALUE_UNDEFINED:
        text_puts(t, "Undefined");
        break;
    case VALUE_NONE:
        text_puts(t, "None");
        break;
    case VALUE_BOOL:
        text_puts(t, v.b ? "True" : "False");
        break;
    case VALUE_INT:
        text_printf(t, "%lld", (long long)v.i);
        break;
    case VALUE_BIG:
        text_str(t, v.s);
        break;
    case VALUE_FLOAT:
        value_write_float(t, v.f);
        break;
    case VALUE_STR:
        repr_string_value(t, v.s);
        break;
    case VALUE_LIST:
    case VALUE_TUPLE:
        repr_seq(t, v, depth);
        break;
    case VALUE_DICT:
        repr_dict(t, v.dict, depth);
        break;
    case VALUE_OBJECT:
        object_repr(t, v.object, depth);
        break;
    }
}

void value_repr(Text *t, Value v) { value_repr_at(t, v, 0); }

void value_print(Text *t, Value v)
{
    if (v.kind == VALUE_STR)
        text_str(t, v.s);
    else if (v.kind != VALUE_UNDEFINED)
        value_repr(t, v);
}

/* ---- undefined */

static void put_type_of(Text *t, Value of)
{
    if (of.kind == VALUE_NONE)
        text_puts(t, "None");
    else
        text_printf(t, "%s object",
                    of.kind == VALUE_STR && of.s->markup ? "markupsafe.Markup"
                                                         : value_type(of));
}

const Str *value_missing_text(Arena *a, Value v)
{
    Text t = text_new(a, 4096);
    const Missing *m = v.missing;
    if (!m) {
        text_puts(&t, "a value is missing");
    } else if (m->hint) {
        text_puts(&t, m->hint);
    } else if (!m->of) {
        value_repr(&t, m->name);
        text_puts(&t, " is undefined");
    } else if (m->name.kind != VALUE_STR) {
        put_type_of(&t, *m->of);
        text_puts(&t, " has no element ");
        value_repr(&t, m->name);
    } else {
        text_puts(&t, "'");
        put_type_of(&t, *m->of);
        text_puts(&t, "' has no attribute ");
        value_repr(&t, m->name);
    }
    return text_done(&t);
}
