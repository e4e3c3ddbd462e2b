/* sema_rules.c - what single builtins ask beyond their row in the table. */
#include <string.h>

#include "dsl/sema.h"

static const Sort *fail(void) { return sort_plain(SORT_ERROR); }

/* *t is what the slot holds as a tensor. */
static const Sort *tensor_of(const Match *m, const char *slot)
{
    Expr *e = match_arg(m, slot);
    return sema_as_tensor(m->s, e, ELEM_F32);
}

const Sort *sema_shape(Match *m, const Sort *result, SortKind want)
{
    (void)m;
    (void)want;
    return result;
}

/* ---- static ----------------------------------------------------------- */

static bool is_scalar(SortKind k)
{
    return k == SORT_INT || k == SORT_FLOAT || k == SORT_BOOL ||
           k == SORT_STRING;
}

/* The default says what sort the value has, else the place where it stands. */
const Sort *sema_meta(Match *m, const Sort *result, SortKind want)
{
    Sema *s = m->s;
    Expr *value = match_arg(m, "default");
    (void)result;
    if (value) {
        SortKind k = sema_expr(s, value, want)->kind;
        if (k == SORT_ERROR)
            return fail();
        if (!is_scalar(k)) {
            sema_expected(s, value, "an int, float, bool or string");
            return fail();
        }
        bool as_float = want == SORT_FLOAT && k == SORT_INT;
        return sort_plain(as_float ? SORT_FLOAT : k);
    }
    if (is_scalar(want))
        return sort_plain(want);
    diag_error(s->d, m->call->span,
               "nothing tells the type of this value; bind it with 'param "
               "NAME: TYPE = ...' or give a default");
    return fail();
}

const Sort *sema_has_meta(Match *m, const Sort *result, SortKind want)
{
    (void)m;
    (void)result;
    (void)want;
    return sort_plain(SORT_BOOL);
}

const Sort *sema_has(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    Expr *w = match_arg(m, "weight");
    if (w->kind == EXPR_WEIGHT && !w->sort->has_shape)
        return sort_plain(SORT_BOOL);
    diag_error(m->s->d, w->span,
               "has takes the name of a weight only: "
               "has(w.attn_q)");
    return fail();
}

const Sort *sema_extent(Match *m, const Sort *result, SortKind want)
{
    (void)m;
    (void)result;
    (void)want;
    return sort_plain(SORT_INT);
}

const Sort *sema_weights(Match *m, const Sort *result, SortKind want)
{
    (void)m;
    (void)result;
    (void)want;
    return sort_plain(SORT_SCOPE);
}

/* ---- elementwise ------------------------------------------------------ */

const Sort *sema_minmax(Match *m, const Sort *result, SortKind want)
{
    Sema *s = m->s;
    Expr *a = match_arg(m, "a"), *b = match_arg(m, "b"), *e = m->call;
    (void)result;
    if (want != SORT_INT && want != SORT_FLOAT)
        want = SORT_ERROR;
    const Sort *t = sema_elementwise(s, e, a, b, want);
    if (t)
        return t;
    if (a->sort->kind == SORT_FLOAT || b->sort->kind == SORT_FLOAT)
        return sort_plain(SORT_FLOAT);
    bool max = e->u.call.builtin == BUILTIN_MAX;
    e->poly = poly_atom(s->a, max ? ATOM_MAX : ATOM_MIN, a->poly, b->poly);
    return sort_plain(SORT_INT);
}

const Sort *sema_sqrt(Match *m, const Sort *result, SortKind want)
{
    Expr *x = match_arg(m, "x");
    (void)result;
    (void)want;
    SortKind k = sema_expr(m->s, x, SORT_FLOAT)->kind;
    if (k == SORT_INT || k == SORT_FLOAT)
        return sort_plain(SORT_FLOAT);
    const Sort *t = sema_as_tensor(m->s, x, ELEM_F32);
    return t ? t : fail();
}

/* ---- matrix products -------------------------------------------------- */

