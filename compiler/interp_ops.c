/* interp_ops.c - ops that look at one token at a time. */
#include "compiler/interp_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- elementwise ---- */

static double apply(Op op, double a, double b)
{
    (void)b;
    switch (op) {
#define OP(name, min, max, kind, attrs, expr)                                  \
    case OP_##name:                                                            \
        return expr;
#include "compiler/ops.def"
#undef OP
    case OP_COUNT:
        break;
    }
    return NAN;
}

/* Where element i of y comes from in an argument of fewer or unit axes. */
static int64_t broadcast(const Cell *y, const Cell *x, int64_t i)
{
    int64_t at = 0, stride = 1;
    for (int k = 1; k <= y->rank; k++) {
        int64_t d = y->dim[y->rank - k], c = i % d;
        i /= d;
        if (k > x->rank)
            continue;
        int64_t e = x->dim[x->rank - k];
        if (e != 1)
            at += c * stride;
        stride *= e;
    }
    return at;
}

void eval_elementwise(const Frame *f, const Cell *const *arg, Cell *y)
{
    const Cell *a = arg[0], *b = f->n->n_args == 2 ? arg[1] : NULL;
    for (int64_t i = 0; i < y->n; i++) {
        double p = cell_at(a, a->n == y->n ? i : broadcast(y, a, i));
        double q = 0;
        if (b)
            q = cell_at(b, b->n == y->n ? i : broadcast(y, b, i));
        y->v[i] = apply(f->n->op, p, q);
    }
}

void eval_const(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)arg;
    y->v[0] = f->n->attr[ATTR_value].f;
}

/* ---- moving values ---- */

void eval_copy(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    memcpy(y->v, arg[0]->v, sizeof *y->v * (size_t)y->n);
}

void eval_slice(const Frame *f, const Cell *const *arg, Cell *y)
{
    int64_t begin = f->n->attr[ATTR_begin].i, w = arg[0]->last;
    for (int64_t i = 0; i < y->n; i++)
        y->v[i] = arg[0]->v[i / y->last * w + begin + i % y->last];
}

void eval_concat(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    int64_t a = arg[0]->last, b = arg[1]->last;
    for (int64_t i = 0; i < y->n; i++) {
        int64_t row = i / y->last, c = i % y->last;
        y->v[i] = c < a ? arg[0]->v[row * a + c] : arg[1]->v[row * b + c - a];
    }
}

void eval_rows(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    int64_t width = y->dim[0] ? y->n / y->dim[0] : 0;
    for (int64_t r = 0; r < y->dim[0]; r++)
        memcpy(y->v + r * width, arg[0]->v + (int64_t)arg[1]->v[r] * width,
               sizeof *y->v * (size_t)width);
}

void eval_embed(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    for (int64_t i = 0; i < y->n; i++) {
        int64_t row = (int64_t)arg[1]->v[i / y->last];
        y->v[i] = cell_at(arg[0], row * y->last + i % y->last);
    }
}

void eval_take(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    for (int64_t i = 0; i < y->n; i++) {
        int64_t row = arg[0]->rank == 1 ? 0 : i / y->last * arg[0]->last;
        y->v[i] = cell_at(arg[0], row + (int64_t)arg[1]->v[i]);
    }
}

/* ---- one row to one row ---- */

void eval_sum(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    int64_t d = arg[0]->last;
    for (int64_t r = 0; r < y->n; r++)
        for (int64_t i = 0; i < d; i++)
            y->v[r] += arg[0]->v[r * d + i];
}

void eval_mean(const Frame *f, const Cell *const *arg, Cell *y)
{
    eval_sum(f, arg, y);
    for (int64_t r = 0; r < y->n; r++)
        y->v[r] /= (double)arg[0]->last;
}

static void softmax(const double *x, double *y, int64_t n)
{
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++)
        sum += y[i] = exp(x[i] - most);
    for (int64_t i = 0; i < n; i++)
        y[i] /= sum;
}

void eval_softmax(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    for (int64_t i = 0; i < y->n; i += y->last)
        softmax(arg[0]->v + i, y->v + i, y->last);
}

static double sum_squares(const double *x, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        s += x[i] * x[i];
    return s;
}

void eval_rmsnorm(const Frame *f, const Cell *const *arg, Cell *y)
{
    double eps = f->n->attr[ATTR_eps].f;
    for (int64_t r = 0; r < y->n; r += y->last) {
        const double *x = arg[0]->v + r;
        double mean = sum_squares(x, y->last) / (double)y->last;
        double scale = 1 / sqrt(mean + eps);
        for (int64_t i = 0; i < y->last; i++)
            y->v[r + i] =
                x[i] * scale * (f->n->n_args == 2 ? cell_at(arg[1], i) : 1);
    }
}

