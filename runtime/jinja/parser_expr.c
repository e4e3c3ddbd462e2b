/* parser_expr.c - expressions, by the levels of operators.def. */
#include <string.h>

#include "runtime/jinja/builtins.h"
#include "runtime/jinja/parser.h"

enum {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_ADD,
    LEVEL_CONCAT,
    LEVEL_MULTIPLY,
    LEVEL_POWER,
    LEVEL_UNARY,
};

static const int levels[OP_COUNT] = {
#define OPERATOR(id, text, level) level,
#include "runtime/jinja/operators.def"
#undef OPERATOR
};

static Err *parse_level(Parser *p, int level, Node **out);

/* ---- arguments */

static Err *add_keyword(Parser *p, ArgList *args, NodeList *values)
{
    if (args->stars)
        return parser_fail(p, "invalid syntax for function call expression");
    const char **more = ARENA_ARRAY(p->a, const char *, args->n_keys + 1);
    if (args->n_keys)
        memcpy(more, args->key, args->n_keys * sizeof *more);
    more[args->n_keys++] = ast_intern(p->t, p->at->p, p->at->n);
    args->key = more;
    p->at += 2;
    Node *value;
    TRY(parser_expression(p, true, &value));
    parser_push(p, values, value);
    return NULL;
}

static Err *parse_argument(Parser *p, ArgList *args, NodeList *items,
                           NodeList *values)
{
    Node *node;
    if (parser_is_op(p, OP_MUL) || parser_is_op(p, OP_POWER)) {
        Node **star = parser_is_op(p, OP_MUL) ? &args->star : &args->stars;
        if (*star || args->stars)
            return parser_fail(p,
                               "invalid syntax for function call expression");
        p->at++;
        return parser_expression(p, true, star);
    }
    if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_OP &&
        p->at[1].op == OP_ASSIGN)
        return add_keyword(p, args, values);
    if (args->star || args->stars || args->n_keys)
        return parser_fail(p, "invalid syntax for function call expression");
    TRY(parser_expression(p, true, &node));
    parser_push(p, items, node);
    return NULL;
}

static Err *parse_arguments(Parser *p, ArgList **out)
{
    ArgList *args = ARENA_NEW(p->a, ArgList);
    NodeList items = {0}, values = {0};
    bool first = true;
    TRY(parser_expect_op(p, OP_LPAREN));
    for (; !parser_is_op(p, OP_RPAREN); first = false) {
        if (!first)
            TRY(parser_expect_op(p, OP_COMMA));
        if (!first && parser_is_op(p, OP_RPAREN))
            break;
        TRY(parse_argument(p, args, &items, &values));
    }
    p->at++;
    args->item = items.node;
    args->n = items.n;
    args->value = values.node;
    *out = args;
    return NULL;
}

/* ---- displays */

static Err *parse_list(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_LIST), *item;
    NodeList items = {0};
    p->at++;
    while (!parser_is_op(p, OP_RBRACKET)) {
        if (items.n)
            TRY(parser_expect_op(p, OP_COMMA));
        if (parser_is_op(p, OP_RBRACKET))
            break;
        TRY(parser_expression(p, true, &item));
        parser_push(p, &items, item);
    }
    p->at++;
    node->list = items.node;
    node->n = items.n;
    *out = node;
    return parser_close(p, node);
}

static Err *parse_dict(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_DICT), *item;
    NodeList items = {0};
    p->at++;
    while (!parser_is_op(p, OP_RBRACE)) {
        if (items.n)
            TRY(parser_expect_op(p, OP_COMMA));
        if (parser_is_op(p, OP_RBRACE))
            break;
        TRY(parser_expression(p, true, &item));
        parser_push(p, &items, item);
        TRY(parser_expect_op(p, OP_COLON));
        TRY(parser_expression(p, true, &item));
        parser_push(p, &items, item);
    }
    p->at++;
    node->list = items.node;
    node->n = items.n;
    *out = node;
    return parser_close(p, node);
}

/* ---- primaries */

