/* sema_expr.c - operators, conditions, tensors. */
#include <string.h>

#include "dsl/print.h"
#include "dsl/sema.h"

static const Sort *fail(void) { return sort_plain(SORT_ERROR); }

bool sema_failed(const Expr *e) { return e->sort->kind == SORT_ERROR; }

const char *sema_describe(Sema *s, const Sort *sort)
{
    switch (sort->kind) {
    case SORT_INT:
        return "an int";
    case SORT_FLOAT:
        return "a float";
    case SORT_BOOL:
        return "a bool";
    case SORT_STRING:
        return "a string";
    case SORT_SCOPE:
        return "a scope of weights";
    case SORT_LIST:
        return "a list of dims";
    case SORT_WORD:
        return "a word";
    case SORT_WEIGHT:
        return sort->has_shape ? sort_text(s->a, sort) : "a weight";
    case SORT_TUPLE:
        return "several results";
    case SORT_ERROR:
    case SORT_TENSOR:
    case SORT_STATE:
        return sort_text(s->a, sort);
    }
    return "";
}

void sema_expected(Sema *s, const Expr *e, const char *what)
{
    if (!sema_failed(e))
        diag_error(s->d, e->span, "expected %s, found %s", what,
                   sema_describe(s, e->sort));
}

/* ---- tensors ---------------------------------------------------------- */

bool sema_has_shape(Sema *s, const Expr *e)
{
    if (!e->sort->has_shape)
        diag_error(s->d, e->span,
                   "a weight that is read needs its shape: %s : [...]",
                   print_expr(s->a, e));
    return e->sort->has_shape;
}

static const Sort *weight_tensor(Sema *s, Expr *e)
{
    if (!sema_has_shape(s, e))
        return NULL;
    if (e->sort->rank != 1) {
        diag_error(s->d, e->span,
                   "a weight of %d axes stands in embed, matmul and "
                   "causal_conv1d only",
                   e->sort->rank);
        return NULL;
    }
    return sort_shaped(s->a, SORT_TENSOR, ELEM_F32, 1, e->sort->dims);
}

const Sort *sema_as_tensor(Sema *s, Expr *e, ElemKind elem)
{
    if (sema_failed(e))
        return NULL;
    if (e->sort->kind == SORT_WEIGHT && elem == ELEM_F32)
        return weight_tensor(s, e);
    if (e->sort->kind == SORT_TENSOR && e->sort->elem == elem)
        return e->sort;
    sema_expected(s, e, elem == ELEM_I32 ? "an i32 tensor" : "a tensor");
    return NULL;
}

static const Poly *at_axis(const Sort *t, int rank, int i)
{
    int j = i - (rank - t->rank);
    return j < 0 ? NULL : t->dims[j];
}

/* NULL: they clash.  Missing axes and those of extent 1 stretch. */
static const Poly *broadcast_axis(const Poly *p, const Poly *q)
{
    int64_t k;
    if (!p || !q)
        return p ? p : q;
    if (poly_equal(p, q))
        return p;
    if (poly_is_const(p, &k) && k == 1)
        return q;
    return poly_is_const(q, &k) && k == 1 ? p : NULL;
}

const Sort *sema_broadcast(Sema *s, const Expr *at, const Expr *left,
                           const Sort *a, const Expr *right, const Sort *b)
{
    int rank = a->rank > b->rank ? a->rank : b->rank;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, rank + 1);
    for (int i = 0; i < rank; i++) {
        const Poly *p = at_axis(a, rank, i), *q = at_axis(b, rank, i);
        dims[i] = broadcast_axis(p, q);
        if (dims[i])
            continue;
        Buf x = {0}, y = {0};
        poly_print(p, &x);
        poly_print(q, &y);
        Diag *m =
            diag_error(s->d, at->span,
                       "these shapes do not go together: %s and %s "
                       "(%s against %s)",
                       sort_text(s->a, a), sort_text(s->a, b), x.data, y.data);
        diag_note(s->d, m, left->span, "this is %s", sort_text(s->a, a));
        diag_note(s->d, m, right->span, "this is %s", sort_text(s->a, b));
        buf_free(&x);
        buf_free(&y);
        return NULL;
    }
    return sort_shaped(s->a, SORT_TENSOR, ELEM_F32, rank, dims);
}

/* ---- operators -------------------------------------------------------- */

static bool is_number(const Sort *t)
{
    return t->kind == SORT_INT || t->kind == SORT_FLOAT;
}

