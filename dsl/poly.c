#include "dsl/poly.h"

#include <inttypes.h>
#include <string.h>

/* NULL if the tree is too big. */
static const Poly *make(Arena *a, int n, const PolyTerm *terms)
{
    Poly *p = ARENA_NEW(a, Poly);
    p->n_terms = n;
    p->terms = terms;
    for (int i = 0; i < n && p->size <= POLY_MAX_SIZE; i++) {
        p->size++;
        for (int j = 0; j < terms[i].n_vars; j++)
            p->size += terms[i].vars[j]->size;
    }
    return p->size > POLY_MAX_SIZE ? NULL : p;
}

const Poly *poly_const(Arena *a, int64_t k)
{
    PolyTerm *t = ARENA_NEW(a, PolyTerm);
    t->factor = k;
    return make(a, k != 0, t);
}

static const Poly *of_var(Arena *a, const PolyVar *v)
{
    const PolyVar **vars = ARENA_ARRAY(a, const PolyVar *, 1);
    vars[0] = v;
    PolyTerm *t = ARENA_NEW(a, PolyTerm);
    *t = (PolyTerm){.factor = 1, .n_vars = 1, .vars = vars};
    return make(a, 1, t);
}

const Poly *poly_name(Arena *a, const char *name, uint32_t order)
{
    PolyVar *v = ARENA_NEW(a, PolyVar);
    *v = (PolyVar){ATOM_NAME, order, name, 0, 1, NULL};
    return of_var(a, v);
}

static const Poly *make_atom(Arena *a, AtomKind kind, const char *text,
                             const Poly *const *args, int n)
{
    PolyVar *v = ARENA_NEW(a, PolyVar);
    const Poly **copy = ARENA_ARRAY(a, const Poly *, n > 0 ? n : 1);
    *v = (PolyVar){kind, 0, text, n, 1, copy};
    for (int i = 0; i < n; i++) {
        copy[i] = args[i];
        v->size += args[i]->size;
        if (v->size > POLY_MAX_SIZE)
            return NULL;
    }
    return of_var(a, v);
}

const Poly *poly_opaque(Arena *a, const char *text, const Poly *const *args,
                        int n_args)
{
    const Poly *p = make_atom(a, ATOM_OPAQUE, text, args, n_args);
    return p ? p : make_atom(a, ATOM_OPAQUE, text, NULL, 0);
}

const Poly *poly_spelled(Arena *a, const Poly *p, const char *spelling)
{
    Poly *q = ARENA_NEW(a, Poly);
    *q = *p;
    q->spelling = spelling;
    return q;
}

/* ---- order ------------------------------------------------------------ */

static int poly_cmp(const Poly *p, const Poly *q);

