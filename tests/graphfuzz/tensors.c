/* tensors.c - the weights of a case, and a file that holds them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/clone.h"
#include "tests/graphfuzz/graphfuzz.h"

/* ---- which there are ---- */

typedef struct {
    const FuzzCase *c;
    Arena *a;
    Tensor *at;
    int n, cap;
} List;

static BlockType type_in_case(const FuzzCase *c, const char *name)
{
    for (int i = 0; i < c->n_types; i++)
        if (strcmp(c->type[i].tensor, name) == 0)
            return c->type[i].type;
    return BT_f32;
}

static void add_tensor(List *l, const Node *n, int64_t index)
{
    const char *name = clone_name(l->a, n->text, index);
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->at[i].name, name) == 0)
            return;
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        Tensor *more = ARENA_ARRAY(l->a, Tensor, l->cap);
        if (l->n)
            memcpy(more, l->at, sizeof *more * (size_t)l->n);
        l->at = more;
    }
    Tensor *t = &l->at[l->n++];
    *t = (Tensor){name, n->text, n->type};
    t->type.dtype = type_in_case(l->c, name);
}

static void list_graph(List *l, const Graph *g, int64_t index)
{
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        const Node *n = &g->node[i];
        if (n->op == OP_weight)
            add_tensor(l, n, index);
        if (n->op == OP_call)
            list_graph(l, module_find(l->c->m, n->text), n->attr[ATTR_index].i);
    }
}

int case_tensors(const FuzzCase *c, Arena *a, Tensor **out)
{
    List l = {.c = c, .a = a};
    for (int i = 0; i < c->m->n_graphs; i++)
        if (c->m->graph[i]->kind == GRAPH_ENTRY)
            list_graph(&l, c->m->graph[i], 0);
    *out = l.at;
    return l.n;
}

/* ---- values ---- */

static uint64_t hash(const char *s)
{
    uint64_t h = 14695981039346656037u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

/* What the RMS of decoded blocks is when their scale is 1/64. */
static float unit_rms(BlockType t)
{
    enum { N = 16 };
    uint8_t block[256];
    float y[256];
    double sum = 0;
    Random r = {1};
    for (int i = 0; i < N; i++) {
        random_block(&r, t, 1.0F / 64, block);
        block_decode(t, block, block_info[t].elems, y);
        for (int k = 0; k < block_info[t].elems; k++)
            sum += (double)y[k] * (double)y[k];
    }
    return (float)sqrt(sum / N / block_info[t].elems);
}

static void add_floats(Buf *b, BlockType t, int64_t n, float size, Random *r)
{
    for (int64_t i = 0; i < n; i++) {
        float x = size * random_real(r);
        uint8_t bytes[4];
        block_encode(t, &x, 1, bytes);
        buf_add(b, bytes, (size_t)block_info[t].bytes);
    }
}

static void add_blocks(Buf *b, BlockType t, int64_t n, float size, Random *r)
{
    uint8_t block[256];
    float scale = size / unit_rms(t) / 64;
    for (int64_t i = 0; i < n / block_info[t].elems; i++) {
        random_block(r, t, scale, block);
        buf_add(b, block, (size_t)block_info[t].bytes);
    }
}

/* Products keep the size of what goes in: 1 / sqrt of the terms of a sum.  A
 * vector is multiplied with, a table read row by row: those are of size 1. */
static void add_values(Buf *b, const Tensor *t)
{
    Random r = random_seed(hash(t->name));
    int64_t n = type_elements(&t->type).k;
    bool sums = t->type.rank > 1 && t->type.dim[1].k != FUZZ_VOCABULARY;
    float size = sums ? 1 / sqrtf((float)t->type.dim[0].k) : 1;
    if (block_info[t->type.dtype].kind == BLOCK_FLOAT)
        add_floats(b, t->type.dtype, n, size, &r);
    else
        add_blocks(b, t->type.dtype, n, size, &r);
}

/* ---- the file ---- */

static void u32(Buf *b, uint32_t v) { buf_add(b, &v, 4); }
static void u64(Buf *b, uint64_t v) { buf_add(b, &v, 8); }
static void string(Buf *b, const char *s)
{
    u64(b, strlen(s));
    buf_puts(b, s);
}

enum { ALIGN = 32 };
static void pad(Buf *b)
{
    while (b->n % ALIGN)
        buf_add(b, "", 1);
}

static void add_header(Buf *b, const Tensor *t, int n)
{
    int64_t at = 0;
    buf_puts(b, "GGUF");
    u32(b, 3);
    u64(b, (uint64_t)n);
    u64(b, 1);
    string(b, "general.architecture");
    u32(b, 8);
    string(b, "fuzz");
    for (int i = 0; i < n; i++) {
        const Type *type = &t[i].type;
        string(b, t[i].name);
        u32(b, (uint32_t)type->rank);
        for (int k = 0; k < type->rank; k++)
            u64(b, (uint64_t)type->dim[k].k);
        u32(b, (uint32_t)block_info[type->dtype].gguf_id);
        u64(b, (uint64_t)at);
        at += block_bytes(type->dtype, type_elements(type).k);
        at = (at + ALIGN - 1) / ALIGN * ALIGN;
    }
    pad(b);
}

Err *case_write_file(const FuzzCase *c, const char *path)
{
    Buf b = {0};
    Arena *a = arena_new();
    Tensor *t;
    int n = case_tensors(c, a, &t);
    add_header(&b, t, n);
    for (int i = 0; i < n; i++) {
        add_values(&b, &t[i]);
        pad(&b);
    }
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(b.data, 1, b.n, f) == b.n;
    ok = f && fclose(f) == 0 && ok;
    buf_free(&b);
    arena_free(a);
    return ok ? NULL : err_new(ERR_IO, "cannot write '%s'", path);
}
