/* fuzz_mdl.c - model text: any bytes get an answer; what parses keeps its
 * meaning and its form when it is formatted; what checks prints with all that
 * was found, and that text checks again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/dsl.h"

static const EmbeddedFile library[] = {
    {"lib.mdl", "fn twice(x: [T, 4]) -> [T, 4] {\n    return x + x\n}\n", 52},
    {"bad.mdl", "fn (", 4},
    {"self.mdl", "use \"self.mdl\"\nuse \"lib.mdl\"\n", 29},
    {0},
};

static Source *source_of(Arena *a, const char *text, size_t n)
{
    int file;
    Source *s = source_new(a, library);
    Err *e = source_add_text(s, "fuzz.mdl", text, n, &file);
    if (!e)
        return s;
    err_free(e);
    return NULL;
}

static void show(const Diags *d)
{
    Buf b = {0};
    diag_print(d, &b);
    buf_free(&b);
}

/* *ast is NULL if the text does not parse. */
static void format(Arena *a, const char *text, size_t n, Ast **ast, Buf *out)
{
    Source *s = source_of(a, text, n);
    *ast = NULL;
    if (!s)
        return;
    Diags *d = diag_new(s);
    Err *e = dsl_parse_file(a, s, 0, d, ast);
    show(d);
    if (!e)
        e = dsl_format(a, s, 0, d, out);
    else
        *ast = NULL;
    err_free(e);
}

static void check_format(Arena *a, const char *text, size_t n)
{
    Buf once = {0}, twice = {0};
    Ast *before, *after;
    format(a, text, n, &before, &once);
    if (before && once.n <= SOURCE_MAX_BYTES) {
        format(a, once.data ? once.data : "", once.n, &after, &twice);
        if (!after || !dsl_equal(before, after) || once.n != twice.n ||
            (once.n && memcmp(once.data, twice.data, once.n) != 0))
            abort();
    }
    buf_free(&once);
    buf_free(&twice);
}

/* Whether it checks; then its print is in *out. */
static int check(Arena *a, const char *text, size_t n, Buf *out)
{
    Source *s = source_of(a, text, n);
    if (!s)
        return 0;
    Diags *d = diag_new(s);
    Ast *ast;
    Err *e = dsl_load(a, s, d, &ast);
    int sound = e == NULL;
    show(d);
    err_free(e);
    if (sound)
        dsl_print(ast, 1, out);
    return sound;
}

/* ---- mutation by tokens: plain bytes hardly ever parse ------------------ */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);

static int is_word(uint8_t c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* The token (or line) around a place. */
static void around(const uint8_t *data, size_t size, size_t at, int line,
                   size_t *begin, size_t *end)
{
    *begin = at;
    *end = at < size ? at + 1 : at;
    while (*begin > 0 &&
           (line ? data[*begin - 1] != '\n'
                 : is_word(data[at]) && is_word(data[*begin - 1])))
        --*begin;
    while (*end < size && (line ? data[*end - 1] != '\n'
                                : is_word(data[at]) && is_word(data[*end])))
        ++*end;
}

/* Puts n bytes in place of [begin, end); the size stays if there is no room. */
static size_t splice(uint8_t *data, size_t size, size_t max, size_t begin,
                     size_t end, const uint8_t *bytes, size_t n)
{
    if (size - (end - begin) + n > max)
        return size;
    memmove(data + begin + n, data + end, size - end);
    memcpy(data + begin, bytes, n);
    return size - (end - begin) + n;
}

/* One token or line replaced by, or put before, another of the same text. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    size_t b, e, from, to;
    uint8_t piece[512];
    if (size == 0 || seed % 4 == 0)
        return LLVMFuzzerMutate(data, size, max);
    int line = seed / 4 % 4 == 0;
    around(data, size, seed / 64 % size, line, &b, &e);
    around(data, size, seed / 97 % 65521 * 31 % size, line, &from, &to);
    size_t n = to - from < sizeof piece ? to - from : sizeof piece;
    memcpy(piece, data + from, n);
    if (seed / 16 % 4 == 0)
        n = 0;
    return splice(data, size, max, b, seed / 16 % 4 == 1 ? b : e, piece, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? (const char *)data : "";
    Arena *a = arena_new();
    Buf first = {0}, second = {0};
    check_format(a, text, size);
    if (check(a, text, size, &first) && first.n <= SOURCE_MAX_BYTES &&
        !check(a, first.data ? first.data : "", first.n, &second))
        abort();
    buf_free(&first);
    buf_free(&second);
    arena_free(a);
    return 0;
}
