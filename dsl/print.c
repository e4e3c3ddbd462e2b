#include "dsl/print.h"

#include <string.h>

#include "base/buf.h"

typedef struct {
    Arena *a;
    bool dims; /* inside a list of dims: products are written tight */
} Printer;

static const struct {
    const char *spelling;
    int level;
} binary_ops[] = {
#define BINARY(id, spelling, level) {spelling, level},
#include "dsl/binary.def"
#undef BINARY
};

enum {
    LEVEL_IF,
    LEVEL_NOT = 3,
    LEVEL_COMPARE = 4,
    LEVEL_MUL = 6,
    LEVEL_NEG = 7,
    LEVEL_POSTFIX = 8,
};

static const Doc *text(const Printer *p, const char *s)
{
    return doc_text(p->a, s);
}

static int level_of(const Expr *e)
{
    switch (e->kind) {
    case EXPR_IF:
        return LEVEL_IF;
    case EXPR_BINARY:
        return binary_ops[e->u.binary.op].level;
    case EXPR_UNARY:
        return e->u.unary.op == UNARY_NOT ? LEVEL_NOT : LEVEL_NEG;
    case EXPR_ERROR:
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_BOOL:
    case EXPR_STRING:
    case EXPR_NAME:
    case EXPR_CALL:
    case EXPR_WEIGHT:
    case EXPR_STATE:
    case EXPR_LIST:
        return LEVEL_POSTFIX;
    }
    return LEVEL_POSTFIX;
}

static const Doc *expr(const Printer *p, const Expr *e);

/* In parentheses if it binds looser than `level`. */
static const Doc *operand(const Printer *p, const Expr *e, int level)
{
    const Doc *d = expr(p, e);
    if (level_of(e) >= level)
        return d;
    return DOC(p->a, text(p, "("), d, text(p, ")"));
}

/* Shapes are read at a glance: they never break. */
static const Doc *list(const Printer *p, Expr *const *items, int n)
{
    Printer inner = {p->a, true};
    const Doc **docs = ARENA_ARRAY(p->a, const Doc *, 2 * n + 1);
    int k = 0;
    for (int i = 0; i < n; i++) {
        docs[k++] = text(p, i ? ", " : "[");
        docs[k++] = expr(&inner, items[i]);
    }
    docs[k++] = text(p, "]");
    return doc_flat(p->a, doc_cat(p->a, k, docs));
}

static const Doc *binary(const Printer *p, const Expr *e)
{
    BinaryOp op = e->u.binary.op;
    int level = binary_ops[op].level;
    bool chains = level != LEVEL_COMPARE;
    const Expr *first = e->u.binary.left;
    bool chain = chains && level_of(first) == level;
    const Doc *left =
        chain ? binary(p, first) : operand(p, first, level + !chains);
    const Doc *right = operand(p, e->u.binary.right, level + 1);
    const Doc *sign = text(p, binary_ops[op].spelling);
    if (p->dims && (op == BINARY_MUL || op == BINARY_DIV))
        return DOC(p->a, left, sign, right);
    return DOC(p->a, left, doc_break(p->a, " "), sign, text(p, " "), right);
}

/* All breaks of a chain of operators belong to one group. */
static const Doc *operators(const Printer *p, const Expr *e)
{
    return doc_group(p->a, doc_nest(p->a, binary(p, e)));
}

static const Doc *branch(const Printer *p, const Expr *e)
{
    Arena *a = p->a;
    const Doc *head = DOC(a, text(p, "if "), expr(p, e->u.cond.cond));
    const Doc *then =
        DOC(a, doc_break(a, " "), text(p, "then "), expr(p, e->u.cond.then));
    const Doc *otherwise = DOC(a, doc_break(a, " "), text(p, "else "),
                               expr(p, e->u.cond.otherwise));
    return doc_group(a, DOC(a, head, doc_nest(a, DOC(a, then, otherwise))));
}

static const Doc *call(const Printer *p, const Expr *e)
{
    Printer inner = {p->a, false};
    int n = e->u.call.n_args;
    const Doc **docs = ARENA_ARRAY(p->a, const Doc *, n + 1);
    for (int i = 0; i < n; i++) {
        const Arg *arg = &e->u.call.args[i];
        const Doc *value = expr(&inner, arg->value);
        docs[i] = arg->name.text ? DOC(p->a, text(p, arg->name.text),
                                       text(p, " = "), value)
                                 : value;
    }
    return DOC(p->a, text(p, e->u.call.name.text),
               doc_items(p->a, "(", n, docs, ")"));
}