static const Sort *last_axis(Match *m, const Sort *x, const Poly *last)
{
    const Poly **dims = ARENA_ARRAY(m->s->a, const Poly *, x->rank);
    for (int i = 0; i + 1 < x->rank; i++)
        dims[i] = x->dims[i];
    dims[x->rank - 1] = last;
    return match_tensor(m->s, ELEM_F32, x->rank, dims);
}

/* [D] is [D, 1] to a matrix product, as files have it. */
static bool matmul_weight(Match *m, int rank)
{
    const Expr *w = match_arg(m, "w");
    if (w->sort->rank == rank)
        return true;
    diag_error(m->s->d, w->span, "expected %s as 'w' of matmul, found %s",
               rank == 3 ? "[K, N, E]" : "[K, N]", sort_text(m->s->a, w->sort));
    return false;
}

static const char *dim_text(Sema *s, const Poly *p)
{
    Buf b = {0};
    poly_print(p, &b);
    const char *text = arena_strndup(s->a, b.data, b.n);
    buf_free(&b);
    return text;
}

static bool matmul_inner(Match *m, const Sort *x)
{
    Sema *s = m->s;
    const Expr *w = match_arg(m, "w"), *at = match_arg(m, "x");
    const Poly *inner = x->dims[x->rank - 1];
    if (poly_equal(inner, w->sort->dims[0]))
        return true;
    Diag *d = diag_error(s->d, w->span,
                         "expected [%s, ...] as 'w' of matmul, found %s",
                         dim_text(s, inner), sort_text(s->a, w->sort));
    diag_note(s->d, d, at->span, "this is %s", sort_text(s->a, x));
    return false;
}

/* x is [T, K] (one input for all k experts) or [T, k, K]. */
static const Sort *matmul_experts(Match *m, const Sort *x, const Sort *w)
{
    Sema *s = m->s;
    const Expr *at = match_arg(m, "experts");
    const Sort *ids = at->sort;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, 3);
    bool same = ids->rank == 2 && (x->rank == 2 || x->rank == 3);
    for (int i = 0; same && i + 1 < x->rank; i++)
        same = poly_equal(x->dims[i], ids->dims[i]);
    if (!same) {
        Diag *d = diag_error(s->d, at->span,
                             "expected i32[T, k] for x [T, K] or [T, k, K], "
                             "found %s",
                             sort_text(s->a, ids));
        diag_note(s->d, d, match_arg(m, "x")->span, "x is %s",
                  sort_text(s->a, x));
        return fail();
    }
    dims[0] = ids->dims[0];
    dims[1] = ids->dims[1];
    dims[2] = w->dims[1];
    return match_tensor(s, ELEM_F32, 3, dims);
}

const Sort *sema_matmul(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    const Sort *x = tensor_of(m, "x"), *w = match_arg(m, "w")->sort;
    bool experts = match_arg(m, "experts") != NULL;
    if (!matmul_weight(m, experts ? 3 : 2) || !matmul_inner(m, x))
        return fail();
    return experts ? matmul_experts(m, x, w) : last_axis(m, x, w->dims[1]);
}

/* ---- shapes ----------------------------------------------------------- */

/* NULL if too large to compare. */
static const Poly *product(Sema *s, const Sort *t, const Poly *from, int first)
{
    for (int i = first; i < t->rank; i++)
        from = poly_mul(s->a, from, t->dims[i]);
    return from;
}

static bool few_axes(Sema *s, Span at, int rank)
{
    if (rank > SEMA_MAX_RANK)
        diag_error(s->d, at, "a tensor has at most %d axes", SEMA_MAX_RANK);
    return rank <= SEMA_MAX_RANK;
}

const Sort *sema_reshape(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    Sema *s = m->s;
    const Sort *x = tensor_of(m, "x"), *list = match_arg(m, "dims")->sort;
    const Poly *one = poly_const(s->a, 1);
    const Poly *a = product(s, x, one, 0), *b = product(s, list, one, 0);
    const Sort *to = match_tensor(s, ELEM_F32, list->rank, list->dims);
    if (!few_axes(s, match_arg(m, "dims")->span, list->rank))
        return fail();
    if (a && b && poly_equal(a, b))
        return to;
    Diag *d = diag_error(s->d, match_arg(m, "dims")->span,
                         "%s and %s have different numbers of values",
                         sort_text(s->a, x), sort_text(s->a, to));
    diag_note(s->d, d, match_arg(m, "x")->span, "this is %s",
              sort_text(s->a, x));
    return fail();
}

