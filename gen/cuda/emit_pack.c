#include "gen/cuda/emit_pack.h"

#include "base/buf.h"

enum { WARPS = 4 }; /* PACK_WARPS of pack.cuh: a tile each */

static const char *const file_name[BT_COUNT] = {
#define BLOCK_FILE(type, file) [BT_##type] = #file ".cuh",
#include "gen/cuda/block_files.def"
#undef BLOCK_FILE
};

const char *emit_pack_file(BlockType t)
{
    return (unsigned)t < BT_COUNT ? file_name[t] : NULL;
}

static void find_types(const Plan *p, bool found[BT_COUNT])
{
    for (int i = 0; i < p->n_weights; i++) {
        const PlanWeight *w = &p->weight[i];
        if (w->packing == PACK_TILE && emit_pack_file(w->type))
            found[w->type] = true;
    }
}

static void add_packer(CudaCode *c, BlockType t)
{
    Buf text = {0}, symbol = {0};
    const char *name = block_info[t].name;
    buf_printf(&symbol, "pack_%s", name);
    buf_printf(&text,
               "#include \"pack.cuh\"\n#include \"%s\"\n"
               "KERNEL(%s, 2, %d, 1) { pack_rows<Block_%s>(call); }\n",
               emit_pack_file(t), symbol.data, 32 * WARPS, name);
    const char *kept = arena_strndup(c->arena, symbol.data, symbol.n);
    int unit = emit_unit(
        c, (CudaSource){.name = kept, .source = arena_strndup(
                                          c->arena, text.data, text.n)});
    c->packer[c->n_packers++] = (CudaPacker){.type = t,
                                             .unit = unit,
                                             .symbol = kept,
                                             .threads = 32 * WARPS,
                                             .tiles_per_block = WARPS};
    buf_free(&text);
    buf_free(&symbol);
}

void emit_packers(const Plan *p, CudaCode *c)
{
    bool found[BT_COUNT] = {false};
    find_types(p, found);
    c->packer = ARENA_ARRAY(c->arena, CudaPacker, BT_COUNT);
    for (int t = 0; t < BT_COUNT; t++)
        if (found[t])
            add_packer(c, (BlockType)t);
}
