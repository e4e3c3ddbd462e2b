#include "runtime/cli/devices.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/embedded.h"
#include "base/file.h"
#include "base/log.h"
#include "runtime/cuda_driver.h"
#include "runtime/nvrtc.h"

/* What the driver, its context and kernels take of a card, and buffers while
 * weights are loaded. */
static const int64_t card_reserve = (int64_t)768 << 20;

typedef struct {
    Arena *arena;
    const char *text; /* the whole list, for messages */
    Machine *m;
} List;

static Err *bad_devices(const char *text)
{
    return err_new(ERR_USAGE,
                   "--devices=%s: expected host, host*N or host*N@SIZE, cuda, "
                   "cuda:CARD, cuda:CARD*N or cuda:CARD*N@SIZE, or several of "
                   "one kind separated by commas, with 1 to 64 devices in all",
                   text);
}

bool devices_are(const PlanDevice *d, int n, const char *kind)
{
    for (int i = 0; i < n; i++)
        if (strcmp(d[i].kind, kind) != 0)
            return false;
    return true;
}

static Err *add(List *l, const char *kind, int64_t n, int64_t cap)
{
    Err *e = machine_add(l->arena, l->m, kind, n, cap);
    if (!e || err_code(e) == ERR_USAGE)
        return e;
    err_free(e);
    return bad_devices(l->text);
}

/* "*6@2GiB" behind a device's name: how many, and bytes each (0: no limit). */
static Err *read_share(const List *l, const char *p, int64_t *n, int64_t *cap)
{
    *n = 1;
    *cap = 0;
    if (*p == '*') {
        char *end = NULL;
        *n = p[1] >= '1' && p[1] <= '9' ? strtol(p + 1, &end, 10) : 0;
        if (*n == 0)
            return bad_devices(l->text);
        p = end;
    }
    if (*p == '@') {
        TRY(options_size("devices", p + 1, cap));
        if (*cap == 0)
            return err_new(ERR_USAGE, "--devices=%s: a device without memory",
                           l->text);
        p += strlen(p);
    }
    return *p ? bad_devices(l->text) : NULL;
}

/* "cuda:0", or "cuda:0.2" for one of several devices of the card. */
static const char *card_name(const List *l, int64_t card, int64_t n)
{
    Buf b = {0}, prefix = {0};
    int64_t before = 0;
    buf_printf(&prefix, "cuda:%lld", (long long)card);
    for (int i = 0; i < l->m->n_devices; i++) {
        const char *name = l->m->device[i].name;
        before += strncmp(name, prefix.data, prefix.n) == 0 &&
                  (name[prefix.n] == '\0' || name[prefix.n] == '.');
    }
    buf_puts(&b, prefix.data);
    if (n > 1 || before)
        buf_printf(&b, ".%lld", (long long)before);
    const char *name = arena_strndup(l->arena, b.data, b.n);
    buf_free(&b);
    buf_free(&prefix);
    return name;
}

/* Kernels use what cards have from Ampere on. */
static Err *check_card(const CudaCard *c)
{
    enum { LEAST_ARCH = 80 };
    if (c->arch >= LEAST_ARCH)
        return NULL;
    return err_new(ERR_DEVICE, "%s is of compute capability %d.%d, kernels need "
                               "%d.%d; --devices=host computes on the CPU",
                   c->name, c->arch / 10, c->arch % 10, LEAST_ARCH / 10,
                   LEAST_ARCH % 10);
}

static Err *add_card(List *l, const CudaDriver *d, int64_t card, int64_t n,
                     int64_t cap)
{
    if (card >= d->n_cards)
        return err_new(ERR_DEVICE, "--devices=%s: this machine has %d card%s",
                       l->text, d->n_cards, d->n_cards > 1 ? "s" : "");
    const CudaCard *c = &d->card[card];
    TRY(check_card(c));
    for (int64_t i = 0; i < n; i++) {
        const char *name = card_name(l, card, n);
        TRY(add(l, "cuda", 1, cap ? cap : c->memory / n));
        PlanDevice *p = &l->m->device[l->m->n_devices - 1];
        p->name = name;
        p->reserve = cap ? 0 : card_reserve / n;
        p->bandwidth = c->bandwidth;
    }
    return NULL;
}

