/* delta_chunk.c - the gated delta rule in closed form, CHUNK tokens at a time.
 *
 * With G_i the sum of g over the chunk's first i+1 tokens and S its state:
 *     A_ij = beta_i (k_i.k_j) e^(G_i - G_j), j < i;   P_ij = (q_i.k_j) e^(..)
 *     (I + A) D = beta (V - e^G (K S))                forward substitution
 *     O_i = e^(G_i) S'q_i + sum_(j<=i) P_ij D_j
 *     S = e^(G_last) S + sum_j e^(G_last - G_j) k_j D_j'
 * Exponents are differences <= 0, never G alone with the other sign.  (Yang et
 * al., "Gated Delta Networks"; D here is the two solves U - W S in one.) */
#include "gen/llvm/delta.h"
#include "gen/llvm/tile.h"
#include "gen/llvm/vecmath.h"

enum { CHUNK = 64 };

typedef struct {
    const Delta *x;
    Ir *ir;
    LLVMValueRef t0, n;       /* first token, tokens of the chunk */
    LLVMValueRef G, eG, beta; /* scratch [CHUNK] */
    LLVMValueRef A, P;        /* scratch [CHUNK,CHUNK]; A negated */
    LLVMValueRef D, O;        /* scratch [CHUNK,dv] */
    LLVMValueRef kd;          /* scratch [CHUNK,dk]: k_j e^(G_last - G_j) */
    LLVMValueRef list;        /* scratch: pointers for tile functions */
} Chunk;

static LLVMValueRef token(const Chunk *c, LLVMValueRef i)
{
    return l_add(c->ir, c->t0, i);
}

static LLVMValueRef key_row(const Chunk *c, const Value *v, LLVMValueRef i)
{
    return delta_row(c->x, v, token(c, i), c->x->key_first);
}

static LLVMValueRef scalar_at(const Chunk *c, LLVMValueRef p, LLVMValueRef i)
{
    return l_load(c->ir, c->ir->f32, l_index(c->ir, p, i, 4));
}

static void set_pointer(const Chunk *c, int i, LLVMValueRef p)
{
    l_store(c->ir, p, l_at(c->ir, c->list, 8 * i));
}

/* G, e^G and beta of the chunk's tokens. */
static void sums_of_g(const Chunk *c)
{
    Ir *ir = c->ir;
    LLVMValueRef sum = l_var(ir, ir->f32, "G"), g;
    l_store(ir, l_real(ir, 0), sum);
    Loop l = l_for(ir, "sum", l_int(ir, 0), c->n, 1);
    g = delta_scalar(c->x, &c->x->g, token(c, l.i));
    g = l_fadd(ir, l_load(ir, ir->f32, sum), g);
    l_store(ir, g, sum);
    l_store(ir, g, l_index(ir, c->G, l.i, 4));
    l_store(ir, vec_exp(ir, g), l_index(ir, c->eG, l.i, 4));
    l_store(ir, delta_scalar(c->x, &c->x->beta, token(c, l.i)),
            l_index(ir, c->beta, l.i, 4));
    l_end(ir, &l);
}

/* ---- products of keys and queries ---- */

/* out[i][j] = v_i . k_j for j <= i (and some more, never read) */
static void pair_products(const Chunk *c, const Value *v, LLVMValueRef out)
{
    Ir *ir = c->ir;
    LLVMValueRef last = l_addi(ir, c->n, -1), end, at;
    Loop i = l_for(ir, "row", l_int(ir, 0), c->n, TILE_ROWS);
    for (int r = 0; r < TILE_ROWS; r++)
        set_pointer(c, r, key_row(c, v, l_min(ir, l_addi(ir, i.i, r), last)));
    end = l_min(ir, l_addi(ir, i.i, TILE_ROWS), c->n);
    Loop j = l_for(ir, "column", l_int(ir, 0), end, TILE_COLS);
    for (int k = 0; k < TILE_COLS; k++)
        set_pointer(c, TILE_ROWS + k,
                    key_row(c, &c->x->k, l_min(ir, l_addi(ir, j.i, k), last)));
    at = l_add(ir, l_muli(ir, i.i, CHUNK), j.i);
    LLVMValueRef args[] = {l_at(ir, c->list, 8 * TILE_ROWS), c->list,
                           l_int(ir, c->x->dk), l_index(ir, out, at, 4),
                           l_int(ir, CHUNK)};
    l_call(ir, tile_block(ir), args, 5);
    l_end(ir, &j);
    l_end(ir, &i);
}

typedef struct {
    const Chunk *c;
    LLVMValueRef row, g, factor; /* offset of the row; G_i; -beta_i */
} Weigh;

