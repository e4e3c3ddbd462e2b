/* cmd_run.c - `sextet run MODEL.gguf [PROMPT]`: text in, text out.
 *
 * Ctrl-C ends the text where it is: the line is finished, --stats are printed,
 * the exit status is 130.  A second one ends the program at once. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "runtime/cli/cards.h"
#include "runtime/cli/load.h"
#include "runtime/cli/report.h"
#include "runtime/generate.h"

typedef enum { STOP_NONE, STOP_END, STOP_LENGTH, STOP_CONTEXT, STOP_USER } Stop;
static const char *const stop_name[] = {"", "end", "length", "context",
                                        "interrupt"};

typedef struct {
    const Options *o;
    Arena *arena;
    Loaded model;
    int program;
    Tokens ids; /* the prompt's, then those made */
    size_t n_prompt;
    SamplerParams params;
    Stop stop;
    TokenStream stream;
    Buf text; /* all that was made */
    double begin, first, last; /* clock_seconds() when the prompt was fed, and
                                  of the tokens chosen */
    int64_t chosen;
} Run;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static void catch_interrupt(void)
{
    struct sigaction s = {.sa_handler = on_interrupt};
    sigemptyset(&s.sa_mask);
    s.sa_flags = (int)SA_RESETHAND; /* the second one is not for us */
    sigaction(SIGINT, &s, NULL);
}

/* ---- the prompt */

static Err *read_prompt(const Options *o, Arena *a, char **text, size_t *n)
{
    const char *file = o->prompt_file;
    if (o->n_args > 1 && file)
        return err_new(ERR_USAGE, "a prompt and --prompt-file: give one");
    if (o->n_args > 1) {
        *n = strlen(o->args[1]);
        *text = arena_strndup(a, o->args[1], *n);
        return NULL;
    }
    if (file && strcmp(file, "-") != 0)
        return file_read(a, file, TOKENIZER_MAX_TEXT, text, n);
    if (!file && isatty(STDIN_FILENO))
        return err_new(ERR_USAGE,
                       "no prompt: write it behind the model, pipe it in, or "
                       "say --prompt-file=FILE");
    return file_read_fd(a, STDIN_FILENO, "standard input", TOKENIZER_MAX_TEXT,
                        text, n);
}

static Err *encode_prompt(Run *r)
{
    char *text;
    size_t n;
    unsigned flags = TOKENIZE_BOS | (r->o->special ? TOKENIZE_SPECIAL : 0);
    TRY(read_prompt(r->o, r->arena, &text, &n));
    TRY(tokenizer_encode(r->model.tokenizer, text, n, flags, &r->ids));
    if (r->ids.n == 0)
        return err_new(ERR_INPUT, "the prompt is empty");
    r->n_prompt = r->ids.n;
    return NULL;
}

/* ---- how tokens are chosen */

static Err *parse_bias(const char *text, SamplerBias *out)
{
    char *end;
    long id = strtol(text, &end, 10);
    bool good = end != text && *end == '=' && id >= 0 && id <= INT32_MAX;
    const char *number = good ? end + 1 : "";
    double bias = strtod(number, &end);
    if (end == number || *end)
        return err_new(ERR_USAGE, "--logit-bias=%.60s: expected ID=X", text);
    *out = (SamplerBias){(int32_t)id, (float)bias};
    return NULL;
}

static Err *make_params(Run *r)
{
    const Options *o = r->o;
    int64_t vocab = tokenizer_real_size(r->model.tokenizer);
    const ExecutorInfo *info = session_info(r->model.session);
    int64_t width = info->program[r->program].vocabulary;
    SamplerBias *bias = ARENA_ARRAY(r->arena, SamplerBias, o->logit_bias.n);
    for (int i = 0; i < o->logit_bias.n; i++)
        TRY(parse_bias(o->logit_bias.item[i], &bias[i]));
    if (vocab > width)
        return err_new(ERR_INPUT,
                       "the vocabulary has %" PRId64 " tokens, the model gives "
                       "%" PRId64 " logits",
                       vocab, width);
    r->params = sampler_defaults();
    r->params.temperature = o->temperature;
    r->params.top_k = o->top_k;
    r->params.top_p = o->top_p;
    r->params.min_p = o->min_p;
    r->params.repeat_penalty = o->repeat_penalty;
    r->params.presence_penalty = o->presence_penalty;
    r->params.frequency_penalty = o->frequency_penalty;
    r->params.seed = (uint64_t)o->seed;
    r->params.bias = bias;
    r->params.n_bias = o->logit_bias.n;
    return sampler_check(&r->params, (int32_t)vocab);
}

/* ---- generating */

static Err *emit(Run *r, const char *bytes, size_t n)
{
    if (r->o->json)
        return NULL;
    fwrite(bytes, 1, n, stdout);
    return fflush(stdout) == 0
               ? NULL
               : err_new(ERR_IO, "cannot write to standard output");
}

static Err *take_token(Run *r, int32_t id)
{
    size_t before = r->text.n;
    tokens_add(&r->ids, id);
    TRY(tokenizer_stream(r->model.tokenizer, &r->stream, id, &r->text));
    return emit(r, r->text.data + before, r->text.n - before);
}