/* meta(...) without a default says nothing of its own sort. */
static bool untyped(const Expr *e)
{
    switch (e->kind) {
    case EXPR_CALL:
        return (!strcmp(e->u.call.name.text, "meta") &&
                e->u.call.n_args == 1) ||
               (!strcmp(e->u.call.name.text, "meta_at") &&
                e->u.call.n_args == 2);
    case EXPR_UNARY:
        return untyped(e->u.unary.operand);
    case EXPR_BINARY:
        return untyped(e->u.binary.left) && untyped(e->u.binary.right);
    case EXPR_IF:
        return untyped(e->u.cond.then) && untyped(e->u.cond.otherwise);
    case EXPR_ERROR:
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_BOOL:
    case EXPR_STRING:
    case EXPR_NAME:
    case EXPR_WEIGHT:
    case EXPR_STATE:
    case EXPR_LIST:
        return false;
    }
    return false;
}

static SortKind wanted_beside(const Expr *other)
{
    SortKind k = other->sort->kind;
    bool number = k == SORT_TENSOR || k == SORT_WEIGHT || k == SORT_ERROR;
    return number ? SORT_FLOAT : k;
}

/* Checks two operands; each tells the other what meta(...) is in it. */
static void pair(Sema *s, Expr *left, Expr *right, SortKind want)
{
    if (want == SORT_ERROR && untyped(left) && !untyped(right)) {
        sema_expr(s, right, SORT_ERROR);
        sema_expr(s, left, wanted_beside(right));
        return;
    }
    sema_expr(s, left, want);
    bool ask = want == SORT_ERROR && untyped(right);
    sema_expr(s, right, ask ? wanted_beside(left) : want);
}

static const Poly *int_poly(Sema *s, const Expr *e)
{
    const Poly *p = e->u.binary.left->poly, *q = e->u.binary.right->poly;
    switch ((int)e->u.binary.op) {
    case BINARY_ADD:
        return poly_add(s->a, p, q);
    case BINARY_SUB:
        return poly_sub(s->a, p, q);
    case BINARY_MUL:
        return poly_mul(s->a, p, q);
    case BINARY_DIV:
        return poly_atom(s->a, ATOM_DIV, p, q);
    default:
        return poly_atom(s->a, ATOM_MOD, p, q);
    }
}

static const Sort *number_binary(Sema *s, Expr *e)
{
    const Expr *left = e->u.binary.left, *right = e->u.binary.right;
    BinaryOp op = e->u.binary.op;
    int64_t k;
    if (left->sort->kind == SORT_FLOAT || right->sort->kind == SORT_FLOAT)
        return sort_plain(SORT_FLOAT);
    if ((op == BINARY_DIV || op == BINARY_MOD) && right->poly &&
        poly_is_const(right->poly, &k) && k == 0) {
        diag_error(s->d, e->span, "division by zero");
        return fail();
    }
    e->poly = int_poly(s, e);
    if (!e->poly)
        e->poly = sema_opaque(s, e);
    return sort_plain(SORT_INT);
}

/* Number or tensor; NULL if it is neither, and reported. */
static const Sort *operand(Sema *s, Expr *e)
{
    if (is_number(e->sort))
        return e->sort;
    if (e->sort->kind == SORT_TENSOR && e->sort->elem == ELEM_I32) {
        diag_error(s->d, e->span, "no arithmetic on indices (%s)",
                   sort_text(s->a, e->sort));
        return NULL;
    }
    if (e->sort->kind == SORT_TENSOR || e->sort->kind == SORT_WEIGHT)
        return sema_as_tensor(s, e, ELEM_F32);
    sema_expected(s, e, "a number or a tensor");
    return NULL;
}

static const Sort *tensor_pair(Sema *s, const Expr *e, const Expr *left,
                               const Sort *a, const Expr *right, const Sort *b)
{
    if (is_number(a))
        return b;
    if (is_number(b))
        return a;
    const Sort *both = sema_broadcast(s, e, left, a, right, b);
    return both ? both : fail();
}

const Sort *sema_elementwise(Sema *s, Expr *e, Expr *left, Expr *right,
                             SortKind want)
{
    pair(s, left, right, want);
    const Sort *a = operand(s, left), *b = operand(s, right);
    if (!a || !b)
        return fail();
    if (is_number(a) && is_number(b))
        return NULL;
    return tensor_pair(s, e, left, a, right, b);
}

