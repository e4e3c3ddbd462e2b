/* format_str.c - 'text {}'.format(values), as the sandbox has it. */
#include <string.h>

#include "runtime/jinja/format.h"
#include "runtime/unicode.h"

typedef struct {
    Run *r;
    const Args *args;
    size_t next; /* of the fields without a number */
    bool automatic, manual;
    int depth; /* fields inside of a field's format */
} Formatter;

/* ---- which value */

static Err *named_argument(Formatter *f, const Str *name, Value *out)
{
    for (size_t i = 0; i < f->args->n_keys; i++)
        if (str_is(name, f->args->key[i])) {
            *out = f->args->key_value[i];
            return NULL;
        }
    return err_new(ERR_INPUT, "'%.*s'", (int)(name->n < 200 ? name->n : 200),
                   name->p);
}

static bool is_number(const Str *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
    return s->n > 0 && s->n < 9;
}

static size_t number_of(const Str *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n = n * 10 + (size_t)(s->p[i] - '0');
    return n;
}

static Err *first_value(Formatter *f, const Str *name, Value *out)
{
    if (name->n && !is_number(name))
        return named_argument(f, name, out);
    f->automatic = f->automatic || name->n == 0;
    f->manual = f->manual || name->n > 0;
    if (f->automatic && f->manual)
        return err_new(ERR_INPUT,
                       name->n
                           ? "cannot switch from automatic field numbering "
                             "to manual field specification"
                           : "cannot switch from manual field specification "
                             "to automatic field numbering");
    size_t i = name->n ? number_of(name) : f->next++;
    if (i >= f->args->n)
        return err_new(ERR_INPUT,
                       "Replacement index %zu out of range for "
                       "positional args tuple",
                       i);
    *out = f->args->v[i];
    return NULL;
}

static size_t find_any(const Str *s, size_t from, const char *set)
{
    while (from < s->n && !(s->p[from] && strchr(set, s->p[from])))
        from++;
    return from;
}

/* "0.name[key]" */
static Err *field_value(Formatter *f, const Str *path, Value *out)
{
    size_t i = find_any(path, 0, ".[");
    TRY(first_value(f, str_part(f->r->a, path, 0, i), out));
    while (i < path->n) {
        bool item = path->p[i] == '[';
        size_t end = find_any(path, i + 1, item ? "]" : ".[");
        const Str *key = str_part(f->r->a, path, i + 1, end);
        if (key->n == 0 || (item && end == path->n))
            return err_new(ERR_INPUT, "Empty attribute in format string");
        TRY(run_charge(f->r, 1));
        if (item)
            TRY(attr_item(f->r, *out,
                          is_number(key) ? value_int((int64_t)number_of(key))
                                         : value_str(key),
                          out));
        else
            TRY(attr_get(f->r, *out, arena_strndup(f->r->a, key->p, key->n),
                         out));
        i = end + item;
        if (i < path->n && !strchr(".[", path->p[i]))
            return err_new(ERR_INPUT,
                           "Only '.' or '[' may follow ']' in format "
                           "field specifier");
    }
    return NULL;
}

/* ---- how it is written */

static bool is_align(char c) { return c && strchr("<>^=", c); }

static size_t take_number(const Str *s, size_t i, int64_t *out)
{
    for (*out = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++)
        if (*out < INT32_MAX)
            *out = *out * 10 + (s->p[i] - '0');
    return i;
}

static size_t take_alignment(Run *r, const Str *s, Field *f)
{
    uint32_t cp;
    if (s->n == 0)
        return 0;
    size_t first = (size_t)unicode_step(s->p, s->n, &cp);
    if (first < s->n && is_align(s->p[first])) {
        f->fill = str_part(r->a, s, 0, first);
        f->align = s->p[first];
        return first + 1;
    }
    if (!is_align(s->p[0]))
        return 0;
    f->align = s->p[0];
    return 1;
}

static Err *parse_field(Run *r, const Str *s, Field *f)
{
    *f = (Field){.precision = -1};
    size_t i = take_alignment(r, s, f);
    if (i < s->n && strchr("+- ", s->p[i]) && s->p[i]) {
        f->said_sign = s->p[i];
        f->sign = s->p[i] == '-' ? '\0' : s->p[i];
        i++;
    }
    if (i < s->n && s->p[i] == '#') {
        f->alternate = true;
        i++;
    }
    if (i < s->n && s->p[i] == '0') {
        if (!f->fill)
            f->fill = str_of(r->a, "0");
        if (!f->align)
            f->align = '0'; /* '=' of numbers, '<' of text */
    }
    i = take_number(s, i, &f->width);
    if (i < s->n && (s->p[i] == ',' || s->p[i] == '_'))
        f->group = s->p[i++];
    if (i < s->n && s->p[i] == '.') {
        size_t from = ++i;
        i = take_number(s, i, &f->precision);
        if (i == from)
            return err_new(ERR_INPUT, "Format specifier missing precision");
    }
    if (i < s->n)
        f->type = s->p[i++];
    if (i < s->n)
        return err_new(ERR_INPUT, "Invalid format specifier");
    return NULL;
}

static Err *unknown_type(const Field *f, Value v)
{
    return err_new(
        ERR_INPUT, "Unknown format code '%c' for object of type '%s'",
        (unsigned char)f->type < 0x80 ? f->type : '?', value_type(v));
}

