/* ast.h - the tree of a model text.
 *
 * The parser fills the plain fields, dsl_check the ones marked "sema".  After
 * a check without errors, lowering needs no look-up by name of anything
 * global: every name carries what it refers to, every call its callee and its
 * arguments in slot order, every expression its sort.  Nodes live in the
 * arena of the compile. */
#ifndef DSL_AST_H
#define DSL_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "dsl/poly.h"
#include "dsl/source.h"

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Decl Decl;

typedef struct {
    const char *text;
    Span span;
} Ident;

/* ---- sorts: what an expression is ------------------------------------- */

typedef enum {
    SORT_ERROR, /* already reported; silences everything that reads it */
    SORT_INT,   /* static, or a dimension (T, R, C) */
    SORT_FLOAT,
    SORT_BOOL,
    SORT_STRING,
    SORT_TENSOR, /* dims row-major, last axis contiguous; rank 0 never */
    SORT_WEIGHT, /* dims as GGUF counts, contiguous axis first */
    SORT_SCOPE,  /* a prefix of tensor names */
    SORT_STATE,  /* one slot of a state, keys[i] */
    SORT_LIST,   /* [a, b]: the dims of reshape and split */
    SORT_WORD,   /* half, tiled: a word that an attribute expects */
    SORT_TUPLE,  /* several results */
} SortKind;

typedef enum { ELEM_F32, ELEM_I32 } ElemKind;

typedef struct Sort Sort;
struct Sort {
    SortKind kind;
    ElemKind elem;           /* SORT_TENSOR */
    int rank;                /* SORT_TENSOR, _WEIGHT, _STATE */
    bool has_shape;          /* SORT_WEIGHT: an ascription was given */
    const Poly *const *dims; /* rank of them, innermost last (WEIGHT: first) */
    int n_items;             /* SORT_TUPLE */
    const Sort *const *items;
};

/* ---- expressions ------------------------------------------------------ */

typedef enum {
    EXPR_ERROR, /* stands where the parser or sema gave up */
    EXPR_INT,
    EXPR_FLOAT,
    EXPR_BOOL,
    EXPR_STRING,
    EXPR_NAME,
    EXPR_UNARY,
    EXPR_BINARY,
    EXPR_IF,     /* if cond then a else b */
    EXPR_CALL,   /* f(x, y, name = z) */
    EXPR_WEIGHT, /* scope.dotted.name : [dims] */
    EXPR_STATE,  /* name[index] */
    EXPR_LIST,   /* [a, b, c] */
} ExprKind;

typedef enum {
    UNARY_NEG,
    UNARY_NOT,
} UnaryOp;

/* In order of binding, loosest first; binary.def has their spelling. */
typedef enum {
#define BINARY(id, spelling, level) BINARY_##id,
#include "dsl/binary.def"
#undef BINARY
    BINARY_COUNT
} BinaryOp;

/* "blk.{i}.x" is text "blk.", name i, text ".x". */
typedef struct {
    const char *text; /* NULL for a name */
    Expr *name;       /* EXPR_NAME, or NULL */
} StringPart;

typedef struct {
    Ident name; /* text NULL: positional */
    Expr *value;
} Arg;

typedef enum {
    REF_NONE,
    REF_LOCAL,  /* parameter, dimension variable, bound name, loop variable:
                   lowering finds it in its environment by name */
    REF_PARAM,  /* decl is a DECL_PARAM */
    REF_STATE,  /* decl is a DECL_STATE */
    REF_SYMBOL, /* T, R or C: Expr.symbol */
    REF_FILE,   /* the scope with the empty prefix */
    REF_WORD,   /* a word of an attribute: half, tiled */
} RefKind;

typedef enum {
    CALLEE_NONE,
    CALLEE_BUILTIN,
    CALLEE_DECL, /* a fn or a layer */
} CalleeKind;

typedef enum {
#define BUILTIN(id, name, rule, slots, result, shape, formula) BUILTIN_##id,
#include "dsl/builtins.def"
#undef BUILTIN
    BUILTIN_COUNT
} Builtin;

