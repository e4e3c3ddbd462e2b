/* Polynomials: their laws at random points, and what they refuse. */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "dsl/poly.h"

enum { VARS = 4, ROUNDS = 4000 };

static uint32_t seed = 1;

static int64_t pick(int64_t from, int64_t to)
{
    seed = seed * 1664525u + 1013904223u;
    return from + (int64_t)((seed >> 8) % (uint32_t)(to - from + 1));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* What a Poly is worth where variable i is at[i]. */
static int64_t worth(const Poly *p, const int64_t *at);

static int64_t var_worth(const PolyVar *v, const int64_t *at)
{
    if (v->kind == ATOM_NAME)
        return at[v->order];
    int64_t a = worth(v->args[0], at), b = worth(v->args[1], at);
    switch (v->kind) {
    case ATOM_DIV:
        return b ? floor_div(a, b) : 0;
    case ATOM_MOD:
        return b ? a - b * floor_div(a, b) : 0;
    case ATOM_MIN:
        return a < b ? a : b;
    case ATOM_MAX:
        return a > b ? a : b;
    case ATOM_NAME:
    case ATOM_OPAQUE:
        break;
    }
    cr_assert_fail("no such atom here");
    return 0;
}

static int64_t worth(const Poly *p, const int64_t *at)
{
    int64_t sum = 0;
    for (int i = 0; i < p->n_terms; i++) {
        int64_t term = p->terms[i].factor;
        for (int j = 0; j < p->terms[i].n_vars; j++)
            term *= var_worth(p->terms[i].vars[j], at);
        sum += term;
    }
    return sum;
}

static const Poly *var(Arena *a, int i)
{
    static const char *const names[VARS] = {"p", "q", "r", "s"};
    return poly_name(a, names[i], (uint32_t)i);
}

static const Poly *any(Arena *a, int depth)
{
    if (depth == 0)
        return pick(0, 1) ? var(a, (int)pick(0, VARS - 1))
                          : poly_const(a, pick(-3, 5));
    const Poly *x = any(a, depth - 1), *y = any(a, depth - 1), *z = NULL;
    switch (pick(0, 5)) {
    case 0:
        z = poly_sub(a, x, y);
        break;
    case 1:
        z = poly_mul(a, x, y);
        break;
    case 2:
        z = poly_atom(a, ATOM_DIV, x, y);
        break;
    case 3:
        z = poly_atom(a, pick(0, 1) ? ATOM_MIN : ATOM_MAX, x, y);
        break;
    default:
        z = poly_add(a, x, y);
    }
    return z ? z : x;
}

static void point(int64_t *at)
{
    for (int i = 0; i < VARS; i++)
        at[i] = pick(1, 9);
}

Test(poly, arithmetic_is_that_of_numbers)
{
    for (int round = 0; round < ROUNDS; round++) {
        Arena *a = arena_new();
        int64_t at[VARS];
        point(at);
        const Poly *x = any(a, 2), *y = any(a, 2);
        int64_t u = worth(x, at), v = worth(y, at);
        const Poly *sum = poly_add(a, x, y), *product = poly_mul(a, x, y);
        const Poly *quotient = poly_atom(a, ATOM_DIV, x, y);
        const Poly *rest = poly_atom(a, ATOM_MOD, x, y);
        cr_assert(!sum || worth(sum, at) == u + v);
        cr_assert(!product || worth(product, at) == u * v);
        if (v != 0) {
            cr_assert(!quotient || worth(quotient, at) == floor_div(u, v));
            cr_assert(!rest || worth(rest, at) == u - v * floor_div(u, v));
        }
        arena_free(a);
    }
}

Test(poly, normal_form)
{
    for (int round = 0; round < ROUNDS; round++) {
        Arena *a = arena_new();
        const Poly *x = any(a, 2), *y = any(a, 2), *z = any(a, 1);
        const Poly *xy = poly_add(a, x, y), *yx = poly_add(a, y, x);
        cr_assert(!xy || poly_equal(xy, yx));
        const Poly *left = poly_mul(a, xy, z);
        const Poly *right = poly_add(a, poly_mul(a, x, z), poly_mul(a, y, z));
        cr_assert(!left || !right || poly_equal(left, right));
        const Poly *none = poly_sub(a, x, x);
        cr_assert_eq(none->n_terms, 0);
        arena_free(a);
    }
}

Test(poly, substitution)
{
    for (int round = 0; round < ROUNDS; round++) {
        Arena *a = arena_new();
        int64_t at[VARS], after[VARS];
        const uint32_t order[2] = {0, 2};
        const Poly *x = any(a, 3);
        const Poly *by[2] = {poly_const(a, pick(1, 4)), any(a, 1)};
        PolyMap map = {2, order, by};
        point(at);
        for (int i = 0; i < VARS; i++)
            after[i] = at[i];
        after[0] = worth(by[0], at);
        after[2] = worth(by[1], at);
        const Poly *y = poly_subst(a, x, &map);
        cr_assert(!y || worth(y, at) == worth(x, after));
        arena_free(a);
    }
}

static void check_text(const Poly *p, const char *text)
{
    Buf b = {0};
    poly_print(p, &b);
    cr_assert_str_eq(b.data, text);
    buf_free(&b);
}

Test(poly, printing)
{
    Arena *a = arena_new();
    const Poly *p = var(a, 0), *q = var(a, 1), *two = poly_const(a, 2);
    const Poly *pq = poly_mul(a, p, q);
    check_text(poly_add(a, poly_mul(a, two, pq), q), "2*p*q + q");
    check_text(poly_sub(a, p, poly_const(a, 1)), "p - 1");
    check_text(poly_sub(a, poly_const(a, 0), pq), "-p*q");
    check_text(poly_const(a, 0), "0");
    check_text(poly_const(a, INT64_MIN), "-9223372036854775808");
    check_text(poly_atom(a, ATOM_DIV, poly_add(a, p, q), two), "((p + q)/2)");
    check_text(poly_atom(a, ATOM_DIV, pq, q), "p");
    check_text(poly_atom(a, ATOM_MOD, pq, q), "0");
    check_text(poly_spelled(a, pq, "q*p"), "q*p");
    arena_free(a);
}

/* Whatever the sizes, the answer is a Poly or a refusal, and soon. */
Test(poly, limits)
{
    Arena *a = arena_new();
    const Poly *big = poly_const(a, INT64_MAX), *p = var(a, 0);
    cr_assert_null(poly_add(a, big, poly_const(a, 1)));
    cr_assert_null(poly_mul(a, big, poly_const(a, 2)));
    cr_assert_null(poly_mul(a, poly_mul(a, big, p), poly_const(a, -3)));
    cr_assert_null(poly_atom(a, ATOM_DIV, p, poly_const(a, 0)));
    cr_assert_null(
        poly_atom(a, ATOM_DIV, poly_const(a, INT64_MIN), poly_const(a, -1)));
    const Poly *x = poly_add(a, p, poly_const(a, 1)), *y = p;
    int steps = 0;
    while (x && y && steps++ < 100) {
        x = poly_mul(a, x, x);
        y = poly_atom(a, ATOM_MAX, poly_atom(a, ATOM_DIV, y, var(a, 1)), y);
    }
    cr_assert_lt(steps, 20);
    const Poly *args[1] = {var(a, 3)};
    cr_assert(
        poly_equal(poly_opaque(a, "f", args, 1), poly_opaque(a, "f", args, 1)));
    cr_assert_not(
        poly_equal(poly_opaque(a, "f", args, 1), poly_opaque(a, "g", args, 1)));
    arena_free(a);
}
