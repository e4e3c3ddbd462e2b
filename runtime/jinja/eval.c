/* eval.c - statements to output. */
#include <string.h>

#include "runtime/jinja/run.h"

static Err *check_output(Run *r)
{
    if (r->out->full)
        return err_new(ERR_LIMIT,
                       "the template makes more than %zu bytes of text, or "
                       "values nested deeper than %d",
                       r->bounds.output, VALUE_DEPTH);
    return NULL;
}

Err *eval_capture(Run *r, const Node *body, Scope *s, const Str **out)
{
    Text t = run_text(r), *outer = r->out;
    Value v = {0};
    r->out = &t;
    Err *e = eval_body(r, body, s);
    r->out = outer;
    if (!e)
        e = run_text_value(r, &t, &v);
    *out = e ? NULL : v.s;
    return e;
}

/* ---- assignment */

static Err *assign(Run *r, const Node *target, Scope *s, Value v);

static Err *unpack(Run *r, const Node *target, Scope *s, Value v)
{
    const Value *items;
    size_t n;
    if (!iter_possible(v))
        return err_new(ERR_INPUT, "cannot unpack non-iterable %s object",
                       value_type(v));
    TRY(iter_items(r, v, &items, &n));
    if (n > target->n)
        return err_new(ERR_INPUT, "too many values to unpack (expected %zu)",
                       target->n);
    if (n < target->n)
        return err_new(ERR_INPUT,
                       "not enough values to unpack (expected %zu, got %zu)",
                       target->n, n);
    for (size_t i = 0; i < n; i++)
        TRY(assign(r, target->list[i], s, items[i]));
    return NULL;
}

static Err *assign(Run *r, const Node *target, Scope *s, Value v)
{
    Value of;
    if (target->kind == NODE_TUPLE)
        return unpack(r, target, s, v);
    if (target->kind == NODE_NAME) {
        scope_set(r, s, target->name, v);
        return NULL;
    }
    TRY(eval_expr(r, target->a, s, &of));
    if (!object_is(of, OBJECT_NAMESPACE))
        return err_new(ERR_INPUT,
                       "cannot assign attribute on non-namespace object");
    dict_set(r->a, of.object->names, run_string(r, target->name), v);
    return NULL;
}

static Err *eval_set(Run *r, const Node *node, Scope *s)
{
    Value v;
    TRY(eval_expr(r, node->b, s, &v));
    return assign(r, node->a, s, v);
}

/* Filters whose innermost input is the text of a block. */
static Err *filter_text(Run *r, const Node *filter, Scope *s, Value text,
                        Value *out)
{
    Value self = text;
    Args args;
    if (filter->a)
        TRY(filter_text(r, filter->a, s, text, &self));
    if (!filter->builtin)
        return err_new(ERR_INPUT, "No filter named '%s' found.", filter->name);
    TRY(eval_args(r, filter->args, s, &args));
    return builtin_call(r, filter->builtin, self, &args, out);
}

static Err *captured_value(Run *r, const Node *node, Scope *s, Value *out)
{
    const Str *text;
    Scope *inner = scope_new(r, s, node->d);
    TRY(eval_capture(r, node->d, inner, &text));
    *out = value_str(text);
    if (node->b)
        return filter_text(r, node->b, inner, *out, out);
    return NULL;
}

static Err *eval_set_block(Run *r, const Node *node, Scope *s)
{
    Value v;
    TRY(captured_value(r, node, s, &v));
    return assign(r, node->a, s, v);
}

static Err *eval_filter_block(Run *r, const Node *node, Scope *s)
{
    Value v;
    TRY(captured_value(r, node, s, &v));
    value_print(r->out, v);
    return check_output(r);
}

/* ---- loops */

/* Those items for which the loop's condition holds. */
static Err *holding_items(Run *r, const Node *node, Scope *s, const Value **v,
                          size_t *n)
{
    Values kept = {0};
    Value holds;
    if (!node->c)
        return NULL;
    for (size_t i = 0; i < *n; i++) {
        Scope *inner = scope_new(r, s, NULL);
        TRY(assign(r, node->a, inner, (*v)[i]));
        TRY(eval_expr(r, node->c, inner, &holds));
        if (ops_truth(holds))
            TRY(run_push(r, &kept, (*v)[i]));
    }
    *v = kept.v;
    *n = kept.n;
    return NULL;
}

