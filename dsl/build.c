/* build.c - one constructor for each kind of expression and statement.
 *
 * Every node knows its depth; one beyond PARSE_MAX_DEPTH becomes an error
 * node, so that no later recursion over a tree needs a limit of its own. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/parse.h"

void list_add(Parse *p, List *l, const void *item)
{
    if (!item)
        return;
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 4;
        void **items = ARENA_ARRAY(p->a, void *, cap);
        if (l->n)
            memcpy(items, l->items, sizeof *items * (size_t)l->n);
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n++] = (void *)(uintptr_t)item;
}

List *list_new(Parse *p, const void *first)
{
    List *l = ARENA_NEW(p->a, List);
    list_add(p, l, first);
    return l;
}

int list_count(const List *l) { return l ? l->n : 0; }

void *list_structs(Parse *p, const List *l, size_t size)
{
    char *out = arena_alloc(p->a, size * (size_t)(list_count(l) + 1));
    for (int i = 0; i < list_count(l); i++)
        memcpy(out + size * (size_t)i, l->items[i], size);
    return out;
}

Expr **list_exprs(const List *l) { return l ? (Expr **)l->items : NULL; }

/* ---- depth ------------------------------------------------------------ */

static int deeper(int depth, int other)
{
    return other > depth ? other : depth;
}

static int depth_of(const List *l)
{
    int d = 0;
    for (int i = 0; i < list_count(l); i++)
        d = deeper(d, ((const Expr *)l->items[i])->depth);
    return d;
}

static void report_depth(Parse *p, Span at)
{
    if (!p->too_deep)
        diag_error(p->diags, at, "nested more than %d deep", PARSE_MAX_DEPTH);
    p->too_deep = true;
}

/* `operands` is the depth of the deepest. */
static Expr *finish(Parse *p, Expr *e, int operands)
{
    e->depth = operands + 1;
    if (e->depth <= PARSE_MAX_DEPTH)
        return e;
    report_depth(p, e->span);
    return build_expr(p, EXPR_ERROR, e->span);
}

/* ---- names, numbers, strings ------------------------------------------ */

Ident *build_ident(Parse *p, Span at)
{
    Ident *id = ARENA_NEW(p->a, Ident);
    id->text = parse_text(p, at);
    id->span = at;
    return id;
}

Expr *build_expr(Parse *p, ExprKind kind, Span at)
{
    Expr *e = ARENA_NEW(p->a, Expr);
    e->kind = kind;
    e->span = at;
    e->depth = 1;
    return e;
}

Expr *build_number(Parse *p, bool real, Span at)
{
    Expr *e = build_expr(p, real ? EXPR_FLOAT : EXPR_INT, at);
    e->spelling = parse_text(p, at);
    errno = 0;
    if (real) {
        e->u.real = strtod(e->spelling, NULL);
        if (!isfinite(e->u.real))
            diag_error(p->diags, at, "this number is too large");
    } else {
        e->u.integer = strtoll(e->spelling, NULL, 10);
        if (errno == ERANGE)
            diag_error(p->diags, at, "this number is beyond 2^63 - 1");
    }
    return e;
}

typedef struct {
    Parse *p;
    Span at; /* of the string, quotes included */
    List parts;
    char *text; /* of the part being read */
    size_t n;
} StringReader;

static void end_text(StringReader *r)
{
    if (r->n == 0)
        return;
    StringPart *part = ARENA_NEW(r->p->a, StringPart);
    part->text = arena_strndup(r->p->a, r->text, r->n);
    list_add(r->p, &r->parts, part);
    r->n = 0;
}

static Span inside(const StringReader *r, size_t from, size_t to)
{
    return (Span){r->at.begin + (uint32_t)from, r->at.begin + (uint32_t)to};
}

static bool name_byte(char c, bool first)
{
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (!first && c >= '0' && c <= '9');
}

/* s[i] is the byte behind a brace; returns the index behind the closing one. */
static size_t read_name(StringReader *r, const char *s, size_t i, size_t end)
{
    size_t from = i;
    while (i < end && name_byte(s[i], i == from))
        i++;
    if (i == from || i >= end || s[i] != '}') {
        diag_error(r->p->diags, inside(r, from - 1, i + (i < end)),
                   "braces in a string hold one name: {name}; {{ and }} are "
                   "braces themselves");
        while (i < end && s[i] != '}')
            i++;
        return i + (i < end);
    }
    end_text(r);
    Ident *id = build_ident(r->p, inside(r, from, i));
    StringPart *part = ARENA_NEW(r->p->a, StringPart);
    part->name = build_name(r->p, id);
    list_add(r->p, &r->parts, part);
    return i + 1;
}