static Node *constant(Parser *p, Value v)
{
    Node *node = parser_node(p, NODE_CONST);
    node->value = v;
    return node;
}

static bool token_is(const Token *t, const char *word)
{
    return t->kind == TOKEN_NAME && t->n == strlen(word) &&
           memcmp(t->p, word, t->n) == 0;
}

static Node *name_or_constant(Parser *p)
{
    const Token *t = p->at;
    Node *node;
    if (token_is(t, "true") || token_is(t, "True"))
        node = constant(p, value_bool(true));
    else if (token_is(t, "false") || token_is(t, "False"))
        node = constant(p, value_bool(false));
    else if (token_is(t, "none") || token_is(t, "None"))
        node = constant(p, value_none());
    else {
        node = parser_node(p, NODE_NAME);
        node->name = ast_intern(p->t, t->p, t->n);
        p->uses |= token_is(t, "varargs")  ? USES_VARARGS
                   : token_is(t, "kwargs") ? USES_KWARGS
                   : token_is(t, "caller") ? USES_CALLER
                                           : 0;
    }
    p->at++;
    return node;
}

/* Strings that stand side by side are one. */
static Node *string_constant(Parser *p)
{
    Node *node = constant(p, p->at->value);
    if (p->at[1].kind != TOKEN_STRING) {
        p->at++;
        return node;
    }
    Text t = text_new(p->a, SIZE_MAX / 4);
    for (; p->at->kind == TOKEN_STRING; p->at++)
        text_str(&t, p->at->value.s);
    node->value = value_str(text_done(&t));
    return node;
}

Err *parser_primary(Parser *p, Node **out)
{
    char room[64];
    switch (p->at->kind) {
    case TOKEN_NAME:
        /* no variable: what is printed of one would not parse again */
        if (token_is(p->at, "not"))
            break;
        *out = name_or_constant(p);
        return NULL;
    case TOKEN_STRING:
        *out = string_constant(p);
        return NULL;
    case TOKEN_INT:
    case TOKEN_FLOAT:
        *out = constant(p, p->at->value);
        p->at++;
        return NULL;
    case TOKEN_OP:
        if (parser_skip_op(p, OP_LPAREN)) {
            TRY(parser_tuple(p, TUPLE_FULL, NULL, true, out));
            return parser_expect_op(p, OP_RPAREN);
        }
        if (parser_is_op(p, OP_LBRACKET))
            return parse_list(p, out);
        if (parser_is_op(p, OP_LBRACE))
            return parse_dict(p, out);
        break;
    case TOKEN_END:
    case TOKEN_DATA:
    case TOKEN_PRINT_BEGIN:
    case TOKEN_PRINT_END:
    case TOKEN_BLOCK_BEGIN:
    case TOKEN_BLOCK_END:
        break;
    }
    return parser_fail(p, "unexpected %s", parser_token_text(p, room));
}

/* ---- what follows a primary */

static Err *parse_attribute(Parser *p, Node *of, Node **out)
{
    p->at++;
    if (p->at->kind == TOKEN_NAME) {
        *out = parser_node(p, NODE_ATTRIBUTE);
        (*out)->name = ast_intern(p->t, p->at->p, p->at->n);
    } else if (p->at->kind == TOKEN_INT) {
        *out = parser_node(p, NODE_ITEM);
        (*out)->b = constant(p, p->at->value);
    } else {
        return parser_fail(p, "expected name or number");
    }
    p->at++;
    (*out)->a = of;
    return NULL;
}

static bool ends_subscript(const Parser *p)
{
    return parser_is_op(p, OP_COLON) || parser_is_op(p, OP_RBRACKET) ||
           parser_is_op(p, OP_COMMA);
}

/* One index, or a slice if a colon comes. */
static Err *parse_index(Parser *p, Node **index, Node **slice)
{
    *index = NULL;
    *slice = NULL;
    if (!parser_is_op(p, OP_COLON))
        TRY(parser_expression(p, true, index));
    if (!parser_is_op(p, OP_COLON))
        return NULL;
    *slice = parser_node(p, NODE_SLICE);
    (*slice)->list = ARENA_ARRAY(p->a, Node *, 3);
    (*slice)->n = 3;
    (*slice)->list[0] = *index;
    for (int i = 1; i < 3 && parser_skip_op(p, OP_COLON); i++)
        if (!ends_subscript(p))
            TRY(parser_expression(p, true, &(*slice)->list[i]));
    return NULL;
}

