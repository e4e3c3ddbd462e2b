#include "runtime/jinja/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/number.h"
#include "runtime/unicode.h"

void format_float(Text *t, const char *fmt, int precision, double f)
{
    char text[1500];
    int n = snprintf(text, sizeof text, fmt, precision, f);
    text_add(t, text, n > 0 ? (size_t)n : 0, ORIGIN_TEMPLATE);
}

static void fill(Text *t, const Field *f, int64_t n)
{
    Str blank = {.p = " ", .n = 1};
    const Str *with = f->fill ? f->fill : &blank;
    if (n > 0)
        text_repeat(t, with->p, with->n, (size_t)n, with->origin);
}

/* Sign and digits (or text, without sign), padded to the width. */
static void put_padded(Text *t, const Field *f, char align, const Str *sign,
                       const Str *body)
{
    int64_t n = f->width - (int64_t)(sign->chars + body->chars);
    align = f->align ? f->align : align;
    n = n > 0 ? n : 0;
    if (align == '>' || align == '^')
        fill(t, f, align == '^' ? n / 2 : n);
    text_str(t, sign);
    if (align == '=')
        fill(t, f, n);
    text_str(t, body);
    if (align == '<' || align == '^')
        fill(t, f, align == '^' ? n - n / 2 : n);
}

Err *format_text_field(Run *r, Text *t, const Field *f, const Str *s)
{
    const Str *none = str_of(r->a, "");
    if (f->precision >= 0 && (size_t)f->precision < s->chars)
        s = str_part(r->a, s, 0, str_byte(s, (size_t)f->precision));
    put_padded(t, f, '<', none, s);
    return run_charge(r, s->n / 64);
}

/* Thousands apart, up to the point or exponent. */
static const Str *grouped(Run *r, const Str *digits, char group, size_t every)
{
    Text t = run_text(r);
    size_t whole = 0;
    while (whole < digits->n && digits->p[whole] != '.' &&
           (digits->p[whole] | 0x20) != 'e' && digits->p[whole] != '%')
        whole++;
    for (size_t i = 0; i < whole; i++) {
        if (i && (whole - i) % every == 0)
            text_add(&t, &group, 1, ORIGIN_TEMPLATE);
        text_part(&t, digits, i, i + 1);
    }
    text_part(&t, digits, whole, digits->n);
    return text_done(&t);
}

static const Str *sign_of(Run *r, bool minus, char wanted, const char *prefix)
{
    char text[8];
    char one[2] = {minus ? '-' : wanted, '\0'};
    snprintf(text, sizeof text, "%s%s", one[0] ? one : "", prefix);
    return str_of(r->a, arena_strndup(r->a, text, strlen(text)));
}

/* ---- integers */

