#include "runtime/cli/devices.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/embedded.h"
#include "base/file.h"

/* "host*6@2GiB" */
static Err *parse_devices(Arena *a, const char *text, Machine **out)
{
    const char *p = text;
    int64_t n = 1, cap = 0;
    if (strncmp(p, "cuda", 4) == 0)
        return err_new(ERR_DEVICE,
                       "--devices=%s: this build computes on the CPU only; "
                       "use --devices=host",
                       text);
    if (strncmp(p, "host", 4) != 0)
        return err_new(ERR_USAGE,
                       "--devices=%s: expected host, host*N or host*N@SIZE",
                       text);
    p += 4;
    if (*p == '*') {
        char *end;
        n = strtol(p + 1, &end, 10);
        p = end;
    }
    if (*p == '@') {
        TRY(options_size("--devices", p + 1, &cap));
        p += strlen(p);
    }
    if (*p || n < 1 || n > 64)
        return err_new(ERR_USAGE,
                       "--devices=%s: expected host*N or host*N@SIZE with N "
                       "from 1 to 64",
                       text);
    *out = machine_uniform(a, "host", (int)n, cap);
    return NULL;
}

static const EmbeddedFile *find_builtin(const char *name)
{
    for (const EmbeddedFile *f = embedded_files; f->name; f++) {
        size_t n = strlen(name);
        if (strncmp(f->name, name, n) == 0 && strcmp(f->name + n, ".mach") == 0)
            return f;
    }
    return NULL;
}

static Err *unknown_machine(const char *name)
{
    Buf b = {0};
    for (const EmbeddedFile *f = embedded_files; f->name; f++) {
        const char *dot = strrchr(f->name, '.');
        if (dot && strcmp(dot, ".mach") == 0)
            buf_printf(&b, "%s%.*s", b.n ? ", " : "", (int)(dot - f->name),
                       f->name);
    }
    Err *e = err_new(ERR_USAGE,
                     "--machine=%s: neither a file nor one of %s", name,
                     b.data ? b.data : "");
    buf_free(&b);
    return e;
}

static Err *load_machine(Arena *a, const char *name, Machine **out)
{
    const EmbeddedFile *f = find_builtin(name);
    char *text;
    size_t n;
    if (f)
        return machine_parse(a, name, f->text, out);
    if (!strchr(name, '/') && !strchr(name, '.'))
        return unknown_machine(name);
    TRY(file_read(a, name, 1 << 20, &text, &n));
    return machine_parse(a, name, text, out);
}

Err *devices_machine(Arena *a, const Options *o, Machine **out)
{
    *out = NULL;
    return o->machine ? load_machine(a, o->machine, out)
                      : parse_devices(a, o->devices, out);
}