static const Doc *weight(const Printer *p, const Expr *e)
{
    const Doc *scope = operand(p, e->u.weight.scope, LEVEL_POSTFIX);
    const Doc *shape = NULL;
    if (e->u.weight.dims)
        shape = DOC(p->a, text(p, " : "),
                    list(p, e->u.weight.dims, e->u.weight.n_dims));
    return DOC(p->a, scope, text(p, "."), text(p, e->u.weight.name), shape);
}

static const Doc *state(const Printer *p, const Expr *e)
{
    return DOC(p->a, text(p, e->u.state.name.text), text(p, "["),
               expr(p, e->u.state.index), text(p, "]"));
}

static const Doc *unary(const Printer *p, const Expr *e)
{
    bool is_not = e->u.unary.op == UNARY_NOT;
    return DOC(p->a, text(p, is_not ? "not " : "-"),
               operand(p, e->u.unary.operand, is_not ? LEVEL_NOT : LEVEL_NEG));
}

static const Doc *expr(const Printer *p, const Expr *e)
{
    switch (e->kind) {
    case EXPR_ERROR:
        return text(p, "?");
    case EXPR_INT:
    case EXPR_FLOAT:
    case EXPR_STRING:
        return text(p, e->spelling);
    case EXPR_BOOL:
        return text(p, e->u.truth ? "true" : "false");
    case EXPR_NAME:
        return text(p, e->u.name.text);
    case EXPR_UNARY:
        return unary(p, e);
    case EXPR_BINARY:
        return operators(p, e);
    case EXPR_IF:
        return branch(p, e);
    case EXPR_CALL:
        return call(p, e);
    case EXPR_WEIGHT:
        return weight(p, e);
    case EXPR_STATE:
        return state(p, e);
    case EXPR_LIST:
        return list(p, e->u.list.items, e->u.list.n_items);
    }
    return NULL;
}

/* ---- types, statements, declarations ---------------------------------- */

static const Doc *type(const Printer *p, const TypeExpr *t)
{
    switch (t->kind) {
    case TYPE_ERROR:
        return text(p, "?");
    case TYPE_INT:
        return text(p, "int");
    case TYPE_FLOAT:
        return text(p, "float");
    case TYPE_BOOL:
        return text(p, "bool");
    case TYPE_STRING:
        return text(p, "string");
    case TYPE_WEIGHTS:
        return text(p, "weights");
    case TYPE_INDEX:
        return text(p, "index");
    case TYPE_TENSOR:
        return DOC(p->a, text(p, t->elem == ELEM_I32 ? "i32" : ""),
                   list(p, t->dims, t->n_dims));
    }
    return NULL;
}

static const Doc *names(const Printer *p, const Ident *list, int n)
{
    const Doc **docs = ARENA_ARRAY(p->a, const Doc *, 2 * n);
    int k = 0;
    for (int i = 0; i < n; i++) {
        docs[k++] = text(p, i ? ", " : "");
        docs[k++] = text(p, list[i].text);
    }
    return doc_cat(p->a, k, docs);
}

static const Doc *values(const Printer *p, Expr *const *list, int n)
{
    const Doc **docs = ARENA_ARRAY(p->a, const Doc *, 3 * n);
    int k = 0;
    for (int i = 0; i < n; i++) {
        docs[k++] = i ? text(p, ",") : NULL;
        docs[k++] = i ? doc_break(p->a, " ") : NULL;
        docs[k++] = expr(p, list[i]);
    }
    const Doc *all = doc_cat(p->a, k, docs);
    return n == 1 ? all : doc_group(p->a, doc_nest(p->a, all));
}

const Doc *print_stmt_doc(Arena *a, const Stmt *s)
{
    const Printer *p = &(Printer){a, false};
    switch (s->kind) {
    case STMT_BIND:
        return DOC(a, names(p, s->u.bind.names, s->u.bind.n_names),
                   text(p, " = "), expr(p, s->u.bind.value));
    case STMT_RETURN:
        return DOC(a, text(p, "return "),
                   values(p, s->u.ret.values, s->u.ret.n_values));
    case STMT_FOR:
        return DOC(a, text(p, "for "), text(p, s->u.loop.name.text),
                   text(p, " in "), expr(p, s->u.loop.from), text(p, ".."),
                   expr(p, s->u.loop.to), text(p, " {"));
    case STMT_IF:
        return DOC(a, text(p, "if "), expr(p, s->u.cond.cond), text(p, " {"));
    }
    return NULL;
}

static const Doc *field(const Printer *p, const Field *f)
{
    if (!f->name.text)
        return type(p, &f->type);
    return DOC(p->a, text(p, f->name.text), text(p, ": "), type(p, &f->type));
}

static const Doc *fields(const Printer *p, const Field *list, int n)
{
    const Doc **docs = ARENA_ARRAY(p->a, const Doc *, n + 1);
    for (int i = 0; i < n; i++)
        docs[i] = field(p, &list[i]);
    return doc_items(p->a, "(", n, docs, ")");
}