static Err *write_text_value(Run *r, Text *t, Field *f, Value v)
{
    if (f->type && f->type != 's')
        return unknown_type(f, v);
    if (f->group)
        return err_new(ERR_INPUT, "Cannot specify '%c' with 's'.", f->group);
    if (f->said_sign)
        return err_new(ERR_INPUT, "%s not allowed in string format specifier",
                       f->said_sign == ' ' ? "Space" : "Sign");
    if (f->align == '=')
        return err_new(ERR_INPUT,
                       "'=' alignment not allowed in string format specifier");
    f->align = f->align == '0' ? '<' : f->align;
    return format_text_field(r, t, f, v.s);
}

static Err *write_number(Run *r, Text *t, Field *f, Value v)
{
    double d = 0;
    bool whole = v.kind == VALUE_INT || v.kind == VALUE_BIG;
    f->align = f->align == '0' ? '=' : f->align;
    f->type = f->type == 'n' ? (whole ? 'd' : 'g') : f->type;
    if (whole && (!f->type || strchr("dboxXc", f->type))) {
        if (f->precision >= 0)
            return err_new(ERR_INPUT,
                           "Precision not allowed in integer format specifier");
        return format_int_field(r, t, f, v);
    }
    if (f->type && !strchr("eEfFgG%", f->type))
        return unknown_type(f, v);
    value_number(v, &d);
    return format_float_field(r, t, f, d);
}

static Err *write_value(Run *r, Text *t, Value v, const Str *spec)
{
    Field f;
    if (v.kind == VALUE_UNDEFINED && spec->n == 0)
        return NULL;
    if (spec->n == 0) {
        value_print(t, v);
        return run_charge(r, 1);
    }
    TRY(parse_field(r, spec, &f));
    if (v.kind == VALUE_STR)
        return write_text_value(r, t, &f, v);
    if (v.kind == VALUE_BOOL)
        v = value_int(v.b);
    if (v.kind == VALUE_INT || v.kind == VALUE_BIG || v.kind == VALUE_FLOAT)
        return write_number(r, t, &f, v);
    return err_new(ERR_INPUT,
                   "unsupported format string passed to %s.__format__",
                   value_type(v));
}

static Err *convert(Run *r, char how, Value *v)
{
    const Str *s;
    if (how == 's')
        TRY(run_print(r, *v, &s));
    else if (how == 'r')
        TRY(run_repr(r, *v, &s));
    else
        return err_new(ERR_INPUT, "Unknown conversion specifier in a format");
    *v = value_str(s);
    return NULL;
}

/* ---- the text around */

static Err *format_into(Formatter *f, const Str *s, Text *t);

/* What stands between the braces: path, "!r", ":spec". */
static Err *put_field(Formatter *f, const Str *s, Text *t)
{
    Value v;
    Text spec = run_text(f->r);
    size_t i = 0;
    for (bool inside = false; i < s->n; i++) {
        inside = s->p[i] == '[' || (inside && s->p[i] != ']');
        if (!inside && (s->p[i] == '!' || s->p[i] == ':'))
            break;
    }
    TRY(field_value(f, str_part(f->r->a, s, 0, i), &v));
    if (i < s->n && s->p[i] == '!') {
        if (i + 1 >= s->n || (i + 2 < s->n && s->p[i + 2] != ':'))
            return err_new(ERR_INPUT,
                           "expected ':' after conversion specifier");
        TRY(convert(f->r, s->p[i + 1], &v));
        i += 2;
    }
    if (i < s->n)
        TRY(format_into(f, str_part(f->r->a, s, i + 1, s->n), &spec));
    return write_value(f->r, t, v, text_done(&spec));
}

static Err *format_into(Formatter *f, const Str *s, Text *t)
{
    if (++f->depth > 2)
        return err_new(ERR_INPUT, "Max string recursion exceeded");
    for (size_t i = 0; i < s->n;) {
        size_t at = find_any(s, i, "{}");
        text_part(t, s, i, at);
        if (at == s->n)
            break;
        bool twice = f->depth == 1 && at + 1 < s->n && s->p[at + 1] == s->p[at];
        TRY(run_charge(f->r, 1));
        if (twice) {
            text_part(t, s, at, at + 1);
            i = at + 2;
            continue;
        }
        if (s->p[at] == '}')
            return err_new(ERR_INPUT,
                           "Single '}' encountered in format string");
        size_t end = at + 1;
        for (int open = 1; end < s->n; end++) {
            open += s->p[end] == '{' ? 1 : s->p[end] == '}' ? -1 : 0;
            if (!open)
                break;
        }
        if (end == s->n)
            return err_new(ERR_INPUT,
                           at + 1 == s->n
                               ? "Single '{' encountered in format "
                                 "string"
                               : "expected '}' before end of string");
        TRY(put_field(f, str_part(f->r->a, s, at + 1, end), t));
        i = end + 1;
    }
    f->depth--;
    return NULL;
}

Err *format_str(Run *r, const Str *fmt, const Args *args, Value *out)
{
    Formatter f = {.r = r, .args = args};
    Text t = run_text(r);
    TRY(run_charge(r, fmt->n / 16));
    TRY(format_into(&f, fmt, &t));
    TRY(run_text_value(r, &t, out));
    out->s = str_with_markup(r->a, out->s, fmt->markup);
    return NULL;
}
