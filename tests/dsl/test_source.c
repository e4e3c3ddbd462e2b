/* Bytes that are no text, where `use` looks, and what a message shows. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "texts.h"

/* The messages about a text, "" if there are none. */
static char *said(Arena *a, const EmbeddedFile *library, const char *text,
                  size_t n)
{
    Source *s = texts_source(a, library, text, n);
    Diags *d = diag_new(s);
    Ast *ast;
    Buf b = {0};
    Err *e = dsl_load(a, s, d, &ast);
    cr_assert_eq(e != NULL, d->n_errors > 0);
    err_free(e);
    diag_print(d, &b);
    char *copy = arena_strndup(a, b.data ? b.data : "", b.n);
    buf_free(&b);
    return copy;
}

static void expect(const char *text, size_t n, const char *message)
{
    Arena *a = arena_new();
    const char *found = said(a, NULL, text, n);
    cr_expect(strncmp(found, message, strlen(message)) == 0,
              "expected\n%s\nfound\n%s", message, found);
    arena_free(a);
}

#define EXPECT(text, message) expect(text, sizeof text - 1, message)

Test(source, bytes)
{
    EXPECT("param a: int = 1\n\0", "test.mdl:2:1: error: a model text holds no "
                                   "zero bytes\n");
    EXPECT("# \xC3\xA4 \x80\n", "test.mdl:1:5: error: this byte (0x80) is no "
                                "valid UTF-8\n");
    EXPECT("# \xC0\x80", "test.mdl:1:3: error: this byte (0xC0)");
    EXPECT("# \xE0\x80\x80", "test.mdl:1:3: error: this byte (0xE0)");
    EXPECT("# \xED\xA0\x80", "test.mdl:1:3: error: this byte (0xED)");
    EXPECT("# \xF4\x90\x80\x80", "test.mdl:1:3: error: this byte (0xF4)");
    EXPECT("# \xE2\x82", "test.mdl:1:3: error: this byte (0xE2)");
    EXPECT("", "");
    EXPECT("# \xF0\x9F\x90\x88 \xE2\x82\xAC", "");
}

/* Columns count characters; a terminal never sees control characters. */
Test(source, places)
{
    EXPECT("param s: string = \"\xC3\xA4\xC3\xB6\" + 1\n",
           "test.mdl:1:19: error: expected a number or a tensor, found a "
           "string\n"
           "    param s: string = \"\xC3\xA4\xC3\xB6\" + 1\n"
           "                      ^~~~\n");
    EXPECT("param a:\tint = b # \x1B[31m\r\n",
           "test.mdl:1:16: error: nothing is called 'b' here\n"
           "    param a: int = b # ?[31m\n"
           "                   ^\n");
}

Test(source, line_ends)
{
    static const char text[] = "param a: int = 1 # one  \r\n\r\n\r\n"
                               "param b: int = a\r\n";
    Arena *a = arena_new();
    Source *s = texts_source(a, NULL, text, sizeof text - 1);
    Buf out = {0};
    Err *e = dsl_format(a, s, 0, diag_new(s), &out);
    cr_assert_null(e);
    cr_assert_str_eq(out.data, "param a: int = 1  # one\n\n"
                               "param b: int = a\n");
    buf_free(&out);
    arena_free(a);
}

Test(source, sizes)
{
    Arena *a = arena_new();
    char *text = arena_alloc(a, SOURCE_MAX_BYTES + 1);
    memset(text, '\n', SOURCE_MAX_BYTES + 1);
    Source *s = source_new(a, NULL);
    int file, n = 0;
    Err *e = source_add_text(s, "a", text, SOURCE_MAX_BYTES + 1, &file);
    cr_assert_not_null(e);
    err_free(e);
    while (!(e = source_add_text(s, "a", text, SOURCE_MAX_BYTES, &file)))
        n++;
    cr_assert_eq(n, SOURCE_MAX_TOTAL / SOURCE_MAX_BYTES - 1);
    err_free(e);
    s = source_new(a, NULL);
    for (n = 0; !(e = source_add_text(s, "a", text, 1, &file)); n++)
        continue;
    cr_assert_eq(n, SOURCE_MAX_FILES);
    err_free(e);
    arena_free(a);
}

