/* make.h - building blocks of random modules, shared by make.c and
 * make_blocks.c.
 *
 * Everything that makes a node returns NO_REF where the type rules refuse it,
 * or where its values would become too large, and takes NO_REF as an argument:
 * so what does not work out leaves nothing but unread nodes behind. */
#ifndef TESTS_GRAPHFUZZ_MAKE_H
#define TESTS_GRAPHFUZZ_MAKE_H

#include "tests/graphfuzz/graphfuzz.h"

enum { MAKE_MAX_NODES = 400 };

typedef struct {
    Random *r;
    Module *m;
    Graph *g;                        /* in hand */
    Ref tokens, positions, outputs;  /* its parameters; NO_REF: not there */
    const FuzzPalette *palette;
    int64_t width;                   /* of what layers pass on */
    bool large;                      /* more of everything */
    int n_sources;                   /* weights and states of the graph */
    double size[MAKE_MAX_NODES + 1]; /* about the RMS of each node's values */
} Maker;

/* True once in n. */
static inline bool chance(Maker *m, int64_t n)
{
    return random_below(m->r, n) == 0;
}
static inline int64_t below(Maker *m, int64_t n)
{
    return random_below(m->r, n);
}

/* ---- make_nodes.c ---- */

Ref add_node(Maker *m, Node n);
Ref unary(Maker *m, Op op, Ref x);
Ref binary(Maker *m, Op op, Ref x, Ref y);
Ref with_eps(Maker *m, Op op, int n_args, Ref x, Ref w); /* norms */
Ref constant(Maker *m, double v);
/* A weight or state; mostly of a name of its own. */
Ref weight(Maker *m, int rank, int64_t a, int64_t b, int64_t c);
Ref factors(Maker *m, int64_t n); /* a vector that is f32 in every file */
Ref fixed_state(Maker *m, int rank, int64_t a, int64_t b, int64_t c);
Ref row_state(Maker *m, BlockType t, int64_t a, int64_t b);
Ref product(Maker *m, Ref x, int64_t out); /* with a new weight */

/* Views.  Shapes are given without their first axis, which x has. */
Ref reshape(Maker *m, Ref x, int rank, int64_t a, int64_t b, int64_t c);
Ref slice(Maker *m, Ref x, int64_t begin, int64_t size);
Ref flatten(Maker *m, Ref x); /* rank 2 */
/* x, cut or multiplied into the wanted shape: [..,a] or [..,a,b], b > 0. */
Ref shaped(Maker *m, Ref x, int64_t a, int64_t b);

/* Some f32 value computed so far that has `sym` first; NO_REF: none. */
Ref pick(Maker *m, Sym sym);
const Type *type_of(const Maker *m, Ref r);
int64_t some_width(Maker *m);

/* ---- make_blocks.c: what models are made of; each adds a few nodes ---- */

typedef void MakeBlock(Maker *m, Ref x);
MakeBlock block_attention, block_conv, block_delta, block_experts;

#endif
