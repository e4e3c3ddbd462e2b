// Memory of cards and pinned memory, with guard bytes on both sides; copies.
#include "fake.h"
#include "cuda/poison.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

namespace fake {
namespace {

constexpr size_t GUARD = 512, FILLED = 64 << 20;
constexpr unsigned char GUARD_BYTE = 0xcb, NAN_BYTE = 0xff;

auto &memory = *new std::map<uintptr_t, Memory>();

size_t used_of(const CUctx_st *c)
{
    size_t n = 0;
    for (const auto &m : memory)
        if (m.second.context == c)
            n += (m.second.bytes + 511) & ~(size_t)511;
    return n;
}

// What is read before it is written shows, in the first part of large memory.
void *allocate(CUctx_st *c, size_t n)
{
    auto *base =
        (unsigned char *)aligned_alloc(512, (n + 511) / 512 * 512 + 2 * GUARD);
    if (!base)
        return nullptr;
    memset(base, GUARD_BYTE, GUARD);
    memset(base + GUARD, NAN_BYTE, n < FILLED ? n : FILLED);
    memset(base + GUARD + n, GUARD_BYTE, GUARD);
    poison(base, GUARD);
    poison(base + GUARD + n, GUARD);
    memory[(uintptr_t)base + GUARD] = {c, n};
    return base + GUARD;
}

bool intact(const unsigned char *guard)
{
    for (size_t i = 0; i < GUARD; i++)
        if (guard[i] != GUARD_BYTE)
            return false;
    return true;
}

bool intact(uintptr_t p, size_t n)
{
    return intact((unsigned char *)p - GUARD) && intact((unsigned char *)p + n);
}

[[noreturn]] void die(const std::string &text)
{
    fprintf(stderr, "fake CUDA: %s\n", text.c_str());
    abort();
}

CudaResult release(uintptr_t p, bool pinned)
{
    auto m = memory.find(p);
    if (m == memory.end() || !m->second.context != pinned)
        return INVALID_VALUE;
    if (!intact(p, m->second.bytes))
        die(damage());
    unpoison((unsigned char *)p - GUARD, m->second.bytes + 2 * GUARD);
    free((unsigned char *)p - GUARD);
    memory.erase(m);
    return CUDA_OK;
}

const Memory *find(uintptr_t p, size_t n)
{
    auto m = memory.upper_bound(p);
    if (m == memory.begin())
        return nullptr;
    --m;
    size_t at = p - m->first, size = m->second.bytes;
    return at <= size && n <= size - at ? &m->second : nullptr;
}

} // namespace

bool is_device_memory(CudaAddress p, size_t n)
{
    std::lock_guard<std::mutex> guard(lock);
    const Memory *m = find((uintptr_t)p, n);
    return m && m->context;
}

bool is_pinned(const void *p, size_t n)
{
    std::lock_guard<std::mutex> guard(lock);
    const Memory *m = find((uintptr_t)p, n);
    return m && !m->context;
}

std::string damage()
{
    for (const auto &m : memory)
        if (!intact(m.first, m.second.bytes)) {
            char text[128];
            snprintf(text, sizeof text,
                     "memory %p of %zu bytes was written outside its bounds",
                     (void *)m.first, m.second.bytes);
            return text;
        }
    return "";
}

void report_left_memory(FILE *f)
{
    size_t device = 0, pinned = 0;
    for (const auto &m : memory)
        (m.second.context ? device : pinned)++;
    fprintf(f, "left memory %zu\nleft pinned %zu\n", device, pinned);
}

} // namespace fake

using namespace fake;

CudaResult cuMemGetInfo_v2(size_t *free, size_t *total)
{
    ENTER(NEEDS_CONTEXT);
    std::lock_guard<std::mutex> guard(lock);
    *total = (size_t)setting("FAKE_CUDA_MEMORY", 4ll << 30);
    size_t used = used_of(current);
    *free = used < *total ? *total - used : 0;
    return CUDA_OK;
}

CudaResult cuMemAlloc_v2(CudaAddress *p, size_t n)
{
    ENTER(NEEDS_NO_CAPTURE);
    std::lock_guard<std::mutex> guard(lock);
    size_t total = (size_t)setting("FAKE_CUDA_MEMORY", 4ll << 30),
           used = used_of(current);
    if (!n)
        return INVALID_VALUE;
    if (used > total || n > total - used)
        return CUDA_OUT_OF_MEMORY;
    *p = (CudaAddress)(uintptr_t)allocate(current, n);
    return *p ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

// Waits for the card, as the driver does.
CudaResult cuMemFree_v2(CudaAddress p)
{
    ENTER(NEEDS_NO_CAPTURE);
    drain_all();
    std::lock_guard<std::mutex> guard(lock);
    return p ? release((uintptr_t)p, false) : CUDA_OK;
}

CudaResult cuMemHostAlloc(void **p, size_t n, unsigned flags)
{
    ENTER(NEEDS_NO_CAPTURE);
    if (!n || flags & ~7u)
        return INVALID_VALUE;
    std::lock_guard<std::mutex> guard(lock);
    *p = allocate(nullptr, n);
    return *p ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

CudaResult cuMemFreeHost(void *p)
{
    ENTER(NEEDS_NO_CAPTURE);
    drain_all();
    std::lock_guard<std::mutex> guard(lock);
    return release((uintptr_t)p, true);
}

static CudaResult copy(void *to, const void *from, size_t n, CudaStream *s)
{
    return submit(s, [=] {
        memmove(to, from, n);
        return CUDA_OK;
    });
}

// From pageable memory: taken at the call.
CudaResult cuMemcpyHtoDAsync_v2(CudaAddress to, const void *from, size_t n,
                                CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    if (!is_device_memory(to, n))
        return INVALID_VALUE;
    if (is_pinned(from, n) || (s && s->capture))
        return copy((void *)to, from, n, s);
    std::shared_ptr<void> taken(malloc(n ? n : 1), free);
    memcpy(taken.get(), from, n);
    return submit(s, [=] {
        memcpy((void *)to, taken.get(), n);
        return CUDA_OK;
    });
}

// To pageable memory: there at the return.
CudaResult cuMemcpyDtoHAsync_v2(void *to, CudaAddress from, size_t n,
                                CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    if (!is_device_memory(from, n))
        return INVALID_VALUE;
    CudaResult r = copy(to, (void *)from, n, s);
    if (r || is_pinned(to, n) || (s && s->capture))
        return r;
    return drain(s);
}

CudaResult cuMemcpyDtoDAsync_v2(CudaAddress to, CudaAddress from, size_t n,
                                CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    if (!is_device_memory(to, n) || !is_device_memory(from, n))
        return INVALID_VALUE;
    return copy((void *)to, (void *)from, n, s);
}

CudaResult cuMemcpyPeerAsync(CudaAddress to, CudaContext *c, CudaAddress from,
                             CudaContext *from_c, size_t n, CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    if (!c || !from_c || !is_device_memory(to, n) || !is_device_memory(from, n))
        return INVALID_VALUE;
    return copy((void *)to, (void *)from, n, s);
}

CudaResult cuMemsetD8Async(CudaAddress to, unsigned char value, size_t n,
                           CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    if (!is_device_memory(to, n))
        return INVALID_VALUE;
    return submit(s, [=] {
        memset((void *)to, value, n);
        return CUDA_OK;
    });
}
