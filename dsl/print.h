/* print.h - the canonical spelling of trees; private to dsl/. */
#ifndef DSL_PRINT_H
#define DSL_PRINT_H

#include "dsl/ast.h"
#include "dsl/doc.h"

/* One line, as in a list of dims: 2*Hk*dk + Hv*dv. */
const char *print_dim(Arena *a, const Expr *e);
/* One line, as anywhere else. */
const char *print_expr(Arena *a, const Expr *e);
const char *print_type(Arena *a, const TypeExpr *t);

/* Everything but blocks and comments: the line(s) of a statement or a
 * declaration, up to its opening brace if it has one. */
const Doc *print_stmt_doc(Arena *a, const Stmt *s);
const Doc *print_decl_doc(Arena *a, const Decl *d);

#endif