static void put_base(Text *t, uint64_t v, unsigned base, bool capital)
{
    char digits[64];
    int n = 64;
    do {
        digits[--n] =
            (capital ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
        v /= base;
    } while (v);
    text_add(t, digits + n, (size_t)(64 - n), ORIGIN_TEMPLATE);
}

static Err *put_char(Run *r, Text *t, const Field *f, Value v)
{
    Text c = run_text(r);
    if (v.kind != VALUE_INT || v.i < 0 || v.i > 0x10FFFF ||
        (v.i >= 0xD800 && v.i < 0xE000))
        return err_new(ERR_INPUT, "%%c arg not in range(0x110000)");
    text_char(&c, (uint32_t)v.i, ORIGIN_TEMPLATE);
    return format_text_field(r, t, f, text_done(&c));
}

static const Str *int_digits(Run *r, Value v, char type, bool *minus)
{
    Text t = run_text(r);
    unsigned base = type == 'o'            ? 8
                    : type == 'b'          ? 2
                    : (type | 0x20) == 'x' ? 16
                                           : 10;
    if (v.kind == VALUE_BIG) {
        *minus = v.s->p[0] == '-';
        return str_part(r->a, v.s, *minus, v.s->n);
    }
    *minus = v.i < 0;
    put_base(&t, *minus ? 0 - (uint64_t)v.i : (uint64_t)v.i, base, type == 'X');
    return text_done(&t);
}

Err *format_int_field(Run *r, Text *t, const Field *f, Value v)
{
    bool minus;
    char type = f->type ? f->type : 'd';
    if (type == 'c')
        return put_char(r, t, f, v);
    if (v.kind == VALUE_BIG && !strchr("diu", type))
        return err_new(ERR_LIMIT, "an integer beyond 64 bits");
    const Str *digits = int_digits(r, v, type, &minus);
    const char *prefix = !f->alternate ? ""
                         : type == 'x' ? "0x"
                         : type == 'X' ? "0X"
                         : type == 'o' ? "0o"
                         : type == 'b' ? "0b"
                                       : "";
    if (f->precision > (int64_t)digits->n) {
        Text more = run_text(r);
        text_repeat(&more, "0", 1, (size_t)f->precision - digits->n,
                    ORIGIN_TEMPLATE);
        text_str(&more, digits);
        digits = text_done(&more);
    }
    if (f->group)
        digits = grouped(r, digits, f->group,
                         type == 'd' || type == 'i' || type == 'u' ? 3 : 4);
    put_padded(t, f, '>', sign_of(r, minus, f->sign, prefix), digits);
    return run_charge(r, digits->n / 64);
}

/* ---- floats */

/* Without a type: like repr, or like g that always shows it is a float. */
static void put_plain(Text *t, double d, int64_t precision)
{
    char text[64];
    if (precision < 0) {
        value_write_float(t, d);
        return;
    }
    int p = precision == 0 ? 1 : precision > 30 ? 30 : (int)precision;
    snprintf(text, sizeof text, "%.*g", p, d);
    text_puts(t, text);
    if (!strpbrk(text, ".einf"))
        text_puts(t, ".0");
}

static void put_float(Text *t, const Field *f, double d)
{
    int p = f->precision < 0 ? 6 : (int)f->precision;
    if (!isfinite(d)) {
        const char *const words[] = {"inf", "nan", "INF", "NAN"};
        bool capital = f->type && strchr("EFG", f->type);
        text_puts(t, words[(isnan(d) ? 1 : 0) + (capital ? 2 : 0)]);
        if (f->type == '%')
            text_puts(t, "%");
        return;
    }
    switch (f->type) {
    case 'e':
        format_float(t, f->alternate ? "%#.*e" : "%.*e", p, d);
        break;
    case 'E':
        format_float(t, f->alternate ? "%#.*E" : "%.*E", p, d);
        break;
    case 'f':
    case 'F':
        format_float(t, f->alternate ? "%#.*f" : "%.*f", p, d);
        break;
    case 'g':
    case 'n':
        format_float(t, f->alternate ? "%#.*g" : "%.*g", p, d);
        break;
    case 'G':
        format_float(t, f->alternate ? "%#.*G" : "%.*G", p, d);
        break;
    case '%':
        format_float(t, "%.*f", p, d * 100);
        text_puts(t, "%");
        break;
    default:
        put_plain(t, d, f->precision);
    }
}

Err *format_float_field(Run *r, Text *t, const Field *f, double d)
{
    Text body = run_text(r);
    if (f->precision > FORMAT_MAX_PRECISION)
        return err_new(ERR_LIMIT, "a precision of more than %d digits",
                       FORMAT_MAX_PRECISION);
    bool minus = signbit(d) && !isnan(d);
    put_float(&body, f, fabs(d));
    const Str *digits = text_done(&body);
    if (f->group)
        digits = grouped(r, digits, f->group, 3);
    put_padded(t, f, '>', sign_of(r, minus, f->sign, ""), digits);
    return run_charge(r, digits->n / 64);
}

/* ---- HTML */

Err *format_escape(Run *r, Value v, const Str **out)
{
    static const char plain[] = "&<>'\"";
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&#39;",
                                           "&#34;"};
    const Str *s;
    Text t = run_text(r);
    Value made;
    TRY(run_print(r, v, &s));
    TRY(run_charge(r, s->n / 16));
    for (size_t i = 0, from = 0; i <= s->n; i++) {
        const char *hit = i < s->n && s->p[i] ? strchr(plain, s->p[i]) : NULL;
        if (!hit && i < s->n)
            continue;
        text_part(&t, s, from, i);
        if (hit)
            text_add(&t, entities[hit - plain], strlen(entities[hit - plain]),
                     s->marks ? (Origin)s->marks[i] : s->origin);
        from = i + 1;
    }
    TRY(run_text_value(r, &t, &made));
    *out = made.s;
    return NULL;
}
