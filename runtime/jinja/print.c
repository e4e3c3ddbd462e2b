/* print.c - a parsed template as text that parses to the same.
 *
 * Every tag says `+` where white space would be dropped, braces in the text
 * stand in raw blocks, every inner expression in parentheses. */
#include <string.h>

#include "runtime/jinja/ast.h"
#include "runtime/jinja/literal.h"

static void print_expr(Text *t, const Node *node);
static void print_node(Text *t, const Node *node);

/* ---- expressions */

/* Filters bind less tightly than what follows here. */
static void print_operand(Text *t, const Node *node)
{
    bool filter = node->kind == NODE_FILTER;
    text_puts(t, filter ? "(" : "");
    print_expr(t, node);
    text_puts(t, filter ? ")" : "");
}

static void print_list(Text *t, Node *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_puts(t, i ? ", " : "");
        print_expr(t, list[i]);
    }
}

static void print_args(Text *t, const ArgList *args)
{
    const char *gap = "";
    text_puts(t, "(");
    print_list(t, args->item, args->n);
    gap = args->n ? ", " : "";
    for (size_t i = 0; i < args->n_keys; i++, gap = ", ") {
        text_puts(t, gap);
        text_puts(t, args->key[i]);
        if (args->value[i]) {
            text_puts(t, "=");
            print_expr(t, args->value[i]);
        }
    }
    const Node *star[] = {args->star, args->stars};
    for (int i = 0; i < 2; i++) {
        if (!star[i])
            continue;
        text_puts(t, gap);
        text_puts(t, i ? "**" : "*");
        print_expr(t, star[i]);
        gap = ", ";
    }
    text_puts(t, ")");
}

static void print_tuple(Text *t, const Node *node)
{
    text_puts(t, "(");
    print_list(t, node->list, node->n);
    text_puts(t, node->n == 1 ? ",)" : ")");
}

static void print_dict(Text *t, const Node *node)
{
    text_puts(t, "{");
    for (size_t i = 0; i < node->n; i += 2) {
        text_puts(t, i ? ", " : "");
        print_expr(t, node->list[i]);
        text_puts(t, ": ");
        print_expr(t, node->list[i + 1]);
    }
    text_puts(t, "}");
}

static void print_slice(Text *t, const Node *node)
{
    print_operand(t, node->a);
    text_puts(t, "[");
    for (int i = 0; i < 3; i++) {
        text_puts(t, i ? ":" : "");
        if (node->list[i])
            print_expr(t, node->list[i]);
    }
    text_puts(t, "]");
}

/* Operands with an operator between them, in parentheses. */
static void print_between(Text *t, const Node *a, const char *op, const Node *b)
{
    text_puts(t, "(");
    print_expr(t, a);
    text_printf(t, " %s ", op);
    print_expr(t, b);
    text_puts(t, ")");
}

static void print_condition(Text *t, const Node *node)
{
    text_puts(t, "(");
    print_expr(t, node->b);
    text_puts(t, " if ");
    print_expr(t, node->a);
    if (node->c) {
        text_puts(t, " else ");
        print_expr(t, node->c);
    }
    text_puts(t, ")");
}

static void print_chain(Text *t, const Node *node)
{
    text_puts(t, "(");
    for (size_t i = 0; i < node->n; i++) {
        if (i)
            text_printf(t, " %s ",
                        node->ops ? op_text[node->ops[i - 1]] : "~");
        print_expr(t, node->list[i]);
    }
    text_puts(t, ")");
}

static void print_const(Text *t, Value v)
{
    if (v.kind == VALUE_BOOL)
        text_puts(t, v.b ? "true" : "false");
    else if (v.kind == VALUE_NONE)
        text_puts(t, "none");
    else
        literal_write(t, v);
}

static void print_filter(Text *t, const Node *node)
{
    if (node->a) {
        print_expr(t, node->a);
        text_puts(t, "|");
    }
    text_puts(t, node->name);
    print_args(t, node->args);
}

static void print_unary(Text *t, const char *op, const Node *of)
{
    text_puts(t, "(");
    text_puts(t, op);
    print_operand(t, of);
    text_puts(t, ")");
}

static void print_call(Text *t, const Node *node)
{
    print_operand(t, node->a);
    print_args(t, node->args);
}