static Stop must_stop(const Run *r)
{
    int64_t made = (int64_t)(r->ids.n - r->n_prompt);
    int64_t context = session_info(r->model.session)->context;
    if (r->o->max_tokens && made >= r->o->max_tokens)
        return STOP_LENGTH;
    return (int64_t)r->ids.n > context ? STOP_CONTEXT : STOP_NONE;
}

static Err *token_chosen(void *ctx, int32_t id, bool *more)
{
    Run *r = ctx;
    r->last = clock_seconds();
    if (r->chosen++ == 0)
        r->first = r->last;
    if (tokenizer_is_end(r->model.tokenizer, id)) {
        r->stop = STOP_END;
    } else {
        TRY(take_token(r, id));
        r->stop = must_stop(r);
    }
    *more = r->stop == STOP_NONE;
    return NULL;
}

/* Until something ends the text; being stopped by the user is no error. */
static Err *make_text(Run *r)
{
    int32_t *prompt = ARENA_ARRAY(r->arena, int32_t, (int64_t)r->n_prompt);
    memcpy(prompt, r->ids.id, r->n_prompt * sizeof *prompt);
    r->begin = clock_seconds();
    Err *e = generate(
        r->model.session,
        &(Generate){.program = r->program,
                    .tokens = prompt,
                    .n = (int64_t)r->n_prompt,
                    .params = &r->params,
                    .vocab = (int32_t)tokenizer_real_size(r->model.tokenizer),
                    .most = r->o->max_tokens,
                    .on_host = strcmp(r->o->sampler, "host") == 0,
                    .token = token_chosen,
                    .ctx = r});
    if (!r->chosen)
        r->first = clock_seconds();
    if (!e || err_code(e) != ERR_STOPPED)
        return e;
    r->stop = STOP_USER;
    err_free(e);
    return NULL;
}

static Err *finish_text(Run *r)
{
    size_t before = r->text.n;
    buf_puts(&r->text, ""); /* data is never NULL from here on */
    tokenizer_stream_end(&r->stream, &r->text);
    TRY(emit(r, r->text.data + before, r->text.n - before));
    bool line = r->text.n == 0 || r->text.data[r->text.n - 1] == '\n';
    if (!r->o->quiet && !line)
        TRY(emit(r, "\n", 1));
    if (!r->o->quiet && r->stop == STOP_CONTEXT)
        fprintf(stderr,
                "sextet: the context of %" PRId64 " tokens is full "
                "(--context=N makes it larger)\n",
                session_info(r->model.session)->context);
    return NULL;
}

/* ---- what it took */

static void report_run(const Run *r, Report *p)
{
    const LoadTimes *t = &r->model.times;
    report_int(p, "prompt_tokens", "prompt", (int64_t)r->n_prompt, "tokens");
    report_real(p, "prefill_tokens_per_s", "prefill",
                (double)r->n_prompt / (r->first - r->begin), "tokens/s");
    report_int(p, "generated_tokens", "generated",
               (int64_t)(r->ids.n - r->n_prompt), "tokens");
    if (r->chosen > 1)
        report_real(p, "decode_tokens_per_s", "decode",
                    (double)(r->chosen - 1) / (r->last - r->first),
                    "tokens/s");
    report_real(p, "load_s", "load, of which", t->total, "s");
    report_real(p, "header_s", "  header", t->header, "s");
    report_real(p, "tokenizer_s", "  vocabulary", t->tokenizer, "s");
    report_real(p, "plan_s", "  compile to a plan", t->plan, "s");
    report_real(p, "kernels_s", "  compile kernels", t->kernels, "s");
    report_real(p, "weights_s", "  read weights", t->weights, "s");
    report_bytes(p, "peak_memory_bytes", "peak memory", load_peak_memory());
    cards_report(&r->model, p);
}

static void print_results(const Run *r)
{
    Report p;
    if (r->o->json) {
        const char *why = stop_name[r->stop];
        report_begin(&p, stdout, true);
        report_text(&p, "text", "text", r->text.data, r->text.n);
        report_text(&p, "stop", "stopped by", why, strlen(why));
        report_run(r, &p);
        report_end(&p);
    } else if (r->o->stats) {
        report_begin(&p, stderr, false);
        report_run(r, &p);
        report_end(&p);
    }
}

static Err *run(Run *r)
{
    const Options *o = r->o;
    LoadWish wish = {.tokenizer = true, .outputs = 1};
    TRY(load_file(o, o->args[0], true, &r->model));
    TRY(encode_prompt(r));
    TRY(load_model(o, &wish, &r->model));
    r->program = session_program(r->model.session, "main");
    if (r->program < 0)
        return err_new(ERR_INPUT, "the model has no entry point 'main'");
    TRY(make_params(r));
    catch_interrupt();
    session_set_stop(r->model.session, &interrupted);
    Err *e = make_text(r), *late = finish_text(r);
    if (e || late) {
        err_free(e ? late : NULL);
        return e ? e : late;
    }
    print_results(r);
    return r->stop == STOP_USER ? err_new(ERR_STOPPED, "interrupted") : NULL;
}

Err *cmd_run(const Options *o)
{
    Run r = {.o = o, .arena = arena_new()};
    Err *e = run(&r);
    tokens_free(&r.ids);
    buf_free(&r.text);
    load_close(&r.model);
    arena_free(r.arena);
    return e;
}
