/* fuzz_graph.c - graph text: any bytes either parse, and then print and parse
 * to the same text, or are refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *a = arena_new();
    Module *m, *again;
    Err *e = module_parse(a, arena_strndup(a, (const char *)data, size), &m);
    if (!e) {
        const char *first = module_text(a, m);
        e = module_parse(a, first, &again);
        if (e || strcmp(first, module_text(a, again)) != 0)
            abort();
    }
    err_free(e);
    arena_free(a);
    return 0;
}
