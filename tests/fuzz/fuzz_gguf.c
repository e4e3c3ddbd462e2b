/* GGUF files: any bytes may be refused, and what is accepted must keep what
 * gguf.h promises and be readable to the last value. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void check_meta(const ModelInfo *m)
{
    for (int64_t i = 0; i < m->n_meta; i++) {
        const MetaValue *v = &m->meta[i];
        must(model_meta(m, v->key) == v && (v->is_array || v->n == 1));
        for (int64_t k = 0; k < v->n; k++)
            switch (v->kind) {
            case META_BOOL:
                must(v->ints[k] == 0 || v->ints[k] == 1);
                break;
            case META_STRING:
                must(strlen(v->strings[k]) == v->lengths[k]);
                break;
            case META_INT:
            case META_FLOAT:
                break;
            }
    }
}

/* Everything is inside the file, so a tensor is small. */
static void check_tensors(const Gguf *g, size_t n)
{
    const ModelInfo *m = gguf_info(g);
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const TensorInfo *t = &m->tensors[i];
        int64_t values =
            t->bytes / block_info[t->type].bytes * block_info[t->type].elems;
        must(model_tensor(m, t->name) == t);
        must(t->bytes > 0 && (size_t)(t->offset + t->bytes) <= n);
        float *x = malloc(sizeof *x * (size_t)values);
        must(x != NULL);
        must(!gguf_read_f32(g, t, 0, values, x));
        free(x);
    }
}

/* One file in memory for the whole run. */
static int memory_file(const uint8_t *data, size_t n)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("gguf", 0);
    must(fd >= 0 && ftruncate(fd, 0) == 0);
    must(pwrite(fd, data, n, 0) == (ssize_t)n);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    Gguf *g = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory_file(data, n));
    Err *e = gguf_open(path, &g);
    must(!e == !!g);
    if (g) {
        check_meta(gguf_info(g));
        check_tensors(g, n);
    }
    err_free(e);
    gguf_close(g);
    return 0;
}
