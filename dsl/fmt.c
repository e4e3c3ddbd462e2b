/* fmt.c - whole files in canonical form: print.c's lines, put in order with
 * blocks, blank lines and comments.
 *
 * A comment keeps its place before, behind or between statements; one inside
 * a statement moves above it.  One blank line stays one, more become one, and
 * functions get one before and after. */
#include <string.h>

#include "dsl/dsl.h"
#include "dsl/parse.h"
#include "dsl/print.h"
#include "dsl/sort.h"

typedef struct {
    Arena *a;
    const Source *source;
    Buf *out;
    const List *comments; /* of the only file, or NULL */
    int next_comment;
    uint32_t last; /* end of what was written last, in the source */
    bool fresh;    /* nothing written in this block yet */
    bool sorts;
} Writer;

static const char *source_text(const Writer *w, uint32_t offset)
{
    const SourceFile *f = &w->source->files[source_file_of(w->source, offset)];
    return f->text + (offset - f->base);
}

static int newlines(const Writer *w, uint32_t from, uint32_t to)
{
    if (source_file_of(w->source, from) != source_file_of(w->source, to))
        return 2;
    if (to < from) /* behind a comment that moved up */
        return 0;
    const char *s = source_text(w, from), *end = s + (to - from);
    int n = 0;
    for (; s < end; s++)
        n += *s == '\n';
    return n;
}

static void blank_line(Writer *w, uint32_t before, bool wanted)
{
    if (!w->fresh && (wanted || newlines(w, w->last, before) > 1))
        buf_puts(w->out, "\n");
    w->fresh = false;
}

static const Comment *pending(const Writer *w, uint32_t before)
{
    if (!w->comments || w->next_comment == w->comments->n)
        return NULL;
    const Comment *c = w->comments->items[w->next_comment];
    return c->span.begin < before ? c : NULL;
}

static void put_comment(Writer *w, const Comment *c)
{
    const char *s = source_text(w, c->span.begin);
    size_t n = c->span.end - c->span.begin;
    while (n > 0 && strchr(" \t\r", s[n - 1]))
        n--;
    buf_add(w->out, s, n);
    w->last = c->span.end;
    w->next_comment++;
}

/* The comments before that place, each on its line; true if there were. */
static bool comments_before(Writer *w, uint32_t before, int indent, bool wanted)
{
    bool any = false;
    for (const Comment *c; (c = pending(w, before)); any = true) {
        blank_line(w, c->span.begin, wanted && !any);
        buf_printf(w->out, "%*s", indent, "");
        put_comment(w, c);
        buf_puts(w->out, "\n");
    }
    return any;
}

/* Ends a line; a comment that stood behind it in the source still does. */
static void end_line(Writer *w, uint32_t at)
{
    w->last = at;
    const Comment *c = pending(w, UINT32_MAX);
    if (c && !c->own_line && newlines(w, at, c->span.begin) == 0) {
        buf_puts(w->out, "  ");
        put_comment(w, c);
    }
    buf_puts(w->out, "\n");
}

/* Blank line, comments, indentation: all that comes before an item whose own
 * lines cover [begin, end). */
static void begin_item(Writer *w, uint32_t begin, uint32_t end, int indent,
                       bool wanted)
{
    bool any = comments_before(w, end, indent, wanted);
    blank_line(w, begin, wanted && !any);
    buf_printf(w->out, "%*s", indent, "");
}

static void put_block(Writer *w, const Block *b, int indent);

/* Behind "if ... {": the block, the else branches, the closing brace. */
static void put_branches(Writer *w, const Stmt *s, int indent)
{
    for (;;) {
        put_block(w, &s->u.cond.then, indent);
        buf_printf(w->out, "%*s}", indent, "");
        if (!s->u.cond.has_else)
            return;
        const Block *b = &s->u.cond.otherwise;
        bool chained = b->n == 1 && b->items[0]->kind == STMT_IF;
        if (!chained) {
            buf_puts(w->out, " else {");
            end_line(w, s->u.cond.then.end.end);
            put_block(w, b, indent);
            buf_printf(w->out, "%*s}", indent, "");
            return;
        }
        s = b->items[0];
        buf_puts(w->out, " else ");
        doc_put(print_stmt_doc(w->a, s), indent + 7, indent, w->out);
        end_line(w, s->u.cond.cond->span.end);
    }
}

