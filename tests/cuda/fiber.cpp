#include "fiber.h"

#include <cstdint>

namespace emu {

#if EMU_SWITCH

// The registers that a function must keep, then the stack pointer (System V
// ABI); rounding modes are never changed by kernels.
asm(R"(
    .text
    .globl emu_switch
    .type emu_switch, @function
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size emu_switch, .-emu_switch
    .section .note.GNU-stack,"",@progbits
    .text
)");

void context_start(Context &c, unsigned char *stack, size_t bytes,
                   void (*main)())
{
    uintptr_t top = ((uintptr_t)stack + bytes) & ~(uintptr_t)15;
    void **sp = (void **)top;
    *--sp = nullptr; // keeps 16-byte alignment at main's entry, ends backtraces
    *--sp = (void *)main;
    for (int i = 0; i < 6; i++)
        *--sp = nullptr;
    c.sp = sp;
}

#else

void context_start(Context &c, unsigned char *stack, size_t bytes,
                   void (*main)())
{
    getcontext(&c.u);
    c.u.uc_stack.ss_sp = stack;
    c.u.uc_stack.ss_size = bytes;
    c.u.uc_link = nullptr;
    makecontext(&c.u, main, 0);
}

#endif

} // namespace emu
