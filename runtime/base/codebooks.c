#include "base/codebooks.h"

#include <pthread.h>

#include "base/codebooks_packed.h"

const int8_t codebook_nl4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};
const int8_t codebook_e2m1[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                  0, -1, -2, -3, -4, -6, -8, -12};

#define CODEBOOK(name, rows, cols, bits, ...)                                  \
    static int8_t name##_values[(rows) * (cols)];                              \
    static const int8_t name##_map[] = {__VA_ARGS__};
#include "base/codebooks.def"
#undef CODEBOOK

static const Codebook books[CODEBOOK_COUNT] = {
#define CODEBOOK(name, rows, cols, bits, ...)                                  \
    [CODEBOOK_##name] = {#name, rows, cols, name##_values},
#include "base/codebooks.def"
#undef CODEBOOK
};

static void expand(const uint64_t *packed, int bits, const int8_t *map,
                   int8_t *values, int n)
{
    int per_word = 64 / bits;
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (int i = 0; i < n; i++) {
        int shift = bits * (i % per_word);
        values[i] = map[packed[i / per_word] >> shift & mask];
    }
}

static void expand_all(void)
{
#define CODEBOOK(name, rows, cols, bits, ...)                                  \
    expand(codebook_##name##_packed, bits, name##_map, name##_values,          \
           (rows) * (cols));
#include "base/codebooks.def"
#undef CODEBOOK
}

const Codebook *codebook(CodebookId id)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, expand_all);
    return &books[id];
}
