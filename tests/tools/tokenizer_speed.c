/* tokenizer_speed MODEL.gguf [MEGABYTES] [CLASS] - processor seconds for each
 * megabyte (10^6 bytes) of text of one class of character, under every pattern
 * of splitters.def with the vocabulary of the file; a Markdown table. The
 * default is 10 MB of all classes. Made by `ninja tokenizer_speed`; docs/
 * tokenizer.md has a table. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "runtime/gguf.h"
#include "runtime/tokenizer.h"
#include "runtime/unicode.h"

/* Text over and over, or random code points of [first, last]. */
typedef struct {
    const char *name, *text;
    uint32_t first, last;
} Class;

static const Class classes[] = {
    {"one letter", "a", 0, 0},
    {"one long word", NULL, 'a', 'z'},
    {"capitals and small", NULL, 'A', 'z'},
    {"Greek and Cyrillic", NULL, 0x391, 0x44F},
    {"words of one letter", "a ", 0, 0},
    {"words of ten", "extraction ", 0, 0},
    {"digit 1", "1", 0, 0},
    {"digits", NULL, '0', '9'},
    {"Arabic digits", NULL, 0x660, 0x669},
    {"Arabic and ASCII digits", "12\xD9\xA3", 0, 0},
    {"letter, digit", "a1", 0, 0},
    {"blanks", " ", 0, 0},
    {"tabs and blanks", "\t ", 0, 0},
    {"ideographic blanks", "\xE3\x80\x80", 0, 0},
    {"newlines", "\n", 0, 0},
    {"CR LF", "\r\n", 0, 0},
    {"blank, newline", " \n", 0, 0},
    {"!", "!", 0, 0},
    {"signs", NULL, '!', '/'},
    {"apostrophes", "'", 0, 0},
    {"'s", "'s", 0, 0},
    {"'S a", "'S a", 0, 0},
    {"one CJK character", "\xE4\xB8\xAD", 0, 0},
    {"CJK", NULL, 0x4E00, 0x9FFF},
    {"Hangul letters", NULL, 0x1100, 0x1175},
    {"Hangul syllables", NULL, 0xAC00, 0xD7A3},
    {"one mark", "\xCC\x81", 0, 0},
    {"marks", NULL, 0x300, 0x36F},
    {"letter and mark", "e\xCC\x81", 0, 0},
    {"Devanagari", NULL, 0x900, 0x97F},
    {"emoji", NULL, 0x1F600, 0x1F64F},
    {"joined emoji", "\xF0\x9F\x91\xA8\xE2\x80\x8D", 0, 0},
    {"private characters", NULL, 0xF0000, 0xF00FF},
    {"beginnings of control", "<|im_end|", 0, 0},
    {"ASCII", NULL, 1, 0x7E},
    {"the first plane", NULL, 1, 0xD7FF},
};
enum { N_CLASSES = sizeof classes / sizeof *classes };

static const char *const patterns[] = {"gpt-2",     "smollm", "default",
                                       "llama-bpe", "qwen2",  "qwen35"};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

static void make_text(const Class *c, size_t n, Buf *out)
{
    uint64_t state = 1;
    char one[UNICODE_MAX_BYTES];
    buf_clear(out);
    while (out->n < n) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t pick = (uint32_t)(state >> 33) % (c->last - c->first + 1);
        if (c->text)
            buf_puts(out, c->text);
        else
            buf_add(out, one, (size_t)unicode_put(c->first + pick, one));
    }
}

/* The file's vocabulary with another tokenizer.ggml.pre. */
static Err *open_as(const ModelInfo *file, const char *pre, Arena *a,
                    Tokenizer **out)
{
    static const char key[] = "tokenizer.ggml.pre";
    ModelInfo m = *file;
    const char *twice, **text = ARENA_NEW(a, const char *);
    uint32_t *length = ARENA_NEW(a, uint32_t);
    MetaValue *meta = ARENA_ARRAY(a, MetaValue, m.n_meta + 1);
    *text = pre;
    *length = (uint32_t)strlen(pre);
    for (int64_t i = 0; i < file->n_meta; i++)
        if (strcmp(file->meta[i].key, key) == 0)
            m.n_meta--;
        else
            meta[i - (file->n_meta - m.n_meta)] = file->meta[i];
    meta[m.n_meta++] = (MetaValue){.key = key,
                                   .kind = META_STRING,
                                   .n = 1,
                                   .strings = text,
                                   .lengths = length};
    m.meta = meta;
    model_index(a, &m, &twice);
    return tokenizer_new(&m, NULL, out);
}

static Err *measure(const Tokenizer *t, const Buf *text)
{
    Tokens ids = {0};
    clock_t start = clock();
    Err *e = tokenizer_encode(t, text->data, text->n, TOKENIZE_SPECIAL, &ids);
    double s = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf(" %.3f |", s / ((double)text->n * 1e-6));
    fflush(stdout);
    tokens_free(&ids);
    return e;
}

static Err *table(Tokenizer *const *t, size_t bytes, const char *only)
{
    Err *e = NULL;
    Buf text = {0};
    printf("| s/MB |");
    for (int i = 0; i < N_PATTERNS; i++)
        printf(" %s |", patterns[i]);
    printf("\n|---|");
    for (int i = 0; i < N_PATTERNS; i++)
        printf("---|");
    for (int k = 0; k < N_CLASSES && !e; k++) {
        if (only && strcmp(only, classes[k].name) != 0)
            continue;
        make_text(&classes[k], bytes, &text);
        printf("\n| %s |", classes[k].name);
        for (int i = 0; i < N_PATTERNS && !e; i++)
            e = measure(t[i], &text);
    }
    printf("\n");
    buf_free(&text);
    return e;
}

int main(int argc, char **argv)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Gguf *g = NULL;
    Tokenizer *t[N_PATTERNS] = {0};
    double megabytes = argc > 2 ? atof(argv[2]) : 10;
    if (argc < 2 || !(megabytes > 0 && megabytes <= 1000)) {
        fprintf(stderr,
                "usage: tokenizer_speed MODEL.gguf [MEGABYTES] [CLASS]\n");
        return 2;
    }
    DO(gguf_open(argv[1], &g));
    for (int i = 0; i < N_PATTERNS; i++)
        DO(open_as(gguf_info(g), patterns[i], a, &t[i]));
    DO(table(t, (size_t)(megabytes * 1e6), argc > 3 ? argv[3] : NULL));
out:
    for (int i = 0; i < N_PATTERNS; i++)
        tokenizer_free(t[i]);
    gguf_close(g);
    arena_free(a);
    if (!e)
        return 0;
    fprintf(stderr, "tokenizer_speed: %s\n", err_text(e));
    err_free(e);
    return 1;
}
