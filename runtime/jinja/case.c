/* case.c - upper, lower and title case as Python's str has them. */
#include <string.h>
#include <utf8proc.h>

#include "runtime/jinja/run.h"
#include "runtime/unicode.h"

typedef struct {
    uint32_t cp;
    const char *upper, *title, *lower;
} Casing;

static const Casing casings[] = {
#define CASING(cp, upper, title, lower) {cp, upper, title, lower},
#include "runtime/jinja/casing.def"
#undef CASING
};

static const Casing *find_casing(uint32_t cp)
{
    size_t low = 0, high = sizeof casings / sizeof *casings;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (casings[mid].cp == cp)
            return &casings[mid];
        if (casings[mid].cp < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool is_lower(uint32_t cp)
{
    return utf8proc_islower((utf8proc_int32_t)cp);
}

static bool is_upper(uint32_t cp)
{
    return utf8proc_isupper((utf8proc_int32_t)cp);
}

static bool is_title(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_LT;
}

static bool is_cased(uint32_t cp)
{
    return is_lower(cp) || is_upper(cp) || is_title(cp);
}

static void put(Text *t, uint32_t cp, Case how, Origin origin)
{
    const Casing *c = cp < 0x80 ? NULL : find_casing(cp);
    if (c) {
        const char *s = how == CASE_UPPER   ? c->upper
                        : how == CASE_TITLE ? c->title
                                            : c->lower;
        text_add(t, s, strlen(s), origin);
        return;
    }
    utf8proc_int32_t in = (utf8proc_int32_t)cp;
    text_char(t,
              (uint32_t)(how == CASE_UPPER   ? utf8proc_toupper(in)
                         : how == CASE_TITLE ? utf8proc_totitle(in)
                                             : utf8proc_tolower(in)),
              origin);
}

/* Apostrophes, marks and the like stand between letters of one word. */
static bool is_case_ignorable(uint32_t cp)
{
    if (cp < 0x80)
        return strchr("'.:^`", (int)cp) && cp;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME ||
           c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_LM ||
           c == UTF8PROC_CATEGORY_SK || cp == 0xB7 || cp == 0x2018 ||
           cp == 0x2019;
}

/* Whether the sigma at [from, to) ends a word: a letter before, none after. */
static bool is_final_sigma(const Str *s, size_t from, size_t to)
{
    uint32_t cp = 0, before = 0;
    for (size_t i = 0; i < from;) {
        i += (size_t)unicode_step(s->p + i, s->n - i, &cp);
        before = is_case_ignorable(cp) ? before : cp;
    }
    if (!before || !is_cased(before))
        return false;
    while (to < s->n) {
        to += (size_t)unicode_step(s->p + to, s->n - to, &cp);
        if (!is_case_ignorable(cp))
            return !is_cased(cp);
    }
    return true;
}

enum { SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2, SIGMA_REACH = 4096 };

static Case one_case(Case how, uint32_t cp, bool in_word)
{
    if (how == CASE_SWAP)
        return is_upper(cp) ? CASE_LOWER : CASE_UPPER;
    if (how == CASE_TITLE)
        return in_word ? CASE_LOWER : CASE_TITLE;
    return how;
}

static void fold(Text *t, uint32_t cp, Origin origin)
{
    utf8proc_int32_t out[8];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, out, 8,
                                                 UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < n && i < 8; i++)
        text_char(t, (uint32_t)out[i], origin);
}

void case_map(Text *t, const Str *s, size_t from, size_t to, Case how)
{
    bool in_word = false;
    for (size_t i = from; i < to && !t->full;) {
        uint32_t cp = 0;
        size_t len = (size_t)unicode_step(s->p + i, s->n - i, &cp);
        Origin origin = s->marks ? (Origin)s->marks[i] : s->origin;
        Case one = one_case(how, cp, in_word);
        if (cp == SIGMA && one == CASE_LOWER && s->n < SIGMA_REACH &&
            is_final_sigma(s, i, i + len))
            text_char(t, FINAL_SIGMA, origin);
        else if (one == CASE_FOLD)
            fold(t, cp, origin);
        else
            put(t, cp, one, origin);
        in_word = is_cased(cp);
        i += len;
    }
}

/* At least one letter with case, and all of them as asked. */
bool case_is(const Str *s, Case how)
{
    bool any = false, in_word = false;
    for (size_t i = 0; i < s->n;) {
        uint32_t cp = 0;
        i += (size_t)unicode_step(s->p + i, s->n - i, &cp);
        bool upper = is_upper(cp), title = is_title(cp), lower = is_lower(cp);
        if (how == CASE_LOWER && (upper || title))
            return false;
        if (how == CASE_UPPER && (lower || title))
            return false;
        if (how == CASE_TITLE &&
            (((upper || title) && in_word) || (lower && !in_word)))
            return false;
        in_word = upper || title || lower;
        any = any || (how == CASE_LOWER   ? lower
                      : how == CASE_UPPER ? upper
                                          : in_word);
    }
    return any;
}

bool case_is_word(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return cp == '_' ||
           (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}
