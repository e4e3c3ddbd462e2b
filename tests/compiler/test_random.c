/* test_random.c - on random graphs the passes change nothing but the shape of
 * the work: the interpreter gives the same bits before and after each, the text
 * reads back, and every kernel that fusion made can be cut out. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/interp.h"
#include "compiler/kernels.h"
#include "compiler/pass.h"
#include "compiler/random_graph.h"

/* Values that depend on the name alone. */
static Err *load(void *ctx, const char *tensor, float *dst, int64_t n)
{
    uint64_t h = 14695981039346656037u;
    (void)ctx;
    for (const char *p = tensor; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (int64_t i = 0; i < n; i++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        dst[i] = (float)(h >> 40) / (float)(1 << 23) - 1;
    }
    return NULL;
}

/* The results of some steps, one after the other; heap. */
static double *run(const Module *m, int64_t *n)
{
    double x[TOKENS * WIDE], ids[ROWS] = {2, 0}, *all = NULL;
    Interp *in = interp_new(m, (InterpWeights){NULL, load}, STEPS * TOKENS);
    *n = 0;
    for (int step = 0; step < STEPS; step++) {
        InterpValue out[3], params[] = {{TOKENS * WIDE, x}, {ROWS, ids}};
        for (int i = 0; i < TOKENS * WIDE; i++)
            x[i] = ((i * 37 + step * 11) % 64 - 32) / 16.0;
        Err *e = interp_run(in, "main",
                            (InterpStep){TOKENS, ROWS, step * TOKENS}, params,
                            out);
        cr_assert_null(e, "%s", e ? err_text(e) : "");
        for (int i = 0; i < 3; i++) {
            all = realloc(all, sizeof *all * (size_t)(*n + out[i].n));
            memcpy(all + *n, out[i].v, sizeof *all * (size_t)out[i].n);
            *n += out[i].n;
            free(out[i].v);
        }
    }
    interp_free(in);
    return all;
}

static void check_text(Arena *a, const Module *m)
{
    Module *again;
    const char *text = module_text(a, m);
    Err *e = module_parse(a, text, &again);
    cr_assert_null(e, "%s\n%s", e ? err_text(e) : "", text);
    cr_assert_str_eq(text, module_text(a, again));
}

static void check_kernels(Arena *a, const Graph *g)
{
    KernelCutter *c = kernel_cutter(a, g);
    for (int k = 0; k < g->n_groups; k++) {
        KernelCut cut;
        Err *e = kernel_cut(a, c, k, "k", &cut);
        cr_assert_null(e, "%s\n%s", e ? err_text(e) : "", graph_text(a, g));
    }
}

static void check_seed(uint64_t seed)
{
    static const char *const passes[] = {"canonicalise", "place", "fuse",
                                         "expand", "fuse_across"};
    Arena *a = arena_new();
    Module *m = random_module(a, seed);
    Machine *machine = machine_uniform(a, "host", 1 + (int)(seed % 3), 0);
    Settings s = {.context = STEPS * TOKENS, .batch = TOKENS, .outputs = ROWS,
                  .fuse = (FusePreset)(seed % 4 == 0 ? FUSE_EPILOGUE
                                                     : FUSE_BLOCK)};
    PassContext c = {.arena = a, .machine = machine, .settings = &s};
    int64_t n, n_after;
    check_text(a, m);
    double *before = run(m, &n);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        Err *e = pass_run(passes[i], &c, &m);
        cr_assert_null(e, "seed %d: %s", (int)seed, e ? err_text(e) : "");
        check_text(a, m);
        double *after = run(m, &n_after);
        cr_assert_eq(n, n_after);
        for (int64_t k = 0; k < n; k++)
            cr_assert(memcmp(&before[k], &after[k], sizeof *after) == 0,
                      "seed %d, %s: value %d is %.17g, not %.17g\n%s",
                      (int)seed, passes[i], (int)k, after[k], before[k],
                      module_text(a, m));
        free(after);
    }
    check_kernels(a, module_find(m, "main"));
    free(before);
    arena_free(a);
}

Test(random, passes_keep_the_meaning)
{
    for (uint64_t seed = 0; seed < 300; seed++)
        check_seed(seed);
}
