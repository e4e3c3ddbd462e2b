/* eval_expr.c - expressions to values. */
#include "runtime/jinja/run.h"

static Err *eval_name(Run *r, const Node *node, Scope *s, Value *out)
{
    const Value *v = scope_find(s, node->name);
    if (!v)
        v = dict_find(r->context, node->name);
    if (v) {
        *out = *v;
        return NULL;
    }
    const Builtin *b = builtin_function(node->name);
    if (!b) {
        *out = run_missing(r, NULL, run_string(r, node->name));
        return NULL;
    }
    Object *o = object_new(r, OBJECT_FUNCTION);
    o->builtin = b;
    *out = object_value(o);
    return NULL;
}

static Err *eval_seq(Run *r, const Node *node, Scope *s, Value *out)
{
    Value *v = ARENA_ARRAY(r->a, Value, node->n);
    for (size_t i = 0; i < node->n; i++)
        TRY(eval_expr(r, node->list[i], s, &v[i]));
    *out = value_seq(r->a, node->kind == NODE_LIST ? VALUE_LIST : VALUE_TUPLE,
                     v, node->n);
    return NULL;
}

static Err *eval_dict(Run *r, const Node *node, Scope *s, Value *out)
{
    Dict *d = dict_new(r->a);
    for (size_t i = 0; i < node->n; i += 2) {
        Value key, val;
        TRY(eval_expr(r, node->list[i], s, &key));
        TRY(eval_expr(r, node->list[i + 1], s, &val));
        if (!value_hashable(key))
            return err_new(ERR_INPUT, "unhashable type: '%s'", value_type(key));
        dict_set(r->a, d, key, val);
    }
    *out = value_dict(d);
    return NULL;
}

static Err *eval_condition(Run *r, const Node *node, Scope *s, Value *out)
{
    Value test;
    TRY(eval_expr(r, node->a, s, &test));
    if (ops_truth(test))
        return eval_expr(r, node->b, s, out);
    if (node->c)
        return eval_expr(r, node->c, s, out);
    *out =
        run_hint(r, "the inline if-expression evaluated to false and no else "
                    "section was defined.");
    return NULL;
}

static Err *eval_and_or(Run *r, const Node *node, Scope *s, Value *out)
{
    TRY(eval_expr(r, node->a, s, out));
    if (ops_truth(*out) == (node->kind == NODE_OR))
        return NULL;
    return eval_expr(r, node->b, s, out);
}

static Err *eval_unary(Run *r, const Node *node, Scope *s, Value *out)
{
    Value v;
    TRY(eval_expr(r, node->a, s, &v));
    if (node->kind != NODE_NOT)
        return ops_negate(r, v, node->kind == NODE_MINUS, out);
    *out = value_bool(!ops_truth(v));
    return NULL;
}

static Err *eval_binary(Run *r, const Node *node, Scope *s, Value *out)
{
    Value a, b;
    TRY(eval_expr(r, node->a, s, &a));
    TRY(eval_expr(r, node->b, s, &b));
    return ops_binary(r, node->op, a, b, out);
}

/* a < b < c: stops at the first that does not hold. */
static Err *eval_compare(Run *r, const Node *node, Scope *s, Value *out)
{
    Value left, right;
    bool holds = true;
    TRY(eval_expr(r, node->list[0], s, &left));
    for (size_t i = 1; i < node->n && holds; i++) {
        TRY(eval_expr(r, node->list[i], s, &right));
        TRY(compare_op(r, node->ops[i - 1], left, right, &holds));
        left = right;
    }
    *out = value_bool(holds);
    return NULL;
}

static Err *eval_concat(Run *r, const Node *node, Scope *s, Value *out)
{
    Text t = run_text(r);
    for (size_t i = 0; i < node->n; i++) {
        Value v;
        TRY(eval_expr(r, node->list[i], s, &v));
        value_print(&t, v);
    }
    return run_text_value(r, &t, out);
}

static Err *eval_item(Run *r, const Node *node, Scope *s, Value *out)
{
    Value of, key;
    TRY(eval_expr(r, node->a, s, &of));
    if (node->kind == NODE_ATTRIBUTE)
        return attr_get(r, of, node->name, out);
    TRY(eval_expr(r, node->b, s, &key));
    return attr_item(r, of, key, out);
}

static Err *eval_slice(Run *r, const Node *node, Scope *s, Value *out)
{
    Value of, bound[3] = {{0}};
    TRY(eval_expr(r, node->a, s, &of));
    for (int i = 0; i < 3; i++)
        if (node->list[i])
            TRY(eval_expr(r, node->list[i], s, &bound[i]));
    return attr_slice(r, of, bound, out);
}

/* ---- calls */

