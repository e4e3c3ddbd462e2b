/* memory.h - when the host has no memory left: one line on standard error, then
 * abort.  For the memory that the program itself needs; sizes that come from a
 * file or a request are answered with an Err where they are allocated.  Takes
 * no memory itself; any thread may call. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* "sextet: out of memory (N bytes)"; does not return. */
_Noreturn void memory_out(size_t bytes);

/* p, the answer to a request for so many bytes, unless there is none. */
static inline void *memory_must(void *p, size_t bytes)
{
    if (!p)
        memory_out(bytes);
    return p;
}

/* n elements, and one more so that there is always something, all zero; the
 * caller's to free. */
static inline void *memory_array(int64_t n, size_t size)
{
    return memory_must(calloc((size_t)n + 1, size), ((size_t)n + 1) * size);
}

/* A stream that collects text in memory and loses none of it.  fclose sets
 * *text, which ends with a zero byte and is the caller's to free, and *n. */
FILE *memory_text(char **text, size_t *n);

#endif
