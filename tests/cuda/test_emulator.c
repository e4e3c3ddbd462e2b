/* The emulator: what device.cuh promises against plain computations, and the
 * faults of a GPU as errors. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"
#include "cuda/emulator.h"
#include "base/random.h"

enum { SEEDS = 20 };

typedef struct {
    void *arg[2], *scratch;
    uint32_t *counters;
    const void *step;
    int32_t tokens, outputs;
    uint64_t early;
} Call2;

/* The unit, compiled by whoever comes first. */
static EmuUnit *unit(void)
{
    static EmuUnit *u;
    if (u)
        return u;
    FILE *f = fopen(SOURCE_DIR "/tests/cuda/units/emulator.cu", "r");
    cr_assert(f);
    static char text[1 << 16];
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    u = emu_compile(text, NULL, 0);
    cr_assert(u, "%s", emu_error());
    return u;
}

static const char *launch(const char *name, int blocks, int threads, int shared,
                          const Call2 *call, uint64_t seed)
{
    return emu_launch(unit(), name, blocks, 1, threads, shared, call,
                      sizeof *call, seed);
}

static void run(const char *name, int blocks, int threads, int shared,
                const Call2 *call, uint64_t seed)
{
    const char *e = launch(name, blocks, threads, shared, call, seed);
    cr_assert(!e, "%s", e);
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* ---- lanes */

static void check_lanes(const uint32_t *x, const uint32_t *out)
{
    uint32_t votes = 0, most = 0, sum = 0, bytes = 0;
    for (int i = 0; i < 32; i++) {
        votes |= (x[i] & 1) << i;
        most = x[i] > most ? x[i] : most;
        sum += x[i];
        bytes += x[i] & 255;
    }
    for (int i = 0; i < 32; i++) {
        cr_assert_eq(out[i], x[i ^ 5]);
        cr_assert_eq(out[32 + i], x[(i * 7 + 3) % 32]);
        cr_assert_eq(out[64 + i], votes);
        cr_assert_eq(out[96 + i], most);
        cr_assert_eq(out[128 + i], sum);
        cr_assert_eq(out[160 + i], x[i ^ 16]);
        cr_assert_eq(out[192 + i], x[31]);
        cr_assert_eq(float_of(out[224 + i]), (float)bytes);
    }
}

Test(emulator, lanes)
{
    uint32_t x[32], out[256];
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Random r = random_seed(seed);
        for (int i = 0; i < 32; i++)
            x[i] = random_bits(&r);
        Call2 call = {.arg = {x, out}};
        run("lanes", 1, 32, 0, &call, seed);
        check_lanes(x, out);
    }
}

/* ---- one thread */

static int32_t byte_of(uint32_t x, int i) { return (int8_t)(x >> 8 * i); }

static void check_integers(uint32_t a, uint32_t b, uint32_t c,
                           const uint32_t r[16])
{
    uint32_t dot = c, dot_us = c, lo = c, hi = c, permuted = 0;
    for (int i = 0; i < 4; i++) {
        dot += (uint32_t)(byte_of(a, i) * byte_of(b, i));
        dot_us += (uint32_t)((int32_t)(a >> 8 * i & 255) * byte_of(b, i));
        uint32_t pick = c >> 4 * i & 7;
        permuted |= ((pick < 4 ? a : b) >> 8 * (pick & 3) & 255) << 8 * i;
    }
    for (int i = 0; i < 2; i++) {
        int32_t wide = (int16_t)(a >> 16 * i);
        lo += (uint32_t)(wide * byte_of(b, i));
        hi += (uint32_t)(wide * byte_of(b, 2 + i));
    }
    uint32_t n = c & 31, bits = 0, zeros = 0, shifted = a >> (b & 31);
    for (int i = 0; i < 32; i++)
        bits += a >> i & 1;
    while (zeros < 32 && !(shifted >> (31 - zeros) & 1))
        zeros++;
    const uint32_t want[8] = {dot,  dot_us,   lo,
                              hi,   permuted, n ? a >> n | b << (32 - n) : a,
                              bits, zeros};
    for (int i = 0; i < 8; i++)
        cr_assert_eq(r[i], want[i], "row %d: %x %x %x gives %x, not %x", i, a,
                     b, c, r[i], want[i]);
}

static bool same_half(uint16_t got, uint16_t want)
{
    bool nan = (want & 0x7fff) > 0x7c00;
    return nan ? (got & 0x7fff) > 0x7c00 : got == want;
}

/* The half nearest to x: float_to_half after a rounding to odd, which keeps
 * what decides. */
