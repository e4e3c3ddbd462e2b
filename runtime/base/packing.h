/* packing.h - how the blocks of a matrix lie in memory.
 *
 * As in the file, row after row.  Or with the blocks of eight rows side by side,
 * so that a host kernel multiplies eight rows (columns of the product) by one
 * activation without adding up lanes: packing.def.  Or in tiles of 16 rows x
 * 128, 256 or 512 weights, each for one warp of a GPU: gen/cuda/tile.cuh, packed
 * on the device.  A packed matrix has the bytes of the plain one in another
 * order. */
#ifndef BASE_PACKING_H
#define BASE_PACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/blocks.h"

typedef enum { PACK_ROWS, PACK_X8, PACK_TILE, PACK_COUNT } Packing;
enum {
    PACK_LANES = 8,      /* rows side by side in PACK_X8 */
    PACK_TILE_ROWS = 16, /* of a tile */
    PACK_TILE_UNIT = 128 /* a tile is 1, 2 or 4 times as wide */
};

extern const char *const packing_name[PACK_COUNT]; /* "rows", "x8", "t16" */

typedef struct {
    BlockType type;
    int offset, bytes, unit;
} PackField;

/* Units across a tile of rows of k values (gen/cuda/tile.cuh: J). */
static inline int packing_tile_units(int64_t k)
{
    int64_t units = k / PACK_TILE_UNIT;
    return units % 4 == 0 ? 4 : units % 2 == 0 ? 2 : 1;
}

/* The fields of a type's block, in order; 0: it cannot be packed. */
int packing_fields(BlockType t, const PackField **out);
/* Can matrices [k, rows] of this type lie like that? */
bool packing_fits(Packing p, BlockType t, int64_t k, int64_t rows);
/* Eight rows of `blocks` blocks each, one after the other at src, to dst in
 * PACK_X8; and back.  src and dst do not overlap. */
void packing_pack8(BlockType t, int64_t blocks, const void *src, void *dst);
void packing_unpack8(BlockType t, int64_t blocks, const void *src, void *dst);

#endif
