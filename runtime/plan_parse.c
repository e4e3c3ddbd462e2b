/* plan_parse.c - the reader of the text that plan_text.c describes.
 *
 * The text may come from anywhere: every number is checked, nothing is
 * allocated that the text does not pay for, errors name the line. */
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "runtime/plan.h"

typedef struct {
    const char *p; /* what comes next */
    int line;
    Arena *a;
    Plan *plan;
} Reader;

static Err *wrong(const Reader *r, const char *want)
{
    int n = (int)strcspn(r->p, "\n");
    return err_new(ERR_INPUT, "plan line %d: expected %s, found '%.*s'",
                   r->line, want, n < 40 ? n : 40, r->p);
}

/* ---- words of a line */

static void skip_blanks(Reader *r)
{
    while (*r->p == ' ' || *r->p == '\t')
        r->p++;
}

/* Takes `word` if it stands next and does not go on. */
static bool accept(Reader *r, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(r);
    if (strncmp(r->p, word, n) != 0)
        return false;
    if (isalnum((unsigned char)word[n - 1]) &&
        (isalnum((unsigned char)r->p[n]) || r->p[n] == '_'))
        return false;
    r->p += n;
    return true;
}

static Err *expect(Reader *r, const char *word)
{
    return accept(r, word) ? NULL : wrong(r, word);
}

static Err *number(Reader *r, int64_t max, int64_t *out)
{
    skip_blanks(r);
    int64_t v = 0;
    if (!isdigit((unsigned char)*r->p))
        return wrong(r, "a number");
    for (const char *p = r->p;; p++) {
        if (!isdigit((unsigned char)*p)) {
            r->p = p;
            *out = v;
            return NULL;
        }
        int digit = *p - '0';
        if (v > (max - digit) / 10)
            return wrong(r, "a smaller number");
        v = v * 10 + digit;
    }
}

static Err *real(Reader *r, double *out)
{
    char *end;
    skip_blanks(r);
    if (!isdigit((unsigned char)*r->p))
        return wrong(r, "a number");
    *out = strtod(r->p, &end);
    if (!isfinite(*out))
        return wrong(r, "a finite number");
    r->p = end;
    return NULL;
}

/* The word and the number after it. */
static Err *field(Reader *r, const char *word, int64_t *out)
{
    TRY(expect(r, word));
    return number(r, INT64_MAX, out);
}