static Err *spread_list(Run *r, const Node *node, Scope *s, Values *items)
{
    Value v;
    const Value *more;
    size_t n;
    if (!node)
        return NULL;
    TRY(eval_expr(r, node, s, &v));
    TRY(iter_items(r, v, &more, &n));
    for (size_t i = 0; i < n; i++)
        TRY(run_push(r, items, more[i]));
    return run_charge(r, n);
}

static Err *spread_dict(Run *r, const Value *v, size_t at, const char **key,
                        Value *value)
{
    for (size_t i = 0; i < v->dict->n; i++) {
        if (v->dict->key[i].kind != VALUE_STR)
            return err_new(ERR_INPUT, "keywords must be strings");
        const Str *s = v->dict->key[i].s;
        key[at + i] = arena_strndup(r->a, s->p, s->n);
        value[at + i] = v->dict->val[i];
    }
    return run_charge(r, v->dict->n);
}

static Err *eval_keywords(Run *r, const ArgList *list, Scope *s, Args *out)
{
    Value spread = value_dict(dict_new(r->a));
    if (list->stars)
        TRY(eval_expr(r, list->stars, s, &spread));
    if (spread.kind != VALUE_DICT)
        return err_new(ERR_INPUT, "argument after ** must be a mapping, not %s",
                       value_type(spread));
    size_t n = list->n_keys + spread.dict->n;
    const char **key = ARENA_ARRAY(r->a, const char *, n);
    Value *value = ARENA_ARRAY(r->a, Value, n);
    for (size_t i = 0; i < list->n_keys; i++) {
        key[i] = list->key[i];
        TRY(eval_expr(r, list->value[i], s, &value[i]));
    }
    TRY(spread_dict(r, &spread, list->n_keys, key, value));
    out->key = key;
    out->key_value = value;
    out->n_keys = n;
    return NULL;
}

Err *eval_args(Run *r, const ArgList *list, Scope *s, Args *out)
{
    Values items = {0};
    *out = (Args){0};
    for (size_t i = 0; i < list->n; i++) {
        Value v;
        TRY(eval_expr(r, list->item[i], s, &v));
        TRY(run_push(r, &items, v));
    }
    TRY(spread_list(r, list->star, s, &items));
    out->v = items.v;
    out->n = items.n;
    if (list->n_keys || list->stars)
        return eval_keywords(r, list, s, out);
    return NULL;
}

static Err *eval_call(Run *r, const Node *node, Scope *s, Value *out)
{
    Value callee;
    Args args;
    TRY(eval_expr(r, node->a, s, &callee));
    TRY(eval_args(r, node->args, s, &args));
    return call_value(r, callee, &args, out);
}

static Err *eval_builtin(Run *r, const Node *node, Scope *s, Value *out)
{
    Value self;
    Args args;
    bool filter = node->kind == NODE_FILTER;
    if (!node->builtin)
        return err_new(ERR_INPUT, "No %s named '%s' found.",
                       filter ? "filter" : "test", node->name);
    TRY(eval_expr(r, node->a, s, &self));
    TRY(eval_args(r, node->args, s, &args));
    return builtin_call(r, node->builtin, self, &args, out);
}

/* ---- all of them */

static Err *eval_kind(Run *r, const Node *node, Scope *s, Value *out)
{
    switch (node->kind) {
    case NODE_CONST:
        *out = node->value;
        return NULL;
    case NODE_NAME:
        return eval_name(r, node, s, out);
    case NODE_LIST:
    case NODE_TUPLE:
        return eval_seq(r, node, s, out);
    case NODE_DICT:
        return eval_dict(r, node, s, out);
    case NODE_CONDITION:
        return eval_condition(r, node, s, out);
    case NODE_AND:
    case NODE_OR:
        return eval_and_or(r, node, s, out);
    case NODE_NOT:
    case NODE_MINUS:
    case NODE_PLUS:
        return eval_unary(r, node, s, out);
    case NODE_BINARY:
        return eval_binary(r, node, s, out);
    case NODE_COMPARE:
        return eval_compare(r, node, s, out);
    case NODE_CONCAT:
        return eval_concat(r, node, s, out);
    case NODE_ATTRIBUTE:
    case NODE_ITEM:
        return eval_item(r, node, s, out);
    case NODE_SLICE:
        return eval_slice(r, node, s, out);
    case NODE_CALL:
        return eval_call(r, node, s, out);
    case NODE_FILTER:
    case NODE_TEST:
        return eval_builtin(r, node, s, out);
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
    return err_new(ERR_INPUT, "no expression");
}

Err *eval_expr(Run *r, const Node *node, Scope *s, Value *out)
{
    Err *e = run_charge(r, 1);
    if (!e && ++r->depth > r->bounds.depth)
        e = err_new(ERR_LIMIT, "the template nests deeper than %d",
                    r->bounds.depth);
    if (!e)
        e = eval_kind(r, node, s, out);
    r->depth--;
    if (e && !r->noted) {
        r->noted = true;
        e = err_note(e, "line %d", node->line);
    }
    return e;
}