/* One round; *ran_through when it was not left early, which is when jinja2
 * takes the loop for one that had a round. */
static Err *loop_round(Run *r, const Node *node, Scope *s, Object *loop,
                       const char *loop_name, bool *ran_through)
{
    Scope *inner = scope_new(r, s, node->d);
    TRY(run_charge(r, 1));
    if (loop_name)
        scope_set(r, inner, loop_name, object_value(loop));
    TRY(assign(r, node->a, inner, loop->loop->v[loop->loop->index]));
    TRY(eval_body(r, node->d, inner));
    *ran_through = *ran_through || r->flow == FLOW_ON;
    return NULL;
}

static Err *run_loop(Run *r, const Node *node, Scope *s, Value over, int depth)
{
    Object *o = object_new(r, OBJECT_LOOP);
    Loop *loop = ARENA_NEW(r->a, Loop);
    const char *name = ast_name(r->t, "loop", 4);
    bool ran_through = false;
    TRY(iter_items(r, over, &loop->v, &loop->n));
    TRY(holding_items(r, node, s, &loop->v, &loop->n));
    loop->node = node;
    loop->scope = s;
    loop->depth = depth;
    o->loop = loop;
    for (; loop->index < loop->n; loop->index++) {
        TRY(loop_round(r, node, s, o, name, &ran_through));
        bool leave = r->flow == FLOW_BREAK;
        r->flow = FLOW_ON;
        if (leave)
            break;
    }
    if (!ran_through && node->e)
        return eval_body(r, node->e, scope_new(r, s, node->e));
    return NULL;
}

static Err *eval_for(Run *r, const Node *node, Scope *s)
{
    Value over;
    TRY(eval_expr(r, node->b, s, &over));
    return run_loop(r, node, s, over, 0);
}

Err *eval_recurse(Run *r, const Loop *loop, Value over, Value *out)
{
    Text t = run_text(r), *outer = r->out;
    r->out = &t;
    if (++r->depth > r->bounds.depth)
        return err_new(ERR_LIMIT, "the template nests deeper than %d",
                       r->bounds.depth);
    Err *e = run_loop(r, loop->node, loop->scope, over, loop->depth + 1);
    r->depth--;
    r->out = outer;
    return e ? e : run_text_value(r, &t, out);
}

/* ---- the others */

static Err *eval_if(Run *r, const Node *node, Scope *s)
{
    for (size_t i = 0; i + 1 < node->n; i += 2) {
        Value test;
        TRY(eval_expr(r, node->list[i], s, &test));
        if (ops_truth(test))
            return eval_body(r, node->list[i + 1], s);
    }
    return node->a ? eval_body(r, node->a, s) : NULL;
}

static Object *macro_object(Run *r, const Node *node, Scope *s)
{
    Object *o = object_new(r, OBJECT_MACRO);
    o->macro = node;
    o->scope = s;
    return o;
}

/* The call with the block as its keyword argument `caller`. */
static Err *eval_call_block(Run *r, const Node *node, Scope *s)
{
    Value callee, v;
    Args args;
    TRY(eval_expr(r, node->a->a, s, &callee));
    TRY(eval_args(r, node->a->args, s, &args));
    const char **key = ARENA_ARRAY(r->a, const char *, args.n_keys + 1);
    Value *value = ARENA_ARRAY(r->a, Value, args.n_keys + 1);
    for (size_t i = 0; i < args.n_keys; i++) {
        key[i] = args.key[i];
        value[i] = args.key_value[i];
    }
    key[args.n_keys] = "caller";
    value[args.n_keys] = object_value(macro_object(r, node, s));
    args.key = key;
    args.key_value = value;
    args.n_keys++;
    TRY(call_value(r, callee, &args, &v));
    value_print(r->out, v);
    return check_output(r);
}

