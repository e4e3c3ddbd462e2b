/* source.h - the model texts of one compile, and places in them.
 *
 * Several files (a model and what it `use`s) share one space of byte offsets,
 * so that a Span is eight bytes and never needs a file beside it.  Everything
 * lives in the arena of the compile. */
#ifndef DSL_SOURCE_H
#define DSL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/embedded.h"
#include "base/err.h"

/* Bytes [begin, end) of the offset space; begin == end marks a point. */
typedef struct {
    uint32_t begin, end;
} Span;

typedef struct {
    const char *path; /* as messages name it */
    const char *name; /* without the folder: what `use` says */
    const char *text; /* n bytes, then two NULs */
    uint32_t n;
    uint32_t base; /* offset of the first byte */
} SourceFile;

/* Of one file, and of all together. */
enum {
    SOURCE_MAX_BYTES = 256 << 10,
    SOURCE_MAX_TOTAL = 1024 << 10,
    SOURCE_MAX_FILES = 64,
};

typedef struct {
    Arena *a;
    const EmbeddedFile *library; /* where `use` looks last; may be NULL */
    const char *folder; /* of files[0], where it looks first; NULL: nowhere */
    int n_files;
    SourceFile files[SOURCE_MAX_FILES]; /* files[0] is the root */
} Source;

/* A human's view of an offset; lines and columns count from 1, columns in
 * characters (UTF-8), a tab as one. */
typedef struct {
    const SourceFile *file;
    int line, column;
    const char *text; /* of that line, without its end */
    size_t n;
    size_t at; /* byte in that line */
} Place;

/* `library` is a table ending in a NULL name, or NULL. */
Source *source_new(Arena *a, const EmbeddedFile *library);
/* Adds text that the caller holds; *file is its number.  Its `use`s see the
 * library only. */
Err *source_add_text(Source *s, const char *path, const char *text, size_t n,
                     int *file) MUST_USE;
/* Adds a file of the file system. */
Err *source_add_path(Source *s, const char *path, int *file) MUST_USE;
/* Adds a file of the library, by name. */
Err *source_add_embedded(Source *s, const char *name, int *file) MUST_USE;
/* What `use "name"` means: the file of that name that is there already, or
 * else the one beside files[0], or else the library's.  A name with a folder is
 * refused.  *fresh says whether the file is new. */
Err *source_use(Source *s, const char *name, int *file, int *fresh) MUST_USE;

int source_file_of(const Source *s, uint32_t offset);
Place source_place(const Source *s, uint32_t offset);

#endif
