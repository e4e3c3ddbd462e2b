// pack.cuh - from the file's layout to tiles: a warp a tile.
//
// Call<2> {rows in the file's layout, tiles}; tokens = tiles of 16 rows,
// outputs = K / 128 (CudaPacker in runtime/cuda_code.h).
#pragma once
#include "tile.cuh"

enum { PACK_WARPS = 4 };

template <class Block> DEVICE void pack_tile(const Call<2> &call, int across)
{
    i64 tile = (i64)block_x() * PACK_WARPS + warp();
    if (tile >= (i64)call.tokens * across)
        return;
    i64 row_bytes = (i64)across * Block::ROW_BYTES;
    const u8 *rows = call.arg[0] + tile / across * 16 * row_bytes +
                     tile % across * Block::ROW_BYTES;
    Block::pack(call.arg[1] + tile * Block::BYTES, rows, row_bytes, lane());
}

template <template <int> class Block, int J>
DEVICE void pack_wide(const Call<2> &call)
{
    if constexpr (128 * J % Block<4>::ELEMENTS == 0)
        pack_tile<Block<J>>(call, call.outputs / J);
}

template <template <int> class Block> DEVICE void pack_rows(const Call<2> &call)
{
    stage_begin();
    if (call.outputs % 4 == 0)
        pack_wide<Block, 4>(call);
    else if (call.outputs % 2 == 0)
        pack_wide<Block, 2>(call);
    else
        pack_wide<Block, 1>(call);
}
