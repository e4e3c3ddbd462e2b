/* tiles.h - between tiles.cu and test_tiles.c: what a block type does with a
 * tile, for one lane. */
#ifndef TESTS_CUDA_TILES_H
#define TESTS_CUDA_TILES_H

typedef struct {
    const char *type;
    int wide; /* J; 0: the type has no tiles so narrow */
    int bytes;
    void (*pack)(unsigned char *tile, const unsigned char *rows,
                 long long row_bytes, int lane);
    /* The 32 weights of block (h, j). */
    void (*floats)(const unsigned char *tile, int lane, int h, int j,
                   float *out);
    void (*halves)(const unsigned char *tile, int lane, int h, int j,
                   float *out);
    /* Their sum of products with codes * d. */
    float (*dot8)(const unsigned char *tile, int lane, int h, int j,
                  const signed char *codes, float d);
    float (*file_value)(const unsigned char *row, long long k);
} TileFunctions;

#endif