struct Expr {
    ExprKind kind;
    Span span;
    int depth; /* 1 + the deepest operand: recursion is bounded by it */
    union {
        int64_t integer;
        double real;
        bool truth;
        struct {
            StringPart *parts;
            int n_parts;
        } string;
        struct {
            const char *text;
            RefKind ref;      /* sema */
            const Decl *decl; /* sema: REF_PARAM */
            char symbol;      /* sema: REF_SYMBOL, 'T', 'R' or 'C' */
        } name;
        struct {
            UnaryOp op;
            Expr *operand;
        } unary;
        struct {
            BinaryOp op;
            Expr *left, *right;
        } binary;
        struct {
            Expr *cond, *then, *otherwise;
        } cond;
        struct {
            Ident name;
            Arg *args; /* as written */
            int n_args;
            CalleeKind callee;  /* sema */
            Builtin builtin;    /* sema: CALLEE_BUILTIN */
            const Decl *decl;   /* sema: CALLEE_DECL */
            Expr *const *slots; /* sema: by slot of builtins.def or by
                                   parameter; NULL where left out; what a
                                   variadic builtin takes more comes last */
            int n_slots;        /* sema */
        } call;
        struct {
            Expr *scope;
            const char *name; /* "ssm_dt.bias" */
            Span name_span;
            Expr **dims; /* NULL without a shape */
            int n_dims;
        } weight;
        struct {
            Ident name;
            Expr *index;
            const Decl *decl; /* sema */
        } state;
        struct {
            Expr **items;
            int n_items;
        } list;
    } u;
    const char *spelling; /* numbers and strings: as written */
    const Sort *sort;     /* sema; never NULL after a check */
    const Poly *poly;     /* sema: normal form, of SORT_INT only */
};

/* ---- statements ------------------------------------------------------- */

typedef enum {
    STMT_BIND,   /* a, b = value */
    STMT_RETURN, /* return a, b */
    STMT_FOR,    /* for i in from..to { body } */
    STMT_IF,     /* if cond { then } else { otherwise } */
} StmtKind;

typedef struct {
    Stmt **items;
    int n;
    Span end; /* of the closing brace */
} Block;

struct Stmt {
    StmtKind kind;
    Span span; /* of the whole statement */
    int depth;
    union {
        struct {
            Ident *names;
            int n_names;
            Expr *value;
        } bind;
        struct {
            Expr **values;
            int n_values;
        } ret;
        struct {
            Ident name;
            Expr *from, *to;
            Block body;
        } loop;
        struct {
            Expr *cond;
            Block then, otherwise;
            bool has_else;
        } cond;
    } u;
};

/* ---- declarations ----------------------------------------------------- */

typedef enum {
    TYPE_ERROR,
    TYPE_INT,
    TYPE_FLOAT,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_WEIGHTS,
    TYPE_INDEX,
    TYPE_TENSOR, /* [dims] or i32[dims] */
} TypeKind;

typedef struct {
    TypeKind kind;
    ElemKind elem; /* TYPE_TENSOR */
    Span span;
    Expr **dims;
    int n_dims;
    const Sort *sort; /* sema */
} TypeExpr;

typedef struct {
    Ident name; /* text NULL: an unnamed result */
    TypeExpr type;
} Field;

/* A dimension variable, the N of `fn f[N](x: [T, N])`.  Its value is the
 * extent of axis `axis` of argument `param`. */
typedef struct {
    Ident name;
    int param, axis; /* sema */
} DimVar;

typedef enum {
    STORE_KEY,   /* per token key: one row a token, storage type from --kv */
    STORE_VALUE, /* per token value */
    STORE_FIXED, /* fixed f32: one array a sequence */
} StoreKind;

typedef enum {
    DECL_MODEL,
    DECL_USE,
    DECL_PARAM,
    DECL_REQUIRE,
    DECL_STATE,
    DECL_FN,
    DECL_LAYER,
    DECL_ENTRY,
} DeclKind;

struct Decl {
    DeclKind kind;
    Span span;  /* of the whole declaration */
    Ident name; /* of a use: the file's name; of a model, require: none */
    union {
        struct {
            Ident *names; /* values of general.architecture */
            int n_names;
        } model;
        struct {
            TypeExpr type;
            Expr *value;
        } param;
        struct {
            Expr *cond, *message; /* EXPR_STRING, never NULL */
        } require;
        struct {
            Expr *count; /* slots: keys[count] */
            StoreKind store;
            Expr **dims; /* of one row (per token) or of the whole (fixed) */
            int n_dims;
            const Sort *sort; /* sema */
        } state;
        struct { /* fn, layer, entry */
            DimVar *vars;
            int n_vars;
            Field *params;
            int n_params;
            Field *results;
            int n_results;
            bool named_results; /* written (a: T, b: U) */
            Expr *when;         /* entry; NULL = always */
            Block body;
        } fn;
    } u;
};

typedef struct {
    const Source *source;
    Decl **decls; /* in order; `use` expanded by dsl_parse, not by
                     dsl_parse_file */
    int n_decls;
} Ast;

/* The first declaration of that kind and name, or NULL. */
const Decl *ast_find(const Ast *ast, DeclKind kind, const char *name);
/* The expression in a builtin's slot, NULL if left out.  The name must be one
 * of that builtin's slots in builtins.def.  sema. */
const Expr *ast_arg(const Expr *call, const char *slot);
/* The word of an attribute (pairing = half), "" if the slot was left out. */
const char *ast_word(const Expr *call, const char *slot);
/* A string without {names}, else NULL. */
const char *ast_plain_string(const Expr *e);
const char *ast_builtin_name(Builtin b);

#endif
