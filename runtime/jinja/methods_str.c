/* methods_str.c - methods of strings, by Python's rules.
 *
 * Positions are code points outside and bytes inside; what a method gives
 * keeps the origins of what it was made from, and stays Markup. */
#include <string.h>
#include <utf8proc.h>

#include "runtime/jinja/run.h"
#include "runtime/unicode.h"

#define DEFINE(function)                                                       \
    Err *function(Run *r, Value self, const Value *arg, const Args *all,       \
                  Value *out)
#define UNUSED (void)r, (void)self, (void)arg, (void)all

static Err *give(Run *r, Value self, Text *t, Value *out)
{
    TRY(run_text_value(r, t, out));
    out->s = str_with_markup(r->a, out->s, self.s->markup);
    return NULL;
}

static Value part(Run *r, const Str *s, size_t from, size_t to)
{
    return value_str(str_part(r->a, s, from, to));
}

/* ---- case */

static Err *mapped(Run *r, Value self, Case how, Value *out)
{
    Text t = run_text(r);
    TRY(run_charge(r, self.s->n / 4));
    case_map(&t, self.s, 0, self.s->n, how);
    return give(r, self, &t, out);
}

#define MAPPED(function, how)                                                  \
    DEFINE(function)                                                           \
    {                                                                          \
        UNUSED;                                                                \
        return mapped(r, self, how, out);                                      \
    }

MAPPED(str_upper, CASE_UPPER)
MAPPED(str_lower, CASE_LOWER)
MAPPED(str_title, CASE_TITLE)
MAPPED(str_swapcase, CASE_SWAP)
MAPPED(str_casefold, CASE_FOLD)

DEFINE(str_capitalize)
{
    UNUSED;
    Text t = run_text(r);
    size_t first = str_byte(self.s, 1);
    TRY(run_charge(r, self.s->n / 4));
    case_map(&t, self.s, 0, first, CASE_TITLE);
    case_map(&t, self.s, first, self.s->n, CASE_LOWER);
    return give(r, self, &t, out);
}

/* ---- is...() */

static bool is_number_char(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL ||
           c == UTF8PROC_CATEGORY_NO;
}