static Err *parse_item(Parser *p, Node *of, Node **out)
{
    Node *index, *slice;
    NodeList items = {0};
    p->at++;
    TRY(parse_index(p, &index, &slice));
    if (slice) {
        *out = slice;
        (*out)->a = of;
        return parser_expect_op(p, OP_RBRACKET);
    }
    parser_push(p, &items, index);
    while (parser_skip_op(p, OP_COMMA)) {
        TRY(parser_expression(p, true, &index));
        parser_push(p, &items, index);
    }
    *out = parser_node(p, NODE_ITEM);
    (*out)->a = of;
    (*out)->b = items.node[0];
    if (items.n > 1) {
        (*out)->b = parser_node(p, NODE_TUPLE);
        (*out)->b->list = items.node;
        (*out)->b->n = items.n;
        TRY(parser_close(p, (*out)->b));
    }
    return parser_expect_op(p, OP_RBRACKET);
}

static Err *parse_call(Parser *p, Node *of, Node **out)
{
    *out = parser_node(p, NODE_CALL);
    (*out)->a = of;
    return parse_arguments(p, &(*out)->args);
}

static Err *parse_postfix(Parser *p, Node *node, Node **out)
{
    for (;;) {
        if (parser_is_op(p, OP_DOT))
            TRY(parse_attribute(p, node, &node));
        else if (parser_is_op(p, OP_LBRACKET))
            TRY(parse_item(p, node, &node));
        else if (parser_is_op(p, OP_LPAREN))
            TRY(parse_call(p, node, &node));
        else
            break;
        TRY(parser_close(p, node));
    }
    *out = node;
    return NULL;
}

/* ---- filters and tests */

static Err *parse_name(Parser *p, const char **name)
{
    char room[64];
    if (p->at->kind != TOKEN_NAME)
        return parser_fail(p, "expected a name, got %s",
                           parser_token_text(p, room));
    *name = ast_intern(p->t, p->at->p, p->at->n);
    p->at++;
    return NULL;
}

static Err *parse_filter(Parser *p, Node *input, Node **out)
{
    Node *node = parser_node(p, NODE_FILTER);
    node->a = input;
    TRY(parse_name(p, &node->name));
    node->builtin = builtin_filter(node->name);
    if (!node->builtin)
        parser_unknown(p, "filter", node->name);
    node->args = ARENA_NEW(p->a, ArgList);
    if (parser_is_op(p, OP_LPAREN))
        TRY(parse_arguments(p, &node->args));
    *out = node;
    return parser_close(p, node);
}

Err *parser_filters(Parser *p, Node *input, bool begun, Node **out)
{
    *out = input;
    while (begun || parser_skip_op(p, OP_PIPE)) {
        TRY(parse_filter(p, *out, out));
        begun = false;
    }
    return NULL;
}

static bool begins_test_argument(const Parser *p)
{
    const Token *t = p->at;
    if (t->kind == TOKEN_NAME)
        return !token_is(t, "else") && !token_is(t, "or") &&
               !token_is(t, "and");
    return t->kind == TOKEN_STRING || t->kind == TOKEN_INT ||
           t->kind == TOKEN_FLOAT || parser_is_op(p, OP_LBRACKET) ||
           parser_is_op(p, OP_LBRACE);
}

