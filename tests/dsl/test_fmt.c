/* Canonical form: formatting twice changes nothing more, and what is printed
 * parses to an equal tree. */
#include "texts.h"

typedef struct {
    Arena *a;
    const EmbeddedFile *library;
    int formatted, printed;
} Run;

/* NULL if the text has syntax errors. */
static const char *format(Run *r, const char *text, size_t n, Ast **ast,
                          size_t *length)
{
    Source *s = texts_source(r->a, r->library, text, n);
    Diags *d = diag_new(s);
    Buf out = {0};
    Err *e = dsl_parse_file(r->a, s, 0, d, ast);
    if (!e)
        e = dsl_format(r->a, s, 0, d, &out);
    if (e) {
        err_free(e);
        return NULL;
    }
    const char *copy = arena_strndup(r->a, out.data ? out.data : "", out.n);
    *length = out.n;
    buf_free(&out);
    return copy;
}

static int count(const char *text, size_t length, char c)
{
    int n = 0;
    for (size_t i = 0; i < length; i++)
        n += text[i] == c;
    return n;
}

static void check_format(Run *r, const char *path, const char *text, size_t n)
{
    Ast *before, *after, *again;
    size_t m, k;
    const char *once = format(r, text, n, &before, &m);
    if (!once)
        return;
    const char *twice = format(r, once, m, &after, &k);
    cr_assert_not_null(twice, "%s: canonical form has errors:\n%s", path, once);
    cr_assert(dsl_equal(before, after), "%s: formatting changed it:\n%s", path,
              once);
    cr_assert_str_eq(once, twice, "%s: not idempotent:\n%s\nthen\n%s", path,
                     once, twice);
    cr_assert_not_null(format(r, twice, k, &again, &m));
    cr_assert_eq(count(text, n, '#'), count(once, strlen(once), '#'),
                 "%s: a comment is lost", path);
    r->formatted++;
}

/* The whole program, `use` expanded, with what the check found as comments. */
static void check_print(Run *r, const char *path)
{
    Source *s = source_new(r->a, r->library);
    Diags *d = diag_new(s);
    Ast *ast, *again;
    Buf out = {0};
    int file;
    Err *e = source_add_path(s, path, &file);
    if (!e)
        e = dsl_load(r->a, s, d, &ast);
    if (e) {
        err_free(e);
        return;
    }
    dsl_print(ast, true, &out);
    again = texts_load(r->a, texts_source(r->a, NULL, out.data, out.n));
    cr_assert(dsl_equal(ast, again), "%s: printing changed it:\n%s", path,
              out.data);
    buf_free(&out);
    r->printed++;
}

static void check_all(Run *r, const char *pattern)
{
    glob_t g;
    cr_assert_eq(glob(pattern, 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char *text;
        size_t n;
        Err *e = file_read(r->a, g.gl_pathv[i], SOURCE_MAX_BYTES, &text, &n);
        cr_assert_null(e);
        char *end = strstr(text, "# OUT\n");
        check_format(r, g.gl_pathv[i], text, end ? (size_t)(end - text) : n);
        if (!end)
            check_print(r, g.gl_pathv[i]);
    }
    globfree(&g);
}

Test(fmt, round_trips)
{
    Run r = {.a = arena_new()};
    r.library = texts_library(r.a);
    check_all(&r, SOURCE_DIR "/models/*.mdl");
    check_all(&r, SOURCE_DIR "/tests/dsl/good/*.mdl");
    check_all(&r, SOURCE_DIR "/tests/app/*.mdl");
    cr_assert_geq(r.printed, 5);
    check_all(&r, SOURCE_DIR "/tests/dsl/bad/*.mdl");
    cr_assert_geq(r.formatted, 80);
    arena_free(r.a);
}

/* What ships is canonical already. */
Test(fmt, models_are_canonical)
{
    Run r = {.a = arena_new()};
    r.library = texts_library(r.a);
    for (const EmbeddedFile *f = r.library; f->name; f++) {
        Ast *ast;
        size_t n;
        const char *once = format(&r, f->text, f->n, &ast, &n);
        cr_assert_not_null(once);
        cr_assert_str_eq(once, f->text, "%s", f->name);
    }
    arena_free(r.a);
}

/* Untidy text and what becomes of it. */
Test(fmt, canonical_form)
{
    static const char untidy[] =
        "# head\n\n\nparam   D:int=meta( \"embedding_length\" )# width\n"
        "param n : int = (((1+2)*3))  %   4\n"
        "fn f[k]( x:[T,k*2 , D],w:weights )->[T,D]{# begin\n\n"
        "  if has(w.a){y=x}else{if has( w.b ) {y=-x\n# odd\n}\n else{y=x}}\n"
        "  # before\n\n\n  z=matmul(y, # inside\n w.c:[ D,D ])\n"
        "  return z}# end\n# tail\n";
    static const char canonical[] =
        "# head\n\n"
        "param D: int = meta(\"embedding_length\")  # width\n"
        "param n: int = (1 + 2) * 3 % 4\n\n"
        "fn f[k](x: [T, k*2, D], w: weights) -> [T, D] {  # begin\n"
        "    if has(w.a) {\n"
        "        y = x\n"
        "    } else if has(w.b) {\n"
        "        y = -x\n"
        "        # odd\n"
        "    } else {\n"
        "        y = x\n"
        "    }\n"
        "    # before\n\n"
        "    # inside\n"
        "    z = matmul(y, w.c : [D, D])\n"
        "    return z  # end\n"
        "}\n"
        "# tail\n";
    Run r = {.a = arena_new()};
    Ast *ast;
    size_t n;
    const char *found = format(&r, untidy, sizeof untidy - 1, &ast, &n);
    cr_assert_not_null(found);
    cr_assert_str_eq(found, canonical, "%s", found);
    arena_free(r.a);
}

/* Long lines break at arguments, operators and branches, from outside in. */
Test(fmt, long_lines)
{
    static const char text[] =
        "fn f(w: weights, x: [T, 4], y: [T, 4]) -> [T, 4] {\n"
        "    first = a_rather_long_function_name(x, y, silu(x * y), some_name "
        "= x + y, other_name = sigmoid(x))\n"
        "    sum = a_long_operand_number_one + a_long_operand_number_two + "
        "a_long_operand_number_three * x + y\n"
        "    return if has(w.a_tensor_with_a_long_name) and not "
        "has(w.another_tensor_with_a_long_name) then x else y\n"
        "}\n";
    static const char canonical[] =
        "fn f(w: weights, x: [T, 4], y: [T, 4]) -> [T, 4] {\n"
        "    first = a_rather_long_function_name(\n"
        "        x,\n"
        "        y,\n"
        "        silu(x * y),\n"
        "        some_name = x + y,\n"
        "        other_name = sigmoid(x)\n"
        "    )\n"
        "    sum = a_long_operand_number_one\n"
        "        + a_long_operand_number_two\n"
        "        + a_long_operand_number_three * x\n"
        "        + y\n"
        "    return if has(w.a_tensor_with_a_long_name) and not "
        "has(w.another_tensor_with_a_long_name)\n"
        "        then x\n"
        "        else y\n"
        "}\n";
    Run r = {.a = arena_new()};
    Ast *ast;
    size_t n;
    const char *found = format(&r, text, sizeof text - 1, &ast, &n);
    cr_assert_not_null(found);
    cr_assert_str_eq(found, canonical, "%s", found);
    arena_free(r.a);
}
