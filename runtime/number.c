#include "runtime/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool number_int(const char *s, size_t n, int64_t *out)
{
    bool minus = n && s[0] == '-';
    int64_t v = 0;
    if (n == minus)
        return false;
    for (size_t i = minus; i < n; i++) {
        int digit = s[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, digit, &v)) /* negative: reaches MIN */
            return false;
    }
    if (!minus && v == INT64_MIN)
        return false;
    *out = minus ? v : -v;
    return true;
}

/* The program never calls setlocale, so the decimal point is '.'. */
bool number_float(const char *s, size_t n, double *out)
{
    char small[64], *text = n < sizeof small ? small : malloc(n + 1), *end;
    if (!text)
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    *out = strtod(text, &end);
    bool good = n && end == text + n;
    if (text != small)
        free(text);
    return good;
}

/* Significant digits without the point, and the exponent of the first. */
static int shortest_digits(double f, char digits[24])
{
    char text[40];
    for (int p = 0; p < 17; p++) {
        snprintf(text, sizeof text, "%.*e", p, f);
        if (strtod(text, NULL) == f)
            break;
    }
    char *e = strchr(text, 'e');
    int n = 0;
    for (char *c = text; c < e; c++)
        if (*c >= '0' && *c <= '9')
            digits[n++] = *c;
    digits[n] = '\0';
    return atoi(e + 1);
}

/* Python writes a plain decimal for exponents from -4 to 15. */
size_t number_repr(double f, char out[NUMBER_FLOAT_BYTES])
{
    char digits[24];
    const size_t room = NUMBER_FLOAT_BYTES;
    const char *sign = signbit(f) && !isnan(f) ? "-" : "";
    if (isnan(f) || isinf(f))
        return (size_t)snprintf(out, room, "%s%s", sign,
                                isnan(f) ? "nan" : "inf");
    int e = shortest_digits(fabs(f), digits), n = (int)strlen(digits);
    if (e < -4 || e >= 16)
        return (size_t)snprintf(out, room, "%s%c%s%se%c%02d", sign, digits[0],
                                n > 1 ? "." : "", digits + 1, e < 0 ? '-' : '+',
                                abs(e));
    if (e < 0)
        return (size_t)snprintf(out, room, "%s0.%.*s%s", sign, -e - 1, "0000",
                                digits);
    if (n > e + 1)
        return (size_t)snprintf(out, room, "%s%.*s.%s", sign, e + 1, digits,
                                digits + e + 1);
    return (size_t)snprintf(out, room, "%s%s%.*s.0", sign, digits, e + 1 - n,
                            "0000000000000000");
}
