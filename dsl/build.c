/* build.c - one constructor for each kind of node.
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

static int count(const List *l) { return l ? l->n : 0; }

/* The items of a list of structs, side by side. */
static void *flat(Parse *p, const List *l, size_t size)
{
    char *out = arena_alloc(p->a, size * (size_t)(count(l) + 1));
    for (int i = 0; i < count(l); i++)
        memcpy(out + size * (size_t)i, l->items[i], size);
    return out;
}

static Expr **exprs(const List *l) { return l ? (Expr **)l->items : NULL; }

/* ---- depth ------------------------------------------------------------ */

static int deeper(int depth, int other)
{
    return other > depth ? other : depth;
}

static int depth_of(const List *l)
{
    int d = 0;
    for (int i = 0; i < count(l); i++)
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
    e->u.string.parts = flat(p, &r.parts, sizeof(StringPart));
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
    e->u.call.args = flat(p, args, sizeof(Arg));
    e->u.call.n_args = count(args);
    int depth = 0;
    for (int i = 0; i < count(args); i++)
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
    memcpy(joined + n + 1, text, m);
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
    weight->u.weight.dims = exprs(dims);
    weight->u.weight.n_dims = count(dims);
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
    e->u.list.items = exprs(items);
    e->u.list.n_items = count(items);
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
    s->u.bind.names = flat(p, names, sizeof(Ident));
    s->u.bind.n_names = count(names);
    s->u.bind.value = value;
    return s;
}

Stmt *build_return(Parse *p, const List *values, Span at)
{
    Stmt *s = new_stmt(p, STMT_RETURN, at);
    s->u.ret.values = exprs(values);
    s->u.ret.n_values = count(values);
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

/* ---- declarations ----------------------------------------------------- */

static const struct {
    const char *name;
    TypeKind kind;
} type_names[] = {
    {"int", TYPE_INT},       {"float", TYPE_FLOAT},     {"bool", TYPE_BOOL},
    {"string", TYPE_STRING}, {"weights", TYPE_WEIGHTS}, {"index", TYPE_INDEX},
};

static TypeKind scalar_type(Parse *p, const Ident *name)
{
    Guess g = diag_guess(name->text);
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(name->text, type_names[i].name) == 0)
            return type_names[i].kind;
        diag_guess_add(&g, type_names[i].name);
    }
    diag_error(p->diags, name->span, "no type is called '%s'%s", name->text,
               g.best ? diag_guess_text(p->diags, &g)
                      : "; types are int, float, bool, string, weights, "
                        "index, [dims] and i32[dims]");
    return TYPE_ERROR;
}

static ElemKind element_type(Parse *p, const Ident *name)
{
    if (!name || strcmp(name->text, "f32") == 0)
        return ELEM_F32;
    if (strcmp(name->text, "i32") != 0)
        diag_error(p->diags, name->span,
                   "tensors hold f32 or i32, not '%s'; [dims] alone means "
                   "f32",
                   name->text);
    return ELEM_I32;
}

TypeExpr *build_type(Parse *p, const Ident *name, const List *dims, Span at)
{
    TypeExpr *t = ARENA_NEW(p->a, TypeExpr);
    t->span = at;
    t->dims = exprs(dims);
    t->n_dims = count(dims);
    t->kind = dims ? TYPE_TENSOR : scalar_type(p, name);
    if (dims)
        t->elem = element_type(p, name);
    return t;
}

Field *build_field_decl(Parse *p, const Ident *name, const TypeExpr *type)
{
    Field *f = ARENA_NEW(p->a, Field);
    if (name)
        f->name = *name;
    f->type = *type;
    return f;
}

Decl *build_decl(Parse *p, DeclKind kind, const Ident *name, Span at)
{
    Decl *d = ARENA_NEW(p->a, Decl);
    d->kind = kind;
    d->span = at;
    if (name)
        d->name = *name;
    return d;
}

Decl *build_model(Parse *p, const List *names, Span at)
{
    Decl *d = build_decl(p, DECL_MODEL, NULL, at);
    d->u.model.names = flat(p, names, sizeof(Ident));
    d->u.model.n_names = count(names);
    return d;
}

Decl *build_param(Parse *p, const Ident *name, const TypeExpr *type,
                  Expr *value, Span at)
{
    Decl *d = build_decl(p, DECL_PARAM, name, at);
    d->u.param.type = *type;
    d->u.param.value = value;
    return d;
}

Decl *build_require(Parse *p, Expr *cond, Expr *message, Span at)
{
    Decl *d = build_decl(p, DECL_REQUIRE, NULL, at);
    d->u.require.cond = cond;
    d->u.require.message = message;
    return d;
}

static bool words_are(const List *words, int n, const char *const *wanted)
{
    if (words->n != n)
        return false;
    for (int i = 0; i < n; i++)
        if (strcmp(((const Ident *)words->items[i])->text, wanted[i]) != 0)
            return false;
    return true;
}

static StoreKind store_kind(Parse *p, const List *words)
{
    static const char *const key[] = {"per", "token", "key"};
    static const char *const value[] = {"per", "token", "value"};
    static const char *const fixed[] = {"fixed", "f32"};
    if (words_are(words, 3, key))
        return STORE_KEY;
    if (words_are(words, 3, value))
        return STORE_VALUE;
    const Ident *first = words->items[0], *last = words->items[words->n - 1];
    if (!words_are(words, 2, fixed))
        diag_error(p->diags, (Span){first->span.begin, last->span.end},
                   "a state is stored 'per token key', 'per token value' or "
                   "'fixed f32'");
    return STORE_FIXED;
}

Decl *build_state_decl(Parse *p, const Ident *name, Expr *number,
                       const List *words, const List *dims, Span at)
{
    Decl *d = build_decl(p, DECL_STATE, name, at);
    d->u.state.count = number;
    d->u.state.store = store_kind(p, words);
    d->u.state.dims = exprs(dims);
    d->u.state.n_dims = count(dims);
    return d;
}

static DimVar *dim_vars(Parse *p, const List *names)
{
    DimVar *vars = ARENA_ARRAY(p->a, DimVar, count(names) + 1);
    for (int i = 0; i < count(names); i++)
        vars[i].name = *(const Ident *)names->items[i];
    return vars;
}

enum { MAX_PARAMS = 64, MAX_VARS = 16, MAX_RESULTS = 16 };

static void check_counts(Parse *p, const Signature *sig)
{
    if (count(sig->params) > MAX_PARAMS || count(sig->vars) > MAX_VARS ||
        count(sig->results) > MAX_RESULTS)
        diag_error(p->diags, sig->name->span,
                   "a function has at most %d parameters, %d dimension "
                   "variables and %d results",
                   MAX_PARAMS, MAX_VARS, MAX_RESULTS);
}

Decl *build_fn(Parse *p, DeclKind kind, const Signature *sig, const Block *body,
               Span at)
{
    check_counts(p, sig);
    Decl *d = build_decl(p, kind, sig->name, at);
    d->u.fn.vars = dim_vars(p, sig->vars);
    d->u.fn.n_vars = count(sig->vars);
    d->u.fn.params = flat(p, sig->params, sizeof(Field));
    d->u.fn.n_params = count(sig->params);
    d->u.fn.results = flat(p, sig->results, sizeof(Field));
    d->u.fn.n_results = count(sig->results);
    d->u.fn.named_results = sig->named_results;
    d->u.fn.when = sig->when;
    d->u.fn.body = *body;
    return d;
}
