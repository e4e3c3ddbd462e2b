/* sema.h - the checker's own tables; private to dsl/sema*.c.
 *
 * Functions are checked once, by themselves, callees before callers.  Shapes
 * are polynomials over params, T, R, C and a function's own ints and dimension
 * variables; a call substitutes what its arguments are.  After an error an
 * expression has SORT_ERROR and says no more. */
#ifndef DSL_SEMA_H
#define DSL_SEMA_H

#include "dsl/dsl.h"
#include "dsl/names.h"
#include "dsl/sort.h"

/* Axes of a tensor or weight. */
enum { SEMA_MAX_RANK = 4 };

/* Orders of the variables that every program has. */
enum { ORDER_T, ORDER_R, ORDER_C, ORDER_FIRST };

typedef enum {
    LOCAL_BOUND,
    LOCAL_MAYBE, /* in one branch of an `if` only */
    LOCAL_CLASH, /* as different things in the branches */
    LOCAL_GONE,  /* inside a loop, which is over */
} LocalState;

typedef struct Local Local;
struct Local {
    const char *name;
    Span span; /* where it was bound */
    LocalState state;
    const Sort *sort;
    const Poly *poly;   /* an int's value; otherwise a variable of its own,
                           so that atoms can tell locals apart */
    uint32_t order;     /* fn parameters and vars: of poly's variable */
    const Local *other; /* LOCAL_CLASH: the other branch's */
    bool used;
    Local *next; /* Env.bound */
};

/* One state slot written. */
typedef struct {
    const Decl *state;
    const Poly *index;
    Span span;
} Write;

/* More writes than this on one path, and more comparisons in all, are not
 * made: no honest text comes near, and checking stays quick. */
enum { MAX_WRITES = 256, MAX_WRITE_CHECKS = 4000000 };
/* Nor does an honest check take so much memory: it is given up. */
enum { MAX_MEMORY = 256 << 20 };

typedef struct {
    NameEntry *entry;
    Local *old;
} Undo;

/* The names visible in a function, with a log to take bindings back. */
typedef struct {
    Names names; /* of Local */
    Undo *undo;
    int n_undo, cap_undo;
    int stamp;
    bool returned;
    int loops;    /* how many are open */
    Local *bound; /* by statements: unused ones are reported */
    Write *writes;
    int n_writes, cap_writes;
} Env;

/* A name declared at the top. */
typedef struct Global Global;
struct Global {
    Decl *decl;
    bool used;
    const Poly *poly; /* param of type int; NULL before its check */
    Local **locals;   /* fn: its vars, then its params */
    bool sound;       /* fn: the signature had no error */
    const Write *writes;
    int n_writes;
    /* sema_order.c */
    Global **needs;
    int n_needs, cap_needs;
    int next_need;
    enum { ORDER_NEW, ORDER_OPEN, ORDER_DONE } order;
};

typedef struct {
    Arena *a;
    Ast *ast;
    Diags *d;
    Names globals; /* of Global */
    Global **list; /* of all that have a name, in order */
    int n_list;
    uint32_t next_order;
    int write_checks;
    bool exhausted; /* MAX_MEMORY is used up */
    Env *env;       /* NULL outside functions */
    Global *fn;     /* whose body is being checked */
    bool in_dims;   /* T, R and C may stand here */
} Sema;

/* ---- sema.c ----------------------------------------------------------- */

Global *sema_global(const Sema *s, const char *name);
const Poly *sema_fresh(Sema *s, const char *name);
/* ", did you mean 'x'?" among what can be read here or called. */
const char *sema_guess_name(const Sema *s, const char *name);
const char *sema_guess_call(const Sema *s, const char *name);

/* ---- sema_order.c ----------------------------------------------------- */

/* The globals so that each comes behind those it needs; one that needs itself
 * is reported and left where it is. */
Global **sema_order(Sema *s);

/* ---- sema_env.c ------------------------------------------------------- */

Env *env_new(Sema *s);
Local *env_find(const Env *env, const char *name);
Local *env_local(Sema *s, const Ident *name, const Sort *sort,
                 const Poly *poly);
void env_bind(Sema *s, Local *l);
/* The same for what a statement binds. */
void env_bind_stmt(Sema *s, Local *l);
int env_mark(const Env *env);

/* A name whose binding changed since a mark. */
typedef struct {
    NameEntry *entry;
    Local *before, *after; /* NULL: not bound */
} Change;
typedef struct {
    Change *items;
    int n;
} Changes;