static Err *parse_test(Parser *p, Node *of, Node **out)
{
    Node *node = parser_node(p, NODE_TEST), *argument;
    NodeList items = {0};
    bool negated = parser_skip_name(p, "not");
    node->a = of;
    TRY(parse_name(p, &node->name));
    node->builtin = builtin_test(node->name);
    if (!node->builtin)
        parser_unknown(p, "test", node->name);
    node->args = ARENA_NEW(p->a, ArgList);
    if (parser_is_op(p, OP_LPAREN)) {
        TRY(parse_arguments(p, &node->args));
    } else if (begins_test_argument(p)) {
        if (parser_is_name(p, "is"))
            return parser_fail(p, "You cannot chain multiple tests with is");
        TRY(parser_primary(p, &argument));
        TRY(parse_postfix(p, argument, &argument));
        parser_push(p, &items, argument);
        node->args->item = items.node;
        node->args->n = 1;
    }
    TRY(parser_close(p, node));
    *out = node;
    if (negated) {
        *out = parser_node(p, NODE_NOT);
        (*out)->a = node;
        return parser_close(p, *out);
    }
    return NULL;
}

/* `|`, `is` and calls, any number of them in any order. */
static Err *parse_after(Parser *p, Node *node, Node **out)
{
    for (;;) {
        if (parser_is_op(p, OP_PIPE)) {
            TRY(parser_filters(p, node, false, &node));
        } else if (parser_skip_name(p, "is")) {
            TRY(parse_test(p, node, &node));
        } else if (parser_is_op(p, OP_LPAREN)) {
            TRY(parse_call(p, node, &node));
            TRY(parser_close(p, node));
        } else {
            *out = node;
            return NULL;
        }
    }
}

static Err *parse_unary(Parser *p, bool with_filters, Node **out)
{
    Node *node;
    bool minus = parser_is_op(p, OP_SUB);
    TRY(parser_enter(p));
    if (minus || parser_is_op(p, OP_ADD)) {
        node = parser_node(p, minus ? NODE_MINUS : NODE_PLUS);
        p->at++;
        TRY(parse_unary(p, false, &node->a));
        TRY(parser_close(p, node));
    } else {
        TRY(parser_primary(p, &node));
    }
    TRY(parse_postfix(p, node, &node));
    if (with_filters)
        TRY(parse_after(p, node, &node));
    p->depth--;
    *out = node;
    return NULL;
}

/* ---- binary levels */

/* The comparison that stands here, or OP_COUNT. */
static Op take_comparison(Parser *p)
{
    const Token *t = p->at;
    if (t->kind == TOKEN_OP && levels[t->op] == LEVEL_COMPARE) {
        p->at++;
        return t->op;
    }
    if (parser_skip_name(p, "in"))
        return OP_IN;
    if (parser_is_name(p, "not") && token_is(t + 1, "in")) {
        p->at += 2;
        return OP_NOT_IN;
    }
    return OP_COUNT;
}

static Err *parse_compare(Parser *p, Node **out)
{
    NodeList items = {0};
    Node *item, *node = parser_node(p, NODE_COMPARE);
    Op ops[32], op;
    size_t n = 0;
    TRY(parse_level(p, LEVEL_ADD, &item));
    parser_push(p, &items, item);
    while ((op = take_comparison(p)) != OP_COUNT) {
        if (n == 32)
            return err_new(ERR_LIMIT,
                           "line %d: more than 32 comparisons in one",
                           p->at->line);
        ops[n++] = op;
        TRY(parse_level(p, LEVEL_ADD, &item));
        parser_push(p, &items, item);
    }
    *out = item;
    if (n == 0)
        return NULL;
    node->list = items.node;
    node->n = items.n;
    node->ops = ARENA_ARRAY(p->a, Op, n);
    memcpy(node->ops, ops, n * sizeof *ops);
    *out = node;
    return parser_close(p, node);
}

static Err *parse_concat(Parser *p, Node **out)
{
    NodeList items = {0};
    Node *node = parser_node(p, NODE_CONCAT), *item;
    do {
        TRY(parse_level(p, LEVEL_MULTIPLY, &item));
        parser_push(p, &items, item);
    } while (parser_skip_op(p, OP_TILDE));
    *out = item;
    if (items.n == 1)
        return NULL;
    node->list = items.node;
    node->n = items.n;
    *out = node;
    return parser_close(p, node);
}