static bool is_decimal(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

static bool is_digit(uint32_t cp)
{
    return is_decimal(cp) || cp == 0xB2 || cp == 0xB3 || cp == 0xB9 ||
           cp == 0x2070 || (cp >= 0x2074 && cp <= 0x2079) ||
           (cp >= 0x2080 && cp <= 0x2089) || (cp >= 0x2460 && cp <= 0x2468);
}

static bool is_alpha(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool is_alnum(uint32_t cp) { return is_alpha(cp) || is_number_char(cp); }

static bool is_ascii(uint32_t cp) { return cp < 0x80; }

static Err *every(Run *r, Value self, bool (*is)(uint32_t), bool of_none,
                  Value *out)
{
    bool all = self.s->n || of_none;
    TRY(run_charge(r, self.s->n / 16));
    for (size_t i = 0; i < self.s->n && all;) {
        uint32_t cp = 0;
        i += (size_t)unicode_step(self.s->p + i, self.s->n - i, &cp);
        all = is(cp);
    }
    *out = value_bool(all);
    return NULL;
}

#define EVERY(function, is, of_none)                                           \
    DEFINE(function)                                                           \
    {                                                                          \
        UNUSED;                                                                \
        return every(r, self, is, of_none, out);                               \
    }

EVERY(str_isalnum, is_alnum, false)
EVERY(str_isalpha, is_alpha, false)
EVERY(str_isascii, is_ascii, true)
EVERY(str_isdecimal, is_decimal, false)
EVERY(str_isdigit, is_digit, false)
EVERY(str_isspace, lexer_is_space, false)

#define CASED(function, how)                                                   \
    DEFINE(function)                                                           \
    {                                                                          \
        UNUSED;                                                                \
        TRY(run_charge(r, self.s->n / 16));                                    \
        *out = value_bool(case_is(self.s, how));                               \
        return NULL;                                                           \
    }

CASED(str_islower, CASE_LOWER)
CASED(str_isupper, CASE_UPPER)
CASED(str_istitle, CASE_TITLE)

/* ---- stripping */

static bool in_set(const Str *set, uint32_t cp, const char *bytes, size_t len)
{
    if (!set)
        return lexer_is_space(cp);
    Str c = {.p = bytes, .n = len};
    return str_find(set, &c, 0, set->n) != SIZE_MAX;
}

static size_t strip_left(const Str *s, const Str *set, size_t end)
{
    size_t i = 0;
    while (i < end) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        if (!in_set(set, cp, s->p + i, len))
            break;
        i += len;
    }
    return i;
}

static size_t strip_right(const Str *s, const Str *set)
{
    size_t end = s->n;
    while (end > 0) {
        uint32_t cp = 0;
        size_t from = end - 1;
        while (from && ((unsigned char)s->p[from] & 0xC0) == 0x80)
            from--;
        unicode_step(s->p + from, end - from, &cp);
        if (!in_set(set, cp, s->p + from, end - from))
            break;
        end = from;
    }
    return end;
}

static Err *strip(Run *r, Value self, Value chars, bool left, bool right,
                  Value *out)
{
    const Str *s = self.s, *set = NULL;
    if (value_is_given(chars) && chars.kind != VALUE_NONE) {
        if (chars.kind != VALUE_STR)
            return err_new(ERR_INPUT, "strip arg must be None or str");
        set = chars.s;
    }
    if (set && set->n > 64)
        TRY(run_charge(r, s->n * (set->n / 64)));
    size_t end = right ? strip_right(s, set) : s->n;
    size_t from = left ? strip_left(s, set, end) : 0;
    TRY(run_charge(r, (s->n - end + from) / 16));
    *out = part(r, s, from, end);
    return NULL;
}

DEFINE(str_strip)
{
    UNUSED;
    return strip(r, self, arg[0], true, true, out);
}

DEFINE(str_lstrip)
{
    UNUSED;
    return strip(r, self, arg[0], true, false, out);
}

DEFINE(str_rstrip)
{
    UNUSED;
    return strip(r, self, arg[0], false, true, out);
}

DEFINE(str_removeprefix)
{
    UNUSED;
    const Str *s = self.s, *what;
    TRY(run_str_arg(r, arg[0], &what));
    bool has = s->n >= what->n && memcmp(s->p, what->p, what->n) == 0;
    *out = part(r, s, has ? what->n : 0, s->n);
    return NULL;
}

DEFINE(str_removesuffix)
{
    UNUSED;
    const Str *s = self.s, *what;
    TRY(run_str_arg(r, arg[0], &what));
    bool has =
        s->n >= what->n && memcmp(s->p + s->n - what->n, what->p, what->n) == 0;
    *out = part(r, s, 0, s->n - (has ? what->n : 0));
    return NULL;
}

/* ---- searching */

static Err *position(Value v, size_t n, size_t fallback, size_t *out)
{
    int64_t i;
    if (v.kind == VALUE_NONE)
        v = (Value){0};
    TRY(run_int_arg(v, (int64_t)fallback, &i));
    i += i < 0 ? (int64_t)n : 0;
    *out = i < 0 ? 0 : (size_t)i;
    return NULL;
}

/* The bytes that [start, end) in characters stand for; *empty when start is
 * behind the end, where not even "" is found. */
static Err *range_of(Run *r, const Str *s, const Value *arg, size_t *from,
                     size_t *to, bool *empty)
{
    size_t start, end;
    TRY(position(arg[0], s->chars, 0, &start));
    TRY(position(arg[1], s->chars, s->chars, &end));
    end = end > s->chars ? s->chars : end;
    *empty = start > end;
    *from = *empty ? 0 : str_byte(s, start);
    *to = *empty ? 0 : str_byte(s, end);
    return run_charge(r, 1 + s->n / 64);
}

/* From the left the search is linear; from the right every place is tried. */
static Err *charge_search(Run *r, const Str *s, const Str *what, bool last)
{
    return run_charge(r, s->n / 64 * (last ? 1 + what->n / 8 : 1));
}

/* In characters, or -1. */
static Err *find(Run *r, Value self, const Value *arg, bool last, int64_t *out)
{
    const Str *what;
    size_t from, to;
    bool empty;
    TRY(run_str_arg(r, arg[0], &what));
    TRY(range_of(r, self.s, arg + 1, &from, &to, &empty));
    TRY(charge_search(r, self.s, what, last));
    size_t at = empty  ? SIZE_MAX
                : last ? str_find_last(self.s, what, from, to)
                       : str_find(self.s, what, from, to);
    *out = at == SIZE_MAX ? -1 : (int64_t)str_chars(self.s->p, at);
    return NULL;
}

static Err *find_method(Run *r, Value self, const Value *arg, bool last,
                        bool must, Value *out)
{
    int64_t at;
    TRY(find(r, self, arg, last, &at));
    if (must && at < 0)
        return err_new(ERR_INPUT, "substring not found");
    *out = value_int(at);
    return NULL;
}

#define FIND(function, last, must)                                             \
    DEFINE(function)                                                           \
    {                                                                          \
        UNUSED;                                                                \
        return find_method(r, self, arg, last, must, out);                     \
    }

FIND(str_find_method, false, false)
FIND(str_rfind, true, false)
FIND(str_index, false, true)
FIND(str_rindex, true, true)

DEFINE(str_count)
{
    UNUSED;
    const Str *what;
    size_t from, to;
    bool empty;
    int64_t n = 0;
    TRY(run_str_arg(r, arg[0], &what));
    TRY(range_of(r, self.s, arg + 1, &from, &to, &empty));
    if (what->n == 0)
        n = empty ? 0 : (int64_t)str_chars(self.s->p + from, to - from) + 1;
    while (what->n && (from = str_find(self.s, what, from, to)) != SIZE_MAX) {
        n++;
        from += what->n;
    }
    *out = value_int(n);
    return run_charge(r, (size_t)n);
}

static bool stands_at(const Str *s, const Str *what, size_t from, size_t to,
                      bool end)
{
    if (to - from < what->n)
        return false;
    return memcmp(s->p + (end ? to - what->n : from), what->p, what->n) == 0;
}

/* One string or a tuple of them. */
static Err *starts_or_ends(Run *r, Value self, const Value *arg, bool end,
                           Value *out)
{
    size_t from, to;
    bool empty, found = false;
    Value one[1] = {arg[0]};
    const Value *what = arg[0].kind == VALUE_TUPLE ? arg[0].seq->v : one;
    size_t n = arg[0].kind == VALUE_TUPLE ? arg[0].seq->n : 1;
    TRY(range_of(r, self.s, arg + 1, &from, &to, &empty));
    for (size_t i = 0; i < n && !found; i++) {
        if (what[i].kind == VALUE_UNDEFINED)
            return run_undefined(r, what[i]);
        if (what[i].kind != VALUE_STR)
            return err_new(
                ERR_INPUT, "%s first arg must be str or a tuple of str, not %s",
                end ? "endswith" : "startswith", value_type(what[i]));
        found = !empty && stands_at(self.s, what[i].s, from, to, end);
    }
    *out = value_bool(found);
    return NULL;
}

DEFINE(str_startswith)
{
    UNUSED;
    return starts_or_ends(r, self, arg, false, out);
}

DEFINE(str_endswith)
{
    UNUSED;
    return starts_or_ends(r, self, arg, true, out);
}

/* ---- replacing and joining */

static Err *same_markup(Run *r, Value self, Value v, const Str **out)
{
    TRY(run_str_arg(r, v, out));
    if (self.s->markup && !v.s->markup)
        return format_escape(r, v, out);
    return NULL;
}

/* Python puts `with` around every character of s when `what` is empty. */
static Err *replace_empty(Run *r, const Str *s, const Str *with, int64_t max,
                          Text *t)
{
    size_t i = 0;
    TRY(run_charge(r, s->chars));
    for (; max && !t->full; max--) {
        uint32_t cp;
        text_str(t, with);
        if (i == s->n)
            return NULL;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        text_part(t, s, i, i + len);
        i += len;
    }
    text_part(t, s, i, s->n);
    return NULL;
}

DEFINE(str_replace)
{
    UNUSED;
    const Str *s = self.s, *what, *with;
    int64_t max;
    Text t = run_text(r);
    size_t from = 0, at;
    TRY(run_str_arg(r, arg[0], &what));
    TRY(same_markup(r, self, arg[1], &with));
    TRY(run_int_arg(arg[2].kind == VALUE_NONE ? (Value){0} : arg[2], -1, &max));
    TRY(run_charge(r, s->n / 16));
    if (what->n == 0) {
        TRY(replace_empty(r, s, with, max, &t));
        return give(r, self, &t, out);
    }
    for (; max && !t.full && (at = str_find(s, what, from, s->n)) != SIZE_MAX;
         max--) {
        text_part(&t, s, from, at);
        text_str(&t, with);
        from = at + what->n;
    }
    text_part(&t, s, from, s->n);
    return give(r, self, &t, out);
}

DEFINE(str_join)
{
    UNUSED;
    const Value *items;
    size_t n;
    Text t = run_text(r);
    if (!iter_possible(arg[0]))
        return err_new(ERR_INPUT, "can only join an iterable");
    TRY(iter_items(r, arg[0], &items, &n));
    TRY(run_charge(r, n));
    for (size_t i = 0; i < n && !t.full; i++) {
        const Str *s;
        if (items[i].kind != VALUE_STR)
            return err_new(ERR_INPUT,
                           "sequence item %zu: expected str instance, %s found",
                           i, value_type(items[i]));
        TRY(same_markup(r, self, items[i], &s));
        if (i)
            text_str(&t, self.s);
        text_str(&t, s);
    }
    return give(r, self, &t, out);
}

/* ---- splitting */

static Err *push_part(Run *r, Values *list, const Str *s, size_t from,
                      size_t to)
{
    return run_push(r, list, part(r, s, from, to));
}

static Err *split_at(Run *r, const Str *s, const Str *sep, int64_t max,
                     Values *list)
{
    size_t from = 0, at;
    for (; max && (at = str_find(s, sep, from, s->n)) != SIZE_MAX; max--) {
        TRY(run_charge(r, 1));
        TRY(push_part(r, list, s, from, at));
        from = at + sep->n;
    }
    return push_part(r, list, s, from, s->n);
}

/* From the right; the caller turns the list round. */
static Err *rsplit_at(Run *r, const Str *s, const Str *sep, int64_t max,
                      Values *list)
{
    size_t to = s->n, at;
    for (; max && (at = str_find_last(s, sep, 0, to)) != SIZE_MAX; max--) {
        TRY(run_charge(r, 1));
        TRY(push_part(r, list, s, at + sep->n, to));
        to = at;
    }
    return push_part(r, list, s, 0, to);
}

static size_t word_end(const Str *s, size_t i)
{
    while (i < s->n) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        if (lexer_is_space(cp))
            break;
        i += len;
    }
    return i;
}

