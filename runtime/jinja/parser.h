/* parser.h - what the parser's two files share: tokens in, nodes out.
 *
 * parser.c reads statements, parser_expr.c expressions.  Errors say the line.
 */
#ifndef JINJA_PARSER_H
#define JINJA_PARSER_H

#include "runtime/jinja/ast.h"

enum { PARSER_DEPTH = 100, PARSER_HEIGHT = 300, PARSER_NAMES = 2000 };

typedef struct {
    Arena *a;
    Template *t;
    const Token *at;
    int depth; /* of the recursion */
    int soft;  /* > 0: inside a condition, unknown filters fail when reached */
    int uses;  /* USES_..., of the macro being read */
    int loops; /* for loops around, since the last macro */
    Err *unknown; /* a filter or test that does not exist; a condition around
                   * it forgives */
} Parser;

typedef struct {
    Node **node;
    size_t n, cap;
} NodeList;

/* How an expression or tuple may look where it stands. */
typedef enum {
    TUPLE_FULL,   /* 1 if a else 2, 3 */
    TUPLE_NO_IF,  /* without inline if: the test of a block */
    TUPLE_SIMPLE, /* names only: what is assigned to */
} TupleKind;

Node *parser_node(Parser *p, NodeKind kind);
void parser_push(Parser *p, NodeList *l, Node *node);
/* Computes the height; an error if it is too much. */
Err *parser_close(Parser *p, Node *node) MUST_USE;

/* Enters one level of nesting, or refuses; undone by depth--. */
Err *parser_enter(Parser *p) MUST_USE;
/* Remembers an unknown filter or test. */
void parser_unknown(Parser *p, const char *what, const char *name);
/* Forgives those since `before`. */
void parser_forgive(Parser *p, Err *before);
Err *parser_fail(const Parser *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) MUST_USE;
bool parser_is_op(const Parser *p, Op op);
bool parser_is_name(const Parser *p, const char *name);
bool parser_skip_op(Parser *p, Op op);
bool parser_skip_name(Parser *p, const char *name);
Err *parser_expect_op(Parser *p, Op op) MUST_USE;
/* The token as an error message calls it. */
const char *parser_token_text(const Parser *p, char room[64]);

Err *parser_expression(Parser *p, bool with_if, Node **out) MUST_USE;
Err *parser_primary(Parser *p, Node **out) MUST_USE;
/* `stop`: a name that ends the tuple, or NULL.  With `parens`, nothing at all
 * is the empty tuple. */
Err *parser_tuple(Parser *p, TupleKind kind, const char *stop, bool parens,
                  Node **out) MUST_USE;
/* Filters after `input` (NULL: of a block); `begun`: the first has no `|`. */
Err *parser_filters(Parser *p, Node *input, bool begun, Node **out) MUST_USE;

#endif
