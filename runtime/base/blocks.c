#include "base/blocks.h"

#include <strings.h>

#include "base/blocks_decode.h"

const BlockInfo block_info[BT_COUNT] = {
#define BLOCK(name, id, elems, bytes, kind)                                    \
    [BT_##name] = {#name, id, elems, bytes, BLOCK_##kind},
#include "base/blocks.def"
#undef BLOCK
};

static void (*const decoders[BT_COUNT])(const uint8_t *b, float *y) = {
#define BLOCK(name, id, elems, bytes, kind) [BT_##name] = decode_##name,
#include "base/blocks.def"
#undef BLOCK
};

BlockType block_from_gguf(uint32_t id)
{
    int t = 0;
    while (t < BT_COUNT && block_info[t].gguf_id != (int64_t)id)
        t++;
    return (BlockType)t;
}

BlockType block_from_name(const char *name)
{
    int t = 0;
    while (t < BT_COUNT && strcasecmp(block_info[t].name, name) != 0)
        t++;
    return (BlockType)t;
}

int64_t block_bytes(BlockType t, int64_t n)
{
    const BlockInfo *info = &block_info[t];
    int64_t bytes;
    if (n < 0 || n % info->elems != 0)
        return -1;
    if (__builtin_mul_overflow(n / info->elems, (int64_t)info->bytes, &bytes))
        return -1;
    return bytes;
}

void block_decode(BlockType t, const void *src, int64_t n, float *dst)
{
    const BlockInfo *info = &block_info[t];
    const uint8_t *b = src;
    for (int64_t i = 0; i < n; i += info->elems, b += info->bytes)
        decoders[t](b, dst + i);
}
