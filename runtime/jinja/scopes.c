/* scopes.c - which names a part of a template hides before it sets them.
 *
 * jinja2 decides about variables when it compiles.  A name that a part (the
 * template, a loop's or macro's body, ...) sets for certain, and neither reads
 * before nor finds in the parts around, is a variable of that part from its
 * beginning: until it is set it is undefined, even if the context has one of
 * that name, and so it is in the parts inside.  What is set under a condition
 * only does not hide. */
#include "runtime/jinja/scopes.h"

#include <string.h>

typedef struct {
    const char **name;
    size_t n, cap;
} Names;

typedef struct Frame Frame;
struct Frame {
    Arena *a;
    const Frame *up;
    Names refs;   /* read or set here */
    Names hidden; /* set before they were read */
    int branches; /* of conditions, around */
};

static bool has(const Names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->name[i] == name)
            return true;
    return false;
}

static void add(Arena *a, Names *names, const char *name)
{
    if (has(names, name))
        return;
    if (names->n == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 8;
        const char **more = ARENA_ARRAY(a, const char *, cap);
        if (names->n)
            memcpy(more, names->name, names->n * sizeof *more);
        names->name = more;
        names->cap = cap;
    }
    names->name[names->n++] = name;
}

static void set_name(Frame *f, const char *name)
{
    if (!has(&f->refs, name) && !f->branches)
        add(f->a, &f->hidden, name);
    add(f->a, &f->refs, name);
}

/* ---- what a part reads and sets itself */

static void visit(Frame *f, const Node *node);

static void visit_args(Frame *f, const ArgList *args)
{
    for (size_t i = 0; i < args->n; i++)
        visit(f, args->item[i]);
    for (size_t i = 0; i < args->n_keys; i++)
        visit(f, args->value[i]);
    visit(f, args->star);
    visit(f, args->stars);
}

static void visit_target(Frame *f, const Node *target)
{
    if (target->kind == NODE_NAME)
        set_name(f, target->name);
    else if (target->kind == NODE_TUPLE)
        for (size_t i = 0; i < target->n; i++)
            visit_target(f, target->list[i]);
    else
        visit(f, target);
}

static void visit_kids(Frame *f, const Node *node)
{
    const Node *kids[] = {node->a, node->b, node->c, node->d, node->e};
    for (size_t i = 0; i < 5; i++)
        visit(f, kids[i]);
    for (size_t i = 0; i < node->n; i++)
        visit(f, node->list[i]);
    if (node->args)
        visit_args(f, node->args);
}

static void visit_if(Frame *f, const Node *node)
{
    for (size_t i = 0; i < node->n; i += 2) {
        visit(f, node->list[i]);
        f->branches++;
        visit(f, node->list[i + 1]);
        f->branches--;
    }
    f->branches++;
    visit(f, node->a);
    f->branches--;
}

/* Bodies that are parts of their own are left to them. */
static void visit(Frame *f, const Node *node)
{
    if (!node)
        return;
    if (node->kind == NODE_NAME)
        add(f->a, &f->refs, node->name);
    else if (node->kind == NODE_IF)
        visit_if(f, node);
    else if (node->kind == NODE_FOR || node->kind == NODE_FILTER_BLOCK)
        visit(f, node->b);
    else if (node->kind == NODE_CALL_BLOCK)
        visit(f, node->a);
    else if (node->kind == NODE_WITH)
        visit_args(f, node->args);
    else if (node->kind == NODE_MACRO)
        set_name(f, node->name);
    else if (node->kind == NODE_SET) {
        visit(f, node->b);
        visit_target(f, node->a);
    } else if (node->kind == NODE_SET_BLOCK)
        visit_target(f, node->a);
    else if (node->kind != NODE_GENERATION)
        visit_kids(f, node);
}

/* ---- the parts inside */

static void find_inside(Arena *a, const Frame *f, Node *node);

/* One part: `names` are its parameters, `target` a loop's. */
static void find_part(Arena *a, const Frame *up, Node *body,
                      const ArgList *names, const Node *target)
{
    Frame f = {.a = a, .up = up}, set = {.a = a};
    if (!body)
        return;
    for (size_t i = 0; names && i < names->n_keys; i++)
        add(a, &f.refs, names->key[i]);
    if (target) {
        visit_target(&set, target);
        f.refs = set.refs;
    }
    visit(&f, body);
    Names hidden = {0};
    for (size_t i = 0; i < f.hidden.n; i++) {
        bool around = false;
        for (const Frame *o = up; o && !around; o = o->up)
            around = has(&o->refs, f.hidden.name[i]);
        if (!around)
            add(a, &hidden, f.hidden.name[i]);
    }
    body->hides = hidden.name;
    body->n_hides = hidden.n;
    find_inside(a, &f, body);
}

/* Expressions hold no parts. */
static void find_inside(Arena *a, const Frame *f, Node *node)
{
    NodeKind k = node->kind;
    if (k == NODE_BODY || k == NODE_IF) {
        for (size_t i = k == NODE_IF; i < node->n; i += k == NODE_IF ? 2 : 1)
            find_inside(a, f, node->list[i]);
        if (node->a)
            find_inside(a, f, node->a);
    } else if (k == NODE_FOR) {
        find_part(a, f, node->d, NULL, node->a);
        find_part(a, f, node->e, NULL, NULL);
    } else if (k == NODE_MACRO || k == NODE_CALL_BLOCK || k == NODE_WITH) {
        find_part(a, f, node->d, node->args, NULL);
    } else if (k == NODE_SET_BLOCK || k == NODE_FILTER_BLOCK ||
               k == NODE_GENERATION) {
        find_part(a, f, node->d, NULL, NULL);
    }
}

void scopes_find(Arena *a, Node *template_body)
{
    find_part(a, NULL, template_body, NULL, NULL);
}
