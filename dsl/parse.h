/* parse.h - what lexer, grammar and tree builder share; private to dsl/.
 *
 * One Parse reads one file.  The grammar (parser.y) pulls tokens through
 * parse_token and makes nodes by build_*. */
#ifndef DSL_PARSE_H
#define DSL_PARSE_H

#include "dsl/ast.h"
#include "dsl/diag.h"

/* Operands in operands: bounds every recursion over a tree. */
enum { PARSE_MAX_DEPTH = 100 };

typedef struct {
    void **items;
    int n, cap;
} List;

typedef struct {
    Span span;
    bool own_line; /* nothing but blanks before it */
} Comment;

typedef struct {
    int kind; /* TOK_* of parser.h or a character */
    Span at;
    bool first;  /* of its line, or behind a closing brace */
    bool margin; /* no blank before it either */
    bool bad;    /* the lexer has complained here */
} Token;

typedef struct {
    Arena *a;
    Diags *diags;
    const SourceFile *file;
    List decls;    /* Decl * */
    List comments; /* Comment * */
    /* the lexer's side */
    void *scanner;
    Span at;         /* what it read last */
    bool line_start; /* only blanks since the line began */
    bool refused;    /* it complained since the last token */
    /* what the grammar got last, and the one before */
    Token last, before;
    /* recovery: see parse_token */
    int open_braces, skip_braces, missing_braces;
    bool skipping;
    Token held; /* kind 0: none */
    bool too_deep;
} Parse;

/* The bytes of a place in this file, NUL-terminated. */
const char *parse_text(Parse *p, Span at);

/* The next token for the grammar.  After a syntax error the rest of the line
 * is skipped, with the block it opens; a declaration at the margin closes the
 * blocks that are still open. */
int parse_token(Parse *p, Span *at);
/* Reports that none of `expected` stands where the last token does. */
void parse_error(Parse *p, const char *const *expected, int n);
/* Reads one file; its decls and comments are in *p afterwards. */
void parse_file(Parse *p, Arena *a, const Source *s, int file, Diags *d);
/* The lexer has read a comment. */
void parse_comment(Parse *p);

/* ---- build.c, build_decl.c: one constructor for each kind of node - */

void list_add(Parse *p, List *l, const void *item);
List *list_new(Parse *p, const void *first); /* NULL: empty */
int list_count(const List *l);               /* of NULL: 0 */
Expr **list_exprs(const List *l);
/* The items of a list of structs, side by side. */
void *list_structs(Parse *p, const List *l, size_t size);

Ident *build_ident(Parse *p, Span at);
/* A string that is taken as it is: no {names} in it. */
Ident *build_string_ident(Parse *p, Span at);
Expr *build_expr(Parse *p, ExprKind kind, Span at);
Expr *build_number(Parse *p, bool real, Span at);
Expr *build_string(Parse *p, Span at);
Expr *build_unary(Parse *p, UnaryOp op, Expr *operand, Span at);
Expr *build_binary(Parse *p, BinaryOp op, Expr *left, Expr *right, Span at);
Expr *build_name(Parse *p, const Ident *name);
Expr *build_if(Parse *p, Expr *cond, Expr *then, Expr *otherwise, Span at);
Expr *build_call(Parse *p, const Ident *name, const List *args, Span at);
Expr *build_field(Parse *p, Expr *scope, Span name, Span at);
Expr *build_shape(Parse *p, Expr *weight, const List *dims, Span at);
Expr *build_state(Parse *p, const Ident *name, Expr *index, Span at);
Expr *build_list(Parse *p, const List *items, Span at);
Arg *build_arg(Parse *p, const Ident *name, Expr *value);

Stmt *build_bind(Parse *p, const List *names, Expr *value, Span at);
Stmt *build_return(Parse *p, const List *values, Span at);
Stmt *build_for(Parse *p, const Ident *name, Expr *from, Expr *to,
                const Block *body, Span at);
Stmt *build_branch(Parse *p, Expr *cond, const Block *then,
                   const Block *otherwise, Span at);
Block *build_block(Parse *p, const List *stmts, Span at);

TypeExpr *build_type(Parse *p, const Ident *name, const List *dims, Span at);
Field *build_field_decl(Parse *p, const Ident *name, const TypeExpr *type);
Decl *build_decl(Parse *p, DeclKind kind, const Ident *name, Span at);
Decl *build_model(Parse *p, const List *names, Span at);
Decl *build_param(Parse *p, const Ident *name, const TypeExpr *type,
                  Expr *value, Span at);
Decl *build_require(Parse *p, Expr *cond, Expr *message, Span at);
Decl *build_state_decl(Parse *p, const Ident *name, Expr *count,
                       const List *words, const List *dims, Span at);
/* The parts of `fn f[N](a: t) -> r when c { }` that come before the body. */
typedef struct {
    Ident *name;
    List *vars, *params, *results;
    bool named_results;
    Expr *when;
} Signature;
Decl *build_fn(Parse *p, DeclKind kind, const Signature *sig, const Block *body,
               Span at);

#endif