void eval_l2norm(const Frame *f, const Cell *const *arg, Cell *y)
{
    double eps = f->n->attr[ATTR_eps].f;
    for (int64_t r = 0; r < y->n; r += y->last) {
        const double *x = arg[0]->v + r;
        double scale = 1 / sqrt(sum_squares(x, y->last) + eps);
        for (int64_t i = 0; i < y->last; i++)
            y->v[r + i] = x[i] * scale;
    }
}

static void turn(double *a, double *b, double angle)
{
    double c = cos(angle), s = sin(angle), x = *a, y = *b;
    *a = x * c - y * s;
    *b = x * s + y * c;
}

void eval_rope(const Frame *f, const Cell *const *arg, Cell *y)
{
    const Node *n = f->n;
    int64_t dims = n->attr[ATTR_rope_dims].i, heads = y->dim[1];
    bool half = n->attr[ATTR_rope_pairing].i == ROPE_HALF;
    memcpy(y->v, arg[0]->v, sizeof *y->v * (size_t)y->n);
    for (int64_t row = 0; row < y->dim[0] * heads; row++) {
        double *x = y->v + row * y->last, p = arg[1]->v[row / heads];
        for (int64_t i = 0; i < dims / 2; i++) {
            double angle = p / n->attr[ATTR_rope_stretch].f *
                           pow(n->attr[ATTR_rope_theta].f,
                               -2.0 * (double)i / (double)dims);
            if (n->n_args == 3)
                angle /= cell_at(arg[2], i);
            turn(&x[half ? i : 2 * i], &x[half ? i + dims / 2 : 2 * i + 1],
                 angle);
        }
    }
}

/* k times the largest not taken yet; a NaN is never larger. */
static void topk(const double *x, int64_t n, double *ids, int64_t k)
{
    for (int64_t j = 0; j < k; j++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++) {
            bool taken = false;
            for (int64_t t = 0; t < j; t++)
                taken = taken || (int64_t)ids[t] == i;
            if (!taken && (best < 0 || x[i] > x[best]))
                best = i;
        }
        ids[j] = (double)best;
    }
}

void eval_topk(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    for (int64_t r = 0; r < y->n / y->last; r++)
        topk(arg[0]->v + r * arg[0]->last, arg[0]->last, y->v + r * y->last,
             y->last);
}

void eval_combine(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    int64_t k = arg[0]->dim[1], n = y->last;
    for (int64_t t = 0; t < y->dim[0]; t++)
        for (int64_t j = 0; j < k; j++)
            for (int64_t i = 0; i < n; i++)
                y->v[t * n + i] +=
                    arg[1]->v[t * k + j] * arg[0]->v[(t * k + j) * n + i];
}

/* As block_quantize, from the values in float32 (blocks.h). */
static void quantize8(const float *x, double *y)
{
    struct {
        int8_t code[32];
        float d;
    } q;
    block_quantize(BT_q8a, x, 32, &q);
    for (int k = 0; k < 32; k++)
        y[k] = (double)q.code[k] * (double)q.d;
}

static void quantize16(const float *x, double *y)
{
    struct {
        int16_t code[32];
        float d;
    } q;
    block_quantize(BT_q16a, x, 32, &q);
    for (int k = 0; k < 32; k++)
        y[k] = (double)q.code[k] * (double)q.d;
}

void eval_quantize(const Frame *f, const Cell *const *arg, Cell *y)
{
    for (int64_t i = 0; i < y->n; i += 32) {
        float x[32];
        for (int k = 0; k < 32; k++)
            x[k] = (float)arg[0]->v[i + k];
        if (f->n->type.dtype == BT_q16a)
            quantize16(x, y->v + i);
        else
            quantize8(x, y->v + i);
    }
}

/* ---- products ---- */

/* Four sums: the order does not matter in double, the speed does. */
static double dot(const double *x, const Cell *w, int64_t at, int64_t n)
{
    double s[4] = {0};
    int64_t i = 0;
    if (w->w) {
        const float *p = w->w + at;
        for (; i + 4 <= n; i += 4)
            for (int j = 0; j < 4; j++)
                s[j] += x[i + j] * (double)p[i + j];
    }
    for (; i < n; i++)
        s[0] += x[i] * cell_at(w, at + i);
    return s[0] + s[1] + s[2] + s[3];
}

void eval_matmul(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    int64_t k = arg[0]->last, n = y->last, rows = n ? y->n / n : 0;
    for (int64_t j = 0; j < n; j++)
        for (int64_t r = 0; r < rows; r++)
            y->v[r * n + j] = dot(arg[0]->v + r * k, arg[1], j * k, k);
}

void eval_matmul_experts(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    int64_t k = arg[0]->last, n = y->last, slots = y->dim[1];
    for (int64_t r = 0; r < y->dim[0] * slots; r++) {
        int64_t e = (int64_t)arg[2]->v[r];
        int64_t row = arg[0]->rank == 3 ? r : r / slots;
        for (int64_t j = 0; j < n; j++)
            y->v[r * n + j] =
                dot(arg[0]->v + row * k, arg[1], (e * n + j) * k, k);
    }
}