static void print_item(Text *t, const Node *node)
{
    print_operand(t, node->a);
    text_puts(t, "[");
    print_expr(t, node->b);
    text_puts(t, "]");
}

static void print_attribute(Text *t, const Node *node)
{
    bool number = node->a->kind == NODE_CONST && node->a->value.kind != VALUE_STR;
    text_puts(t, number ? "(" : "");
    print_operand(t, node->a);
    text_puts(t, number ? ")." : ".");
    text_puts(t, node->name);
}

static void print_test(Text *t, const Node *node)
{
    text_puts(t, "(");
    print_expr(t, node->a);
    text_puts(t, " is ");
    text_puts(t, node->name);
    print_args(t, node->args);
    text_puts(t, ")");
}

static void print_expr(Text *t, const Node *node)
{
    switch (node->kind) {
    case NODE_CONST:
        print_const(t, node->value);
        break;
    case NODE_NAME:
        text_puts(t, node->name);
        break;
    case NODE_LIST:
        text_puts(t, "[");
        print_list(t, node->list, node->n);
        text_puts(t, "]");
        break;
    case NODE_TUPLE:
        print_tuple(t, node);
        break;
    case NODE_DICT:
        print_dict(t, node);
        break;
    case NODE_CONDITION:
        print_condition(t, node);
        break;
    case NODE_AND:
    case NODE_OR:
        print_between(t, node->a, node->kind == NODE_OR ? "or" : "and", node->b);
        break;
    case NODE_NOT:
        print_unary(t, "not ", node->a);
        break;
    case NODE_MINUS:
    case NODE_PLUS:
        print_unary(t, node->kind == NODE_MINUS ? "-" : "+", node->a);
        break;
    case NODE_BINARY:
        print_between(t, node->a, op_text[node->op], node->b);
        break;
    case NODE_COMPARE:
    case NODE_CONCAT:
        print_chain(t, node);
        break;
    case NODE_ATTRIBUTE:
        print_attribute(t, node);
        break;
    case NODE_ITEM:
        print_item(t, node);
        break;
    case NODE_SLICE:
        print_slice(t, node);
        break;
    case NODE_CALL:
        print_call(t, node);
        break;
    case NODE_FILTER:
        print_filter(t, node);
        break;
    case NODE_TEST:
        print_test(t, node);
        break;
    case NODE_BODY:
    case NODE_DATA:
    case NODE_PRINT:
    case NODE_IF:
    case NODE_FOR:
    case NODE_SET:
    case NODE_SET_BLOCK:
    case NODE_MACRO:
    case NODE_CALL_BLOCK:
    case NODE_FILTER_BLOCK:
    case NODE_WITH:
    case NODE_GENERATION:
    case NODE_BREAK:
    case NODE_CONTINUE:
        break;
    }
}

/* ---- statements */

static void open_tag(Text *t, const char *word)
{
    text_printf(t, "{%%+ %s", word);
}

static void close_tag(Text *t) { text_puts(t, " +%}"); }

static void tag(Text *t, const char *word)
{
    open_tag(t, word);
    close_tag(t);
}

/* A brace that could begin a tag, with what follows it, goes into a raw block
 * of its own. */
static void print_data(Text *t, const Str *s)
{
    size_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool risky = s->p[i] == '{' &&
                     (i + 1 == s->n || (s->p[i + 1] && strchr("{%#", s->p[i + 1])));
        if (!risky)
            continue;
        text_part(t, s, from, i);
        text_puts(t, "{%+ raw %}{{%+ endraw +%}");
        from = i + 1;
    }
    text_part(t, s, from, s->n);
}

static void print_if(Text *t, const Node *node)
{
    for (size_t i = 0; i < node->n; i += 2) {
        open_tag(t, i ? "elif " : "if ");
        print_expr(t, node->list[i]);
        close_tag(t);
        print_node(t, node->list[i + 1]);
    }
    if (node->a) {
        tag(t, "else");
        print_node(t, node->a);
    }
    tag(t, "endif");
}

static void print_target(Text *t, const Node *target)
{
    if (target->kind == NODE_TUPLE && target->n != 1)
        print_list(t, target->list, target->n);
    else if (target->kind == NODE_TUPLE)
        print_tuple(t, target);
    else
        print_expr(t, target);
}

