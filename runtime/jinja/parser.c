/* parser.c - statements and the text between them. */
#include "runtime/jinja/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/jinja/scopes.h"
#include "runtime/unicode.h"

/* ---- names */

static size_t bucket(const char *s, size_t n)
{
    size_t h = n;
    for (size_t i = 0; i < n; i++)
        h = h * 31 + (unsigned char)s[i];
    return h % 64;
}

const char *ast_name(const Template *t, const char *s, size_t n)
{
    for (const Name *name = t->names[bucket(s, n)]; name; name = name->next)
        if (strlen(name->text) == n && memcmp(name->text, s, n) == 0)
            return name->text;
    return NULL;
}

const char *ast_intern(Template *t, const char *s, size_t n)
{
    const char *found = ast_name(t, s, n);
    if (found)
        return found;
    t->n_names++;
    Name *name = arena_alloc(t->arena, sizeof *name + n + 1);
    memcpy(name->text, s, n);
    name->next = t->names[bucket(s, n)];
    t->names[bucket(s, n)] = name;
    return name->text;
}

/* ---- what both parser files use */

Node *parser_node(Parser *p, NodeKind kind)
{
    Node *node = ARENA_NEW(p->a, Node);
    node->kind = kind;
    node->line = p->at->line;
    return node;
}

void parser_push(Parser *p, NodeList *l, Node *node)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        Node **more = ARENA_ARRAY(p->a, Node *, cap);
        if (l->n)
            memcpy(more, l->node, l->n * sizeof *more);
        l->node = more;
        l->cap = cap;
    }
    l->node[l->n++] = node;
}

static void raise_to(int *height, const Node *node)
{
    if (node && node->height > *height)
        *height = node->height;
}

Err *parser_close(Parser *p, Node *node)
{
    int h = 0;
    const Node *kids[] = {node->a, node->b, node->c, node->d, node->e};
    for (size_t i = 0; i < 5; i++)
        raise_to(&h, kids[i]);
    for (size_t i = 0; i < node->n; i++)
        raise_to(&h, node->list[i]);
    for (size_t i = 0; node->args && i < node->args->n; i++)
        raise_to(&h, node->args->item[i]);
    for (size_t i = 0; node->args && i < node->args->n_keys; i++)
        raise_to(&h, node->args->value[i]);
    if (node->args) {
        raise_to(&h, node->args->star);
        raise_to(&h, node->args->stars);
    }
    node->height = h + 1;
    if (p->t->n_names > PARSER_NAMES)
        return err_new(ERR_LIMIT, "line %d: more than %d different names",
                       p->at->line, PARSER_NAMES);
    if (node->height > PARSER_HEIGHT)
        return err_new(ERR_LIMIT, "line %d: more than %d operations in one",
                       p->at->line, PARSER_HEIGHT);
    return NULL;
}

Err *parser_enter(Parser *p)
{
    if (++p->depth > PARSER_DEPTH)
        return err_new(ERR_LIMIT, "line %d: nested deeper than %d", p->at->line,
                       PARSER_DEPTH);
    return NULL;
}

void parser_unknown(Parser *p, const char *what, const char *name)
{
    if (!p->soft && !p->unknown)
        p->unknown = err_new(ERR_INPUT, "line %d: No %s named '%.60s'.",
                             p->at->line, what, name);
}

void parser_forgive(Parser *p, Err *before)
{
    if (p->unknown == before)
        return;
    err_free(p->unknown);
    p->unknown = before;
}

Err *parser_fail(const Parser *p, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_new(ERR_INPUT, "line %d: %s", p->at->line, text);
}

const char *parser_token_text(const Parser *p, char room[64])
{
    const Token *t = p->at;
    switch (t->kind) {
    case TOKEN_END:
        return "end of template";
    case TOKEN_PRINT_END:
        return "end of print statement";
    case TOKEN_BLOCK_END:
        return "end of statement block";
    case TOKEN_DATA:
        return "template text";
    case TOKEN_PRINT_BEGIN:
        return "'{{'";
    case TOKEN_BLOCK_BEGIN:
        return "'{%'";
    case TOKEN_NAME:
    case TOKEN_STRING:
    case TOKEN_INT:
    case TOKEN_FLOAT:
    case TOKEN_OP:
        break;
    }
    size_t n = t->n < 40 ? t->n : 40;
    while (n < t->n && n && ((unsigned char)t->p[n] & 0xC0) == 0x80)
        n--;
    snprintf(room, 64, "'%.*s'", (int)n, t->p);
    return room;
}

bool parser_is_op(const Parser *p, Op op)
{
    return p->at->kind == TOKEN_OP && p->at->op == op;
}

