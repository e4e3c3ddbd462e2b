#include "runtime/json.h"

#include <string.h>

#include "runtime/number.h"
#include "runtime/unicode.h"

typedef struct {
    Arena *a;
    const char *text;
    size_t n, at;
} Reader;

static Err *bad(const Reader *r, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < r->at && i < r->n; i++) {
        column = r->text[i] == '\n' ? 1 : column + 1;
        line += r->text[i] == '\n';
    }
    return err_new(ERR_INPUT, "line %zu column %zu: %s", line, column, what);
}

/* 0 at the end; a NUL in the text fits nowhere either. */
static char peek(const Reader *r) { return r->at < r->n ? r->text[r->at] : 0; }

static void skip_blanks(Reader *r)
{
    while (r->at < r->n && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at])
        r->at++;
}

static bool take(Reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* ---- numbers */

static bool digits(Reader *r)
{
    size_t from = r->at;
    while (is_digit(peek(r)))
        r->at++;
    return r->at > from;
}

static Err *read_number(Reader *r, Value *out)
{
    size_t from = r->at;
    bool whole = true;
    double f;
    take(r, '-');
    if (!take(r, '0') && !digits(r))
        return bad(r, "a number needs digits");
    if (take(r, '.')) {
        whole = false;
        if (!digits(r))
            return bad(r, "digits must follow the point");
    }
    if (take(r, 'e') || take(r, 'E')) {
        whole = false;
        if (!take(r, '+'))
            take(r, '-');
        if (!digits(r))
            return bad(r, "digits must follow the exponent's sign");
    }
    const char *text = r->text + from;
    if (whole) {
        *out = value_integer(r->a, text, r->at - from, ORIGIN_INPUT);
        return NULL;
    }
    if (!number_float(text, r->at - from, &f))
        return bad(r, "this number cannot be read");
    *out = value_float(f);
    return NULL;
}

/* ---- strings */

static int hex4(const Reader *r, uint32_t *out)
{
    *out = 0;
    if (r->n - r->at < 4)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        char c = r->text[r->at + i];
        uint32_t d = is_digit(c)              ? (uint32_t)(c - '0')
                     : (c >= 'a' && c <= 'f') ? (uint32_t)(c - 'a' + 10)
                     : (c >= 'A' && c <= 'F') ? (uint32_t)(c - 'A' + 10)
                                              : 16;
        if (d == 16)
            return 0;
        *out = *out << 4 | d;
    }
    return 4;
}

static bool is_high(uint32_t cp) { return cp >= 0xD800 && cp < 0xDC00; }
static bool is_low(uint32_t cp) { return cp >= 0xDC00 && cp < 0xE000; }

/* After "\u". */
static Err *read_unicode(Reader *r, Text *t)
{
    uint32_t cp, low;
    if (!hex4(r, &cp))
        return bad(r, "four hexadecimal digits must follow \\u");
    r->at += 4;
    if (is_high(cp) && r->n - r->at >= 6 && r->text[r->at] == '\\' &&
        r->text[r->at + 1] == 'u') {
        r->at += 2;
        if (hex4(r, &low) && is_low(low)) {
            r->at += 4;
            cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        } else {
            r->at -= 2;
        }
    }
    text_char(t, is_high(cp) || is_low(cp) ? 0xFFFD : cp, ORIGIN_INPUT);
    return NULL;
}

static Err *read_escape(Reader *r, Text *t)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    char c = peek(r);
    const char *known = c ? strchr(names, c) : NULL;
    if (c == 'u') {
        r->at++;
        return read_unicode(r, t);
    }
    if (!known)
        return bad(r, "unknown escape in a string");
    text_add(t, bytes + (known - names), 1, ORIGIN_INPUT);
    r->at++;
    return NULL;
}

/* Bytes that stand for themselves; stops at a quote, backslash or control. */
static size_t plain_run(const Reader *r)
{
    size_t i = r->at;
    while (i < r->n && r->text[i] != '"' && r->text[i] != '\\' &&
           (unsigned char)r->text[i] >= 0x20)
        i++;
    return i;
}

