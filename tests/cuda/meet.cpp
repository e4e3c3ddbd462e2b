// What the lanes of a warp do together, and asynchronous copies.
#include "grid.h"

#include <cstring>

namespace emu {

const char *meeting_name(EmuMeeting what)
{
    static const char *const NAME[EMU_MEETINGS] = {
        "sync_warp",    "shuffle",       "warp_ballot",
        "warp_max_u32", "warp_sum_i32",  "mma_f16",
        "mma_tf32",     "load_matrices", "load_matrices_transposed"};
    return NAME[what];
}

namespace {

Warp &my_warp() { return grid.block->warp[grid.fiber->thread / 32]; }
unsigned my_lane() { return grid.fiber->thread % 32; }

void release(Warp &w)
{
    unsigned first = grid.fiber->thread & ~31u;
    for (unsigned i = 0; i < 32; i++)
        grid.block->fiber[first + i].state = State::READY;
    w.ready = ~0u;
    w.waiting = 0;
    w.parity ^= 1;
    if (grid.launch->seed) {
        uint64_t r = grid_random();
        w.turn = r & 31;
        w.backwards = r >> 5 & 1;
    }
}

// The running lane comes to a meeting of its warp; the last one does what they
// came for.
void arrive(Warp &w, EmuMeeting what, void (*together)(Warp &))
{
    if (w.waiting && w.what != what)
        grid_fail("%s, but other lanes of the warp wait at %s",
                  meeting_name(what), meeting_name(w.what));
    w.what = what;
    w.waiting |= 1u << my_lane();
    if (w.waiting != ~0u) {
        grid_wait(State::MEETING, what);
        return;
    }
    if (together)
        together(w);
    release(w);
    grid_go_on();
}

const unsigned *meet(EmuMeeting what, unsigned word)
{
    Warp &w = my_warp();
    unsigned *words = w.word[w.parity];
    words[my_lane()] = word;
    arrive(w, what, nullptr);
    return words;
}

// ---- matrix units.  Places of lane 4 g + c as in gen/cuda/device.cuh.
float bits_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

// Half i of the pair; what has no exponent, too, by the product.
float half_float(unsigned pair, unsigned i)
{
    uint32_t h = pair >> 16 * i & 0xffff, sign = (h & 0x8000) << 16;
    float f = bits_float((h & 0x7fff) << 13) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if ((h & 0x7c00) == 0x7c00)
        bits |= 0x7f800000;
    return bits_float(bits | sign);
}

float tf32_float(unsigned bits) { return bits_float(bits & ~0x1fffu); }

struct Tile {
    float a[16][16], b[16][8]; // row, k; k, column
};

void gather_f16(const Warp &w, Tile &t)
{
    for (unsigned l = 0; l < 32; l++) {
        const MmaOperands &o = w.mma[l];
        unsigned g = l / 4, c = l % 4;
        for (unsigned i = 0; i < 2; i++) {
            unsigned k = 2 * c + i;
            t.a[g][k] = half_float(o.a[0], i);
            t.a[g + 8][k] = half_float(o.a[1], i);
            t.a[g][k + 8] = half_float(o.a[2], i);
            t.a[g + 8][k + 8] = half_float(o.a[3], i);
            t.b[k][g] = half_float(o.b[0], i);
            t.b[k + 8][g] = half_float(o.b[1], i);
        }
    }
}

void gather_tf32(const Warp &w, Tile &t)
{
    for (unsigned l = 0; l < 32; l++) {
        const MmaOperands &o = w.mma[l];
        unsigned g = l / 4, c = l % 4;
        t.a[g][c] = tf32_float(o.a[0]);
        t.a[g + 8][c] = tf32_float(o.a[1]);
        t.a[g][c + 4] = tf32_float(o.a[2]);
        t.a[g + 8][c + 4] = tf32_float(o.a[3]);
        t.b[c][g] = tf32_float(o.b[0]);
        t.b[c + 4][g] = tf32_float(o.b[1]);
    }
}

void scatter(Warp &w, const float d[16][8])
{
    for (unsigned l = 0; l < 32; l++)
        for (unsigned i = 0; i < 4; i++)
            w.mma[l].d[i] += d[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
}

template <int K> void multiply(Warp &w, const Tile &t)
{
    float d[16][8] = {};
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < K; k++)
            for (int c = 0; c < 8; c++)
                d[r][c] += t.a[r][k] * t.b[k][c];
    scatter(w, d);
}

void mma_f16(Warp &w)
{
    Tile t;
    gather_f16(w, t);
    multiply<16>(w, t);
}

void mma_tf32(Warp &w)
{
    Tile t;
    gather_tf32(w, t);
    multiply<8>(w, t);
}

void mma(EmuMeeting what, float d[4], const unsigned a[4], const unsigned b[2])
{
    Warp &w = my_warp();
    if (w.waiting == 0 || w.what == what)
        w.mma[my_lane()] = {d, a, b};
    arrive(w, what, what == EMU_MMA_F16 ? mma_f16 : mma_tf32);
}

bool in_shared(const void *p, size_t n)
{
    const unsigned char *at = (const unsigned char *)p,
                        *base = grid.fiber->shared;
    size_t size = grid.launch->shared;
    return at >= base && n <= size && (size_t)(at - base) <= size - n;
}

uint16_t element(const Warp &w, unsigned m, unsigned row, unsigned column)
{
    uint16_t x;
    memcpy(&x, w.rows[m * 8 + row].row + 2 * column, 2);
    return x;
}

template <bool TRANSPOSED> void load_matrices(Warp &w)
{
    for (unsigned l = 0; l < 32; l++)
        for (unsigned m = 0; m < 4; m++) {
            unsigned g = l / 4, k = l % 4 * 2;
            unsigned lo =
                TRANSPOSED ? element(w, m, k, g) : element(w, m, g, k);
            unsigned hi =
                TRANSPOSED ? element(w, m, k + 1, g) : element(w, m, g, k + 1);
            w.rows[l].r[m] = lo | hi << 16;
        }
}

void matrices(EmuMeeting what, unsigned r[4], const void *row)
{
    if ((uintptr_t)row % 16 || !in_shared(row, 16))
        grid_fail("%s: %p is not 16 aligned bytes of shared memory",
                  meeting_name(what), row);
    Warp &w = my_warp();
    if (w.waiting == 0 || w.what == what)
        w.rows[my_lane()] = {r, (const unsigned char *)row};
    arrive(w, what,
           what == EMU_MATRICES ? load_matrices<false> : load_matrices<true>);
}

// ---- asynchronous copies: done at once or when waited for, by chance, so that
// both a missing wait and a buffer filled too early show.  Natural order: when
// waited for.
void do_copy(const Copy &c)
{
    memset(c.dst, 0, 16);
    memcpy(c.dst, c.src, (size_t)c.n);
}

void copy(void *dst, const void *src, int n)
{
    if (n < 0 || n > 16 || (uintptr_t)dst % 16 || !in_shared(dst, 16))
        grid_fail("copy16_async: %d bytes to %p", n, dst);
    if (n && (uintptr_t)src % 16)
        grid_fail("copy16_async: misaligned source %p", src);
    Fiber &f = *grid.fiber;
    Copy c = {(unsigned char *)dst, (const unsigned char *)src, n, f.groups};
    if (grid.launch->seed && grid_random() % 2)
        do_copy(c);
    else
        f.copies.push_back(c);
}

void copy_commit() { grid.fiber->groups++; }

// The oldest groups come first in the list.
void copy_wait(int n)
{
    Fiber &f = *grid.fiber;
    size_t done = 0;
    while (done < f.copies.size() && f.copies[done].group < f.groups - n)
        do_copy(f.copies[done++]);
    f.copies.erase(f.copies.begin(), f.copies.begin() + (long)done);
}

} // namespace

void meet_hooks(EmuHost *host)
{
    host->meet = meet;
    host->mma = mma;
    host->matrices = matrices;
    host->copy = copy;
    host->copy_commit = copy_commit;
    host->copy_wait = copy_wait;
}

} // namespace emu
