/* str.h - text values: bytes that say where they came from.
 *
 * A Str is immutable UTF-8 of n bytes (NUL is an ordinary character) that
 * remembers its origin, so that whoever turns a rendered template into tokens
 * can let the template write control tokens and the user not.  Lengths and
 * indices of the language are code points, of this header bytes, unless it
 * says `chars`.
 *
 * Everything lies in an arena; a part of a Str shares its bytes.  Text builds
 * a Str piece by piece, up to a limit: beyond it `full` is set, nothing is
 * added any more, and the owner turns that into an error. */
#ifndef RUNTIME_STR_H
#define RUNTIME_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

typedef enum {
    ORIGIN_TEMPLATE, /* written by the author of the template, or by us */
    ORIGIN_INPUT,    /* came in with the context */
    ORIGIN_MIXED,    /* `marks` says it for each byte */
} Origin;

typedef struct {
    const char *p;
    size_t n, chars;
    const unsigned char *marks; /* MIXED: ORIGIN_TEMPLATE or _INPUT per byte */
    Origin origin;
    bool markup; /* Python's Markup: what is joined to it gets HTML escapes */
} Str;

/* Refers to the bytes, which must be well-formed. */
const Str *str_new(Arena *a, const char *p, size_t n, Origin origin);
const Str *str_of(Arena *a, const char *literal); /* from the template */
/* Bytes [from, to), on character borders. */
const Str *str_part(Arena *a, const Str *s, size_t from, size_t to);
const Str *str_with_markup(Arena *a, const Str *s, bool markup);

/* The byte where the character number `chars` begins (or s->n). */
size_t str_byte(const Str *s, size_t chars);
size_t str_chars(const char *p, size_t n);
int str_order(const Str *a, const Str *b); /* by code point */
bool str_equal(const Str *a, const Str *b);
bool str_is(const Str *s, const char *literal);
/* First (last) place of `what` in bytes [from, to) of s, or SIZE_MAX. */
size_t str_find(const Str *s, const Str *what, size_t from, size_t to);
size_t str_find_last(const Str *s, const Str *what, size_t from, size_t to);

typedef struct {
    Arena *a;
    size_t limit; /* bytes */
    char *p;
    unsigned char *marks; /* NULL until two origins meet */
    size_t n, cap;
    Origin origin;
    bool full;
} Text;

Text text_new(Arena *a, size_t limit);
void text_add(Text *t, const char *p, size_t n, Origin origin);
void text_puts(Text *t, const char *literal);
void text_printf(Text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void text_char(Text *t, uint32_t cp, Origin origin);
void text_str(Text *t, const Str *s);
void text_part(Text *t, const Str *s, size_t from, size_t to);
void text_repeat(Text *t, const char *p, size_t n, size_t times, Origin origin);
/* What was built; the Text may not be used any more. */
const Str *text_done(Text *t);

#endif
