// device.cuh - what the kernels need of the processor and C++ cannot say: PTX,
// each instruction once.  The kernel files hold no other inline assembly, so
// that the tests can run them on a CPU with another file of this name
// (tests/cuda/device.cuh).  NVRTC includes no CUDA header.
//
// Memory: weights are read through the non-coherent path; values, states and
// scratch never are, because one resident kernel may both write and read them.
#pragma once

#define DEVICE static __device__ __forceinline__
#define CONSTANT static constexpr
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
// Tables of constants in the unit, read by all threads of a warp alike or copied
// to shared memory.
#define TABLE static __device__ const
// Words that the compiler must not know: load_held() reads them into a register
// (from L1, once a loop at best), where a constant is made anew for each
// instruction that cannot hold it itself.
#define HELD static __device__ u32
// The one buffer of shared memory of a block, 128-byte aligned.
#define SHARED_BUFFER(name) extern __shared__ __align__(128) u8 name[]
// A kernel: n pointers of arguments, threads of a block, blocks that a
// multiprocessor must be able to hold.
#define KERNEL(name, n, threads, blocks)                                       \
    extern "C" __global__ void __launch_bounds__(threads, blocks)              \
        name(const __grid_constant__ Call<n> call)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

DEVICE int thread() { return threadIdx.x; }
DEVICE int n_threads() { return blockDim.x; }
DEVICE int lane() { return threadIdx.x & 31; }
DEVICE int warp() { return threadIdx.x >> 5; }
DEVICE int block_x() { return blockIdx.x; }
DEVICE int block_y() { return blockIdx.y; }
DEVICE int blocks_x() { return gridDim.x; }
DEVICE int blocks_y() { return gridDim.y; }

// ---- barriers
// Among the n threads (a multiple of 32) of a block that name barrier `id`, 0 to
// 15.
DEVICE void sync_threads(int id, int n)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n) : "memory");
}
DEVICE void sync_warp() { __syncwarp(); }

// ---- the stages of a step (programmatic dependent launch)
// Every kernel calls stage_begin() exactly once, on every path, before it reads
// or writes anything but weights; what it did before overlaps the kernel
// before it.
DEVICE void stage_begin()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// ---- lanes of a warp; all 32 take part
DEVICE u32 shuffle_xor(u32 x, int mask)
{
    return __shfl_xor_sync(0xffffffffu, x, mask);
}
DEVICE float shuffle_xor(float x, int mask)
{
    return __shfl_xor_sync(0xffffffffu, x, mask);
}
DEVICE u32 shuffle(u32 x, int from) { return __shfl_sync(0xffffffffu, x, from); }
DEVICE float shuffle(float x, int from)
{
    return __shfl_sync(0xffffffffu, x, from);
}
DEVICE u32 warp_ballot(bool p) { return __ballot_sync(0xffffffffu, p); }
DEVICE u32 warp_max_u32(u32 x) { return __reduce_max_sync(0xffffffffu, x); }
DEVICE i32 warp_sum_i32(i32 x) { return __reduce_add_sync(0xffffffffu, x); }

