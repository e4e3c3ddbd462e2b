#include "dsl/parse.h"

#include <stdio.h>
#include <string.h>

#include "dsl/dsl.h"

/* The generated files say nothing about warnings; only what is needed here. */
#include "dsl/parser.h"
#define YY_HEADER_EXPORT_START_CONDITIONS
#include "dsl/lexer.h"

const char *parse_text(Parse *p, Span at)
{
    return arena_strndup(p->a, p->file->text + (at.begin - p->file->base),
                         at.end - at.begin);
}

void parse_comment(Parse *p)
{
    Comment *c = ARENA_NEW(p->a, Comment);
    c->span = p->at;
    c->own_line = p->line_start;
    list_add(p, &p->comments, c);
}

/* ---- tokens ----------------------------------------------------------- */

static const struct {
    const char *spelling;
    int token;
    char place;
} keywords[] = {
#define KEYWORD(token, spelling, place) {spelling, TOK_##token, place},
#include "dsl/keywords.def"
#undef KEYWORD
};
enum { KEYWORDS = sizeof keywords / sizeof *keywords };

static char keyword_place(int token)
{
    for (int i = 0; i < KEYWORDS; i++)
        if (keywords[i].token == token)
            return keywords[i].place;
    return 0;
}

static Token read_token(Parse *p)
{
    Token t = {.kind = lex_lex(p->scanner)};
    t.first = p->line_start || p->last.kind == '}';
    t.bad = p->refused;
    t.at = p->at;
    p->line_start = p->refused = false;
    if (t.kind == 0) /* the end has no bytes */
        t.at.begin = t.at.end;
    uint32_t begin = t.at.begin - p->file->base;
    t.margin = begin == 0 || p->file->text[begin - 1] == '\n';
    return t;
}

static bool starts_statement(const Token *t)
{
    return t->kind == TOK_NAME || keyword_place(t->kind) == 'S';
}

static bool starts_declaration(const Token *t)
{
    return keyword_place(t->kind) == 'D';
}

/* Whether the grammar can take heart again at this token. */
static bool resumes(const Parse *p, const Token *t)
{
    if (t->kind == TOK_END || (t->margin && starts_declaration(t)))
        return true;
    if (p->skip_braces > 0)
        return false;
    if (p->open_braces == 0)
        return t->first && starts_declaration(t);
    return t->kind == '}' || (t->first && starts_statement(t));
}

static const char *nearest_keyword(Parse *p, const Token *t, char place);

/* What stands at the margin must be a declaration, though none is known by
 * that word. */
static void report_margin(Parse *p, const Token *t)
{
    bool outside = p->open_braces == 0 && p->skip_braces == 0;
    const char *word = outside && t->margin ? nearest_keyword(p, t, 'D') : NULL;
    if (word)
        diag_error(p->diags, t->at, "unknown word '%s', did you mean '%s'?",
                   parse_text(p, t->at), word);
}

/* A block whose header was broken is skipped whole: its statements would only
 * be taken for the outer block's. */
static Token skip(Parse *p)
{
    Token t = read_token(p);
    while (!resumes(p, &t)) {
        if (t.kind == '{')
            p->skip_braces++;
        else if (t.kind == '}' && p->skip_braces > 0)
            p->skip_braces--;
        report_margin(p, &t);
        t = read_token(p);
    }
    p->skipping = false;
    p->skip_braces = 0;
    return t;
}

/* A declaration at the margin while blocks are open: the braces are missing,
 * not the rest of the file. */
static Token close_blocks(Parse *p, Token t)
{
    diag_error(p->diags, t.at, "'}' is missing before this '%s'",
               parse_text(p, t.at));
    p->held = t;
    p->missing_braces = p->open_braces - 1;
    return (Token){.kind = '}', .at = {t.at.begin, t.at.begin}, .first = true};
}

static Token next_token(Parse *p)
{
    if (p->missing_braces > 0) {
        p->missing_braces--;
        Span at = {p->held.at.begin, p->held.at.begin};
        return (Token){.kind = '}', .at = at, .first = true};
    }
    if (p->held.kind) {
        Token t = p->held;
        p->held.kind = 0;
        return t;
    }
    Token t = p->skipping ? skip(p) : read_token(p);
    if (p->open_braces > 0 && t.margin && starts_declaration(&t))
        return close_blocks(p, t);
    return t;
}

int parse_token(Parse *p, Span *at)
{
    Token t = next_token(p);
    if (t.kind == '{')
        p->open_braces++;
    if (t.kind == '}' && p->open_braces > 0)
        p->open_braces--;
    p->before = p->last;
    p->last = t;
    *at = t.at;
    return t.kind;
}

/* ---- syntax errors ---------------------------------------------------- */

