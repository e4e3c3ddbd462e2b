#include "tokenizer.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer_impl.h"
#include "unicode.h"

/* ---- facts */

int32_t tokenizer_size(const Tokenizer *t) { return t->n; }
int32_t tokenizer_real_size(const Tokenizer *t) { return t->n_real; }
int32_t tokenizer_bos(const Tokenizer *t) { return t->bos; }

const int32_t *tokenizer_ends(const Tokenizer *t, int *n)
{
    *n = t->n_ends;
    return t->ends;
}

bool tokenizer_is_end(const Tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return true;
    return false;
}

const char *tokenizer_bytes(const Tokenizer *t, int32_t id, size_t *n)
{
    *n = t->start[id + 1] - t->start[id];
    return t->bytes + t->start[id];
}

bool tokenizer_is_hidden(const Tokenizer *t, int32_t id)
{
    switch ((TokenType)t->type[id]) {
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
    case TOKEN_UNUSED:
        return true;
    case TOKEN_NORMAL:
    case TOKEN_USER:
    case TOKEN_BYTE:
        return false;
    }
    return false;
}

/* ---- added tokens in text */

/* Of the sorted ids [*lo, *hi), which agree in their first `depth` bytes, keeps
 * those whose next byte is c. */
static void narrow(const Tokenizer *t, int32_t *lo, int32_t *hi, size_t depth,
                   unsigned char c)
{
    int32_t bound[2];
    for (int side = 0; side < 2; side++) {
        int32_t a = *lo, b = *hi;
        while (a < b) {
            int32_t mid = a + (b - a) / 2;
            size_t n;
            const char *s = tokenizer_bytes(t, t->added[mid], &n);
            int byte = depth < n ? (unsigned char)s[depth] : -1;
            if (side == 0 ? byte < c : byte <= c)
                a = mid + 1;
            else
                b = mid;
        }
        bound[side] = a;
    }
    *lo = bound[0];
    *hi = bound[1];
}

static bool may_match(const Tokenizer *t, int32_t id, bool special)
{
    return special || t->type[id] == TOKEN_USER;
}

/* The longest added token that text begins with, or -1. */
static int32_t match_added(const Tokenizer *t, const char *text, size_t n,
                           bool special)
{
    int32_t lo = 0, hi = t->n_added, best = -1;
    for (size_t depth = 0; depth < n; depth++) {
        narrow(t, &lo, &hi, depth, (unsigned char)text[depth]);
        if (lo == hi)
            break;
        size_t len;
        tokenizer_bytes(t, t->added[lo], &len); /* the shortest sorts first */
        if (len == depth + 1 && may_match(t, t->added[lo], special))
            best = t->added[lo];
    }
    return best;
}

int32_t tokenizer_find(const Tokenizer *t, const char *text, size_t n)
{
    int32_t id = match_added(t, text, n, true);
    size_t len = 0;
    if (id >= 0)
        tokenizer_bytes(t, id, &len);
    return id >= 0 && len == n ? id : -1;
}

/* ---- encoding */

void tokens_add(Tokens *t, int32_t id)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->id = realloc(t->id, t->cap * sizeof *t->id);
        if (!t->id)
            memory_out(t->cap * sizeof *t->id);
    }
    t->id[t->n++] = id;
}

void tokens_free(Tokens *t)
{
    free(t->id);
    *t = (Tokens){0};
}

/* What one call of tokenizer_encode works with. */
typedef struct {
    const Tokenizer *t;
    SplitWork *split;
    BpeWork bpe;
    Buf repaired, normal;
    Tokens *out;
} Encoder;

static Err *encode_piece(Encoder *c, const char *s, size_t n)
{
    size_t first = c->out->n, kept = 0;
    int32_t whole = c->t->whole ? tokenizer_whole_find(c->t, s, n) : -1;
    if (whole >= 0) {
        tokens_add(c->out, whole);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t id = c->t->byte_id[(unsigned char)s[i]];
        if (id >= 0)
            tokens_add(c->out, id);
    }
    TRY(bpe_run(&c->t->bpe, &c->bpe, c->out->id + first, c->out->n - first,
                &kept));
    c->out->n = first + kept;
    return NULL;
}

/* Text without added tokens. */
static Err *encode_plain(Encoder *c, const char *s, size_t n)
{
    if (c->t->nfc && !unicode_is_plain(s, n)) {
        buf_clear(&c->normal);
        TRY(unicode_nfc(s, n, &c->normal));
        s = c->normal.data;
        n = c->normal.n;
    }
    for (size_t at = 0, end = 0; at < n; at = end) {
        TRY(splitter_next(c->t->splitter, c->split, s, n, at, &end));
        TRY(encode_piece(c, s + at, end - at));
    }
    return NULL;
}