static int sign(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int var_cmp(const PolyVar *v, const PolyVar *w)
{
    if (v == w)
        return 0;
    if (v->kind != w->kind)
        return sign(v->kind, w->kind);
    if (v->kind == ATOM_NAME)
        return sign(v->order, w->order);
    int c = v->kind == ATOM_OPAQUE ? strcmp(v->name, w->name) : 0;
    if (c == 0)
        c = sign(v->n_args, w->n_args);
    for (int i = 0; c == 0 && i < v->n_args; i++)
        c = poly_cmp(v->args[i], w->args[i]);
    return c;
}

/* Terms without variables, the constants, come last. */
static int term_cmp(const PolyTerm *s, const PolyTerm *t)
{
    for (int i = 0; i < s->n_vars && i < t->n_vars; i++) {
        int c = var_cmp(s->vars[i], t->vars[i]);
        if (c != 0)
            return c;
    }
    return sign(t->n_vars, s->n_vars);
}

static int poly_cmp(const Poly *p, const Poly *q)
{
    if (p == q)
        return 0;
    int c = sign(p->n_terms, q->n_terms);
    for (int i = 0; c == 0 && i < p->n_terms; i++) {
        c = term_cmp(&p->terms[i], &q->terms[i]);
        if (c == 0)
            c = sign(p->terms[i].factor, q->terms[i].factor);
    }
    return c;
}

bool poly_equal(const Poly *p, const Poly *q) { return poly_cmp(p, q) == 0; }

bool poly_is_const(const Poly *p, int64_t *k)
{
    *k = p->n_terms == 0 ? 0 : p->terms[0].factor;
    return p->n_terms == 0 || (p->n_terms == 1 && p->terms[0].n_vars == 0);
}

bool poly_is_name(const Poly *p, uint32_t order)
{
    return p->n_terms == 1 && p->terms[0].factor == 1 &&
           p->terms[0].n_vars == 1 && p->terms[0].vars[0]->kind == ATOM_NAME &&
           p->terms[0].vars[0]->order == order;
}

/* Any variable with an order from..to. */
static bool uses_between(const Poly *p, uint32_t from, uint32_t to);

static bool var_uses(const PolyVar *v, uint32_t from, uint32_t to)
{
    if (v->kind == ATOM_NAME)
        return v->order >= from && v->order <= to;
    for (int i = 0; i < v->n_args; i++)
        if (uses_between(v->args[i], from, to))
            return true;
    return false;
}

static bool uses_between(const Poly *p, uint32_t from, uint32_t to)
{
    for (int i = 0; i < p->n_terms; i++)
        for (int j = 0; j < p->terms[i].n_vars; j++)
            if (var_uses(p->terms[i].vars[j], from, to))
                return true;
    return false;
}

bool poly_uses(const Poly *p, uint32_t order)
{
    return uses_between(p, order, order);
}

bool poly_uses_from(const Poly *p, uint32_t order)
{
    return uses_between(p, order, UINT32_MAX);
}

bool poly_has_atoms(const Poly *p)
{
    for (int i = 0; i < p->n_terms; i++)
        for (int j = 0; j < p->terms[i].n_vars; j++)
            if (p->terms[i].vars[j]->kind != ATOM_NAME)
                return true;
    return false;
}

/* ---- arithmetic ------------------------------------------------------- */

/* Merges two sorted sums, the second times `by` (1 or -1). */
static const Poly *merge(Arena *a, const Poly *p, const Poly *q, int64_t by)
{
    PolyTerm *out = ARENA_ARRAY(a, PolyTerm, p->n_terms + q->n_terms + 1);
    int n = 0, i = 0, j = 0;
    while (i < p->n_terms || j < q->n_terms) {
        int c = i == p->n_terms   ? 1
                : j == q->n_terms ? -1
                                  : term_cmp(&p->terms[i], &q->terms[j]);
        int64_t f = c <= 0 ? p->terms[i].factor : 0;
        PolyTerm t = c <= 0 ? p->terms[i] : q->terms[j];
        if (c >= 0) {
            int64_t g;
            if (__builtin_mul_overflow(q->terms[j].factor, by, &g) ||
                __builtin_add_overflow(f, g, &f))
                return NULL;
        }
        t.factor = f;
        if (f != 0)
            out[n++] = t;
        i += c <= 0;
        j += c >= 0;
    }
    return make(a, n, out);
}

const Poly *poly_add(Arena *a, const Poly *p, const Poly *q)
{
    return p && q ? merge(a, p, q, 1) : NULL;
}

const Poly *poly_sub(Arena *a, const Poly *p, const Poly *q)
{
    return p && q ? merge(a, p, q, -1) : NULL;
}

static bool term_mul(Arena *a, const PolyTerm *s, const PolyTerm *t,
                     PolyTerm *out)
{
    int n = s->n_vars + t->n_vars, i = 0, j = 0;
    if (n > POLY_MAX_DEGREE ||
        __builtin_mul_overflow(s->factor, t->factor, &out->factor))
        return false;
    const PolyVar **vars = ARENA_ARRAY(a, const PolyVar *, n + 1);
    for (int k = 0; k < n; k++) {
        bool left = j == t->n_vars ||
                    (i < s->n_vars && var_cmp(s->vars[i], t->vars[j]) <= 0);
        vars[k] = left ? s->vars[i++] : t->vars[j++];
    }
    out->n_vars = n;
    out->vars = vars;
    return true;
}

const Poly *poly_mul(Arena *a, const Poly *p, const Poly *q)
{
    if (!p || !q || p->n_terms * q->n_terms > POLY_MAX_SIZE)
        return NULL;
    const Poly *sum = poly_const(a, 0);
    for (int i = 0; sum && i < p->n_terms; i++)
        for (int j = 0; sum && j < q->n_terms; j++) {
            PolyTerm *t = ARENA_NEW(a, PolyTerm);
            if (!term_mul(a, &p->terms[i], &q->terms[j], t))
                return NULL;
            sum = poly_add(a, sum, make(a, 1, t));
        }
    return sum;
}

/* *out = t / d where nothing remains. */
static bool term_div(Arena *a, const PolyTerm *t, const PolyTerm *d,
                     PolyTerm *out)
{
    if (d->factor == -1 || t->factor % d->factor != 0 || d->n_vars > t->n_vars)
        return false;
    const PolyVar **vars = ARENA_ARRAY(a, const PolyVar *, t->n_vars + 1);
    int n = 0, j = 0;
    for (int i = 0; i < t->n_vars; i++) {
        if (j < d->n_vars && var_cmp(t->vars[i], d->vars[j]) == 0)
            j++;
        else
            vars[n++] = t->vars[i];
    }
    *out = (PolyTerm){t->factor / d->factor, n, vars};
    return j == d->n_vars;
}

/* Removing the same variables from sorted terms keeps them sorted. */
static const Poly *exact_div(Arena *a, const Poly *p, const Poly *q)
{
    if (q->n_terms != 1)
        return NULL;
    PolyTerm *out = ARENA_ARRAY(a, PolyTerm, p->n_terms + 1);
    for (int i = 0; i < p->n_terms; i++)
        if (!term_div(a, &p->terms[i], &q->terms[0], &out[i]))
            return NULL;
    return make(a, p->n_terms, out);
}

static int64_t floor_div(int64_t x, int64_t y)
{
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static const Poly *fold(Arena *a, AtomKind kind, int64_t x, int64_t y)
{
    if (kind == ATOM_MIN)
        return poly_const(a, x < y ? x : y);
    if (kind == ATOM_MAX)
        return poly_const(a, x > y ? x : y);
    if (y == 0 || (x == INT64_MIN && y == -1))
        return NULL;
    int64_t q = floor_div(x, y);
    return poly_const(a, kind == ATOM_DIV ? q : x - q * y);
}

const Poly *poly_atom(Arena *a, AtomKind kind, const Poly *p, const Poly *q)
{
    if (!p || !q)
        return NULL;
    int64_t x, y;
    bool fixed = poly_is_const(q, &y);
    if (poly_is_const(p, &x) && fixed)
        return fold(a, kind, x, y);
    bool divides = kind == ATOM_DIV || kind == ATOM_MOD;
    if (divides && fixed && y == 0)
        return NULL;
    const Poly *exact = divides ? exact_div(a, p, q) : NULL;
    if (exact)
        return kind == ATOM_DIV ? exact : poly_const(a, 0);
    if (!divides && poly_equal(p, q))
        return p;
    const Poly *args[2] = {p, q};
    return make_atom(a, kind, "", args, 2);
}

/* ---- substitution ----------------------------------------------------- */

static const Poly *subst_var(Arena *a, const PolyVar *v, const PolyMap *map)
{
    if (v->kind == ATOM_NAME) {
        for (int i = 0; i < map->n; i++)
            if (map->order[i] == v->order && map->by[i])
                return map->by[i];
        return of_var(a, v);
    }
    const Poly **args = ARENA_ARRAY(a, const Poly *, v->n_args + 1);
    for (int i = 0; i < v->n_args; i++)
        if (!(args[i] = poly_subst(a, v->args[i], map)))
            return NULL;
    if (v->kind == ATOM_OPAQUE)
        return poly_opaque(a, v->name, args, v->n_args);
    return poly_atom(a, v->kind, args[0], args[1]);
}

const Poly *poly_subst(Arena *a, const Poly *p, const PolyMap *map)
{
    bool touched = false;
    for (int i = 0; i < map->n; i++)
        touched |= map->by[i] && poly_uses(p, map->order[i]);
    if (!touched)
        return p;
    const Poly *sum = poly_const(a, 0);
    for (int i = 0; sum && i < p->n_terms; i++) {
        const Poly *term = poly_const(a, p->terms[i].factor);
        for (int j = 0; term && j < p->terms[i].n_vars; j++)
            term = poly_mul(a, term, subst_var(a, p->terms[i].vars[j], map));
        sum = poly_add(a, sum, term);
    }
    return sum;
}

/* ---- printing --------------------------------------------------------- */

static void print_operand(const Poly *p, Buf *out)
{
    bool simple =
        p->n_terms <= 1 && (p->n_terms == 0 || p->terms[0].n_vars <= 1) &&
        (p->n_terms == 0 || p->terms[0].n_vars == 0 || p->terms[0].factor == 1);
    buf_puts(out, simple ? "" : "(");
    poly_print(p, out);
    buf_puts(out, simple ? "" : ")");
}

static void print_var(const PolyVar *v, Buf *out)
{
    switch (v->kind) {
    case ATOM_NAME:
    case ATOM_OPAQUE:
        buf_puts(out, v->name);
        return;
    case ATOM_DIV:
    case ATOM_MOD:
        buf_puts(out, "(");
        print_operand(v->args[0], out);
        buf_puts(out, v->kind == ATOM_DIV ? "/" : "%");
        print_operand(v->args[1], out);
        buf_puts(out, ")");
        return;
    case ATOM_MIN:
    case ATOM_MAX:
        buf_puts(out, v->kind == ATOM_MIN ? "min(" : "max(");
        poly_print(v->args[0], out);
        buf_puts(out, ", ");
        poly_print(v->args[1], out);
        buf_puts(out, ")");
        return;
    }
}

static void print_term(const PolyTerm *t, bool first, Buf *out)
{
    bool minus = t->factor < 0;
    uint64_t size = minus ? 0 - (uint64_t)t->factor : (uint64_t)t->factor;
    buf_puts(out, first ? (minus ? "-" : "") : (minus ? " - " : " + "));
    if (size != 1 || t->n_vars == 0) {
        buf_printf(out, "%" PRIu64, size);
        buf_puts(out, t->n_vars ? "*" : "");
    }
    for (int i = 0; i < t->n_vars; i++) {
        buf_puts(out, i ? "*" : "");
        print_var(t->vars[i], out);
    }
}

void poly_print(const Poly *p, Buf *out)
{
    if (p->spelling) {
        buf_puts(out, p->spelling);
        return;
    }
    if (p->n_terms == 0)
        buf_puts(out, "0");
    for (int i = 0; i < p->n_terms; i++)
        print_term(&p->terms[i], i == 0, out);
}
