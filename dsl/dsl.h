/* dsl.h - model text to checked tree: the door of this folder.
 *
 *     Source *s = source_new(a, embedded_files);
 *     TRY(source_add_path(s, path, &file));
 *     Diags *d = diag_new(s);
 *     Ast *ast;
 *     Err *e = dsl_load(a, s, d, &ast);     (parse, then check)
 *     diag_print(d, &buf);                  (errors and warnings, if any)
 *
 * The tree points into the arena; nothing is freed before it is. */
#ifndef DSL_DSL_H
#define DSL_DSL_H

#include "dsl/ast.h"
#include "dsl/diag.h"
#include "dsl/source.h"

/* Parses files[0] of the source and all that it uses, each file once, at the
 * place of its first `use`.  *ast is never NULL, even with an error; a tree
 * with errors is not for lowering. */
Err *dsl_parse(Arena *a, Source *s, Diags *d, Ast **ast) MUST_USE;
/* Parses that one file, leaving its `use` declarations in the tree. */
Err *dsl_parse_file(Arena *a, const Source *s, int file, Diags *d,
                    Ast **ast) MUST_USE;
/* Names, sorts, shapes; fills the fields of the tree that ast.h marks "sema".
 * Params stay symbolic: no model file is needed. */
Err *dsl_check(Ast *ast, Diags *d) MUST_USE;
Err *dsl_load(Arena *a, Source *s, Diags *d, Ast **ast) MUST_USE;

/* The whole program in canonical form, with `use` expanded; parses back to an
 * equal tree.  With `sorts`, what dsl_check found stands in comments. */
void dsl_print(const Ast *ast, int sorts, Buf *out);
/* Canonical form of one file, comments kept. */
Err *dsl_format(Arena *a, const Source *s, int file, Diags *d,
                Buf *out) MUST_USE;
/* Same meaning, places and comments aside. */
int dsl_equal(const Ast *a, const Ast *b);

#endif
