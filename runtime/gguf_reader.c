#include "runtime/gguf_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Metadata may take this much memory, and four bytes for each byte read. */
enum { FREE_MEMORY = 64 << 20, MEMORY_PER_BYTE = 4, POOL_CHUNK = 64 << 10 };

Err *reader_pread(int fd, const char *path, int64_t at, void *dst, int64_t n)
{
    char *p = dst;
    while (n > 0) {
        size_t want = n < 1 << 30 ? (size_t)n : (size_t)1 << 30;
        ssize_t got = pread(fd, p, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_new(ERR_IO, "%s: cannot read at byte %" PRId64 ": %s",
                           path, at, strerror(errno));
        if (got == 0)
            return err_new(ERR_INPUT,
                           "%s: the file ends at byte %" PRId64
                           ": it was cut short after it was opened",
                           path, at);
        p += got;
        at += got;
        n -= got;
    }
    return NULL;
}

Err *reader_error(const Reader *r, ErrCode code, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_new(code, "%s: byte %" PRId64 ": %s%s%s", r->path, r->field,
                   r->subject, *r->subject ? ": " : "", text);
}

void reader_subject(Reader *r, const char *kind, int64_t i, const char *name)
{
    if (!name) {
        snprintf(r->subject, sizeof r->subject, "%s number %" PRId64, kind,
                 i + 1);
        return;
    }
    int n = (int)strnlen(name, 100);
    while (n == 100 && (name[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    snprintf(r->subject, sizeof r->subject, "%s '%.*s%s'", kind, n, name,
             name[n] ? "..." : "");
}

int64_t reader_left(const Reader *r) { return r->limit - r->pos; }

/* n more bytes of header: there, and within the limit? */
static Err *need(const Reader *r, int64_t n)
{
    if (n > r->size - r->pos)
        return reader_error(r, ERR_INPUT,
                            "the file ends inside the header, at least %" PRId64
                            " bytes are missing: an incomplete download?",
                            n - (r->size - r->pos));
    if (n > reader_left(r))
        return reader_error(r, ERR_LIMIT, "the header is larger than 256 MiB");
    return NULL;
}

static Err *refill(Reader *r)
{
    int64_t n = r->size - r->pos;
    if (n > (int64_t)sizeof r->buf)
        n = sizeof r->buf;
    r->buf_n = 0;
    TRY(reader_pread(r->fd, r->path, r->pos, r->buf, n));
    r->buf_at = r->pos;
    r->buf_n = n;
    return NULL;
}

Err *reader_bytes(Reader *r, void *dst, int64_t n)
{
    char *p = dst;
    r->field = r->pos;
    TRY(need(r, n));
    while (n > 0) {
        int64_t have = r->buf_at + r->buf_n - r->pos;
        if (have <= 0) {
            TRY(refill(r));
            continue;
        }
        int64_t take = have < n ? have : n;
        memcpy(p, r->buf + (r->pos - r->buf_at), (size_t)take);
        r->pos += take;
        p += take;
        n -= take;
    }
    return NULL;
}

Err *reader_uint(Reader *r, int bytes, uint64_t *v)
{
    uint8_t b[8] = {0};
    *v = 0;
    TRY(reader_bytes(r, b, bytes));
    for (int i = 8; i-- > 0;)
        *v = *v << 8 | b[i];
    return NULL;
}

Err *reader_u32(Reader *r, uint32_t *v)
{
    uint64_t wide;
    *v = 0;
    TRY(reader_uint(r, 4, &wide));
    *v = (uint32_t)wide;
    return NULL;
}

/* Bytes of the UTF-8 character at s (n >= 1 bytes left), 0 if it is none:
 * Unicode's table of well-formed byte sequences. */
static int64_t character(const uint8_t *s, int64_t n)
{
    uint8_t c = s[0], low = 0x80, high = 0xbf;
    int64_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (len > n || (c >= 0x80 && c < 0xc2) || c > 0xf4)
        return 0;
    if (c == 0xe0)
        low = 0xa0; /* overlong */
    else if (c == 0xed)
        high = 0x9f; /* surrogate */
    else if (c == 0xf0)
        low = 0x90; /* overlong */
    else if (c == 0xf4)
        high = 0x8f; /* past U+10FFFF */
    for (int64_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
        if (s[i] < low || s[i] > high)
            return 0;
    return len;
}

static Err *check_text(Reader *r, StringKind kind, const uint8_t *s, int64_t n)
{
    for (int64_t i = 0, len; i < n; i += len) {
        int control = s[i] < 0x20 || s[i] == 0x7f;
        len = character(s + i, n - i);
        if (len == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0)
            control = 1; /* U+0080 to U+009F */
        r->field = r->pos - n + i;
        if (len == 0)
            return reader_error(r, ERR_INPUT, "not valid UTF-8");
        if (s[i] == 0)
            return reader_error(r, ERR_INPUT, "a string contains a NUL");
        if (control && kind == READ_NAME)
            return reader_error(r, ERR_INPUT,
                                "a name contains a control character");
    }
    return NULL;
}

static char *pool_take(Reader *r, int64_t n)
{
    if (n > r->pool_left) {
        r->pool_left = n > POOL_CHUNK ? n : POOL_CHUNK;
        r->pool = arena_alloc(r->arena, (size_t)r->pool_left);
    }
    char *p = r->pool;
    r->pool += n;
    r->pool_left -= n;
    return p;
}

Err *reader_string(Reader *r, StringKind kind, int64_t max, const char **s,
                   uint32_t *n)
{
    uint64_t len;
    *s = NULL;
    *n = 0;
    TRY(reader_uint(r, 8, &len));
    if (len > (uint64_t)max)
        return reader_error(r, ERR_INPUT,
                            "a string of %" PRIu64 " bytes; at most %" PRId64
                            " are allowed here",
                            len, max);
    if (len == 0 && kind == READ_NAME)
        return reader_error(r, ERR_INPUT, "a name is empty");
    TRY(need(r, (int64_t)len));
    char *p = pool_take(r, (int64_t)len + 1);
    TRY(reader_bytes(r, p, (int64_t)len));
    TRY(check_text(r, kind, (const uint8_t *)p, (int64_t)len));
    *s = p;
    *n = (uint32_t)len;
    return NULL;
}

Err *reader_array(Reader *r, uint64_t n, int64_t disk, int64_t memory,
                  void **out)
{
    *out = NULL;
    if (n > (uint64_t)(reader_left(r) / disk))
        return reader_error(r, ERR_INPUT,
                            "an array of %" PRIu64 " elements of at least "
                            "%" PRId64 " bytes, but only %" PRId64
                            " bytes of header can follow",
                            n, disk, reader_left(r));
    /* n is below 2^28 now: nothing overflows */
    r->spent += (int64_t)n * memory;
    int64_t read = r->pos + (int64_t)n * disk;
    if (r->spent > FREE_MEMORY + MEMORY_PER_BYTE * read)
        return reader_error(r, ERR_LIMIT,
                            "the metadata would take %" PRId64
                            " MiB of memory, too much for its size",
                            r->spent >> 20);
    *out = arena_alloc(r->arena, (size_t)((int64_t)n * memory));
    return NULL;
}
