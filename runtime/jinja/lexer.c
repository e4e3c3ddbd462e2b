#include "runtime/jinja/lexer.h"

#include <string.h>

#include "runtime/jinja/literal.h"
#include "runtime/unicode.h"

const char *const op_text[OP_COUNT] = {
#define OPERATOR(id, text, level) text,
#include "runtime/jinja/operators.def"
#undef OPERATOR
};

enum { MAX_BRACKETS = 256 };

typedef struct {
    Arena *a;
    const char *s;
    size_t n, at;
    int line;
    bool line_starts; /* what was taken last ended in a newline */
    TokenList out;
    size_t cap;
    char open[MAX_BRACKETS];
    int n_open;
} Lexer;

static Err *bad(const Lexer *x, int line, const char *what)
{
    (void)x;
    return err_new(ERR_INPUT, "line %d: %s", line, what);
}

/* ---- small steps */

bool lexer_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 ||
           cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

static size_t space_length(const Lexer *x, size_t at)
{
    uint32_t cp;
    if (at >= x->n)
        return 0;
    int len = unicode_step(x->s + at, x->n - at, &cp);
    return len > 0 && lexer_is_space(cp) ? (size_t)len : 0;
}

static size_t after_spaces(const Lexer *x, size_t at)
{
    for (size_t len; (len = space_length(x, at)) > 0;)
        at += len;
    return at;
}

static bool stands(const Lexer *x, size_t at, const char *what)
{
    size_t n = strlen(what);
    return at <= x->n && x->n - at >= n && memcmp(x->s + at, what, n) == 0;
}

static void move_to(Lexer *x, size_t to)
{
    for (; x->at < to; x->at++)
        x->line += x->s[x->at] == '\n';
    x->line_starts = to > 0 && x->s[to - 1] == '\n';
}

static Token *add(Lexer *x, TokenKind kind)
{
    if (x->out.n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 256;
        Token *more = ARENA_ARRAY(x->a, Token, cap);
        if (x->out.n)
            memcpy(more, x->out.token, x->out.n * sizeof *more);
        x->out.token = more;
        x->cap = cap;
    }
    Token *t = &x->out.token[x->out.n++];
    *t = (Token){.kind = kind, .line = x->line, .p = x->s + x->at};
    return t;
}

/* ---- text outside of tags */

/* The length of `text` [from, to) that stays before a tag. */
static size_t kept(const Lexer *x, size_t from, size_t to, char sign,
                   bool is_block)
{
    size_t end = from, line = from;
    if (sign == '-') {
        for (size_t i = from; i < to;) {
            size_t len = space_length(x, i);
            i += len ? len : 1;
            if (!len)
                end = i;
        }
        return end - from;
    }
    if (sign == '+' || !is_block)
        return to - from;
    for (size_t i = from; i < to; i++)
        if (x->s[i] == '\n')
            line = i + 1;
    bool starts_line = line > from || x->line_starts;
    return starts_line && after_spaces(x, line) >= to ? line - from : to - from;
}

static void add_data(Lexer *x, size_t to, char sign, bool is_block)
{
    size_t n = kept(x, x->at, to, sign, is_block);
    if (n) {
        Token *t = add(x, TOKEN_DATA);
        t->n = n;
        t->value = value_str(str_new(x->a, x->s + x->at, n, ORIGIN_TEMPLATE));
    }
    move_to(x, to);
}

static char sign_at(const Lexer *x, size_t at)
{
    return at < x->n && (x->s[at] == '-' || x->s[at] == '+') ? x->s[at] : 0;
}

/* The end of a tag whose closing text begins at `at`, with `sign` before it. */
static size_t after_close(const Lexer *x, size_t at, char sign)
{
    at += 2;
    if (sign == '-')
        return after_spaces(x, at);
    return sign != '+' && at < x->n && x->s[at] == '\n' ? at + 1 : at;
}

static Err *skip_comment(Lexer *x, size_t at)
{
    size_t body = at + 2 + (sign_at(x, at + 2) != 0);
    int line = x->line;
    for (size_t i = body; i + 1 < x->n; i++) {
        if (!stands(x, i, "#}"))
            continue;
        move_to(x, after_close(x, i, i > body ? sign_at(x, i - 1) : 0));
        return NULL;
    }
    return bad(x, line, "Missing end of comment tag");
}

/* `{% WORD %}` at `at`: the offset behind it, else 0.  *sign is the one before
 * the word, `trim` what happens to a newline behind. */
static size_t word_tag(const Lexer *x, size_t at, const char *word, bool trim,
                       char *sign)
{
    if (!stands(x, at, "{%"))
        return 0;
    *sign = sign_at(x, at + 2);
    size_t i = after_spaces(x, at + 2 + (*sign != 0));
    if (!stands(x, i, word))
        return 0;
    i = after_spaces(x, i + strlen(word));
    char close = sign_at(x, i);
    if (close == '+' && !trim)
        return 0;
    if (!stands(x, i + (close != 0), "%}"))
        return 0;
    return after_close(x, i + (close != 0), trim || close ? close : '+');
}

static Err *lex_raw(Lexer *x, size_t begin)
{
    int line = x->line;
    move_to(x, begin);
    for (size_t i = begin; i < x->n; i++) {
        char sign;
        size_t end = word_tag(x, i, "endraw", true, &sign);
        if (!end)
            continue;
        add_data(x, i, sign, true);
        move_to(x, end);
        return NULL;
    }
    return bad(x, line, "Missing end of raw directive");
}

/* ---- inside of tags */

