// fiber.h - stacks that take turns on one thread of the system.
#pragma once
#include <cstddef>

// Whether there is a switch for this processor; else the C library's is used.
#if !defined(EMU_SWITCH) && defined(__x86_64__)
#define EMU_SWITCH 1
#endif

#if !EMU_SWITCH
#include <ucontext.h>
#endif

namespace emu {

// A suspended point of execution.
struct Context {
#if EMU_SWITCH
    void *sp = nullptr;
#else
    ucontext_t u;
#endif
};

// Makes `c` start `main` on the stack when it is first switched to; `main` does
// not return.
void context_start(Context &c, unsigned char *stack, size_t bytes,
                   void (*main)());

// Suspends the running point in `from` and goes on at `to`.
#if EMU_SWITCH
extern "C" void emu_switch(void **from, void *to);
inline void context_switch(Context &from, Context &to)
{
    emu_switch(&from.sp, to.sp);
}
#else
inline void context_switch(Context &from, Context &to)
{
    swapcontext(&from.u, &to.u);
}
#endif

} // namespace emu