static void print_for(Text *t, const Node *node)
{
    open_tag(t, "for ");
    print_target(t, node->a);
    text_puts(t, " in ");
    print_expr(t, node->b);
    if (node->c) {
        text_puts(t, " if ");
        print_expr(t, node->c);
    }
    text_puts(t, node->flag ? " recursive" : "");
    close_tag(t);
    print_node(t, node->d);
    if (node->e) {
        tag(t, "else");
        print_node(t, node->e);
    }
    tag(t, "endfor");
}

static void print_set(Text *t, const Node *node)
{
    open_tag(t, "set ");
    print_target(t, node->a);
    if (node->kind == NODE_SET) {
        text_puts(t, " = ");
        print_expr(t, node->b);
        close_tag(t);
        return;
    }
    if (node->b) {
        text_puts(t, "|");
        print_expr(t, node->b);
    }
    close_tag(t);
    print_node(t, node->d);
    tag(t, "endset");
}

static void print_block(Text *t, const Node *node, const char *end)
{
    close_tag(t);
    print_node(t, node->d);
    tag(t, end);
}

static void print_macro(Text *t, const Node *node)
{
    open_tag(t, "macro ");
    text_puts(t, node->name);
    print_args(t, node->args);
    print_block(t, node, "endmacro");
}

static void print_call_block(Text *t, const Node *node)
{
    open_tag(t, "call");
    print_args(t, node->args);
    text_puts(t, " ");
    print_expr(t, node->a);
    print_block(t, node, "endcall");
}

static void print_with(Text *t, const Node *node)
{
    open_tag(t, "with");
    for (size_t i = 0; i < node->args->n_keys; i++) {
        text_puts(t, i ? ", " : " ");
        text_puts(t, node->args->key[i]);
        text_puts(t, "=");
        print_expr(t, node->args->value[i]);
    }
    print_block(t, node, "endwith");
}

static void print_body(Text *t, const Node *node)
{
    for (size_t i = 0; i < node->n; i++)
        print_node(t, node->list[i]);
}

static void print_output(Text *t, const Node *node)
{
    text_puts(t, "{{ ");
    print_expr(t, node->a);
    text_puts(t, " }}");
}

static void print_node(Text *t, const Node *node)
{
    switch (node->kind) {
    case NODE_BODY:
        print_body(t, node);
        break;
    case NODE_DATA:
        print_data(t, node->value.s);
        break;
    case NODE_PRINT:
        print_output(t, node);
        break;
    case NODE_IF:
        print_if(t, node);
        break;
    case NODE_FOR:
        print_for(t, node);
        break;
    case NODE_SET:
    case NODE_SET_BLOCK:
        print_set(t, node);
        break;
    case NODE_MACRO:
        print_macro(t, node);
        break;
    case NODE_CALL_BLOCK:
        print_call_block(t, node);
        break;
    case NODE_FILTER_BLOCK:
        open_tag(t, "filter ");
        print_expr(t, node->b);
        print_block(t, node, "endfilter");
        break;
    case NODE_WITH:
        print_with(t, node);
        break;
    case NODE_GENERATION:
        open_tag(t, "generation");
        print_block(t, node, "endgeneration");
        break;
    case NODE_BREAK:
        tag(t, "break");
        break;
    case NODE_CONTINUE:
        tag(t, "continue");
        break;
    case NODE_CONST:
    case NODE_NAME:
    case NODE_LIST:
    case NODE_TUPLE:
    case NODE_DICT:
    case NODE_CONDITION:
    case NODE_AND:
    case NODE_OR:
    case NODE_NOT:
    case NODE_MINUS:
    case NODE_PLUS:
    case NODE_BINARY:
    case NODE_COMPARE:
    case NODE_CONCAT:
    case NODE_ATTRIBUTE:
    case NODE_ITEM:
    case NODE_SLICE:
    case NODE_CALL:
    case NODE_FILTER:
    case NODE_TEST:
        break;
    }
}

/* The last newline of a text goes when it is parsed: one more is written. */
void template_print(const Template *t, Buf *out)
{
    Arena *a = arena_new();
    Text text = text_new(a, SIZE_MAX / 4);
    print_node(&text, t->body);
    buf_add(out, text.p, text.n);
    buf_add(out, "\n", 1);
    arena_free(a);
}
