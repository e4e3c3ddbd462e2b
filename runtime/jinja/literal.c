#include "runtime/jinja/literal.h"

#include <math.h>
#include <string.h>

#include "runtime/number.h"
#include "runtime/unicode.h"

/* ---- strings */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static Err *add_code(Text *t, uint32_t cp)
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
        return err_new(ERR_INPUT, "U+%04X in a string is no character",
                       (unsigned)cp);
    text_char(t, cp, ORIGIN_TEMPLATE);
    return NULL;
}

static Err *hex_escape(Text *t, const char *s, size_t n, size_t width,
                       size_t *used)
{
    uint32_t cp = 0;
    for (size_t i = 0; i < width; i++) {
        int d = i + 1 < n ? hex_digit(s[i + 1]) : -1;
        if (d < 0)
            return err_new(ERR_INPUT,
                           "\\%c in a string needs %zu hexadecimal digits",
                           s[0], width);
        cp = cp << 4 | (uint32_t)d;
    }
    *used = width + 1;
    return add_code(t, cp);
}

static size_t octal_escape(Text *t, const char *s, size_t n)
{
    uint32_t cp = 0;
    size_t i = 0;
    for (; i < 3 && i < n && s[i] >= '0' && s[i] <= '7'; i++)
        cp = cp * 8 + (uint32_t)(s[i] - '0');
    text_char(t, cp, ORIGIN_TEMPLATE);
    return i;
}

/* s is what follows the backslash; *used how much of it was taken. */
static Err *escape(Text *t, const char *s, size_t n, size_t *used)
{
    static const char names[] = "\\'\"abfnrtv\n",
                      bytes[] = "\\'\"\a\b\f\n\r\t\v";
    const char *known = n && s[0] ? strchr(names, s[0]) : NULL;
    *used = 1;
    if (n == 0 || (known && *known == '\n'))
        return NULL;
    if (known)
        text_add(t, bytes + (known - names), 1, ORIGIN_TEMPLATE);
    else if (s[0] == 'x')
        return hex_escape(t, s, n, 2, used);
    else if (s[0] == 'u')
        return hex_escape(t, s, n, 4, used);
    else if (s[0] == 'U')
        return hex_escape(t, s, n, 8, used);
    else if (s[0] == 'N')
        return err_new(ERR_INPUT, "\\N{...} in a string is not supported");
    else if (s[0] >= '0' && s[0] <= '7')
        *used = octal_escape(t, s, n);
    else
        *used = 0, text_puts(t, "\\");
    return NULL;
}

Err *literal_string(Arena *a, const char *s, size_t n, const Str **out)
{
    Text t = text_new(a, SIZE_MAX / 4);
    for (size_t i = 0; i < n;) {
        const char *slash = memchr(s + i, '\\', n - i);
        size_t end = slash ? (size_t)(slash - s) : n, used;
        text_add(&t, s + i, end - i, ORIGIN_TEMPLATE);
        i = end;
        if (i == n)
            break;
        TRY(escape(&t, s + i + 1, n - i - 1, &used));
        i += 1 + used;
    }
    *out = text_done(&t);
    return NULL;
}

/* ---- numbers */

static bool digit_of(char c, int base)
{
    int d = hex_digit(c);
    return d >= 0 && d < base;
}

/* Digits with single underscores between them; 0 if there is none. */
static size_t digit_run(const char *s, size_t n, int base)
{
    size_t i = 0;
    while (i < n && (digit_of(s[i], base) || (i && s[i] == '_' && i + 1 < n &&
                                              digit_of(s[i + 1], base))))
        i++;
    return i;
}

static size_t float_length(const char *s, size_t n)
{
    size_t i = digit_run(s, n, 10), fraction = 0, exponent = 0;
    if (i < n && s[i] == '.')
        fraction = digit_run(s + i + 1, n - i - 1, 10);
    if (fraction)
        i += 1 + fraction;
    if (i < n && (s[i] | 0x20) == 'e') {
        size_t sign = i + 1 < n && (s[i + 1] == '+' || s[i + 1] == '-');
        exponent = digit_run(s + i + 1 + sign, n - i - 1 - sign, 10);
        if (exponent)
            i += 1 + sign + exponent;
    }
    return fraction || exponent ? i : 0;
}

/* The text without underscores. */
static size_t compact(Arena *a, const char *s, size_t n, char **out)
{
    size_t k = 0;
    *out = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        if (s[i] != '_')
            (*out)[k++] = s[i];
    return k;
}

static size_t based_number(const char *s, size_t n, Value *out)
{
    static const char marks[] = "box";
    static const int bases[] = {2, 8, 16};
    const char *mark = n > 2 && s[0] == '0' ? strchr(marks, s[1] | 0x20) : NULL;
    if (!mark || !*mark)
        return 0;
    int base = bases[mark - marks];
    size_t first = s[2] == '_' ? 3 : 2,
           len = digit_run(s + first, n - first, base);
    int64_t v = 0;
    for (size_t i = first; i < first + len; i++)
        if (s[i] != '_' && (__builtin_mul_overflow(v, base, &v) ||
                            __builtin_add_overflow(v, hex_digit(s[i]), &v)))
            v = INT64_MAX;
    *out = value_int(v);
    return len ? first + len : 0;
}

/* Of "007" Python's rule takes the zeros alone. */
static size_t integer_length(const char *s, size_t n)
{
    size_t i = 1;
    if (s[0] != '0')
        return digit_run(s, n, 10);
    while (i < n &&
           (s[i] == '0' || (s[i] == '_' && i + 1 < n && s[i + 1] == '0')))
        i++;
    return i;
}

size_t literal_number(Arena *a, const char *s, size_t n, bool after_dot,
                      Value *out)
{
    char *plain;
    double f = 0;
    size_t len = after_dot ? 0 : float_length(s, n);
    if (len) {
        size_t digits = compact(a, s, len, &plain);
        number_float(plain, digits, &f);
        *out = value_float(f);
        return len;
    }
    if ((len = based_number(s, n, out)) > 0)
        return len;
    len = integer_length(s, n);
    size_t k = compact(a, s, len, &plain);
    *out = value_integer(a, plain, k, ORIGIN_TEMPLATE);
    return len;
}

/* ---- back to text */

static void write_string(Text *t, const Str *s)
{
    text_puts(t, "'");
    for (size_t i = 0; i < s->n && !t->full;) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        if (cp == '\'' || cp == '\\')
            text_printf(t, "\\%c", (int)cp);
        else if (cp == '\n')
            text_puts(t, "\\n");
        else if (cp < 0x20)
            text_printf(t, "\\x%02x", (unsigned)cp);
        else
            text_part(t, s, i, i + len);
        i += len;
    }
    text_puts(t, "'");
}

void literal_write(Text *t, Value v)
{
    if (v.kind == VALUE_STR)
        write_string(t, v.s);
    else if (v.kind == VALUE_FLOAT && isinf(v.f))
        text_puts(t, "1e999");
    else
        value_repr(t, v);
}