static uint32_t header_end(const Stmt *s)
{
    switch (s->kind) {
    case STMT_FOR:
        return s->u.loop.to->span.end;
    case STMT_IF:
        return s->u.cond.cond->span.end;
    case STMT_BIND:
    case STMT_RETURN:
        return s->span.end;
    }
    return s->span.end;
}

/* What the check found, behind a binding: x: [T, D]. */
static void put_sorts(Writer *w, const Stmt *s)
{
    if (!w->sorts || s->kind != STMT_BIND)
        return;
    const Sort *sort = s->u.bind.value->sort;
    buf_puts(w->out, "  #");
    for (int i = 0; i < s->u.bind.n_names; i++) {
        bool tuple = sort->kind == SORT_TUPLE;
        buf_printf(w->out, "%s %s: ", i ? "," : "", s->u.bind.names[i].text);
        sort_print(tuple ? sort->items[i] : sort, w->out);
    }
}

static void put_stmt(Writer *w, const Stmt *s, int indent)
{
    begin_item(w, s->span.begin, header_end(s), indent, false);
    doc_put(print_stmt_doc(w->a, s), indent, indent, w->out);
    put_sorts(w, s);
    end_line(w, header_end(s));
    if (s->kind == STMT_FOR) {
        put_block(w, &s->u.loop.body, indent);
        buf_printf(w->out, "%*s}", indent, "");
        end_line(w, s->u.loop.body.end.end);
    }
    if (s->kind == STMT_IF) {
        put_branches(w, s, indent);
        end_line(w, s->span.end);
    }
}

static void put_block(Writer *w, const Block *b, int indent)
{
    w->fresh = true;
    for (int i = 0; i < b->n; i++)
        put_stmt(w, b->items[i], indent + DOC_INDENT);
    comments_before(w, b->end.begin, indent + DOC_INDENT, false);
    w->fresh = false;
}

static bool has_body(const Decl *d)
{
    return d->kind == DECL_FN || d->kind == DECL_LAYER || d->kind == DECL_ENTRY;
}

static uint32_t signature_end(const Decl *d)
{
    if (d->u.fn.when)
        return d->u.fn.when->span.end;
    return d->u.fn.results[d->u.fn.n_results - 1].type.span.end;
}

static void put_decl(Writer *w, const Decl *d, bool apart)
{
    uint32_t end = has_body(d) ? signature_end(d) : d->span.end;
    begin_item(w, d->span.begin, end, 0, apart);
    doc_put(print_decl_doc(w->a, d), 0, 0, w->out);
    end_line(w, end);
    if (!has_body(d))
        return;
    put_block(w, &d->u.fn.body, 0);
    buf_puts(w->out, "}");
    end_line(w, d->span.end);
}

static void put_decls(Writer *w, Decl *const *decls, int n)
{
    w->fresh = true;
    for (int i = 0; i < n; i++) {
        bool apart = has_body(decls[i]) || (i > 0 && has_body(decls[i - 1]));
        put_decl(w, decls[i], apart);
    }
}

void dsl_print(const Ast *ast, int sorts, Buf *out)
{
    Arena *a = arena_new();
    Writer w = {.a = a, .source = ast->source, .out = out, .sorts = sorts};
    put_decls(&w, ast->decls, ast->n_decls);
    arena_free(a);
}

Err *dsl_format(Arena *a, const Source *s, int file, Diags *d, Buf *out)
{
    Parse p;
    parse_file(&p, a, s, file, d);
    TRY(diag_result(d));
    Writer w = {.a = a, .source = s, .out = out, .comments = &p.comments};
    w.last = s->files[file].base;
    put_decls(&w, (Decl **)p.decls.items, p.decls.n);
    comments_before(&w, s->files[file].base + s->files[file].n + 1, 0, false);
    return NULL;
}
