#include "runtime/cli/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

const char *print_bytes(int64_t n, char out[PRINT_BYTES_MAX])
{
    static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    double v = (double)n;
    int u = 0;
    while (v >= 1024) {
        v /= 1024;
        u++;
    }
    snprintf(out, PRINT_BYTES_MAX, u && v < 100 ? "%.1f %s" : "%.0f %s", v,
             units[u]);
    return out;
}

/* U+0080 to U+009F are control characters too. */
static bool is_control(const unsigned char *s, size_t left)
{
    return s[0] < 0x20 || s[0] == 0x7f ||
           (s[0] == 0xc2 && left > 1 && s[1] < 0xa0);
}

void print_escaped(FILE *f, const char *s, size_t n, size_t max)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t end = n <= max ? n : max;
    while (end < n && end > 0 && (p[end] & 0xc0) == 0x80)
        end--; /* not in the middle of a character */
    for (size_t i = 0; i < end; i++) {
        if (p[i] == '\n')
            fputs("\\n", f);
        else if (is_control(p + i, end - i) && p[i] == 0xc2)
            fprintf(f, "\\u%04x", p[++i]);
        else if (is_control(p + i, end - i))
            fprintf(f, "\\x%02x", p[i]);
        else if (p[i] == '"' || p[i] == '\\')
            fprintf(f, "\\%c", p[i]);
        else
            fputc(p[i], f);
    }
    if (end < n)
        fputs("...", f);
}

void print_json_string(FILE *f, const char *s, size_t n)
{
    fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

void print_json_number(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, "%.17g", v);
    else
        fputs("null", f);
}
