/* poly.h - static integers in a normal form, so that 2*n and n + n are equal.
 *
 * A Poly is a sum of terms: coefficient * variable * variable ..., sorted by
 * the order in which variables were declared.  What is no polynomial (a / b,
 * a % b, min, max, a call) is an atom: a variable that is compared by what it
 * is made of.  `/` rounds down, `%` has the sign of its divisor, as in
 * lowering.  Immutable, in an arena.  Beyond the caps below, or beyond int64,
 * the result is NULL and the caller falls back to an atom of its own. */
#ifndef DSL_POLY_H
#define DSL_POLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

typedef struct Poly Poly;
typedef struct PolyVar PolyVar;

enum {
    POLY_MAX_DEGREE = 12, /* variables of one term */
    POLY_MAX_SIZE = 256,  /* terms and variables of the whole tree: what one
                             comparison or substitution may cost */
};

typedef enum {
    ATOM_NAME,   /* a param, T, R, C, a function's own int */
    ATOM_DIV,    /* args[0] / args[1] */
    ATOM_MOD,    /* args[0] % args[1] */
    ATOM_MIN,    /* min(args[0], args[1]) */
    ATOM_MAX,    /* max(args[0], args[1]) */
    ATOM_OPAQUE, /* equal if the text and all args are */
} AtomKind;

struct PolyVar {
    AtomKind kind;
    uint32_t order;   /* ATOM_NAME: identity and place in sums */
    const char *name; /* ATOM_NAME, ATOM_OPAQUE: as printed */
    int n_args, size;
    const Poly *const *args;
};

typedef struct {
    int64_t factor; /* never 0 */
    int n_vars;
    const PolyVar *const *vars; /* sorted, repeated for powers */
} PolyTerm;

struct Poly {
    int n_terms; /* 0: the constant 0 */
    int size;
    const PolyTerm *terms;
    const char *spelling; /* as its author wrote it, or NULL */
};

const Poly *poly_const(Arena *a, int64_t k);
/* A new variable; `order` must be its own. */
const Poly *poly_name(Arena *a, const char *name, uint32_t order);
/* A call or the like: `text` tells what, `args` what it reads. */
const Poly *poly_opaque(Arena *a, const char *text, const Poly *const *args,
                        int n_args);
const Poly *poly_spelled(Arena *a, const Poly *p, const char *spelling);

/* NULL if an operand is NULL or the result beyond the caps.  Division by the
 * constant 0 too is NULL. */
const Poly *poly_add(Arena *a, const Poly *p, const Poly *q);
const Poly *poly_sub(Arena *a, const Poly *p, const Poly *q);
const Poly *poly_mul(Arena *a, const Poly *p, const Poly *q);
const Poly *poly_atom(Arena *a, AtomKind kind, const Poly *p, const Poly *q);

bool poly_equal(const Poly *p, const Poly *q);
bool poly_is_const(const Poly *p, int64_t *k);
/* Nothing but the variable `order`, once. */
bool poly_is_name(const Poly *p, uint32_t order);
/* Whether the variable `order` stands anywhere in it. */
bool poly_uses(const Poly *p, uint32_t order);
/* Whether any variable of that order or a later one does. */
bool poly_uses_from(const Poly *p, uint32_t order);
/* Whether any atom but a name stands in it. */
bool poly_has_atoms(const Poly *p);

/* Replaces names: variable `order[i]` by `by[i]` (NULL there: left alone). */
typedef struct {
    int n;
    const uint32_t *order;
    const Poly **by;
} PolyMap;
const Poly *poly_subst(Arena *a, const Poly *p, const PolyMap *map);

void poly_print(const Poly *p, Buf *out);

#endif
