#include "runtime/cli/devices.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/embedded.h"
#include "base/file.h"

static Err *bad_devices(const char *text)
{
    return err_new(ERR_USAGE,
                   "--devices=%s: expected host, host*N or host*N@SIZE, or "
                   "several of these separated by commas, with 1 to 64 devices "
                   "in all",
                   text);
}

/* "host*6@2GiB": one group of equal devices. */
static Err *add_group(Arena *a, const char *text, const char *group,
                      Machine *m)
{
    const char *p = group;
    int64_t n = 1, cap = 0;
    if (strncmp(p, "cuda", 4) == 0)
        return err_new(ERR_DEVICE,
                       "--devices=%s: this build computes on the CPU only; "
                       "use --devices=host",
                       text);
    if (strncmp(p, "host", 4) != 0)
        return bad_devices(text);
    p += 4;
    if (*p == '*') {
        char *end;
        n = p[1] >= '1' && p[1] <= '9' ? strtol(p + 1, &end, 10) : 0;
        if (n == 0)
            return bad_devices(text);
        p = end;
    }
    if (*p == '@') {
        TRY(options_size("devices", p + 1, &cap));
        if (cap == 0)
            return err_new(ERR_USAGE, "--devices=%s: a device without memory",
                           text);
        p += strlen(p);
    }
    Err *e = *p ? bad_devices(text) : machine_add(a, m, "host", n, cap);
    if (!e || err_code(e) == ERR_USAGE)
        return e;
    err_free(e);
    return bad_devices(text);
}

/* "host*2@20MiB,host*4@8MiB" */
static Err *parse_devices(Arena *a, const char *text, Machine **out)
{
    Machine *m = machine_new(a, "host");
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",");
        TRY(add_group(a, text, arena_strndup(a, p, n), m));
        p += n;
        if (*p == '\0')
            break;
    }
    *out = m;
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
