/* ast.h - a parsed template.
 *
 * One kind of node for all; nodes.def says which fields a kind uses.  Names are
 * interned: equal names of one template are one pointer.  Everything lies in
 * the arena that the template was parsed into and never changes. */
#ifndef JINJA_AST_H
#define JINJA_AST_H

#include "runtime/jinja/lexer.h"
#include "runtime/jinja/template.h"

typedef enum {
#define NODE(id, fields) NODE_##id,
#include "runtime/jinja/nodes.def"
#undef NODE
} NodeKind;

typedef struct Node Node;
typedef struct Builtin Builtin;

/* Arguments of a call; of a macro, its parameters are the keywords. */
typedef struct {
    size_t n, n_keys;
    Node **item;      /* positional */
    const char **key; /* keywords and their values (NULL: no default) */
    Node **value;
    Node *star, *stars; /* *list and **dict, or NULL */
} ArgList;

struct Node {
    NodeKind kind;
    int line;
    int height; /* of the tree below, for bounds on recursion */
    int flag;
    Op op;
    const char *name;
    Value value;
    Node *a, *b, *c, *d, *e;
    size_t n;
    Node **list;
    Op *ops;
    ArgList *args;
    const char **hides; /* BODY: see scopes.h */
    size_t n_hides;
    const Builtin *builtin; /* FILTER, TEST; NULL: there is none of the name */
};

enum { /* NODE_MACRO.flag */
       USES_VARARGS = 1,
       USES_KWARGS = 2,
       USES_CALLER = 4,
};

typedef struct Name Name;
struct Name {
    Name *next;
    char text[];
};

struct Template {
    Arena *arena;
    Node *body;
    Name *names[64]; /* all names that occur, by hash */
    int n_names;
};

/* The one pointer for this name, or NULL if the template does not use it. */
const char *ast_name(const Template *t, const char *s, size_t n);
/* The same, made if there is none yet. */
const char *ast_intern(Template *t, const char *s, size_t n);

#endif
