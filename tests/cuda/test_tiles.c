/* test_tiles.c - every block type's tiles against the reference decoder: packed
 * from the file's layout, read back as f32 (bit for bit), as f16, as products
 * with int8 codes; the file's layout read value by value; and the kernels that
 * pack whole matrices. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/emulator.h"
#include "cuda/tiles.h"
#include "gen/cuda/cuda.h"
#include "gen/cuda/emit_pack.h"
#include "base/random.h"

enum { ROWS = 16, MOST = 512, LANES = 32 };
static const float SCALE = 0.02F;

static const TileFunctions *table;
static int n_table;

/* Every type in tiles: what packs them is then in the code, and its headers are
 * those of any plan. */
static CudaCode *code_new(void)
{
    static PlanWeight weight[BT_COUNT];
    Plan p = {.weight = weight};
    for (int t = 0; t < BT_COUNT; t++)
        if (emit_pack_file((BlockType)t))
            weight[p.n_weights++] = (PlanWeight){
                .type = (BlockType)t, .packing = PACK_TILE};
    CudaCode *c;
    Err *e = cuda_code(&p, &c);
    cr_assert(!e);
    return c;
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    char *text = calloc(1, 1 << 16);
    cr_assert(fread(text, 1, (1 << 16) - 1, f) > 0);
    fclose(f);
    return text;
}

static void open_table(void)
{
    CudaCode *c = code_new();
    EmuHeader *h = calloc((size_t)c->n_headers + 2, sizeof *h);
    for (int i = 0; i < c->n_headers; i++)
        h[i] = (EmuHeader){c->header[i].name, c->header[i].source};
    char *interface = read_text(SOURCE_DIR "/tests/cuda/tiles.h");
    char *types = read_text(SOURCE_DIR "/gen/cuda/block_files.def");
    char *source = read_text(SOURCE_DIR "/tests/cuda/units/tiles.cu"), *path;
    h[c->n_headers] = (EmuHeader){"tiles.cuh", interface};
    h[c->n_headers + 1] = (EmuHeader){"block_files.cuh", types};
    char *failed = emu_build_once(source, h, c->n_headers + 2, "", &path);
    cr_assert(!failed, "%s", failed);
    void *so = dlopen(path, RTLD_NOW);
    cr_assert(so, "%s", dlerror());
    table = dlsym(so, "tile_functions");
    n_table = *(const int *)dlsym(so, "n_tile_functions");
    free(path);
    free(source);
    free(types);
    free(interface);
    free(h);
    cuda_code_free(c);
}

/* A matrix of three tiles, with the middle one packed. */
typedef struct {
    const TileFunctions *f;
    BlockType t;
    int width;
    int64_t row_bytes;
    uint8_t *file;
    float *value; /* of the middle tile, row by row */
    _Alignas(16) uint8_t tile[ROWS * MOST * 4];
} Case;

/* scale: about the weights' size. */
static Case *case_new(const TileFunctions *f, Random *r, float scale)
{
    Case *c = aligned_alloc(16, (sizeof *c + 15) / 16 * 16);
    BlockType t = block_from_name(f->type);
    int width = 128 * f->wide;
    int64_t row_bytes = block_bytes(t, 3 * width);
    *c = (Case){.f = f, .t = t, .width = width, .row_bytes = row_bytes};
    c->file = malloc((size_t)(ROWS * row_bytes));
    c->value = malloc(sizeof(float) * (size_t)(ROWS * width));
    for (int64_t at = 0; at < ROWS * row_bytes; at += block_info[t].bytes)
        if (block_info[t].kind == BLOCK_FLOAT) {
            float x = scale * random_real(r);
            uint16_t h = t == BT_f16 ? float_to_half(x) : float_to_bf16(x);
            memcpy(c->file + at, t == BT_f32 ? (void *)&x : (void *)&h,
                   (size_t)block_info[t].bytes);
        } else {
            random_block(r, t, scale, c->file + at);
        }
    memset(c->tile, 0xa5, sizeof c->tile);
    const uint8_t *middle = c->file + row_bytes / 3;
    for (int row = 0; row < ROWS; row++)
        block_decode(t, middle + row * row_bytes, width,
                     c->value + row * width);
    for (int lane = 0; lane < LANES; lane++)
        f->pack(c->tile, middle, row_bytes, lane);
    return c;
}

static void case_free(Case *c)
{
    free(c->file);
    free(c->value);
    free(c);
}

/* The 32 weights that the layout gives to block (h, j) of a lane. */
static const float *block_of(const Case *c, int lane, int h, int j)
{
    return c->value + (lane / 4 + 8 * h) * c->width + 32 * (lane % 4 + 4 * j);
}

