/* fuzz_graph.c - graph text: any bytes either parse, and then print and parse
 * to the same text, or are refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph.h"

static char *print(Arena *a, const Module *m)
{
    char *buf = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&buf, &n);
    module_print(m, f);
    fclose(f);
    char *s = arena_strndup(a, buf, n);
    free(buf);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *a = arena_new();
    Module *m, *again;
    Err *e = module_parse(a, arena_strndup(a, (const char *)data, size), &m);
    if (!e) {
        char *first = print(a, m);
        e = module_parse(a, first, &again);
        if (e || strcmp(first, print(a, again)) != 0)
            abort();
    }
    err_free(e);
    arena_free(a);
    return 0;
}
