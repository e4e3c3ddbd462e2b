/* compare.c - equality, order, sorting. */
#include <string.h>

#include "runtime/jinja/run.h"

Err *compare_equal(Run *r, Value a, Value b, bool *out)
{
    *out = value_equal(a, b, &r->steps);
    if (r->steps < 0)
        r->steps = 0;
    return run_charge(r, 1);
}

static Err *unordered(Run *r, const char *sign, Value a, Value b)
{
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        return run_undefined(r, a.kind == VALUE_UNDEFINED ? a : b);
    return err_new(ERR_INPUT,
                   "'%s' not supported between instances of '%s' and '%s'",
                   sign, value_type(a), value_type(b));
}

static Err *order_seqs(Run *r, const char *sign, const Seq *a, const Seq *b,
                       int *order)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool equal;
        TRY(compare_equal(r, a->v[i], b->v[i], &equal));
        if (!equal)
            return compare_less(r, sign, a->v[i], b->v[i], order);
    }
    *order = (a->n > b->n) - (a->n < b->n);
    return NULL;
}

static int order_digits(const Str *a, const Str *b)
{
    int sign = a->p[0] == '-' ? -1 : 1;
    if ((b->p[0] == '-') != (sign < 0))
        return sign;
    int order = a->n != b->n ? (a->n > b->n ? 1 : -1) : str_order(a, b);
    return sign * order;
}

/* Of two numbers; NaN is unordered (2). */
static bool order_numbers(Value a, Value b, int *order)
{
    int64_t i, j;
    double x, y;
    if (value_as_int(a, &i) && value_as_int(b, &j)) {
        *order = (i > j) - (i < j);
        return true;
    }
    if (a.kind == VALUE_BIG && b.kind == VALUE_BIG) {
        *order = order_digits(a.s, b.s);
        return true;
    }
    if (!value_number(a, &x) || !value_number(b, &y))
        return false;
    *order = x > y ? 1 : x < y ? -1 : x == y ? 0 : 2;
    return true;
}

/* -1, 0, 1, or 2 for numbers without order. */
Err *compare_less(Run *r, const char *sign, Value a, Value b, int *order)
{
    Err *e = NULL;
    *order = 0;
    if (order_numbers(a, b, order))
        return run_charge(r, 1);
    if (a.kind == VALUE_STR && b.kind == VALUE_STR) {
        int o = str_order(a.s, b.s);
        *order = (o > 0) - (o < 0);
        return run_charge(r, 1 + (a.s->n < b.s->n ? a.s->n : b.s->n) / 64);
    }
    if (a.kind != b.kind || (a.kind != VALUE_LIST && a.kind != VALUE_TUPLE))
        return unordered(r, sign, a, b);
    if (++r->depth > r->bounds.depth)
        return err_new(ERR_LIMIT, "values nested deeper than %d",
                       r->bounds.depth);
    e = order_seqs(r, sign, a.seq, b.seq, order);
    r->depth--;
    return e;
}

Err *compare_op(Run *r, Op op, Value a, Value b, bool *out)
{
    int order;
    if (op == OP_IN || op == OP_NOT_IN) {
        TRY(iter_contains(r, b, a, out));
        *out = *out == (op == OP_IN);
        return NULL;
    }
    if (op == OP_EQ || op == OP_NE) {
        TRY(compare_equal(r, a, b, out));
        *out = *out == (op == OP_EQ);
        return NULL;
    }
    TRY(compare_less(r, op_text[op], a, b, &order));
    *out = op == OP_LT   ? order == -1
           : op == OP_GT ? order == 1
           : op == OP_LE ? order == -1 || order == 0
                         : order == 1 || order == 0;
    return NULL;
}

/* ---- sorting */

typedef struct {
    Run *r;
    const Value *keys;
    bool reverse;
    size_t *copy;
} Sorting;

static Err *merge_sort(Sorting *s, size_t *at, size_t n)
{
    size_t half = n / 2, i = 0, j = half, k = 0;
    if (n < 2)
        return NULL;
    TRY(merge_sort(s, at, half));
    TRY(merge_sort(s, at + half, n - half));
    while (i < half && j < n) {
        int order;
        Value left = s->keys[at[i]], right = s->keys[at[j]];
        TRY(s->reverse ? compare_less(s->r, "<", left, right, &order)
                       : compare_less(s->r, "<", right, left, &order));
        s->copy[k++] = order == -1 ? at[j++] : at[i++];
    }
    while (i < half)
        s->copy[k++] = at[i++];
    memcpy(at, s->copy, k * sizeof *at);
    return NULL;
}

Err *compare_sort(Run *r, const Value *keys, size_t n, bool reverse,
                  size_t **at)
{
    *at = ARENA_ARRAY(r->a, size_t, n);
    for (size_t i = 0; i < n; i++)
        (*at)[i] = i;
    Sorting s = {r, keys, reverse, ARENA_ARRAY(r->a, size_t, n)};
    return merge_sort(&s, *at, n);
}
