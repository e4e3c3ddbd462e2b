/* interp_seq.c - ops that look along the sequence, through states. */
#include "compiler/interp_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- attention ---- */

/* What a value becomes when stored as dtype. */
static void store_row(BlockType t, const double *x, double *y, int64_t n)
{
    float *in = malloc(sizeof *in * (size_t)n);
    void *bytes = malloc((size_t)block_bytes(t, n));
    if (!in || !bytes)
        memory_out(sizeof *in * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        in[i] = (float)x[i];
    if (t != BT_f32 && block_encode(t, in, n, bytes))
        block_decode(t, bytes, n, in);
    for (int64_t i = 0; i < n; i++)
        y[i] = t == BT_f32 ? x[i] : (double)in[i];
    free(in);
    free(bytes);
}

void eval_append(const Frame *f, const Cell *const *arg, Cell *y)
{
    int64_t width = arg[0]->dim[0] ? arg[0]->n / arg[0]->dim[0] : 0;
    for (int64_t t = 0; t < arg[0]->dim[0]; t++)
        store_row(y->dtype, arg[0]->v + t * width,
                  y->v + (f->step.past + t) * width, width);
}

/* One head of one token: p holds `rows` scratch values. */
static void attend(const double *q, const Cell *const *kv, int64_t group,
                   int64_t rows, double scale, double *p, double *o)
{
    int64_t d = kv[0]->last, stride = kv[0]->dim[1] * d;
    double most = -INFINITY, sum = 0;
    for (int64_t r = 0; r < rows; r++) {
        const double *k = kv[0]->v + r * stride + group * d;
        p[r] = 0;
        for (int64_t i = 0; i < d; i++)
            p[r] += q[i] * k[i];
        p[r] *= scale;
        most = p[r] > most ? p[r] : most;
    }
    for (int64_t r = 0; r < rows; r++)
        sum += p[r] = exp(p[r] - most);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < d; i++)
            o[i] += p[r] / sum * kv[1]->v[r * stride + group * d + i];
}

void eval_attention(const Frame *f, const Cell *const *arg, Cell *y)
{
    int64_t heads = y->dim[1], d = y->last;
    int64_t per_group = heads / arg[1]->dim[1];
    int64_t context = f->step.past + f->step.tokens;
    double *p = malloc(sizeof *p * (size_t)(context + 1));
    if (!p)
        memory_out(sizeof *p * (size_t)(context + 1));
    for (int64_t t = 0; t < y->dim[0]; t++)
        for (int64_t h = 0; h < heads; h++) {
            int64_t at = (t * heads + h) * d;
            attend(arg[0]->v + at, arg + 1, h / per_group,
                   f->step.past + t + 1, f->n->attr[ATTR_scale].f, p,
                   y->v + at);
        }
    free(p);
}

/* ---- convolution ---- */

/* Input t of channel c, t < 0 from the state. */
static double conv_input(const Cell *x, const Cell *s, int64_t t, int64_t c)
{
    return t >= 0 ? x->v[t * x->last + c]
                  : s->v[(s->dim[0] + t) * s->last + c];
}

void eval_conv(const Frame *f, const Cell *const *arg, Cell *y)
{
    (void)f;
    const Cell *x = arg[0], *s = arg[2];
    int64_t taps = s->dim[0] + 1, channels = x->last;
    double *next = malloc(sizeof *next * (size_t)(s->n + 1));
    if (!next)
        memory_out(sizeof *next * (size_t)(s->n + 1));
    for (int64_t t = 0; t < x->dim[0]; t++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t j = 0; j < taps; j++)
                y->v[t * channels + c] +=
                    cell_at(arg[1], c * taps + j) *
                    conv_input(x, s, t - (taps - 1) + j, c);
    for (int64_t j = 0; j < taps - 1; j++)
        for (int64_t c = 0; c < channels; c++)
            next[j * channels + c] =
                conv_input(x, s, x->dim[0] - (taps - 1) + j, c);
    memcpy(s->v, next, sizeof *next * (size_t)s->n);
    free(next);
}

/* ---- gated delta rule ---- */

/* One head, one token: S is [dk,dv]. */
static void delta_step(double *S, const double *q, const double *k,
                       const double *v, double beta, double decay, int64_t dk,
                       int64_t dv, double *o)
{
    for (int64_t i = 0; i < dk * dv; i++)
        S[i] *= decay;
    for (int64_t j = 0; j < dv; j++) {
        double seen = 0;
        for (int64_t i = 0; i < dk; i++)
            seen += S[i * dv + j] * k[i];
        double d = beta * (v[j] - seen);
        o[j] = 0;
        for (int64_t i = 0; i < dk; i++) {
            S[i * dv + j] += k[i] * d;
            o[j] += S[i * dv + j] * q[i];
        }
    }
}

void eval_delta(const Frame *f, const Cell *const *arg, Cell *y)
{
    int64_t hk = arg[0]->dim[1], hv = y->dim[1], dk = arg[0]->last;
    int64_t dv = y->last;
    bool tiled = f->n->attr[ATTR_delta_heads].i == HEADS_TILED;
    for (int64_t t = 0; t < y->dim[0]; t++)
        for (int64_t h = 0; h < hv; h++) {
            int64_t at = t * hv + h;
            int64_t key = (t * hk + (tiled ? h % hk : h / (hv / hk))) * dk;
            delta_step(arg[5]->v + h * dk * dv, arg[0]->v + key,
                       arg[1]->v + key, arg[2]->v + at * dv, arg[3]->v[at],
                       exp(arg[4]->v[at]), dk, dv, y->v + at * dv);
        }
}