static size_t word_begin(const Str *s, size_t i)
{
    const Str rest = {.p = s->p + i, .n = s->n - i};
    return i + strip_left(&rest, NULL, rest.n);
}

static Err *split_words(Run *r, const Str *s, int64_t max, Values *list)
{
    for (size_t i = word_begin(s, 0); i < s->n;) {
        size_t end = max-- == 0 ? s->n : word_end(s, i);
        TRY(run_charge(r, 1));
        TRY(push_part(r, list, s, i, end));
        i = word_begin(s, end);
    }
    return NULL;
}

static Err *rsplit_words(Run *r, const Str *s, int64_t max, Values *list)
{
    Values words = {0};
    TRY(split_words(r, s, -1, &words));
    size_t keep = max < 0 || (uint64_t)max > words.n ? words.n : (size_t)max;
    for (size_t i = 0; i < keep; i++)
        TRY(run_push(r, list, words.v[words.n - 1 - i]));
    if (keep == words.n)
        return NULL;
    const Str *last = words.v[words.n - 1 - keep].s;
    return push_part(r, list, s, 0, (size_t)(last->p - s->p) + last->n);
}

static void turn_round(Values *list)
{
    for (size_t i = 0; i < list->n / 2; i++) {
        Value v = list->v[i];
        list->v[i] = list->v[list->n - 1 - i];
        list->v[list->n - 1 - i] = v;
    }
}