typedef void CheckBlock(const Case *c, int lane, int h, int j, void *state);

static void for_blocks_of(CheckBlock *check, void *state,
                          const TileFunctions *f, Random *r, float scale)
{
    Case *c = case_new(f, r, scale);
    for (int lane = 0; lane < LANES; lane++)
        for (int h = 0; h < 2; h++)
            for (int j = 0; j < f->wide; j++)
                check(c, lane, h, j, state);
    case_free(c);
}

static void for_blocks(CheckBlock *check, void *state, const TileFunctions *f,
                       Random *r)
{
    for_blocks_of(check, state, f, r, SCALE);
}

/* ---- bytes */

Test(tiles, size_is_the_files, .init = open_table)
{
    Random r = random_seed(1);
    for (int i = 0; i < n_table; i++) {
        if (!table[i].wide)
            continue;
        Case *c = case_new(&table[i], &r, SCALE);
        cr_expect(table[i].bytes == ROWS * c->row_bytes / 3, "%s",
                  table[i].type);
        for (int k = table[i].bytes; k < (int)sizeof c->tile; k++)
            cr_assert(c->tile[k] == 0xa5, "%s: writes behind its tile",
                      table[i].type);
        case_free(c);
    }
}

/* ---- values */

static void check_floats(const Case *c, int lane, int h, int j, void *state)
{
    float got[32];
    (void)state;
    c->f->floats(c->tile, lane, h, j, got);
    cr_assert(memcmp(got, block_of(c, lane, h, j), sizeof got) == 0,
              "%s, J %d: lane %d, block (%d, %d)", c->f->type, c->f->wide, lane,
              h, j);
}

Test(tiles, floats_are_exact, .init = open_table)
{
    Random r = random_seed(2);
    for (int i = 0; i < n_table; i++)
        for (int n = 0; n < 3; n++)
            if (table[i].wide)
                for_blocks(check_floats, NULL, &table[i], &r);
}

Test(tiles, values_of_the_file, .init = open_table)
{
    Random r = random_seed(3);
    for (int i = 0; i < n_table; i++) {
        if (!table[i].wide)
            continue;
        Case *c = case_new(&table[i], &r, SCALE);
        for (int row = 0; row < ROWS; row++)
            for (int k = 0; k < c->width; k++) {
                float got = c->f->file_value(c->file + row * c->row_bytes,
                                             c->width + k);
                cr_assert(memcmp(&got, c->value + row * c->width + k, 4) == 0,
                          "%s: row %d, weight %d", c->f->type, row, k);
            }
        case_free(c);
    }
}

/* Squares of the error and of the truth. */
typedef struct {
    double error, truth;
    Random random;
} Sum;

/* Two roundings at most, of a weight or of what it is the difference of. */
static void check_halves(const Case *c, int lane, int h, int j, void *state)
{
    Sum *sum = state;
    float got[32], most = 0;
    const float *want = block_of(c, lane, h, j);
    c->f->halves(c->tile, lane, h, j, got);
    for (int k = 0; k < 32; k++)
        most = fmaxf(most, fabsf(want[k]));
    for (int k = 0; k < 32; k++) {
        double e = (double)got[k] - want[k];
        cr_assert(fabs(e) <= 0x1p-10 * most + 0x1p-24, "%s, J %d: %g for %g",
                  c->f->type, c->f->wide, got[k], want[k]);
        sum->error += e * e;
        sum->truth += (double)want[k] * want[k];
    }
}

Test(tiles, halves_are_near, .init = open_table)
{
    for (int i = 0; i < n_table; i++) {
        Sum sum = {.random = random_seed(4)};
        for (int n = 0; n < 3 && table[i].wide; n++)
            for_blocks(check_halves, &sum, &table[i], &sum.random);
        cr_expect(sum.error <= 1.5e-7 * sum.truth, "%s: %g", table[i].type,
                  sum.error / sum.truth);
    }
}

/* Of weights so small that their scales are f16 of a few digits: what is a whole
 * number of such a scale is an f16, too. */
static void check_small(const Case *c, int lane, int h, int j, void *state)
{
    float got[32], most = 0;
    const float *want = block_of(c, lane, h, j);
    (void)state;
    c->f->halves(c->tile, lane, h, j, got);
    for (int k = 0; k < 32; k++)
        most = fmaxf(most, fabsf(want[k]));
    for (int k = 0; k < 32; k++)
        cr_assert(fabsf(got[k] - want[k]) <= 0x1p-10F * most, "%s, J %d: %g for %g",
                  c->f->type, c->f->wide, got[k], want[k]);
}

