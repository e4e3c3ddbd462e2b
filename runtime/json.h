/* json.h - JSON in and out.
 *
 * The reader is strict (RFC 8259, well-formed UTF-8) and keeps what a template
 * can show: the order of keys, 1 apart from 1.0, integers of any length.  Of
 * equal keys the last value counts, at the place of the first.  Floats beyond
 * the range become infinities and half of a surrogate pair U+FFFD, as a request
 * that holds them must still be answered.
 *
 * Limits (ERR_LIMIT): nesting JSON_DEPTH.  Strings that need no decoding point
 * into the text, which must outlive the value. */
#ifndef RUNTIME_JSON_H
#define RUNTIME_JSON_H

#include "runtime/value.h"

enum { JSON_DEPTH = 128 };

/* Errors say line and column. */
Err *json_read(Arena *a, const char *text, size_t n, Value *out) MUST_USE;

/* How Python's json.dumps writes. */
typedef struct {
    bool ascii;            /* ensure_ascii */
    bool sort;             /* sort_keys */
    const Str *indent;     /* NULL: all in one line */
    const Str *item, *key; /* separators; NULL: ", " (or ",") and ": " */
} JsonStyle;

/* Values that JSON cannot say (objects, undefined) and nesting beyond
 * VALUE_DEPTH are errors in Python's words. */
Err *json_write(Text *t, Value v, const JsonStyle *style) MUST_USE;

#endif