static const Doc *vars(const Printer *p, const Decl *d)
{
    if (d->u.fn.n_vars == 0)
        return NULL;
    Ident *list = ARENA_ARRAY(p->a, Ident, d->u.fn.n_vars);
    for (int i = 0; i < d->u.fn.n_vars; i++)
        list[i] = d->u.fn.vars[i].name;
    return DOC(p->a, text(p, "["), names(p, list, d->u.fn.n_vars),
               text(p, "]"));
}

static const Doc *fn(const Printer *p, const char *keyword, const Decl *d)
{
    Arena *a = p->a;
    bool bare = d->u.fn.n_results == 1 && !d->u.fn.named_results;
    const Doc *results =
        bare ? field(p, &d->u.fn.results[0])
             : doc_flat(a, fields(p, d->u.fn.results, d->u.fn.n_results));
    const Doc *when =
        d->u.fn.when ? DOC(a, text(p, " when "), expr(p, d->u.fn.when)) : NULL;
    return DOC(a, text(p, keyword), text(p, d->name.text), vars(p, d),
               fields(p, d->u.fn.params, d->u.fn.n_params), text(p, " -> "),
               results, when, text(p, " {"));
}

static const char *quoted(const Printer *p, const char *s)
{
    Buf b = {0};
    buf_puts(&b, "\"");
    for (; *s; s++) {
        const char *shown = *s == '\n'   ? "\\n"
                            : *s == '\t' ? "\\t"
                            : *s == '"'  ? "\\\""
                            : *s == '\\' ? "\\\\"
                            : *s == '{'  ? "{{"
                            : *s == '}'  ? "}}"
                                         : NULL;
        buf_add(&b, shown ? shown : s, shown ? 2 : 1);
    }
    buf_puts(&b, "\"");
    const char *out = arena_strndup(p->a, b.data, b.n);
    buf_free(&b);
    return out;
}

static const Doc *model(const Printer *p, const Decl *d)
{
    Ident *list = ARENA_ARRAY(p->a, Ident, d->u.model.n_names);
    for (int i = 0; i < d->u.model.n_names; i++)
        list[i].text = quoted(p, d->u.model.names[i].text);
    return DOC(p->a, text(p, "model "), names(p, list, d->u.model.n_names));
}

static const Doc *state_decl(const Printer *p, const Decl *d)
{
    static const char *const stores[] = {
        " : per token key ", " : per token value ", " : fixed f32 "};
    return DOC(p->a, text(p, "state "), text(p, d->name.text), text(p, "["),
               expr(p, d->u.state.count), text(p, "]"),
               text(p, stores[d->u.state.store]),
               list(p, d->u.state.dims, d->u.state.n_dims));
}

static const Doc *require(const Printer *p, const Decl *d)
{
    const Doc *message = doc_nest(
        p->a, DOC(p->a, doc_break(p->a, " "), expr(p, d->u.require.message)));
    return doc_group(p->a,
                     DOC(p->a, text(p, "require "), expr(p, d->u.require.cond),
                         text(p, ","), message));
}

const Doc *print_decl_doc(Arena *a, const Decl *d)
{
    const Printer *p = &(Printer){a, false};
    switch (d->kind) {
    case DECL_MODEL:
        return model(p, d);
    case DECL_USE:
        return DOC(a, text(p, "use "), text(p, quoted(p, d->name.text)));
    case DECL_PARAM:
        return DOC(a, text(p, "param "), text(p, d->name.text), text(p, ": "),
                   type(p, &d->u.param.type), text(p, " = "),
                   expr(p, d->u.param.value));
    case DECL_REQUIRE:
        return require(p, d);
    case DECL_STATE:
        return state_decl(p, d);
    case DECL_FN:
        return fn(p, "fn ", d);
    case DECL_LAYER:
        return fn(p, "layer ", d);
    case DECL_ENTRY:
        return fn(p, "entry ", d);
    }
    return NULL;
}

/* ---- single lines ----------------------------------------------------- */

static const char *one_line(Arena *a, const Doc *d)
{
    Buf b = {0};
    doc_put_flat(d, &b);
    const char *s = arena_strndup(a, b.data ? b.data : "", b.n);
    buf_free(&b);
    return s;
}

const char *print_dim(Arena *a, const Expr *e)
{
    return one_line(a, expr(&(Printer){a, true}, e));
}

const char *print_expr(Arena *a, const Expr *e)
{
    return one_line(a, expr(&(Printer){a, false}, e));
}

const char *print_type(Arena *a, const TypeExpr *t)
{
    return one_line(a, type(&(Printer){a, false}, t));
}
