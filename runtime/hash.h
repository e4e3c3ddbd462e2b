/* hash.h - the hash of the runtime's open-addressing tables.
 *
 * It is fixed, so a file can be made whose keys all collide.  Tables therefore
 * refuse to place a key after HASH_MAX_PROBES steps: at half load the longest
 * run that chance makes of a million keys is under a hundred. */
#ifndef RUNTIME_HASH_H
#define RUNTIME_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_MAX_PROBES = 1024 };

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection. */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* FNV-1a, 64 bits; start with h = HASH_START, finish with hash_mix. */
#define HASH_START 0xcbf29ce484222325u
static inline uint64_t hash_bytes(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h;
}

#endif
