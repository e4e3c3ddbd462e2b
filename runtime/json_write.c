/* json_write.c - values as Python's json.dumps writes them. */
#include <math.h>
#include <string.h>

#include "runtime/json.h"
#include "runtime/unicode.h"

typedef struct {
    Text *t;
    const JsonStyle *style;
} Writer;

static void write_unit(Text *t, uint32_t unit)
{
    text_printf(t, "\\u%04x", (unsigned)unit);
}

static void write_escaped(Text *t, uint32_t cp)
{
    static const char bytes[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    const char *known = cp && cp < 0x80 ? strchr(bytes, (int)cp) : NULL;
    if (known) {
        text_puts(t, "\\");
        text_add(t, names + (known - bytes), 1, ORIGIN_TEMPLATE);
    } else if (cp >= 0x10000) {
        write_unit(t, 0xD800 + ((cp - 0x10000) >> 10));
        write_unit(t, 0xDC00 + (cp & 0x3FF));
    } else {
        write_unit(t, cp);
    }
}

static void write_string(Writer *w, const Str *s)
{
    size_t plain = 0, i = 0;
    text_puts(w->t, "\"");
    while (i < s->n && !w->t->full) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        bool escape = cp < 0x20 || cp == '"' || cp == '\\' ||
                      (w->style->ascii && cp > 0x7E);
        if (escape) {
            text_part(w->t, s, plain, i);
            write_escaped(w->t, cp);
            plain = i + len;
        }
        i += len;
    }
    text_part(w->t, s, plain, i);
    text_puts(w->t, "\"");
}

static void write_float(Text *t, double f)
{
    if (isnan(f))
        text_puts(t, "NaN");
    else if (isinf(f))
        text_puts(t, f < 0 ? "-Infinity" : "Infinity");
    else
        value_write_float(t, f);
}

/* Scalars; false for the others. */
static bool write_scalar(Writer *w, Value v)
{
    switch (v.kind) {
    case VALUE_NONE:
        text_puts(w->t, "null");
        return true;
    case VALUE_BOOL:
        text_puts(w->t, v.b ? "true" : "false");
        return true;
    case VALUE_INT:
    case VALUE_BIG:
        value_repr(w->t, v);
        return true;
    case VALUE_FLOAT:
        write_float(w->t, v.f);
        return true;
    case VALUE_STR:
        write_string(w, v.s);
        return true;
    case VALUE_UNDEFINED:
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT:
    case VALUE_OBJECT:
        return false;
    }
    return false;
}

static void new_line(Writer *w, int depth)
{
    if (!w->style->indent)
        return;
    text_puts(w->t, "\n");
    for (int i = 0; i < depth; i++)
        text_str(w->t, w->style->indent);
}

static void item_separator(Writer *w)
{
    if (w->style->item)
        text_str(w->t, w->style->item);
    else
        text_puts(w->t, w->style->indent ? "," : ", ");
}

static Err *write_value(Writer *w, Value v, int depth);

static Err *write_seq(Writer *w, const Seq *s, int depth)
{
    text_puts(w->t, "[");
    for (size_t i = 0; i < s->n && !w->t->full; i++) {
        if (i)
            item_separator(w);
        new_line(w, depth + 1);
        TRY(write_value(w, s->v[i], depth + 1));
    }
    if (s->n)
        new_line(w, depth);
    text_puts(w->t, "]");
    return NULL;
}

/* Keys that are no strings are written as such. */
static Err *write_key(Writer *w, Value key)
{
    if (key.kind == VALUE_STR) {
        write_string(w, key.s);
    } else {
        text_puts(w->t, "\"");
        if (!write_scalar(w, key))
            return err_new(ERR_INPUT,
                           "keys must be str, int, float, bool or None, not %s",
                           value_type(key));
        text_puts(w->t, "\"");
    }
    if (w->style->key)
        text_str(w->t, w->style->key);
    else
        text_puts(w->t, ": ");
    return NULL;
}

/* ---- sorted keys: all strings or all numbers, as Python compares */

static bool key_less(Value a, Value b)
{
    double x = 0, y = 0;
    if (a.kind == VALUE_STR)
        return str_order(a.s, b.s) < 0;
    value_number(a, &x);
    value_number(b, &y);
    return x < y;
}

static Err *check_keys(const Dict *d)
{
    double x;
    for (size_t i = 1; i < d->n; i++)
        if ((d->key[i].kind == VALUE_STR) != (d->key[0].kind == VALUE_STR) ||
            (d->key[i].kind != VALUE_STR &&
             !(value_number(d->key[i], &x) && value_number(d->key[0], &x))))
            return err_new(ERR_INPUT,
                           "'<' not supported between instances of '%s' and "
                           "'%s'",
                           value_type(d->key[i]), value_type(d->key[i - 1]));
    return NULL;
}

static void merge_keys(const Dict *d, size_t *at, size_t *copy, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    merge_keys(d, at, copy, half);
    merge_keys(d, at + half, copy, n - half);
    while (i < half && j < n)
        copy[k++] = key_less(d->key[at[j]], d->key[at[i]]) ? at[j++] : at[i++];
    while (i < half)
        copy[k++] = at[i++];
    memcpy(at, copy, k * sizeof *at);
}

static Err *key_order(Writer *w, const Dict *d, size_t **order)
{
    *order = NULL;
    if (!w->style->sort)
        return NULL;
    TRY(check_keys(d));
    *order = ARENA_ARRAY(w->t->a, size_t, d->n);
    for (size_t i = 0; i < d->n; i++)
        (*order)[i] = i;
    merge_keys(d, *order, ARENA_ARRAY(w->t->a, size_t, d->n), d->n);
    return NULL;
}

static Err *write_dict(Writer *w, const Dict *d, int depth)
{
    size_t *order;
    TRY(key_order(w, d, &order));
    text_puts(w->t, "{");
    for (size_t i = 0; i < d->n && !w->t->full; i++) {
        size_t at = order ? order[i] : i;
        if (i)
            item_separator(w);
        new_line(w, depth + 1);
        TRY(write_key(w, d->key[at]));
        TRY(write_value(w, d->val[at], depth + 1));
    }
    if (d->n)
        new_line(w, depth);
    text_puts(w->t, "}");
    return NULL;
}

static Err *write_value(Writer *w, Value v, int depth)
{
    if (depth > VALUE_DEPTH)
        return err_new(ERR_LIMIT, "a value nested deeper than %d", VALUE_DEPTH);
    if (write_scalar(w, v))
        return NULL;
    if (v.kind == VALUE_LIST || v.kind == VALUE_TUPLE)
        return write_seq(w, v.seq, depth);
    if (v.kind == VALUE_DICT)
        return write_dict(w, v.dict, depth);
    return err_new(ERR_INPUT, "Object of type %s is not JSON serializable",
                   value_type(v));
}

Err *json_write(Text *t, Value v, const JsonStyle *style)
{
    Writer w = {t, style};
    return write_value(&w, v, 0);
}
