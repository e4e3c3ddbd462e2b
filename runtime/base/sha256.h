/* sha256.h - FIPS 180-4 SHA-256: names and checksums of cached files. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

typedef struct {
    uint32_t h[8];
    uint64_t n; /* bytes taken */
    uint8_t block[64];
} Sha256;

void sha256_init(Sha256 *s);
void sha256_add(Sha256 *s, const void *bytes, size_t n);
void sha256_end(Sha256 *s, uint8_t out[SHA256_BYTES]);

#endif
