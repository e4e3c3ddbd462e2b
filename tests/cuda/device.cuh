// device.cuh - the emulation of gen/cuda/device.cuh: the same names for g++ on
// a CPU.  What threads do together goes through the emulator (emulated.h).
#pragma once
#include "emulated.h"

#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) alignas(n)
#define DEVICE static inline __attribute__((unused))
#define CONSTANT static constexpr
#define UNROLL
#define NO_UNROLL
#define TABLE static const
#define HELD static u32
#define SHARED_BUFFER(name) u8 *const name = emu_host->current->shared
#define EMU_EXPORT __attribute__((visibility("default")))
#define KERNEL(name, n, threads, blocks) EMU_KERNEL(name, n, threads)
#define EMU_KERNEL(name, n, threads)                                           \
    static void name##_thread(const Call<n> &call);                            \
    extern "C" {                                                               \
    EMU_EXPORT extern const EmuKernel name;                                    \
    const EmuKernel name = {                                                   \
        [](const void *c) { name##_thread(*(const Call<n> *)c); },             \
        sizeof(Call<n>), threads};                                             \
    }                                                                          \
    static void name##_thread([[maybe_unused]] const Call<n> &call)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef __SIZE_TYPE__ size_t;

static EmuHost *emu_host;
extern "C" {
EMU_EXPORT void emu_attach(EmuHost *host) { emu_host = host; }
EMU_EXPORT extern const int emu_unit_arch;
const int emu_unit_arch = __CUDA_ARCH__;
}

// ---- what CUDA has without headers
#define EMU_VECTOR(T, name, align2, align4)                                    \
    struct alignas(align2) name##2 { T x, y; };                                \
    struct name##3 { T x, y, z; };                                             \
    struct alignas(align4) name##4 { T x, y, z, w; };                          \
    DEVICE name##2 make_##name##2(T x, T y) { return {x, y}; }                 \
    DEVICE name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }         \
    DEVICE name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMU_VECTOR(signed char, char, 2, 4)
EMU_VECTOR(unsigned char, uchar, 2, 4)
EMU_VECTOR(short, short, 4, 8)
EMU_VECTOR(unsigned short, ushort, 4, 8)
EMU_VECTOR(int, int, 8, 16)
EMU_VECTOR(unsigned, uint, 8, 16)
EMU_VECTOR(float, float, 8, 16)
struct alignas(16) longlong2 { long long x, y; };
struct alignas(16) ulonglong2 { unsigned long long x, y; };
struct alignas(16) double2 { double x, y; };

extern "C" {
#define EMU_F1(name) float name##f(float) noexcept;
#define EMU_F2(name) float name##f(float, float) noexcept;
EMU_F1(exp) EMU_F1(exp2) EMU_F1(expm1) EMU_F1(log) EMU_F1(log2) EMU_F1(log10)
EMU_F1(log1p) EMU_F1(sqrt) EMU_F1(cbrt) EMU_F1(sin) EMU_F1(cos) EMU_F1(tan)
EMU_F1(sinh) EMU_F1(cosh) EMU_F1(tanh) EMU_F1(asin) EMU_F1(acos) EMU_F1(atan)
EMU_F1(erf) EMU_F1(erfc) EMU_F1(floor) EMU_F1(ceil) EMU_F1(trunc) EMU_F1(round)
EMU_F1(rint) EMU_F1(nearbyint) EMU_F1(fabs)
EMU_F2(fmax) EMU_F2(fmin) EMU_F2(pow) EMU_F2(fmod) EMU_F2(atan2)
EMU_F2(copysign)
float fmaf(float, float, float) noexcept;
double exp(double) noexcept;
float ldexpf(float, int) noexcept;
void sincosf(float, float *, float *) noexcept;
void *memcpy(void *, const void *, size_t) noexcept;
void *memset(void *, int, size_t) noexcept;
}
DEVICE float rsqrtf(float x) { return 1.0f / sqrtf(x); }
DEVICE float exp10f(float x) { return powf(10.0f, x); }
DEVICE float __expf(float x) { return expf(x); }
DEVICE float __logf(float x) { return logf(x); }
DEVICE float __fdividef(float a, float b) { return a / b; }
DEVICE bool isnan(float x) { return __builtin_isnan(x); }
DEVICE bool isinf(float x) { return __builtin_isinf(x); }
DEVICE bool isfinite(float x) { return __builtin_isfinite(x); }
DEVICE bool signbit(float x) { return __builtin_signbit(x); }
#define EMU_MIN_MAX(T)                                                         \
    DEVICE T min(T a, T b) { return a < b ? a : b; }                           \
    DEVICE T max(T a, T b) { return a > b ? a : b; }
