/* codebooks_packed.h - private to codebooks.c: the packed grids.
 *
 * Fields of 2 or 4 bits (codebooks.def), from the low bits of each word up. */
#ifndef BASE_CODEBOOKS_PACKED_H
#define BASE_CODEBOOKS_PACKED_H

#include <stdint.h>

#define CODEBOOK(name, rows, cols, bits, ...)                                  \
    extern const uint64_t                                                      \
        codebook_##name##_packed[(rows) * (cols) * (bits) / 64];
#include "base/codebooks.def"
#undef CODEBOOK

#endif