static const Sort *split_part(Match *m, const Sort *x, const Sort *group)
{
    int lead = x->rank - 1, rank = lead + group->rank;
    const Poly **dims = ARENA_ARRAY(m->s->a, const Poly *, rank + 1);
    for (int i = 0; i < rank; i++)
        dims[i] = i < lead ? x->dims[i] : group->dims[i - lead];
    return match_tensor(m->s, ELEM_F32, rank, dims);
}

const Sort *sema_split(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    Sema *s = m->s;
    const Expr *call = m->call;
    const Sort *x = tensor_of(m, "x");
    int n = call->u.call.n_slots - 1;
    if (n == 0) {
        diag_error(s->d, call->span, "split into what? split(x, [a], [b])");
        return fail();
    }
    const Sort **items = ARENA_ARRAY(s->a, const Sort *, n);
    const Poly *sum = poly_const(s->a, 0);
    for (int i = 0; i < n; i++) {
        const Sort *group = call->u.call.slots[i + 1]->sort;
        sum = poly_add(s->a, sum, product(s, group, poly_const(s->a, 1), 0));
        items[i] = split_part(m, x, group);
        if (!few_axes(s, call->u.call.slots[i + 1]->span, items[i]->rank))
            return fail();
    }
    const Poly *last = x->dims[x->rank - 1];
    if (sum && poly_equal(sum, last))
        return n == 1 ? items[0] : sort_tuple(s->a, n, items);
    Diag *d =
        diag_error(s->d, call->span, "the groups hold %s, not %s",
                   sum ? dim_text(s, sum) : "too much", dim_text(s, last));
    diag_note(s->d, d, match_arg(m, "x")->span, "this is %s",
              sort_text(s->a, x));
    return fail();
}

const Sort *sema_slice(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    Sema *s = m->s;
    const Sort *x = tensor_of(m, "x");
    const Poly *begin = match_arg(m, "begin")->poly;
    const Poly *size = match_arg(m, "size")->poly;
    const Poly *last = x->dims[x->rank - 1];
    const Poly *rest = poly_sub(s->a, last, poly_add(s->a, begin, size));
    int64_t k, from, length;
    bool below = poly_is_const(begin, &from) && from < 0;
    bool none = poly_is_const(size, &length) && length < 1;
    if (!below && !none && !(rest && poly_is_const(rest, &k) && k < 0))
        return last_axis(m, x, size);
    diag_error(s->d, m->call->span, "%s elements from %s on are not within %s",
               dim_text(s, size), dim_text(s, begin), dim_text(s, last));
    return fail();
}

const Sort *sema_concat(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    Sema *s = m->s;
    const Sort *a = tensor_of(m, "a"), *b = tensor_of(m, "b");
    bool same = a->rank == b->rank;
    for (int i = 0; same && i + 1 < a->rank; i++)
        same = poly_equal(a->dims[i], b->dims[i]);
    const Poly *sum =
        same ? poly_add(s->a, a->dims[a->rank - 1], b->dims[b->rank - 1])
             : NULL;
    if (sum)
        return last_axis(m, a, sum);
    diag_error(s->d, m->call->span, "%s and %s differ before their last axis",
               sort_text(s->a, a), sort_text(s->a, b));
    return fail();
}

/* ---- positions and states --------------------------------------------- */