static const EmbeddedFile library[] = {
    {"lib.mdl", "param a: int = 1\n", 17},
    {"more.mdl", "use \"lib.mdl\"\nuse \"more.mdl\"\nparam b: int = a\n", 46},
    {0},
};

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    Err *e = file_write(path, text, strlen(text));
    cr_assert_null(e);
}

static int count_decls(Arena *a, const char *folder, const char *name,
                       const char *wanted)
{
    char path[256];
    int file;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    Source *s = source_new(a, library);
    Err *e = source_add_path(s, path, &file);
    cr_assert_null(e);
    Ast *ast = texts_load(a, s);
    cr_assert_not_null(ast_find(ast, DECL_PARAM, wanted));
    return ast->n_decls;
}

/* Beside the file first, then built in; each file once. */
Test(source, use)
{
    char folder[] = "/tmp/sextet-source-XXXXXX";
    Arena *a = arena_new();
    cr_assert_not_null(mkdtemp(folder));
    put(folder, "one.mdl", "use \"lib.mdl\"\nuse \"more.mdl\"\n"
                           "use \"two.mdl\"\n");
    put(folder, "two.mdl", "use \"one.mdl\"\nparam c: int = b\n");
    cr_assert_eq(count_decls(a, folder, "one.mdl", "b"), 3);
    put(folder, "lib.mdl", "param own: int = 1\nparam a: int = own\n");
    cr_assert_eq(count_decls(a, folder, "one.mdl", "own"), 4);
    const char *found = said(a, library, "use \"two.mdl\"\n", 14);
    cr_assert_not_null(strstr(found, "no model text \"two.mdl\" is built in"));
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
    arena_free(a);
}

/* A text that would take gigabytes to check is given up, and soon. */
Test(source, memory)
{
    Arena *a = arena_new();
    Buf b = {0};
    buf_puts(&b, "param a: int = meta(\"a\")\nparam c: int = meta(\"c\")\n"
                 "fn g(n: int");
    for (int i = 0; i < 60; i++)
        buf_printf(&b, ", x%d: [T, (n + a + c)*(c + n + a*n)*(n + 3)]", i);
    buf_puts(&b, ") -> int {\nreturn 1\n}\n"
                 "fn f(x: [T, 4]) -> int {\n");
    for (int i = 0; i < 1300; i++) {
        buf_puts(&b, "r = g(7");
        for (int k = 0; k < 60; k++)
            buf_puts(&b, ", x");
        buf_puts(&b, ")\n");
    }
    buf_puts(&b, "return r\n}\n");
    const char *found = said(a, NULL, b.data, b.n);
    cr_assert_not_null(strstr(found, "more errors not shown"), "%s", found);
    cr_assert_lt(arena_bytes(a), (size_t)300 << 20);
    buf_free(&b);
    arena_free(a);
}

static const char *nearest(const char *name, const char *const *list)
{
    Guess g = diag_guess(name);
    for (; *list; list++)
        diag_guess_add(&g, *list);
    return g.best ? g.best : "";
}

Test(source, suggestions)
{
    static const char *const list[] = {"attention", "append", "rope",
                                       "rows",      "D",      NULL};
    cr_expect_str_eq(nearest("attenton", list), "attention");
    cr_expect_str_eq(nearest("atentoin", list), "attention");
    cr_expect_str_eq(nearest("apppennd", list), "append");
    cr_expect_str_eq(nearest("rop", list), "rope");
    cr_expect_str_eq(nearest("orws", list), "rows");
    cr_expect_str_eq(nearest("d", list), "D");
    cr_expect_str_eq(nearest("x", list), "");
    cr_expect_str_eq(nearest("xy", list), "");
    cr_expect_str_eq(nearest("attentively", list), "");
    cr_expect_str_eq(nearest("rope", list), "rows"); /* itself is no help */
}
