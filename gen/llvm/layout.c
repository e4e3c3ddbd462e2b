#include "gen/llvm/layout.h"

int64_t shape_size(const Shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

/* Adds an inner dimension. */
static void push(Layout *l, int64_t size, int64_t stride)
{
    if (size == 1)
        return;
    int64_t *outer = l->n ? &l->stride[l->n - 1] : NULL;
    if (outer && *outer == size * stride) {
        l->size[l->n - 1] *= size;
        *outer = stride;
        return;
    }
    l->size[l->n] = size;
    l->stride[l->n++] = stride;
}

/* Takes an axis of `want` elements from the inside: its stride in *stride. */
static bool take(Layout *l, int64_t want, int64_t *stride)
{
    *stride = 0;
    if (want == 1)
        return true;
    if (!l->n || l->size[l->n - 1] % want)
        return false;
    *stride = l->stride[l->n - 1];
    l->size[l->n - 1] /= want;
    l->stride[l->n - 1] *= want;
    if (l->size[l->n - 1] == 1)
        l->n--;
    return true;
}

Layout layout_dense(int64_t n)
{
    Layout l = {0};
    push(&l, n, 1);
    return l;
}

bool layout_broadcast(const Layout *l, const Shape *from, const Shape *to,
                      Layout *out)
{
    Layout rest = *l;
    int64_t stride[MAX_RANK] = {0};
    for (int k = 1; k <= from->rank; k++) {
        int64_t s, want = from->dim[from->rank - k];
        if (!take(&rest, want, &s))
            return false;
        if (k <= to->rank)
            stride[to->rank - k] = s;
        else if (want != 1)
            return false;
    }
    *out = (Layout){0};
    for (int i = 0; i < to->rank; i++)
        push(out, to->dim[i], stride[i]);
    return true;
}

bool layout_slice(const Layout *l, int64_t last, int64_t begin, int64_t size,
                  Layout *out, int64_t *offset)
{
    int64_t stride;
    *out = *l;
    if (!take(out, last, &stride))
        return false;
    *offset = begin * stride;
    push(out, size, stride);
    return true;
}

bool layout_rows(const Layout *l, int64_t rows, int64_t width, int64_t *stride)
{
    Layout rest = *l;
    int64_t step;
    return take(&rest, width, &step) && (width == 1 || step == 1) &&
           take(&rest, rows, stride) && rest.n == 0;
}

int64_t layout_run(const Layout *l)
{
    if (l->n && l->stride[l->n - 1] > 1)
        return 1;
    return l->n <= 1 ? 0 : l->size[l->n - 1];
}

LLVMValueRef layout_offset(Ir *ir, const Layout *l, LLVMValueRef i)
{
    LLVMValueRef sum = l_int(ir, 0);
    int64_t inner = 1;
    for (int k = l->n - 1; k >= 0; k--) {
        LLVMValueRef at = i;
        if (inner > 1)
            at = l_div(ir, at, l_int(ir, inner));
        if (k)
            at = l_rem(ir, at, l_int(ir, l->size[k]));
        if (l->stride[k])
            sum = l_add(ir, sum, l_muli(ir, at, l->stride[k]));
        inner *= l->size[k];
    }
    return sum;
}
