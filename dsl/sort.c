#include "dsl/sort.h"

#include <string.h>

const Sort *sort_plain(SortKind kind)
{
    static const Sort plain[] = {
        [SORT_ERROR] = {.kind = SORT_ERROR},
        [SORT_INT] = {.kind = SORT_INT},
        [SORT_FLOAT] = {.kind = SORT_FLOAT},
        [SORT_BOOL] = {.kind = SORT_BOOL},
        [SORT_STRING] = {.kind = SORT_STRING},
        [SORT_WEIGHT] = {.kind = SORT_WEIGHT},
        [SORT_SCOPE] = {.kind = SORT_SCOPE},
        [SORT_LIST] = {.kind = SORT_LIST},
        [SORT_WORD] = {.kind = SORT_WORD},
    };
    return &plain[kind];
}

const Sort *sort_shaped(Arena *a, SortKind kind, ElemKind elem, int rank,
                        const Poly *const *dims)
{
    Sort *s = ARENA_NEW(a, Sort);
    s->kind = kind;
    s->elem = elem;
    s->rank = rank;
    s->dims = dims;
    s->has_shape = true;
    return s;
}

const Sort *sort_tuple(Arena *a, int n, const Sort *const *items)
{
    Sort *s = ARENA_NEW(a, Sort);
    s->kind = SORT_TUPLE;
    s->n_items = n;
    s->items = items;
    return s;
}

bool sort_same_shape(const Sort *a, const Sort *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!poly_equal(a->dims[i], b->dims[i]))
            return false;
    return true;
}

bool sort_equal(const Sort *a, const Sort *b)
{
    if (a->kind != b->kind || a->n_items != b->n_items)
        return false;
    for (int i = 0; i < a->n_items; i++)
        if (!sort_equal(a->items[i], b->items[i]))
            return false;
    bool shaped = a->kind == SORT_TENSOR || a->kind == SORT_WEIGHT ||
                  a->kind == SORT_STATE;
    return !shaped || (a->elem == b->elem && a->has_shape == b->has_shape &&
                       sort_same_shape(a, b));
}

bool sort_is_static(const Sort *s)
{
    return s->kind == SORT_INT || s->kind == SORT_FLOAT ||
           s->kind == SORT_BOOL || s->kind == SORT_STRING;
}

void sort_print_dims(const Poly *const *dims, int rank, Buf *out)
{
    buf_puts(out, "[");
    for (int i = 0; i < rank; i++) {
        buf_puts(out, i ? ", " : "");
        poly_print(dims[i], out);
    }
    buf_puts(out, "]");
}

static void print_tuple(const Sort *s, Buf *out)
{
    buf_puts(out, "(");
    for (int i = 0; i < s->n_items; i++) {
        buf_puts(out, i ? ", " : "");
        sort_print(s->items[i], out);
    }
    buf_puts(out, ")");
}

void sort_print(const Sort *s, Buf *out)
{
    static const char *const names[] = {
        [SORT_ERROR] = "?",       [SORT_INT] = "int",
        [SORT_FLOAT] = "float",   [SORT_BOOL] = "bool",
        [SORT_STRING] = "string", [SORT_TENSOR] = "",
        [SORT_WEIGHT] = "weight", [SORT_SCOPE] = "weights",
        [SORT_STATE] = "state ",  [SORT_LIST] = "list of dims",
        [SORT_WORD] = "word",     [SORT_TUPLE] = "",
    };
    if (s->kind == SORT_TUPLE) {
        print_tuple(s, out);
        return;
    }
    buf_puts(out, names[s->kind]);
    if (s->kind == SORT_TENSOR && s->elem == ELEM_I32)
        buf_puts(out, "i32");
    if (s->kind == SORT_WEIGHT && s->has_shape)
        buf_puts(out, " ");
    if (s->kind == SORT_TENSOR || s->kind == SORT_STATE || s->has_shape)
        sort_print_dims(s->dims, s->rank, out);
}

const char *sort_text(Arena *a, const Sort *s)
{
    Buf b = {0};
    sort_print(s, &b);
    const char *text = arena_strndup(a, b.data, b.n);
    buf_free(&b);
    return text;
}