static uint16_t nearest_half(double x)
{
    float f = (float)x;
    if (isfinite(f) && (double)f != x) {
        uint32_t u = bits_of(f);
        if (fabs((double)f) > fabs(x))
            u--;
        f = float_of(u | 1);
    }
    return float_to_half(f);
}

static void check_halves(uint32_t a, uint32_t b, uint32_t c,
                         const uint32_t r[16])
{
    for (int i = 0; i < 2; i++) {
        double x = half_to_float((uint16_t)(a >> 16 * i));
        double y = half_to_float((uint16_t)(b >> 16 * i));
        double z = half_to_float((uint16_t)(c >> 16 * i));
        const double want[4] = {x + y, x - y, x * y, x * y + z};
        for (int j = 0; j < 4; j++)
            cr_assert(same_half((uint16_t)(r[8 + j] >> 16 * i),
                                nearest_half(want[j])),
                      "operation %d of %g %g %g", j, x, y, z);
        uint16_t half = (uint16_t)(r[12] >> 16 * i);
        cr_assert(same_half(half, float_to_half(float_of(i ? b : a))));
    }
    float f = float_of(a), h = half_to_float((uint16_t)a);
    cr_assert(isnan(f) || r[13] == float_to_bf16(f));
    cr_assert(isnan(h) ? isnan(float_of(r[15])) : r[15] == bits_of(h));
    double whole =
        isnan(f) ? 0 : fmin(fmax(rint((double)f), -2147483648.0), 2147483647.0);
    cr_assert_eq((int32_t)r[14], (int32_t)whole);
}

/* Numbers of ordinary size half of the time. */
static uint32_t random_word(Random *r)
{
    uint32_t x = random_bits(r);
    return random_bits(r) & 1 ? x : (x & 0x83ff83ff) | 0x3c003c00;
}

Test(emulator, words)
{
    enum { N = 256 };
    static uint32_t in[N][3], out[16][N];
    Random r = {7};
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < 3; j++)
                in[i][j] = random_word(&r);
        Call2 call = {.arg = {in, out}};
        run("words", 1, N, 0, &call, 1);
        for (int i = 0; i < N; i++) {
            uint32_t row[16];
            for (int j = 0; j < 16; j++)
                row[j] = out[j][i];
            check_integers(in[i][0], in[i][1], in[i][2], row);
            check_halves(in[i][0], in[i][1], in[i][2], row);
        }
    }
}

/* ---- matrix units */

Test(emulator, product_f16)
{
    _Alignas(16) uint16_t in[384];
    float d[128], want[128];
    Random r = {3};
    for (int i = 0; i < 384; i++)
        in[i] = float_to_half((float)((int)(random_bits(&r) % 41) - 20));
    for (int i = 0; i < 128; i++) {
        want[i] = d[i] = (float)i;
        for (int k = 0; k < 16; k++)
            want[i] += half_to_float(in[i / 8 * 16 + k]) *
                       half_to_float(in[256 + k * 8 + i % 8]);
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (int i = 0; i < 128; i++)
            d[i] = (float)i;
        Call2 call = {.arg = {in, d}};
        run("product_f16", 1, 32, 768, &call, seed);
        cr_assert_arr_eq(d, want, sizeof d);
    }
}

/* Inputs whose low bits, were they not dropped, would change the sums. */
Test(emulator, product_tf32)
{
    uint32_t in[192];
    float d[128];
    Random r = {5};
    for (int i = 0; i < 192; i++)
        in[i] = bits_of((float)(1 + random_bits(&r) % 40)) | 0x1fff;
    Call2 call = {.arg = {in, d}};
    run("product_tf32", 1, 32, 0, &call, 9);
    for (int i = 0; i < 128; i++) {
        float want = 0;
        for (int k = 0; k < 8; k++)
            want += float_of(in[i / 8 * 8 + k] & ~0x1fffu) *
                    float_of(in[128 + k * 8 + i % 8] & ~0x1fffu);
        cr_assert_eq(d[i], want);
    }
}

/* ---- blocks */

Test(emulator, reduction)
{
    enum { BLOCKS = 50 };
    static float in[BLOCKS * 256], part[BLOCKS];
    float sum, want = 0;
    uint32_t counter = 0;
    for (int i = 0; i < BLOCKS * 256; i++)
        want += in[i] = (float)(i % 13);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        memset(part, 0xff, sizeof part);
        Call2 call = {.arg = {in, &sum}, .scratch = part, .counters = &counter};
        run("reduce", BLOCKS, 256, 260, &call, seed);
        cr_assert_eq(sum, want);
        cr_assert_eq(counter, 0);
    }
}

