// Kernels that test the emulator (test_emulator.c); arg[0] in, arg[1] out.
#include "common.cuh"

// What lanes do together: 8 rows of a word per lane.
KERNEL(lanes, 2, 32, 1)
{
    stage_begin();
    u32 x = ((const u32 *)call.arg[0])[lane()];
    u32 *out = (u32 *)call.arg[1] + lane();
    out[0] = shuffle_xor(x, 5);
    out[32] = shuffle(x, (lane() * 7 + 3) & 31);
    out[64] = warp_ballot(x & 1);
    out[96] = warp_max_u32(x);
    out[128] = (u32)warp_sum_i32((i32)x);
    out[160] = float_bits(shuffle_xor(bits_float(x), 16));
    out[192] = float_bits(shuffle(bits_float(x), 31));
    out[224] = float_bits(warp_sum((float)(x & 255)));
}

// What one thread does with three words: 16 rows.
KERNEL(words, 2, 256, 1)
{
    stage_begin();
    const u32 *in = (const u32 *)call.arg[0] + 3 * thread();
    u32 a = in[0], b = in[1], c = in[2];
    u32 r[] = {(u32)dot4(a, b, (i32)c), (u32)dot4_us(a, b, (i32)c),
               (u32)dot2_lo(a, b, (i32)c), (u32)dot2_hi(a, b, (i32)c),
               permute(a, b, c & 0x7777), funnel_right(a, b, c & 31),
               (u32)count_bits(a), (u32)leading_zeros(a >> (b & 31)),
               half2_add(a, b), half2_sub(a, b), half2_mul(a, b),
               half2_fma(a, b, c), float2_half2(bits_float(a), bits_float(b)),
               float_bf16(bits_float(a)), (u32)round_even(bits_float(a)),
               float_bits(half_float((u16)a))};
    for (int i = 0; i < 16; i++)
        ((u32 *)call.arg[1])[i * n_threads() + thread()] = r[i];
}

// arg[0]: A 16 x 16, B 16 x 8 row-major f16; D 16 x 8 += A B.
KERNEL(product_f16, 2, 32, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    u16 *s = (u16 *)room;
    for (int i = lane(); i < 384; i += 32)
        s[i] = ((const u16 *)call.arg[0])[i];
    sync_warp();
    u32 a[4], b[4];
    load_matrices(a, s + (lane() & 15) * 16 + (lane() >> 4) * 8);
    load_matrices_transposed(b, s + 256 + (lane() & 15) * 8);
    float *out = (float *)call.arg[1] + (lane() >> 2) * 8 + (lane() & 3) * 2;
    float d[4] = {out[0], out[1], out[64], out[65]};
    u32 b2[2] = {b[0], b[1]};
    mma_f16(d, a, b2);
    out[0] = d[0];
    out[1] = d[1];
    out[64] = d[2];
    out[65] = d[3];
}

// arg[0]: A 16 x 8, B 8 x 8 row-major f32; D 16 x 8 = A B.
KERNEL(product_tf32, 2, 32, 1)
{
    stage_begin();
    const u32 *in = (const u32 *)call.arg[0];
    int g = lane() >> 2, c = lane() & 3;
    u32 a[4] = {in[g * 8 + c], in[g * 8 + 64 + c], in[g * 8 + c + 4],
                in[g * 8 + 64 + c + 4]};
    u32 b[2] = {in[128 + c * 8 + g], in[128 + c * 8 + 32 + g]};
    float d[4] = {0, 0, 0, 0};
    mma_tf32(d, a, b);
    float *out = (float *)call.arg[1] + g * 8 + c * 2;
    out[0] = d[0];
    out[1] = d[1];
    out[64] = d[2];
    out[65] = d[3];
}

// Every block sums 256 numbers, the last to come sums the sums.
KERNEL(reduce, 2, 256, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    const float *in = (const float *)call.arg[0] + block_x() * 256;
    float sum = block_sum<256>(in[thread()], (float *)room);
    float *part = (float *)call.scratch;
    u32 *last = (u32 *)room + 64;
    if (thread() == 0) {
        part[block_x()] = sum;
        fence_gpu();
        *last = add_ticket(call.counters, 1) == (u32)blocks_x() - 1;
    }
    sync_threads(0, 256);
    float x = 0;
    if (*last && thread() < blocks_x())
        x = part[thread()];
    sum = block_sum<256>(x, (float *)room);
    if (*last && thread() == 0) {
        *(float *)call.arg[1] = sum;
        *call.counters = 0;
    }
}

