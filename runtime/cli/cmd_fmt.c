/* cmd_fmt.c - `sextet fmt FILE...`: model texts in canonical form, or with
 * --check what is wrong with them. */
#include <stdio.h>
#include <string.h>

#include "dsl/dsl.h"
#include "runtime/cli/options.h"

/* Messages go where messages go, however the command ends. */
static void show(const Diags *d)
{
    Buf b = {0};
    diag_print(d, &b);
    if (b.n)
        fwrite(b.data, 1, b.n, stderr);
    buf_free(&b);
}

static Err *check_form(const SourceFile *f, const Buf *form)
{
    if (form->n == f->n && memcmp(form->data, f->text, f->n) == 0)
        return NULL;
    return err_new(ERR_INPUT, "%s is not in canonical form", f->path);
}

static Err *check_file(Arena *a, Source *s, Diags *d)
{
    Ast *ast;
    Buf form = {0};
    Err *e = dsl_load(a, s, d, &ast);
    if (!e)
        e = dsl_format(a, s, 0, d, &form);
    if (!e)
        e = check_form(&s->files[0], &form);
    buf_free(&form);
    return e;
}

static Err *print_file(Arena *a, Source *s, Diags *d)
{
    Buf form = {0};
    Err *e = dsl_format(a, s, 0, d, &form);
    if (!e && form.n && fwrite(form.data, 1, form.n, stdout) != form.n)
        e = err_new(ERR_IO, "cannot write to standard output");
    buf_free(&form);
    return e;
}

static Err *one_file(const char *path, bool check)
{
    Arena *a = arena_new();
    Source *s = source_new(a, embedded_files);
    Diags *d = diag_new(s);
    int file;
    Err *e = source_add_path(s, path, &file);
    if (!e)
        e = check ? check_file(a, s, d) : print_file(a, s, d);
    show(d);
    arena_free(a);
    return e;
}

Err *cmd_fmt(const Options *o)
{
    Err *first = NULL;
    for (int i = 0; i < o->n_args; i++) {
        Err *e = one_file(o->args[i], o->check);
        if (e && first)
            fprintf(stderr, "sextet: %s\n", err_text(e));
        if (e && first)
            err_free(e);
        else if (e)
            first = e;
    }
    return first;
}