Test(emulator, blocks_that_wait_for_each_other)
{
    enum { BLOCKS = 20 };
    uint32_t out[BLOCKS], room[BLOCKS];
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t counter = 0;
        Call2 call = {
            .arg = {NULL, out}, .scratch = room, .counters = &counter};
        run("meet", BLOCKS, 64, 0, &call, seed);
        for (uint32_t i = 0; i < BLOCKS; i++)
            cr_assert_eq(out[i], (i + 1) % BLOCKS + 100);
    }
}

/* ---- what goes wrong only sometimes */

static int wrong_copies(int wait, uint64_t seed)
{
    _Alignas(16) unsigned char in[512], out[512], want[512];
    for (int i = 0; i < 512; i++) {
        in[i] = (unsigned char)(i % 251);
        want[i] = i % 16 < 8 ? in[i] : 0;
    }
    Call2 call = {.arg = {in, out}, .tokens = wait, .outputs = 8};
    run("copies", 1, 32, 1024, &call, seed);
    return memcmp(out, want, 512) != 0;
}

Test(emulator, copies_not_waited_for)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cr_assert(wrong_copies(0, seed));
        cr_assert(!wrong_copies(1, seed));
    }
}

static int wrong_neighbours(int barrier, uint64_t seed)
{
    uint32_t out[128];
    Call2 call = {.arg = {NULL, out}, .tokens = barrier};
    run("neighbours", 1, 128, 512, &call, seed);
    for (uint32_t i = 0; i < 128; i++)
        if (out[i] != (i + 64) % 128)
            return 1;
    return 0;
}

Test(emulator, missing_barrier)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cr_assert(wrong_neighbours(0, seed));
        cr_assert(!wrong_neighbours(1, seed));
    }
}

/* ---- errors */

typedef struct {
    const char *kernel;
    int threads, shared;
    const char *says; /* a part of the message */
} Fault;

static const Fault FAULTS[] = {
    {"leaves_early", 128, 0, "96 at sync_threads(2, 128)"},
    {"other_barrier", 64, 0, "32 at sync_threads(0, 64)"},
    {"other_count", 64, 0, "others wait there for"},
    {"other_meeting", 32, 0, "other lanes of the warp wait at"},
    {"lane_missing", 32, 0, "31 at sync_warp"},
    {"too_much_shared", 32, 64, "byte 64 of shared memory was written"},
    {"misaligned", 32, 0, "misaligned access"},
    {"misaligned_weight", 32, 0, "misaligned load of weights"},
    {"misaligned_copy", 32, 64, "misaligned source"},
    {"copy_outside", 32, 64, "copy16_async"},
    {"illegal", 32, 0, "illegal access at 0x40"},
    {"divides", 32, 0, "division by zero"},
    {"waits_forever", 32, 0, "waits by load_acquire for what nobody writes"},
    {"no_stage", 32, 0, "stage_begin was called 0 times"},
    {"two_stages", 32, 0, "stage_begin was called 2 times"},
    {"deep_stack", 32, 0, "stack overflow"},
    {"divides", 64, 0, "made for 32"},
    {"divides", 31, 0, "made for 32"},
    {"divides", 32, 300000, "bytes of shared memory"},
    {"nothing", 32, 0, "not in the unit"},
};

Test(emulator, faults)
{
    _Alignas(16) unsigned char in[64] = {0}, out[64];
    uint32_t counter = 0;
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            const Fault *f = &FAULTS[i];
            Call2 call = {.arg = {in, out}, .counters = &counter};
            const char *e =
                launch(f->kernel, 1, f->threads, f->shared, &call, seed);
            cr_assert(e, "%s is not reported", f->kernel);
            cr_assert(strstr(e, f->says), "%s: %s", f->kernel, e);
            cr_assert(strstr(e, f->kernel), "%s", e);
        }
}

Test(emulator, loop_without_end)
{
    uint32_t counter = 0;
    Call2 call = {.counters = &counter};
    emu_patience(1);
    const char *e = launch("runs_forever", 1, 32, 0, &call, 1);
    cr_assert(e && strstr(e, "runs without end"), "%s", e ? e : "ended");
}

Test(emulator, wrong_arguments)
{
    Call2 call = {.tokens = 1};
    const char *e =
        emu_launch(unit(), "lanes", 1, 1, 32, 0, &call, sizeof call - 8, 0);
    cr_assert(e && strstr(e, "argument of"));
    e = emu_launch(unit(), "lanes", 0, 1, 32, 0, &call, sizeof call, 0);
    cr_assert(e && strstr(e, "grid of"));
    cr_assert(!emu_compile("no unit", NULL, 0));
    cr_assert(strstr(emu_error(), "error"));
    cr_assert(!emu_open("/no/such/unit.so"));
}
