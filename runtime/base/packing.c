#include "base/packing.h"

#include <stddef.h>
#include <string.h>

const char *const packing_name[PACK_COUNT] = {"rows", "x8", "t16"};

static const PackField fields[] = {
#define FIELD(type, offset, bytes, unit) {BT_##type, offset, bytes, unit},
#include "base/packing.def"
#undef FIELD
};

int packing_fields(BlockType t, const PackField **out)
{
    int n = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].type == t && n++ == 0)
            *out = &fields[i];
    return n;
}

/* A tile holds whole blocks, so a superblock of 256 wants two units. */
static bool fits_tiles(BlockType t, int64_t k, int64_t rows)
{
    BlockKind kind = block_info[t].kind;
    int64_t unit = block_info[t].elems > PACK_TILE_UNIT ? block_info[t].elems
                                                        : PACK_TILE_UNIT;
    return (kind == BLOCK_FLOAT || kind == BLOCK_QUANT) && k % unit == 0 &&
           rows % PACK_TILE_ROWS == 0;
}

bool packing_fits(Packing p, BlockType t, int64_t k, int64_t rows)
{
    const PackField *f;
    switch (p) {
    case PACK_ROWS:
        return true;
    case PACK_X8:
        return rows % PACK_LANES == 0 && packing_fields(t, &f) > 0;
    case PACK_TILE:
        return fits_tiles(t, k, rows);
    case PACK_COUNT:
        break;
    }
    return false;
}

/* memcpy of a length known where it matters */
static void copy_unit(void *dst, const void *src, int unit)
{
    if (unit == 4)
        memcpy(dst, src, 4);
    else
        memcpy(dst, src, 2);
}

/* Moves the units of one field between a row's block and its place among
 * eight. */
static void move_field(const PackField *f, uint8_t *packed, uint8_t *row,
                       int lane, bool pack)
{
    packed += PACK_LANES * f->offset + lane * f->unit;
    row += f->offset;
    for (int i = 0; i < f->bytes; i += f->unit) {
        if (pack)
            copy_unit(packed + PACK_LANES * i, row + i, f->unit);
        else
            copy_unit(row + i, packed + PACK_LANES * i, f->unit);
    }
}

static void move_all(BlockType t, int64_t blocks, uint8_t *packed,
                     uint8_t *rows, bool pack)
{
    const PackField *f = NULL;
    int n = packing_fields(t, &f);
    int64_t bytes = block_info[t].bytes;
    for (int64_t b = 0; b < blocks; b++)
        for (int lane = 0; lane < PACK_LANES; lane++)
            for (int i = 0; i < n; i++)
                move_field(&f[i], packed + b * PACK_LANES * bytes,
                           rows + (lane * blocks + b) * bytes, lane, pack);
}

void packing_pack8(BlockType t, int64_t blocks, const void *src, void *dst)
{
    move_all(t, blocks, dst, (uint8_t *)(uintptr_t)src, true);
}

void packing_unpack8(BlockType t, int64_t blocks, const void *src, void *dst)
{
    move_all(t, blocks, (uint8_t *)(uintptr_t)src, dst, false);
}
