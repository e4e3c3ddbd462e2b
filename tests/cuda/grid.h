// grid.h - a launch under way: blocks, warps and threads as fibers.
//
// A thread runs until it has to wait, then picks who goes on (next in grid.cpp)
// and switches there directly.  The loop over blocks (run_blocks) runs on the
// caller's stack and gets control back when a block has ended, looks in vain
// for what another block shall write, or has failed.
#pragma once
#include "emulated.h"
#include "fiber.h"

#include <cstdint>
#include <vector>

namespace emu {

constexpr int MAX_THREADS = 1024, BARRIERS = 16;
constexpr size_t MAX_SHARED = 227 << 10;

struct Copy {
    unsigned char *dst;
    const unsigned char *src;
    int n, group;
};

enum class State : unsigned char { READY, MEETING, BARRIER, ENDED };

struct Fiber : EmuThread {
    Context context;
    State state;
    int at;                   // which meeting or barrier
    int groups;               // of copies, committed
    std::vector<Copy> copies; // not yet done
};

struct MmaOperands {
    float *d;
    const unsigned *a, *b;
};
struct RowOperands {
    unsigned *r;
    const unsigned char *row;
};

struct Warp {
    uint32_t ready, waiting; // lanes
    EmuMeeting what;         // of those waiting
    unsigned turn;           // the lane that goes first
    bool backwards;
    int parity; // meetings alternate, so that a lane may read the words of one
                // while others are at the next
    unsigned word[2][32];
    union {
        MmaOperands mma[32]; // on the stacks of the lanes that wait
        RowOperands rows[32];
    };
};

struct Barrier {
    int n, arrived;
};

struct Block {
    Fiber fiber[MAX_THREADS];
    Warp warp[MAX_THREADS / 32];
    Barrier barrier[BARRIERS];
    unsigned char *stacks, *room; // room holds the shared memory
    int guarded;                  // stacks with a guard page
    unsigned char *shared;
    uint32_t ready_warps;
    int now; // the warp that runs
    int alive;
    int looks; // since something was written
};

struct Launch {
    const char *name;
    const EmuKernel *kernel;
    const void *call;
    int64_t grid_x, grid_y;
    int threads;
    size_t shared;
    uint64_t seed; // 0: natural order
};

// The launch that runs; there is one at a time.
extern struct Grid {
    const Launch *launch;
    Block *block;  // that runs, NULL in the loop over blocks
    Fiber *fiber;  // that runs
    Context outer; // the loop over blocks
    uint64_t random;
    uint64_t turns; // of threads, ever
    int64_t looks;  // since something was written
    bool failed;
    char error[1024];
    EmuHost host;
} grid;

// NULL, or what went wrong (in grid.error).
const char *grid_run(const Launch *launch);

// ---- for the meetings (meet.cpp)
uint64_t grid_random();
// The running thread waits; others go on.
void grid_wait(State state, int at);
[[noreturn]] void grid_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
// Goes on, perhaps with others first.
void grid_go_on();
// Is it below the stack of a thread?
bool grid_is_guard(const void *p);
const char *meeting_name(EmuMeeting what);
// Fills in the hooks for warps and copies.
void meet_hooks(EmuHost *host);

} // namespace emu
