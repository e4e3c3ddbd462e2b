/* fuzz_json.c - JSON: any bytes get an answer; what reads is written as text
 * that reads to the same and is written the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"

static const Str *write(Arena *a, Value v, bool ascii)
{
    JsonStyle style = {.ascii = ascii};
    Text t = text_new(a, SIZE_MAX / 4);
    if (json_write(&t, v, &style))
        abort();
    return text_done(&t);
}

/* Infinities are written, as Python does, and are no JSON. */
static int has_infinity(const Str *s)
{
    Str what = {.p = "Infinity", .n = 8};
    return str_find(s, &what, 0, s->n) != SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *a = arena_new();
    Value v, again;
    Err *e = json_read(a, size ? (const char *)data : "", size, &v);
    for (int ascii = 0; !e && ascii < 2; ascii++) {
        const Str *once = write(a, v, ascii);
        if (has_infinity(once))
            break;
        if (json_read(a, once->p, once->n, &again) ||
            !str_equal(once, write(a, again, ascii)))
            abort();
    }
    err_free(e);
    arena_free(a);
    return 0;
}
