#include "grid.h"
#include "poison.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>

namespace emu {

Grid grid;

namespace {

constexpr size_t STACK = 128 << 10, GUARD = 4096, PAGE = 4096;
constexpr unsigned char GUARD_BYTE = 0xa5, NAN_BYTE = 0xff;
constexpr int64_t MAX_LOOKS = 20 * 1000 * 1000;

// ---- memory of blocks
constexpr size_t ROOM = (MAX_SHARED / PAGE + 2) * PAGE + GUARD;

unsigned char *map(size_t bytes)
{
    void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : (unsigned char *)p;
}

void block_free(Block *b)
{
    if (b->stacks)
        munmap(b->stacks, STACK * MAX_THREADS);
    if (b->room) {
        unpoison(b->room, ROOM);
        munmap(b->room, ROOM + PAGE);
    }
    delete b;
}

// Blocks that have ended, for the next to come.
struct Spare : std::vector<Block *> {
    ~Spare()
    {
        for (Block *b : *this)
            block_free(b);
    }
} spare;

Block *block_new()
{
    Block *b = new Block();
    b->stacks = map(STACK * MAX_THREADS);
    b->room = map(ROOM + PAGE);
    if (!b->stacks || !b->room || mprotect(b->room + ROOM, PAGE, PROT_NONE)) {
        block_free(b);
        return nullptr;
    }
    return b;
}

Block *block_take()
{
    if (spare.empty())
        return block_new();
    Block *b = spare.back();
    spare.pop_back();
    return b;
}

// ---- who goes on
int ready_lane(Warp &w)
{
    uint32_t turned = w.ready >> w.turn;
    if (w.turn)
        turned |= w.ready << (32 - w.turn);
    int i = w.backwards ? 31 - __builtin_clz(turned) : __builtin_ctz(turned);
    return (int)((w.turn + (unsigned)i) & 31);
}

// Any warp that can run; in natural order the next one.
int ready_warp(Block &b)
{
    unsigned turn =
        (unsigned)(grid.launch->seed ? grid_random() : b.now + 1) & 31;
    uint32_t turned = b.ready_warps >> turn;
    if (turn)
        turned |= b.ready_warps << (32 - turn);
    return (int)((turn + (unsigned)__builtin_ctz(turned)) & 31);
}

void go_out()
{
    Fiber *f = grid.fiber;
    context_switch(f->context, grid.outer);
}

// ---- what hangs
void describe(char *out, size_t n, const Fiber &f, const Block &b)
{
    if (f.state == State::MEETING)
        snprintf(out, n, "%s", meeting_name((EmuMeeting)f.at));
    else if (f.state == State::BARRIER)
        snprintf(out, n, "sync_threads(%d, %d)", f.at, b.barrier[f.at].n);
    else
        snprintf(out, n, "the end");
}

// Nobody can run: says how many threads are where, and the first of each kind.
[[noreturn]] void fail_stuck(Block &b)
{
    char text[600] = "", place[64];
    size_t used = 0;
    bool told[MAX_THREADS] = {};
    for (int i = 0; i < grid.launch->threads; i++) {
        if (told[i])
            continue;
        int count = 0;
        for (int j = i; j < grid.launch->threads; j++)
            if (b.fiber[j].state == b.fiber[i].state &&
                b.fiber[j].at == b.fiber[i].at)
                told[j] = true, count++;
        describe(place, sizeof place, b.fiber[i], b);
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used,
                                     "%s %d at %s (first: thread %d)",
                                     used ? "," : "", count, place, i);
    }
    grid_fail("threads wait for each other forever:%s", text);
}

void next()
{
    Block &b = *grid.block;
    grid.turns++;
    if (!b.ready_warps)
        fail_stuck(b);
    if (!(b.ready_warps >> b.now & 1))
        b.now = ready_warp(b);
    Fiber *from = grid.fiber,
          *to = &b.fiber[b.now * 32 + ready_lane(b.warp[b.now])];
    if (from == to)
        return;
    grid.fiber = to;
    grid.host.current = to;
    context_switch(from->context, to->context);
}

void clear_ready(Block &b, unsigned thread)
{
    Warp &w = b.warp[thread / 32];
    w.ready &= ~(1u << thread % 32);
    if (!w.ready)
        b.ready_warps &= ~(1u << thread / 32);
}

// ---- hooks
void barrier(int id, int n)
{
    Block &b = *grid.block;
    if (id < 0 || id >= BARRIERS || n <= 0 || n % 32 ||
        n > grid.launch->threads)
        grid_fail("sync_threads(%d, %d) in a block of %d threads", id, n,
                  grid.launch->threads);
    Barrier &at = b.barrier[id];
    if (at.arrived && at.n != n)
        grid_fail("sync_threads(%d, %d), but others wait there for %d", id, n,
                  at.n);
    at.n = n;
    if (++at.arrived < n) {
        grid_wait(State::BARRIER, id);
        return;
    }
    at.arrived = 0;
    for (int i = 0; i < grid.launch->threads; i++) {
        Fiber &f = b.fiber[i];
        if (f.state != State::BARRIER || f.at != id)
            continue;
        f.state = State::READY;
        b.warp[i / 32].ready |= 1u << i % 32;
        b.ready_warps |= 1u << i / 32;
    }
    if (grid.launch->seed)
        b.now = ready_warp(b);
    next();
}

void wrote()
{
    grid.block->looks = 0;
    grid.looks = 0;
}

// Now and then the block lets others run first.
void progress()
{
    wrote();
    if (grid.launch->seed && grid_random() % 8 == 0)
        go_out();
}

void look()
{
    Block &b = *grid.block;
    if (++grid.looks > MAX_LOOKS)
        grid_fail("waits by load_acquire for what nobody writes");
    if (++b.looks > 2 * b.alive) {
        b.looks = 0;
        go_out();
        return;
    }
    b.warp[b.now].turn = (grid.fiber->thread + 1) & 31;
    b.now = ready_warp(b);
    next();
}

void fault(const char *what, const void *where)
{
    grid_fail("%s at %p", what, where);
}

// ---- a block
// Below each stack a page that faults; where the system has no more of those,
// the stack does without.
void guard_stacks(Block &b)
{
    for (; b.guarded < grid.launch->threads; b.guarded++)
        if (mprotect(b.stacks + STACK * (size_t)b.guarded, PAGE, PROT_NONE))
            return;
}

void end_thread()
{
    Block &b = *grid.block;
    Fiber &f = *grid.fiber;
    if (f.stages != 1)
        grid_fail("stage_begin was called %u times, not once", f.stages);
    f.state = State::ENDED;
    f.at = 0;
    wrote();
    clear_ready(b, f.thread);
    if (--b.alive == 0)
        go_out();
    next();
}

void fiber_main()
{
    grid.launch->kernel->run(grid.launch->call);
    end_thread();
}

// Shared memory ends in guard bytes, and those before a page that faults.  Its
// start is aligned as promised and no better.
void start_shared(Block &b)
{
    unpoison(b.room, ROOM);
    size_t size = (grid.launch->shared + 127) & ~(size_t)127;
    b.shared = b.room + ROOM - GUARD - size;
    if ((uintptr_t)b.shared % 256 == 0)
        b.shared -= 128;
    memset(b.shared, NAN_BYTE, grid.launch->shared);
    memset(b.shared + grid.launch->shared, GUARD_BYTE, GUARD);
    poison(b.shared + grid.launch->shared, GUARD);
}

void start_thread(Block &b, int i, int64_t index)
{
    Fiber &f = b.fiber[i];
    f.thread = (unsigned)i;
    f.n_threads = (unsigned)grid.launch->threads;
    f.block[0] = (unsigned)(index % grid.launch->grid_x);
    f.block[1] = (unsigned)(index / grid.launch->grid_x);
    f.grid[0] = (unsigned)grid.launch->grid_x;
    f.grid[1] = (unsigned)grid.launch->grid_y;
    f.shared = b.shared;
    f.stages = 0;
    f.state = State::READY;
    f.at = f.groups = 0;
    f.copies.clear();
    // Tops of stacks spread over the sets of the cache.
    context_start(f.context, b.stacks + STACK * (size_t)i,
                  STACK - (size_t)i * 320 % 4096, fiber_main);
}

void start_block(Block &b, int64_t index)
{
    int warps = grid.launch->threads / 32;
    start_shared(b);
    guard_stacks(b);
    for (int i = 0; i < grid.launch->threads; i++)
        start_thread(b, i, index);
    for (int i = 0; i < warps; i++) {
        Warp &w = b.warp[i];
        w.ready = ~0u;
        w.waiting = 0;
        w.parity = 0;
        w.turn = grid.launch->seed ? (unsigned)grid_random() & 31 : 0;
        w.backwards = grid.launch->seed && grid_random() & 1;
    }
    memset(b.barrier, 0, sizeof b.barrier);
    b.ready_warps = warps == 32 ? ~0u : (1u << warps) - 1;
    b.alive = grid.launch->threads;
    b.looks = 0;
    b.now = grid.launch->seed ? ready_warp(b) : 0;
}

void run_block(Block &b)
{
    if (!(b.ready_warps >> b.now & 1))
        b.now = ready_warp(b);
    Fiber *f = &b.fiber[b.now * 32 + ready_lane(b.warp[b.now])];
    grid.block = &b;
    grid.fiber = f;
    grid.host.current = f;
    context_switch(grid.outer, f->context);
    grid.block = nullptr;
}

void check_guard(Block &b)
{
    unpoison(b.shared + grid.launch->shared, GUARD);
    for (size_t i = 0; i < GUARD; i++)
        if (b.shared[grid.launch->shared + i] != GUARD_BYTE) {
            grid.failed = true;
            snprintf(grid.error, sizeof grid.error,
                     "kernel %s, block (%u, %u): byte %zu of shared memory "
                     "was written; the launch has %zu",
                     grid.launch->name, b.fiber[0].block[0],
                     b.fiber[0].block[1], grid.launch->shared + i,
                     grid.launch->shared);
            return;
        }
}

// ---- the grid
std::vector<int64_t> block_order()
{
    std::vector<int64_t> order(
        (size_t)(grid.launch->grid_x * grid.launch->grid_y));
    for (size_t i = 0; i < order.size(); i++) {
        size_t j = grid.launch->seed ? grid_random() % (i + 1) : i;
        order[i] = order[j];
        order[j] = (int64_t)i;
    }
    return order;
}

// A block that was left halfway, or a new one.
Block *choose(std::vector<Block *> &halfway, const std::vector<int64_t> &order,
              size_t &started)
{
    bool more = started < order.size();
    if (!halfway.empty() && (!more || grid_random() % 2)) {
        size_t i = grid_random() % halfway.size();
        Block *b = halfway[i];
        halfway[i] = halfway.back();
        halfway.pop_back();
        return b;
    }
    Block *b = block_take();
    if (b)
        start_block(*b, order[started++]);
    return b;
}

void run_blocks()
{
    std::vector<int64_t> order = block_order();
    std::vector<Block *> halfway;
    size_t started = 0, ended = 0;
    while (ended < order.size() && !grid.failed) {
        Block *b = choose(halfway, order, started);
        if (!b) {
            grid.failed = true;
            snprintf(grid.error, sizeof grid.error,
                     "no memory for another block");
            break;
        }
        run_block(*b);
        if (!grid.failed && b->alive) {
            halfway.push_back(b);
            continue;
        }
        if (!grid.failed)
            check_guard(*b);
        ended++;
        spare.push_back(b);
    }
    spare.insert(spare.end(), halfway.begin(), halfway.end());
}

} // namespace