static Err *read_string(Reader *r, const Str **out)
{
    size_t from = ++r->at, end = plain_run(r);
    if (end < r->n && r->text[end] == '"') {
        *out = str_new(r->a, r->text + from, end - from, ORIGIN_INPUT);
        r->at = end + 1;
        return NULL;
    }
    Text t = text_new(r->a, SIZE_MAX / 4);
    for (;;) {
        end = plain_run(r);
        text_add(&t, r->text + r->at, end - r->at, ORIGIN_INPUT);
        r->at = end;
        if (take(r, '"'))
            break;
        if (r->at == r->n)
            return bad(r, "a string has no end");
        if (!take(r, '\\'))
            return bad(r, "a control character in a string");
        TRY(read_escape(r, &t));
    }
    *out = text_done(&t);
    return NULL;
}

/* ---- values */

static Err *read_value(Reader *r, int depth, Value *out);

typedef struct {
    Value *v;
    size_t n, cap;
} Items;

static void items_add(Arena *a, Items *items, Value v)
{
    if (items->n == items->cap) {
        size_t cap = items->cap ? items->cap * 2 : 4;
        Value *more = ARENA_ARRAY(a, Value, cap);
        if (items->n)
            memcpy(more, items->v, items->n * sizeof *more);
        items->v = more;
        items->cap = cap;
    }
    items->v[items->n++] = v;
}

static Err *read_array(Reader *r, int depth, Value *out)
{
    Items items = {0};
    r->at++;
    skip_blanks(r);
    while (!take(r, ']')) {
        Value v;
        if (items.n && !take(r, ','))
            return bad(r, "expected ',' or ']'");
        TRY(read_value(r, depth + 1, &v));
        items_add(r->a, &items, v);
    }
    *out = value_seq(r->a, VALUE_LIST, items.v, items.n);
    return NULL;
}

static Err *read_object(Reader *r, int depth, Value *out)
{
    Dict *d = dict_new(r->a);
    bool first = true;
    r->at++;
    skip_blanks(r);
    for (; !take(r, '}'); first = false) {
        const Str *key;
        Value v;
        if (!first && !take(r, ','))
            return bad(r, "expected ',' or '}'");
        skip_blanks(r);
        if (peek(r) != '"')
            return bad(r, "expected a key in quotes");
        TRY(read_string(r, &key));
        skip_blanks(r);
        if (!take(r, ':'))
            return bad(r, "expected ':'");
        TRY(read_value(r, depth + 1, &v));
        dict_set(r->a, d, value_str(key), v);
    }
    *out = value_dict(d);
    return NULL;
}

static bool take_word(Reader *r, const char *word)
{
    size_t n = strlen(word);
    if (r->n - r->at < n || memcmp(r->text + r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

static Err *read_word(Reader *r, Value *out)
{
    if (take_word(r, "true"))
        *out = value_bool(true);
    else if (take_word(r, "false"))
        *out = value_bool(false);
    else if (take_word(r, "null"))
        *out = value_none();
    else
        return bad(r, "expected a value");
    return NULL;
}

static Err *read_value(Reader *r, int depth, Value *out)
{
    const Str *s;
    Err *e = NULL;
    if (depth > JSON_DEPTH)
        return err_new(ERR_LIMIT, "JSON nested deeper than %d", JSON_DEPTH);
    skip_blanks(r);
    char c = peek(r);
    if (c == '{') {
        e = read_object(r, depth, out);
    } else if (c == '[') {
        e = read_array(r, depth, out);
    } else if (c == '"') {
        TRY(read_string(r, &s));
        *out = value_str(s);
    } else if (c == '-' || is_digit(c)) {
        e = read_number(r, out);
    } else {
        e = read_word(r, out);
    }
    skip_blanks(r);
    return e;
}

Err *json_read(Arena *a, const char *text, size_t n, Value *out)
{
    Reader r = {.a = a, .text = text, .n = n};
    *out = value_none();
    r.at = unicode_valid(text, n);
    if (r.at < n)
        return bad(&r, "not UTF-8");
    r.at = 0;
    TRY(read_value(&r, 0, out));
    if (r.at < n)
        return bad(&r, "more follows the value");
    return NULL;
}