/* Takes bindings back to the mark and tells what they were. */
Changes env_restore(Sema *s, int mark);
/* Binds what is true after either branch. */
void env_join(Sema *s, const Changes *a, const Changes *b);
/* Binds what is true after a loop with that body. */
void env_leave_loop(Sema *s, const Changes *body);
/* Adds one, unless there are MAX_WRITES. */
void env_add_write(Sema *s, const Write *w);
/* Records a write and reports a second one to the same slot. */
void env_write(Sema *s, const Decl *state, const Poly *index, Span at);
void env_report_unused(Sema *s);

/* ---- sema_expr.c ------------------------------------------------------ */

/* Checks an expression; `want` is the scalar that is expected, for meta(...),
 * or SORT_ERROR for anything. */
const Sort *sema_expr(Sema *s, Expr *e, SortKind want);
/* A static scalar of that kind (an int is a float, too); reports others. */
bool sema_scalar(Sema *s, Expr *e, SortKind kind);
/* A dimension: T, R, C allowed if `symbols`.  NULL: reported. */
const Poly *sema_dim(Sema *s, Expr *e, bool symbols);
/* The shape as an f32 or i32 tensor of a checked expression (a weight of one
 * axis is a tensor), NULL if it is none; then it has been reported. */
const Sort *sema_as_tensor(Sema *s, Expr *e, ElemKind elem);
/* Whether a weight has its shape behind it; reports if not. */
bool sema_has_shape(Sema *s, const Expr *e);
/* "expected <what>, found <sort>", unless that is SORT_ERROR. */
void sema_expected(Sema *s, const Expr *e, const char *what);
const char *sema_describe(Sema *s, const Sort *sort);
/* Shape of a and b together, elementwise; NULL and a report if they clash. */
const Sort *sema_broadcast(Sema *s, const Expr *at, const Expr *left,
                           const Sort *a, const Expr *right, const Sort *b);
/* +, max and so on of numbers and tensors. */
const Sort *sema_elementwise(Sema *s, Expr *e, Expr *left, Expr *right,
                             SortKind want);
bool sema_failed(const Expr *e);

/* ---- sema_name.c ------------------------------------------------------ */

const Sort *sema_name(Sema *s, Expr *e);
/* The atom for an int that is no polynomial. */
const Poly *sema_opaque(Sema *s, const Expr *e);

/* ---- sema_call.c ------------------------------------------------------ */

const Sort *sema_call(Sema *s, Expr *e, SortKind want);

typedef struct {
    const char *name;
    const char *kind; /* builtins: behind the colon, up to a flag */
    int kind_n;
    bool by_name, optional, many;
} Slot;

void sema_args(Sema *s, const Expr *call);
/* Puts arguments into slots; false and reports if they do not fit. */
bool sema_slots(Sema *s, Expr *call, const Slot *slots, int n,
                const char *usage);

/* ---- sema_builtin.c, sema_rules.c ------------------------------------- */

enum { MATCH_VARS = 8 };

/* One builtin call: what the variables of its patterns stand for. */
typedef struct {
    Sema *s;
    Expr *call;
    int n_vars;
    struct {
        const char *name;
        int n;
        const Poly *value;
        const Expr *from; /* the argument that settled it */
    } vars[MATCH_VARS];
    const Expr *star_from; /* NULL: not settled */
    int n_star;
    const Poly *const *star;
} Match;

const Sort *sema_builtin(Sema *s, Expr *call, Builtin b, SortKind want);
Expr *match_arg(const Match *m, const char *slot);
const Poly *match_value(const Match *m, const char *var);
const Sort *match_tensor(Sema *s, ElemKind elem, int rank,
                         const Poly *const *dims);

typedef const Sort *BuiltinRule(Match *m, const Sort *result, SortKind want);
/* `result` is what the table says, NULL if nothing. */
BuiltinRule sema_meta, sema_has_meta, sema_extent, sema_has, sema_weights,
    sema_shape, sema_matmul, sema_minmax, sema_sqrt, sema_reshape, sema_split,
    sema_slice, sema_concat, sema_rope, sema_append, sema_conv1d,
    sema_delta_rule, sema_topk;

/* ---- sema_stmt.c, sema_fn.c ------------------------------------------- */

void sema_block(Sema *s, const Block *b);
/* Types of parameters and results; first for all functions. */
void sema_signature(Sema *s, Global *g);
void sema_body(Sema *s, Global *g);

#endif
