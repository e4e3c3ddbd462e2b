/* opt.c - run named passes on graph text from standard input (tests use it):
 *     opt [cuda] [PASS...] < in > out
 * `cuda`: for such a card, with all that fusion does there.
 *
 * Always: parse, print, parse again and compare, before and after each pass,
 * so every test in the tree also tests that the text form is complete. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "compiler/pass.h"

static Err *check_roundtrip(Arena *a, const Module *m)
{
    Module *again;
    const char *first = module_text(a, m);
    TRY(module_parse(a, first, &again));
    if (strcmp(first, module_text(a, again)) != 0)
        return err_new(ERR_INPUT, "text form does not round-trip:\n%s", first);
    return NULL;
}

/* For the passes to come. */
static void for_card(Arena *a, PassContext *c)
{
    Settings *s = ARENA_NEW(a, Settings);
    *s = pass_defaults;
    s->fuse = FUSE_LAYER;
    c->settings = s;
    c->machine = machine_uniform(a, "cuda", 1, 0);
}

static Err *opt(Arena *a, int n_passes, char **passes)
{
    Module *m;
    char *text;
    size_t n;
    PassContext c = {.arena = a};
    TRY(file_read_fd(a, STDIN_FILENO, "standard input", 64u << 20, &text, &n));
    TRY(module_parse(a, text, &m));
    TRY(check_roundtrip(a, m));
    for (int i = 0; i < n_passes; i++) {
        if (strcmp(passes[i], "cuda") == 0)
            for_card(a, &c);
        else
            TRY(pass_run(passes[i], &c, &m));
        TRY(check_roundtrip(a, m));
    }
    module_print(m, stdout);
    return NULL;
}

int main(int argc, char **argv)
{
    Arena *a = arena_new();
    Err *e = opt(a, argc - 1, argv + 1);
    if (e)
        printf("error: %s\n", err_text(e)); /* stdout: golden files hold it */
    int rc = e != NULL;
    err_free(e);
    arena_free(a);
    return rc;
}