uint64_t grid_random()
{
    uint64_t x = grid.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    grid.random = x;
    return x * 0x2545f4914f6cdd1d >> 20;
}

void grid_wait(State state, int at)
{
    Fiber &f = *grid.fiber;
    f.state = state;
    f.at = at;
    clear_ready(*grid.block, f.thread);
    next();
}

void grid_go_on()
{
    Block &b = *grid.block;
    if (grid.launch->seed && grid_random() % 8 == 0)
        b.now = ready_warp(b);
    next();
}

bool grid_is_guard(const void *p)
{
    size_t at = (size_t)((const unsigned char *)p - grid.block->stacks);
    return at < STACK * MAX_THREADS && at % STACK < PAGE;
}

void grid_fail(const char *format, ...)
{
    const Fiber &f = *grid.fiber;
    int n = snprintf(grid.error, sizeof grid.error,
                     "kernel %s, block (%u, %u), thread %u: ",
                     grid.launch->name, f.block[0], f.block[1], f.thread);
    va_list args;
    va_start(args, format);
    vsnprintf(grid.error + n, sizeof grid.error - (size_t)n, format, args);
    va_end(args);
    grid.failed = true;
    for (;;)
        go_out();
}

const char *grid_run(const Launch *launch)
{
    grid.launch = launch;
    grid.random = launch->seed * 0x9e3779b97f4a7c15 + 0x1234567;
    if (!grid.random)
        grid.random = 1;
    grid.failed = false;
    grid.looks = 0;
    grid.host.barrier = barrier;
    grid.host.look = look;
    grid.host.progress = progress;
    grid.host.fault = fault;
    meet_hooks(&grid.host);
    run_blocks();
    return grid.failed ? grid.error : nullptr;
}

} // namespace emu