static Err *split(Run *r, Value self, const Value *arg, bool right, Value *out)
{
    Values list = {0};
    int64_t max;
    const Str *sep;
    TRY(run_int_arg(arg[1], -1, &max));
    TRY(run_charge(r, self.s->n / 16));
    if (!value_is_given(arg[0]) || arg[0].kind == VALUE_NONE) {
        TRY(right ? rsplit_words(r, self.s, max, &list)
                  : split_words(r, self.s, max, &list));
    } else {
        if (arg[0].kind == VALUE_UNDEFINED)
            return run_undefined(r, arg[0]);
        if (arg[0].kind != VALUE_STR)
            return err_new(ERR_INPUT, "must be str or None, not %s",
                           value_type(arg[0]));
        sep = arg[0].s;
        if (sep->n == 0)
            return err_new(ERR_INPUT, "empty separator");
        TRY(charge_search(r, self.s, sep, right));
        TRY(right ? rsplit_at(r, self.s, sep, max, &list)
                  : split_at(r, self.s, sep, max, &list));
    }
    if (right)
        turn_round(&list);
    *out = run_list(r, &list);
    return NULL;
}

DEFINE(str_split)
{
    UNUSED;
    return split(r, self, arg, false, out);
}

DEFINE(str_rsplit)
{
    UNUSED;
    return split(r, self, arg, true, out);
}