static bool among(const char *const *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* Long lists help nobody: what may begin or continue an expression is one
 * item, and an operator is hardly ever what was forgotten. */
static bool worth_naming(const char *name, bool expression, bool operand)
{
    static const char *const operators[] = {
        "or",  "and", "==",  "!=",  "'<'", "<=",  "'>'", ">=", "'+'",
        "'-'", "'*'", "'/'", "'%'", "'.'", "'('", "'['", "':'"};
    static const char *const starters[] = {
        "a name",   "a number", "a number with a point",
        "a string", "if",       "true",
        "false",    "not",      "'-'",
        "'('",      "'['",      "state"};
    if (expression && among(starters, 12, name))
        return false;
    return !(operand && among(operators, 17, name));
}

typedef struct {
    const char *items[8];
    int n;
} Wanted;

static void want(Wanted *w, const char *item)
{
    if (w->n < 8)
        w->items[w->n++] = item;
}

static void collect(const char *const *expected, int n, Wanted *w)
{
    bool expression = among(expected, n, "a number");
    bool operand = among(expected, n, "'+'");
    bool closing = among(expected, n, "')'");
    bool type = !expression && !operand && among(expected, n, "a name") &&
                among(expected, n, "'['");
    if (expression)
        want(w, "an expression");
    if (type)
        want(w, "a type");
    for (int i = 0; i < n; i++) {
        const char *item = expected[i];
        bool of_type = !strcmp(item, "a name") || !strcmp(item, "'['");
        bool of_argument = closing && !strcmp(item, "'='");
        if (worth_naming(item, expression, operand) && !(type && of_type) &&
            !of_argument)
            want(w, item);
    }
    if (w->n == 0)
        want(w, "an operator");
}

/* "an expression", "',' or ')'" */
static void describe(const char *const *expected, int n, Buf *b)
{
    Wanted w = {.n = 0};
    if (among(expected, n, "param"))
        want(&w, "a declaration");
    else if (among(expected, n, "return"))
        want(&w, "a statement"), want(&w, "'}'");
    else
        collect(expected, n, &w);
    for (int i = 0; i < w.n; i++) {
        const char *item = w.items[i];
        bool bare = item[0] == '\'' || !strncmp(item, "a ", 2) ||
                    !strncmp(item, "an ", 3) || !strncmp(item, "the ", 4);
        buf_puts(b, i == 0 ? "" : i + 1 == w.n ? " or " : ", ");
        buf_printf(b, bare ? "%s" : "'%s'", item);
    }
}

/* Among the keywords of that place, or all if it is 0. */
static const char *nearest_keyword(Parse *p, const Token *t, char place)
{
    if (t->kind != TOK_NAME)
        return NULL;
    Guess g = diag_guess(parse_text(p, t->at));
    for (int i = 0; i < KEYWORDS; i++)
        if (place == 0 || place == keywords[i].place)
            diag_guess_add(&g, keywords[i].spelling);
    return g.best;
}

static const char *nearest_expected(Parse *p, const Token *t,
                                    const char *const *expected, int n)
{
    if (t->kind != TOK_NAME)
        return NULL;
    Guess g = diag_guess(parse_text(p, t->at));
    for (int i = 0; i < KEYWORDS; i++)
        if (among(expected, n, keywords[i].spelling))
            diag_guess_add(&g, keywords[i].spelling);
    return g.best;
}

/* A misspelt keyword is read as a name, and often only the token behind it
 * looks wrong. */
static bool report_keyword(Parse *p, const char *const *expected, int n)
{
    const Token *at = &p->last;
    const char *word = nearest_expected(p, at, expected, n);
    if (!word && p->before.first && p->last.kind != '=') {
        at = &p->before;
        word = nearest_keyword(p, at, 0);
    }
    if (word)
        diag_error(p->diags, at->at, "unknown word '%s', did you mean '%s'?",
                   parse_text(p, at->at), word);
    return word != NULL;
}

/* "y = a +", then "z = b" on the next line: the sum goes on with z. */
static bool report_unfinished(Parse *p, const char *const *expected, int n)
{
    bool binds = p->last.kind == '=' && p->before.kind == TOK_NAME &&
                 p->before.first && among(expected, n, "'+'");
    if (binds)
        diag_error(p->diags, p->before.at,
                   "a statement begins here, but the line before is not "
                   "finished");
    return binds;
}

static bool compares(const Token *t)
{
    return t->kind == TOK_EQ || t->kind == TOK_NE || t->kind == TOK_LE ||
           t->kind == TOK_GE || t->kind == '<' || t->kind == '>';
}

static const char *hint(const Token *t, const char *const *expected, int n)
{
    if (among(expected, n, "'+'") && compares(t))
        return " (comparisons do not chain)";
    if (among(expected, n, "==") && t->kind == '=')
        return " (to compare, write '==')";
    if (among(expected, n, "a number") && t->kind == TOK_IF)
        return " (inside an expression it stands in parentheses)";
    if (among(expected, n, "'='") && t->kind == '(')
        return " (a value is bound to a name: y = f(x))";
    return "";
}

/* What should have come before a line's first token is missing on the line
 * before. */
static void report_expected(Parse *p, const char *const *expected, int n)
{
    Buf wanted = {0};
    const Token *t = &p->last;
    bool at_end = t->kind == TOK_END;
    bool behind = (t->first || at_end) && p->before.kind != 0 &&
                  !among(expected, n, "param") && !among(expected, n, "return");
    Span at = behind ? (Span){p->before.at.end, p->before.at.end} : t->at;
    describe(expected, n, &wanted);
    if (at_end)
        diag_error(p->diags, at, "expected %s, found the end of the file",
                   wanted.data);
    else
        diag_error(p->diags, at, "expected %s, found '%s'%s%s", wanted.data,
                   parse_text(p, t->at), behind ? " on the next line" : "",
                   hint(t, expected, n));
    buf_free(&wanted);
}

void parse_error(Parse *p, const char *const *expected, int n)
{
    const Token *t = &p->last;
    bool told = t->bad || p->before.bad;
    if (!told && !report_unfinished(p, expected, n) &&
        !report_keyword(p, expected, n))
        report_expected(p, expected, n);
    bool starts = p->open_braces > 0 ? starts_statement(t) : false;
    p->skipping = !(t->first && (starts || starts_declaration(t)));
    p->skip_braces = t->kind == '{';
    if (t->kind == '{')
        p->open_braces--;
}

/* ---- files ------------------------------------------------------------ */

/* Bytes of the character at s, 0 if it is no valid UTF-8. */
static int utf8_length(const unsigned char *s, size_t left)
{
    int n = s[0] < 0x80   ? 1
            : s[0] < 0xC2 ? 0
            : s[0] < 0xE0 ? 2
            : s[0] < 0xF0 ? 3
            : s[0] < 0xF5 ? 4
                          : 0;
    if ((size_t)n > left)
        return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool overlong =
        (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool beyond =
        (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return overlong || beyond ? 0 : n;
}

static bool check_bytes(const SourceFile *f, Diags *d)
{
    for (uint32_t i = 0; i < f->n;) {
        const unsigned char *s = (const unsigned char *)f->text + i;
        int n = utf8_length(s, f->n - i);
        if (n == 0 || *s == 0) {
            Span at = {f->base + i, f->base + i + 1};
            diag_error(d, at,
                       n == 0 ? "this byte (0x%02X) is no valid UTF-8"
                              : "a model text holds no zero bytes",
                       *s);
            return false;
        }
        i += (uint32_t)n;
    }
    return true;
}

/* flex marks the end of each token in its buffer while it works, so it gets a
 * copy. */
static void run_grammar(Parse *p)
{
    size_t size = (size_t)p->file->n + 2;
    char *copy = arena_alloc(p->a, size);
    memcpy(copy, p->file->text, p->file->n);
    lex_lex_init_extra(p, &p->scanner);
    lex__scan_buffer(copy, size, p->scanner);
    dsl_yyparse(p);
    lex_lex_destroy(p->scanner);
}

void parse_file(Parse *p, Arena *a, const Source *s, int file, Diags *d)
{
    *p = (Parse){.a = a, .diags = d, .file = &s->files[file]};
    p->line_start = true;
    p->at = (Span){p->file->base, p->file->base};
    if (check_bytes(p->file, d))
        run_grammar(p);
}

static Ast *new_ast(Arena *a, const Source *s, List *decls)
{
    Ast *ast = ARENA_NEW(a, Ast);
    ast->source = s;
    ast->decls = (Decl **)decls->items;
    ast->n_decls = decls->n;
    return ast;
}

Err *dsl_parse_file(Arena *a, const Source *s, int file, Diags *d, Ast **ast)
{
    Parse p;
    parse_file(&p, a, s, file, d);
    *ast = new_ast(a, s, &p.decls);
    return diag_result(d);
}

/* What there is, if a file that is used is not. */
static const char *guess_file(const Source *s, Diags *d, const char *name)
{
    Guess g = diag_guess(name);
    for (const EmbeddedFile *f = s->library; f && f->name; f++)
        diag_guess_add(&g, f->name);
    return diag_guess_text(d, &g);
}

/* Puts what a file declares behind what is there, in place of its `use`. */
static void expand(Source *s, int file, Diags *d, Parse *into)
{
    Parse p;
    parse_file(&p, into->a, s, file, d);
    for (int i = 0; i < p.decls.n; i++) {
        Decl *decl = p.decls.items[i];
        if (decl->kind != DECL_USE) {
            list_add(into, &into->decls, decl);
            continue;
        }
        int used, fresh;
        Err *e = source_use(s, decl->name.text, &used, &fresh);
        if (e) {
            diag_error(d, decl->name.span, "%s%s", err_text(e),
                       guess_file(s, d, decl->name.text));
            err_free(e);
        } else if (fresh) {
            expand(s, used, d, into);
        }
    }
}

Err *dsl_parse(Arena *a, Source *s, Diags *d, Ast **ast)
{
    Parse all = {.a = a, .diags = d};
    expand(s, 0, d, &all);
    *ast = new_ast(a, s, &all.decls);
    return diag_result(d);
}
