#include "splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"

typedef struct {
    const char *name;
    SplitRules rules;
    const char *regex;
} Row;

static const Row rows[] = {
#define SPLITTER(name, nfc, bos, whole, regex) {name, {nfc, bos, whole}, regex},
#include "splitters.def"
#undef SPLITTER
};
enum { N_ROWS = sizeof rows / sizeof *rows };

struct Splitter {
    const Row *row;
    pcre2_code *code;
};

struct SplitWork {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* The interpreter keeps one frame per open alternative, not per character. */
enum { HEAP_KIB = 65536, JIT_STACK_MIN = 32 << 10, JIT_STACK_MAX = 1 << 20 };

static Err *pcre_error(int code, const char *what)
{
    PCRE2_UCHAR text[128];
    pcre2_get_error_message(code, text, sizeof text);
    return err_new(ERR_LIMIT, "%s: PCRE2 says: %s", what, (char *)text);
}

static Err *unknown_splitter(const char *pre)
{
    Buf known = {0};
    for (int i = 0; i < N_ROWS; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", rows[i].name);
    Err *e = err_new(ERR_INPUT,
                     "tokenizer.ggml.pre is '%.64s', which is not known here "
                     "(known: %s)",
                     pre, known.data);
    buf_free(&known);
    return e;
}

Err *splitter_new(const char *pre, bool jit, Splitter **out)
{
    const Row *row = NULL;
    *out = NULL;
    for (int i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, pre) == 0)
            row = &rows[i];
    if (!row)
        return unknown_splitter(pre);

    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)row->regex, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    if (!re)
        return pcre_error(code, "compiling the splitter pattern");
    if (jit) /* refused on systems without writable code: then interpret */
        (void)pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    Splitter *s = calloc(1, sizeof *s);
    if (!s)
        memory_out(sizeof *s);
    *s = (Splitter){row, re};
    *out = s;
    return NULL;
}

void splitter_free(Splitter *s)
{
    if (!s)
        return;
    pcre2_code_free(s->code);
    free(s);
}

const SplitRules *splitter_rules(const Splitter *s) { return &s->row->rules; }

Err *splitter_work_new(const Splitter *s, SplitWork **out)
{
    SplitWork *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        memory_out(sizeof *w);
    w->data = pcre2_match_data_create_from_pattern(s->code, NULL);
    w->context = pcre2_match_context_create(NULL);
    w->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!w->data || !w->context || !w->stack) {
        splitter_work_free(w);
        return err_new(ERR_LIMIT, "no memory for the splitter");
    }
    pcre2_jit_stack_assign(w->context, NULL, w->stack);
    pcre2_set_heap_limit(w->context, HEAP_KIB);
    *out = w;
    return NULL;
}

void splitter_work_free(SplitWork *w)
{
    if (!w)
        return;
    pcre2_jit_stack_free(w->stack);
    pcre2_match_context_free(w->context);
    pcre2_match_data_free(w->data);
    free(w);
}

Err *splitter_next(const Splitter *s, SplitWork *w, const char *text, size_t n,
                   size_t at, size_t *end)
{
    size_t left = n - at;
    /* A run of blanks gives back its characters one by one, once. */
    pcre2_set_match_limit(w->context, left < UINT32_MAX / 8
                                          ? (uint32_t)left * 4 + 10000
                                          : UINT32_MAX);
    int got =
        pcre2_match(s->code, (PCRE2_SPTR)text, n, at,
                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, w->data, w->context);
    *end = n;
    if (got == PCRE2_ERROR_NOMATCH)
        return NULL;
    if (got < 0)
        return err_note(pcre_error(got, s->row->name),
                        "splitting text at byte %zu", at);
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(w->data);
    *end = span[0] > at ? span[0] : span[1];
    return NULL;
}