/* A letter and an index: "w12". */
static Err *handle(Reader *r, char letter, int *out)
{
    const char want[] = {letter, 'N', '\0'};
    int64_t v;
    skip_blanks(r);
    if (*r->p != letter || !isdigit((unsigned char)r->p[1]))
        return wrong(r, want);
    r->p++;
    TRY(number(r, INT_MAX, &v));
    *out = (int)v;
    return NULL;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* One escape behind '\\': a quote, a backslash or xHH but not 00. */
static Err *escape(Reader *r, Buf *b)
{
    char c = *r->p;
    if (c == 'x') {
        int high = hex_digit(r->p[1]);
        int low = high < 0 ? -1 : hex_digit(r->p[2]);
        if (low < 0 || high + low == 0)
            return wrong(r, "xHH");
        c = (char)(high * 16 + low);
        r->p += 2;
    } else if (c != '"' && c != '\\') {
        return wrong(r, "an escape");
    }
    r->p++;
    buf_add(b, &c, 1);
    return NULL;
}

static Err *string(Reader *r, const char **out)
{
    Buf b = {0};
    Err *e = NULL;
    TRY(expect(r, "\""));
    while (*r->p != '"') {
        size_t n = strcspn(r->p, "\"\\\n");
        buf_add(&b, r->p, n);
        r->p += n;
        if (*r->p == '\\') {
            r->p++;
            DO(escape(r, &b));
        } else if (*r->p != '"') {
            DO(wrong(r, "'\"'"));
        }
    }
    r->p++;
    *out = arena_strndup(r->a, b.data ? b.data : "", b.n);
out:
    buf_free(&b);
    return e;
}

/* Past the end of this line and of empty and comment lines after it. */
static Err *end_line(Reader *r)
{
    skip_blanks(r);
    if (*r->p && *r->p != '\n' && *r->p != '#')
        return wrong(r, "the end of the line");
    for (;;) {
        skip_blanks(r);
        if (*r->p == '#')
            r->p += strcspn(r->p, "\n");
        if (*r->p != '\n')
            return NULL;
        r->p++;
        r->line++;
    }
}

/* The array with room for one more than n items; doubles when n is a power of
 * two, so that n items cost less than 4 n. */
static void *room(Reader *r, void *items, int n, size_t size)
{
    size_t used = (size_t)n;
    if (used & (used - 1))
        return items;
    void *more = arena_alloc(r->a, (used ? 2 * used : 1) * size);
    if (used)
        memcpy(more, items, used * size);
    return more;
}
#define APPEND(r, items, n)                                                    \
    ((items) = room((r), (items), (n), sizeof *(items)), &(items)[(n)++])

/* ---- parts of things */

static Err *block_type(Reader *r, BlockType *out)
{
    char name[16];
    skip_blanks(r);
    size_t n = 0;
    while (isalnum((unsigned char)r->p[n]) || r->p[n] == '_')
        n++;
    if (n < sizeof name) {
        memcpy(name, r->p, n);
        name[n] = '\0';
        *out = block_from_name(name);
        r->p += *out == BT_COUNT ? 0 : n;
        if (*out != BT_COUNT)
            return NULL;
    }
    return wrong(r, "an element type");
}

/* "/x8", or nothing */
static Err *packing(Reader *r, Packing *out)
{
    *out = PACK_ROWS;
    if (!accept(r, "/"))
        return NULL;
    for (int i = PACK_ROWS + 1; i < PACK_COUNT; i++)
        if (accept(r, packing_name[i])) {
            *out = (Packing)i;
            return NULL;
        }
    return wrong(r, "a packing");
}

static Err *weight_class(Reader *r, WeightClass *out)
{
    for (int i = 0; i < WEIGHT_CLASS_COUNT; i++)
        if (accept(r, weight_class_name[i])) {
            *out = (WeightClass)i;
            return NULL;
        }
    return wrong(r, "a class of weights");
}

static Err *dim(Reader *r, Dim *out)
{
    *out = (Dim){1, SYM_ONE};
    skip_blanks(r);
    if (isdigit((unsigned char)*r->p)) {
        TRY(number(r, INT64_MAX, &out->k));
        if (!accept(r, "*"))
            return NULL;
    }
    for (int s = SYM_ONE + 1; s < SYM_COUNT; s++)
        if (accept(r, sym_name[s])) {
            out->sym = (Sym)s;
            return NULL;
        }
    return wrong(r, "a dimension");
}

static Err *shape(Reader *r, Dim d[PLAN_MAX_RANK], int *rank)
{
    TRY(expect(r, "["));
    for (*rank = 0; *rank < PLAN_MAX_RANK;) {
        TRY(dim(r, &d[(*rank)++]));
        if (!accept(r, ","))
            break;
    }
    return expect(r, "]");
}

static Err *place(Reader *r, int *device, int64_t *offset, int64_t *bytes)
{
    TRY(handle(r, 'd', device));
    TRY(field(r, "at", offset));
    return field(r, "bytes", bytes);
}

/* ---- lines */

/* The handle at the start of a line must be the next in order. */
static Err *next_handle(Reader *r, char letter, int n)
{
    int got;
    const char *start = r->p;
    TRY(handle(r, letter, &got));
    if (got == n)
        return NULL;
    r->p = start;
    return wrong(r, "the next number in order");
}

static Err *device_line(Reader *r)
{
    Plan *p = r->plan;
    TRY(next_handle(r, 'd', p->n_devices));
    PlanDevice *d = APPEND(r, p->device, p->n_devices);
    TRY(string(r, &d->name));
    TRY(string(r, &d->kind));
    TRY(field(r, "capacity", &d->capacity));
    TRY(field(r, "reserve", &d->reserve));
    TRY(expect(r, "bandwidth"));
    TRY(real(r, &d->bandwidth));
    if (accept(r, "compute"))
        TRY(real(r, &d->compute));
    TRY(field(r, "weights", &d->weights));
    TRY(field(r, "states", &d->states));
    return field(r, "scratch", &d->scratch);
}

static Err *weight_line(Reader *r)
{
    Plan *p = r->plan;
    Dim d[PLAN_MAX_RANK];
    TRY(next_handle(r, 'w', p->n_weights));
    PlanWeight *w = APPEND(r, p->weight, p->n_weights);
    TRY(string(r, &w->tensor));
    TRY(block_type(r, &w->type));
    TRY(packing(r, &w->packing));
    TRY(shape(r, d, &w->rank));
    for (int i = 0; i < PLAN_MAX_RANK; i++) {
        w->ne[i] = i < w->rank ? d[i].k : 1;
        if (i < w->rank && d[i].sym != SYM_ONE)
            return wrong(r, "a shape of plain numbers before this");
    }
    TRY(weight_class(r, &w->cls));
    return place(r, &w->device, &w->offset, &w->bytes);
}

static Err *state_line(Reader *r)
{
    Plan *p = r->plan;
    TRY(next_handle(r, 's', p->n_states));
    PlanState *s = APPEND(r, p->state, p->n_states);
    TRY(string(r, &s->name));
    if (accept(r, "per_token"))
        s->kind = STATE_PER_TOKEN;
    else if (accept(r, "fixed"))
        s->kind = STATE_FIXED;
    else
        return wrong(r, "per_token or fixed");
    TRY(block_type(r, &s->type));
    TRY(number(r, INT64_MAX, &s->elems));
    return place(r, &s->device, &s->offset, &s->bytes);
}

static Err *slots(Reader *r, int *out)
{
    int64_t n = 1;
    if (accept(r, "slots"))
        TRY(number(r, INT_MAX, &n));
    *out = (int)n;
    return NULL;
}

static Err *buffer_line(Reader *r)
{
    Plan *p = r->plan;
    TRY(next_handle(r, 'b', p->n_buffers));
    PlanBuffer *b = APPEND(r, p->buffer, p->n_buffers);
    TRY(string(r, &b->name));
    TRY(block_type(r, &b->type));
    TRY(shape(r, b->dim, &b->rank));
    TRY(slots(r, &b->slots));
    return place(r, &b->device, &b->offset, &b->bytes);
}

static Err *kernel_line(Reader *r)
{
    Plan *p = r->plan;
    Buf text = {0};
    TRY(next_handle(r, 'k', p->n_kernels));
    PlanKernel *k = APPEND(r, p->kernel, p->n_kernels);
    TRY(string(r, &k->name));
    TRY(end_line(r));
    if (*r->p != '|')
        return wrong(r, "'|' and a line of the kernel");
    for (;;) {
        const char *start = r->p + 1;
        start += *start == ' ';
        r->p = start + strcspn(start, "\n");
        buf_add(&text, start, (size_t)(r->p - start));
        if (*r->p != '\n' || r->p[1] != '|')
            break;
        buf_puts(&text, "\n");
        r->p++;
        r->line++;
    }
    k->text = arena_strndup(r->a, text.data, text.n);
    buf_free(&text);
    return NULL;
}

static Err *program_line(Reader *r)
{
    Plan *p = r->plan;
    PlanProgram *q = APPEND(r, p->program, p->n_programs);
    return string(r, &q->name);
}

static Err *port_line(Reader *r, PlanPort **ports, int *n)
{
    PlanPort *q = APPEND(r, *ports, *n);
    TRY(string(r, &q->name));
    return handle(r, 'b', &q->buffer);
}

static Err *argument(Reader *r, PlanArg *out)
{
    static const struct {
        char letter;
        ArgKind kind;
    } kinds[] = {{'b', ARG_BUFFER}, {'w', ARG_WEIGHT}, {'s', ARG_STATE}};
    skip_blanks(r);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (*r->p == kinds[i].letter) {
            out->kind = kinds[i].kind;
            return handle(r, kinds[i].letter, &out->index);
        }
    return wrong(r, "bN, wN or sN");
}

static Err *stage_line(Reader *r, PlanProgram *q)
{
    if (q->n_stages == 0 && q->n_steps)
        return wrong(r, "stages from the first step on");
    PlanStage *s = APPEND(r, q->stage, q->n_stages);
    return handle(r, 'd', &s->device);
}

static Err *step_line(Reader *r, PlanProgram *q, StepKind kind)
{
    PlanStep *s = APPEND(r, q->step, q->n_steps);
    s->kind = kind;
    if (q->n_stages)
        q->stage[q->n_stages - 1].n_steps++;
    if (kind == STEP_LAUNCH)
        TRY(handle(r, 'k', &s->kernel));
    TRY(expect(r, "on"));
    TRY(handle(r, 'd', &s->device));
    TRY(expect(r, "("));
    while (!accept(r, ")")) {
        if (s->n_args)
            TRY(expect(r, ","));
        PlanArg *arg = APPEND(r, s->arg, s->n_args);
        TRY(argument(r, arg));
    }
    return string(r, &s->note);
}

/* A line of the program that was opened last. */
static Err *program_part(Reader *r)
{
    Plan *p = r->plan;
    if (p->n_programs == 0)
        return wrong(r, "a line of a plan");
    PlanProgram *q = &p->program[p->n_programs - 1];
    if (accept(r, "input"))
        return port_line(r, &q->input, &q->n_inputs);
    if (accept(r, "output"))
        return port_line(r, &q->output, &q->n_outputs);
    if (accept(r, "tap"))
        return port_line(r, &q->tap, &q->n_taps);
    if (accept(r, "stage"))
        return stage_line(r, q);
    if (accept(r, "launch"))
        return step_line(r, q, STEP_LAUNCH);
    if (accept(r, "copy"))
        return step_line(r, q, STEP_COPY);
    return wrong(r, "input, output, tap, stage, launch, copy or program");
}

static Err *body_line(Reader *r)
{
    if (accept(r, "program"))
        return program_line(r);
    if (isdigit((unsigned char)r->p[*r->p != '\0']))
        switch (*r->p) {
        case 'd':
            return device_line(r);
        case 'w':
            return weight_line(r);
        case 's':
            return state_line(r);
        case 'b':
            return buffer_line(r);
        case 'k':
            return kernel_line(r);
        default:
            break;
        }
    return program_part(r);
}

static Err *number_line(Reader *r, const char *word, int64_t *out)
{
    TRY(field(r, word, out));
    return end_line(r);
}

static Err *head_lines(Reader *r)
{
    Plan *p = r->plan;
    int64_t version = 0;
    TRY(number_line(r, "sextet-plan", &version));
    if (version != 1)
        return err_new(ERR_INPUT, "plan version %lld is not 1",
                       (long long)version);
    TRY(expect(r, "model"));
    TRY(string(r, &p->model));
    TRY(end_line(r));
    TRY(number_line(r, "context", &p->context));
    TRY(number_line(r, "batch", &p->batch));
    return number_line(r, "outputs", &p->outputs);
}

static Err *read_plan(Reader *r)
{
    TRY(head_lines(r));
    while (*r->p) {
        TRY(body_line(r));
        TRY(end_line(r));
    }
    return NULL;
}

Err *plan_parse(const char *text, Plan **out)
{
    Arena *a = arena_new();
    Plan *p = ARENA_NEW(a, Plan);
    Reader r = {.p = text, .line = 1, .a = a, .plan = p};
    p->arena = a;
    *out = NULL;
    Err *e = read_plan(&r);
    if (e)
        plan_free(p);
    else
        *out = p;
    return e;
}
