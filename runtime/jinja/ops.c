/* ops.c - truth and arithmetic, by Python's rules. */
#include <math.h>

#include "runtime/jinja/run.h"

bool ops_truth(Value v)
{
    switch (v.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return v.b;
    case VALUE_INT:
        return v.i != 0;
    case VALUE_BIG:
        return true;
    case VALUE_FLOAT:
        return v.f != 0;
    case VALUE_STR:
        return v.s->n > 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return v.seq->n > 0;
    case VALUE_DICT:
        return v.dict->n > 0;
    case VALUE_OBJECT:
        if (v.object->kind == OBJECT_RANGE)
            return object_range_length(v.object) > 0;
        return !iter_has_length(v) || v.object->kind == OBJECT_LOOP ||
               v.object->dict->n > 0;
    }
    return false;
}

static Err *beyond(void)
{
    return err_new(ERR_LIMIT, "an integer beyond 64 bits");
}

static Err *divided_by_zero(const char *what)
{
    return err_new(ERR_INPUT, "%s by zero", what);
}

/* ---- integers */

static Err *floor_divide(int64_t a, int64_t b, int64_t *quotient, int64_t *rest)
{
    if (b == -1) {
        *rest = 0;
        return __builtin_sub_overflow(0, a, quotient) ? beyond() : NULL;
    }
    *quotient = a / b;
    *rest = a % b;
    if (*rest && (*rest < 0) != (b < 0)) {
        *rest += b;
        --*quotient;
    }
    return NULL;
}

static Err *int_power(int64_t a, int64_t b, Value *out)
{
    int64_t p = 1;
    if (b < 0) {
        if (a == 0)
            return err_new(ERR_INPUT,
                           "0.0 cannot be raised to a negative power");
        *out = value_float(pow((double)a, (double)b));
        return NULL;
    }
    for (;;) {
        if ((b & 1) && __builtin_mul_overflow(p, a, &p))
            return beyond();
        b >>= 1;
        if (!b)
            break;
        if (__builtin_mul_overflow(a, a, &a))
            return beyond();
    }
    *out = value_int(p);
    return NULL;
}

static Err *int_op(Op op, int64_t a, int64_t b, Value *out)
{
    int64_t v = 0, rest = 0;
    bool over = false;
    if (op == OP_POWER)
        return int_power(a, b, out);
    if (b == 0 && op == OP_DIV)
        return divided_by_zero("division");
    if (b == 0 && (op == OP_FLOORDIV || op == OP_MOD))
        return divided_by_zero(op == OP_MOD ? "integer modulo"
                                            : "integer division or modulo");
    if (op == OP_DIV) {
        *out = value_float((double)a / (double)b);
        return NULL;
    }
    if (op == OP_ADD)
        over = __builtin_add_overflow(a, b, &v);
    else if (op == OP_SUB)
        over = __builtin_sub_overflow(a, b, &v);
    else if (op == OP_MUL)
        over = __builtin_mul_overflow(a, b, &v);
    else
        TRY(floor_divide(a, b, &v, &rest));
    *out = value_int(op == OP_MOD ? rest : v);
    return over ? beyond() : NULL;
}

/* ---- floats */

static double float_mod(double a, double b)
{
    double m = fmod(a, b);
    if (m == 0)
        return copysign(0.0, b);
    return (m < 0) != (b < 0) ? m + b : m;
}

static double float_floor_divide(double a, double b)
{
    double d = (a - float_mod(a, b)) / b, whole;
    if (d == 0)
        return copysign(0.0, a / b);
    whole = floor(d);
    return d - whole > 0.5 ? whole + 1 : whole;
}