static Err *close_bracket(Lexer *x, char c)
{
    static const char pairs[] = "()[]{}";
    if (x->n_open == 0)
        return err_new(ERR_INPUT, "line %d: unexpected '%c'", x->line, c);
    char wanted = strchr(pairs, x->open[--x->n_open])[1];
    if (wanted != c)
        return err_new(ERR_INPUT, "line %d: unexpected '%c', expected '%c'",
                       x->line, c, wanted);
    return NULL;
}

static Err *lex_operator(Lexer *x)
{
    int op = 0;
    while (op < OP_IN && !stands(x, x->at, op_text[op]))
        op++;
    if (op == OP_IN)
        return err_new(ERR_INPUT, "line %d: unexpected char '%.4s'", x->line,
                       x->s + x->at);
    char c = op_text[op][0];
    if (strchr("([{", c)) {
        if (x->n_open == MAX_BRACKETS)
            return err_new(ERR_LIMIT, "line %d: more than %d open brackets",
                           x->line, MAX_BRACKETS);
        x->open[x->n_open++] = c;
    } else if (strchr(")]}", c)) {
        TRY(close_bracket(x, c));
    }
    Token *t = add(x, TOKEN_OP);
    t->op = (Op)op;
    t->n = strlen(op_text[op]);
    move_to(x, x->at + t->n);
    return NULL;
}

static bool is_name(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static void lex_name(Lexer *x)
{
    size_t end = x->at;
    while (end < x->n && is_name(x->s[end]))
        end++;
    Token *t = add(x, TOKEN_NAME);
    t->n = end - x->at;
    move_to(x, end);
}

static Err *lex_string(Lexer *x)
{
    char quote = x->s[x->at];
    size_t from = x->at + 1, end = from;
    while (end < x->n && x->s[end] != quote)
        end += x->s[end] == '\\' ? 2 : 1;
    if (end >= x->n)
        return err_new(ERR_INPUT, "line %d: unexpected char '%c'", x->line,
                       quote);
    Token *t = add(x, TOKEN_STRING);
    t->n = end + 1 - x->at;
    const Str *s;
    Err *e = literal_string(x->a, x->s + from, end - from, &s);
    if (e)
        return err_note(e, "line %d", x->line);
    t->value = value_str(s);
    move_to(x, end + 1);
    return NULL;
}

static void lex_number(Lexer *x)
{
    Value v;
    bool after_dot = x->at > 0 && x->s[x->at - 1] == '.';
    size_t n = literal_number(x->a, x->s + x->at, x->n - x->at, after_dot, &v);
    Token *t = add(x, v.kind == VALUE_FLOAT ? TOKEN_FLOAT : TOKEN_INT);
    t->n = n;
    t->value = v;
    move_to(x, x->at + n);
}

/* The end of the tag if it stands here, else 0. */
static size_t tag_end(const Lexer *x, const char *close, bool trim)
{
    if (x->n_open)
        return 0;
    char sign = sign_at(x, x->at);
    if (sign == '+' && !trim)
        return 0;
    if (!stands(x, x->at + (sign != 0), close))
        return 0;
    return after_close(x, x->at + (sign != 0), trim || sign ? sign : '+');
}

static Err *lex_tag(Lexer *x, bool is_block)
{
    const char *close = is_block ? "%}" : "}}";
    x->n_open = 0;
    for (;;) {
        size_t end = tag_end(x, close, is_block);
        if (end) {
            add(x, is_block ? TOKEN_BLOCK_END : TOKEN_PRINT_END);
            move_to(x, end);
            return NULL;
        }
        if (x->at >= x->n)
            return NULL; /* the parser says what it misses */
        char c = x->s[x->at];
        if (space_length(x, x->at))
            move_to(x, after_spaces(x, x->at));
        else if (c >= '0' && c <= '9')
            lex_number(x);
        else if (is_name(c))
            lex_name(x);
        else if (c == '\'' || c == '"')
            TRY(lex_string(x));
        else
            TRY(lex_operator(x));
    }
}

static size_t next_tag(const Lexer *x)
{
    for (size_t i = x->at; i + 1 < x->n; i++)
        if (x->s[i] == '{' && x->s[i + 1] && strchr("{%#", x->s[i + 1]))
            return i;
    return x->n;
}

static Err *lex_root(Lexer *x)
{
    char raw_sign;
    size_t at = next_tag(x), raw;
    if (at == x->n) {
        add_data(x, at, '+', false);
        return NULL;
    }
    if ((raw = word_tag(x, at, "raw", false, &raw_sign)) > 0) {
        add_data(x, at, raw_sign, true);
        return lex_raw(x, raw);
    }
    char kind = x->s[at + 1], sign = sign_at(x, at + 2);
    add_data(x, at, sign, kind != '{');
    if (kind == '#')
        return skip_comment(x, at);
    add(x, kind == '{' ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN);
    move_to(x, at + 2 + (sign != 0));
    return lex_tag(x, kind == '%');
}

/* "\r\n" and "\r" become "\n"; one newline at the end goes. */
static const char *normalise(Arena *a, const char *s, size_t *n)
{
    char *out = arena_alloc(a, *n + 1);
    size_t k = 0;
    for (size_t i = 0; i < *n; i++) {
        if (s[i] == '\r' && i + 1 < *n && s[i + 1] == '\n')
            continue;
        out[k++] = s[i] == '\r' ? '\n' : s[i];
    }
    if (k && out[k - 1] == '\n')
        k--;
    out[k] = '\0';
    *n = k;
    return out;
}

Err *lexer_run(Arena *a, const char *text, size_t n, TokenList *out)
{
    Lexer x = {.a = a, .line = 1, .line_starts = true};
    x.s = normalise(a, text, &n);
    x.n = n;
    while (x.at < x.n)
        TRY(lex_root(&x));
    add(&x, TOKEN_END);
    *out = x.out;
    return NULL;
}
