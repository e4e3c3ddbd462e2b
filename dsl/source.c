#include "dsl/source.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

Source *source_new(Arena *a, const EmbeddedFile *library)
{
    Source *s = ARENA_NEW(a, Source);
    s->a = a;
    s->library = library;
    return s;
}

static int find_name(const Source *s, const char *name)
{
    for (int i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i].name, name) == 0)
            return i;
    return -1;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The text is copied: the lexer wants two NULs behind it. */
static Err *add(Source *s, const char *path, const char *text, size_t n,
                int *file)
{
    if (n > SOURCE_MAX_BYTES)
        return err_new(ERR_INPUT, "%s is longer than %d bytes", path,
                       SOURCE_MAX_BYTES);
    if (s->n_files == SOURCE_MAX_FILES)
        return err_new(ERR_INPUT, "%s: more than %d files used", path,
                       SOURCE_MAX_FILES);
    const SourceFile *last = s->n_files ? &s->files[s->n_files - 1] : NULL;
    if (last && last->base + last->n + n > SOURCE_MAX_TOTAL)
        return err_new(ERR_INPUT,
                       "%s: all files together are longer than %d "
                       "bytes",
                       path, SOURCE_MAX_TOTAL);
    char *copy = arena_alloc(s->a, n + 2);
    memcpy(copy, text, n);
    SourceFile *f = &s->files[s->n_files];
    f->path = arena_strndup(s->a, path, strlen(path));
    f->name = base_name(f->path);
    f->text = copy;
    f->n = (uint32_t)n;
    if (last) /* a gap of one: the end of a file has a place */
        f->base = last->base + last->n + 1;
    *file = s->n_files++;
    return NULL;
}

Err *source_add_text(Source *s, const char *path, const char *text, size_t n,
                     int *file)
{
    return add(s, path, text, n, file);
}

Err *source_add_path(Source *s, const char *path, int *file)
{
    char *text;
    size_t n;
    TRY(file_read(s->a, path, SOURCE_MAX_BYTES, &text, &n));
    if (s->n_files == 0)
        s->folder = arena_strndup(s->a, path, (size_t)(base_name(path) - path));
    return add(s, path, text, n, file);
}

static const EmbeddedFile *find_embedded(const Source *s, const char *name)
{
    for (const EmbeddedFile *f = s->library; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

Err *source_add_embedded(Source *s, const char *name, int *file)
{
    const EmbeddedFile *f = find_embedded(s, name);
    if (!f)
        return err_new(ERR_INPUT, "no model text \"%s\" is built in", name);
    return add(s, f->name, f->text, f->n, file);
}

static const char *beside(const Source *s, const char *folder, const char *name)
{
    Buf path = {0};
    buf_printf(&path, "%s%s", folder, name);
    const char *copy = arena_strndup(s->a, path.data, path.n);
    buf_free(&path);
    return copy;
}

Err *source_use(Source *s, const char *name, int *file, int *fresh)
{
    *fresh = 0;
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/'))
        return err_new(ERR_INPUT, "\"%s\" is no plain file name", name);
    *file = find_name(s, name);
    if (*file >= 0)
        return NULL;
    *fresh = 1;
    const char *path = s->folder ? beside(s, s->folder, name) : NULL;
    return path && access(path, R_OK) == 0 ? source_add_path(s, path, file)
                                           : source_add_embedded(s, name, file);
}

int source_file_of(const Source *s, uint32_t offset)
{
    int i = s->n_files - 1;
    while (i > 0 && s->files[i].base > offset)
        i--;
    return i;
}

static int columns(const char *text, size_t n)
{
    int c = 1;
    for (size_t i = 0; i < n; i++)
        c += ((unsigned char)text[i] & 0xC0) != 0x80;
    return c;
}

Place source_place(const Source *s, uint32_t offset)
{
    const SourceFile *f = &s->files[source_file_of(s, offset)];
    size_t at = offset - f->base, begin = 0;
    if (at > f->n)
        at = f->n;
    Place p = {.file = f, .line = 1};
    for (size_t i = 0; i < at; i++)
        if (f->text[i] == '\n') {
            p.line++;
            begin = i + 1;
        }
    size_t end = begin;
    while (end < f->n && f->text[end] != '\n' && f->text[end] != '\r')
        end++;
    p.text = f->text + begin;
    p.n = end - begin;
    p.at = at - begin;
    p.column = columns(p.text, p.at);
    return p;
}