const Sort *sema_rope(Match *m, const Sort *result, SortKind want)
{
    (void)want;
    Sema *s = m->s;
    const Expr *dims = match_arg(m, "dims");
    Expr *factors = match_arg(m, "factors");
    int64_t k, rest;
    if (poly_is_const(dims->poly, &k) && (k < 2 || k % 2 != 0)) {
        diag_error(s->d, dims->span, "dims turn in pairs: an even number");
        return fail();
    }
    const Poly *d = match_value(m, "d");
    const Poly *left = poly_sub(s->a, d, dims->poly);
    if (left && poly_is_const(left, &rest) && rest < 0) {
        diag_error(s->d, dims->span, "%s of only %s dims cannot turn",
                   dim_text(s, dims->poly), dim_text(s, d));
        return fail();
    }
    const Poly *half =
        poly_atom(s->a, ATOM_DIV, dims->poly, poly_const(s->a, 2));
    if (factors && half && !poly_equal(factors->sort->dims[0], half)) {
        diag_error(s->d, factors->span,
                   "expected [%s] as 'factors' of rope, found %s",
                   dim_text(s, half), sort_text(s->a, factors->sort));
        return fail();
    }
    return result;
}

static bool stored(Match *m, const char *slot, bool per_token)
{
    const Expr *e = match_arg(m, slot);
    const Decl *state = e->u.state.decl;
    if ((state->u.state.store != STORE_FIXED) == per_token)
        return true;
    Diag *d = diag_error(m->s->d, e->span, "%s needs a %s state",
                         m->call->u.call.name.text,
                         per_token ? "'per token'" : "'fixed'");
    diag_note(m->s->d, d, state->name.span, "declared here");
    return false;
}

/* The state is what was declared; the rows have to fit it. */
const Sort *sema_append(Match *m, const Sort *result, SortKind want)
{
    (void)want;
    Sema *s = m->s;
    const Sort *x = tensor_of(m, "x"), *row = match_arg(m, "to")->sort;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, row->rank + 1);
    dims[0] = poly_name(s->a, "T", ORDER_T);
    for (int i = 0; i < row->rank; i++)
        dims[i + 1] = row->dims[i];
    const Sort *rows = match_tensor(s, ELEM_F32, row->rank + 1, dims);
    if (!stored(m, "to", true))
        return fail();
    if (sort_equal(rows, x))
        return result;
    Diag *d = diag_error(s->d, match_arg(m, "x")->span,
                         "expected %s as 'x' of append, found %s",
                         sort_text(s->a, rows), sort_text(s->a, x));
    diag_note(s->d, d, match_arg(m, "to")->span, "this is %s",
              sort_text(s->a, row));
    return fail();
}

const Sort *sema_conv1d(Match *m, const Sort *result, SortKind want)
{
    (void)want;
    Sema *s = m->s;
    const Expr *state = match_arg(m, "state");
    if (!stored(m, "state", false))
        return fail();
    const Poly *rows = poly_sub(s->a, match_value(m, "K"), poly_const(s->a, 1));
    if (rows && poly_equal(rows, state->sort->dims[0]))
        return result;
    Diag *d = diag_error(s->d, state->span,
                         "expected [%s, ...] as 'state' of causal_conv1d, "
                         "found %s",
                         rows ? dim_text(s, rows) : "K - 1",
                         sort_text(s->a, state->sort));
    diag_note(s->d, d, match_arg(m, "w")->span, "this is %s",
              sort_text(s->a, match_arg(m, "w")->sort));
    return fail();
}

const Sort *sema_delta_rule(Match *m, const Sort *result, SortKind want)
{
    (void)want;
    return stored(m, "state", false) ? result : fail();
}

/* ---- experts ---------------------------------------------------------- */

const Sort *sema_topk(Match *m, const Sort *result, SortKind want)
{
    (void)result;
    (void)want;
    Sema *s = m->s;
    const Expr *count = match_arg(m, "k");
    const Poly *rest = poly_sub(s->a, match_value(m, "E"), count->poly);
    int64_t k, left;
    bool none = poly_is_const(count->poly, &k) && k < 1;
    if (none || (rest && poly_is_const(rest, &left) && left < 0)) {
        diag_error(s->d, count->span, "not between 1 and %s",
                   dim_text(s, match_value(m, "E")));
        return fail();
    }
    const Sort *t = last_axis(m, tensor_of(m, "x"), count->poly);
    return match_tensor(s, ELEM_I32, t->rank, t->dims);
}