static const Sort *arithmetic(Sema *s, Expr *e, SortKind want)
{
    if (want != SORT_INT && want != SORT_FLOAT)
        want = SORT_ERROR;
    const Sort *t =
        sema_elementwise(s, e, e->u.binary.left, e->u.binary.right, want);
    if (!t)
        return number_binary(s, e);
    if (t->kind == SORT_TENSOR && e->u.binary.op == BINARY_MOD) {
        diag_error(s->d, e->span, "%% is for static ints, not for tensors");
        return fail();
    }
    return t;
}

static const Sort *comparison(Sema *s, Expr *e)
{
    Expr *left = e->u.binary.left, *right = e->u.binary.right;
    bool equality = e->u.binary.op == BINARY_EQ || e->u.binary.op == BINARY_NE;
    pair(s, left, right, SORT_ERROR);
    if (sema_failed(left) || sema_failed(right))
        return fail();
    bool numbers = is_number(left->sort) && is_number(right->sort);
    bool alike =
        left->sort->kind == right->sort->kind &&
        (left->sort->kind == SORT_BOOL || left->sort->kind == SORT_STRING);
    if (!numbers && alike && !equality) {
        diag_error(s->d, e->span, "%s is compared by == and != only",
                   sema_describe(s, left->sort));
        return fail();
    }
    if (!numbers && !alike) {
        diag_error(s->d, e->span, "%s and %s cannot be compared",
                   sema_describe(s, left->sort), sema_describe(s, right->sort));
        return fail();
    }
    return sort_plain(SORT_BOOL);
}

static const Sort *logic(Sema *s, Expr *e)
{
    bool a = sema_scalar(s, e->u.binary.left, SORT_BOOL);
    bool b = sema_scalar(s, e->u.binary.right, SORT_BOOL);
    return a && b ? sort_plain(SORT_BOOL) : fail();
}

static const Sort *binary_sort(Sema *s, Expr *e, SortKind want)
{
    switch (e->u.binary.op) {
    case BINARY_OR:
    case BINARY_AND:
        return logic(s, e);
    case BINARY_EQ:
    case BINARY_NE:
    case BINARY_LT:
    case BINARY_LE:
    case BINARY_GT:
    case BINARY_GE:
        return comparison(s, e);
    case BINARY_ADD:
    case BINARY_SUB:
    case BINARY_MUL:
    case BINARY_DIV:
    case BINARY_MOD:
        return arithmetic(s, e, want);
    case BINARY_COUNT:
        break;
    }
    return fail();
}

static const Sort *unary_sort(Sema *s, Expr *e, SortKind want)
{
    Expr *x = e->u.unary.operand;
    if (e->u.unary.op == UNARY_NOT)
        return sema_scalar(s, x, SORT_BOOL) ? sort_plain(SORT_BOOL) : fail();
    sema_expr(s, x, want);
    const Sort *t = operand(s, x);
    if (!t)
        return fail();
    if (t->kind == SORT_INT) {
        e->poly = poly_sub(s->a, poly_const(s->a, 0), x->poly);
        if (!e->poly)
            e->poly = sema_opaque(s, e);
    }
    return t;
}

/* ---- the rest --------------------------------------------------------- */

static const Sort *if_sort(Sema *s, Expr *e, SortKind want)
{
    Expr *a = e->u.cond.then, *b = e->u.cond.otherwise;
    sema_scalar(s, e->u.cond.cond, SORT_BOOL);
    pair(s, a, b, want);
    if (sema_failed(a) || sema_failed(b))
        return fail();
    if (is_number(a->sort) && is_number(b->sort) &&
        a->sort->kind != b->sort->kind)
        return sort_plain(SORT_FLOAT);
    if (!sort_equal(a->sort, b->sort)) {
        diag_error(s->d, e->span, "the branches differ: %s and %s",
                   sema_describe(s, a->sort), sema_describe(s, b->sort));
        return fail();
    }
    if (a->sort->kind == SORT_INT)
        e->poly = poly_equal(a->poly, b->poly) ? a->poly : sema_opaque(s, e);
    return a->sort;
}

static const Sort *string_sort(Sema *s, Expr *e)
{
    for (int i = 0; i < e->u.string.n_parts; i++) {
        Expr *name = e->u.string.parts[i].name;
        if (!name)
            continue;
        const Sort *t = sema_expr(s, name, SORT_ERROR);
        if (t->kind != SORT_INT && t->kind != SORT_STRING)
            sema_expected(s, name, "an int or a string");
    }
    return sort_plain(SORT_STRING);
}