EMU_MIN_MAX(int)
EMU_MIN_MAX(unsigned)
EMU_MIN_MAX(long)
EMU_MIN_MAX(unsigned long)
EMU_MIN_MAX(long long)
EMU_MIN_MAX(unsigned long long)
DEVICE float min(float a, float b) { return fminf(a, b); }
DEVICE float max(float a, float b) { return fmaxf(a, b); }
DEVICE int abs(int x) { return x < 0 ? -x : x; }
DEVICE float abs(float x) { return fabsf(x); }

DEVICE int thread() { return (int)emu_host->current->thread; }
DEVICE int n_threads() { return (int)emu_host->current->n_threads; }
DEVICE int lane() { return thread() & 31; }
DEVICE int warp() { return thread() >> 5; }
DEVICE int block_x() { return (int)emu_host->current->block[0]; }
DEVICE int block_y() { return (int)emu_host->current->block[1]; }
DEVICE int blocks_x() { return (int)emu_host->current->grid[0]; }
DEVICE int blocks_y() { return (int)emu_host->current->grid[1]; }

// ---- barriers, stages
DEVICE void sync_threads(int id, int n) { emu_host->barrier(id, n); }
DEVICE void sync_warp() { emu_host->meet(EMU_SYNC_WARP, 0); }
DEVICE void stage_begin() { emu_host->current->stages++; }

// ---- lanes of a warp
DEVICE u32 float_bits(float x) { u32 u; memcpy(&u, &x, 4); return u; }
DEVICE float bits_float(u32 x) { float f; memcpy(&f, &x, 4); return f; }
DEVICE u32 shuffle(u32 x, int from)
{
    return emu_host->meet(EMU_SHUFFLE, x)[from & 31];
}
DEVICE float shuffle(float x, int from)
{
    return bits_float(shuffle(float_bits(x), from));
}
DEVICE u32 shuffle_xor(u32 x, int mask) { return shuffle(x, lane() ^ mask); }
DEVICE float shuffle_xor(float x, int mask)
{
    return shuffle(x, lane() ^ mask);
}
DEVICE u32 warp_ballot(bool p)
{
    const u32 *word = emu_host->meet(EMU_BALLOT, p);
    u32 r = 0;
    for (int i = 0; i < 32; i++)
        r |= word[i] << i;
    return r;
}
DEVICE u32 warp_max_u32(u32 x)
{
    const u32 *word = emu_host->meet(EMU_WARP_MAX, x);
    u32 r = 0;
    for (int i = 0; i < 32; i++)
        r = max(r, word[i]);
    return r;
}
DEVICE i32 warp_sum_i32(i32 x)
{
    const u32 *word = emu_host->meet(EMU_WARP_SUM, (u32)x);
    u32 r = 0;
    for (int i = 0; i < 32; i++)
        r += word[i];
    return (i32)r;
}

