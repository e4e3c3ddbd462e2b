/* cmd_tokenize.c - `sextet tokenize MODEL.gguf [TEXT]`: text to ids and, with
 * --decode, ids to text.  Needs the file's metadata only. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "runtime/cli/options.h"
#include "runtime/gguf.h"
#include "runtime/tokenizer.h"
#include "runtime/unicode.h"

/* ---- input: the argument, a file, or standard input */

static Err *read_input(Arena *a, const Options *o, const char **text, size_t *n)
{
    char *read = NULL;
    if (o->n_args > 1 && o->given[OPT_prompt_file])
        return err_new(ERR_USAGE, "give the text as an argument or by "
                                  "--prompt-file, not both");
    if (o->n_args > 1) {
        *text = o->args[1];
        *n = strlen(*text);
        return NULL;
    }
    if (o->given[OPT_prompt_file] && strcmp(o->prompt_file, "-") != 0)
        TRY(file_read(a, o->prompt_file, TOKENIZER_MAX_TEXT, &read, n));
    else
        TRY(file_read_fd(a, STDIN_FILENO, "standard input", TOKENIZER_MAX_TEXT,
                         &read, n));
    *text = read;
    return NULL;
}

static bool is_between(char c) { return c && strchr(" \t\r\n,[]", c) != NULL; }

/* Decimal ids with blanks, commas or brackets between, as this command prints
 * them and as JSON writes an array. */
static Err *parse_ids(const char *s, size_t n, Tokens *ids)
{
    for (size_t i = 0; i < n;) {
        if (is_between(s[i])) {
            i++;
            continue;
        }
        size_t from = i;
        int64_t id = 0;
        for (; i < n && s[i] >= '0' && s[i] <= '9' && id <= INT32_MAX; i++)
            id = id * 10 + (s[i] - '0');
        if (i == from || id > INT32_MAX || (i < n && !is_between(s[i])))
            return err_new(ERR_INPUT, "byte %zu of the ids begins no token id",
                           from);
        tokens_add(ids, (int32_t)id);
    }
    return NULL;
}

/* ---- output */

static void print_ids(const Tokens *ids, bool json)
{
    const char *gap = json ? ", " : " ";
    fputs(json ? "{\"tokens\": [" : "", stdout);
    for (size_t i = 0; i < ids->n; i++)
        printf("%s%" PRId32, i ? gap : "", ids->id[i]);
    puts(json ? "]}" : "");
}

static void put_json_char(const char *s, size_t n)
{
    unsigned char c = (unsigned char)s[0];
    if (c == '"' || c == '\\')
        printf("\\%c", c);
    else if (c < 0x20)
        printf("\\u%04x", c);
    else
        fwrite(s, 1, n, stdout);
}

/* `b` is well-formed UTF-8. */
static void print_text_json(const Buf *b)
{
    fputs("{\"text\": \"", stdout);
    for (size_t i = 0; i < b->n;) {
        uint32_t cp;
        size_t len = (size_t)unicode_step(b->data + i, b->n - i, &cp);
        put_json_char(b->data + i, len);
        i += len;
    }
    puts("\"}");
}

/* ---- the two directions */

static Err *encode(const Tokenizer *t, const Options *o, const char *s,
                   size_t n)
{
    Tokens ids = {0};
    unsigned flags = TOKENIZE_BOS;
    if (o->special)
        flags |= TOKENIZE_SPECIAL;
    if (o->repair)
        flags |= TOKENIZE_REPAIR;
    Err *e = tokenizer_encode(t, s, n, flags, &ids);
    if (!e)
        print_ids(&ids, o->json);
    tokens_free(&ids);
    return e;
}

/* Plain output is the bytes as they are; JSON and --repair need characters. */
static Err *decode(const Tokenizer *t, const Options *o, const char *s,
                   size_t n)
{
    Err *e = NULL;
    Tokens ids = {0};
    Buf bytes = {0}, text = {0};
    DO(parse_ids(s, n, &ids));
    DO(tokenizer_decode(t, ids.id, ids.n, o->special, &bytes));
    if (!bytes.n)
        buf_puts(&bytes, "");
    unicode_repair(bytes.data, bytes.n, &text);
    if (o->json)
        print_text_json(&text);
    else if (o->repair)
        fwrite(text.data, 1, text.n, stdout);
    else
        fwrite(bytes.data, 1, bytes.n, stdout);
out:
    tokens_free(&ids);
    buf_free(&bytes);
    buf_free(&text);
    return e;
}

Err *cmd_tokenize(const Options *o)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Gguf *g = NULL;
    Tokenizer *t = NULL;
    const char *text = NULL;
    size_t n = 0;
    TokenizerOptions how = {.nfc = NFC_DEFAULT};
    if (o->given[OPT_nfc])
        how.nfc = strcmp(o->nfc, "on") == 0 ? NFC_ON : NFC_OFF;
    DO(gguf_open(o->args[0], &g));
    DO(tokenizer_new(gguf_info(g), &how, &t));
    DO(read_input(a, o, &text, &n));
    DO(o->decode ? decode(t, o, text, n) : encode(t, o, text, n));
out:
    tokenizer_free(t);
    gguf_close(g);
    arena_free(a);
    return e;
}