bool parser_is_name(const Parser *p, const char *name)
{
    return p->at->kind == TOKEN_NAME && p->at->n == strlen(name) &&
           memcmp(p->at->p, name, p->at->n) == 0;
}

bool parser_skip_op(Parser *p, Op op)
{
    bool is = parser_is_op(p, op);
    p->at += is;
    return is;
}

bool parser_skip_name(Parser *p, const char *name)
{
    bool is = parser_is_name(p, name);
    p->at += is;
    return is;
}

Err *parser_expect_op(Parser *p, Op op)
{
    char room[64];
    if (parser_skip_op(p, op))
        return NULL;
    return parser_fail(p, "expected '%s', got %s", op_text[op],
                       parser_token_text(p, room));
}

/* ---- bodies */

typedef Err *StatementFn(Parser *p, Node **out);

/* Reads text, prints and statements until one of the names in `ends` (blanks
 * between them) begins a block; that name is then the current token. */
static Err *parse_body(Parser *p, const char *ends, Node **out);

static Err *end_of_block(Parser *p)
{
    char room[64];
    if (p->at->kind != TOKEN_BLOCK_END)
        return parser_fail(p, "expected end of statement block, got %s",
                           parser_token_text(p, room));
    p->at++;
    return NULL;
}

/* The block's body and its end tag, whole. */
static Err *parse_to(Parser *p, const char *end, Node **out)
{
    parser_skip_op(p, OP_COLON);
    TRY(end_of_block(p));
    TRY(parse_body(p, end, out));
    p->at++;
    return NULL;
}

static Err *check_target(Parser *p, const Node *target)
{
    if (target->kind == NODE_NAME || target->kind == NODE_ATTRIBUTE)
        return NULL;
    if (target->kind != NODE_TUPLE)
        return parser_fail(p, "can't assign to that");
    for (size_t i = 0; i < target->n; i++)
        TRY(check_target(p, target->list[i]));
    return NULL;
}

static Err *parse_target(Parser *p, const char *stop, bool attributes,
                         Node **out)
{
    if (attributes && p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_OP &&
        p->at[1].op == OP_DOT && p->at[2].kind == TOKEN_NAME) {
        *out = parser_node(p, NODE_ATTRIBUTE);
        TRY(parser_primary(p, &(*out)->a));
        (*out)->name = ast_intern(p->t, p->at[1].p, p->at[1].n);
        p->at += 2;
    } else {
        TRY(parser_tuple(p, TUPLE_SIMPLE, stop, false, out));
    }
    TRY(check_target(p, *out));
    return parser_close(p, *out);
}

/* ---- statements */

static Err *parse_for(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_FOR);
    char room[64];
    TRY(parse_target(p, "in", false, &node->a));
    if (!parser_skip_name(p, "in"))
        return parser_fail(p, "expected 'in', got %s",
                           parser_token_text(p, room));
    TRY(parser_tuple(p, TUPLE_NO_IF, "recursive", false, &node->b));
    if (parser_skip_name(p, "if"))
        TRY(parser_expression(p, true, &node->c));
    node->flag = parser_skip_name(p, "recursive");
    parser_skip_op(p, OP_COLON);
    TRY(end_of_block(p));
    int soft = p->soft;
    p->soft = 0;
    p->loops++;
    TRY(parse_body(p, "endfor else", &node->d));
    p->loops--;
    p->soft = soft;
    if (parser_skip_name(p, "else"))
        TRY(parse_to(p, "endfor", &node->e));
    else
        p->at++;
    *out = node;
    return NULL;
}

static Err *parse_if(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_IF), *part;
    NodeList parts = {0};
    p->soft++;
    do {
        TRY(parser_tuple(p, TUPLE_NO_IF, NULL, false, &part));
        parser_push(p, &parts, part);
        parser_skip_op(p, OP_COLON);
        TRY(end_of_block(p));
        TRY(parse_body(p, "elif else endif", &part));
        parser_push(p, &parts, part);
    } while (parser_skip_name(p, "elif"));
    if (parser_skip_name(p, "else"))
        TRY(parse_to(p, "endif", &node->a));
    else
        p->at++;
    p->soft--;
    node->list = parts.node;
    node->n = parts.n;
    *out = node;
    return NULL;
}

static Err *parse_set(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_SET);
    TRY(parse_target(p, NULL, true, &node->a));
    *out = node;
    if (parser_skip_op(p, OP_ASSIGN))
        return parser_tuple(p, TUPLE_FULL, NULL, false, &node->b);
    node->kind = NODE_SET_BLOCK;
    TRY(parser_filters(p, NULL, false, &node->b));
    return parse_to(p, "endset", &node->d);
}

