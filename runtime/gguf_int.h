/* gguf_int.h - private to gguf*.c: one parsed file. */
#ifndef RUNTIME_GGUF_INT_H
#define RUNTIME_GGUF_INT_H

#include <sys/stat.h>

#include "runtime/gguf_reader.h"

enum { GGUF_MAX_META = 1 << 16, GGUF_MAX_TENSORS = 1 << 20 };
enum { GGUF_MAX_HEADER = 256 << 20, GGUF_MAX_FILES = 512 };

typedef struct {
    const char *path; /* arena memory, as everything that `info` points to */
    int fd;           /* -1 while closed */
    struct stat stat; /* when it was opened */
    int64_t header_bytes;
    ModelInfo info; /* of this file alone; tensor offsets are file offsets */
} GgufFile;

struct Gguf { /* see gguf.h */
    Arena *arena;
    GgufFile *file;
    int n_files;
    int64_t header_bytes; /* of all files */
    ModelInfo info;
};

/* Fills f->path, fd and stat; a regular file only. */
Err *gguf_file_open(Arena *a, const char *path, GgufFile *f) MUST_USE;
void gguf_file_close(GgufFile *f);
/* Reads and checks the header, at most `limit` bytes of it. */
Err *gguf_file_parse(Arena *a, GgufFile *f, int64_t limit) MUST_USE;

/* n metadata entries / n tensor infos at the reader's place. */
Err *gguf_meta_parse(Reader *r, int64_t n, ModelInfo *info,
                     int64_t **record_at) MUST_USE;
Err *gguf_tensors_parse(Reader *r, int64_t n, ModelInfo *info,
                        int64_t **record_at) MUST_USE;
/* Turns offsets into file offsets: aligned, inside the file, no overlap.  The
 * reader stands behind the last tensor info. */
Err *gguf_tensors_place(Reader *r, int64_t alignment, ModelInfo *info,
                        const int64_t *record_at) MUST_USE;

/* A whole number among the metadata; *found is 0 if there is no such key. */
Err *gguf_meta_int(const GgufFile *f, const char *key, int64_t low,
                   int64_t high, int64_t *v, int *found) MUST_USE;

/* g->file[0] is parsed: opens the other files if the model is split, and joins
 * them in g->info.  May replace file[0] by the first file of the model. */
Err *gguf_split_join(struct Gguf *g) MUST_USE;

#endif
