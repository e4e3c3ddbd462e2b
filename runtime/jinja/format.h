/* format.h - one formatted field, as "%5.2f" and "{:>5}" both describe it. */
#ifndef JINJA_FORMAT_H
#define JINJA_FORMAT_H

#include "runtime/jinja/run.h"

typedef struct {
    const Str *fill; /* NULL: a blank */
    char align;      /* '<', '>', '^', '=' or 0: as the type likes */
    char sign;       /* '+', ' ' or 0 */
    char said_sign;  /* the same, or '-' */
    bool alternate;  /* '#' */
    char group;      /* ',' or '_' between thousands, or 0 */
    int64_t width;
    int64_t precision; /* -1: not given */
    char type;         /* 0: not given */
} Field;

enum { FORMAT_MAX_PRECISION = 1000 };

/* Text, cut to the precision. */
Err *format_text_field(Run *r, Text *t, const Field *f, const Str *s) MUST_USE;
/* d, o, x, X, b, c of an integer; `v` is INT or BIG. */
Err *format_int_field(Run *r, Text *t, const Field *f, Value v) MUST_USE;
/* e, f, g and their capitals, '%'; type 0: as repr. */
Err *format_float_field(Run *r, Text *t, const Field *f, double d) MUST_USE;

#endif
