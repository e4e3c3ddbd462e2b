#include "runtime/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/gguf_int.h"

/* No model that we know comes near; a larger number is a fault in the file and
 * would only fail later, after much work. */
static Err *check_numbers(const Gguf *g)
{
    static const struct {
        const char *key; /* behind the architecture's name */
        int64_t max;
    } limits[] = {{"block_count", 512}, {"expert_count", 1024}};
    const MetaValue *arch = model_meta(&g->info, "general.architecture");
    if (!arch || arch->kind != META_STRING || arch->is_array)
        return NULL;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char key[256];
        const MetaValue *m;
        snprintf(key, sizeof key, "%s.%s", arch->strings[0], limits[i].key);
        m = model_meta(&g->info, key);
        if (m && m->kind == META_INT && !m->is_array &&
            (m->ints[0] < 0 || m->ints[0] > limits[i].max))
            return err_new(ERR_LIMIT,
                           "%s: key '%s' is %" PRId64 ", not 0 to %" PRId64,
                           g->info.path, key, m->ints[0], limits[i].max);
    }
    return NULL;
}

Err *gguf_open(const char *path, Gguf **out)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Gguf *g = ARENA_NEW(a, Gguf);
    *out = NULL;
    g->arena = a;
    g->n_files = 1;
    g->file = ARENA_NEW(a, GgufFile);
    DO(gguf_file_open(a, path, g->file));
    DO(gguf_file_parse(a, g->file, GGUF_MAX_HEADER));
    g->header_bytes = g->file->header_bytes;
    DO(gguf_split_join(g));
    DO(check_numbers(g));
    *out = g;
    return NULL;
out:
    gguf_close(g);
    return e;
}

void gguf_close(Gguf *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n_files; i++)
        gguf_file_close(&g->file[i]);
    arena_free(g->arena);
}

const ModelInfo *gguf_info(const Gguf *g) { return &g->info; }
int gguf_n_files(const Gguf *g) { return g->n_files; }
const char *gguf_file_path(const Gguf *g, int file)
{
    return g->file[file].path;
}
int64_t gguf_file_bytes(const Gguf *g, int file)
{
    return g->file[file].stat.st_size;
}

Err *gguf_read(const Gguf *g, const TensorInfo *t, int64_t offset, int64_t n,
               void *dst)
{
    const GgufFile *f = &g->file[t->shard];
    if (offset < 0 || n < 0 || offset > t->bytes || n > t->bytes - offset)
        return err_new(ERR_INPUT,
                       "%s: tensor '%s' has %" PRId64 " bytes; %" PRId64
                       " at %" PRId64 " were asked for",
                       f->path, t->name, t->bytes, n, offset);
    Err *e = reader_pread(f->fd, f->path, t->offset + offset, dst, n);
    return e ? err_note(e, "tensor '%s'", t->name) : NULL;
}

Err *gguf_read_f32(const Gguf *g, const TensorInfo *t, int64_t first, int64_t n,
                   float *dst)
{
    const BlockInfo *info = &block_info[t->type];
    uint8_t buf[32768];
    int64_t step = (int64_t)sizeof buf / info->bytes * info->elems;
    int64_t at = block_bytes(t->type, first);
    if (at < 0 || n < 0 || n % info->elems != 0)
        return err_new(ERR_INPUT,
                       "tensor '%s': values %" PRId64 " + %" PRId64
                       " are not whole blocks of %s",
                       t->name, first, n, info->name);
    while (n > 0) {
        int64_t k = n < step ? n : step, bytes = block_bytes(t->type, k);
        TRY(gguf_read(g, t, at, bytes, buf));
        block_decode(t->type, buf, k, dst);
        at += bytes;
        dst += k;
        n -= k;
    }
    return NULL;
}

Err *gguf_unchanged(const Gguf *g)
{
    for (int i = 0; i < g->n_files; i++) {
        const GgufFile *f = &g->file[i];
        struct stat now;
        if (fstat(f->fd, &now) != 0 || now.st_size != f->stat.st_size ||
            now.st_mtim.tv_sec != f->stat.st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != f->stat.st_mtim.tv_nsec)
            return err_new(ERR_INPUT,
                           "%s: the file was changed while it was read",
                           f->path);
    }
    return NULL;
}