Test(tiles, halves_of_small_weights, .init = open_table)
{
    Random r = random_seed(6);
    for (int i = 0; i < n_table; i++) {
        BlockType t = block_from_name(table[i].type);
        if (table[i].wide && block_info[t].kind == BLOCK_QUANT)
            for (int n = 0; n < 3; n++)
                for_blocks_of(check_small, NULL, &table[i], &r, 2e-6F);
    }
}

static void check_dot8(const Case *c, int lane, int h, int j, void *state)
{
    Sum *sum = state;
    signed char codes[32];
    float d = 0.01F * (1 + (float)random_below(&sum->random, 100));
    const float *w = block_of(c, lane, h, j);
    double want = 0;
    for (int k = 0; k < 32; k++) {
        codes[k] = (signed char)(random_below(&sum->random, 255) - 127);
        want += (double)w[k] * codes[k] * d;
    }
    double e = c->f->dot8(c->tile, lane, h, j, codes, d) - want;
    sum->error += e * e;
    sum->truth += want * want;
}

Test(tiles, products_with_codes, .init = open_table)
{
    for (int i = 0; i < n_table; i++) {
        Sum sum = {.random = random_seed(5)};
        for (int n = 0; n < 3 && table[i].wide; n++)
            for_blocks(check_dot8, &sum, &table[i], &sum.random);
        cr_expect(sum.error <= 1e-10 * sum.truth, "%s: %g", table[i].type,
                  sum.error / sum.truth);
    }
}

/* ---- the kernels that pack */

typedef struct {
    void *arg[2], *scratch;
    uint32_t *counters;
    const void *step;
    int32_t tokens, outputs;
    uint64_t early;
} Call2;

/* The tiles as the lanes' functions write them. */
static void expect_tiles(const TileFunctions *f, const uint8_t *rows,
                         int64_t row_bytes, int row_tiles, int across,
                         const uint8_t *got)
{
    _Alignas(16) uint8_t tile[ROWS * MOST * 4];
    for (int i = 0; i < row_tiles * across; i++) {
        const uint8_t *from = rows + i / across * ROWS * row_bytes +
                              i % across * (f->bytes / ROWS);
        for (int lane = 0; lane < LANES; lane++)
            f->pack(tile, from, row_bytes, lane);
        cr_assert(memcmp(tile, got + (int64_t)i * f->bytes,
                         (size_t)f->bytes) == 0,
                  "%s, J %d: tile %d", f->type, f->wide, i);
    }
}

static void check_packer(EmuUnit *u, const CudaPacker *p,
                         const TileFunctions *f, Random *r)
{
    enum { ROW_TILES = 3, ACROSS = 3 };
    int64_t row_bytes = block_bytes(p->type, 128 * ACROSS * f->wide);
    int64_t bytes = ROW_TILES * ROWS * row_bytes;
    uint8_t *file = malloc((size_t)bytes);
    uint8_t *tiles = aligned_alloc(16, (size_t)bytes);
    for (int64_t i = 0; i < bytes; i++)
        file[i] = (uint8_t)random_bits(r);
    Call2 call = {.arg = {file, tiles},
                  .tokens = ROW_TILES,
                  .outputs = ACROSS * f->wide};
    int per = p->tiles_per_block, blocks = (ROW_TILES * ACROSS + per - 1) / per;
    const char *e = emu_launch(u, p->symbol, blocks, 1, p->threads, 0, &call,
                               sizeof call, random_bits(r));
    cr_assert(!e, "%s", e);
    expect_tiles(f, file, row_bytes, ROW_TILES, ACROSS, tiles);
    free(file);
    free(tiles);
}

static const TileFunctions *functions_of(BlockType t, int k)
{
    for (int i = 0; i < n_table; i++)
        if (!strcmp(table[i].type, block_info[t].name) && k-- == 0)
            return &table[i];
    cr_assert_fail("%s has no functions", block_info[t].name);
    return NULL;
}

Test(tiles, matrices_are_packed, .init = open_table)
{
    Random r = random_seed(6);
    CudaCode *c = code_new();
    EmuHeader *h = calloc((size_t)c->n_headers, sizeof *h);
    for (int i = 0; i < c->n_headers; i++)
        h[i] = (EmuHeader){c->header[i].name, c->header[i].source};
    cr_expect(3 * c->n_packers == n_table);
    for (int i = 0; i < c->n_packers; i++) {
        const CudaPacker *p = &c->packer[i];
        EmuUnit *u = emu_compile(c->unit[p->unit].source, h, c->n_headers);
        cr_assert(u, "%s", emu_error());
        for (int k = 0; k < 3; k++)
            if (functions_of(p->type, k)->wide)
                check_packer(u, p, functions_of(p->type, k), &r);
        emu_close(u);
    }
    free(h);
    cuda_code_free(c);
}
