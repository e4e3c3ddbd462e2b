/* test_packing.c - the table of fields covers every block exactly, and packing
 * moves each byte where packing.def says and back. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/packing.h"

Test(packing, fields_are_the_block)
{
    int packed = 0;
    for (int t = 0; t < BT_COUNT; t++) {
        const PackField *f = NULL;
        int n = packing_fields((BlockType)t, &f), at = 0;
        for (int i = 0; i < n; i++) {
            cr_expect(f[i].offset == at, "%s", block_info[t].name);
            cr_expect(f[i].unit == 2 || f[i].unit == 4);
            cr_expect(f[i].bytes % f[i].unit == 0);
            at += f[i].bytes;
        }
        cr_expect(n == 0 || at == block_info[t].bytes, "%s",
                  block_info[t].name);
        packed += n > 0;
    }
    cr_expect(packed >= 13);
}

Test(packing, needs_eight_rows)
{
    cr_expect(packing_fits(PACK_X8, BT_q8_0, 64, 16));
    cr_expect(!packing_fits(PACK_X8, BT_q8_0, 64, 12));
    cr_expect(!packing_fits(PACK_X8, BT_f32, 64, 16));
    cr_expect(packing_fits(PACK_ROWS, BT_f32, 5, 3));
}

Test(packing, tiles_are_whole)
{
    cr_expect(packing_fits(PACK_TILE, BT_q8_0, 128, 16));
    cr_expect(packing_fits(PACK_TILE, BT_f32, 384, 32));
    cr_expect(packing_fits(PACK_TILE, BT_q5_k, 256, 16));
    cr_expect(!packing_fits(PACK_TILE, BT_q5_k, 384, 16));
    cr_expect(!packing_fits(PACK_TILE, BT_q8_0, 64, 16));
    cr_expect(!packing_fits(PACK_TILE, BT_q8_0, 128, 24));
    cr_expect(!packing_fits(PACK_TILE, BT_i32, 128, 16));
    cr_expect(!packing_fits(PACK_COUNT, BT_q8_0, 128, 16));
}

/* Q8_0, two blocks a row: byte 5 of row 3's second block is byte 3 of field 2
 * (at 2, units of 4), so unit 0. */
Test(packing, a_byte_by_hand)
{
    enum { BLOCK = 34, ROWS = 8, BLOCKS = 2 };
    uint8_t plain[BLOCK * ROWS * BLOCKS] = {0}, packed[sizeof plain];
    plain[(3 * BLOCKS + 1) * BLOCK + 5] = 77;
    packing_pack8(BT_q8_0, BLOCKS, plain, packed);
    for (size_t i = 0; i < sizeof packed; i++)
        cr_expect(packed[i] ==
                  (i == 1 * ROWS * BLOCK + ROWS * 2 + 3 * 4 + 3 ? 77 : 0));
}

Test(packing, there_and_back)
{
    for (int t = 0; t < BT_COUNT; t++) {
        if (!packing_fits(PACK_X8, (BlockType)t, 256, 8))
            continue;
        size_t n = 8 * 3 * (size_t)block_info[t].bytes;
        uint8_t *a = malloc(n), *b = malloc(n), *c = malloc(n);
        for (size_t i = 0; i < n; i++)
            a[i] = (uint8_t)(i * 2654435761U >> 13);
        packing_pack8((BlockType)t, 3, a, b);
        packing_unpack8((BlockType)t, 3, b, c);
        cr_expect(memcmp(a, b, n) != 0 && memcmp(a, c, n) == 0, "%s",
                  block_info[t].name);
        free(a);
        free(b);
        free(c);
    }
}
