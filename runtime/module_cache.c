#include "runtime/module_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

static const char entry_suffix[] = ".kernels";
static const char entry_magic[8] = {'s', 'e', 'x', 't', 'e', 't', 'K', '1'};

/* Before the object code in an entry.  Integers as the machine has them: a
 * cache does not travel. */
typedef struct {
    char magic[8];
    uint8_t key[SHA256_BYTES];
    uint64_t bytes; /* of the object code */
    uint8_t sum[SHA256_BYTES];
} Header;

struct ModuleCache {
    char *dir; /* NULL: holds nothing */
    int64_t limit;
};

CacheKey cache_key(const char *const *part, int n)
{
    CacheKey k;
    Sha256 s;
    sha256_init(&s);
    for (int i = 0; i < n; i++) {
        uint64_t len = strlen(part[i]);
        sha256_add(&s, &len, sizeof len);
        sha256_add(&s, part[i], len);
    }
    sha256_end(&s, k.hash);
    return k;
}

/* ---- the folder */

/* False if neither variable says where. */
static bool default_dir(Buf *dir)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && xdg[0] == '/')
        buf_printf(dir, "%s/sextet", xdg);
    else if (home && home[0] == '/')
        buf_printf(dir, "%s/.cache/sextet", home);
    return dir->n > 0;
}

/* NULL or why object code from there must not be run. */
static const char *distrust(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return strerror(errno);
    if (!S_ISDIR(st.st_mode))
        return "not a folder";
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return "it belongs to another user";
    if (st.st_mode & S_IWOTH)
        return "everybody may write to it";
    return NULL;
}

ModuleCache *cache_open(const char *dir, int64_t limit)
{
    ModuleCache *c = calloc(1, sizeof *c);
    Buf path = {0};
    if (!c)
        memory_out(sizeof *c);
    c->limit = limit;
    if (dir)
        buf_puts(&path, dir);
    if (limit == 0 || (!dir && !default_dir(&path)))
        goto out;
    Err *e = file_mkdirs(path.data);
    const char *why = e ? err_text(e) : distrust(path.data);
    if (why)
        log_warning("compiled kernels are not kept: folder '%s': %s", path.data,
                    why);
    else if (!(c->dir = strdup(path.data)))
        memory_out(path.n + 1);
    err_free(e);
out:
    buf_free(&path);
    return c;
}

void cache_close(ModuleCache *c)
{
    if (c)
        free(c->dir);
    free(c);
}

/* ---- entries */

static void entry_path(const ModuleCache *c, const CacheKey *key, Buf *path)
{
    buf_printf(path, "%s/", c->dir);
    for (int i = 0; i < SHA256_BYTES; i++)
        buf_printf(path, "%02x", key->hash[i]);
    buf_puts(path, entry_suffix);
}

static void checksum(const void *data, size_t n, uint8_t sum[SHA256_BYTES])
{
    Sha256 s;
    sha256_init(&s);
    sha256_add(&s, data, n);
    sha256_end(&s, sum);
}

/* True if the n bytes of a file are a sound entry for the key. */
static bool sound(const CacheKey *key, const char *file, size_t n)
{
    Header h;
    uint8_t sum[SHA256_BYTES];
    if (n < sizeof h)
        return false;
    memcpy(&h, file, sizeof h);
    if (memcmp(h.magic, entry_magic, sizeof h.magic) != 0 ||
        memcmp(h.key, key->hash, sizeof h.key) != 0 || h.bytes != n - sizeof h)
        return false;
    checksum(file + sizeof h, n - sizeof h, sum);
    return memcmp(sum, h.sum, sizeof sum) == 0;
}