/* The cards that serve, each as n devices. */
static Err *add_cards(List *l, const CudaDriver *d, int64_t n, int64_t cap)
{
    Err *first = NULL;
    int before = l->m->n_devices;
    for (int i = 0; i < d->n_cards; i++) {
        Err *e = check_card(&d->card[i]);
        if (!e)
            TRY(add_card(l, d, i, n, cap));
        else if (!first)
            first = e;
        else
            err_free(e);
    }
    if (l->m->n_devices == before)
        return first;
    err_free(first);
    return NULL;
}

/* What stands behind "cuda": ":0*6@4GiB", "*2", nothing. */
static Err *add_cuda(List *l, const char *p)
{
    const CudaDriver *d;
    int64_t card = -1, n, cap;
    char *end = NULL;
    if (*p == ':') {
        card = p[1] >= '0' && p[1] <= '9' ? strtol(p + 1, &end, 10) : -1;
        if (card < 0)
            return bad_devices(l->text);
        p = end;
    }
    TRY(read_share(l, p, &n, &cap));
    Err *e = cuda_driver(&d);
    if (e)
        return err_note(e, "--devices=%s", l->text);
    if (card >= 0)
        return add_card(l, d, card, n, cap);
    return add_cards(l, d, n, cap);
}

/* One group of equal devices: "host*6@2GiB", "cuda:0", or "1" after a card. */
static Err *add_group(List *l, const char *group)
{
    int64_t n, cap;
    Buf card = {0};
    bool cards = l->m->n_devices > 0 && devices_are(l->m->device, 1, "cuda");
    if (strncmp(group, "cuda", 4) == 0)
        return add_cuda(l, group + 4);
    if (cards && group[0] >= '0' && group[0] <= '9') {
        buf_printf(&card, ":%s", group);
        Err *e = add_cuda(l, card.data);
        buf_free(&card);
        return e;
    }
    if (strncmp(group, "host", 4) != 0)
        return bad_devices(l->text);
    TRY(read_share(l, group + 4, &n, &cap));
    return add(l, "host", n, cap);
}

/* "host*2@20MiB,host*4@8MiB", "cuda:0,1" */
static Err *parse_devices(Arena *a, const char *text, Machine **out)
{
    List l = {a, text, NULL};
    const char *kind = strncmp(text, "cuda", 4) == 0 ? "cuda" : "host";
    l.m = machine_new(a, kind);
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",");
        TRY(add_group(&l, arena_strndup(a, p, n)));
        p += n;
        if (*p == '\0')
            break;
    }
    *out = l.m;
    return devices_are(l.m->device, l.m->n_devices, kind) ? NULL
                                                          : bad_devices(text);
}

/* NULL if any card does. */
static Err *any_serves(const CudaDriver *d)
{
    for (int i = 1; i < d->n_cards; i++) {
        Err *e = check_card(&d->card[i]);
        if (!e)
            return NULL;
        err_free(e);
    }
    return check_card(&d->card[0]);
}

const char *devices_resolve(const char *text)
{
    const CudaDriver *d;
    const Nvrtc *n;
    if (strcmp(text, "auto") != 0)
        return text;
    Err *e = cuda_driver(&d);
    if (!e)
        e = any_serves(d);
    if (!e)
        e = nvrtc_open(d->version, &n);
    if (!e) {
        log_info("devices", "auto: cuda, %d card%s, NVRTC %d.%d", d->n_cards,
                 d->n_cards > 1 ? "s" : "", n->major, n->minor);
        return "cuda";
    }
    log_info("devices", "auto: host, for %s", err_text(e));
    err_free(e);
    return "host";
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
                      : parse_devices(a, devices_resolve(o->devices), out);
}