/* "(a, b=1)" */
static Err *parse_signature(Parser *p, ArgList **out)
{
    ArgList *args = ARENA_NEW(p->a, ArgList);
    NodeList names = {0}, values = {0};
    char room[64];
    TRY(parser_expect_op(p, OP_LPAREN));
    while (!parser_is_op(p, OP_RPAREN)) {
        Node *value = NULL, *name;
        if (names.n)
            TRY(parser_expect_op(p, OP_COMMA));
        if (p->at->kind != TOKEN_NAME)
            return parser_fail(p, "expected a name, got %s",
                               parser_token_text(p, room));
        name = parser_node(p, NODE_NAME);
        name->name = ast_intern(p->t, p->at->p, p->at->n);
        p->at++;
        if (parser_skip_op(p, OP_ASSIGN))
            TRY(parser_expression(p, true, &value));
        else if (values.n && values.node[values.n - 1])
            return parser_fail(p,
                               "non-default argument follows default argument");
        parser_push(p, &names, name);
        parser_push(p, &values, value);
    }
    p->at++;
    args->key = ARENA_ARRAY(p->a, const char *, names.n);
    for (size_t i = 0; i < names.n; i++)
        args->key[i] = names.node[i]->name;
    args->value = values.node;
    args->n_keys = names.n;
    *out = args;
    return NULL;
}

/* A macro's body: what it uses of the call is its own business, but a macro
 * around it is taken to use it too. */
static Err *parse_macro_body(Parser *p, Node *node, const char *end)
{
    int uses = p->uses, soft = p->soft, loops = p->loops;
    p->uses = p->soft = p->loops = 0;
    TRY(parse_to(p, end, &node->d));
    node->flag = p->uses;
    p->uses |= uses;
    p->soft = soft;
    p->loops = loops;
    return NULL;
}

static Err *parse_macro(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_MACRO);
    char room[64];
    if (p->at->kind != TOKEN_NAME)
        return parser_fail(p, "expected a name, got %s",
                           parser_token_text(p, room));
    node->name = ast_intern(p->t, p->at->p, p->at->n);
    p->at++;
    TRY(parse_signature(p, &node->args));
    *out = node;
    return parse_macro_body(p, node, "endmacro");
}

static Err *parse_call_block(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_CALL_BLOCK);
    node->name = ast_intern(p->t, "caller", 6);
    node->args = ARENA_NEW(p->a, ArgList);
    if (parser_is_op(p, OP_LPAREN))
        TRY(parse_signature(p, &node->args));
    TRY(parser_expression(p, true, &node->a));
    if (node->a->kind != NODE_CALL)
        return parser_fail(p, "expected call");
    *out = node;
    return parse_macro_body(p, node, "endcall");
}

static Err *parse_filter_block(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_FILTER_BLOCK);
    TRY(parser_filters(p, NULL, true, &node->b));
    *out = node;
    return parse_to(p, "endfilter", &node->d);
}

static Err *parse_with(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_WITH), *target;
    ArgList *args = ARENA_NEW(p->a, ArgList);
    NodeList names = {0}, values = {0};
    while (p->at->kind != TOKEN_BLOCK_END) {
        if (names.n)
            TRY(parser_expect_op(p, OP_COMMA));
        TRY(parser_primary(p, &target));
        if (target->kind != NODE_NAME)
            return parser_fail(p, "can't assign to that");
        parser_push(p, &names, target);
        TRY(parser_expect_op(p, OP_ASSIGN));
        TRY(parser_expression(p, true, &target));
        parser_push(p, &values, target);
    }
    args->key = ARENA_ARRAY(p->a, const char *, names.n);
    for (size_t i = 0; i < names.n; i++)
        args->key[i] = names.node[i]->name;
    args->value = values.node;
    args->n_keys = names.n;
    node->args = args;
    *out = node;
    return parse_to(p, "endwith", &node->d);
}

static Err *parse_generation(Parser *p, Node **out)
{
    *out = parser_node(p, NODE_GENERATION);
    return parse_macro_body(p, *out, "endgeneration");
}

static Err *parse_print(Parser *p, Node **out)
{
    Node *node = parser_node(p, NODE_BODY), *item;
    NodeList items = {0};
    while (p->at->kind != TOKEN_BLOCK_END) {
        if (items.n)
            TRY(parser_expect_op(p, OP_COMMA));
        item = parser_node(p, NODE_PRINT);
        TRY(parser_expression(p, true, &item->a));
        TRY(parser_close(p, item));
        parser_push(p, &items, item);
    }
    node->list = items.node;
    node->n = items.n;
    *out = node;
    return NULL;
}

