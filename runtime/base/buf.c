#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void reserve(Buf *b, size_t extra)
{
    if (b->cap - b->n > extra)
        return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap - b->n <= extra)
        cap *= 2;
    b->data = realloc(b->data, cap);
    if (!b->data)
        memory_out(cap);
    b->cap = cap;
}

void buf_add(Buf *b, const void *bytes, size_t n)
{
    reserve(b, n);
    if (n)
        memcpy(b->data + b->n, bytes, n);
    b->n += n;
    b->data[b->n] = '\0';
}

void buf_puts(Buf *b, const char *s) { buf_add(b, s, strlen(s)); }

void buf_printf(Buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) /* only for want of memory: the formats are ours */
        memory_out(b->cap);
    if (n > 0) {
        reserve(b, (size_t)n);
        if (vsnprintf(b->data + b->n, (size_t)n + 1, fmt, again) != n)
            memory_out(b->cap);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_clear(Buf *b)
{
    b->n = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(Buf *b)
{
    free(b->data);
    *b = (Buf){0};
}