/* The length of the line break at i, or 0. */
static size_t line_break(const Str *s, size_t i, size_t *next)
{
    uint32_t cp = 0;
    size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
    *next = i + len;
    if (cp == '\r' && i + 1 < s->n && s->p[i + 1] == '\n')
        return 2;
    bool is = (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) ||
              cp == 0x85 || cp == 0x2028 || cp == 0x2029;
    return is ? len : 0;
}

DEFINE(str_splitlines)
{
    UNUSED;
    const Str *s = self.s;
    Values list = {0};
    size_t from = 0, next;
    bool keep = value_is_given(arg[0]) && ops_truth(arg[0]);
    TRY(run_charge(r, s->n / 16));
    for (size_t i = 0; i < s->n;) {
        size_t len = line_break(s, i, &next);
        if (len) {
            TRY(run_charge(r, 1));
            TRY(push_part(r, &list, s, from, keep ? i + len : i));
            from = next = i + len;
        }
        i = next;
    }
    if (from < s->n)
        TRY(push_part(r, &list, s, from, s->n));
    *out = run_list(r, &list);
    return NULL;
}

static Err *partition(Run *r, Value self, Value by, bool last, Value *out)
{
    const Str *s = self.s, *sep;
    Value *v = ARENA_ARRAY(r->a, Value, 3);
    TRY(run_str_arg(r, by, &sep));
    if (sep->n == 0)
        return err_new(ERR_INPUT, "empty separator");
    TRY(charge_search(r, s, sep, last));
    size_t at =
        last ? str_find_last(s, sep, 0, s->n) : str_find(s, sep, 0, s->n);
    v[0] = v[1] = v[2] = part(r, s, 0, 0);
    if (at == SIZE_MAX) {
        v[last ? 2 : 0] = self;
    } else {
        v[0] = part(r, s, 0, at);
        v[1] = value_str(sep);
        v[2] = part(r, s, at + sep->n, s->n);
    }
    *out = value_seq(r->a, VALUE_TUPLE, v, 3);
    return NULL;
}

