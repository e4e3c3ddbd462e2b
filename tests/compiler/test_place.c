/* test_place.c - where pass/place.c puts layers. */
#include <criterion/criterion.h>
#include <string.h>

#include "compiler/pass.h"

static const char text[] =
    "module t\n"
    "func @layer(%x: f32[T,256]) {\n"
    "  @s = state \"s[{i}]\" : f32[3,256]\n"
    "  $w = weight \"blk.{i}.conv\" : f32[4,256]\n"
    "  %y = causal_conv1d %x, $w, @s : f32[T,256]\n"
    "  ret %y\n}\n"
    "entry @main(%x: f32[T,256]) {\n"
    "  %a = call \"layer\" %x {index=0} : f32[T,256]\n"
    "  %b = call \"layer\" %a {index=1} : f32[T,256]\n"
    "  %c = call \"layer\" %b {index=2} : f32[T,256]\n"
    "  %d = call \"layer\" %c {index=3} : f32[T,256]\n"
    "  %e = call \"layer\" %d {index=4} : f32[T,256]\n"
    "  %f = call \"layer\" %e {index=5} : f32[T,256]\n"
    "  ret y=%f\n}\n";

/* The same with a heavy state in the first two layers, and weights of double
 * size in the last two. */
static const char uneven[] =
    "module t\n"
    "func @rows(%x: f32[T,1,256]) {\n"
    "  @k = state \"k[{i}]\" : f32[C,1,256]\n"
    "  $w = weight \"blk.{i}.norm\" : f32[256]\n"
    "  %n = rmsnorm %x, $w {eps=0} : f32[T,1,256]\n"
    "  %a = append %n, @k : f32[C,1,256]\n"
    "  %o = attention %n, %a, %a {scale=1} : f32[T,1,256]\n"
    "  ret %o\n}\n"
    "func @one(%x: f32[T,1,256]) {\n"
    "  $w = weight \"blk.{i}.norm\" : f32[256]\n"
    "  %n = rmsnorm %x, $w {eps=0} : f32[T,1,256]\n"
    "  ret %n\n}\n"
    "func @two(%x: f32[T,1,256]) {\n"
    "  $w = weight \"blk.{i}.norm\" : f32[256]\n"
    "  $v = weight \"blk.{i}.more\" : f32[256]\n"
    "  %n = rmsnorm %x, $w {eps=0} : f32[T,1,256]\n"
    "  %m = mul %n, $v : f32[T,1,256]\n"
    "  ret %m\n}\n"
    "entry @main(%x: f32[T,1,256]) {\n"
    "  %a = call \"rows\" %x {index=0} : f32[T,1,256]\n"
    "  %b = call \"rows\" %a {index=1} : f32[T,1,256]\n"
    "  %c = call \"one\" %b {index=2} : f32[T,1,256]\n"
    "  %d = call \"one\" %c {index=3} : f32[T,1,256]\n"
    "  %e = call \"two\" %d {index=4} : f32[T,1,256]\n"
    "  %f = call \"two\" %e {index=5} : f32[T,1,256]\n"
    "  ret y=%f\n}\n";

/* Devices of the six calls as digits, "001122"; or the error. */
static const char *placed_text(Arena *a, const char *text,
                               const Machine *machine, const char *place)
{
    Settings s = {.context = 16, .batch = 4, .outputs = 1, .place = place};
    PassContext c = {.arena = a, .machine = machine, .settings = &s};
    Module *m;
    Err *e = module_parse(a, text, &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    e = pass_run("place", &c, &m);
    if (e) {
        const char *said = arena_strndup(a, err_text(e), strlen(err_text(e)));
        err_free(e);
        return said;
    }
    const Graph *g = module_find(m, "main");
    char *out = arena_alloc(a, 16);
    int n = 0;
    for (Ref i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == OP_call)
            out[n++] = (char)('0' + g->node[i].device);
    return out;
}

static const char *placed(Arena *a, const Machine *machine, const char *place)
{
    return placed_text(a, text, machine, place);
}

Test(place, spreads_over_devices_without_a_limit)
{
    Arena *a = arena_new();
    cr_assert_str_eq(placed(a, machine_uniform(a, "host", 1, 0), NULL),
                     "000000");
    cr_assert_str_eq(placed(a, machine_uniform(a, "host", 3, 0), NULL),
                     "001122");
    cr_assert_str_eq(placed(a, machine_uniform(a, "host", 6, 0), NULL),
                     "012345");
    cr_assert_str_eq(placed(a, machine_uniform(a, "host", 4, 0), NULL),
                     "001123");
    cr_assert_str_eq(placed(a, machine_uniform(a, "host", 8, 0), NULL),
                     "012345");
    arena_free(a);
}

Test(place, fills_devices_by_their_memory)
{
    Arena *a = arena_new();
    Machine *m = machine_uniform(a, "host", 2, 9000);
    m->device[0].capacity = 18000;
    cr_assert_str_eq(placed(a, m, NULL), "000011");
    arena_free(a);
}

/* The work of a prompt counts, as long as memory allows; so do speeds. */
Test(place, balances_work)
{
    Arena *a = arena_new();
    Machine *m = machine_uniform(a, "host", 2, 0);
    cr_assert_str_eq(placed_text(a, uneven, m, NULL), "000011");
    m = machine_uniform(a, "host", 4, 0);
    cr_assert_str_eq(placed_text(a, uneven, m, NULL), "001123");
    m = machine_uniform(a, "host", 2, 60000); /* a state takes 16 KiB */
    cr_assert_str_eq(placed_text(a, uneven, m, NULL), "000011");
    m = machine_uniform(a, "host", 2, 30000);
    cr_assert_str_eq(placed_text(a, uneven, m, NULL), "011111");
    m = machine_uniform(a, "host", 2, 0);
    m->device[0].bandwidth = m->device[1].bandwidth = 1e9;
    m->device[0].compute = 1e12;
    cr_assert_str_eq(placed(a, m, NULL), "000111");
    m->device[1].compute = 2e12;
    cr_assert_str_eq(placed(a, m, NULL), "001111");
    arena_free(a);
}

Test(place, spreads_what_fits_nowhere)
{
    Arena *a = arena_new();
    cr_assert_str_eq(placed(a, machine_uniform(a, "host", 2, 100), NULL),
                     "000111");
    arena_free(a);
}

Test(place, obeys_counts)
{
    Arena *a = arena_new();
    Machine *m = machine_uniform(a, "host", 3, 0);
    cr_assert_str_eq(placed(a, m, "1,5"), "011111");
    cr_assert_str_eq(placed(a, m, "0,2,4"), "112222");
    static const char *const wrong[] = {"", "6,", "1,2", "7", "3,4", "-1,7",
                                        "1,1,1,3", "6x",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert(strstr(placed(a, m, wrong[i]),
                         "expected up to 3 layer counts that add up to 6"),
                  "--place=%s", wrong[i]);
    arena_free(a);
}
