/* failing_malloc.c - to be preloaded: one allocation of the program fails, or
 * every one from then on.  Settings, from the environment:
 *
 *     ALLOC_FAIL_AT=N       the Nth allocation fails (0: none)
 *     ALLOC_FAIL_ALWAYS=1   and so do all that come after it
 *     ALLOC_REPORT=FILE     gets "site MODULE+OFFSET" of the caller whose
 *                           allocation failed first; when none is to fail, of
 *                           every caller in turn
 *
 * What counts are malloc, calloc and realloc called by the program, its
 * modules, the C library and PCRE2.  Requests of LLVM, the C++ library, the
 * dynamic loader and the sanitizers are served: how those fail is not ours to
 * test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The true allocator: the sanitizer's where there is one. */
void *__interceptor_malloc(size_t n) __attribute__((weak));
void *__interceptor_calloc(size_t n, size_t size) __attribute__((weak));
void *__interceptor_realloc(void *p, size_t n) __attribute__((weak));
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

enum { VERDICTS = 4096 };
static atomic_uintptr_t verdict[VERDICTS]; /* caller << 1 | counts, 0 empty */
static atomic_long count;
static atomic_bool on;
static long fail_at;
static bool always;
static int report = -1;

__attribute__((constructor)) static void start(void)
{
    const char *at = getenv("ALLOC_FAIL_AT"), *to = getenv("ALLOC_REPORT");
    always = getenv("ALLOC_FAIL_ALWAYS") != NULL;
    fail_at = at ? atol(at) : 0;
    report =
        to ? open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    unsetenv("LD_PRELOAD"); /* not for programs that this one starts */
    atomic_store(&on, true);
}

static const char *module_of(const void *caller, uintptr_t *offset)
{
    Dl_info d;
    if (!dladdr(caller, &d) || !d.dli_fname)
        return "";
    const char *slash = strrchr(d.dli_fname, '/');
    *offset = (uintptr_t)caller - (uintptr_t)d.dli_fbase;
    return slash ? slash + 1 : d.dli_fname;
}

static bool counts(const void *caller)
{
    static const char *const ours[] = {"sextet", "libc.so", "libpcre2",
                                       "libutf8proc"};
    uintptr_t at = (uintptr_t)caller, unused;
    atomic_uintptr_t *v = &verdict[(at ^ at >> 12) % VERDICTS];
    uintptr_t known = atomic_load(v);
    if (known >> 1 == at)
        return known & 1;
    const char *module = module_of(caller, &unused);
    bool yes = false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        yes = yes || strncmp(module, ours[i], strlen(ours[i])) == 0;
    atomic_store(v, at << 1 | yes);
    return yes;
}

static void say(const void *caller)
{
    char line[256];
    uintptr_t offset = 0;
    const char *module = module_of(caller, &offset);
    int n = snprintf(line, sizeof line, "site %.99s+0x%jx\n", module,
                     (uintmax_t)offset);
    if (report >= 0 && write(report, line, (size_t)n) < 0)
        _exit(99);
}

/* The address sanitizer asks every new thread for its attributes, and ends the
 * program when it gets no answer.  It does so before most of the program is
 * there, hence the simplest kind of thread-local variable. */
static _Thread_local bool asked __attribute__((tls_model("initial-exec")));

__attribute__((visibility("default"))) int
pthread_getattr_np(pthread_t thread, pthread_attr_t *out)
{
    int (*real)(pthread_t, pthread_attr_t *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_getattr_np");
    asked = true;
    int status = real(thread, out);
    asked = false;
    return status;
}

static bool fails(const void *caller)
{
    if (asked || !atomic_load(&on) || !counts(caller))
        return false;
    long n = atomic_fetch_add(&count, 1) + 1;
    if (fail_at == 0 || n == fail_at)
        say(caller);
    if (fail_at == 0 || n < fail_at || (n > fail_at && !always))
        return false;
    errno = ENOMEM;
    return true;
}

#define EXPORT __attribute__((visibility("default"), noinline))

EXPORT void *malloc(size_t n)
{
    if (fails(__builtin_return_address(0)))
        return NULL;
    return __interceptor_malloc ? __interceptor_malloc(n) : __libc_malloc(n);
}

EXPORT void *calloc(size_t n, size_t size)
{
    if (fails(__builtin_return_address(0)))
        return NULL;
    return __interceptor_calloc ? __interceptor_calloc(n, size)
                                : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t n)
{
    if (fails(__builtin_return_address(0)))
        return NULL;
    return __interceptor_realloc ? __interceptor_realloc(p, n)
                                 : __libc_realloc(p, n);
}
