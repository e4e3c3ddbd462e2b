/* buf.h - a growing byte string for building text and small blobs.
 *
 * Owns heap memory; `data` is always NUL-terminated once anything was added
 * (the NUL is not counted in `n`).  One thread at a time.  Out of host memory
 * is fatal, as in arena.h. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

typedef struct {
    char *data; /* NULL while empty */
    size_t n;   /* bytes in use */
    size_t cap;
} Buf;

void buf_add(Buf *b, const void *bytes, size_t n);
void buf_puts(Buf *b, const char *s);
void buf_printf(Buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_clear(Buf *b); /* keeps the memory */
void buf_free(Buf *b);

#endif
