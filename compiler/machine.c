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

Machine *machine_new(Arena *a, const char *name)
{
    Machine *m = ARENA_NEW(a, Machine);
    m->name = name;
    m->device = ARENA_ARRAY(a, PlanDevice, MAX_DEVICES);
    return m;
}

Err *machine_add(Arena *a, Machine *m, const char *kind, int64_t n,
                 int64_t capacity)
{
    if (n < 1 || n > MAX_DEVICES - m->n_devices)
        return err_new(ERR_INPUT, "between 1 and %d devices", MAX_DEVICES);
    for (int64_t i = 0; i < n; i++) {
        PlanDevice *d = &m->device[m->n_devices];
        d->kind = kind;
        d->capacity = capacity;
        d->name = device_name(a, kind, m->n_devices++);
    }
    return NULL;
}

Machine *machine_uniform(Arena *a, const char *kind, int n, int64_t capacity)
{
    Machine *m = machine_new(a, kind);
    err_free(machine_add(a, m, kind, n, capacity));
    return m;
}

/* ---- the text ---- */

typedef enum { UNIT_BYTES, UNIT_RATE, UNIT_COMPUTE, UNIT_TIME } Measure;

typedef struct {
    const char *word;
    Measure measure;
    double scale;
} Unit;

static const Unit units[] = {
    {"GiB", UNIT_BYTES, 1024. * 1024 * 1024},
    {"MiB", UNIT_BYTES, 1024. * 1024},
    {"KiB", UNIT_BYTES, 1024.},
    {"B", UNIT_BYTES, 1},
    {"GB/s", UNIT_RATE, 1e9},
    {"TFLOP/s", UNIT_COMPUTE, 1e12},
    {"us", UNIT_TIME, 1e-6},
};
static const char *const measure_units[] = {"GiB, MiB, KiB or B", "GB/s",
                                            "TFLOP/s", "us"};

/* Reads "24 GiB"; *line moves behind it. */
static Err *quantity(const char **line, Measure m, double *out)
{
    static const double most = (double)((int64_t)1 << 60);
    char unit[8] = "";
    int used = 0;
    if (sscanf(*line, " %lf %7s%n", out, unit, &used) == 2)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            if (units[i].measure != m || strcmp(units[i].word, unit) != 0)
                continue;
            *line += used;
            *out *= units[i].scale;
            return *out >= 0 && *out <= most
                       ? NULL
                       : err_new(ERR_INPUT, "%g %s is out of range",
                                 *out / units[i].scale, unit);
        }
    return err_new(ERR_INPUT, "expected a number and its unit (%s)",
                   measure_units[m]);
}

static Err *line_end(const char *line)
{
    line += strspn(line, " \t\r");
    return *line ? err_new(ERR_INPUT, "'%.40s' stands behind the end of the line",
                           line)
                 : NULL;
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
    int used = 0, count = 0;
    if (sscanf(rest, " %15[a-z]%n * %ld%n", kind, &used, &n, &count) < 1)
        return err_new(ERR_INPUT, "expected: device KIND * COUNT");
    TRY(line_end(rest + (count ? count : used)));
    r->group = r->m->n_devices;
    return machine_add(r->a, r->m, arena_strndup(r->a, kind, strlen(kind)), n,
                       0);
}

static Err *read_link(MachineReader *r, const char *rest)
{
    TRY(quantity(&rest, UNIT_RATE, &r->m->link_bandwidth));
    TRY(quantity(&rest, UNIT_TIME, &r->m->link_latency));
    return line_end(rest);
}

typedef enum { MEMORY, RESERVE, BANDWIDTH, COMPUTE, PROPERTIES } Property;
static const struct {
    const char *word;
    Measure measure;
} properties[PROPERTIES] = {[MEMORY] = {"memory", UNIT_BYTES},
                            [RESERVE] = {"reserve", UNIT_BYTES},
                            [BANDWIDTH] = {"bandwidth", UNIT_RATE},
                            [COMPUTE] = {"compute", UNIT_COMPUTE}};

static void set_property(PlanDevice *d, Property p, double v)
{
    switch (p) {
    case MEMORY:
        d->capacity = (int64_t)v;
        break;
    case RESERVE:
        d->reserve = (int64_t)v;
        break;
    case BANDWIDTH:
        d->bandwidth = v;
        break;
    case COMPUTE:
        d->compute = v;
        break;
    case PROPERTIES:
        break;
    }
}

static Err *read_property(MachineReader *r, const char *word, const char *rest)
{
    Property p = 0;
    double v;
    while (p < PROPERTIES && strcmp(properties[p].word, word) != 0)
        p++;
    if (p == PROPERTIES)
        return err_new(ERR_INPUT, "unknown word '%s' (device, memory, reserve, "
                                  "bandwidth, compute, link)",
                       word);
    if (r->m->n_devices == 0)
        return err_new(ERR_INPUT, "%s stands before any device", word);
    TRY(quantity(&rest, properties[p].measure, &v));
    for (int i = r->group; i < r->m->n_devices; i++)
        set_property(&r->m->device[i], p, v);
    return line_end(rest);
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
    if (strcmp(word, "link") == 0)
        return read_link(r, line + used);
    return read_property(r, word, line + used);
}

Err *machine_parse(Arena *a, const char *name, const char *text, Machine **out)
{
    Machine *m = machine_new(a, name);
    MachineReader r = {a, m, 0};
    int number = 0;
    *out = NULL;
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
