#include "runtime/cli/cuda_files.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"

static const size_t source_limit = (size_t)4 << 20;

static Err *replace_header(CudaCode *c, CudaSource *h, const char *path,
                           int *found)
{
    char *text;
    size_t n;
    if (access(path, F_OK) != 0)
        return NULL;
    TRY(file_read(c->arena, path, source_limit, &text, &n));
    if (strlen(text) != n)
        return err_new(ERR_INPUT, "'%s' holds a NUL byte", path);
    h->source = text;
    ++*found;
    log_info("cuda", "%s from %s", h->name, path);
    return NULL;
}

Err *cuda_files_replace(CudaCode *c, const char *dir)
{
    int found = 0;
    for (int i = 0; i < c->n_headers; i++) {
        Buf path = {0};
        buf_printf(&path, "%s/%s", dir, c->header[i].name);
        Err *e = replace_header(c, &c->header[i], path.data, &found);
        buf_free(&path);
        if (e)
            return e;
    }
    return found ? NULL
                 : err_new(ERR_INPUT, "--kernel-dir=%s: none of the kernel "
                                      "files (%s, ...) is there",
                           dir, c->n_headers ? c->header[0].name : "none");
}

static Err *write_source(const char *dir, const char *name, const char *suffix,
                         const Buf *text)
{
    Buf path = {0};
    buf_printf(&path, "%s/%s%s", dir, name, suffix);
    Err *e = file_write(path.data, text->data ? text->data : "", text->n);
    buf_free(&path);
    return e;
}

static Err *dump_unit(const CudaSource *u, const char *target, const char *dir)
{
    Buf text = {0};
    buf_printf(&text,
               "// nvcc -std=c++17 -arch=%s --expt-relaxed-constexpr "
               "-prec-div=false -prec-sqrt=false -cubin -o %s.cubin %s.cu\n%s",
               target, u->name, u->name, u->source);
    Err *e = write_source(dir, u->name, ".cu", &text);
    buf_free(&text);
    return e;
}

static Err *dump_header(const CudaSource *h, const char *dir)
{
    Buf text = {0};
    buf_puts(&text, h->source);
    Err *e = write_source(dir, h->name, "", &text);
    buf_free(&text);
    return e;
}

Err *cuda_files_dump(const CudaCode *c, const char *target, const char *dir)
{
    TRY(file_mkdirs(dir));
    for (int i = 0; i < c->n_headers; i++)
        TRY(dump_header(&c->header[i], dir));
    for (int i = 0; i < c->n_units; i++)
        TRY(dump_unit(&c->unit[i], target, dir));
    return NULL;
}
