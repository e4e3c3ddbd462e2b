/* graph_text.c - the graph's text form, both ways.
 *
 *   module demo
 *
 *   func @mlp(%x: f32[T,64]) {
 *     $w = weight "blk.{i}.ffn_up.weight" : any[64,256]
 *     kernel matmul {
 *       %u = matmul %x, $w : f32[T,256]
 *       %y = silu %u : f32[T,256]
 *     }
 *     ret %y
 *   }
 *
 * `entry` in place of `func` marks an entry point, whose results have names:
 * `ret logits=%y`.  A node placed on a device ends in ` on 2`.  Text carries
 * all meaning: order is run order, every type and attribute is written. */
#include "compiler/graph.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"

/* ---- print ---- */

static void print_ref(const Graph *g, Ref r, FILE *f)
{
    fprintf(f, "%c%s", node_sigil(&g->node[r]), g->node[r].name);
}

static void print_type(const Type *t, FILE *f)
{
    Buf b = {0};
    type_print(t, &b);
    fputs(b.data, f);
    buf_free(&b);
}

/* The shortest decimal that reads back as the same double. */
static void print_float(double v, FILE *f)
{
    char text[40];
    int digits = 6;
    do
        snprintf(text, sizeof text, "%.*g", digits, v);
    while (strtod(text, NULL) != v && ++digits <= 17);
    fputs(text, f);
}

static void print_attrs(const Node *n, FILE *f)
{
    const OpInfo *o = op_info(n->op);
    for (int i = 0; i < o->n_attrs; i++) {
        const AttrInfo *a = &o->attr[i];
        fprintf(f, "%s%s=", i ? ", " : " {", a->name);
        if (a->kind == ATTR_FLOAT)
            print_float(n->attr[i].f, f);
        else if (a->kind == ATTR_CHOICE)
            fputs(a->choice[n->attr[i].i], f);
        else
            fprintf(f, "%lld", (long long)n->attr[i].i);
    }
    if (o->n_attrs)
        fputc('}', f);
}

static void print_node(const Graph *g, Ref r, FILE *f)
{
    const Node *n = &g->node[r];
    fputs(n->kernel >= 0 ? "    " : "  ", f);
    print_ref(g, r, f);
    fprintf(f, " = %s", op_info(n->op)->name);
    if (n->text)
        fprintf(f, " \"%s\"", n->text);
    for (int k = 0; k < n->n_args; k++) {
        fputs(k ? ", " : " ", f);
        print_ref(g, n->arg[k], f);
    }
    print_attrs(n, f);
    fputs(" : ", f);
    print_type(&n->type, f);
    if (n->device >= 0)
        fprintf(f, " on %d", n->device);
    fputc('\n', f);
}

static void print_params(const Graph *g, FILE *f)
{
    for (Ref i = 0; i < g->n_params; i++) {
        fputs(i ? ", " : "", f);
        print_ref(g, i, f);
        fputs(": ", f);
        print_type(&g->node[i].type, f);
    }
}

static void print_results(const Graph *g, FILE *f)
{
    fputs("  ret", f);
    for (int i = 0; i < g->n_results; i++) {
        fputs(i ? ", " : " ", f);
        if (g->result[i].name)
            fprintf(f, "%s=", g->result[i].name);
        print_ref(g, g->result[i].ref, f);
    }
    fputc('\n', f);
}

void graph_print(const Graph *g, FILE *f)
{
    int open = -1;
    fprintf(f, "%s @%s(", g->kind == GRAPH_ENTRY ? "entry" : "func", g->name);
    print_params(g, f);
    fputs(") {\n", f);
    for (Ref i = g->n_params; i < g->n_nodes; i++) {
        int k = g->node[i].kernel;
        if (k != open && open >= 0)
            fputs("  }\n", f);
        if (k != open && k >= 0)
            fprintf(f, "  kernel %s {\n", g->group[k].rule);
        open = k;
        print_node(g, i, f);
    }
    if (open >= 0)
        fputs("  }\n", f);
    print_results(g, f);
    fputs("}\n", f);
}

