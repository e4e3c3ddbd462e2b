/* The cache of compiled kernels: what is put comes back, whatever is damaged
 * does not, and a folder that cannot be used costs a warning. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/runtime/toy.h"

static CacheKey key_of(const char *text) { return cache_key(&text, 1); }

static char *temp_dir(void)
{
    char *dir = strdup("/tmp/sextet-cache-XXXXXX");
    cr_assert(mkdtemp(dir));
    return dir;
}

static void remove_dir(char *dir)
{
    Buf command = {0};
    buf_printf(&command, "rm -rf '%s'", dir);
    cr_expect_eq(system(command.data), 0);
    buf_free(&command);
    free(dir);
}

/* The path of the only entry in a folder. */
static void only_entry(const char *dir, Buf *path)
{
    DIR *d = opendir(dir);
    cr_assert(d);
    for (struct dirent *x; (x = readdir(d));)
        if (x->d_name[0] != '.')
            buf_printf(path, "%s/%s", dir, x->d_name);
    closedir(d);
}

static int entries(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *x; d && (x = readdir(d));)
        n += x->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static bool holds(ModuleCache *c, const char *key, const char *want)
{
    CacheKey k = key_of(key);
    Buf got = {0};
    bool hit = cache_get(c, &k, &got);
    if (hit)
        cr_expect_str_eq(got.data, want);
    else
        cr_expect_eq(got.n, 0);
    buf_free(&got);
    return hit;
}

static void put(ModuleCache *c, const char *key, const char *text)
{
    CacheKey k = key_of(key);
    cache_put(c, &k, text, strlen(text));
}

Test(module_cache, put_and_get)
{
    char *dir = temp_dir();
    ModuleCache *c = cache_open(dir, 1 << 20);
    cr_expect(!holds(c, "a", ""));
    put(c, "a", "object a");
    put(c, "b", "object b");
    cr_expect(holds(c, "a", "object a"));
    put(c, "a", "another");
    cr_expect(holds(c, "a", "another"));
    cache_close(c);
    c = cache_open(dir, 1 << 20);
    cr_expect(holds(c, "b", "object b"));
    cr_expect_eq(entries(dir), 2);
    cache_close(c);
    remove_dir(dir);
}

Test(module_cache, parts_of_a_key_have_borders)
{
    const char *const a[] = {"ab", "c"}, *const b[] = {"a", "bc"};
    CacheKey x = cache_key(a, 2), y = cache_key(b, 2), z = cache_key(a, 2);
    cr_expect_neq(memcmp(&x, &y, sizeof x), 0);
    cr_expect_eq(memcmp(&x, &z, sizeof x), 0);
}

