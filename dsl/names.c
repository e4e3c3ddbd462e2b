#include "dsl/names.h"

#include <string.h>

static uint32_t hash_of(const char *s)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

/* The slot where that name is or would be. */
static int slot_of(const Names *t, const char *name, uint32_t hash)
{
    uint32_t mask = (uint32_t)t->cap - 1, i = hash & mask;
    while (t->entries[i] && (t->entries[i]->hash != hash ||
                             strcmp(t->entries[i]->name, name) != 0))
        i = (i + 1) & mask;
    return (int)i;
}

static void grow(Names *t)
{
    NameEntry **old = t->entries;
    int cap = t->cap;
    t->cap = cap ? 2 * cap : 8;
    t->entries = ARENA_ARRAY(t->a, NameEntry *, t->cap);
    for (int i = 0; i < cap; i++)
        if (old[i])
            t->entries[slot_of(t, old[i]->name, old[i]->hash)] = old[i];
}

NameEntry *names_entry(Names *t, const char *name)
{
    if (2 * (t->n + 1) > t->cap)
        grow(t);
    uint32_t hash = hash_of(name);
    int i = slot_of(t, name, hash);
    if (!t->entries[i]) {
        NameEntry *e = ARENA_NEW(t->a, NameEntry);
        e->name = name;
        e->hash = hash;
        t->entries[i] = e;
        t->n++;
    }
    return t->entries[i];
}

void *names_get(const Names *t, const char *name)
{
    if (t->cap == 0)
        return NULL;
    const NameEntry *e = t->entries[slot_of(t, name, hash_of(name))];
    return e ? e->value : NULL;
}