static Err *float_power(double a, double b, double *out)
{
    if (a == 0 && b < 0)
        return err_new(ERR_INPUT, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
        return err_new(ERR_INPUT, "a complex number");
    *out = pow(a, b);
    if (isinf(*out) && isfinite(a) && isfinite(b))
        return err_new(ERR_INPUT, "(34, 'Numerical result out of range')");
    return NULL;
}

static Err *float_op(Op op, double a, double b, Value *out)
{
    double v = 0;
    if (b == 0 && (op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD))
        return op == OP_MOD
                   ? err_new(ERR_INPUT, "float modulo")
                   : divided_by_zero(op == OP_DIV ? "float division"
                                                  : "float floor division");
    if (op == OP_POWER)
        TRY(float_power(a, b, &v));
    else
        v = op == OP_ADD        ? a + b
            : op == OP_SUB      ? a - b
            : op == OP_MUL      ? a * b
            : op == OP_DIV      ? a / b
            : op == OP_FLOORDIV ? float_floor_divide(a, b)
                                : float_mod(a, b);
    *out = value_float(v);
    return NULL;
}

static bool is_number(Value v)
{
    double x;
    return value_number(v, &x);
}

static Err *number_op(Op op, Value a, Value b, Value *out)
{
    int64_t i, j;
    double x = 0, y = 0;
    if (value_as_int(a, &i) && value_as_int(b, &j))
        return int_op(op, i, j, out);
    if (a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT)
        return beyond();
    value_number(a, &x);
    value_number(b, &y);
    return float_op(op, x, y, out);
}

/* ---- strings and lists */

static Err *concatenate(Run *r, Value a, Value b, Value *out)
{
    bool markup = a.s->markup || b.s->markup;
    const Str *left = a.s, *right = b.s;
    Text t = run_text(r);
    if (markup && !left->markup)
        TRY(format_escape(r, a, &left));
    if (markup && !right->markup)
        TRY(format_escape(r, b, &right));
    text_str(&t, left);
    text_str(&t, right);
    TRY(run_text_value(r, &t, out));
    out->s = str_with_markup(r->a, out->s, markup);
    return NULL;
}

static Err *add_seqs(Run *r, Value a, Value b, Value *out)
{
    Values items = {0};
    for (size_t i = 0; i < a.seq->n; i++)
        TRY(run_push(r, &items, a.seq->v[i]));
    for (size_t i = 0; i < b.seq->n; i++)
        TRY(run_push(r, &items, b.seq->v[i]));
    TRY(run_charge(r, items.n));
    *out = value_seq(r->a, a.kind, items.v, items.n);
    return NULL;
}

static Err *repeat(Run *r, Value v, int64_t times, Value *out)
{
    Text t = run_text(r);
    Values items = {0};
    if (v.kind == VALUE_STR) {
        for (int64_t i = 0; v.s->n && i < times && !t.full; i++)
            text_str(&t, v.s);
        TRY(run_text_value(r, &t, out));
        out->s = str_with_markup(r->a, out->s, v.s->markup);
        return NULL;
    }
    for (int64_t i = 0; v.seq->n && i < times; i++)
        for (size_t k = 0; k < v.seq->n; k++) {
            TRY(run_charge(r, 1));
            TRY(run_push(r, &items, v.seq->v[k]));
        }
    *out = value_seq(r->a, v.kind, items.v, items.n);
    return NULL;
}

static bool is_sequence(Value v)
{
    return v.kind == VALUE_STR || v.kind == VALUE_LIST || v.kind == VALUE_TUPLE;
}

static Err *bad_operands(Run *r, Op op, Value a, Value b)
{
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        return run_undefined(r, a.kind == VALUE_UNDEFINED ? a : b);
    if (op == OP_ADD && is_sequence(a))
        return err_new(ERR_INPUT, "can only concatenate %s (not \"%s\") to %s",
                       value_type(a), value_type(b), value_type(a));
    if (op == OP_MUL && (is_sequence(a) || is_sequence(b)))
        return err_new(ERR_INPUT,
                       "can't multiply sequence by non-int of type '%s'",
                       value_type(is_sequence(a) ? b : a));
    return err_new(ERR_INPUT,
                   "unsupported operand type(s) for %s: '%s' and '%s'",
                   op == OP_POWER ? "** or pow()" : op_text[op], value_type(a),
                   value_type(b));
}

Err *ops_binary(Run *r, Op op, Value a, Value b, Value *out)
{
    int64_t times;
    if (is_number(a) && is_number(b))
        return number_op(op, a, b, out);
    if (op == OP_MOD && a.kind == VALUE_STR)
        return format_percent(r, a.s, b, out);
    if (op == OP_ADD && a.kind == VALUE_STR && b.kind == VALUE_STR)
        return concatenate(r, a, b, out);
    if (op == OP_ADD && a.kind == b.kind && is_sequence(a))
        return add_seqs(r, a, b, out);
    if (op == OP_MUL && is_sequence(a) && value_as_int(b, &times))
        return repeat(r, a, times, out);
    if (op == OP_MUL && is_sequence(b) && value_as_int(a, &times))
        return repeat(r, b, times, out);
    return bad_operands(r, op, a, b);
}

Err *ops_negate(Run *r, Value v, bool minus, Value *out)
{
    int64_t i;
    if (v.kind == VALUE_UNDEFINED)
        return run_undefined(r, v);
    if (value_as_int(v, &i)) {
        if (minus && __builtin_sub_overflow(0, i, &i))
            return beyond();
        *out = value_int(i);
    } else if (v.kind == VALUE_FLOAT) {
        *out = value_float(minus ? -v.f : v.f);
    } else if (v.kind == VALUE_BIG) {
        if (!minus) {
            *out = v;
            return NULL;
        }
        bool was = v.s->p[0] == '-';
        Text t = run_text(r);
        text_puts(&t, was ? "" : "-");
        text_part(&t, v.s, was, v.s->n);
        const Str *s = text_done(&t);
        *out = value_integer(r->a, s->p, s->n, s->origin);
    } else {
        return err_new(ERR_INPUT, "bad operand type for unary %c: '%s'",
                       minus ? '-' : '+', value_type(v));
    }
    return NULL;
}