void module_print(const Module *m, FILE *f)
{
    fprintf(f, "module %s\n", m->name);
    for (int i = 0; i < m->n_graphs; i++) {
        fputc('\n', f);
        graph_print(m->graph[i], f);
    }
}

/* What a stream of f received, as a string of the arena. */
static const char *take_text(Arena *a, FILE *f, char **buf, const size_t *n)
{
    fclose(f);
    const char *text = arena_strndup(a, *buf, *n);
    free(*buf);
    return text;
}

const char *graph_text(Arena *a, const Graph *g)
{
    char *buf = NULL;
    size_t n = 0;
    FILE *f = memory_text(&buf, &n);
    graph_print(g, f);
    return take_text(a, f, &buf, &n);
}

const char *module_text(Arena *a, const Module *m)
{
    char *buf = NULL;
    size_t n = 0;
    FILE *f = memory_text(&buf, &n);
    module_print(m, f);
    return take_text(a, f, &buf, &n);
}

/* ---- parse ---- */

typedef struct {
    Arena *a;
    const char *p;
    int line;
    Graph *g;
    int kernel; /* open group, -1 none */
} Reader;

static Err *syntax(const Reader *r, const char *want)
{
    return err_new(ERR_INPUT, "line %d: expected %s before '%.12s'", r->line,
                   want, r->p);
}

