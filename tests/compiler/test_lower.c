/* test_lower.c - model text and file header to graphs: what is shared, what is
 * named how, and that no text or header leads astray. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "compiler/lower.h"

/* ---- a file: three blocks, some numbers that no converter writes */

static const int64_t blocks = 3, width = 256, least = INT64_MIN;
static const int64_t sections[] = {1, 2, 3, 4};
static const double nothing = NAN;
static const char *const arch[] = {"toy-1"}, *const brace[] = {"blk.{i}"};
static const uint32_t arch_length = 5, brace_length = 7;
static const MetaValue meta[] = {
    {"general.architecture", META_STRING, 0, 1, NULL, NULL, arch, &arch_length},
    {"toy-1.block_count", META_INT, 0, 1, &blocks, NULL, NULL, NULL},
    {"toy-1.embedding_length", META_INT, 0, 1, &width, NULL, NULL, NULL},
    {"toy-1.least", META_INT, 0, 1, &least, NULL, NULL, NULL},
    {"toy-1.sections", META_INT, 1, 4, sections, NULL, NULL, NULL},
    {"toy-1.nothing", META_FLOAT, 0, 1, NULL, &nothing, NULL, NULL},
    {"toy-1.brace", META_STRING, 0, 1, NULL, NULL, brace, &brace_length},
};
static const TensorInfo tensors[] = {
    {"blk.0.norm.weight", BT_f32, 1, {256, 1, 1, 1}, 1024, 0, 0},
    {"blk.1.norm.weight", BT_f32, 1, {256, 1, 1, 1}, 1024, 0, 1024},
    {"blk.2.norm.weight", BT_f32, 1, {256, 1, 1, 1}, 1024, 0, 2048},
    {"blk.{i}.norm.weight", BT_f32, 1, {256, 1, 1, 1}, 1024, 0, 3072},
    {"token_embd.weight", BT_f16, 2, {256, 40, 1, 1}, 20480, 0, 4096},
};

static const char before[] = "model \"toy-1\"\n"
                             "param L: int = meta(\"block_count\")\n"
                             "param D: int = meta(\"embedding_length\")\n"
                             "param V: int = extent(file.token_embd, 1)\n";

typedef struct {
    Arena *a;
    Module *m;
    char *said; /* messages, or NULL */
} Lowered;

static Lowered lower_model(const MetaValue *values, const char *text)
{
    Lowered r = {.a = arena_new()};
    ModelInfo info = {.path = "toy.gguf", .n_meta = sizeof meta / sizeof *meta,
                      .n_tensors = sizeof tensors / sizeof *tensors,
                      .meta = values, .tensors = tensors};
    LowerOptions o = {&info, BT_f16, BT_f16};
    Source *s = source_new(r.a, NULL);
    Diags *d = diag_new(s);
    Ast *ast;
    int file;
    const char *dup;
    model_index(r.a, &info, &dup);
    Err *e = source_add_text(s, "t.mdl", text, strlen(text), &file);
    if (!e)
        e = dsl_load(r.a, s, d, &ast);
    if (!e)
        e = lower_ast(r.a, ast, &o, d, &r.m);
    Buf b = {0};
    diag_print(d, &b);
    if (e)
        buf_puts(&b, err_text(e));
    r.said = e ? arena_strndup(r.a, b.data, b.n) : NULL;
    buf_free(&b);
    err_free(e);
    return r;
}

/* `decls`, then a main whose body makes something of x: [T, D]. */
static Lowered lower(const char *decls, const char *body)
{
    Buf b = {0};
    buf_printf(&b, "%s%s\nentry main(tokens: i32[T], positions: i32[T], "
                   "outputs: i32[R]) -> (logits: [R, V], hidden: [T, D]) {\n"
                   "x = embed(file.token_embd : [D, V], tokens)\n%s\n"
                   "return matmul(rows(x, outputs), file.token_embd : [D, V])"
                   ", x\n}\n",
               before, decls, body);
    Lowered r = lower_model(meta, b.data);
    buf_free(&b);
    return r;
}

static int count(const Graph *g, Op op)
{
    int n = 0;
    for (Ref i = 0; i < g->n_nodes; i++)
        n += g->node[i].op == op;
    return n;
}

static bool has_weight(const Module *m, const char *text)
{
    for (int k = 0; k < m->n_graphs; k++)
        for (Ref i = 0; i < m->graph[k]->n_nodes; i++) {
            const Node *n = &m->graph[k]->node[i];
            if (n->op == OP_weight && strcmp(n->text, text) == 0)
                return true;
        }
    return false;
}

static const char norm_layer[] =
    "layer norm_layer(i: index, j: index, x: [T, D]) -> [T, D] {\n"
    "w = weights(\"blk.{i}\")\nv = weights(\"blk.{j}\")\n"
    "return rmsnorm(rmsnorm(x, w.norm : [D], eps = 1e-6), v.norm : [D], eps = "
    "1e-6)\n}\n";

