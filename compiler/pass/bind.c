/* bind.c - the file's block types onto the weights.
 *
 * A layer function stands for many layers, whose matrices may differ in type
 * (a file spends bits where they matter).  So a function is split into one
 * copy for each combination of types that occurs; most files need a few. */
#include <string.h>

#include "compiler/clone.h"
#include "compiler/pass.h"

typedef struct {
    const Graph *from; /* as it came */
    Graph *to;         /* with types */
} Variant;

typedef struct {
    PassContext *c;
    const Module *in;
    Module *out;
    Variant *at;
    int n, cap;
} Bind;

static Err *type_of_weight(const PassContext *c, const char *pattern,
                           int64_t index, BlockType *t)
{
    const char *name = clone_name(c->arena, pattern, index);
    const TensorInfo *info = model_tensor(c->model, name);
    if (!info)
        return err_new(ERR_INPUT, "%s has no tensor %s", c->model->path, name);
    *t = info->type;
    return NULL;
}

static Err *bind_types(const PassContext *c, Graph *g, int64_t index)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        Node *n = &g->node[i];
        if (n->op == OP_weight)
            TRY(type_of_weight(c, n->text, index, &n->type.dtype));
    }
    return NULL;
}

static bool same_types(const Graph *a, const Graph *b)
{
    for (Ref i = 0; i < a->n_nodes; i++)
        if (a->node[i].type.dtype != b->node[i].type.dtype)
            return false;
    return true;
}

/* "foo", "foo_1".. as far as no other function has that name. */
static const char *variant_name(const Bind *b, const char *name, int n)
{
    Buf text = {0};
    const char *s = name;
    while (module_find(b->out, s) || (n && module_find(b->in, s))) {
        buf_clear(&text);
        buf_printf(&text, "%s_%d", name, n++);
        s = text.data;
    }
    s = arena_strndup(b->c->arena, s, strlen(s));
    buf_free(&text);
    return s;
}

static void remember(Bind *b, const Graph *from, Graph *to)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 8;
        Variant *more = ARENA_ARRAY(b->c->arena, Variant, b->cap);
        if (b->n)
            memcpy(more, b->at, sizeof *more * (size_t)b->n);
        b->at = more;
    }
    b->at[b->n++] = (Variant){from, to};
}

/* The copy of f whose types are those of layer `index`. */
static Err *variant(Bind *b, const Graph *f, int64_t index, const char **name)
{
    int same = 0;
    Graph *g = clone_graph(b->c->arena, f, f->name);
    TRY(bind_types(b->c, g, index));
    for (int i = 0; i < b->n; i++) {
        if (b->at[i].from != f)
            continue;
        if (same_types(b->at[i].to, g)) {
            *name = b->at[i].to->name;
            return NULL;
        }
        same++;
    }
    g->name = variant_name(b, f->name, same);
    if (same)
        pass_explain(b->c, "bind", "@%s: layer %lld has other block types: @%s",
                     f->name, (long long)index, g->name);
    module_append(b->out, g);
    remember(b, f, g);
    *name = g->name;
    return NULL;
}

static Err *bind_calls(Bind *b, Graph *g)
{
    for (Ref i = 0; i < g->n_nodes; i++) {
        Node *n = &g->node[i];
        if (n->op == OP_call)
            TRY(variant(b, module_find(b->in, n->text), n->attr[ATTR_index].i,
                        &n->text));
    }
    return NULL;
}

PassFn pass_bind;
Err *pass_bind(PassContext *c, Module **m)
{
    if (!c->model)
        return NULL;
    Bind b = {.c = c, .in = *m, .out = module_new(c->arena, (*m)->name)};
    for (int i = 0; i < (*m)->n_graphs; i++) {
        if ((*m)->graph[i]->kind != GRAPH_ENTRY)
            continue;
        Graph *g = clone_graph(c->arena, (*m)->graph[i], (*m)->graph[i]->name);
        TRY(bind_types(c, g, 0));
        TRY(bind_calls(&b, g));
        module_append(b.out, g);
    }
    *m = b.out;
    return NULL;
}