bool cache_get(ModuleCache *c, const CacheKey *key, Buf *out)
{
    Buf path = {0};
    char *file;
    size_t n;
    bool hit = false;
    if (!c->dir)
        return false;
    Arena *a = arena_new();
    entry_path(c, key, &path);
    Err *e = file_read(a, path.data, (size_t)c->limit, &file, &n);
    if (!e && (hit = sound(key, file, n))) {
        buf_add(out, file + sizeof(Header), n - sizeof(Header));
        /* Its age is the time since it was last of use. */
        utimensat(AT_FDCWD, path.data, NULL, 0);
    } else if (!e) {
        log_warning("cache entry '%s' is damaged: compiling again", path.data);
    }
    err_free(e);
    buf_free(&path);
    arena_free(a);
    return hit;
}

/* ---- the limit */

typedef struct {
    char name[128];
    int64_t bytes, time;
} Entry;

typedef struct {
    Entry *entry;
    size_t n;
    int64_t bytes;
} Listing;

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), tail = strlen(suffix);
    return n >= tail && strcmp(name + n - tail, suffix) == 0;
}

/* What a killed writer left behind (".tmp") counts and goes like an entry. */
static void list_entry(Listing *l, int dir, const char *name)
{
    struct stat st;
    size_t n = strlen(name);
    if (n >= sizeof l->entry->name ||
        (!ends_with(name, entry_suffix) && !ends_with(name, ".tmp")) ||
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return;
    if ((l->n & (l->n - 1)) == 0) {
        size_t cap = l->n ? 2 * l->n : 1;
        l->entry = realloc(l->entry, cap * sizeof *l->entry);
        if (!l->entry)
            memory_out(cap * sizeof *l->entry);
    }
    Entry *x = &l->entry[l->n++];
    memcpy(x->name, name, n + 1);
    x->bytes = (int64_t)st.st_size;
    x->time = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    l->bytes += x->bytes;
}

static int compare_age(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Entries, the oldest first; false if the folder does not open. */
static bool list_folder(const ModuleCache *c, DIR **d, Listing *l)
{
    *l = (Listing){0};
    *d = c->dir ? opendir(c->dir) : NULL;
    if (!*d)
        return false;
    for (struct dirent *x; (x = readdir(*d));)
        list_entry(l, dirfd(*d), x->d_name);
    if (l->n)
        qsort(l->entry, l->n, sizeof *l->entry, compare_age);
    return true;
}

static void drop_above(const ModuleCache *c, int64_t limit)
{
    Listing l;
    DIR *d;
    if (!list_folder(c, &d, &l))
        return;
    for (size_t i = 0; i < l.n && l.bytes > limit; i++) {
        unlinkat(dirfd(d), l.entry[i].name, 0);
        l.bytes -= l.entry[i].bytes;
    }
    closedir(d);
    free(l.entry);
}

CacheStats cache_stats(const ModuleCache *c)
{
    Listing l;
    DIR *d;
    CacheStats s = {.dir = c->dir, .limit = c->limit};
    if (!list_folder(c, &d, &l))
        return s;
    s.entries = (int64_t)l.n;
    s.bytes = l.bytes;
    closedir(d);
    free(l.entry);
    return s;
}

void cache_clear(ModuleCache *c) { drop_above(c, -1); }

void cache_put(ModuleCache *c, const CacheKey *key, const void *data, size_t n)
{
    Header h = {.bytes = n};
    Buf path = {0}, file = {0};
    if (!c->dir || (int64_t)(n + sizeof h) > c->limit)
        return;
    memcpy(h.magic, entry_magic, sizeof h.magic);
    memcpy(h.key, key->hash, sizeof h.key);
    checksum(data, n, h.sum);
    buf_add(&file, &h, sizeof h);
    buf_add(&file, data, n);
    entry_path(c, key, &path);
    Err *e = file_write(path.data, file.data, file.n);
    if (e) {
        log_warning("compiled kernels are not kept: %s", err_text(e));
        free(c->dir);
        c->dir = NULL; /* say it once */
    } else {
        drop_above(c, c->limit);
    }
    err_free(e);
    buf_free(&path);
    buf_free(&file);
}
