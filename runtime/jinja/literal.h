/* literal.h - numbers and strings as templates write them, both ways. */
#ifndef JINJA_LITERAL_H
#define JINJA_LITERAL_H

#include "runtime/value.h"

/* What stands between the quotes.  Escapes as in Python: \n \t \\ \' \" \xhh
 * \uhhhh \Uhhhhhhhh, octal, a backslash before a newline joins the lines, an
 * unknown escape stays as it is.  Surrogates and \N{...} are errors. */
Err *literal_string(Arena *a, const char *s, size_t n,
                    const Str **out) MUST_USE;

/* The number that begins at s (a digit); returns its length.  After a dot it
 * is an index, never a float. */
size_t literal_number(Arena *a, const char *s, size_t n, bool after_dot,
                      Value *out);

/* A literal that reads back as v: a string or number. */
void literal_write(Text *t, Value v);

#endif
