/* library.h - shared libraries that may not be there: opened when first wanted,
 * a table of their functions filled by name.  Any thread may call. */
#ifndef RUNTIME_LIBRARY_H
#define RUNTIME_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* A function's name and its place in a table, in bytes. */
typedef struct {
    const char *name;
    size_t at;
} LibrarySymbol;

/* NULL if it cannot be opened.  global: libraries opened later find it. */
void *library_open(const char *name, bool global);
/* NULL when all n stand in the table, else the first name that is missing. */
const char *library_find(void *library, const LibrarySymbol *symbol, size_t n,
                         void *table);

#endif