/* A and P of one row: times e^(G_i - G_j), A also times -beta_i */
static void weigh_lanes(Ir *ir, void *ctx, LLVMValueRef j, int lanes)
{
    const Weigh *w = ctx;
    LLVMValueRef at = l_add(ir, w->row, j), d, e, v;
    d = l_fsub(ir, l_splat(ir, w->g, lanes), l_f32_at(ir, w->c->G, j, lanes));
    e = vec_exp(ir, d);
    v = l_fmul(ir, l_f32_at(ir, w->c->P, at, lanes), e);
    l_store(ir, v, l_index(ir, w->c->P, at, 4));
    e = l_fmul(ir, e, l_splat(ir, w->factor, lanes));
    v = l_fmul(ir, l_f32_at(ir, w->c->A, at, lanes), e);
    l_store(ir, v, l_index(ir, w->c->A, at, 4));
}

static void weigh_pairs(const Chunk *c)
{
    Ir *ir = c->ir;
    Loop i = l_for(ir, "weigh", l_int(ir, 0), c->n, 1);
    Weigh w = {c, l_muli(ir, i.i, CHUNK), scalar_at(c, c->G, i.i), NULL};
    w.factor = LLVMBuildFNeg(ir->b, scalar_at(c, c->beta, i.i), "");
    l_lanes_upto(ir, l_addi(ir, i.i, 1), ir->lanes, weigh_lanes, &w);
    l_end(ir, &i);
}

/* ---- products with the state ---- */

/* out_i[..dv] += sum_l coef_i[l * step] b_l for rows [i, i + rows). */
typedef struct {
    LLVMValueRef (*coef)(const Chunk *c, const void *ctx, LLVMValueRef i);
    const void *ctx;
    int64_t step;
    LLVMValueRef b, depth, out;
} RowSums;

static void sum_rows(const Chunk *c, const RowSums *s, LLVMValueRef i, int rows)
{
    Ir *ir = c->ir;
    int64_t dv = c->x->dv;
    for (int r = 0; r < rows; r++) {
        LLVMValueRef k = l_addi(ir, i, r);
        set_pointer(c, r, s->coef(c, s->ctx, k));
        set_pointer(c, TILE_ROWS + r, l_index(ir, s->out, k, dv * 4));
    }
    LLVMValueRef args[] = {c->list,      l_int(ir, s->step),
                           s->b,         l_int(ir, dv),
                           s->depth,     l_at(ir, c->list, 8 * TILE_ROWS),
                           l_int(ir, dv)};
    l_call(ir, tile_gather(ir, rows), args, 7);
}

/* Rows [0, n), as many at once as fit. */
static void sum_all_rows(const Chunk *c, const RowSums *s, LLVMValueRef n)
{
    Ir *ir = c->ir;
    LLVMValueRef full = l_andi(ir, n, -TILE_ROWS);
    Loop l = l_for(ir, "rows", l_int(ir, 0), full, TILE_ROWS);
    sum_rows(c, s, l.i, TILE_ROWS);
    l_end(ir, &l);
    l = l_for(ir, "rest", full, n, 1);
    sum_rows(c, s, l.i, 1);
    l_end(ir, &l);
}

static LLVMValueRef coef_key(const Chunk *c, const void *v, LLVMValueRef i)
{
    return key_row(c, v, i);
}

static LLVMValueRef coef_pair(const Chunk *c, const void *rows, LLVMValueRef i)
{
    const LLVMValueRef *p = rows;
    return l_index(c->ir, *p, i, CHUNK * 4);
}

static LLVMValueRef coef_column(const Chunk *c, const void *ctx, LLVMValueRef l)
{
    (void)ctx;
    return l_index(c->ir, c->kd, l, 4);
}

/* out_i = S'v_i */
static void times_state(const Chunk *c, const Value *v, LLVMValueRef out)
{
    Ir *ir = c->ir;
    LLVMBuildMemSet(ir->b, out, LLVMConstInt(ir->i8, 0, false),
                    l_muli(ir, c->n, c->x->dv * 4), 4);
    RowSums s = {coef_key, v, 1, c->x->state, l_int(ir, c->x->dk), out};
    sum_all_rows(c, &s, c->n);
}

typedef struct {
    LLVMValueRef y, v, e, beta;
} Line;

/* y = beta (v - e y) */
static void right_side_lanes(Ir *ir, void *ctx, LLVMValueRef j, int lanes)
{
    const Line *l = ctx;
    LLVMValueRef at = l_index(ir, l->y, j, 4), y;
    y = l_load(ir, l_vec(ir->f32, lanes), at);
    y = l_fmul(ir, l_splat(ir, l->e, lanes), y);
    y = l_fsub(ir, l_f32_at(ir, l->v, j, lanes), y);
    l_store(ir, l_fmul(ir, l_splat(ir, l->beta, lanes), y), at);
}

