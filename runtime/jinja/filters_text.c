/* filters_text.c - filters that make text of text. */
#include <math.h>
#include <string.h>

#include "runtime/jinja/run.h"
#include "runtime/json.h"
#include "runtime/unicode.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define UNUSED (void)r, (void)self, (void)arg, (void)all

/* jinja2's soft_str: text stays as it is, anything else is printed. */
static Err *soft(Run *r, Value self, Value *out)
{
    const Str *s;
    TRY(run_print(r, self, &s));
    *out = value_str(s);
    return NULL;
}

static Err *plain(Run *r, Value self, Value *out)
{
    TRY(soft(r, self, out));
    out->s = str_with_markup(r->a, out->s, false);
    return NULL;
}

/* Filters that are a method of the value's text. */
#define METHOD_OF_TEXT(function, method)                                       \
    DEFINE(function)                                                           \
    {                                                                          \
        Value s;                                                               \
        TRY(soft(r, self, &s));                                                \
        return method(r, s, arg, all, out);                                    \
    }

METHOD_OF_TEXT(filter_capitalize, str_capitalize)
METHOD_OF_TEXT(filter_lower, str_lower)
METHOD_OF_TEXT(filter_upper, str_upper)
METHOD_OF_TEXT(filter_trim, str_strip)

DEFINE(filter_center)
{
    UNUSED;
    Value s, width[2] = {{0}};
    width[0] = value_is_given(arg[0]) ? arg[0] : value_int(80);
    TRY(soft(r, self, &s));
    return str_center(r, s, width, all, out);
}

DEFINE(filter_string)
{
    UNUSED;
    return soft(r, self, out);
}

DEFINE(filter_safe)
{
    UNUSED;
    TRY(soft(r, self, out));
    out->s = str_with_markup(r->a, out->s, true);
    return NULL;
}

DEFINE(filter_escape)
{
    UNUSED;
    if (self.kind == VALUE_STR && self.s->markup) {
        *out = self;
        return NULL;
    }
    return filter_forceescape(r, self, arg, all, out);
}

DEFINE(filter_forceescape)
{
    UNUSED;
    const Str *s;
    TRY(format_escape(r, self, &s));
    *out = value_str(str_with_markup(r->a, s, true));
    return NULL;
}

DEFINE(filter_replace)
{
    UNUSED;
    Value s, with[3] = {{0}};
    TRY(plain(r, self, &s));
    TRY(plain(r, arg[0], &with[0]));
    TRY(plain(r, arg[1], &with[1]));
    with[2] = arg[2];
    return str_replace(r, s, with, all, out);
}

DEFINE(filter_format)
{
    UNUSED;
    Value s, args;
    if (all->n && all->n_keys)
        return err_new(ERR_INPUT,
                       "can't handle positional and keyword arguments "
                       "at the same time");
    TRY(soft(r, self, &s));
    if (all->n_keys) {
        Dict *d = dict_new(r->a);
        for (size_t i = 0; i < all->n_keys; i++)
            dict_set(r->a, d, run_string(r, all->key[i]), all->key_value[i]);
        args = value_dict(d);
    } else {
        args = value_seq(r->a, VALUE_TUPLE, all->v, all->n);
    }
    return format_percent(r, s.s, args, out);
}

/* Words begin after blanks, '-' and opening brackets. */
DEFINE(filter_title)
{
    UNUSED;
    Value v;
    Text t = run_text(r);
    TRY(soft(r, self, &v));
    const Str *s = v.s;
    TRY(run_charge(r, s->n / 4));
    bool begins = true;
    for (size_t i = 0; i < s->n && !t.full;) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        case_map(&t, s, i, i + len, begins ? CASE_UPPER : CASE_LOWER);
        begins =
            lexer_is_space(cp) || (cp < 0x80 && cp && strchr("-({[<", (int)cp));
        i += len;
    }
    TRY(run_text_value(r, &t, out));
    return NULL;
}

/* ---- indent, truncate, wordcount */

static Err *indention(Run *r, Value width, const Str **out)
{
    int64_t n;
    Text t = run_text(r);
    Value v;
    if (width.kind == VALUE_STR) {
        *out = width.s;
        return NULL;
    }
    TRY(run_int_arg(width, 4, &n));
    text_repeat(&t, " ", 1, n > 0 ? (size_t)n : 0, ORIGIN_TEMPLATE);
    TRY(run_text_value(r, &t, &v));
    *out = v.s;
    return NULL;
}

DEFINE(filter_indent)
{
    UNUSED;
    Text t = run_text(r);
    const Str *indent;
    Value text = self, lines;
    bool blank = ops_truth(arg[2]);
    TRY(ops_binary(r, OP_ADD, self, run_string(r, "\n"), &text));
    if (text.kind != VALUE_STR)
        return run_type_error(self, "a string");
    TRY(indention(r, arg[0], &indent));
    TRY(str_splitlines(r, text, &(Value){0}, all, &lines));
    if (ops_truth(arg[1]))
        text_str(&t, indent);
    for (size_t i = 0; i < lines.seq->n && !t.full; i++) {
        const Str *line = lines.seq->v[i].s;
        if (i)
            text_puts(&t, "\n");
        if (i && (blank || line->n))
            text_str(&t, indent);
        text_str(&t, line);
    }
    TRY(run_text_value(r, &t, out));
    out->s = str_with_markup(r->a, out->s, self.s->markup);
    return NULL;
}

