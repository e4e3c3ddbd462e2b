/* Split models: PREFIX-00001-of-00003.gguf and so on.  Each file is a whole
 * GGUF file; the metadata of the model stands in the first only. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/gguf.h"
#include "runtime/gguf_int.h"

enum { SUFFIX = 20 }; /* strlen("-00001-of-00003.gguf") */

/* Five digits; -1 if they are not. */
static int five_digits(const char *s)
{
    int v = 0;
    for (int i = 0; i < 5; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        v = v * 10 + s[i] - '0';
    }
    return v;
}

/* Does the path name file `no` (from 0) of `count`? */
static int name_fits(const char *path, int64_t no, int64_t count)
{
    size_t n = strlen(path);
    const char *s = path + n - SUFFIX;
    return n >= SUFFIX && s[0] == '-' && five_digits(s + 1) == no + 1 &&
           memcmp(s + 6, "-of-", 4) == 0 && five_digits(s + 10) == count &&
           strcmp(s + 15, ".gguf") == 0;
}

static const char *sibling(Arena *a, const char *path, int64_t no)
{
    size_t n = strlen(path);
    char digits[16], *s = arena_strndup(a, path, n);
    snprintf(digits, sizeof digits, "%05d", (int)no + 1);
    memcpy(s + n - SUFFIX + 1, digits, 5);
    return s;
}

/* Which file of how many; 0 of 1 if the file says nothing. */
static Err *split_of(const GgufFile *f, int64_t *no, int64_t *count)
{
    int has_no, has_count;
    TRY(gguf_meta_int(f, "split.count", 0, 65535, count, &has_count));
    TRY(gguf_meta_int(f, "split.no", 0, 65535, no, &has_no));
    if (!has_count || *count == 0)
        *count = 1;
    if (*count > GGUF_MAX_FILES)
        return err_new(ERR_LIMIT,
                       "%s: a model of %" PRId64 " files; at most %d are read",
                       f->path, *count, GGUF_MAX_FILES);
    if (*no >= *count || (*count > 1 && !has_no))
        return err_new(ERR_INPUT,
                       "%s: key 'split.no' is %s%" PRId64
                       ", but 'split.count' is %" PRId64,
                       f->path, has_no ? "" : "missing, read as ", *no, *count);
    return NULL;
}

/* Opens and reads file `no` as it must be. */
static Err *open_part(Gguf *g, const char *path, int64_t no, int64_t count)
{
    GgufFile *f = &g->file[no];
    int64_t its_no, its_count;
    TRY(gguf_file_open(g->arena, path, f));
    TRY(gguf_file_parse(g->arena, f, GGUF_MAX_HEADER - g->header_bytes));
    g->header_bytes += f->header_bytes;
    TRY(split_of(f, &its_no, &its_count));
    if (its_no != no || its_count != count)
        return err_new(ERR_INPUT,
                       "%s: says that it is file %" PRId64 " of %" PRId64
                       ", but its name says %" PRId64 " of %" PRId64,
                       path, its_no + 1, its_count, no + 1, count);
    return NULL;
}

/* Makes room for `count` files with the one that is open as the first of
 * them; if it is a later one, the first is opened instead. */
static Err *open_parts(Gguf *g, int64_t no, int64_t count)
{
    GgufFile given = g->file[0];
    g->file = ARENA_ARRAY(g->arena, GgufFile, count);
    g->n_files = (int)count;
    for (int64_t i = 0; i < count; i++)
        g->file[i].fd = -1;
    g->file[0] = given;
    if (no != 0) {
        gguf_file_close(&g->file[0]);
        g->file[0] = (GgufFile){.fd = -1};
        g->header_bytes = 0;
    }
    for (int64_t i = no == 0; i < count; i++) {
        Err *e = open_part(g, sibling(g->arena, given.path, i), i, count);
        if (e)
            return err_note(
                e, "file %" PRId64 " of %" PRId64 " of the split model", i + 1,
                count);
    }
    return NULL;
}

/* Later files may repeat keys, but may not contradict the first. */
static Err *check_same(const Gguf *g, const char *key, const GgufFile *f)
{
    const MetaValue *a = model_meta(&g->file[0].info, key);
    const MetaValue *b = model_meta(&f->info, key);
    if (!b)
        return NULL;
    if (a && a->kind == b->kind && a->n == 1 && b->n == 1 &&
        (a->kind == META_STRING ? strcmp(a->strings[0], b->strings[0]) == 0
                                : a->ints && a->ints[0] == b->ints[0]))
        return NULL;
    return err_new(ERR_INPUT, "%s: key '%s' differs from that of %s", f->path,
                   key, g->file[0].path);
}

static Err *check_total(const Gguf *g, int64_t total)
{
    int64_t want;
    int found;
    TRY(gguf_meta_int(&g->file[0], "split.tensors.count", 0, GGUF_MAX_TENSORS,
                      &want, &found));
    if (!found)
        return err_new(ERR_INPUT, "%s: key 'split.tensors.count' is missing",
                       g->file[0].path);
    if (want != total)
        return err_new(ERR_INPUT,
                       "%s: key 'split.tensors.count' is %" PRId64
                       ", but the %d files have %" PRId64 " tensors",
                       g->file[0].path, want, g->n_files, total);
    return NULL;
}

/* All tensors in one table, the metadata of the first file. */
static Err *join(Gguf *g, int64_t total)
{
    const char *dup;
    TensorInfo *all = ARENA_ARRAY(g->arena, TensorInfo, total);
    g->info = g->file[0].info;
    g->info.tensors = all;
    g->info.n_tensors = total;
    for (int i = 0; i < g->n_files; i++) {
        const ModelInfo *info = &g->file[i].info;
        for (int64_t k = 0; k < info->n_tensors; k++) {
            *all = info->tensors[k];
            all++->shard = i;
        }
    }
    model_index(g->arena, &g->info, &dup);
    for (int64_t k = 0; dup && k < total; k++) {
        const TensorInfo *t = &g->info.tensors[k];
        if (t->name == dup)
            return err_new(ERR_INPUT, "%s: tensor '%s' also stands in %s",
                           g->file[t->shard].path, dup,
                           g->file[model_tensor(&g->info, dup)->shard].path);
    }
    return NULL;
}

Err *gguf_split_join(Gguf *g)
{
    int64_t no, count, total = 0;
    TRY(split_of(&g->file[0], &no, &count));
    g->info = g->file[0].info;
    if (count == 1)
        return NULL;
    if (!name_fits(g->file[0].path, no, count))
        return err_new(ERR_INPUT,
                       "%s: is file %" PRId64 " of %" PRId64
                       " of a split model; its name must end in "
                       "-%05" PRId64 "-of-%05" PRId64
                       ".gguf for the others to be found",
                       g->file[0].path, no + 1, count, no + 1, count);
    TRY(open_parts(g, no, count));
    for (int i = 0; i < g->n_files; i++) {
        total += g->file[i].info.n_tensors;
        if (total > GGUF_MAX_TENSORS)
            return err_new(ERR_LIMIT, "%s: more than %d tensors in all files",
                           g->file[0].path, GGUF_MAX_TENSORS);
        if (i > 0)
            TRY(check_same(g, "general.architecture", &g->file[i]));
        if (i > 0)
            TRY(check_same(g, "split.tensors.count", &g->file[i]));
    }
    TRY(check_total(g, total));
    return join(g, total);
}