/* Whether an operator of this level stands here; skips it. */
static bool take_operator(Parser *p, int level, NodeKind *kind, Op *op)
{
    *op = p->at->op;
    if (level == LEVEL_OR || level == LEVEL_AND) {
        *kind = level == LEVEL_OR ? NODE_OR : NODE_AND;
        return parser_skip_name(p, level == LEVEL_OR ? "or" : "and");
    }
    *kind = NODE_BINARY;
    if (p->at->kind != TOKEN_OP || levels[*op] != level)
        return false;
    p->at++;
    return true;
}

static Err *parse_binary(Parser *p, int level, Node **out)
{
    Node *left, *node;
    NodeKind kind;
    Op op;
    TRY(parse_level(p, level + 1, &left));
    while (take_operator(p, level, &kind, &op)) {
        node = parser_node(p, kind);
        node->a = left;
        node->op = kind == NODE_BINARY ? op : (Op)0;
        TRY(parse_level(p, level + 1, &node->b));
        TRY(parser_close(p, node));
        left = node;
    }
    *out = left;
    return NULL;
}

static Err *parse_not(Parser *p, Node **out)
{
    if (!parser_is_name(p, "not"))
        return parse_compare(p, out);
    Node *node = parser_node(p, NODE_NOT);
    TRY(parser_enter(p));
    p->at++;
    TRY(parse_not(p, &node->a));
    p->depth--;
    *out = node;
    return parser_close(p, node);
}

static Err *parse_level(Parser *p, int level, Node **out)
{
    if (level == LEVEL_NOT)
        return parse_not(p, out);
    if (level == LEVEL_CONCAT)
        return parse_concat(p, out);
    if (level == LEVEL_UNARY)
        return parse_unary(p, true, out);
    return parse_binary(p, level, out);
}

/* All three parts may name filters that do not exist, until they are reached:
 * a template can ask `is filter` first. */
static Err *parse_condition(Parser *p, Node **out)
{
    Err *before = p->unknown;
    TRY(parse_level(p, LEVEL_OR, out));
    while (parser_is_name(p, "if")) {
        Node *node = parser_node(p, NODE_CONDITION);
        p->at++;
        node->b = *out;
        TRY(parse_level(p, LEVEL_OR, &node->a));
        if (parser_skip_name(p, "else")) {
            TRY(parser_enter(p));
            TRY(parse_condition(p, &node->c));
            p->depth--;
        }
        parser_forgive(p, before);
        TRY(parser_close(p, node));
        *out = node;
    }
    return NULL;
}

Err *parser_expression(Parser *p, bool with_if, Node **out)
{
    return with_if ? parse_condition(p, out) : parse_level(p, LEVEL_OR, out);
}

/* ---- tuples */

static bool ends_tuple(const Parser *p, const char *stop)
{
    return p->at->kind == TOKEN_PRINT_END || p->at->kind == TOKEN_BLOCK_END ||
           parser_is_op(p, OP_RPAREN) || (stop && parser_is_name(p, stop));
}

static Err *tuple_item(Parser *p, TupleKind kind, Node **out)
{
    if (kind == TUPLE_SIMPLE)
        return parser_primary(p, out);
    return parser_expression(p, kind == TUPLE_FULL, out);
}

Err *parser_tuple(Parser *p, TupleKind kind, const char *stop, bool parens,
                  Node **out)
{
    char room[64];
    Node *node = parser_node(p, NODE_TUPLE), *item;
    NodeList items = {0};
    bool comma = false;
    while (!ends_tuple(p, stop)) {
        TRY(tuple_item(p, kind, &item));
        parser_push(p, &items, item);
        if (!parser_is_op(p, OP_COMMA))
            break;
        comma = true;
        p->at++;
    }
    *out = items.n ? items.node[0] : NULL;
    if (items.n == 1 && !comma)
        return NULL;
    if (items.n == 0 && !parens)
        return parser_fail(p, "Expected an expression, got %s",
                           parser_token_text(p, room));
    node->list = items.node;
    node->n = items.n;
    *out = node;
    return parser_close(p, node);
}
