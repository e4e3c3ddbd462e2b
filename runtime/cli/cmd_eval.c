/* cmd_eval.c - `sextet eval`: how a model does on given tokens.
 *
 * Position t holds the logits after token t; its target is token t + 1 (t + 2
 * for the draft entry point, which has seen t + 1).  Files are raw
 * little-endian float32: --logits [positions, vocabulary]; --dump-hidden
 * [layers, positions, width], one layer a probe "hidden[i]" of the entry point,
 * or its `hidden` result as the only layer if it has no probes. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "runtime/cli/cards.h"
#include "runtime/cli/load.h"
#include "runtime/cli/metrics.h"
#include "runtime/cli/report.h"

typedef struct {
    const Options *o;
    Arena *arena;
    Loaded model;
    Tokens ids;      /* the text */
    int32_t *fed;    /* what the entry point is fed: ids, or those of draft */
    float *hidden;   /* draft: what the main entry point made */
    int32_t follows; /* likeliest token after the last one */
    int program, ahead; /* ahead: the target of t is ids[t + ahead] */
    int64_t first;      /* position where evaluation starts */
    FILE *logits, *dump, *reference;
    float *row; /* of the reference */
    Comparison comparison;
    double *nll; /* of each target, in order */
    int64_t n_nll;
    double seconds;
} Eval;

static const ProgramInfo *info(const Eval *v)
{
    return &session_info(v->model.session)->program[v->program];
}

static int64_t positions(const Eval *v) { return (int64_t)v->ids.n - v->first; }

/* ---- input */

static Err *add_id(const char *file, const char *word, size_t n, Tokens *out)
{
    int64_t id = 0;
    bool good = n > 0 && n <= 10;
    for (size_t i = 0; i < n && good; i++) {
        good = word[i] >= '0' && word[i] <= '9';
        id = id * 10 + (word[i] - '0');
    }
    if (!good || id > INT32_MAX)
        return err_new(ERR_INPUT, "%.200s: '%.*s' is not a token id", file,
                       (int)(n < 20 ? n : 20), word);
    tokens_add(out, (int32_t)id);
    return NULL;
}

static Err *read_ids(Eval *v)
{
    static const char blanks[] = " \t\r\n";
    char *text;
    size_t n;
    TRY(file_read(v->arena, v->o->tokens, TOKENIZER_MAX_TEXT, &text, &n));
    if (strlen(text) != n)
        return err_new(ERR_INPUT, "%.200s: not a list of token ids",
                       v->o->tokens);
    for (const char *p = text + strspn(text, blanks); *p;) {
        size_t len = strcspn(p, blanks);
        TRY(add_id(v->o->tokens, p, len, &v->ids));
        p += len;
        p += strspn(p, blanks);
    }
    return NULL;
}

static Err *read_text(Eval *v)
{
    char *text;
    size_t n;
    unsigned flags = TOKENIZE_BOS | (v->o->special ? TOKENIZE_SPECIAL : 0);
    TRY(file_read(v->arena, v->o->text, TOKENIZER_MAX_TEXT, &text, &n));
    Err *e = tokenizer_encode(v->model.tokenizer, text, n, flags, &v->ids);
    return e ? err_note(e, "%.200s", v->o->text) : NULL;
}

static Err *read_input(Eval *v)
{
    if (!v->o->tokens == !v->o->text)
        return err_new(ERR_USAGE, "give --tokens=FILE or --text=FILE");
    TRY(v->o->tokens ? read_ids(v) : read_text(v));
    return v->ids.n ? NULL : err_new(ERR_INPUT, "no tokens to evaluate");
}

/* "all" or "last:N" */
static Err *choose_positions(Eval *v)
{
    const char *p = v->o->positions;
    char *end;
    if (strcmp(p, "all") == 0)
        return NULL;
    long long n = strncmp(p, "last:", 5) == 0 ? strtoll(p + 5, &end, 10) : 0;
    if (n < 1 || *end)
        return err_new(ERR_USAGE, "--positions=%.40s: expected all or last:N",
                       p);
    v->first = n < (int64_t)v->ids.n ? (int64_t)v->ids.n - n : 0;
    return NULL;
}

/* ---- files */

static Err *open_file(const char *path, const char *mode, FILE **out)
{
    if (!path)
        return NULL;
    if (!(*out = fopen(path, mode)))
        return err_new(ERR_IO, "cannot open '%.200s': %s", path,
                       strerror(errno));
    return NULL;
}

static Err *open_files(Eval *v)
{
    int64_t want = positions(v) * info(v)->vocabulary * 4;
    TRY(open_file(v->o->logits, "wb", &v->logits));
    TRY(open_file(v->o->dump_hidden, "wb", &v->dump));
    TRY(open_file(v->o->reference, "rb", &v->reference));
    if (!v->reference)
        return NULL;
    if (fseeko(v->reference, 0, SEEK_END) != 0 ||
        (int64_t)ftello(v->reference) != want)
        return err_new(ERR_INPUT,
                       "'%.200s' must hold %" PRId64 " positions of %" PRId64
                       " float32 (%" PRId64 " bytes)",
                       v->o->reference, positions(v), info(v)->vocabulary,
                       want);
    rewind(v->reference);
    v->row = ARENA_ARRAY(v->arena, float, info(v)->vocabulary);
    return NULL;
}