/* y = e v */
static void scale_lanes(Ir *ir, void *ctx, LLVMValueRef j, int lanes)
{
    const Line *l = ctx;
    LLVMValueRef v = l_f32_at(ir, l->v, j, lanes);
    v = l_fmul(ir, l_splat(ir, l->e, lanes), v);
    l_store(ir, v, l_index(ir, l->y, j, 4));
}

static void scale(const Chunk *c, LLVMValueRef y, LLVMValueRef v,
                  LLVMValueRef e, int64_t n)
{
    Line line = {y, v, e, NULL};
    l_lanes_for(c->ir, n, c->ir->lanes, scale_lanes, &line);
}

/* D = right side, O = e^G (Q S); then both by substitution. */
static void solve(const Chunk *c)
{
    Ir *ir = c->ir;
    int64_t dv = c->x->dv;
    Loop i = l_for(ir, "solve", l_int(ir, 0), c->n, 1);
    LLVMValueRef e = scalar_at(c, c->eG, i.i),
                 o = l_index(ir, c->O, i.i, dv * 4);
    Line line = {l_index(ir, c->D, i.i, dv * 4), NULL, e,
                 scalar_at(c, c->beta, i.i)};
    line.v = delta_row(c->x, &c->x->v, token(c, i.i), c->x->rows->first);
    l_lanes_for(ir, dv, ir->lanes, right_side_lanes, &line);
    scale(c, o, o, e, dv);
    RowSums s = {coef_pair, &c->A, 1, c->D, i.i, c->D};
    sum_rows(c, &s, i.i, 1);
    s = (RowSums){coef_pair, &c->P, 1, c->D, l_addi(ir, i.i, 1), c->O};
    sum_rows(c, &s, i.i, 1);
    l_end(ir, &i);
}

/* S = e^(G_last) S + sum_j kd_j D_j' */
static void update_state(const Chunk *c)
{
    Ir *ir = c->ir;
    int64_t dk = c->x->dk;
    LLVMValueRef last = l_addi(ir, c->n, -1), G = scalar_at(c, c->G, last), e;
    Loop j = l_for(ir, "decay", l_int(ir, 0), c->n, 1);
    e = vec_exp(ir, l_fsub(ir, G, scalar_at(c, c->G, j.i)));
    scale(c, l_index(ir, c->kd, j.i, dk * 4), key_row(c, &c->x->k, j.i), e, dk);
    l_end(ir, &j);
    scale(c, c->x->state, c->x->state, scalar_at(c, c->eG, last),
          dk * c->x->dv);
    RowSums s = {coef_column, NULL, dk, c->D, c->n, c->x->state};
    sum_all_rows(c, &s, l_int(ir, dk));
}

static void finish(const Chunk *c)
{
    Loop i = l_for(c->ir, "finish", l_int(c->ir, 0), c->n, 1);
    delta_finish(c->x, token(c, i.i), l_index(c->ir, c->O, i.i, c->x->dv * 4));
    l_end(c->ir, &i);
}

static Chunk chunk_new(const Delta *x)
{
    Chunk c = {.x = x, .ir = x->ir};
    LLVMValueRef *line[] = {&c.G, &c.eG, &c.beta};
    for (int i = 0; i < 3; i++)
        *line[i] = emit_scratch_f32(x->e, CHUNK);
    c.A = emit_scratch_f32(x->e, CHUNK * CHUNK);
    c.P = emit_scratch_f32(x->e, CHUNK * CHUNK);
    c.D = emit_scratch_f32(x->e, CHUNK * x->dv);
    c.O = emit_scratch_f32(x->e, CHUNK * x->dv);
    c.kd = emit_scratch_f32(x->e, CHUNK * x->dk);
    c.list = emit_scratch(x->e, 8 * 2 * TILE_ROWS);
    return c;
}

void delta_chunked(const Delta *x)
{
    Ir *ir = x->ir;
    Chunk c = chunk_new(x);
    Loop l = l_for(ir, "chunk", l_int(ir, 0), x->e->tokens, CHUNK);
    c.t0 = l.i;
    c.n = l_min(ir, l_sub(ir, x->e->tokens, l.i), l_int(ir, CHUNK));
    sums_of_g(&c);
    pair_products(&c, &x->k, c.A);
    pair_products(&c, &x->q, c.P);
    weigh_pairs(&c);
    times_state(&c, &x->k, c.D);
    times_state(&c, &x->q, c.O);
    solve(&c);
    update_state(&c);
    finish(&c);
    l_end(ir, &l);
}