// ---- loads and stores of global memory
// Weights: read once a step, kept out of L1, and the first to leave the second-level
// cache, where code, values and states stay.  OFFSET bytes behind p.
DEVICE u64 once_policy()
{
    u64 p;
    asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(p));
    return p;
}
template <int OFFSET = 0> DEVICE uint4 load_weight16(const void *p)
{
    uint4 r;
    asm("ld.global.nc.L1::no_allocate.L2::cache_hint.v4.u32 {%0,%1,%2,%3}, [%4+%5], %6;"
        : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
        : "l"(p), "n"(OFFSET), "l"(once_policy()));
    return r;
}
template <int OFFSET = 0> DEVICE uint2 load_weight8(const void *p)
{
    uint2 r;
    asm("ld.global.nc.L1::no_allocate.L2::cache_hint.v2.u32 {%0,%1}, [%2+%3], %4;"
        : "=r"(r.x), "=r"(r.y) : "l"(p), "n"(OFFSET), "l"(once_policy()));
    return r;
}
template <int OFFSET = 0> DEVICE u32 load_weight4(const void *p)
{
    u32 r;
    asm("ld.global.nc.L1::no_allocate.L2::cache_hint.u32 %0, [%1+%2], %3;"
        : "=r"(r) : "l"(p), "n"(OFFSET), "l"(once_policy()));
    return r;
}
template <int OFFSET = 0> DEVICE u16 load_weight2(const void *p)
{
    u16 r;
    asm("ld.global.nc.L1::no_allocate.L2::cache_hint.u16 %0, [%1+%2], %3;"
        : "=h"(r) : "l"(p), "n"(OFFSET), "l"(once_policy()));
    return r;
}
DEVICE u32 load_held(const u32 *p) { return __ldg(p); }
// Asks for a line of weights to come to the second-level cache.
DEVICE void prefetch_weight(const void *p)
{
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}
// A counter or flag that blocks of one launch share.
DEVICE u32 load_acquire(const u32 *p)
{
    u32 v;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                 : "=r"(v) : "l"(p) : "memory");
    return v;
}
DEVICE void store_release(u32 *p, u32 v)
{
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v)
                 : "memory");
}
// Adds and returns what was there; orders memory both ways.
DEVICE u32 add_ticket(u32 *p, u32 v)
{
    u32 old;
    asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;"
                 : "=r"(old) : "l"(p), "r"(v) : "memory");
    return old;
}
// Adds in shared or global memory, unordered; returns what was there.
DEVICE u32 add_u32(u32 *p, u32 v) { return atomicAdd(p, v); }
DEVICE u64 add_u64(u64 *p, u64 v) { return atomicAdd(p, v); }
DEVICE void fence_gpu() { __threadfence(); }

// ---- asynchronous copies to shared memory (16-byte aligned both)
DEVICE u32 shared_address(const void *p)
{
    return (u32)__cvta_generic_to_shared(p);
}
// n bytes of the 16 come from src, zeros behind them.
DEVICE void copy16_async(void *dst, const void *src, int n = 16)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                     shared_address(dst)),
                 "l"(src), "r"(n) : "memory");
}
DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most N of this thread's groups are under way.
template <int N> DEVICE void copy_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// ---- lookup tables in shared memory
// A table of SIZE bytes, a power of two, starts at the first multiple of SIZE in a
// room of TABLE_ROOM<SIZE> bytes that is 16-byte aligned: the address of a word
// is an OR, which is part of the instruction that masks its offset.  Where blocks
// know the address (no clusters) it is a constant of the load.
template <int SIZE> CONSTANT int TABLE_ROOM = 2 * SIZE - 16;
template <int SIZE> DEVICE u32 table_address(const u8 *room)
{
    return (shared_address(room) + SIZE - 1) & -(u32)SIZE;
}
template <int SIZE> DEVICE u32 *table_start(u8 *room)
{
    return (u32 *)__cvta_shared_to_generic(table_address<SIZE>(room));
}
// The word `offset` bytes behind the start.
template <int SIZE> DEVICE u32 table_word(const u8 *room, u32 offset)
{
#if __CUDA_ARCH__ >= 900
    u32 at = table_address<SIZE>(room) | offset;
#else
    u32 at = table_address<SIZE>(room) + offset;
#endif
    return *(const u32 *)__cvta_shared_to_generic(at);
}

