/* file.h - whole small files in and out.  Paths are ordinary C strings.
 *
 * Only regular files are read (a FIFO or /dev/zero is refused), at most
 * `limit` bytes; big files (weights) are read with pread by their owner. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/arena.h"
#include "base/err.h"

/* *text is NUL-terminated and lives in the arena; *n excludes the NUL. */
Err *file_read(Arena *a, const char *path, size_t limit, char **text,
               size_t *n) MUST_USE;
/* Standard input or another stream, to its end, at most `limit` bytes. */
Err *file_read_fd(Arena *a, int fd, const char *name, size_t limit,
                  char **text, size_t *n) MUST_USE;
/* Written to a temporary name beside `path`, synced, then renamed. */
Err *file_write(const char *path, const void *data, size_t n) MUST_USE;
/* mkdir -p. */
Err *file_mkdirs(const char *path) MUST_USE;

#endif
