/* print.c - a parsed template as text that parses to the same.
 *
 * Every tag says `+` where white space would be dropped, braces in the text
 * stand in raw blocks, every inner expression in parentheses. */
#include <string.h>

#include "runtime/jinja/ast.h"
#include "runtime/jinja/literal.h"

static void print_node(Text *t, const Node *node);

/* ---- expressions */

/* Filters bind less tightly than what follows here. */
static void print_operand(Text *t, const Node *node)
{
    bool filter = node->kind == NODE_FILTER;
    text_puts(t, filter ? "(" : "");
    print_node(t, node);
    text_puts(t, filter ? ")" : "");
}

static void print_list(Text *t, Node *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_puts(t, i ? ", " : "");
        print_node(t, list[i]);
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
            print_node(t, args->value[i]);
        }
    }
    const Node *star[] = {args->star, args->stars};
    for (int i = 0; i < 2; i++) {
        if (!star[i])
            continue;
        text_puts(t, gap);
        text_puts(t, i ? "**" : "*");
        print_node(t, star[i]);
        gap = ", ";
    }
    text_puts(t, ")");
}

static void print_name(Text *t, const Node *node) { text_puts(t, node->name); }

static void print_display(Text *t, const Node *node)
{
    text_puts(t, "[");
    print_list(t, node->list, node->n);
    text_puts(t, "]");
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
        print_node(t, node->list[i]);
        text_puts(t, ": ");
        print_node(t, node->list[i + 1]);
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
            print_node(t, node->list[i]);
    }
    text_puts(t, "]");
}

static void print_between(Text *t, const Node *node)
{
    const char *op = node->kind == NODE_OR    ? "or"
                     : node->kind == NODE_AND ? "and"
                                              : op_text[node->op];
    text_puts(t, "(");
    print_node(t, node->a);
    text_printf(t, " %s ", op);
    print_node(t, node->b);
    text_puts(t, ")");
}

static void print_condition(Text *t, const Node *node)
{
    text_puts(t, "(");
    print_node(t, node->b);
    text_puts(t, " if ");
    print_node(t, node->a);
    if (node->c) {
        text_puts(t, " else ");
        print_node(t, node->c);
    }
    text_puts(t, ")");
}

static void print_chain(Text *t, const Node *node)
{
    text_puts(t, "(");
    for (size_t i = 0; i < node->n; i++) {
        if (i)
            text_printf(t, " %s ", node->ops ? op_text[node->ops[i - 1]] : "~");
        print_node(t, node->list[i]);
    }
    text_puts(t, ")");
}

static void print_const(Text *t, const Node *node)
{
    Value v = node->value;
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
        print_node(t, node->a);
        text_puts(t, "|");
    }
    text_puts(t, node->name);
    print_args(t, node->args);
}

static void print_unary(Text *t, const Node *node)
{
    text_puts(t, node->kind == NODE_NOT     ? "(not "
                 : node->kind == NODE_MINUS ? "(-"
                                            : "(+");
    print_operand(t, node->a);
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
    print_node(t, node->b);
    text_puts(t, "]");
}

static void print_attribute(Text *t, const Node *node)
{
    bool number =
        node->a->kind == NODE_CONST && node->a->value.kind != VALUE_STR;
    text_puts(t, number ? "(" : "");
    print_operand(t, node->a);
    text_puts(t, number ? ")." : ".");
    text_puts(t, node->name);
}

static void print_test(Text *t, const Node *node)
{
    text_puts(t, "(");
    print_node(t, node->a);
    text_puts(t, " is ");
    text_puts(t, node->name);
    print_args(t, node->args);
    text_puts(t, ")");
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
static void print_data(Text *t, const Node *node)
{
    const Str *s = node->value.s;
    size_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool risky =
            s->p[i] == '{' &&
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
        print_node(t, node->list[i]);
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
        print_node(t, target);
}

static void print_for(Text *t, const Node *node)
{
    open_tag(t, "for ");
    print_target(t, node->a);
    text_puts(t, " in ");
    print_node(t, node->b);
    if (node->c) {
        text_puts(t, " if ");
        print_node(t, node->c);
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
        print_node(t, node->b);
        close_tag(t);
        return;
    }
    if (node->b) {
        text_puts(t, "|");
        print_node(t, node->b);
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
    print_node(t, node->a);
    print_block(t, node, "endcall");
}

static void print_with(Text *t, const Node *node)
{
    open_tag(t, "with");
    for (size_t i = 0; i < node->args->n_keys; i++) {
        text_puts(t, i ? ", " : " ");
        text_puts(t, node->args->key[i]);
        text_puts(t, "=");
        print_node(t, node->args->value[i]);
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
    print_node(t, node->a);
    text_puts(t, " }}");
}

static void print_filter_block(Text *t, const Node *node)
{
    open_tag(t, "filter ");
    print_node(t, node->b);
    print_block(t, node, "endfilter");
}

static void print_generation(Text *t, const Node *node)
{
    open_tag(t, "generation");
    print_block(t, node, "endgeneration");
}

static void print_jump(Text *t, const Node *node)
{
    tag(t, node->kind == NODE_BREAK ? "break" : "continue");
}

static void (*const printers[])(Text *t, const Node *node) = {
    [NODE_CONST] = print_const,
    [NODE_NAME] = print_name,
    [NODE_LIST] = print_display,
    [NODE_TUPLE] = print_tuple,
    [NODE_DICT] = print_dict,
    [NODE_CONDITION] = print_condition,
    [NODE_AND] = print_between,
    [NODE_OR] = print_between,
    [NODE_NOT] = print_unary,
    [NODE_MINUS] = print_unary,
    [NODE_PLUS] = print_unary,
    [NODE_BINARY] = print_between,
    [NODE_COMPARE] = print_chain,
    [NODE_CONCAT] = print_chain,
    [NODE_ATTRIBUTE] = print_attribute,
    [NODE_ITEM] = print_item,
    [NODE_SLICE] = print_slice,
    [NODE_CALL] = print_call,
    [NODE_FILTER] = print_filter,
    [NODE_TEST] = print_test,
    [NODE_BODY] = print_body,
    [NODE_DATA] = print_data,
    [NODE_PRINT] = print_output,
    [NODE_IF] = print_if,
    [NODE_FOR] = print_for,
    [NODE_SET] = print_set,
    [NODE_SET_BLOCK] = print_set,
    [NODE_MACRO] = print_macro,
    [NODE_CALL_BLOCK] = print_call_block,
    [NODE_FILTER_BLOCK] = print_filter_block,
    [NODE_WITH] = print_with,
    [NODE_GENERATION] = print_generation,
    [NODE_BREAK] = print_jump,
    [NODE_CONTINUE] = print_jump,
};

static void print_node(Text *t, const Node *node)
{
    printers[node->kind](t, node);
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