static Err *write_floats(FILE *f, const char *path, const float *v, int64_t n)
{
    if (fwrite(v, sizeof *v, (size_t)n, f) != (size_t)n)
        return err_new(ERR_IO, "cannot write '%.200s'", path);
    return NULL;
}

/* Closes; an error of its own is dropped if there is one already. */
static Err *close_file(FILE *f, const char *path, Err *e)
{
    if (f && fclose(f) != 0 && !e)
        e = err_new(ERR_IO, "cannot write '%.200s'", path);
    return e;
}

/* ---- what a step gives */

static Err *take_position(Eval *v, int64_t t, const float *logits)
{
    int64_t n = info(v)->vocabulary, bad = metrics_not_finite(logits, n);
    int64_t target = t + v->ahead;
    if (bad >= 0)
        return err_new(ERR_DEVICE,
                       "the logit of token %" PRId64 " at position %" PRId64
                       " is not finite",
                       bad, t);
    if (target < (int64_t)v->ids.n)
        v->nll[v->n_nll++] = metrics_nll(logits, n, v->ids.id[target]);
    if (v->logits)
        TRY(write_floats(v->logits, v->o->logits, logits, n));
    if (!v->reference)
        return NULL;
    if (fread(v->row, sizeof *v->row, (size_t)n, v->reference) != (size_t)n)
        return err_new(ERR_IO, "cannot read '%.200s'", v->o->reference);
    bad = metrics_not_finite(v->row, n);
    if (bad >= 0)
        return err_new(ERR_INPUT,
                       "'%.200s': value %" PRId64 " of position %" PRId64
                       " is not finite",
                       v->o->reference, bad, t);
    comparison_add(&v->comparison, logits, v->row, n);
    return NULL;
}

/* Tokens [from, c->n) of a chunk to their place in the file. */
static Err *dump_tap(Eval *v, const Chunk *c, int64_t from, int layer,
                     const StepTap *t)
{
    int64_t at = layer * positions(v) + c->first + from - v->first;
    off_t offset = (off_t)(at * t->width * (int64_t)sizeof(float));
    if (fseeko(v->dump, offset, SEEK_SET) != 0)
        return err_new(ERR_IO, "cannot write '%.200s'", v->o->dump_hidden);
    return write_floats(v->dump, v->o->dump_hidden, t->values + from * t->width,
                        (c->n - from) * t->width);
}

static Err *dump_hidden(Eval *v, const Chunk *c)
{
    StepTap only = {"hidden", info(v)->width, c->result.hidden};
    int n = c->result.n_taps ? c->result.n_taps : 1;
    const StepTap *tap = c->result.n_taps ? c->result.tap : &only;
    int64_t from = v->first > c->first ? v->first - c->first : 0;
    for (int i = 0; i < n && from < c->n; i++) {
        if (!tap[i].values || tap[i].width != tap[0].width)
            return err_new(ERR_INPUT,
                           "entry point '%s' has no probes of one "
                           "width to dump",
                           info(v)->name);
        TRY(dump_tap(v, c, from, i, &tap[i]));
    }
    return NULL;
}

static Err *take_chunk(void *ctx, const Chunk *c)
{
    Eval *v = ctx;
    int64_t n = info(v)->vocabulary;
    for (int64_t r = 0; r < c->n_rows; r++)
        TRY(take_position(v, c->first + c->rows[r], c->result.logits + r * n));
    return v->dump ? dump_hidden(v, c) : NULL;
}

/* ---- the draft entry point: first everything through the main one */

static Err *keep_hidden(void *ctx, const Chunk *c)
{
    Eval *v = ctx;
    int64_t width = info(v)->width;
    memcpy(v->hidden + c->first * width, c->result.hidden,
           (size_t)(c->n * width) * sizeof(float));
    if (c->n_rows)
        v->follows =
            (int32_t)metrics_argmax(c->result.logits, info(v)->vocabulary);
    return NULL;
}

/* Position t of the draft gets the hidden vector of t and token t + 1; behind
 * the end stands the token that the main entry point finds likeliest. */
static Err *prepare_draft(Eval *v, int main_program)
{
    const ProgramInfo *m =
        &session_info(v->model.session)->program[main_program];
    int64_t n = (int64_t)v->ids.n;
    if (m->width != info(v)->width || m->vocabulary != info(v)->vocabulary)
        return err_new(ERR_INPUT, "entry point '%s' does not fit 'main'",
                       info(v)->name);
    v->hidden = malloc((size_t)(n * m->width) * sizeof(float));
    if (!v->hidden)
        return err_new(ERR_LIMIT, "no memory for %" PRId64 " hidden vectors",
                       n);
    Feed f = {.program = main_program,
              .tokens = v->ids.id,
              .n = n,
              .wanted = n - 1,
              .chunk = keep_hidden,
              .ctx = v};
    TRY(session_feed(v->model.session, &f));
    v->fed = ARENA_ARRAY(v->arena, int32_t, n);
    memcpy(v->fed, v->ids.id + 1, (size_t)(n - 1) * sizeof *v->fed);
    v->fed[n - 1] = v->follows;
    v->ahead = 2;
    return NULL;
}