Test(lower, equal_layers_are_one_function)
{
    Lowered r = lower("layer f(i: index, x: [T, D]) -> [T, D] {\n"
                      "w = weights(\"blk.{i}\")\n"
                      "return rmsnorm(x, w.norm : [D], eps = 1e-6)\n}",
                      "for i in 0..L { x = f(i, x) }");
    cr_assert_null(r.said, "%s", r.said);
    cr_assert_eq(r.m->n_graphs, 2);
    cr_assert_eq(count(module_find(r.m, "main"), OP_call), 3);
    cr_assert(has_weight(r.m, "blk.{i}.norm.weight"));
    arena_free(r.a);
}

/* {i} is the first index; a second one is a number. */
Test(lower, two_indices_are_kept_apart)
{
    Lowered r = lower(norm_layer, "x = norm_layer(0, 2, x)\n"
                                  "x = norm_layer(1, 2, x)\n"
                                  "x = norm_layer(2, 1, x)");
    cr_assert_null(r.said, "%s", r.said);
    cr_assert_eq(r.m->n_graphs, 3); /* one for each j, and main */
    cr_assert(has_weight(r.m, "blk.{i}.norm.weight"));
    cr_assert(has_weight(r.m, "blk.2.norm.weight"));
    cr_assert(has_weight(r.m, "blk.1.norm.weight"));
    cr_assert(!has_weight(r.m, "blk.0.norm.weight"));
    arena_free(r.a);
}

Test(lower, a_weight_is_one_node_however_often_it_is_read)
{
    Lowered r = lower("fn f(x: [T, D]) -> [T, D] {\n"
                      "return rmsnorm(x, weights(\"blk.0\").norm : [D], "
                      "eps = 1e-6)\n}",
                      "for i in 0..40 { x = f(x) }");
    cr_assert_null(r.said, "%s", r.said);
    cr_assert_eq(count(module_find(r.m, "main"), OP_weight), 2);
    arena_free(r.a);
}

/* The bare name of a weight, handed to a scope parameter. */
Test(lower, a_name_is_a_scope_where_one_is_asked)
{
    Lowered r = lower("fn inner(w: weights, x: [T, D]) -> [T, D] {\n"
                      "y = if has(w.bias) then x + w.bias : [D] else x\n"
                      "return rmsnorm(y, w.weight : [D], eps = 1e-6)\n}\n"
                      "layer f(i: index, x: [T, D]) -> [T, D] {\n"
                      "w = weights(\"blk.{i}\")\nreturn inner(w.norm, x)\n}",
                      "for i in 0..L { x = f(i, x) }");
    cr_assert_null(r.said, "%s", r.said);
    cr_assert_eq(r.m->n_graphs, 2);
    cr_assert(has_weight(r.m, "blk.{i}.norm.weight"));
    cr_assert_str_eq(r.m->graph[0]->node[1].name, "norm");
    arena_free(r.a);
}

Test(lower, nothing_is_equal_to_a_nan)
{
    const char *const untrue[] = {"n == 1.0", "n == n", "n <= 1.0", "n > 1.0"};
    for (size_t i = 0; i < sizeof untrue / sizeof *untrue; i++) {
        char decls[160];
        snprintf(decls, sizeof decls, "param n: float = meta(\"nothing\")\n"
                                      "require %s, \"untrue\"",
                 untrue[i]);
        Lowered r = lower(decls, "");
        cr_assert(r.said && strstr(r.said, "untrue"), "%s", untrue[i]);
        arena_free(r.a);
    }
    Lowered r = lower("param n: float = meta(\"nothing\")\n"
                      "require n != 1.0, \"untrue\"", "");
    cr_assert_null(r.said);
    arena_free(r.a);
}

typedef struct {
    const char *decls, *body, *message;
} Refused;

