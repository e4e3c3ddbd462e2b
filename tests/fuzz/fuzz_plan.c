/* Plan text: what parses must print and parse to the same text again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/plan_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char *print(const Plan *p)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f)
        abort();
    plan_print(p, f);
    fclose(f);
    return text;
}

static void check(const Plan *p)
{
    char *first = print(p);
    Plan *again = NULL;
    Err *e = plan_verify(p);
    if (!e)
        e = plan_check_kernels(p);
    err_free(e);
    e = plan_parse(first, &again);
    if (e)
        abort();
    char *second = print(again);
    if (strcmp(first, second) != 0)
        abort();
    free(first);
    free(second);
    plan_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    if (!text)
        abort();
    memcpy(text, data, n);
    text[n] = '\0';
    Plan *p = NULL;
    Err *e = plan_parse(text, &p);
    if (!e)
        check(p);
    err_free(e);
    plan_free(p);
    free(text);
    return 0;
}
