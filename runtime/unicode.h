/* unicode.h - UTF-8 and normalisation form C.
 *
 * Text is bytes and a length; NUL is an ordinary character.  Well-formed means
 * what Unicode's table 3-7 says: no surrogates, no overlong forms, nothing
 * above U+10FFFF.  All functions may be called from any thread. */
#ifndef RUNTIME_UNICODE_H
#define RUNTIME_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { UNICODE_MAX_BYTES = 4 };

/* The first character of s (n >= 1 bytes).
 *   > 0  its length; *cp is the code point
 *   = 0  all n bytes begin a character that goes on after them
 *   < 0  minus the length of the longest ill-formed start, which U+FFFD
 *        replaces (the practice of Unicode chapter 3.9 and of Python) */
int unicode_step(const char *s, size_t n, uint32_t *cp);

/* UTF-8 of a scalar value; returns the length. */
int unicode_put(uint32_t cp, char out[UNICODE_MAX_BYTES]);

/* Offset of the first ill-formed byte, or n. */
size_t unicode_valid(const char *s, size_t n);

/* Appends s with each ill-formed stretch replaced by U+FFFD. */
void unicode_repair(const char *s, size_t n, Buf *out);

/* Appends NFC(s); s must be well-formed.  Time is linear also for text made of
 * combining marks only.  The Unicode version is utf8proc's. */
Err *unicode_nfc(const char *s, size_t n, Buf *out) MUST_USE;

/* True if a look at the lead bytes already proves that NFC changes nothing. */
int unicode_is_plain(const char *s, size_t n);

#endif