static const Refused refused[] = {
    {"param a: int = -meta(\"least\")", "", "does not fit 64 bits"},
    {"param a: int = meta(\"least\") - 1", "", "does not fit 64 bits"},
    {"param a: int = meta(\"least\") / -1", "", "does not fit 64 bits"},
    {"param a: int = meta(\"least\") / (L - 3)", "", "division by zero"},
    {"param a: int = meta_at(\"sections\", 9223372036854775807)", "",
     "4 elements; there is no element 9223372036854775807"},
    {"param a: int = meta_at(\"sections\", meta(\"least\"))", "",
     "no element -9223372036854775808"},
    {"param a: int = meta(\"sections\")", "", "differs from element to element"},
    {"param a: int = meta(\"missing\")", "", "has no metadata toy-1.missing"},
    {"param a: int = meta(\"nothing\")", "",
     "a comes to a float, which is not what it is declared as"},
    {"param a: int = meta(\"brace\") + 1", "",
     "expected a number or a tensor, found a string"},
    {"require meta(\"brace\") == 1, \"no\"", "",
     "a string and an int cannot be compared"},
    {"require meta(\"sections\") > 0 or meta(\"least\"), \"no\"", "",
     "differs from element to element"},
    {"require meta(\"least\"), \"no\"", "",
     "expected true or false, found an int"},
    {"", "x = x * sum(matmul(x, weights(\"blk.0\").norm : [D, L - 3]))",
     "the extent is 0, not between 1 and 2^40"},
    {"", "for i in 0..9000000000000000000 { n = i }",
     "after 1000000 steps the text has not ended"},
    {"layer f(i: index, x: [T, D]) -> [T, D] { return silu(x) }",
     "x = f(0 - 1, x)", "the layer's index is -1"},
    {"", "y = slice(x, 9223372036854775807, 1)", "are outside f32[T,256]"},
    {"", "y = slice(x, 0, meta(\"least\"))", "are outside f32[T,256]"},
    {"", "x = rmsnorm(x, eps = meta(\"nothing\"))", "eps is nan"},
    {"", "w = weights(meta(\"brace\"))\n"
         "x = rmsnorm(x, w.norm : [D], eps = 1e-6)",
     "holds a brace"},
    {"", "w = weights(\"blk.7\")\nx = rmsnorm(x, w.norm : [D], eps = 1e-6)",
     "no tensor blk.7.norm.weight"},
    {"", "w = weights(\"blk.0\")\nx = x * sum(w.norm : [D])",
     "a computed value, not a weight"},
    {"", "x = x * reshape(softmax(reshape(sum(x), [T])), [T, 1])",
     "rows of known length"},
    {"state s[meta(\"least\")] : per token key [1, D]",
     "k = append(reshape(x, [T, 1, D]), s[0])", "s has"},
    {"state s[1] : per token key [1, D]",
     "k = append(reshape(x, [T, 1, D]), s[0]) + 1.0", "expected an f32 tensor"},
};

Test(lower, refuses_with_one_clear_message)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        Lowered r = lower(refused[i].decls, refused[i].body);
        cr_assert(r.said && strstr(r.said, refused[i].message),
                  "%s\n%s\nexpected: %s\nsaid: %s", refused[i].decls,
                  refused[i].body, refused[i].message,
                  r.said ? r.said : "nothing");
        arena_free(r.a);
    }
}

/* Strings, calls and params that double or nest from one to the next. */
Test(lower, refuses_what_grows_without_end)
{
    Buf strings = {0}, calls = {0}, params = {0};
    buf_puts(&strings, "param s0: string = \"0123456789\"\n");
    buf_puts(&calls, "fn f0(x: [T, D]) -> [T, D] { return silu(x) }\n");
    buf_puts(&params, "param p1000: int = 1\n");
    for (int i = 1; i < 40; i++) {
        buf_printf(&strings, "param s%d: string = \"{s%d}{s%d}\"\n", i, i - 1,
                   i - 1);
        buf_printf(&calls,
                   "fn f%d(x: [T, D]) -> [T, D] { return f%d(f%d(x)) }\n", i,
                   i - 1, i - 1);
    }
    for (int i = 0; i < 1000; i++)
        buf_printf(&params, "param p%d: int = p%d + 1\n", i, i + 1);
    const Refused cases[] = {
        {strings.data, "", "the string is longer than 1000 bytes"},
        {calls.data, "x = f39(x)", "after 1000000 steps"},
        {params.data, "", "nested more than 500 deep"},
    };
    for (int i = 0; i < 3; i++) {
        Lowered r = lower(cases[i].decls, cases[i].body);
        cr_assert(r.said && strstr(r.said, cases[i].message), "%s",
                  r.said ? r.said : "nothing");
        arena_free(r.a);
    }
    buf_free(&strings);
    buf_free(&calls);
    buf_free(&params);
}

Test(lower, wants_a_plain_architecture)
{
    static const char *const names[] = {"", "a b", "\x1b[2J", "a\nb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        MetaValue values[sizeof meta / sizeof *meta];
        uint32_t n = (uint32_t)strlen(names[i]);
        memcpy(values, meta, sizeof meta);
        values[0].strings = &names[i];
        values[0].lengths = &n;
        Lowered r = lower_model(values, "model \"toy-1\"\n"
                                        "entry main(tokens: i32[T], positions: "
                                        "i32[T], outputs: i32[R]) -> (logits: "
                                        "[R, 40], hidden: [T, 256]) {\n"
                                        "x = embed(file.token_embd : [256, "
                                        "40], tokens)\nreturn matmul(rows(x, "
                                        "outputs), file.token_embd : [256, "
                                        "40]), x\n}\n");
        cr_assert(r.said && strstr(r.said, "no plain name"), "%s",
                  r.said ? r.said : "nothing");
        arena_free(r.a);
    }
}
