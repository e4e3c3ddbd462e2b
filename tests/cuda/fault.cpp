#include "fault.h"
#include "grid.h"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace emu {

int patience = 60;

namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGVTALRM};
unsigned char signal_stack[64 << 10];

// What the handler found; read after it has returned.
struct {
    int signal;
    const void *address, *code;
} found;

const char *meaning()
{
    switch (found.signal) {
    case SIGILL: return "misaligned access";
    case SIGFPE: return "division by zero";
    case SIGVTALRM: return "runs without end";
    default:
        return grid_is_guard(found.address) ? "stack overflow"
                                            : "illegal access";
    }
}

// Runs on a stack of its own in place of the kernel.  The offset is for
// addr2line -Cfie UNIT OFFSET.
[[noreturn]] void fail()
{
    Dl_info info = {};
    bool known = dladdr(found.code, &info) && info.dli_fbase;
    const char *base = known ? (const char *)info.dli_fbase : nullptr;
    if (found.signal == SIGSEGV || found.signal == SIGBUS)
        grid_fail("%s at %p (code at 0x%zx of %s)", meaning(), found.address,
                  (size_t)((const char *)found.code - base),
                  known ? info.dli_fname : "?");
    grid_fail("%s (code at 0x%zx of %s)", meaning(),
              (size_t)((const char *)found.code - base),
              known ? info.dli_fname : "?");
}

// Ticks of a second; true if nobody has waited for too many of them.
bool too_long()
{
    static uint64_t turns;
    static int ticks;
    if (turns != grid.turns)
        ticks = 0;
    turns = grid.turns;
    return ++ticks > patience;
}

// Outside a kernel the fault happens again, with nobody to catch it.
void handle(int signal, siginfo_t *info, void *context)
{
    if (signal == SIGVTALRM && !(grid.block && too_long()))
        return;
#if defined(__x86_64__)
    static unsigned char last_stack[64 << 10];
    if (grid.block) {
        greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
        found = {signal, info->si_addr, (const void *)regs[REG_RIP]};
        uintptr_t top =
            (uintptr_t)(last_stack + sizeof last_stack) & ~(uintptr_t)15;
        regs[REG_RSP] = (greg_t)(top - 8); // as after a call
        regs[REG_RIP] = (greg_t)fail;
        return;
    }
#endif
    (void)info;
    (void)context;
    ::signal(signal, SIG_DFL);
}

} // namespace

Faults::Faults()
{
    stack_t s = {};
    s.ss_sp = signal_stack;
    s.ss_size = sizeof signal_stack;
    sigaltstack(&s, &stack_before);
    struct sigaction act = {};
    act.sa_sigaction = handle;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < N; i++)
        sigaction(SIGNALS[i], &act, &before[i]);
    struct sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGVTALRM;
    event._sigev_un._tid = (int)syscall(SYS_gettid);
    timed = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
    struct itimerspec second = {{1, 0}, {1, 0}};
    if (timed)
        timer_settime(timer, 0, &second, nullptr);
}

Faults::~Faults()
{
    if (timed)
        timer_delete(timer);
    for (int i = 0; i < N; i++)
        sigaction(SIGNALS[i], &before[i], nullptr);
    sigaltstack(&stack_before, nullptr);
}

} // namespace emu
