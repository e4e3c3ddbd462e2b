/* lexer.h - template text to tokens, with all that concerns white space.
 *
 * As Hugging Face sets jinja2 up: a newline after a block is dropped
 * (trim_blocks), blanks before a block at the start of a line too
 * (lstrip_blocks), `-` strips white space on its side, `+` keeps it, and one
 * newline at the end of the text is dropped.  Comments are gone after this. */
#ifndef JINJA_LEXER_H
#define JINJA_LEXER_H

#include "runtime/value.h"

typedef enum {
    TOKEN_END,
    TOKEN_DATA,        /* text: value */
    TOKEN_PRINT_BEGIN, /* {{ */
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN, /* {% */
    TOKEN_BLOCK_END,
    TOKEN_NAME,   /* text: p, n */
    TOKEN_STRING, /* value */
    TOKEN_INT,    /* value, INT or BIG */
    TOKEN_FLOAT,  /* value */
    TOKEN_OP,     /* op */
} TokenKind;

typedef enum {
#define OPERATOR(id, text, level) OP_##id,
#include "runtime/jinja/operators.def"
#undef OPERATOR
    OP_COUNT
} Op;

extern const char *const op_text[OP_COUNT];

typedef struct {
    TokenKind kind;
    int line;
    Op op;
    const char *p; /* as it stands in the (normalised) text */
    size_t n;
    Value value;
} Token;

typedef struct {
    Token *token; /* the last is TOKEN_END */
    size_t n;
} TokenList;

/* `text` must be well-formed UTF-8 and outlive the tokens. */
Err *lexer_run(Arena *a, const char *text, size_t n, TokenList *out) MUST_USE;

/* Python's str.isspace for one character. */
bool lexer_is_space(uint32_t cp);

#endif