static char escape(StringReader *r, char c, size_t at)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '"':
    case '\\':
        return c;
    default:
        diag_error(r->p->diags, inside(r, at, at + 2),
                   "strings know \\n, \\t, \\\" and \\\\ only");
        return c;
    }
}

/* Reads one character or {name} at s[i]; returns the index behind it. */
static size_t read_piece(StringReader *r, const char *s, size_t i, size_t end)
{
    char c = s[i];
    bool brace = c == '{' || c == '}';
    if (brace && i + 1 < end && s[i + 1] == c) {
        r->text[r->n++] = c;
        return i + 2;
    }
    if (brace)
        return read_name(r, s, c == '{' ? i + 1 : i, end) + (c == '}');
    if (c == '\\' && i + 1 < end) {
        r->text[r->n++] = escape(r, s[i + 1], i);
        return i + 2;
    }
    r->text[r->n++] = c;
    return i + 1;
}

Expr *build_string(Parse *p, Span at)
{
    Expr *e = build_expr(p, EXPR_STRING, at);
    e->spelling = parse_text(p, at);
    size_t n = strlen(e->spelling);
    size_t end = n > 1 && e->spelling[n - 1] == '"' ? n - 1 : n;
    StringReader r = {.p = p, .at = at, .text = arena_alloc(p->a, n + 1)};
    for (size_t i = 1; i < end;)
        i = read_piece(&r, e->spelling, i, end);
    end_text(&r);
    e->u.string.n_parts = r.parts.n;
    e->u.string.parts = list_structs(p, &r.parts, sizeof(StringPart));
    return e;
}

Ident *build_string_ident(Parse *p, Span at)
{
    Ident *id = build_ident(p, at);
    const char *text = ast_plain_string(build_string(p, at));
    if (!text)
        diag_error(p->diags, at, "no {names} in this string");
    id->text = text ? text : "";
    return id;
}

/* ---- expressions ------------------------------------------------------ */

Expr *build_name(Parse *p, const Ident *name)
{
    Expr *e = build_expr(p, EXPR_NAME, name->span);
    e->u.name.text = name->text;
    return e;
}

Expr *build_unary(Parse *p, UnaryOp op, Expr *operand, Span at)
{
    Expr *e = build_expr(p, EXPR_UNARY, at);
    e->u.unary.op = op;
    e->u.unary.operand = operand;
    return finish(p, e, operand->depth);
}

Expr *build_binary(Parse *p, BinaryOp op, Expr *left, Expr *right, Span at)
{
    Expr *e = build_expr(p, EXPR_BINARY, at);
    e->u.binary.op = op;
    e->u.binary.left = left;
    e->u.binary.right = right;
    return finish(p, e, deeper(left->depth, right->depth));
}

Expr *build_if(Parse *p, Expr *cond, Expr *then, Expr *otherwise, Span at)
{
    Expr *e = build_expr(p, EXPR_IF, at);
    e->u.cond.cond = cond;
    e->u.cond.then = then;
    e->u.cond.otherwise = otherwise;
    int branches = deeper(then->depth, otherwise->depth);
    return finish(p, e, deeper(cond->depth, branches));
}

Expr *build_call(Parse *p, const Ident *name, const List *args, Span at)
{
    Expr *e = build_expr(p, EXPR_CALL, at);
    e->u.call.name = *name;
    e->u.call.args = list_structs(p, args, sizeof(Arg));
    e->u.call.n_args = list_count(args);
    int depth = 0;
    for (int i = 0; i < list_count(args); i++)
        depth = deeper(depth, e->u.call.args[i].value->depth);
    return finish(p, e, depth);
}

Arg *build_arg(Parse *p, const Ident *name, Expr *value)
{
    Arg *a = ARENA_NEW(p->a, Arg);
    if (name)
        a->name = *name;
    a->value = value;
    return a;
}

