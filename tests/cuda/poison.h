// poison.h - marks memory that nobody may touch, where the program has the
// address sanitizer: it then names the access, if the unit is instrumented
// (EMU_OPTIONS).
#pragma once
#include <cstddef>

extern "C" {
void __asan_poison_memory_region(const volatile void *, size_t)
    __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *, size_t)
    __attribute__((weak));
}

inline void poison(const void *p, size_t n)
{
    if (__asan_poison_memory_region)
        __asan_poison_memory_region(p, n);
}

inline void unpoison(const void *p, size_t n)
{
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(p, n);
}
