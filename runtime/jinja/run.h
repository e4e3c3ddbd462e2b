/* run.h - one rendering: what is bound, what may still be spent, and the parts
 * of the evaluator that the others call.
 *
 * Every function that can take long charges the Run's budget; every error
 * passes through eval_expr or eval_body, which put the line before it. */
#ifndef JINJA_RUN_H
#define JINJA_RUN_H

#include "runtime/jinja/ast.h"
#include "runtime/jinja/builtins.h"

/* Variables; a scope sees those around where it was written. */
typedef struct Binding Binding;
typedef struct Scope Scope;
struct Binding {
    const char *name; /* interned */
    Value value;
    Binding *next;
};
struct Scope {
    Scope *up;
    Binding *first;
};

typedef enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } Flow;

struct Run {
    Arena *a; /* freed after the rendering */
    const Template *t;
    const Dict *context;
    TemplateBounds bounds;
    int64_t steps; /* left */
    int depth;
    bool noted; /* the error on its way up has its line */
    Flow flow;
    Text *out; /* where output goes now */
    struct tm now;
};

/* ---- objects */

typedef enum {
#define OBJECT(id, name, fields) OBJECT_##id,
#include "runtime/jinja/objects.def"
#undef OBJECT
} ObjectKind;

typedef struct {
    size_t n, cap;
    Value *v;
} Values;

/* What a lazy filter will give; made when first asked for, gone when read. */
typedef Err *GeneratorFn(Run *r, Value over, const Args *args, Values *out);
typedef struct {
    GeneratorFn *make; /* NULL: made */
    Value over;
    Args args;
    Values items;
    size_t next;
} Generator;

typedef struct {
    const Value *v;
    size_t n, index;
    int depth;
    const Node *node;
    Scope *scope; /* around the loop */
    Value changed;
    bool has_changed;
} Loop;

struct Object {
    ObjectKind kind;
    const Dict *dict;
    Dict *names; /* of a namespace */
    struct {
        int64_t start, stop, step;
    } range;
    Generator generator;
    const Node *macro;
    Scope *scope; /* where the macro was written */
    const Builtin *builtin;
    Value self;
    Loop *loop;
    Values cycle;
    size_t position;
};

Object *object_new(Run *r, ObjectKind kind);
Value object_value(Object *o);
bool object_is(Value v, ObjectKind kind);
int64_t object_range_length(const Object *o);
/* A lazy filter's result. */
Value object_generator(Run *r, GeneratorFn *make, Value over, const Args *args);

/* ---- run.c: budget and small makers */

/* Spends n steps; fails when none is left or memory runs out. */
Err *run_charge(Run *r, size_t n) MUST_USE;
Text run_text(const Run *r);
/* The text as a value, unless it was too long. */
Err *run_text_value(Run *r, Text *t, Value *out) MUST_USE;
Err *run_print(Run *r, Value v, const Str **out) MUST_USE; /* str(v) */
Err *run_repr(Run *r, Value v, const Str **out) MUST_USE;
Err *run_push(Run *r, Values *list, Value v) MUST_USE;
Value run_list(Run *r, const Values *items);
Value run_pair(Run *r, Value a, Value b); /* a tuple */
Value run_string(Run *r, const char *literal);
Value run_hint(Run *r, const char *hint); /* undefined, with these words */
Value run_missing(Run *r, const Value *of, Value name);
Err *run_undefined(Run *r, Value v) MUST_USE; /* the error of using it */
Err *run_type_error(Value v, const char *wanted) MUST_USE;
/* Arguments of builtins. */
Err *run_int_arg(Value v, int64_t fallback, int64_t *out) MUST_USE;
Err *run_str_arg(Run *r, Value v, const Str **out) MUST_USE;

const Value *scope_find(const Scope *s, const char *name);
void scope_set(Run *r, Scope *s, const char *name, Value v);
/* For this body, whose hidden names are undefined at first; NULL: for none. */
Scope *scope_new(Run *r, Scope *up, const Node *body);

/* ---- eval.c, eval_expr.c */
Err *eval_body(Run *r, const Node *node, Scope *s) MUST_USE;
Err *eval_expr(Run *r, const Node *node, Scope *s, Value *out) MUST_USE;
Err *eval_args(Run *r, const ArgList *list, Scope *s, Args *out) MUST_USE;
/* The loop once more, one level deeper, as text. */
Err *eval_recurse(Run *r, const Loop *loop, Value over, Value *out) MUST_USE;
/* Output of the body as text. */
Err *eval_capture(Run *r, const Node *body, Scope *s, const Str **out) MUST_USE;

/* ---- call.c */
Err *call_value(Run *r, Value callee, const Args *args, Value *out) MUST_USE;
Err *call_macro(Run *r, const Object *macro, const Args *args,
                Value *out) MUST_USE;

/* ---- iter.c: going over values; everything ends up in an array */
Err *iter_items(Run *r, Value v, const Value **items, size_t *n) MUST_USE;
Err *iter_first(Run *r, Value v, Value *out, bool *any) MUST_USE;
bool iter_possible(Value v);
Err *iter_length(Run *r, Value v, int64_t *out) MUST_USE;
bool iter_has_length(Value v);
Err *iter_contains(Run *r, Value of, Value what, bool *out) MUST_USE;

/* ---- ops.c, compare.c */
bool ops_truth(Value v);
Err *ops_binary(Run *r, Op op, Value a, Value b, Value *out) MUST_USE;
Err *ops_negate(Run *r, Value v, bool minus, Value *out) MUST_USE;
Err *compare_equal(Run *r, Value a, Value b, bool *out) MUST_USE;
Err *compare_less(Run *r, const char *sign, Value a, Value b,
                  int *order) MUST_USE;
Err *compare_op(Run *r, Op op, Value a, Value b, bool *out) MUST_USE;
/* Stable; the order of keys[i] decides, `at` receives the positions. */
Err *compare_sort(Run *r, const Value *keys, size_t n, bool reverse,
                  size_t **at) MUST_USE;

/* ---- attr.c */
Err *attr_get(Run *r, Value of, const char *name, Value *out) MUST_USE;
Err *attr_item(Run *r, Value of, Value key, Value *out) MUST_USE;
Err *attr_slice(Run *r, Value of, const Value bound[3], Value *out) MUST_USE;
/* "a.b.0" of jinja2's filters: items of items. */
Err *attr_path(Run *r, Value of, Value path, Value *out) MUST_USE;

/* ---- case.c, html */
typedef enum { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_SWAP, CASE_FOLD } Case;
void case_map(Text *t, const Str *s, size_t from, size_t to, Case how);
bool case_is(const Str *s, Case how); /* str.isupper, islower, istitle */
bool case_is_word(uint32_t cp);       /* \w of Python's re */

/* ---- format_percent.c, format_str.c */
Err *format_percent(Run *r, const Str *fmt, Value args, Value *out) MUST_USE;
Err *format_str(Run *r, const Str *fmt, const Args *args, Value *out) MUST_USE;
/* HTML's five characters as entities. */
Err *format_escape(Run *r, Value v, const Str **out) MUST_USE;
/* Digits of a float in a C format with a '*' precision. */
void format_float(Text *t, const char *fmt, int precision, double f);

#endif
