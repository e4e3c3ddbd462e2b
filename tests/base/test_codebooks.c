/* The expanded grids against the CRC-32 of the format's constants. */
#include <criterion/criterion.h>

#include "base/codebooks.h"

/* The zlib polynomial, a bit at a time. */
static uint32_t crc32_of(const int8_t *data, int n)
{
    uint32_t crc = 0xffffffff;
    for (int i = 0; i < n; i++) {
        crc ^= (uint8_t)data[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return crc ^ 0xffffffff;
}

Test(codebooks, crc)
{
    static const uint32_t want[CODEBOOK_COUNT] = {
        [CODEBOOK_iq1] = 0xb85e6ccf,    [CODEBOOK_iq2xxs] = 0x9924ff02,
        [CODEBOOK_iq2xs] = 0xfa1e1bfd,  [CODEBOOK_iq2s] = 0x25ae5bf1,
        [CODEBOOK_iq3xxs] = 0x07ba9ed0, [CODEBOOK_iq3s] = 0xf576e4f3,
    };
    for (int k = 0; k < CODEBOOK_COUNT; k++) {
        const Codebook *c = codebook((CodebookId)k);
        uint32_t crc = crc32_of(c->values, c->rows * c->cols);
        cr_expect_eq(crc, want[k], "%s: %08x", c->name, crc);
    }
}

Test(codebooks, small_tables_are_odd_or_mirrored)
{
    for (int i = 0; i < 8; i++)
        cr_expect_eq(codebook_e2m1[i], -codebook_e2m1[i + 8]);
    for (int i = 1; i < 16; i++)
        cr_expect(codebook_nl4[i] > codebook_nl4[i - 1]);
}
