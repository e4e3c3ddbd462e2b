/* format_percent.c - 'text %s' % values, as Python's str has it. */
#include <math.h>
#include <string.h>

#include "runtime/jinja/format.h"
#include "runtime/unicode.h"

typedef struct {
    Run *r;
    const Str *fmt;
    size_t at;
    Value args;
    const Value *item; /* positional arguments */
    size_t n, next;
    bool by_name;
    Text out;
} Formatter;

static Err *cut_short(void) { return err_new(ERR_INPUT, "incomplete format"); }

static Err *next_argument(Formatter *f, Value *out)
{
    if (f->next >= f->n)
        return err_new(ERR_INPUT, "not enough arguments for format string");
    *out = f->item[f->next++];
    return NULL;
}

/* "(name)": that item of the mapping becomes the only argument. */
static Err *take_name(Formatter *f, Value *named)
{
    size_t from = ++f->at;
    int open = 1;
    for (; f->at < f->fmt->n && open; f->at++)
        open += f->fmt->p[f->at] == '(' ? 1 : f->fmt->p[f->at] == ')' ? -1 : 0;
    if (open)
        return err_new(ERR_INPUT, "incomplete format key");
    const Str *name = str_part(f->r->a, f->fmt, from, f->at - 1);
    if (f->args.kind != VALUE_DICT)
        return err_new(ERR_INPUT, "format requires a mapping");
    const Value *v = dict_get(f->args.dict, value_str(name));
    if (!v)
        return err_new(ERR_INPUT, "'%.*s'",
                       (int)(name->n < 200 ? name->n : 200), name->p);
    *named = *v;
    f->by_name = true;
    return NULL;
}

static char peek(const Formatter *f)
{
    return f->at < f->fmt->n ? f->fmt->p[f->at] : '\0';
}

static Err *take_count(Formatter *f, int64_t *out)
{
    Value v;
    if (peek(f) == '*') {
        f->at++;
        TRY(next_argument(f, &v));
        if (!value_as_int(v, out))
            return err_new(ERR_INPUT, "* wants int");
        return NULL;
    }
    for (*out = 0; peek(f) >= '0' && peek(f) <= '9'; f->at++)
        if (*out < INT32_MAX)
            *out = *out * 10 + (peek(f) - '0');
    return NULL;
}

static Err *take_field(Formatter *f, Field *field)
{
    bool zero = false;
    *field = (Field){.precision = -1, .align = '>'};
    for (; peek(f) && strchr("-+ #0", peek(f)); f->at++) {
        char c = peek(f);
        if (c == '-')
            field->align = '<';
        else if (c == '#')
            field->alternate = true;
        else if (c == '0')
            zero = true;
        else if (field->sign != '+')
            field->sign = c;
    }
    TRY(take_count(f, &field->width));
    if (field->width < 0) {
        field->align = '<';
        field->width = field->width > -INT32_MAX ? -field->width : INT32_MAX;
    }
    if (peek(f) == '.') {
        f->at++;
        TRY(take_count(f, &field->precision));
        field->precision = field->precision < 0 ? 0 : field->precision;
    }
    while (peek(f) && strchr("hlL", peek(f)))
        f->at++;
    field->type = peek(f);
    f->at += field->type != '\0';
    if (zero && field->align == '>' && field->type &&
        strchr("diuoxXeEfFgG", field->type)) {
        field->align = '=';
        field->fill = str_of(f->r->a, "0");
    }
    return NULL;
}

static Err *put_integer(Formatter *f, const Field *field, Value v)
{
    bool decimal = strchr("diu", field->type) != NULL;
    int64_t i;
    if (v.kind == VALUE_FLOAT && decimal && isfinite(v.f)) {
        if (!(fabs(v.f) < 0x1p63))
            return err_new(ERR_LIMIT, "an integer beyond 64 bits");
        v = value_int((int64_t)v.f);
    }
    if (value_as_int(v, &i))
        v = value_int(i);
    else if (v.kind != VALUE_BIG)
        return err_new(ERR_INPUT, "%%%c format: %s is required, not %s",
                       field->type, decimal ? "a real number" : "an integer",
                       value_type(v));
    return format_int_field(f->r, &f->out, field, v);
}

static Err *put_float(Formatter *f, const Field *field, Value v)
{
    double d;
    if (!value_number(v, &d))
        return err_new(ERR_INPUT, "must be real number, not %s", value_type(v));
    return format_float_field(f->r, &f->out, field, d);
}

static Err *put_text(Formatter *f, const Field *field, Value v)
{
    const Str *s;
    TRY(field->type == 's' ? run_print(f->r, v, &s) : run_repr(f->r, v, &s));
    return format_text_field(f->r, &f->out, field, s);
}

static Err *put_character(Formatter *f, const Field *field, Value v)
{
    if (v.kind == VALUE_STR && v.s->chars == 1)
        return format_text_field(f->r, &f->out, field, v.s);
    if (v.kind == VALUE_STR || !(v.kind == VALUE_INT || v.kind == VALUE_BOOL))
        return err_new(ERR_INPUT, "%%c requires int or char");
    return format_int_field(f->r, &f->out, field,
                            v.kind == VALUE_BOOL ? value_int(v.b) : v);
}

static Err *put_directive(Formatter *f)
{
    Field field;
    Value v = {0};
    f->at++;
    bool named = peek(f) == '(';
    if (named)
        TRY(take_name(f, &v));
    TRY(take_field(f, &field));
    if (field.type == '\0')
        return cut_short();
    if (field.type == '%') {
        text_puts(&f->out, "%");
        return NULL;
    }
    if (!named)
        TRY(next_argument(f, &v));
    if (strchr("diuoxX", field.type))
        return put_integer(f, &field, v);
    if (strchr("eEfFgG", field.type))
        return put_float(f, &field, v);
    if (field.type == 's' || field.type == 'r')
        return put_text(f, &field, v);
    if (field.type == 'c')
        return put_character(f, &field, v);
    return err_new(ERR_INPUT,
                   "unsupported format character '%c' (0x%x) at index %zu",
                   (unsigned char)field.type < 0x80 ? field.type : '?',
                   (unsigned)(unsigned char)field.type, f->at - 1);
}

/* Whether arguments that are left over are forgiven. */
static bool is_mapping(Value v)
{
    return v.kind == VALUE_DICT || v.kind == VALUE_LIST ||
           v.kind == VALUE_UNDEFINED || object_is(v, OBJECT_RANGE);
}

Err *format_percent(Run *r, const Str *fmt, Value args, Value *out)
{
    Formatter f = {.r = r, .fmt = fmt, .args = args, .out = run_text(r)};
    f.item = args.kind == VALUE_TUPLE ? args.seq->v : &f.args;
    f.n = args.kind == VALUE_TUPLE ? args.seq->n : 1;
    while (f.at < fmt->n) {
        const char *hit = memchr(fmt->p + f.at, '%', fmt->n - f.at);
        size_t to = hit ? (size_t)(hit - fmt->p) : fmt->n;
        text_part(&f.out, fmt, f.at, to);
        f.at = to;
        TRY(run_charge(r, 1));
        if (hit)
            TRY(put_directive(&f));
    }
    if (f.next < f.n && !is_mapping(args))
        return err_new(ERR_INPUT,
                       "not all arguments converted during string formatting");
    return run_text_value(r, &f.out, out);
}