/* w.a.b is one weight with the name "a.b", not a field of a field. */
Expr *build_field(Parse *p, Expr *scope, Span name, Span at)
{
    bool longer = scope->kind == EXPR_WEIGHT && !scope->u.weight.dims;
    Expr *e = build_expr(p, EXPR_WEIGHT, at);
    const char *text = parse_text(p, name);
    if (!longer) {
        e->u.weight.scope = scope;
        e->u.weight.name = text;
        e->u.weight.name_span = name;
        return finish(p, e, scope->depth);
    }
    size_t n = strlen(scope->u.weight.name), m = strlen(text);
    char *joined = arena_alloc(p->a, n + m + 2);
    memcpy(joined, scope->u.weight.name, n);
    joined[n] = '.';
    memcpy(joined + n + 1, text, m + 1);
    e->u.weight = scope->u.weight;
    e->u.weight.name = joined;
    e->u.weight.name_span.end = name.end;
    e->depth = scope->depth;
    return e;
}

Expr *build_shape(Parse *p, Expr *weight, const List *dims, Span at)
{
    if (weight->kind != EXPR_WEIGHT || weight->u.weight.dims) {
        diag_error(p->diags, at,
                   "a shape stands behind a weight only, and once: "
                   "w.attn_q : [D, H*d]");
        return weight;
    }
    weight->u.weight.dims = list_exprs(dims);
    weight->u.weight.n_dims = list_count(dims);
    weight->span = at;
    return finish(p, weight, deeper(weight->depth - 1, depth_of(dims)));
}

Expr *build_state(Parse *p, const Ident *name, Expr *index, Span at)
{
    Expr *e = build_expr(p, EXPR_STATE, at);
    e->u.state.name = *name;
    e->u.state.index = index;
    return finish(p, e, index->depth);
}

Expr *build_list(Parse *p, const List *items, Span at)
{
    Expr *e = build_expr(p, EXPR_LIST, at);
    e->u.list.items = list_exprs(items);
    e->u.list.n_items = list_count(items);
    return finish(p, e, depth_of(items));
}

/* ---- statements ------------------------------------------------------- */

static Stmt *new_stmt(Parse *p, StmtKind kind, Span at)
{
    Stmt *s = ARENA_NEW(p->a, Stmt);
    s->kind = kind;
    s->span = at;
    s->depth = 1;
    return s;
}

static int block_depth(const Block *b)
{
    int d = 0;
    for (int i = 0; i < b->n; i++)
        d = deeper(d, b->items[i]->depth);
    return d;
}

/* NULL if too deep: list_add leaves it out. */
static Stmt *finish_stmt(Parse *p, Stmt *s, int blocks)
{
    s->depth = blocks + 1;
    if (s->depth <= PARSE_MAX_DEPTH)
        return s;
    report_depth(p, s->span);
    return NULL;
}

Stmt *build_bind(Parse *p, const List *names, Expr *value, Span at)
{
    Stmt *s = new_stmt(p, STMT_BIND, at);
    s->u.bind.names = list_structs(p, names, sizeof(Ident));
    s->u.bind.n_names = list_count(names);
    s->u.bind.value = value;
    return s;
}

Stmt *build_return(Parse *p, const List *values, Span at)
{
    Stmt *s = new_stmt(p, STMT_RETURN, at);
    s->u.ret.values = list_exprs(values);
    s->u.ret.n_values = list_count(values);
    return s;
}

Stmt *build_for(Parse *p, const Ident *name, Expr *from, Expr *to,
                const Block *body, Span at)
{
    Stmt *s = new_stmt(p, STMT_FOR, at);
    s->u.loop.name = *name;
    s->u.loop.from = from;
    s->u.loop.to = to;
    s->u.loop.body = *body;
    return finish_stmt(p, s, block_depth(body));
}

Stmt *build_branch(Parse *p, Expr *cond, const Block *then,
                   const Block *otherwise, Span at)
{
    Stmt *s = new_stmt(p, STMT_IF, at);
    s->u.cond.cond = cond;
    s->u.cond.then = *then;
    s->u.cond.has_else = otherwise != NULL;
    if (otherwise)
        s->u.cond.otherwise = *otherwise;
    int a = block_depth(then), b = otherwise ? block_depth(otherwise) : 0;
    return finish_stmt(p, s, deeper(a, b));
}

Block *build_block(Parse *p, const List *stmts, Span at)
{
    Block *b = ARENA_NEW(p->a, Block);
    b->items = (Stmt **)stmts->items;
    b->n = stmts->n;
    b->end = at;
    return b;
}