static Err *encode_text(Encoder *c, const char *s, size_t n, bool special)
{
    const Tokenizer *t = c->t;
    size_t done = 0;
    for (size_t i = 0; i < n;) {
        int32_t id = t->added_first[(unsigned char)s[i]]
                         ? match_added(t, s + i, n - i, special)
                         : -1;
        if (id < 0) {
            i++;
            continue;
        }
        size_t len;
        tokenizer_bytes(t, id, &len);
        TRY(encode_plain(c, s + done, i - done));
        tokens_add(c->out, id);
        done = i += len;
    }
    return encode_plain(c, s + done, n - done);
}

static Err *well_formed(Encoder *c, unsigned flags, const char **s, size_t *n)
{
    size_t good = unicode_valid(*s, *n);
    if (good == *n)
        return NULL;
    if (!(flags & TOKENIZE_REPAIR))
        return err_new(ERR_INPUT, "byte %zu of the text (0x%02X) is not UTF-8",
                       good, (unsigned)(unsigned char)(*s)[good]);
    unicode_repair(*s, *n, &c->repaired);
    *s = c->repaired.data;
    *n = c->repaired.n;
    return NULL;
}

Err *tokenizer_encode(const Tokenizer *t, const char *text, size_t n,
                      unsigned flags, Tokens *out)
{
    Err *e = NULL;
    Encoder c = {.t = t, .out = out};
    if (n > TOKENIZER_MAX_TEXT)
        return err_new(ERR_LIMIT, "the text is longer than %d bytes",
                       TOKENIZER_MAX_TEXT);
    if (n == 0)
        text = ""; /* it may be NULL */
    DO(well_formed(&c, flags, &text, &n));
    DO(splitter_work_new(t->splitter, &c.split));
    if (flags & TOKENIZE_BOS && t->bos >= 0 &&
        !(flags & TOKENIZE_SPECIAL && match_added(t, text, n, true) == t->bos))
        tokens_add(out, t->bos); /* chat templates begin with its text */
    DO(encode_text(&c, text, n, flags & TOKENIZE_SPECIAL));
out:
    splitter_work_free(c.split);
    bpe_work_free(&c.bpe);
    buf_free(&c.repaired);
    buf_free(&c.normal);
    return e;
}

/* ---- decoding */

static Err *check_id(const Tokenizer *t, int32_t id)
{
    if (id < 0 || id >= t->n)
        return err_new(ERR_INPUT, "token id %d is outside the vocabulary of %d",
                       id, t->n);
    return NULL;
}

Err *tokenizer_decode(const Tokenizer *t, const int32_t *id, size_t n,
                      bool special, Buf *out)
{
    for (size_t i = 0; i < n; i++) {
        TRY(check_id(t, id[i]));
        if (!special && tokenizer_is_hidden(t, id[i]))
            continue;
        size_t len;
        const char *s = tokenizer_bytes(t, id[i], &len);
        buf_add(out, s, len);
    }
    return NULL;
}

/* Takes one byte more into the held start of a character.  The start was a
 * sound one, so at most the new byte is left over afterwards. */
static void stream_byte(TokenStream *s, char c, Buf *out)
{
    uint32_t cp;
    s->held[s->n_held++] = c;
    for (;;) {
        size_t n = (size_t)s->n_held;
        int len = n ? unicode_step(s->held, n, &cp) : 0;
        if (len == 0)
            return;
        size_t used = (size_t)(len > 0 ? len : -len);
        if (len > 0)
            buf_add(out, s->held, used);
        else
            buf_puts(out, "\xEF\xBF\xBD");
        s->n_held = (int)(n - used);
        memmove(s->held, s->held + used, n - used);
    }
}

Err *tokenizer_stream(const Tokenizer *t, TokenStream *s, int32_t id, Buf *out)
{
    size_t n;
    TRY(check_id(t, id));
    if (!s->special && tokenizer_is_hidden(t, id))
        return NULL;
    const char *p = tokenizer_bytes(t, id, &n);
    for (size_t i = 0; i < n; i++)
        stream_byte(s, p[i], out);
    return NULL;
}

void tokenizer_stream_end(TokenStream *s, Buf *out)
{
    if (s->n_held)
        buf_puts(out, "\xEF\xBF\xBD");
    s->n_held = 0;
}
