/* fuse_int.h - shared by fuse.c and fuse_units.c. */
#ifndef COMPILER_FUSE_INT_H
#define COMPILER_FUSE_INT_H

#include "compiler/kernels.h"
#include "compiler/pass.h"

/* A unit is a future kernel: a set of nodes, named by one of them.  Calls,
 * sends and the like are units that nothing joins. */
typedef struct {
    PassContext *c;
    Graph *g;
    int *of;            /* node -> unit, -1 for sources and views */
    KernelClass *class; /* by unit */
    bool *fixed;        /* by unit: not a kernel */
    const char **rule;  /* by unit: what made it */
    Ref *head, *tail, *next; /* nodes of a unit, ascending */
    int *size;               /* by unit: nodes */
    int *user_at, *user; /* node -> nodes that read it, through views too */
    /* An order in which units could run; units_joinable() searches only what
     * stands between two of them. */
    int *rank, *at;  /* unit -> place, place -> unit or -1 */
    int *seen, mark; /* by unit: the search that met it last */
    int *stack;      /* of that search */
    int64_t steps;   /* of all searches */
} Units;

/* Steps after which no more is joined: a second or so.  The largest models take
 * some ten thousand. */
enum { UNITS_MAX_STEPS = 50000000 };
/* Nodes of a kernel: models come to ten. */
enum { UNITS_MAX_SIZE = 64 };

Units *units_new(PassContext *c, Graph *g);
/* Whether a and b may become one launch: same device, not too large, and no
 * third unit stands between them. */
bool units_joinable(Units *u, int a, int b);
/* b's nodes into a; units_joinable(u, a, b) was the last call and true. */
void units_join(Units *u, int a, int b, const char *rule);
/* The value behind views. */
Ref units_root(const Units *u, Ref r);
/* Bytes a token of values that only the two units exchange. */
double units_saved(const Units *u, int a, int b);
/* Groups from units, nodes reordered so that each stands in one piece. */
void units_commit(Units *u);

/* ---- conditions of rules */

typedef struct {
    Units *u;
    int a, b; /* b reads a, or both stand beside each other */
} Pair;

static inline const Node *node_at(const Pair *p, Ref r)
{
    return &p->u->g->node[r];
}

static inline bool is_single(const Pair *p, int unit)
{
    return p->u->next[p->u->head[unit]] == NO_REF;
}

/* Is r no result, and read by that unit's nodes only? */
bool fuse_read_by_alone(const Pair *p, Ref r, int unit);

/* fuse_heads.c: what stands around the delta rule and attention. */
typedef bool FuseCondition(const Pair *p);
FuseCondition fuse_delta_heads, fuse_delta_conv, fuse_delta_rounding,
    fuse_attention_rounding;

#endif