// ---- global memory
template <class T> DEVICE T emu_load(const void *p)
{
    if ((size_t)p % sizeof(T))
        emu_host->fault("misaligned load of weights", p);
    T r;
    memcpy(&r, p, sizeof r);
    return r;
}
template <int OFFSET = 0> DEVICE uint4 load_weight16(const void *p)
{
    return emu_load<uint4>((const u8 *)p + OFFSET);
}
template <int OFFSET = 0> DEVICE uint2 load_weight8(const void *p)
{
    return emu_load<uint2>((const u8 *)p + OFFSET);
}
template <int OFFSET = 0> DEVICE u32 load_weight4(const void *p)
{
    return emu_load<u32>((const u8 *)p + OFFSET);
}
template <int OFFSET = 0> DEVICE u16 load_weight2(const void *p)
{
    return emu_load<u16>((const u8 *)p + OFFSET);
}
DEVICE u32 load_held(const u32 *p) { return *p; }
DEVICE void prefetch_weight(const void *) {}
DEVICE u32 load_acquire(const u32 *p)
{
    emu_host->look();
    return *(const volatile u32 *)p;
}
DEVICE void store_release(u32 *p, u32 v)
{
    *(volatile u32 *)p = v;
    emu_host->progress();
}
DEVICE u32 add_u32(u32 *p, u32 v)
{
    u32 old = *(volatile u32 *)p;
    *(volatile u32 *)p = old + v;
    emu_host->progress();
    return old;
}
DEVICE u64 add_u64(u64 *p, u64 v)
{
    u64 old = *(volatile u64 *)p;
    *(volatile u64 *)p = old + v;
    emu_host->progress();
    return old;
}
DEVICE u32 add_ticket(u32 *p, u32 v) { return add_u32(p, v); }
DEVICE void fence_gpu() {}

// ---- asynchronous copies
DEVICE u32 shared_address(const void *p)
{
    return (u32)((const u8 *)p - emu_host->current->shared);
}
DEVICE void copy16_async(void *dst, const void *src, int n = 16)
{
    emu_host->copy(dst, src, n);
}
DEVICE void copy_commit() { emu_host->copy_commit(); }
template <int N> DEVICE void copy_wait() { emu_host->copy_wait(N); }

// ---- lookup tables: at the end of their room, which must be large enough
template <int SIZE> CONSTANT int TABLE_ROOM = 2 * SIZE - 16;
template <int SIZE> DEVICE u32 *table_start(u8 *room)
{
    return (u32 *)(room + (TABLE_ROOM<SIZE> - SIZE));
}
template <int SIZE> DEVICE u32 table_word(const u8 *room, u32 offset)
{
    if (offset > SIZE - 4 || offset % 4)
        emu_host->fault("a word outside its table", room + offset);
    return *(const u32 *)(room + (TABLE_ROOM<SIZE> - SIZE) + offset);
}

// ---- integers
DEVICE i32 emu_byte(u32 x, int i) { return (i8)(x >> 8 * i); }
DEVICE i32 dot4(u32 a, u32 b, i32 c)
{
    for (int i = 0; i < 4; i++)
        c = (i32)((u32)c + (u32)(emu_byte(a, i) * emu_byte(b, i)));
    return c;
}
DEVICE i32 dot4_us(u32 a, u32 b, i32 c)
{
    for (int i = 0; i < 4; i++)
        c = (i32)((u32)c + (u32)((i32)(u8)(a >> 8 * i) * emu_byte(b, i)));
    return c;
}
DEVICE i32 emu_dot2(u32 a, u32 b, i32 c, int first)
{
    for (int i = 0; i < 2; i++)
        c = (i32)((u32)c + (u32)((i16)(a >> 16 * i) * emu_byte(b, first + i)));
    return c;
}
DEVICE i32 dot2_lo(u32 a, u32 b, i32 c) { return emu_dot2(a, b, c, 0); }
DEVICE i32 dot2_hi(u32 a, u32 b, i32 c) { return emu_dot2(a, b, c, 2); }
DEVICE u32 permute(u32 a, u32 b, u32 selector)
{
    u64 bytes = (u64)b << 32 | a;
    u32 r = 0;
    for (int i = 0; i < 4; i++)
        r |= (u32)(u8)(bytes >> 8 * (selector >> 4 * i & 7)) << 8 * i;
    return r;
}
DEVICE u32 byte_signs(u32 x) { return (x >> 7 & 0x01010101) * 255; }
DEVICE u32 funnel_right(u32 lo, u32 hi, u32 n)
{
    return (u32)(((u64)hi << 32 | lo) >> (n & 31));
}
DEVICE int count_bits(u32 x) { return __builtin_popcount(x); }
DEVICE int leading_zeros(u32 x) { return x ? __builtin_clz(x) : 32; }
DEVICE u64 multiply_high(u64 a, u64 b)
{
    return (u64)((unsigned __int128)a * b >> 64);
}