DEFINE(str_partition)
{
    UNUSED;
    return partition(r, self, arg[0], false, out);
}

DEFINE(str_rpartition)
{
    UNUSED;
    return partition(r, self, arg[0], true, out);
}

/* ---- padding */

static Err *pad(Run *r, Value self, const Value *arg, int where, Value *out)
{
    const Str *s = self.s, *fill = str_of(r->a, " ");
    int64_t width;
    Text t = run_text(r);
    TRY(run_int_arg(arg[0], 0, &width));
    if (value_is_given(arg[1]))
        TRY(run_str_arg(r, arg[1], &fill));
    if (fill->chars != 1)
        return err_new(ERR_INPUT,
                       "The fill character must be exactly one character long");
    int64_t n = width - (int64_t)s->chars;
    if (n <= 0) {
        *out = self;
        return NULL;
    }
    int64_t left = where < 0 ? 0 : where > 0 ? n : n / 2 + (n & width & 1);
    text_repeat(&t, fill->p, fill->n, (size_t)left, fill->origin);
    text_str(&t, s);
    text_repeat(&t, fill->p, fill->n, (size_t)(n - left), fill->origin);
    return give(r, self, &t, out);
}

DEFINE(str_ljust)
{
    UNUSED;
    return pad(r, self, arg, -1, out);
}

DEFINE(str_center)
{
    UNUSED;
    return pad(r, self, arg, 0, out);
}

DEFINE(str_rjust)
{
    UNUSED;
    return pad(r, self, arg, 1, out);
}

DEFINE(str_zfill)
{
    UNUSED;
    const Str *s = self.s;
    int64_t width;
    Text t = run_text(r);
    TRY(run_int_arg(arg[0], 0, &width));
    bool sign = s->n && (s->p[0] == '-' || s->p[0] == '+');
    text_part(&t, s, 0, sign);
    if (width > (int64_t)s->chars)
        text_repeat(&t, "0", 1, (size_t)width - s->chars, ORIGIN_TEMPLATE);
    text_part(&t, s, sign, s->n);
    return give(r, self, &t, out);
}

DEFINE(str_expandtabs)
{
    UNUSED;
    const Str *s = self.s;
    int64_t size, column = 0;
    Text t = run_text(r);
    TRY(run_int_arg(arg[0], 8, &size));
    TRY(run_charge(r, s->n / 4));
    for (size_t i = 0; i < s->n && !t.full;) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        if (cp == '\t') {
            int64_t n = size > 0 ? size - column % size : 0;
            text_repeat(&t, " ", 1, (size_t)n, ORIGIN_TEMPLATE);
            column += n;
        } else {
            text_part(&t, s, i, i + len);
            column = cp == '\n' || cp == '\r' ? 0 : column + 1;
        }
        i += len;
    }
    return give(r, self, &t, out);
}

/* ---- formatting */

DEFINE(str_format)
{
    UNUSED;
    return format_str(r, self.s, all, out);
}

DEFINE(str_format_map)
{
    UNUSED;
    const Value v = arg[0];
    if (v.kind != VALUE_DICT)
        return run_type_error(v, "a mapping");
    const char **key = ARENA_ARRAY(r->a, const char *, v.dict->n);
    Args args = {.n_keys = v.dict->n, .key = key, .key_value = v.dict->val};
    for (size_t i = 0; i < v.dict->n; i++) {
        const Value k = v.dict->key[i];
        key[i] = k.kind == VALUE_STR ? arena_strndup(r->a, k.s->p, k.s->n) : "";
    }
    return format_str(r, self.s, &args, out);
}
