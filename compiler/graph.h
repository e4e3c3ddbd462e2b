/* graph.h - the one IR between the model text and the schedule.
 *
 * A Module holds graphs: entry points, layer functions that entries call with
 * an index, and (after scheduling) kernels.  A Graph is an array of nodes in
 * topological order, which is also run order; a node makes one value and is
 * named by its index.  All memory is the module's arena; nothing is freed.
 * One thread at a time.
 *
 * A name in a weight or state may hold "{i}": the index of the layer it stands
 * in.  Calls are expanded, and names bound, by pass/expand.c.
 *
 * Fusion does not rewrite nodes, it groups them: node.kernel names a Group,
 * whose nodes stand together and become one launch.  So the meaning of a graph
 * never depends on how it was fused. */
#ifndef COMPILER_GRAPH_H
#define COMPILER_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/packing.h"
#include "dsl/names.h"
#include "runtime/plan.h"

typedef enum {
    KIND_SRC, KIND_VIEW, KIND_EW, KIND_ROW, KIND_MATMUL, KIND_EXPERTS,
    KIND_ATTENTION, KIND_CONV, KIND_DELTA, KIND_COMM, KIND_CALL,
} OpKind;

typedef enum {
#define OP(name, min, max, kind, attrs, expr) OP_##name,
#include "compiler/ops.def"
#undef OP
    OP_COUNT
} Op;

enum { MAX_ARGS = 8, MAX_ATTRS = 4, MAX_RANK = PLAN_MAX_RANK };
enum { GRAPH_MAX_NAME = 120 }; /* bytes of a name in graph text */

typedef enum { ATTR_INT, ATTR_FLOAT, ATTR_CHOICE } AttrKind;
typedef struct {
    char name[16];
    AttrKind kind;
    int n_choices;
    char choice[4][16];
} AttrInfo;

typedef struct {
    const char *name;
    int min_args, max_args;
    OpKind kind;
    int n_attrs;
    AttrInfo attr[MAX_ATTRS];
} OpInfo;

/* The table of ops.def with its attribute texts split. */
const OpInfo *op_info(Op op);
/* OP_COUNT if there is none. */
Op op_from_name(const char *name);

/* Attribute numbers, by position in ops.def. */
enum {
    ATTR_value = 0, ATTR_begin = 0, ATTR_eps = 0, ATTR_scale = 0,
    ATTR_rope_dims = 0, ATTR_rope_theta = 1, ATTR_rope_pairing = 2,
    ATTR_rope_stretch = 3,
    ATTR_delta_heads = 0, ATTR_delta_form = 1,
    ATTR_index = 0, ATTR_device = 0,
};
enum { ROPE_HALF, ROPE_ADJACENT };
enum { HEADS_TILED, HEADS_GROUPED };
enum { FORM_AUTO, FORM_RECURRENT, FORM_CHUNKED };

typedef union {
    int64_t i; /* ATTR_INT, ATTR_CHOICE */
    double f;
} Attr;

/* Weights: dim[0] is the contiguous axis.  Everything else: dim[rank-1] is.
 * A weight's type is TYPE_ANY until the file's type is bound to it. */
#define TYPE_ANY BT_COUNT
typedef struct {
    BlockType dtype;
    int rank;
    Dim dim[MAX_RANK];
    Packing packing; /* weights: how their blocks lie; pass/pack.c */
} Type;

typedef uint32_t Ref; /* node index */
#define NO_REF UINT32_MAX

typedef struct {
    Op op;
    int n_args;
    Ref arg[MAX_ARGS];
    Attr attr[MAX_ATTRS];
    Type type;
    const char *name; /* unique in its graph */
    const char *text; /* weight: tensor; state: name; call: callee; tap: name */
    int kernel;       /* index into group[], -1 none */
    int device;       /* -1 until placed */
    int n_copies;     /* names "x.1".. made from this one */
} Node;

/* Nodes fused into one launch. */
typedef struct {
    const char *name; /* "k3" */
    const char *rule; /* the fusion rule that made it, or the op's name */
} Group;

typedef struct {
    const char *name; /* ports of an entry: "logits"; otherwise NULL */
    Ref ref;
} Result;

typedef enum { GRAPH_ENTRY, GRAPH_FUNC } GraphKind;

/* The first n_params nodes are the parameters: input nodes and, in kernels,
 * weight and state nodes without text. */
