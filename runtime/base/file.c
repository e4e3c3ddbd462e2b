#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static Err *io_error(const char *what, const char *path)
{
    return err_new(ERR_IO, "%s '%s': %s", what, path, strerror(errno));
}

Err *file_read_fd(Arena *a, int fd, const char *name, size_t limit,
                  char **text, size_t *n)
{
    Buf b = {0};
    Err *e = NULL;
    char chunk[65536];
    *text = NULL;
    *n = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            DO(io_error("cannot read", name));
        if (got == 0)
            break;
        if (b.n + (size_t)got > limit)
            DO(err_new(ERR_LIMIT, "'%s' is larger than %zu bytes", name,
                       limit));
        buf_add(&b, chunk, (size_t)got);
    }
    *text = arena_strndup(a, b.data ? b.data : "", b.n);
    *n = b.n;
out:
    buf_free(&b);
    return e;
}

Err *file_read(Arena *a, const char *path, size_t limit, char **text,
               size_t *n)
{
    struct stat st;
    *text = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return io_error("cannot open", path);
    Err *e = NULL;
    if (fstat(fd, &st) != 0)
        e = io_error("cannot stat", path);
    else if (!S_ISREG(st.st_mode))
        e = err_new(ERR_INPUT, "'%s' is not a regular file", path);
    else
        e = file_read_fd(a, fd, path, limit, text, n);
    close(fd);
    return e;
}

static Err *write_all(int fd, const char *path, const char *p, size_t n)
{
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return io_error("cannot write", path);
        p += put;
        n -= (size_t)put;
    }
    return fsync(fd) == 0 || errno == EINVAL ? NULL
                                             : io_error("cannot sync", path);
}

Err *file_write(const char *path, const void *data, size_t n)
{
    Buf tmp = {0};
    buf_printf(&tmp, "%s.%ld.tmp", path, (long)getpid());
    Err *e = NULL;
    int fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        e = io_error("cannot create", tmp.data);
        goto out;
    }
    e = write_all(fd, path, data, n);
    close(fd);
    if (!e && rename(tmp.data, path) != 0)
        e = io_error("cannot rename to", path);
    if (e)
        unlink(tmp.data);
out:
    buf_free(&tmp);
    return e;
}

Err *file_mkdirs(const char *path)
{
    Buf b = {0};
    Err *e = NULL;
    buf_puts(&b, path);
    for (char *p = b.data + 1; b.n && !e; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(b.data, 0755) != 0 && errno != EEXIST)
            e = io_error("cannot create folder", b.data);
        *p = c;
        if (c == '\0')
            break;
    }
    buf_free(&b);
    return e;
}