static const Sort *weight_sort(Sema *s, Expr *e)
{
    Expr *scope = e->u.weight.scope;
    int n = e->u.weight.n_dims;
    const Poly **dims = ARENA_ARRAY(s->a, const Poly *, n + 1);
    sema_expr(s, scope, SORT_ERROR);
    if (scope->sort->kind != SORT_SCOPE)
        sema_expected(s, scope, "a scope of weights before the point");
    bool sound = scope->sort->kind == SORT_SCOPE;
    for (int i = 0; i < n; i++)
        sound &= (dims[i] = sema_dim(s, e->u.weight.dims[i], false)) != NULL;
    if (!sound)
        return fail();
    if (n > SEMA_MAX_RANK) {
        diag_error(s->d, e->span, "a weight has at most %d axes",
                   SEMA_MAX_RANK);
        return fail();
    }
    return e->u.weight.dims ? sort_shaped(s->a, SORT_WEIGHT, ELEM_F32, n, dims)
                            : sort_plain(SORT_WEIGHT);
}

static const Sort *out_of_place(Sema *s, Expr *e)
{
    diag_error(s->d, e->span,
               e->kind == EXPR_LIST
                   ? "a list of dims stands in reshape and split only"
                   : "a state stands in append, causal_conv1d and delta_rule "
                     "only");
    return fail();
}

static const Sort *any_sort(Sema *s, Expr *e, SortKind want)
{
    switch (e->kind) {
    case EXPR_ERROR:
        return fail();
    case EXPR_INT:
        e->poly = poly_const(s->a, e->u.integer);
        return sort_plain(SORT_INT);
    case EXPR_FLOAT:
        return sort_plain(SORT_FLOAT);
    case EXPR_BOOL:
        return sort_plain(SORT_BOOL);
    case EXPR_STRING:
        return string_sort(s, e);
    case EXPR_NAME:
        return sema_name(s, e);
    case EXPR_UNARY:
        return unary_sort(s, e, want);
    case EXPR_BINARY:
        return binary_sort(s, e, want);
    case EXPR_IF:
        return if_sort(s, e, want);
    case EXPR_CALL:
        return sema_call(s, e, want);
    case EXPR_WEIGHT:
        return weight_sort(s, e);
    case EXPR_STATE:
    case EXPR_LIST:
        return out_of_place(s, e);
    }
    return fail();
}

static bool exhausted(Sema *s, const Expr *e)
{
    if (!s->exhausted && arena_bytes(s->a) > MAX_MEMORY) {
        s->exhausted = true;
        diag_error(s->d, e->span,
                   "this text takes too much memory to check; given up here");
    }
    return s->exhausted;
}

const Sort *sema_expr(Sema *s, Expr *e, SortKind want)
{
    if (exhausted(s, e))
        return e->sort = fail();
    bool arithmetic_only = e->kind == EXPR_NAME || e->kind == EXPR_INT ||
                           e->kind == EXPR_BINARY || e->kind == EXPR_UNARY;
    bool in_dims = s->in_dims;
    s->in_dims = in_dims && arithmetic_only;
    e->sort = any_sort(s, e, want);
    s->in_dims = in_dims;
    return e->sort;
}

static const char *const scalar_names[] = {
    [SORT_INT] = "an int",
    [SORT_FLOAT] = "a number",
    [SORT_BOOL] = "a bool",
    [SORT_STRING] = "a string",
};

bool sema_scalar(Sema *s, Expr *e, SortKind kind)
{
    SortKind k = sema_expr(s, e, kind)->kind;
    if (k == kind || (kind == SORT_FLOAT && k == SORT_INT))
        return true;
    sema_expected(s, e, scalar_names[kind]);
    return false;
}

const Poly *sema_dim(Sema *s, Expr *e, bool symbols)
{
    bool in_dims = s->in_dims;
    int64_t k;
    s->in_dims = symbols;
    bool is_int = sema_scalar(s, e, SORT_INT);
    s->in_dims = in_dims;
    if (is_int && poly_is_const(e->poly, &k) && k < 1) {
        diag_error(s->d, e->span, "an extent is at least 1");
        return NULL;
    }
    if (!is_int)
        return NULL;
    return e->kind == EXPR_INT
               ? e->poly
               : poly_spelled(s->a, e->poly, print_dim(s->a, e));
}
