// tiles.cu - the tile functions of every block type as a table of plain
// functions, for test_tiles.c.  They are per lane, so no kernel runs.
// tiles.cuh and block_files.cuh are tests/cuda/tiles.h and block_files.def.
#include "block_32.cuh"
#include "block_float.cuh"
#include "block_iq1.cuh"
#include "block_iq2.cuh"
#include "block_iq3.cuh"
#include "block_iq4.cuh"
#include "block_k.cuh"
#include "block_small.cuh"
#include "tiles.cuh"

template <class Block> static const u8 *table_of()
{
    alignas(16) static u8 table[Block::TABLE_BYTES + 16];
    static bool filled;
    if (!filled)
        Block::table(table, 0, 1);
    filled = true;
    return table;
}

template <class Block> struct Functions {
    static typename Block::Raw raw(const u8 *tile, int lane)
    {
        typename Block::Raw r;
        Block::load(r, tile, lane);
        return r;
    }
    static void pack(u8 *tile, const u8 *rows, i64 row_bytes, int lane)
    {
        Block::pack(tile, rows, row_bytes, lane);
    }
    static void floats(const u8 *tile, int lane, int h, int j, float *out)
    {
        typename Block::Raw r = raw(tile, lane);
        for (int s = 0; s < 8; s++) {
            float w[4];
            Block::floats(r, h, j, s, w, table_of<Block>());
            memcpy(out + 4 * s, w, sizeof w);
        }
    }
    static void halves(const u8 *tile, int lane, int h, int j, float *out)
    {
        typename Block::Raw r = raw(tile, lane);
        for (int s = 0; s < 8; s++) {
            u32 w[2];
            Block::halves(r, h, j, s, w, table_of<Block>());
            for (int t = 0; t < 4; t++)
                out[4 * s + t] =
                    half_float((u16)(w[t / 2] >> 16 * (t % 2))) * Block::UNIT;
        }
    }
    static float dot8(const u8 *tile, int lane, int h, int j, const i8 *codes,
                      float d)
    {
        u32 a[8] = {};
        int sum = 0;
        for (int k = 0; k < 32; k++) {
            a[k / 4] |= (u32)(u8)codes[k] << 8 * (k % 2 * 2 + k % 4 / 2);
            sum += codes[k];
        }
        return Block::dot8(raw(tile, lane), h, j, a, d, d * (float)sum,
                           table_of<Block>());
    }
};

template <template <int> class Block, int J>
static TileFunctions functions(const char *type, float (*file)(const u8 *, i64))
{
    if constexpr (128 * J % Block<4>::ELEMENTS == 0) {
        using F = Functions<Block<J>>;
        return {type,      J,         Block<J>::BYTES, F::pack, F::floats,
                F::halves, F::dot8, file};
    } else {
        return {type, 0, 0, nullptr, nullptr, nullptr, nullptr, nullptr};
    }
}

extern "C" EMU_EXPORT const TileFunctions tile_functions[];
extern "C" EMU_EXPORT const int n_tile_functions;
const TileFunctions tile_functions[] = {
#define BLOCK_FILE(type, file)                                                 \
    functions<Block_##type, 1>(#type, file_value_##type),                      \
        functions<Block_##type, 2>(#type, file_value_##type),                  \
        functions<Block_##type, 4>(#type, file_value_##type),
#include "block_files.cuh"
#undef BLOCK_FILE
};
const int n_tile_functions = sizeof tile_functions / sizeof *tile_functions;