// ---- integers
// The sum of c and four products of signed (unsigned: u) bytes.
DEVICE i32 dot4(u32 a, u32 b, i32 c) { return __dp4a((int)a, (int)b, c); }
DEVICE i32 dot4_us(u32 a, u32 b, i32 c)
{
    i32 d;
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}
// c and two products of 16-bit values of a with bytes 0,1 (lo) or 2,3 (hi) of b.
DEVICE i32 dot2_lo(u32 a, u32 b, i32 c)
{
    i32 d;
    asm("dp2a.lo.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}
DEVICE i32 dot2_hi(u32 a, u32 b, i32 c)
{
    i32 d;
    asm("dp2a.hi.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}
// Four bytes of the eight of b:a, picked by the low four nibbles of the selector,
// each below 8 (__byte_perm() would mask them).
DEVICE u32 permute(u32 a, u32 b, u32 selector)
{
    u32 r;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(selector));
    return r;
}
// 0xff for each byte whose top bit is set, 0 for the others.
DEVICE u32 byte_signs(u32 x)
{
    u32 r;
    asm("prmt.b32 %0, %1, 0, 0xba98;" : "=r"(r) : "r"(x));
    return r;
}
// The low 32 bits of hi:lo shifted right by n (n < 32).
DEVICE u32 funnel_right(u32 lo, u32 hi, u32 n)
{
    return __funnelshift_r(lo, hi, n);
}
DEVICE int count_bits(u32 x) { return __popc(x); }
DEVICE int leading_zeros(u32 x) { return __clz(x); }
// The high 64 bits of the product.
DEVICE u64 multiply_high(u64 a, u64 b) { return __umul64hi(a, b); }

// ---- numbers
DEVICE float bits_float(u32 x) { return __uint_as_float(x); }
DEVICE u32 float_bits(float x) { return __float_as_uint(x); }
DEVICE float half_float(u16 h)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
DEVICE u16 float_half(float f)
{
    u16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}
// Two halves in a word; lo in the low bits.
DEVICE u32 float2_half2(float lo, float hi)
{
    u32 r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
}
DEVICE u32 half2_add(u32 a, u32 b)
{
    u32 r;
    asm("add.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
DEVICE u32 half2_sub(u32 a, u32 b)
{
    u32 r;
    asm("sub.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
DEVICE u32 half2_mul(u32 a, u32 b)
{
    u32 r;
    asm("mul.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
DEVICE u32 half2_fma(u32 a, u32 b, u32 c)
{
    u32 r;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
}
// Round to nearest even; the bits of a bfloat16.
DEVICE u16 float_bf16(float f)
{
    u16 h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}
DEVICE int round_even(float x) { return __float2int_rn(x); }
// Rounded before anything else happens: never part of a fused operation.
DEVICE float rounded_product(float a, float b) { return __fmul_rn(a, b); }
DEVICE float rounded_sum(float a, float b) { return __fadd_rn(a, b); }
DEVICE double rounded_product(double a, double b) { return __dmul_rn(a, b); }
DEVICE double rounded_sum(double a, double b) { return __dadd_rn(a, b); }
// The nearest float; a / b may be two off.
DEVICE float exact_quotient(float a, float b) { return __fdiv_rn(a, b); }
// Quick forms, relative error near 2^-22.
DEVICE float quick_exp(float x) { return __expf(x); }
DEVICE float quick_divide(float a, float b) { return __fdividef(a, b); }
DEVICE float reciprocal_sqrt(float x) { return rsqrtf(x); }
DEVICE float reciprocal(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// ---- matrix units: D = A B + D, all 32 lanes; lane = 4 g + c
// f16 with f32 sums, A 16 x 16, B 16 x 8.
//   a[0] row g,   k 2c, 2c+1    a[1] row g+8, k 2c, 2c+1
//   a[2] row g,   k 2c+8, +9    a[3] row g+8, k 2c+8, +9
//   b[0] column g, k 2c, 2c+1   b[1] column g, k 2c+8, +9
//   d[0], d[1] row g, columns 2c, 2c+1;  d[2], d[3] row g+8
// (PTX ISA, mma.m16n8k16.)
DEVICE void mma_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// tf32 (f32 bits, the low 13 ignored) with f32 sums, A 16 x 8, B 8 x 8.
//   a[0] row g, k c   a[1] row g+8, k c   a[2] row g, k c+4   a[3] row g+8, k c+4
//   b[0] column g, k c   b[1] column g, k c+4;  d as above
DEVICE void mma_tf32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Four 8 x 8 matrices of 16-bit values from shared memory: lane l gives the
// address of row l % 8 of matrix l / 8 (16 bytes); r[m] holds of matrix m row g,
// columns 2c, 2c+1 -- transposed: column g, rows 2c, 2c+1.
DEVICE void load_matrices(u32 (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
        : "r"(shared_address(row)) : "memory");
}
DEVICE void load_matrices_transposed(u32 (&r)[4], const void *row)
{
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
        : "r"(shared_address(row)) : "memory");
}