static void skip(Reader *r)
{
    for (; *r->p; r->p++) {
        if (*r->p == '#')
            while (r->p[1] && r->p[1] != '\n')
                r->p++;
        else if (*r->p == '\n')
            r->line++;
        else if (!isspace((unsigned char)*r->p))
            return;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A token of letters is a whole word: `ret` is not the start of `retry`. */
static bool accept(Reader *r, const char *tok)
{
    skip(r);
    size_t n = strlen(tok);
    if (strncmp(r->p, tok, n) != 0 || (is_word(tok[n - 1]) && is_word(r->p[n])))
        return false;
    r->p += n;
    return true;
}

static Err *expect(Reader *r, const char *tok)
{
    return accept(r, tok) ? NULL : syntax(r, tok);
}

/* Letters of words, and those of `also`. */
static Err *word_with(Reader *r, const char *also, const char *what,
                      const char **out)
{
    skip(r);
    const char *s = r->p;
    while (is_word(*r->p) || (*r->p && strchr(also, *r->p)))
        r->p++;
    if (r->p == s || r->p - s > GRAPH_MAX_NAME)
        return syntax(r, what);
    *out = arena_strndup(r->a, s, (size_t)(r->p - s));
    return NULL;
}

static Err *word(Reader *r, const char *what, const char **out)
{
    return word_with(r, "", what, out);
}

static Err *integer(Reader *r, int64_t *out)
{
    char *end;
    skip(r);
    errno = 0;
    long long v = strtoll(r->p, &end, 10);
    if (end == r->p || errno)
        return syntax(r, "an integer");
    r->p = end;
    *out = v;
    return NULL;
}

static Err *dim(Reader *r, Dim *d)
{
    static const char sym[] = "TRC";
    skip(r);
    d->k = 1;
    d->sym = SYM_ONE;
    if (isdigit((unsigned char)*r->p))
        TRY(integer(r, &d->k));
    const char *at = *r->p ? strchr(sym, *r->p) : NULL;
    if (at && !is_word(r->p[1])) {
        d->sym = (Sym)(SYM_T + (at - sym));
        r->p++;
    } else if (!isdigit((unsigned char)r->p[-1])) {
        return syntax(r, "a size");
    }
    return NULL;
}

/* "/x8", or nothing */
static Err *packing(Reader *r, Packing *out)
{
    const char *w;
    *out = PACK_ROWS;
    if (!accept(r, "/"))
        return NULL;
    TRY(word(r, "a packing", &w));
    for (int i = PACK_ROWS + 1; i < PACK_COUNT; i++)
        if (strcmp(w, packing_name[i]) == 0) {
            *out = (Packing)i;
            return NULL;
        }
    return err_new(ERR_INPUT, "line %d: no packing '%s'", r->line, w);
}

static Err *type(Reader *r, Type *t)
{
    const char *w;
    *t = (Type){0};
    TRY(word(r, "a type", &w));
    t->dtype = strcmp(w, "any") == 0 ? TYPE_ANY : block_from_name(w);
    if (t->dtype == BT_COUNT && strcmp(w, "any") != 0)
        return err_new(ERR_INPUT, "line %d: no type '%s'", r->line, w);
    TRY(packing(r, &t->packing));
    TRY(expect(r, "["));
    if (accept(r, "]"))
        return NULL;
    do {
        if (t->rank == MAX_RANK)
            return syntax(r, "']' (rank too high)");
        TRY(dim(r, &t->dim[t->rank++]));
    } while (accept(r, ","));
    return expect(r, "]");
}

static Err *sigil(Reader *r, char *out)
{
    skip(r);
    if (*r->p != '%' && *r->p != '$' && *r->p != '@')
        return syntax(r, "a value (%, $ or @)");
    *out = *r->p++;
    return NULL;
}

static Err *ref(Reader *r, Ref *out)
{
    const char *w;
    char s;
    TRY(sigil(r, &s));
    TRY(word(r, "a name", &w));
    *out = graph_lookup(r->g, w);
    if (*out == NO_REF || node_sigil(&r->g->node[*out]) != s)
        return err_new(ERR_INPUT, "line %d: no value %c%s", r->line, s, w);
    return NULL;
}

static Err *name(Reader *r, char *s, const char **out)
{
    TRY(sigil(r, s));
    TRY(word(r, "a name", out));
    if (graph_lookup(r->g, *out) != NO_REF)
        return err_new(ERR_INPUT, "line %d: the name %s stands twice", r->line,
                       *out);
    return NULL;
}

static Err *param(Reader *r)
{
    Node n = {0};
    char s;
    TRY(name(r, &s, &n.name));
    n.op = s == '$' ? OP_weight : s == '@' ? OP_state : OP_input;
    TRY(expect(r, ":"));
    TRY(type(r, &n.type));
    graph_add(r->g, n);
    r->g->n_params++;
    return NULL;
}

static Err *string(Reader *r, const char **out)
{
    const char *s = r->p;
    while (*r->p && *r->p != '"' && *r->p != '\n')
        r->p++;
    *out = arena_strndup(r->a, s, (size_t)(r->p - s));
    return expect(r, "\"");
}

static Err *choice(Reader *r, const AttrInfo *a, int64_t *out)
{
    const char *w;
    TRY(word(r, "a choice", &w));
    for (*out = 0; *out < a->n_choices; ++*out)
        if (strcmp(a->choice[*out], w) == 0)
            return NULL;
    return err_new(ERR_INPUT, "line %d: %s cannot be '%s'", r->line, a->name,
                   w);
}

static Err *number(Reader *r, double *out)
{
    char *end;
    skip(r);
    *out = strtod(r->p, &end);
    if (end == r->p)
        return syntax(r, "a number");
    r->p = end;
    return NULL;
}

static Err *attrs(Reader *r, Node *n)
{
    const OpInfo *o = op_info(n->op);
    for (int i = 0; i < o->n_attrs; i++) {
        const AttrInfo *a = &o->attr[i];
        TRY(expect(r, i ? "," : "{"));
        TRY(expect(r, a->name));
        TRY(expect(r, "="));
        if (a->kind == ATTR_FLOAT)
            TRY(number(r, &n->attr[i].f));
        else if (a->kind == ATTR_CHOICE)
            TRY(choice(r, a, &n->attr[i].i));
        else
            TRY(integer(r, &n->attr[i].i));
    }
    return o->n_attrs ? expect(r, "}") : NULL;
}

static Err *args(Reader *r, Node *n)
{
    skip(r);
    if (*r->p != '%' && *r->p != '$' && *r->p != '@')
        return NULL;
    do {
        if (n->n_args == MAX_ARGS)
            return syntax(r, "fewer arguments");
        TRY(ref(r, &n->arg[n->n_args++]));
    } while (accept(r, ","));
    return NULL;
}

static Err *check_sigil(const Reader *r, const Node *n, char s)
{
    if (node_sigil(n) == s)
        return NULL;
    return err_new(ERR_INPUT, "line %d: %s is written with %c, not %c", r->line,
                   op_info(n->op)->name, node_sigil(n), s);
}

static Err *node(Reader *r)
{
    Node n = {0};
    const char *w;
    char s;
    int64_t device = -1;
    TRY(name(r, &s, &n.name));
    TRY(expect(r, "="));
    TRY(word(r, "an operation", &w));
    n.op = op_from_name(w);
    if (n.op == OP_COUNT)
        return err_new(ERR_INPUT, "line %d: no operation '%s'", r->line, w);
    TRY(check_sigil(r, &n, s));
    if (accept(r, "\""))
        TRY(string(r, &n.text));
    TRY(args(r, &n));
    TRY(attrs(r, &n));
    TRY(expect(r, ":"));
    TRY(type(r, &n.type));
    if (accept(r, "on"))
        TRY(integer(r, &device));
    if (device < -1 || device > 4095)
        return syntax(r, "a device number");
    Ref at = graph_add(r->g, n);
    r->g->node[at].kernel = r->kernel;
    r->g->node[at].device = (int)device;
    return NULL;
}

static Err *body(Reader *r)
{
    for (;;) {
        skip(r);
        if (accept(r, "kernel")) {
            const char *rule;
            if (r->kernel >= 0)
                return syntax(r, "'}' of the open kernel");
            TRY(word(r, "a rule name", &rule));
            TRY(expect(r, "{"));
            r->kernel = graph_add_group(r->g, rule);
        } else if (r->kernel >= 0 && accept(r, "}")) {
            r->kernel = -1;
        } else if (*r->p == '%' || *r->p == '$' || *r->p == '@') {
            TRY(node(r));
        } else {
            return r->kernel >= 0 ? syntax(r, "a node or '}'") : NULL;
        }
    }
}

static Err *results(Reader *r)
{
    TRY(expect(r, "ret"));
    skip(r);
    if (*r->p == '}')
        return NULL;
    do {
        Ref at;
        const char *port = NULL;
        skip(r);
        if (is_word(*r->p)) {
            TRY(word(r, "a name", &port));
            TRY(expect(r, "="));
        }
        TRY(ref(r, &at));
        graph_add_result(r->g, port, at);
    } while (accept(r, ","));
    return NULL;
}

static Err *graph(Reader *r, Module *m, GraphKind kind)
{
    const char *w;
    TRY(expect(r, "@"));
    TRY(word(r, "a name", &w));
    if (module_find(m, w))
        return err_new(ERR_INPUT, "line %d: graph @%s stands twice", r->line,
                       w);
    r->g = module_add(m, kind, w);
    r->kernel = -1;
    TRY(expect(r, "("));
    if (!accept(r, ")")) {
        do
            TRY(param(r));
        while (accept(r, ","));
        TRY(expect(r, ")"));
    }
    TRY(expect(r, "{"));
    TRY(body(r));
    TRY(results(r));
    return expect(r, "}");
}

Err *module_parse(Arena *a, const char *text, Module **out)
{
    Reader r = {.a = a, .p = text, .line = 1, .kernel = -1};
    const char *w;
    *out = NULL;
    TRY(expect(&r, "module"));
    TRY(word_with(&r, "-", "a name", &w)); /* architectures: "falcon-h1" */
    Module *m = module_new(a, w);
    for (;;) {
        if (accept(&r, "func"))
            TRY(graph(&r, m, GRAPH_FUNC));
        else if (accept(&r, "entry"))
            TRY(graph(&r, m, GRAPH_ENTRY));
        else
            break;
    }
    skip(&r);
    if (*r.p)
        return syntax(&r, "func, entry or the end");
    TRY(module_verify(m));
    *out = m;
    return NULL;
}
