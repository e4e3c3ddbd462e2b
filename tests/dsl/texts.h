/* texts.h - the model texts that tests read, and reading them. */
#ifndef TESTS_DSL_TEXTS_H
#define TESTS_DSL_TEXTS_H

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "dsl/dsl.h"

/* models/ as a library, as the program has it built in. */
static inline const EmbeddedFile *texts_library(Arena *a)
{
    glob_t g;
    cr_assert_eq(glob(SOURCE_DIR "/models/*.mdl", 0, NULL, &g), 0);
    EmbeddedFile *files = ARENA_ARRAY(a, EmbeddedFile, g.gl_pathc + 1);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char *text;
        Err *e =
            file_read(a, g.gl_pathv[i], SOURCE_MAX_BYTES, &text, &files[i].n);
        cr_assert_null(e);
        const char *name = strrchr(g.gl_pathv[i], '/') + 1;
        files[i].name = arena_strndup(a, name, strlen(name));
        files[i].text = text;
    }
    globfree(&g);
    return files;
}

/* A source whose only file has that text. */
static inline Source *texts_source(Arena *a, const EmbeddedFile *library,
                                   const char *text, size_t n)
{
    int file;
    Source *s = source_new(a, library);
    Err *e = source_add_text(s, "test.mdl", text, n, &file);
    cr_assert_null(e);
    return s;
}

/* Ends the test, with the messages, if the text has errors. */
static inline Ast *texts_load(Arena *a, Source *s)
{
    Ast *ast;
    Buf b = {0};
    Diags *d = diag_new(s);
    Err *e = dsl_load(a, s, d, &ast);
    diag_print(d, &b);
    cr_assert_null(e, "%s", b.data);
    buf_free(&b);
    return ast;
}

#endif
