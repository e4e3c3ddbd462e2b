/* poly.h - static integers in a normal form, so that 2*n and n + n are equal.
 *
 * A Poly is a sum of terms coefficient * variable * variable..., sorted; what
 * is no polynomial (a/b, a%b, min, max, if, meta(...)) becomes an atom that is
 * compared by structure.  Immutable, in an arena.  Sizes are capped: beyond
 * POLY_MAX_TERMS or on overflow of int64 the result is an atom of its own. */
#ifndef DSL_POLY_H
#define DSL_POLY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Poly Poly;

#endif
