/* tokenizer.h - text to token ids and back, as the model file defines it.
 *
 * Byte-level byte-pair encoding (tokenizer.ggml.model = "gpt2"):
 *   1. added tokens are cut out of the text, leftmost first and the longest of
 *      those that begin at one place: user-defined ones always, control and
 *      unknown ones only with TOKENIZE_SPECIAL;
 *   2. each stretch between them is brought to normal form C (per
 *      splitters.def, or as the caller says);
 *   3. the pattern of tokenizer.ggml.pre cuts it into pieces (splitter.h);
 *   4. each piece starts as one token a byte and is merged by rank (bpe.h);
 *      with some values of pre a piece that is a token is taken as it is.
 *      A byte that the vocabulary has no token for is left out.
 * This is what Hugging Face's `tokenizers` does with these models, id for id,
 * but for characters that one side's Unicode version lacks: PCRE2 10.42 cuts
 * by version 14, utf8proc 2.8 composes by 15, `tokenizers` 0.23 cuts by 16 and
 * composes by 9.  tests/runtime/test_tokenizer_hf.py lists them all.
 *
 * Everything in the file is checked once, in tokenizer_new.  A Tokenizer owns
 * its memory, is read-only afterwards and may be shared by threads. */
#ifndef RUNTIME_TOKENIZER_H
#define RUNTIME_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/model_info.h"

enum {
    TOKEN_MAX_BYTES = 65536,      /* of an entry of the vocabulary */
    SPECIAL_MAX_BYTES = 512,      /* of an added token */
    VOCAB_MAX = 1 << 24,          /* entries */
    TOKENIZER_MAX_TEXT = 1 << 30, /* bytes of one text */
};

typedef struct Tokenizer Tokenizer;

typedef enum { NFC_DEFAULT, NFC_ON, NFC_OFF } NfcMode;

typedef struct {
    NfcMode nfc;
    bool no_jit; /* run the splitter's interpreter: slower, same result */
} TokenizerOptions;

/* `o` may be NULL for the defaults.  Errors name the key and the entry. */
Err *tokenizer_new(const ModelInfo *m, const TokenizerOptions *o,
                   Tokenizer **out) MUST_USE;
void tokenizer_free(Tokenizer *t);

/* ---- facts */

/* Entries of the vocabulary, and the number of them up to the last that is not
 * marked unused: ids from there on are padding and must never be sampled. */
int32_t tokenizer_size(const Tokenizer *t);
int32_t tokenizer_real_size(const Tokenizer *t);
/* Ids that end a generation: the keys eos, eot and eom, and end_tokens.def.
 * Ascending.  They are control tokens whatever type the file gives them. */
const int32_t *tokenizer_ends(const Tokenizer *t, int *n);
bool tokenizer_is_end(const Tokenizer *t, int32_t id);
/* The id that TOKENIZE_BOS puts first; -1 unless the file names it and
 * add_bos_token is true, or absent and splitters.def wants it. */
int32_t tokenizer_bos(const Tokenizer *t);
/* The added token (control, unknown or user-defined) with this text, or -1. */
int32_t tokenizer_find(const Tokenizer *t, const char *text, size_t n);
/* True for tokens that decoding hides: control, unknown, unused. */
bool tokenizer_is_hidden(const Tokenizer *t, int32_t id);
/* Bytes of any valid id, hidden or not.  Belongs to the tokenizer. */
const char *tokenizer_bytes(const Tokenizer *t, int32_t id, size_t *n);

/* ---- encoding */

/* A growing array of ids; zero-initialise.  Owns heap memory. */
typedef struct {
    int32_t *id;
    size_t n, cap;
} Tokens;

void tokens_add(Tokens *t, int32_t id);
void tokens_free(Tokens *t);

enum {
    TOKENIZE_SPECIAL = 1, /* also match control tokens: trusted text only */
    TOKENIZE_BOS = 2,     /* begin with tokenizer_bos, if there is one; with
                             TOKENIZE_SPECIAL not before its own text */
    TOKENIZE_REPAIR = 4,  /* ill-formed UTF-8 becomes U+FFFD; without it such
                             text is refused with the offset of the byte */
};

/* Appends the ids of `text`.  add_eos_token in the file is not obeyed: text to
 * be continued must not end.  Needs about 28 bytes for each byte of the
 * longest piece.  On an error `out` keeps what it had, or more. */
Err *tokenizer_encode(const Tokenizer *t, const char *text, size_t n,
                      unsigned flags, Tokens *out) MUST_USE;

/* ---- decoding */

/* Appends the bytes of the ids: user-defined tokens as their text; control,
 * unknown and unused ones only if `special`.  The result may hold ill-formed
 * UTF-8, as a model may write anything.  An id outside the vocabulary is an
 * error. */
Err *tokenizer_decode(const Tokenizer *t, const int32_t *id, size_t n,
                      bool special, Buf *out) MUST_USE;

/* A stream that appends whole characters only: the start of one is held back
 * until the rest comes.  Ill-formed bytes become U+FFFD as soon as they are
 * known to be, exactly where Python's bytes.decode("utf-8", "replace") puts
 * them in the whole.  Zero-initialise, or set `special`. */
typedef struct {
    bool special;
    int n_held;
    char held[4];
} TokenStream;

Err *tokenizer_stream(const Tokenizer *t, TokenStream *s, int32_t id,
                      Buf *out) MUST_USE;
/* At the end of the text: a character cut short becomes one U+FFFD. */
void tokenizer_stream_end(TokenStream *s, Buf *out);

#endif