static Err *eval_with(Run *r, const Node *node, Scope *s)
{
    Scope *inner = scope_new(r, s, node->d);
    for (size_t i = 0; i < node->args->n_keys; i++) {
        Value v;
        TRY(eval_expr(r, node->args->value[i], s, &v));
        scope_set(r, inner, node->args->key[i], v);
    }
    return eval_body(r, node->d, inner);
}

static Err *eval_print(Run *r, const Node *node, Scope *s)
{
    Value v;
    TRY(eval_expr(r, node->a, s, &v));
    size_t before = r->out->n;
    value_print(r->out, v);
    TRY(run_charge(r, (r->out->n - before) / 64));
    return check_output(r);
}

static Err *eval_data(Run *r, const Node *node)
{
    text_str(r->out, node->value.s);
    TRY(run_charge(r, node->value.s->n / 64));
    return check_output(r);
}

static Err *eval_statement(Run *r, const Node *node, Scope *s)
{
    switch (node->kind) {
    case NODE_BODY:
        return eval_body(r, node, s);
    case NODE_DATA:
        return eval_data(r, node);
    case NODE_PRINT:
        return eval_print(r, node, s);
    case NODE_IF:
        return eval_if(r, node, s);
    case NODE_FOR:
        return eval_for(r, node, s);
    case NODE_SET:
        return eval_set(r, node, s);
    case NODE_SET_BLOCK:
        return eval_set_block(r, node, s);
    case NODE_MACRO:
        scope_set(r, s, node->name, object_value(macro_object(r, node, s)));
        return NULL;
    case NODE_CALL_BLOCK:
        return eval_call_block(r, node, s);
    case NODE_FILTER_BLOCK:
        return eval_filter_block(r, node, s);
    case NODE_WITH:
        return eval_with(r, node, s);
    case NODE_GENERATION:
        return eval_body(r, node->d, scope_new(r, s, node->d));
    case NODE_BREAK:
        r->flow = FLOW_BREAK;
        return NULL;
    case NODE_CONTINUE:
        r->flow = FLOW_CONTINUE;
        return NULL;
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
    return err_new(ERR_INPUT, "no statement");
}

static Err *eval_noted(Run *r, const Node *node, Scope *s)
{
    Err *e = run_charge(r, 1);
    if (!e)
        e = eval_statement(r, node, s);
    if (e && !r->noted) {
        r->noted = true;
        e = err_note(e, "line %d", node->line);
    }
    return e;
}

Err *eval_body(Run *r, const Node *body, Scope *s)
{
    Err *e = NULL;
    if (++r->depth > r->bounds.depth)
        e = err_new(ERR_LIMIT, "the template nests deeper than %d",
                    r->bounds.depth);
    for (size_t i = 0; i < body->n && !e && r->flow == FLOW_ON; i++)
        e = eval_noted(r, body->list[i], s);
    r->depth--;
    return e;
}

/* ---- a whole rendering */

static struct tm local_now(void)
{
    time_t now = time(NULL);
    struct tm tm = {0};
    localtime_r(&now, &tm);
    return tm;
}

/* Into an arena that outlives the rendering. */
static const Str *keep(Arena *a, const Str *s)
{
    Str *copy = ARENA_NEW(a, Str);
    *copy = *s;
    copy->p = arena_strndup(a, s->p, s->n);
    if (s->marks)
        copy->marks = (const unsigned char *)arena_strndup(
            a, (const char *)s->marks, s->n);
    return copy;
}

Err *template_render(Arena *a, const Template *t, const TemplateInput *in,
                     const Str **out, int64_t *steps)
{
    Err *e = NULL;
    Run r = {.a = arena_new(), .t = t, .context = in->context};
    Value text;
    r.bounds = in->bounds ? *in->bounds : template_bounds;
    r.steps = r.bounds.steps;
    r.now = in->now ? *in->now : local_now();
    Text whole = run_text(&r);
    r.out = &whole;
    DO(eval_body(&r, t->body, scope_new(&r, NULL, t->body)));
    DO(run_text_value(&r, &whole, &text));
    *out = keep(a, text.s);
out:
    if (steps)
        *steps = r.bounds.steps - r.steps;
    arena_free(r.a);
    return e;
}
