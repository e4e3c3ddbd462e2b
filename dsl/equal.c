/* equal.c - dsl_equal: the same meaning, whatever the layout. */
#include <string.h>

#include "dsl/dsl.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool expr(const Expr *a, const Expr *b);

static bool exprs(Expr *const *a, int n, Expr *const *b, int m)
{
    bool same = n == m;
    for (int i = 0; same && i < n; i++)
        same = expr(a[i], b[i]);
    return same;
}

static bool string(const Expr *a, const Expr *b)
{
    bool same = a->u.string.n_parts == b->u.string.n_parts;
    for (int i = 0; same && i < a->u.string.n_parts; i++) {
        const StringPart *p = &a->u.string.parts[i];
        const StringPart *q = &b->u.string.parts[i];
        same = same_text(p->text, q->text) && !p->name == !q->name &&
               (!p->name || expr(p->name, q->name));
    }
    return same;
}

static bool call(const Expr *a, const Expr *b)
{
    bool same = same_text(a->u.call.name.text, b->u.call.name.text) &&
                a->u.call.n_args == b->u.call.n_args;
    for (int i = 0; same && i < a->u.call.n_args; i++) {
        const Arg *x = &a->u.call.args[i], *y = &b->u.call.args[i];
        same =
            same_text(x->name.text, y->name.text) && expr(x->value, y->value);
    }
    return same;
}

static bool expr(const Expr *a, const Expr *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case EXPR_ERROR:
        return true;
    case EXPR_INT:
        return a->u.integer == b->u.integer;
    case EXPR_FLOAT:
        return a->u.real == b->u.real;
    case EXPR_BOOL:
        return a->u.truth == b->u.truth;
    case EXPR_STRING:
        return string(a, b);
    case EXPR_NAME:
        return same_text(a->u.name.text, b->u.name.text);
    case EXPR_UNARY:
        return a->u.unary.op == b->u.unary.op &&
               expr(a->u.unary.operand, b->u.unary.operand);
    case EXPR_BINARY:
        return a->u.binary.op == b->u.binary.op &&
               expr(a->u.binary.left, b->u.binary.left) &&
               expr(a->u.binary.right, b->u.binary.right);
    case EXPR_IF:
        return expr(a->u.cond.cond, b->u.cond.cond) &&
               expr(a->u.cond.then, b->u.cond.then) &&
               expr(a->u.cond.otherwise, b->u.cond.otherwise);
    case EXPR_CALL:
        return call(a, b);
    case EXPR_WEIGHT:
        return same_text(a->u.weight.name, b->u.weight.name) &&
               expr(a->u.weight.scope, b->u.weight.scope) &&
               !a->u.weight.dims == !b->u.weight.dims &&
               exprs(a->u.weight.dims, a->u.weight.n_dims, b->u.weight.dims,
                     b->u.weight.n_dims);
    case EXPR_STATE:
        return same_text(a->u.state.name.text, b->u.state.name.text) &&
               expr(a->u.state.index, b->u.state.index);
    case EXPR_LIST:
        return exprs(a->u.list.items, a->u.list.n_items, b->u.list.items,
                     b->u.list.n_items);
    }
    return false;
}

/* ---- statements ------------------------------------------------------- */

static bool idents(const Ident *a, int n, const Ident *b, int m)
{
    bool same = n == m;
    for (int i = 0; same && i < n; i++)
        same = same_text(a[i].text, b[i].text);
    return same;
}

static bool block(const Block *a, const Block *b);

static bool stmt(const Stmt *a, const Stmt *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case STMT_BIND:
        return idents(a->u.bind.names, a->u.bind.n_names, b->u.bind.names,
                      b->u.bind.n_names) &&
               expr(a->u.bind.value, b->u.bind.value);
    case STMT_RETURN:
        return exprs(a->u.ret.values, a->u.ret.n_values, b->u.ret.values,
                     b->u.ret.n_values);
    case STMT_FOR:
        return idents(&a->u.loop.name, 1, &b->u.loop.name, 1) &&
               expr(a->u.loop.from, b->u.loop.from) &&
               expr(a->u.loop.to, b->u.loop.to) &&
               block(&a->u.loop.body, &b->u.loop.body);
    case STMT_IF:
        return expr(a->u.cond.cond, b->u.cond.cond) &&
               block(&a->u.cond.then, &b->u.cond.then) &&
               a->u.cond.has_else == b->u.cond.has_else &&
               block(&a->u.cond.otherwise, &b->u.cond.otherwise);
    }
    return false;
}

static bool block(const Block *a, const Block *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++)
        same = stmt(a->items[i], b->items[i]);
    return same;
}

/* ---- declarations ----------------------------------------------------- */

static bool type(const TypeExpr *a, const TypeExpr *b)
{
    return a->kind == b->kind && a->elem == b->elem &&
           exprs(a->dims, a->n_dims, b->dims, b->n_dims);
}

static bool fields(const Field *a, int n, const Field *b, int m)
{
    bool same = n == m;
    for (int i = 0; same && i < n; i++)
        same = same_text(a[i].name.text, b[i].name.text) &&
               type(&a[i].type, &b[i].type);
    return same;
}

static bool vars(const Decl *a, const Decl *b)
{
    bool same = a->u.fn.n_vars == b->u.fn.n_vars;
    for (int i = 0; same && i < a->u.fn.n_vars; i++)
        same = same_text(a->u.fn.vars[i].name.text, b->u.fn.vars[i].name.text);
    return same;
}

static bool fn(const Decl *a, const Decl *b)
{
    return vars(a, b) &&
           fields(a->u.fn.params, a->u.fn.n_params, b->u.fn.params,
                  b->u.fn.n_params) &&
           fields(a->u.fn.results, a->u.fn.n_results, b->u.fn.results,
                  b->u.fn.n_results) &&
           !a->u.fn.when == !b->u.fn.when &&
           (!a->u.fn.when || expr(a->u.fn.when, b->u.fn.when)) &&
           block(&a->u.fn.body, &b->u.fn.body);
}

static bool decl(const Decl *a, const Decl *b)
{
    if (a->kind != b->kind || !same_text(a->name.text, b->name.text))
        return false;
    switch (a->kind) {
    case DECL_MODEL:
        return idents(a->u.model.names, a->u.model.n_names, b->u.model.names,
                      b->u.model.n_names);
    case DECL_USE:
        return true;
    case DECL_PARAM:
        return type(&a->u.param.type, &b->u.param.type) &&
               expr(a->u.param.value, b->u.param.value);
    case DECL_REQUIRE:
        return expr(a->u.require.cond, b->u.require.cond) &&
               expr(a->u.require.message, b->u.require.message);
    case DECL_STATE:
        return a->u.state.store == b->u.state.store &&
               expr(a->u.state.count, b->u.state.count) &&
               exprs(a->u.state.dims, a->u.state.n_dims, b->u.state.dims,
                     b->u.state.n_dims);
    case DECL_FN:
    case DECL_LAYER:
    case DECL_ENTRY:
        return fn(a, b);
    }
    return false;
}

int dsl_equal(const Ast *a, const Ast *b)
{
    bool same = a->n_decls == b->n_decls;
    for (int i = 0; same && i < a->n_decls; i++)
        same = decl(a->decls[i], b->decls[i]);
    return same;
}
