/* One file: open, header, checks. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "runtime/gguf_int.h"

/* Smallest records: a key of one byte with a one-byte value; a tensor with a
 * name of one byte and one dimension. */
enum { MIN_META = 8 + 1 + 4 + 1, MIN_TENSOR = 8 + 1 + 4 + 8 + 4 + 8 };
enum { DEFAULT_ALIGNMENT = 32, MAX_ALIGNMENT = 64 << 10 };

Err *gguf_file_open(Arena *a, const char *path, GgufFile *f)
{
    f->path = arena_strndup(a, path, strlen(path));
    /* O_NONBLOCK: opening a FIFO would wait for a writer */
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0)
        return err_new(ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    if (fstat(f->fd, &f->stat) != 0)
        return err_new(ERR_IO, "cannot stat '%s': %s", path, strerror(errno));
    if (!S_ISREG(f->stat.st_mode))
        return err_new(ERR_INPUT, "'%s' is not a regular file", path);
    return NULL;
}

void gguf_file_close(GgufFile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static Err *read_version(Reader *r)
{
    uint32_t version;
    TRY(reader_u32(r, &version));
    if (version == 2 || version == 3)
        return NULL;
    if (version && (version & 0xffff) == 0)
        return reader_error(r, ERR_INPUT,
                            "a big-endian GGUF file; only little-endian ones "
                            "are read");
    if (version == 1)
        return reader_error(
            r, ERR_INPUT, "GGUF version 1 is too old; convert the model anew");
    return reader_error(r, ERR_INPUT,
                        "GGUF version %" PRIu32 "; versions 2 and 3 are read",
                        version);
}

static Err *read_magic(Reader *r)
{
    uint8_t m[4];
    if (r->size == 0)
        return reader_error(r, ERR_INPUT, "the file is empty");
    TRY(reader_bytes(r, m, 4));
    if (memcmp(m, "GGUF", 4) != 0)
        return reader_error(r, ERR_INPUT,
                            "not a GGUF file: it begins with %02x %02x %02x "
                            "%02x, not with \"GGUF\"",
                            m[0], m[1], m[2], m[3]);
    return NULL;
}

static Err *read_count(Reader *r, const char *what, int64_t max,
                       int64_t min_bytes, int64_t *n)
{
    uint64_t v;
    *n = 0;
    TRY(reader_uint(r, 8, &v));
    if (v > (uint64_t)max)
        return reader_error(r, v > INT64_MAX ? ERR_INPUT : ERR_LIMIT,
                            "%" PRIu64 " %s; at most %" PRId64 " are read", v,
                            what, max);
    if ((int64_t)v > (r->size - r->pos) / min_bytes)
        return reader_error(r, ERR_INPUT,
                            "%" PRIu64 " %s do not fit in the %" PRId64
                            " bytes that follow: an incomplete download?",
                            v, what, r->size - r->pos);
    *n = (int64_t)v;
    return NULL;
}

/* Duplicates, told with the place of the second. */
static Err *check_unique(Reader *r, ModelInfo *info, const int64_t *meta_at,
                         const int64_t *tensor_at)
{
    const char *dup;
    model_index(r->arena, info, &dup);
    for (int64_t i = 0; dup && i < info->n_meta; i++)
        if (info->meta[i].key == dup) {
            r->field = meta_at[i];
            reader_subject(r, "key", i, dup);
            return reader_error(r, ERR_INPUT, "stands twice in the file");
        }
    for (int64_t i = 0; dup && i < info->n_tensors; i++)
        if (info->tensors[i].name == dup) {
            r->field = tensor_at[i];
            reader_subject(r, "tensor", i, dup);
            return reader_error(r, ERR_INPUT, "stands twice in the file");
        }
    return NULL;
}

static Err *find_alignment(const GgufFile *f, int64_t *alignment)
{
    int found;
    TRY(gguf_meta_int(f, "general.alignment", 1, MAX_ALIGNMENT, alignment,
                      &found));
    if (!found)
        *alignment = DEFAULT_ALIGNMENT;
    if (*alignment & (*alignment - 1))
        return err_new(ERR_INPUT,
                       "%s: key 'general.alignment' is %" PRId64
                       ", not a power of two",
                       f->path, *alignment);
    return NULL;
}

static Err *parse(Reader *r, GgufFile *f)
{
    int64_t n_tensors, n_meta, alignment;
    int64_t *meta_at = NULL, *tensor_at = NULL;
    TRY(read_magic(r));
    TRY(read_version(r));
    TRY(read_count(r, "tensors", GGUF_MAX_TENSORS, MIN_TENSOR, &n_tensors));
    TRY(read_count(r, "metadata entries", GGUF_MAX_META, MIN_META, &n_meta));
    TRY(gguf_meta_parse(r, n_meta, &f->info, &meta_at));
    TRY(gguf_tensors_parse(r, n_tensors, &f->info, &tensor_at));
    TRY(check_unique(r, &f->info, meta_at, tensor_at));
    TRY(find_alignment(f, &alignment));
    return gguf_tensors_place(r, alignment, &f->info, tensor_at);
}

Err *gguf_file_parse(Arena *a, GgufFile *f, int64_t limit)
{
    Reader *r = calloc(1, sizeof *r);
    if (!r)
        memory_out(sizeof *r);
    r->path = f->info.path = f->path;
    r->fd = f->fd;
    r->size = f->stat.st_size;
    r->limit = r->size < limit ? r->size : limit;
    r->arena = a;
    Err *e = parse(r, f);
    f->header_bytes = r->pos;
    free(r);
    return e;
}