DEFINE(filter_truncate)
{
    UNUSED;
    int64_t length, leeway, n;
    const Str *end = str_of(r->a, "...");
    Text t = run_text(r);
    TRY(run_int_arg(arg[0], 255, &length));
    TRY(run_int_arg(arg[3].kind == VALUE_NONE ? (Value){0} : arg[3], 5,
                    &leeway));
    if (value_is_given(arg[2]))
        TRY(run_str_arg(r, arg[2], &end));
    if (length < (int64_t)end->chars || leeway < 0)
        return err_new(ERR_INPUT, "expected length >= %zu, got %lld",
                       end->chars, (long long)length);
    TRY(iter_length(r, self, &n));
    if (n <= length || n - length <= leeway) {
        *out = self;
        return NULL;
    }
    if (self.kind != VALUE_STR)
        return run_type_error(self, "a string");
    const Str *s = self.s, *blank = str_of(r->a, " ");
    size_t to = str_byte(s, (size_t)length - end->chars), cut = SIZE_MAX;
    if (!ops_truth(arg[1]))
        cut = str_find_last(s, blank, 0, to);
    text_part(&t, s, 0, cut == SIZE_MAX ? to : cut);
    text_str(&t, end);
    return run_text_value(r, &t, out);
}

DEFINE(filter_wordcount)
{
    UNUSED;
    Value v;
    int64_t n = 0;
    bool inside = false;
    TRY(soft(r, self, &v));
    TRY(run_charge(r, v.s->n / 16));
    for (size_t i = 0; i < v.s->n;) {
        uint32_t cp = 0;
        i += (size_t)unicode_step(v.s->p + i, v.s->n - i, &cp);
        bool word = case_is_word(cp);
        n += word && !inside;
        inside = word;
    }
    *out = value_int(n);
    return NULL;
}

/* ---- urlencode */

static void quote(Text *t, const Str *s, bool query)
{
    for (size_t i = 0; i < s->n && !t->full; i++) {
        unsigned char c = (unsigned char)s->p[i];
        bool letter =
            (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (letter || (c && strchr("_.-~", c)) || (c == '/' && !query))
            text_part(t, s, i, i + 1);
        else if (c == ' ' && query)
            text_puts(t, "+");
        else
            text_printf(t, "%%%02X", c);
    }
}

static Err *quote_pairs(Run *r, const Value *items, size_t n, Text *t)
{
    for (size_t i = 0; i < n; i++) {
        const Value *pair;
        const Str *key, *val;
        size_t two;
        TRY(iter_items(r, items[i], &pair, &two));
        if (two != 2)
            return err_new(ERR_INPUT, "urlencode needs pairs");
        TRY(run_print(r, pair[0], &key));
        TRY(run_print(r, pair[1], &val));
        text_puts(t, i ? "&" : "");
        quote(t, key, true);
        text_puts(t, "=");
        quote(t, val, true);
    }
    return NULL;
}

DEFINE(filter_urlencode)
{
    UNUSED;
    Value v = self;
    const Value *items;
    size_t n;
    Text t = run_text(r);
    if (self.kind == VALUE_STR || !iter_possible(self)) {
        TRY(soft(r, self, &v));
        TRY(run_charge(r, v.s->n / 4));
        quote(&t, v.s, false);
        return run_text_value(r, &t, out);
    }
    if (self.kind == VALUE_DICT)
        TRY(dict_items(r, self, arg, all, &v));
    TRY(iter_items(r, v, &items, &n));
    TRY(quote_pairs(r, items, n, &t));
    return run_text_value(r, &t, out);
}

/* ---- JSON */

static bool flag(Value v) { return value_is_given(v) && ops_truth(v); }

static bool is_said(Value v)
{
    return value_is_given(v) && v.kind != VALUE_NONE;
}

static Err *json_style(Run *r, const Value *arg, JsonStyle *style)
{
    *style = (JsonStyle){.ascii = flag(arg[0]), .sort = flag(arg[3])};
    if (is_said(arg[1]))
        TRY(indention(r, arg[1], &style->indent));
    if (is_said(arg[2])) {
        const Value *two;
        size_t n;
        TRY(iter_items(r, arg[2], &two, &n));
        if (n != 2)
            return err_new(ERR_INPUT, "separators are two strings");
        TRY(run_str_arg(r, two[0], &style->item));
        TRY(run_str_arg(r, two[1], &style->key));
    }
    return NULL;
}

DEFINE(filter_tojson)
{
    UNUSED;
    JsonStyle style;
    Text t = run_text(r);
    TRY(json_style(r, arg, &style));
    TRY(json_write(&t, self, &style));
    return run_text_value(r, &t, out);
}

DEFINE(filter_from_json)
{
    UNUSED;
    const Str *s;
    TRY(run_str_arg(r, self, &s));
    TRY(run_charge(r, s->n / 4));
    return json_read(r->a, s->p, s->n, out);
}