// ---- numbers
DEVICE float half_float(u16 h)
{
    _Float16 x;
    memcpy(&x, &h, 2);
    return (float)x;
}
DEVICE u16 emu_half_bits(_Float16 x)
{
    u16 h;
    memcpy(&h, &x, 2);
    return h;
}
DEVICE u16 float_half(float f) { return emu_half_bits((_Float16)f); }
DEVICE u32 float2_half2(float lo, float hi)
{
    return float_half(lo) | (u32)float_half(hi) << 16;
}
DEVICE float emu_half(u32 x, int i) { return half_float((u16)(x >> 16 * i)); }
// One rounding to f32 first does no harm: 24 bits >= 2 * 11 + 2.
DEVICE u32 half2_add(u32 a, u32 b)
{
    return float2_half2(emu_half(a, 0) + emu_half(b, 0),
                        emu_half(a, 1) + emu_half(b, 1));
}
DEVICE u32 half2_sub(u32 a, u32 b) { return half2_add(a, b ^ 0x80008000u); }
DEVICE u32 half2_mul(u32 a, u32 b)
{
    return float2_half2(emu_half(a, 0) * emu_half(b, 0),
                        emu_half(a, 1) * emu_half(b, 1));
}
// In f64, where the product is exact and the sum exact enough: what it may lose
// is far below half a unit of any half.
DEVICE u16 emu_half_fma(u32 a, u32 b, u32 c, int i)
{
    double x = (double)emu_half(a, i) * emu_half(b, i) + emu_half(c, i);
    return emu_half_bits((_Float16)x);
}
DEVICE u32 half2_fma(u32 a, u32 b, u32 c)
{
    return emu_half_fma(a, b, c, 0) | (u32)emu_half_fma(a, b, c, 1) << 16;
}
DEVICE u16 float_bf16(float f)
{
    u32 u = float_bits(f);
    if (isnan(f))
        return 0x7fff;
    return (u16)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
// Saturates; 0 of no number.
DEVICE int round_even(float x)
{
    if (isnan(x))
        return 0;
    x = rintf(x);
    if (x >= 2147483648.0f)
        return 2147483647;
    return x < -2147483648.0f ? -2147483647 - 1 : (int)x;
}
DEVICE float rounded_product(float a, float b) { return a * b; }
DEVICE float rounded_sum(float a, float b) { return a + b; }
DEVICE double rounded_product(double a, double b) { return a * b; }
DEVICE double rounded_sum(double a, double b) { return a + b; }
DEVICE float quick_exp(float x) { return expf(x); }
DEVICE float quick_divide(float a, float b) { return a / b; }
DEVICE float exact_quotient(float a, float b) { return a / b; }
DEVICE float reciprocal_sqrt(float x) { return rsqrtf(x); }
DEVICE float reciprocal(float x) { return 1 / x; }

// ---- matrix units
DEVICE void mma_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
{
    emu_host->mma(EMU_MMA_F16, d, a, b);
}
DEVICE void mma_tf32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
{
    emu_host->mma(EMU_MMA_TF32, d, a, b);
}
DEVICE void load_matrices(u32 (&r)[4], const void *row)
{
    emu_host->matrices(EMU_MATRICES, r, row);
}
DEVICE void load_matrices_transposed(u32 (&r)[4], const void *row)
{
    emu_host->matrices(EMU_MATRICES_TRANSPOSED, r, row);
}