static Err *choose_program(Eval *v)
{
    int main_program = session_program(v->model.session, "main");
    v->program = session_program(v->model.session, v->o->entry);
    if (v->program < 0 || main_program < 0)
        return err_new(ERR_INPUT, "the model has no entry point '%.40s'",
                       v->program < 0 ? v->o->entry : "main");
    if (info(v)->vocabulary == 0)
        return err_new(ERR_INPUT, "entry point '%s' gives no logits",
                       info(v)->name);
    v->fed = v->ids.id;
    v->ahead = 1;
    return info(v)->takes_hidden ? prepare_draft(v, main_program) : NULL;
}

/* ---- results */

static void report_comparison(Eval *v, Report *r)
{
    Comparison *c = &v->comparison;
    if (!v->reference)
        return;
    report_real(r, "nmse", "NMSE to the reference", comparison_nmse(c), "");
    report_real(r, "worst_nmse", "  of the worst position", c->worst_nmse, "");
    report_int(r, "worst_position", "  which is", v->first + c->worst_at, "");
    report_real(r, "kl_mean", "KL divergence, mean", comparison_mean_kl(c),
                "nat");
    report_real(r, "kl_p99", "  99th percentile", comparison_p99_kl(c), "nat");
    report_real(r, "top1_agreement", "same likeliest token",
                1 - (double)c->flips / (double)c->n, "");
    report_int(r, "flips", "  flips", c->flips, "");
    report_real(r, "largest_flip_gap", "  largest gap of a flip",
                c->largest_gap, "nat");
    report_int(r, "far_flips", "  flips of 0.125 nat or more", c->far_flips,
               "");
}

static void report_eval(Eval *v)
{
    Report r;
    double sum = 0;
    for (int64_t i = 0; i < v->n_nll; i++)
        sum += v->nll[i];
    report_begin(&r, stdout, v->o->json);
    report_int(&r, "tokens", "tokens", (int64_t)v->ids.n, "");
    report_int(&r, "positions", "positions", positions(v), "");
    if (v->n_nll) {
        double mean = sum / (double)v->n_nll;
        report_int(&r, "targets", "targets", v->n_nll, "");
        report_real(&r, "nll", "negative log-likelihood", mean,
                    "nat per token");
        report_real(&r, "perplexity", "perplexity", exp(mean), "");
    }
    report_reals(&r, "nll_each", v->nll, v->n_nll);
    report_comparison(v, &r);
    if (v->o->stats || v->o->json) {
        report_real(&r, "tokens_per_s", "speed", (double)v->ids.n / v->seconds,
                    "tokens/s");
        report_real(&r, "load_s", "load", v->model.times.total, "s");
        report_bytes(&r, "peak_memory_bytes", "peak memory",
                     load_peak_memory());
        cards_report(&v->model, &r);
    }
    report_end(&r);
}

/* ---- the command */

static Err *evaluate(Eval *v)
{
    Feed f = {.program = v->program,
              .tokens = v->fed,
              .n = (int64_t)v->ids.n,
              .hidden = v->hidden,
              .wanted = v->first,
              .chunk = take_chunk,
              .ctx = v};
    double start = clock_seconds();
    TRY(session_feed(v->model.session, &f));
    v->seconds = clock_seconds() - start;
    return NULL;
}

/* Rows of logits in one step: all of a batch, unless they are very many. */
static int64_t wanted_outputs(const Eval *v)
{
    static const int64_t most_bytes = (int64_t)256 << 20;
    const ModelInfo *m = gguf_info(v->model.file);
    const MetaValue *vocabulary = model_meta(m, "tokenizer.ggml.tokens");
    int64_t row = 4 * (vocabulary ? vocabulary->n : 1);
    int64_t rows = row < most_bytes ? most_bytes / row : 1;
    return rows < positions(v) ? rows : positions(v);
}

static Err *run(Eval *v)
{
    const Options *o = v->o;
    TRY(load_file(o, o->args[0], o->text != NULL, &v->model));
    TRY(read_input(v));
    TRY(choose_positions(v));
    LoadWish wish = {.context = (int64_t)v->ids.n,
                     .outputs = wanted_outputs(v),
                     .taps = o->dump_hidden != NULL};
    TRY(load_model(o, &wish, &v->model));
    TRY(choose_program(v));
    TRY(open_files(v));
    v->nll = ARENA_ARRAY(v->arena, double, positions(v));
    TRY(evaluate(v));
    report_eval(v);
    return NULL;
}

Err *cmd_eval(const Options *o)
{
    Eval v = {.o = o, .arena = arena_new()};
    Err *e = run(&v);
    e = close_file(v.logits, o->logits, e);
    e = close_file(v.dump, o->dump_hidden, e);
    if (v.reference)
        fclose(v.reference);
    comparison_free(&v.comparison);
    free(v.hidden);
    tokens_free(&v.ids);
    load_close(&v.model);
    arena_free(v.arena);
    return e;
}
