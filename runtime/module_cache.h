/* module_cache.h - compiled kernels kept on disk between runs.
 *
 * An entry is one file, named by its key, that carries the key, its length and
 * a checksum; it appears by rename, so a reader sees all of it or nothing.
 * Whatever is wrong with an entry makes it a miss.  Object code is run, so the
 * folder must belong to this user (or root) and nobody else may write to it.
 * One thread at a time may use a ModuleCache; any number of processes may
 * share a folder. */
#ifndef RUNTIME_MODULE_CACHE_H
#define RUNTIME_MODULE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"

typedef struct ModuleCache ModuleCache;

/* The hash of everything that the object code depends on. */
typedef struct {
    uint8_t hash[SHA256_BYTES];
} CacheKey;

/* The key of n parts; where one part ends and the next begins counts. */
CacheKey cache_key(const char *const *part, int n);

/* dir NULL: $XDG_CACHE_HOME/sextet, else ~/.cache/sextet (the only environment
 * variables that the program reads).  limit: bytes that all entries together
 * may take, 0: no cache.  A folder that cannot be used is a warning and gives
 * a cache that holds nothing. */
ModuleCache *cache_open(const char *dir, int64_t limit);
void cache_close(ModuleCache *c);

/* Appends the entry to `out` and returns true, or false and leaves it. */
bool cache_get(ModuleCache *c, const CacheKey *key, Buf *out);
/* Adds or replaces an entry, then drops the oldest ones above the limit. */
void cache_put(ModuleCache *c, const CacheKey *key, const void *data, size_t n);

/* What the folder holds. */
typedef struct {
    const char *dir; /* NULL: there is no folder that can be used */
    int64_t entries, bytes, limit;
} CacheStats;
CacheStats cache_stats(const ModuleCache *c);
/* Removes every entry. */
void cache_clear(ModuleCache *c);

#endif