// All blocks meet: each writes, waits for all, then reads its neighbour.
KERNEL(meet, 2, 64, 1)
{
    stage_begin();
    u32 *out = (u32 *)call.arg[1];
    if (thread() == 0) {
        ((u32 *)call.scratch)[block_x()] = (u32)block_x() + 100;
        add_ticket(call.counters, 1);
        while (load_acquire(call.counters) < (u32)blocks_x()) {
        }
        out[block_x()] = ((u32 *)call.scratch)[(block_x() + 1) % blocks_x()];
    }
    sync_threads(3, 64);
}

// Copies 32 rows of 16 bytes; tokens: whether to wait, outputs: bytes of each
// row.
KERNEL(copies, 2, 32, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    copy16_async(room + 16 * lane(), call.arg[0] + 16 * lane(), call.outputs);
    copy_commit();
    copy16_async(room + 512 + 16 * lane(), call.arg[0] + 16 * lane());
    copy_commit();
    if (call.tokens)
        copy_wait<1>();
    ((uint4 *)call.arg[1])[lane()] = ((uint4 *)room)[lane()];
    copy_wait<0>();
}

// Neighbours exchange through shared memory with a barrier between, or none
// (tokens 0).
KERNEL(neighbours, 2, 128, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    u32 *s = (u32 *)room;
    s[thread()] = (u32)thread();
    if (call.tokens)
        sync_threads(0, 128);
    ((u32 *)call.arg[1])[thread()] = s[(thread() + 64) % 128];
}

// ---- what must be reported
KERNEL(leaves_early, 2, 128, 1)
{
    stage_begin();
    if (thread() >= 96)
        return;
    sync_threads(2, 128);
}
KERNEL(other_barrier, 2, 64, 1)
{
    stage_begin();
    sync_threads(thread() < 32 ? 0 : 1, 64);
}
KERNEL(other_count, 2, 64, 1)
{
    stage_begin();
    sync_threads(0, lane() < 16 ? 64 : 32);
}
KERNEL(other_meeting, 2, 32, 1)
{
    stage_begin();
    if (lane() < 7)
        sync_warp();
    else
        warp_ballot(true);
}
KERNEL(lane_missing, 2, 32, 1)
{
    stage_begin();
    if (lane() != 9)
        sync_warp();
}
KERNEL(too_much_shared, 2, 32, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    room[64 + lane()] = 0;
}
KERNEL(misaligned, 2, 32, 1)
{
    stage_begin();
    *(uint4 *)(call.arg[1] + 8) = make_uint4(0, 0, 0, 0);
}
KERNEL(misaligned_weight, 2, 32, 1)
{
    stage_begin();
    *(u32 *)call.arg[1] = load_weight8(call.arg[0] + 4).x;
}
KERNEL(misaligned_copy, 2, 32, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    copy16_async(room, call.arg[0] + 4);
}
KERNEL(copy_outside, 2, 32, 1)
{
    SHARED_BUFFER(room);
    stage_begin();
    copy16_async(room + 64, call.arg[0]);
}
KERNEL(illegal, 2, 32, 1)
{
    stage_begin();
    *(volatile u32 *)((u64)call.scratch + 64) = 1;
}
KERNEL(divides, 2, 32, 1)
{
    stage_begin();
    *(i32 *)call.arg[1] = 5 / call.tokens;
}
KERNEL(waits_forever, 2, 32, 1)
{
    stage_begin();
    if (lane() == 0)
        while (load_acquire(call.counters) != 77) {
        }
    sync_warp();
}
KERNEL(runs_forever, 2, 32, 1)
{
    stage_begin();
    while (*(volatile u32 *)call.counters != 77) {
    }
}
KERNEL(no_stage, 2, 32, 1) {}
KERNEL(two_stages, 2, 32, 1)
{
    stage_begin();
    stage_begin();
}
static u32 deep(volatile u32 *p, int n)
{
    volatile u32 room[2048];
    room[n & 2047] = *p;
    return n ? deep(p, n - 1) + room[n & 2047] : room[0];
}
KERNEL(deep_stack, 2, 32, 1)
{
    stage_begin();
    *(u32 *)call.arg[1] = deep((u32 *)call.arg[0], 17);
}
