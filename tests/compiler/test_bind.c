/* test_bind.c - functions split by block types, without mixing them up. */
#include <criterion/criterion.h>
#include <string.h>

#include "compiler/pass.h"

static const TensorInfo tensors[] = {
    {"a.0", BT_q8_0, 2, {32, 32, 1, 1}, 1088, 0, 0},
    {"a.1", BT_f16, 2, {32, 32, 1, 1}, 2048, 0, 1088},
    {"a.2", BT_q8_0, 2, {32, 32, 1, 1}, 1088, 0, 3136},
    {"b.0", BT_q8_0, 2, {32, 32, 1, 1}, 1088, 0, 4224},
};

/* A layer whose name is what a copy of the other would be called, and whose
 * types are the same. */
static const char text[] =
    "module t\n"
    "func @foo(%x: f32[T,32]) {\n"
    "  $w = weight \"a.{i}\" : any[32,32]\n"
    "  %y = matmul %x, $w : f32[T,32]\n  ret %y\n}\n"
    "func @foo_1(%x: f32[T,32]) {\n"
    "  $w = weight \"b.{i}\" : any[32,32]\n"
    "  %y = matmul %x, $w : f32[T,32]\n  ret %y\n}\n"
    "entry @main(%x: f32[T,32]) {\n"
    "  %a = call \"foo\" %x {index=0} : f32[T,32]\n"
    "  %b = call \"foo\" %a {index=1} : f32[T,32]\n"
    "  %c = call \"foo_1\" %b {index=0} : f32[T,32]\n"
    "  %d = call \"foo\" %c {index=2} : f32[T,32]\n"
    "  ret y=%d\n}\n";

Test(bind, copies_have_names_of_their_own)
{
    static const char *const name[] = {"a.{i}", "a.{i}", "b.{i}", "a.{i}"};
    static const BlockType type[] = {BT_q8_0, BT_f16, BT_q8_0, BT_q8_0};
    Arena *a = arena_new();
    ModelInfo info = {.path = "t.gguf", .tensors = tensors,
                      .n_tensors = sizeof tensors / sizeof *tensors};
    PassContext c = {.arena = a, .model = &info};
    const char *dup;
    Module *m;
    model_index(a, &info, &dup);
    Err *e = module_parse(a, text, &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    e = pass_run("bind", &c, &m);
    cr_assert_null(e, "%s", e ? err_text(e) : "");
    cr_assert_eq(m->n_graphs, 4);
    const Graph *g = module_find(m, "main");
    int calls = 0;
    for (Ref i = 0; i < g->n_nodes; i++) {
        if (g->node[i].op != OP_call)
            continue;
        const Graph *f = module_find(m, g->node[i].text);
        cr_assert_str_eq(f->node[1].text, name[calls]);
        cr_assert_eq(f->node[1].type.dtype, type[calls]);
        calls++;
    }
    cr_assert_eq(calls, 4);
    arena_free(a);
}
