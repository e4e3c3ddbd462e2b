/* filters_value.c - filters of numbers and of anything. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "runtime/jinja/run.h"
#include "runtime/number.h"
#include "runtime/unicode.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define UNUSED (void)r, (void)self, (void)arg, (void)all

DEFINE(filter_default)
{
    UNUSED;
    bool boolean = value_is_given(arg[1]) && ops_truth(arg[1]);
    *out = self;
    if (self.kind == VALUE_UNDEFINED || (boolean && !ops_truth(self)))
        *out = value_is_given(arg[0]) ? arg[0] : run_string(r, "");
    return NULL;
}

/* What the type has of that name; items do not count. */
DEFINE(filter_attr)
{
    UNUSED;
    const Str *s;
    TRY(run_str_arg(r, arg[0], &s));
    const char *name = arena_strndup(r->a, s->p, s->n);
    if (self.kind == VALUE_DICT && !builtin_method(self, name) &&
        !builtin_is_unsafe(self, name))
        *out = run_missing(r, &self, arg[0]);
    else
        TRY(attr_get(r, self, name, out));
    return NULL;
}

DEFINE(filter_abs)
{
    UNUSED;
    double x;
    if (self.kind == VALUE_UNDEFINED)
        return run_undefined(r, self);
    if (!value_number(self, &x))
        return err_new(ERR_INPUT, "bad operand type for abs(): '%s'",
                       value_type(self));
    return ops_negate(r, self, signbit(x), out);
}

/* ---- text to numbers */

/* Blanks around a number's text are no part of it, nor are underscores between
 * digits. */
static const Str *number_text(Run *r, const Str *s)
{
    Value v;
    Text t = run_text(r);
    Err *e = str_strip(r, value_str(s), &(Value){0}, NULL, &v);
    err_free(e);
    if (e)
        return s;
    for (size_t i = 0; i < v.s->n; i++) {
        bool between = v.s->p[i] == '_' && i && i + 1 < v.s->n &&
                       v.s->p[i - 1] >= '0' && v.s->p[i - 1] <= '9' &&
                       v.s->p[i + 1] >= '0' && v.s->p[i + 1] <= '9';
        if (!between)
            text_part(&t, v.s, i, i + 1);
    }
    return text_done(&t);
}

static bool is_float_text(const Str *s)
{
    size_t i = s->n && (s->p[0] == '-' || s->p[0] == '+');
    Str rest = {.p = s->p + i, .n = s->n - i};
    static const char *const words[] = {"inf", "infinity", "nan"};
    for (size_t w = 0; w < 3; w++)
        if (rest.n == strlen(words[w])) {
            bool same = true;
            for (size_t k = 0; k < rest.n; k++)
                same = same && (rest.p[k] | 0x20) == words[w][k];
            if (same)
                return true;
        }
    bool digit = false;
    for (size_t k = 0; k < rest.n; k++) {
        digit = digit || (rest.p[k] >= '0' && rest.p[k] <= '9');
        if (!rest.p[k] || !strchr("0123456789.eE+-", rest.p[k]))
            return false;
    }
    return digit;
}

