#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/buf.h"

void memory_out(size_t bytes)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    char line[64];
    while (atomic_flag_test_and_set(&said))
        pause(); /* another thread is about to end the program */
    int n = snprintf(line, sizeof line, "sextet: out of memory (%zu bytes)\n",
                     bytes);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        abort(); /* nowhere to say it */
    abort();
}

/* Note [no open_memstream]
 * The C library's own stream loses the byte for which it finds no room, and
 * reports no error when it is closed.  This one keeps its text in a Buf, which
 * aborts, and has no buffer of its own. */
typedef struct {
    Buf text;
    char **out;
    size_t *n;
} Text;

static ssize_t write_text(void *cookie, const char *bytes, size_t n)
{
    Text *t = cookie;
    buf_add(&t->text, bytes, n);
    return (ssize_t)n;
}

static int close_text(void *cookie)
{
    Text *t = cookie;
    buf_puts(&t->text, ""); /* never NULL */
    *t->out = t->text.data;
    *t->n = t->text.n;
    free(t);
    return 0;
}

FILE *memory_text(char **text, size_t *n)
{
    Text *t = memory_must(calloc(1, sizeof *t), sizeof *t);
    cookie_io_functions_t io = {.write = write_text, .close = close_text};
    t->out = text;
    t->n = n;
    FILE *f = memory_must(fopencookie(t, "w", io), sizeof *f);
    setvbuf(f, NULL, _IONBF, 0);
    return f;
}
