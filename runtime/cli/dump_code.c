#include "runtime/cli/dump_code.h"

#include "base/file.h"

static Err *write_to(const char *dir, const char *name, const Buf *b)
{
    Buf path = {0};
    buf_printf(&path, "%s/%s", dir, name);
    Err *e = file_write(path.data, b->data ? b->data : "", b->n);
    buf_free(&path);
    return e;
}

Err *dump_code(const HostProvider *p, const Plan *plan, const char *cpu,
               const char *dir)
{
    Err *e = NULL;
    Buf text = {0}, object = {0}, ir = {0};
    buf_puts(&text, "module kernels\n");
    for (int i = 0; i < plan->n_kernels; i++)
        buf_printf(&text, "%s\n", plan->kernel[i].text);
    DO(file_mkdirs(dir));
    DO(p->compile(text.data, cpu, &object, &ir));
    DO(write_to(dir, "14-kernels.ll", &ir));
    DO(write_to(dir, "15-kernels.o", &object));
out:
    buf_free(&text);
    buf_free(&object);
    buf_free(&ir);
    return e;
}
