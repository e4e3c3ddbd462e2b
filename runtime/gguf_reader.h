/* gguf_reader.h - private to gguf*.c: a bounded reader over one header.
 *
 * Every byte comes through here: lengths are checked against what is left of
 * the file and of the header limit before anything is allocated, and every
 * error names the file, the byte and the entry it is about. */
#ifndef RUNTIME_GGUF_READER_H
#define RUNTIME_GGUF_READER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/model_info.h"

typedef struct {
    const char *path;
    int fd;
    int64_t size;      /* of the file */
    int64_t limit;     /* the header may not reach past this byte */
    int64_t pos;       /* the next byte to hand out */
    int64_t field;     /* where the value read last began: errors name it */
    char subject[160]; /* "key 'x'": what errors are about; may be empty */
    Arena *arena;      /* takes strings and arrays */
    int64_t spent;     /* bytes of arrays so far */
    char *pool;        /* strings are packed into chunks of the arena */
    int64_t pool_left;
    int64_t buf_at, buf_n; /* buf holds file bytes [buf_at, buf_at + buf_n) */
    uint8_t buf[65536];
} Reader;

/* All of [at, at + n) into dst; retries EINTR and short reads. */
Err *reader_pread(int fd, const char *path, int64_t at, void *dst,
                  int64_t n) MUST_USE;

/* At r->field, about r->subject.  ERR_LIMIT or ERR_INPUT. */
Err *reader_error(const Reader *r, ErrCode code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))) MUST_USE;
/* `name` must have passed reader_string.  NULL: entry number `i`. */
void reader_subject(Reader *r, const char *kind, int64_t i, const char *name);

/* A little-endian number of 1, 2, 4 or 8 bytes. */
Err *reader_uint(Reader *r, int bytes, uint64_t *v) MUST_USE;
Err *reader_u32(Reader *r, uint32_t *v) MUST_USE;
Err *reader_bytes(Reader *r, void *dst, int64_t n) MUST_USE;

/* Bytes that the header may still have. */
int64_t reader_left(const Reader *r);

/* A string: length, bytes.  Valid UTF-8 without NUL; a `name` has no control
 * characters either and is not empty.  `max` is in bytes. */
typedef enum { READ_TEXT, READ_NAME } StringKind;
Err *reader_string(Reader *r, StringKind kind, int64_t max, const char **s,
                   uint32_t *n) MUST_USE;

/* Arena memory for n elements of `memory` bytes each, which take at least
 * `disk` bytes each in the file. */
Err *reader_array(Reader *r, uint64_t n, int64_t disk, int64_t memory,
                  void **out) MUST_USE;

#endif