/* Each byte changed, and each length cut: never the wrong object. */
Test(module_cache, damage_is_a_miss)
{
    char *dir = temp_dir(), byte;
    Buf path = {0};
    ModuleCache *c = cache_open(dir, 1 << 20);
    struct stat st;
    put(c, "a", "object a");
    only_entry(dir, &path);
    cr_assert_eq(stat(path.data, &st), 0);
    cr_assert(freopen("/dev/null", "w", stderr)); /* the warnings */
    for (off_t at = 0; at < st.st_size; at++) {
        int fd = open(path.data, O_RDWR);
        cr_assert_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 4;
        cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        cr_expect(!holds(c, "a", ""), "byte %d", (int)at);
        byte ^= 4;
        cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    cr_expect(holds(c, "a", "object a"));
    for (off_t n = st.st_size - 1; n >= 0; n--) {
        cr_assert_eq(truncate(path.data, n), 0);
        cr_expect(!holds(c, "a", ""), "%d bytes", (int)n);
    }
    put(c, "a", "object a");
    cr_expect(holds(c, "a", "object a"));
    /* An entry under another's name. */
    CacheKey k = key_of("b");
    Buf other = {0};
    buf_printf(&other, "%s/", dir);
    for (int i = 0; i < SHA256_BYTES; i++)
        buf_printf(&other, "%02x", k.hash[i]);
    buf_puts(&other, ".kernels");
    cr_assert_eq(rename(path.data, other.data), 0);
    cr_expect(!holds(c, "b", ""));
    buf_free(&other);
    buf_free(&path);
    cache_close(c);
    remove_dir(dir);
}

static void set_age(const char *dir, const char *key, int seconds)
{
    CacheKey k = key_of(key);
    Buf path = {0};
    buf_printf(&path, "%s/", dir);
    for (int i = 0; i < SHA256_BYTES; i++)
        buf_printf(&path, "%02x", k.hash[i]);
    buf_puts(&path, ".kernels");
    struct timespec t = {1000000 - seconds, 0};
    const struct timespec both[2] = {t, t};
    cr_assert_eq(utimensat(AT_FDCWD, path.data, both, 0), 0);
    buf_free(&path);
}

Test(module_cache, the_oldest_goes_first)
{
    char *dir = temp_dir(), big[400];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    /* Room for three entries of 399 bytes and their headers. */
    ModuleCache *c = cache_open(dir, 1600);
    put(c, "a", big);
    put(c, "b", big);
    put(c, "c", big);
    cr_expect_eq(entries(dir), 3);
    set_age(dir, "a", 10);
    set_age(dir, "b", 30);
    set_age(dir, "c", 20);
    cr_expect(holds(c, "b", big)); /* in use: the youngest now */
    put(c, "d", big);
    cr_expect_eq(entries(dir), 3);
    cr_expect(!holds(c, "c", ""));
    cr_expect(holds(c, "a", big));
    cr_expect(holds(c, "b", big));
    cr_expect(holds(c, "d", big));
    cache_close(c);
    remove_dir(dir);
}

Test(module_cache, too_big_or_switched_off)
{
    char *dir = temp_dir();
    ModuleCache *c = cache_open(dir, 100);
    put(c, "a", "this one and its header are more than 100 bytes");
    cr_expect_eq(entries(dir), 0);
    cache_close(c);
    c = cache_open(dir, 0);
    put(c, "a", "object");
    cr_expect(!holds(c, "a", ""));
    cr_expect_eq(entries(dir), 0);
    cache_close(c);
    cache_close(NULL);
    remove_dir(dir);
}

/* A folder that is a file, one that everybody may write to. */
Test(module_cache, useless_folders)
{
    char *dir = temp_dir();
    Buf inner = {0};
    buf_printf(&inner, "%s/file", dir);
    toy_ok(file_write(inner.data, "x", 1));
    cr_assert(freopen("/dev/null", "w", stderr));
    ModuleCache *c = cache_open(inner.data, 1000);
    put(c, "a", "object");
    cr_expect(!holds(c, "a", ""));
    cache_close(c);
    cr_assert_eq(chmod(dir, 0777), 0);
    c = cache_open(dir, 1000);
    put(c, "a", "object");
    cr_expect(!holds(c, "a", ""));
    cr_expect_eq(entries(dir), 1);
    cache_close(c);
    buf_free(&inner);
    remove_dir(dir);
}

Test(module_cache, where_it_lies_by_default)
{
    char *dir = temp_dir();
    Buf want = {0};
    setenv("XDG_CACHE_HOME", dir, 1);
    ModuleCache *c = cache_open(NULL, 1000);
    put(c, "a", "object");
    buf_printf(&want, "%s/sextet", dir);
    cr_expect_eq(entries(want.data), 1);
    cache_close(c);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", dir, 1);
    c = cache_open(NULL, 1000);
    put(c, "a", "object");
    buf_clear(&want);
    buf_printf(&want, "%s/.cache/sextet", dir);
    cr_expect_eq(entries(want.data), 1);
    cache_close(c);
    unsetenv("HOME");
    c = cache_open(NULL, 1000);
    put(c, "a", "object");
    cr_expect(!holds(c, "a", ""));
    cache_close(c);
    buf_free(&want);
    remove_dir(dir);
}

/* ---- through the kernel set */

static KernelStats open_again(Toy *t)
{
    session_free(t->session);
    kernel_set_free(t->kernels);
    t->session = NULL;
    t->kernels = NULL;
    toy_ok(toy_open_all(t));
    return kernel_set_stats(t->kernels);
}

Test(module_cache, kernels_come_back)
{
    Toy t;
    toy_ok(toy_open(&t, toy_plan, 3));
    KernelStats s = kernel_set_stats(t.kernels);
    cr_expect_eq(s.groups, 1);
    cr_expect_eq(s.cached, 0);
    s = open_again(&t);
    cr_expect_eq(s.cached, 1);
    cr_expect_eq(entries(t.cache_dir.data), 1);
    toy_close(&t);
}

/* Sound on disk, yet not what the loader takes: compiled again. */
Test(module_cache, unloadable_entries_are_compiled_again)
{
    Toy t;
    Buf object = {0}, text = {0};
    const HostProvider *p;
    toy_ok(toy_open(&t, toy_plan, 1));
    toy_ok(provider_open(BUILD_DIR "/module_toy.so", &p));
    buf_puts(&text, "module kernels\n");
    for (int i = 0; i < t.plan->n_kernels; i++)
        buf_printf(&text, "%s\n", t.plan->kernel[i].text);
    char abi[32];
    snprintf(abi, sizeof abi, "host provider %d", HOST_PROVIDER_ABI);
    const char *part[] = {abi, p->version, p->native_cpu(),
                          text.data};
    CacheKey k = cache_key(part, 4);
    cr_assert(cache_get(t.cache, &k, &object), "not the kernel set's key");
    cache_put(t.cache, &k, "no toy object", 13);
    cr_assert(freopen("/dev/null", "w", stderr));
    KernelStats s = open_again(&t);
    cr_expect_eq(s.cached, 1);
    int32_t token = 3;
    toy_ok(session_feed(t.session, &(Feed){.tokens = &token, .n = 1}));
    buf_free(&object);
    buf_free(&text);
    toy_close(&t);
}

/* Many kernels make several groups, compiled by several threads. */
Test(module_cache, groups)
{
    Toy t;
    Buf plan = {0};
    const char *at = strstr(toy_plan, "k0 ");
    const char *end = strstr(toy_plan, "program \"main\"");
    buf_add(&plan, toy_plan, (size_t)(at - toy_plan));
    for (const char *p = at; p < end; p++) {
        const char *line_end = strchr(p, '\n');
        buf_add(&plan, p, (size_t)(line_end - p) + 1);
        if (*p == '|')
            for (int i = 0; i < 200; i++)
                buf_puts(&plan, "| a comment that makes this kernel long\n");
        p = line_end;
    }
    buf_puts(&plan, end);
    toy_ok(toy_open(&t, plan.data, 3));
    KernelStats s = kernel_set_stats(t.kernels);
    cr_expect_eq(s.groups, 5);
    s = open_again(&t);
    cr_expect_eq(s.cached, 5);
    buf_free(&plan);
    toy_close(&t);
}
