#include "compiler/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { MAX_DEVICES = 64 };

static const char *device_name(Arena *a, const char *kind, int i)
{
    Buf b = {0};
    buf_printf(&b, "%s:%d", kind, i);
    const char *s = arena_strndup(a, b.data, b.n);
    buf_free(&b);
    return s;
}

static Err *add_devices(Arena *a, Machine *m, const char *kind, long n)
{
    if (n < 1 || m->n_devices + n > MAX_DEVICES)
        return err_new(ERR_INPUT, "between 1 and %d devices", MAX_DEVICES);
    if (!m->device)
        m->device = ARENA_ARRAY(a, PlanDevice, MAX_DEVICES);
    for (long i = 0; i < n; i++) {
        PlanDevice *d = &m->device[m->n_devices];
        d->kind = kind;
        d->name = device_name(a, kind, m->n_devices++);
    }
    return NULL;
}

Machine *machine_uniform(Arena *a, const char *kind, int n, int64_t capacity)
{
    Machine *m = ARENA_NEW(a, Machine);
    m->name = kind;
    m->device = ARENA_ARRAY(a, PlanDevice, MAX_DEVICES);
    for (int i = 0; i < n && i < MAX_DEVICES; i++) {
        m->device[i].kind = kind;
        m->device[i].name = device_name(a, kind, i);
        m->device[i].capacity = capacity;
        m->n_devices++;
    }
    return m;
}

/* ---- the text ---- */

typedef struct {
    const char *word;
    double scale;
} Unit;

static const Unit units[] = {
    {"GiB", 1024. * 1024 * 1024}, {"MiB", 1024. * 1024}, {"KiB", 1024.},
    {"B", 1},                     {"GB/s", 1e9},         {"us", 1e-6},
};

/* Reads "24 GiB"; *line moves behind it. */
static Err *quantity(const char **line, double *out)
{
    char unit[8] = "";
    int used = 0;
    if (sscanf(*line, " %lf %7s%n", out, unit, &used) != 2 || *out < 0 ||
        *out > 1e15)
        return err_new(ERR_INPUT, "expected a number and its unit");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].word, unit) == 0) {
            *out *= units[i].scale;
            *line += used;
            return NULL;
        }
    return err_new(ERR_INPUT,
                   "unknown unit '%s' (GiB, MiB, KiB, B, GB/s, us)", unit);
}

typedef struct {
    Arena *a;
    Machine *m;
    int group; /* first device of the open group */
} MachineReader;

static Err *read_device(MachineReader *r, const char *rest)
{
    char kind[16];
    long n = 1;
    int got = sscanf(rest, " %15[a-z] * %ld", kind, &n);
    if (got < 1)
        return err_new(ERR_INPUT, "expected: device KIND * COUNT");
    r->group = r->m->n_devices;
    return add_devices(r->a, r->m, arena_strndup(r->a, kind, strlen(kind)), n);
}

static Err *read_property(MachineReader *r, const char *word, const char *rest)
{
    double v;
    TRY(quantity(&rest, &v));
    if (strcmp(word, "link") == 0) {
        r->m->link_bandwidth = v;
        return quantity(&rest, &r->m->link_latency);
    }
    if (r->m->n_devices == 0)
        return err_new(ERR_INPUT, "%s stands before any device", word);
    for (int i = r->group; i < r->m->n_devices; i++) {
        PlanDevice *d = &r->m->device[i];
        if (strcmp(word, "memory") == 0)
            d->capacity = (int64_t)v;
        else if (strcmp(word, "reserve") == 0)
            d->reserve = (int64_t)v;
        else if (strcmp(word, "bandwidth") == 0)
            d->bandwidth = v;
        else
            return err_new(ERR_INPUT, "unknown word '%s' (device, memory, "
                                      "reserve, bandwidth, link)",
                           word);
    }
    return NULL;
}

static Err *read_line(MachineReader *r, char *line)
{
    char word[16];
    int used = 0;
    line[strcspn(line, "#")] = '\0';
    if (sscanf(line, " %15s%n", word, &used) != 1)
        return NULL;
    if (strcmp(word, "device") == 0)
        return read_device(r, line + used);
    return read_property(r, word, line + used);
}

Err *machine_parse(Arena *a, const char *name, const char *text, Machine **out)
{
    Machine *m = ARENA_NEW(a, Machine);
    MachineReader r = {a, m, 0};
    int number = 0;
    *out = NULL;
    m->name = name;
    while (*text) {
        size_t n = strcspn(text, "\n");
        number++;
        Err *e = read_line(&r, arena_strndup(a, text, n));
        if (e)
            return err_note(e, "%s:%d", name, number);
        text += n + (text[n] == '\n');
    }
    if (m->n_devices == 0)
        return err_new(ERR_INPUT, "%s describes no device", name);
    for (int i = 0; i < m->n_devices; i++)
        if (m->device[i].capacity <= m->device[i].reserve)
            return err_new(ERR_INPUT, "%s: %s has no memory beyond its reserve",
                           name, m->device[i].name);
    *out = m;
    return NULL;
}