typedef struct {
    Arena *arena;
    GraphKind kind;
    const char *name;
    uint32_t n_params, n_nodes, cap;
    Node *node;
    int n_results, cap_results;
    Result *result;
    int n_groups, cap_groups;
    Group *group;
    uint32_t n_slots; /* hash of names: graph_lookup() */
    Ref *slot;
} Graph;

typedef struct {
    Arena *arena;
    const char *name;
    int n_graphs, cap;
    Graph **graph; /* functions before those that call them */
    Names by_name; /* module_find() */
} Module;

Module *module_new(Arena *a, const char *name);
/* A graph that stands in no module yet, and its way into one. */
Graph *graph_new(Arena *a, GraphKind kind, const char *name);
void module_append(Module *m, Graph *g);
Graph *module_add(Module *m, GraphKind kind, const char *name);
/* NULL if there is none.  A graph keeps its name once it stands in a module. */
Graph *module_find(const Module *m, const char *name);

/* Appends; kernel and device start at -1.  The name is cut to GRAPH_MAX_NAME
 * bytes and made unique. */
Ref graph_add(Graph *g, Node n);
/* The node of that name (no sigil), or NO_REF. */
Ref graph_lookup(const Graph *g, const char *name);
void graph_add_result(Graph *g, const char *name, Ref r);
int graph_add_group(Graph *g, const char *rule);
/* Node for op with its arguments; type by infer_type.  The usual way to build. */
Err *graph_emit(Graph *g, Op op, const char *name, int n_args, const Ref *args,
                const Attr *attrs, Ref *out) MUST_USE;
/* The value that views, reshapes or slices, are of: r itself if it is none. */
Ref graph_behind_views(const Graph *g, Ref r);
static inline bool node_is_view(const Node *n)
{
    return op_info(n->op)->kind == KIND_VIEW;
}
/* How many nodes and results read each node; arena memory, [n_nodes]. */
int *graph_uses(Arena *a, const Graph *g);
/* Drops nodes with keep[i] false and renumbers (kept order). */
void graph_compact(Graph *g, const bool *keep);

/* infer.c: the type rule of every op.  n->type must hold the wanted shape for
 * reshape, slice (last extent), topk (k), calls and the sources; it is
 * completed or checked for the others.  Arguments must be nodes of g.  Errors
 * name the op, the argument and both shapes. */
Err *infer_type(const Graph *g, const Node *n, Type *out) MUST_USE;
bool type_equal(const Type *a, const Type *b);
Type type_make(BlockType t, int rank, const Dim *dims);
static inline Dim dim_const(int64_t k) { return (Dim){k, SYM_ONE}; }
static inline Dim dim_sym(Sym s) { return (Dim){1, s}; }
static inline bool dim_equal(Dim a, Dim b)
{
    return a.k == b.k && a.sym == b.sym;
}
/* "f32[T,256]", "q4_k/x8[256,512]" */
void type_print(const Type *t, Buf *b);
const char *type_text(Arena *a, const Type *t);
/* Product of all dims but those of symbols, and the symbol they scale with:
 * elements = k * sym.  At most one symbolic dim.  k stops at INT64_MAX. */
Dim type_elements(const Type *t);
/* Extent of the last (contiguous) axis of an activation; 1 for a scalar and
 * for an axis that is a symbol. */
int64_t type_last(const Type *t);
/* q8a or q16a: what integer products read. */
static inline bool type_is_rounded(const Type *t)
{
    return t->dtype < BT_COUNT && block_info[t->dtype].kind == BLOCK_ACT;
}
/* NULL, or what is wrong: extents lie in [1, 2^40), all but the symbol multiply
 * to less than 2^48, only the first axis is a symbol, and is just T, R or C.
 * So sizes of whole graphs stay far from 2^63. */
const char *type_fault(const Type *t);

/* verify.c: everything a well-formed module satisfies; run after every stage. */
Err *module_verify(const Module *m) MUST_USE;

/* graph_text.c: the two are inverse; tests hold them to it. */
void graph_print(const Graph *g, FILE *f);
const char *graph_text(Arena *a, const Graph *g); /* the same as a string */
void module_print(const Module *m, FILE *f);
const char *module_text(Arena *a, const Module *m);
Err *module_parse(Arena *a, const char *text, Module **out) MUST_USE;

/* Weights and states are named by a sigil in text: $ and @, values by %. */
char node_sigil(const Node *n);

#endif
