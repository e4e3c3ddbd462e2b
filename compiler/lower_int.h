/* lower_int.h - shared by the files of lowering. */
#ifndef COMPILER_LOWER_INT_H
#define COMPILER_LOWER_INT_H

#include "compiler/lower.h"

/* What an expression came to.  Strings and scopes carry two spellings: the
 * name in the file, and the same with the layer's number written {i}, so that
 * layers which differ in nothing else come out equal. */
typedef enum {
    VAL_INT, /* dim: a number, or k times T, R or C */
    VAL_FLOAT,
    VAL_BOOL,
    VAL_STRING,
    VAL_SCOPE, /* text: prefix of names, "" for the whole file */
    VAL_TENSOR,
    VAL_WEIGHT,
    VAL_STATE,
    VAL_LIST,
    VAL_TUPLE,
    VAL_WORD,
    VAL_KIND_COUNT
} ValKind;
extern const char *const val_kind_name[VAL_KIND_COUNT]; /* "a float" */

typedef struct Val Val;
struct Val {
    ValKind kind;
    Dim dim;
    double f;
    bool b;
    bool is_index; /* the layer's own index, unchanged */
    const char *text, *pattern;
    Ref ref;                     /* tensor */
    int n;                       /* list, tuple, weight's rank */
    const Val *item;             /* list, tuple */
    Dim shape[MAX_RANK];         /* weight, with has_shape */
    bool has_shape;
    const Decl *decl; /* state */
    Span span;
};

/* One function body being run. */
typedef struct {
    Graph *g;       /* NULL where only numbers make sense */
    Names *weights; /* of g, by pattern: the tensor's name; the stamp is the
                       node */
    Names names;    /* bound so far: Val */
    const char *hint; /* the caller's name for the result, NULL if none */
    bool returned;
    Val result;
} Env;

typedef struct {
    Arena *a;
    const Ast *ast;
    const LowerOptions *o;
    const char *arch;
    Diags *d;
    Module *m;
    Names params;  /* met so far: Val */
    Names layers;  /* text -> Graph; a layer's name counts its graphs */
    const char *hint; /* name for the value of the expression in hand */
    const Ident *hints; /* names for the items of a tuple, NULL if none */
    int64_t steps; /* work so far, in expressions: hostile texts end */
    int depth;     /* of expressions in expressions, calls included */
} Lower;

/* Counts work and refuses a text that does too much. */
Err *lower_step(Lower *l, Span at, int64_t cost) MUST_USE;

/* A diagnostic at `at`; returns the error that stops lowering. */
Err *lower_fail(Lower *l, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))) MUST_USE;

/* lower_expr.c */
Err *lower_expr(Lower *l, Env *env, const Expr *e, Val *out) MUST_USE;
Err *lower_int(Lower *l, Env *env, const Expr *e, int64_t *out) MUST_USE;
Err *lower_bool(Lower *l, Env *env, const Expr *e, bool *out) MUST_USE;
Err *lower_float(Lower *l, Env *env, const Expr *e, double *out) MUST_USE;
Err *lower_dims(Lower *l, Env *env, Expr *const *e, int n, Dim *out) MUST_USE;
/* A float, or an int that is not T, R or C: those are no numbers yet. */
bool lower_is_number(const Val *v);
double lower_number(const Val *v);
/* The graph value of a tensor, weight or number. */
Err *lower_tensor(Lower *l, Env *env, const Expr *e, Ref *out) MUST_USE;
Err *lower_as_tensor(Lower *l, Env *env, const Val *v, Ref *out) MUST_USE;
Err *lower_emit(Lower *l, Env *env, Span at, Op op, int n_args,
                const Ref *args, const Attr *attrs, Val *out) MUST_USE;
/* The node for the factors that the file has beside matrix w, tensor X.scale
 * beside X.weight: n numbers; NO_REF if it has none. */
Err *lower_scale(Lower *l, Env *env, Span at, Ref w, int64_t n,
                 Ref *out) MUST_USE;
/* The scope that a weight's bare name stands for: PREFIX.NAME. */
Val lower_scope(Lower *l, const Val *w);
/* Name in the file of a weight value and its entry, NULL if absent. */
const TensorInfo *lower_find_tensor(Lower *l, const Val *w, const char **name,
                                    const char **pattern);

/* lower_call.c: builtins */
Err *lower_builtin(Lower *l, Env *env, const Expr *call, Val *out) MUST_USE;

/* lower.c: fns, layers, names */
Err *lower_decl_call(Lower *l, Env *env, const Expr *call, Val *out) MUST_USE;
Err *lower_param(Lower *l, const Decl *d, Val *out) MUST_USE;
/* NULL if the name is not bound. */
const Val *lower_find(const Env *env, const char *name);
void lower_bind(Lower *l, Env *env, const char *name, const Val *v);

#endif
