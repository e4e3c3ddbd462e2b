/* names.h - a map from names to whatever: open addressing, arena memory. */
#ifndef DSL_NAMES_H
#define DSL_NAMES_H

#include <stdint.h>

#include "base/arena.h"

typedef struct {
    const char *name; /* NULL: free */
    uint32_t hash;
    int stamp; /* for the owner */
    void *value;
} NameEntry;

typedef struct {
    Arena *a;
    NameEntry **entries; /* stable addresses */
    int n, cap;          /* cap a power of two */
} Names;

/* The entry of that name, made if it is new (value NULL). */
NameEntry *names_entry(Names *t, const char *name);
/* Its value, NULL if there is none. */
void *names_get(const Names *t, const char *name);

#endif
