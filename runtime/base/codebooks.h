/* codebooks.h - constant tables that block types index.
 *
 * The grids are stored packed and expanded once, at the first call of
 * codebook(); they live for the whole program.  Any thread may call. */
#ifndef BASE_CODEBOOKS_H
#define BASE_CODEBOOKS_H

#include <stdint.h>

typedef enum {
#define CODEBOOK(name, ...) CODEBOOK_##name,
#include "base/codebooks.def"
#undef CODEBOOK
    CODEBOOK_COUNT
} CodebookId;

typedef struct {
    const char *name; /* as in codebooks.def */
    int rows, cols;
    const int8_t *values; /* [rows][cols] */
} Codebook;

const Codebook *codebook(CodebookId id);

/* The 4-bit code of iq4_nl and iq4_xs, and of mxfp4 and nvfp4 (an E2M1 number
 * times two, so that it is whole). */
extern const int8_t codebook_nl4[16];
extern const int8_t codebook_e2m1[16];

#endif