static Err *parse_jump(Parser *p, Node **out)
{
    NodeKind kind = p->at[-1].p[0] == 'b' ? NODE_BREAK : NODE_CONTINUE;
    if (!p->loops)
        return parser_fail(p, "'%s' outside loop",
                           kind == NODE_BREAK ? "break" : "continue");
    *out = parser_node(p, kind);
    return NULL;
}

static Err *parse_refused(Parser *p, Node **out)
{
    const Token *t = p->at - 1;
    *out = NULL;
    return parser_fail(p,
                       "'%.*s' is not supported: a chat template is one text",
                       (int)t->n, t->p);
}

static StatementFn *find_statement(const Parser *p)
{
    static const struct {
        const char *name;
        StatementFn *parse;
    } table[] = {
#define STATEMENT(name, function) {name, function},
#include "runtime/jinja/statements.def"
#undef STATEMENT
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (parser_is_name(p, table[i].name))
            return table[i].parse;
    return NULL;
}

static Err *parse_statement(Parser *p, Node **out)
{
    char room[64];
    if (p->at->kind != TOKEN_NAME)
        return parser_fail(p, "tag name expected");
    StatementFn *parse = find_statement(p);
    if (!parse)
        return parser_fail(p, "Encountered unknown tag %s.",
                           parser_token_text(p, room));
    TRY(parser_enter(p));
    p->at++;
    TRY(parse(p, out));
    p->depth--;
    TRY(parser_close(p, *out));
    return end_of_block(p);
}

static bool is_one_of(const Parser *p, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, " ");
        if (p->at->kind == TOKEN_NAME && p->at->n == n &&
            memcmp(p->at->p, names, n) == 0)
            return true;
        names += n + (names[n] == ' ');
    }
    return false;
}

/* Data that a raw block cut in two is one. */
static void push_data(Parser *p, NodeList *items)
{
    Node *last = items->n ? items->node[items->n - 1] : NULL;
    if (last && last->kind == NODE_DATA) {
        Text t = text_new(p->a, SIZE_MAX / 4);
        text_str(&t, last->value.s);
        text_str(&t, p->at->value.s);
        last->value = value_str(text_done(&t));
    } else {
        Node *node = parser_node(p, NODE_DATA);
        node->value = p->at->value;
        parser_push(p, items, node);
    }
    p->at++;
}

static Err *parse_output(Parser *p, Node **out)
{
    char room[64];
    *out = parser_node(p, NODE_PRINT);
    p->at++;
    TRY(parser_tuple(p, TUPLE_FULL, NULL, false, &(*out)->a));
    if (p->at->kind != TOKEN_PRINT_END)
        return parser_fail(p, "expected end of print statement, got %s",
                           parser_token_text(p, room));
    p->at++;
    return parser_close(p, *out);
}

/* Reads one piece; *ended when the block ends instead. */
static Err *parse_piece(Parser *p, const char *ends, NodeList *items,
                        bool *ended)
{
    Node *node;
    *ended = false;
    if (p->at->kind == TOKEN_DATA) {
        push_data(p, items);
    } else if (p->at->kind == TOKEN_PRINT_BEGIN) {
        TRY(parse_output(p, &node));
        parser_push(p, items, node);
    } else if (p->at->kind == TOKEN_BLOCK_BEGIN) {
        p->at++;
        *ended = is_one_of(p, ends);
        if (*ended)
            return NULL;
        TRY(parse_statement(p, &node));
        parser_push(p, items, node);
    } else if (*ends) {
        return parser_fail(p, "Unexpected end of template. Looking for: %s.",
                           ends);
    } else {
        *ended = true;
    }
    return NULL;
}

static Err *parse_body(Parser *p, const char *ends, Node **out)
{
    Node *node = parser_node(p, NODE_BODY);
    NodeList items = {0};
    bool ended = false;
    while (!ended)
        TRY(parse_piece(p, ends, &items, &ended));
    node->list = items.node;
    node->n = items.n;
    *out = node;
    return parser_close(p, node);
}

Err *template_parse(Arena *a, const char *text, size_t n, Template **out)
{
    TokenList tokens;
    *out = NULL;
    if (n > TEMPLATE_MAX_BYTES)
        return err_new(ERR_LIMIT, "a template of more than %d bytes",
                       TEMPLATE_MAX_BYTES);
    if (unicode_valid(text, n) < n)
        return err_new(ERR_INPUT, "the template is not UTF-8");
    TRY(lexer_run(a, text, n, &tokens));
    Template *t = ARENA_NEW(a, Template);
    t->arena = a;
    Parser p = {.a = a, .t = t, .at = tokens.token};
    Err *e = parse_body(&p, "", &t->body);
    if (!e && p.unknown)
        return p.unknown;
    err_free(p.unknown);
    if (!e)
        scopes_find(a, t->body);
    *out = e ? NULL : t;
    return e;
}
