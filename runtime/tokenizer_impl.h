/* tokenizer_impl.h - what tokenizer.c and tokenizer_load.c share. */
#ifndef RUNTIME_TOKENIZER_IMPL_H
#define RUNTIME_TOKENIZER_IMPL_H

#include "base/arena.h"
#include "bpe.h"
#include "splitter.h"
#include "tokenizer.h"

/* tokenizer.ggml.token_type */
typedef enum {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6,
} TokenType;

struct Tokenizer {
    Arena *arena;
    int32_t n, n_real;
    uint8_t *type;        /* [n] TokenType */
    char *bytes;          /* all tokens, one after the other */
    uint32_t *start;      /* [n + 1] into bytes */
    int32_t byte_id[256]; /* the token of each single byte, -1: none */
    Bpe bpe;
    int32_t *added; /* [n_added] ids of added tokens, sorted by their bytes */
    int32_t n_added;
    bool added_first[256]; /* some added token begins with this byte */
    int32_t *ends;         /* [n_ends] ascending */
    int n_ends;
    int32_t bos; /* -1: none */
    Splitter *splitter;
    bool nfc;
    uint32_t *whole; /* index of tokenizer_whole.c, id + 1; NULL: not wanted */
    uint32_t whole_mask;
};

void tokenizer_whole_init(Tokenizer *t);
/* `id` is a normal token spelt in the byte alphabet: no two have the same
 * bytes. */
Err *tokenizer_whole_add(Tokenizer *t, int32_t id) MUST_USE;
/* The token that a whole piece of text is, or -1. */
int32_t tokenizer_whole_find(const Tokenizer *t, const char *s, size_t n);

#endif