/* float(v); false where Python raises. */
static bool to_float(Run *r, Value v, double *out)
{
    if (value_number(v, out))
        return true;
    if (v.kind != VALUE_STR)
        return false;
    const Str *s = number_text(r, v.s);
    return is_float_text(s) && number_float(s->p, s->n, out);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Digits in another base than ten, perhaps with its prefix. */
static bool based(const Str *s, int64_t base, int64_t *out, bool *beyond)
{
    bool minus = s->n && s->p[0] == '-';
    size_t i = minus || (s->n && s->p[0] == '+');
    const char *prefix = base == 16 ? "xX" : base == 8 ? "oO" : "bB";
    if ((base == 16 || base == 8 || base == 2) && s->n - i > 2 &&
        s->p[i] == '0' && strchr(prefix, s->p[i + 1]))
        i += 2;
    *out = 0;
    *beyond = false;
    if (i == s->n)
        return false;
    for (; i < s->n; i++) {
        int d = digit_value(s->p[i]);
        if (d >= base)
            return false;
        *beyond = *beyond || __builtin_mul_overflow(*out, base, out) ||
                  __builtin_add_overflow(*out, d, out);
    }
    if (!*beyond && minus)
        *out = -*out;
    return true;
}

static bool whole_text(Run *r, const Str *s, int64_t base, Value *out,
                       bool *beyond)
{
    int64_t i;
    s = number_text(r, s);
    if (base != 10) {
        bool good = based(s, base, &i, beyond);
        *out = value_int(i);
        return good;
    }
    size_t sign = s->n && (s->p[0] == '-' || s->p[0] == '+');
    for (size_t k = sign; k < s->n; k++)
        if (s->p[k] < '0' || s->p[k] > '9')
            return false;
    if (s->n == sign)
        return false;
    size_t skip = s->p[0] == '+';
    *out = value_integer(r->a, s->p + skip, s->n - skip, s->origin);
    return true;
}

/* int() of a finite float, exact however large. */
static Value truncated(Run *r, double f)
{
    Text t = text_new(r->a, 512);
    f = trunc(f);
    if (f >= -0x1p63 && f < 0x1p63)
        return value_int((int64_t)f);
    text_printf(&t, "%.0f", f);
    const Str *s = text_done(&t);
    return value_integer(r->a, s->p, s->n, ORIGIN_TEMPLATE);
}

DEFINE(filter_int)
{
    UNUSED;
    int64_t base, i;
    double f;
    bool beyond = false;
    TRY(run_int_arg(arg[1], 10, &base));
    if (self.kind == VALUE_UNDEFINED)
        return run_undefined(r, self);
    if (value_as_int(self, &i))
        *out = value_int(i);
    else if (self.kind == VALUE_BIG)
        *out = self;
    else if (self.kind == VALUE_STR &&
             whole_text(r, self.s, base, out, &beyond))
        return beyond ? err_new(ERR_LIMIT, "an integer beyond 64 bits") : NULL;
    else if (to_float(r, self, &f) && isfinite(f))
        *out = truncated(r, f);
    else
        *out = value_is_given(arg[0]) ? arg[0] : value_int(0);
    return NULL;
}

DEFINE(filter_float)
{
    UNUSED;
    double f;
    if (self.kind == VALUE_UNDEFINED)
        return run_undefined(r, self);
    if (to_float(r, self, &f))
        *out = value_float(f);
    else
        *out = value_is_given(arg[0]) ? arg[0] : value_float(0);
    return NULL;
}

/* ---- rounding */

/* As Python's round(): the decimal digits of the exact value, ties to even. */
static double round_digits(Run *r, double f, int64_t digits)
{
    char text[512];
    double v;
    if (!isfinite(f) || digits > 340)
        return f;
    if (digits < 0) {
        double unit = pow(10, (double)-digits);
        return isfinite(unit) ? nearbyint(f / unit) * unit : 0 * f;
    }
    Text t = text_new(r->a, sizeof text * 2);
    format_float(&t, "%.*f", (int)digits, f);
    const Str *s = text_done(&t);
    return number_float(s->p, s->n, &v) ? v : f;
}

static Err *round_integer(Value self, int64_t digits, Value *out)
{
    int64_t unit = 1, half, rest, i = 0;
    *out = self;
    if (digits >= 0 || self.kind == VALUE_BIG)
        return NULL;
    value_as_int(self, &i);
    if (digits < -18) {
        *out = value_int(0);
        return NULL;
    }
    for (int64_t k = 0; k < -digits; k++)
        unit *= 10;
    half = unit / 2;
    rest = i % unit;
    int64_t down = i - rest;
    bool odd = (down / unit) % 2 != 0;
    if (rest > half || (rest == half && odd))
        down += unit;
    if (rest < -half || (rest == -half && odd))
        down -= unit;
    *out = value_int(down);
    return NULL;
}

static Err *scaled(double f, int64_t precision, bool ceiling, Value *out)
{
    double unit = pow(10, (double)precision), v = f * unit;
    if (!isfinite(v))
        return err_new(ERR_INPUT, "cannot convert float infinity to integer");
    *out = value_float((ceiling ? ceil(v) : floor(v)) / unit);
    return NULL;
}

DEFINE(filter_round)
{
    UNUSED;
    int64_t precision;
    double f;
    bool ceiling = arg[1].kind == VALUE_STR && str_is(arg[1].s, "ceil");
    bool down = arg[1].kind == VALUE_STR && str_is(arg[1].s, "floor");
    bool common = !value_is_given(arg[1]) ||
                  (arg[1].kind == VALUE_STR && str_is(arg[1].s, "common"));
    if (self.kind == VALUE_UNDEFINED)
        return run_undefined(r, self);
    if (!ceiling && !down && !common)
        return err_new(ERR_INPUT, "method must be common, ceil or floor");
    TRY(run_int_arg(arg[0], 0, &precision));
    if (!value_number(self, &f))
        return err_new(ERR_INPUT, "type %s doesn't define __round__ method",
                       value_type(self));
    if (!common)
        return scaled(f, precision, ceiling, out);
    if (self.kind != VALUE_FLOAT) {
        if (self.kind == VALUE_BOOL)
            self = value_int(self.b);
        return round_integer(self, precision, out);
    }
    *out = value_float(round_digits(r, f, precision));
    return NULL;
}

DEFINE(filter_filesizeformat)
{
    UNUSED;
    static const char units[] = "kMGTPEZY";
    bool binary = value_is_given(arg[0]) && ops_truth(arg[0]);
    double bytes, base = binary ? 1024 : 1000, unit = base * base;
    Text t = run_text(r);
    if (!to_float(r, self, &bytes))
        return run_type_error(self, "a number");
    if (bytes == 1) {
        *out = run_string(r, "1 Byte");
        return NULL;
    }
    if (bytes < base) {
        format_float(&t, "%.*f Bytes", 0, trunc(bytes));
        return run_text_value(r, &t, out);
    }
    size_t i = 0;
    for (; i + 1 < strlen(units) && bytes >= unit; i++)
        unit *= base;
    format_float(&t, "%.*f ", 1, base * bytes / unit);
    char letter = binary && i == 0 ? 'K' : units[i];
    text_add(&t, &letter, 1, ORIGIN_TEMPLATE);
    text_puts(&t, binary ? "iB" : "B");
    return run_text_value(r, &t, out);
}
