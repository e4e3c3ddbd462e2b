/* options.c - argv into Options. */
#include "runtime/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "runtime/cli/options_table.h"

/* ---- values */

static Err *bad_value(const char *name, const char *text, const char *want)
{
    return err_new(ERR_USAGE, "--%s=%.60s: expected %s", name, text, want);
}

/* Numbers must start at once: no blanks, no locale's habits. */
static bool starts_number(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    return isdigit((unsigned char)*p) || *p == '.';
}

static Err *parse_integer(const char *name, const char *text, int64_t min,
                          int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (!starts_number(text) || *end || errno || v < min)
        return bad_value(name, text,
                         min < 0 ? "a whole number"
                                 : "a whole number, 0 or more");
    *out = v;
    return NULL;
}

static Err *parse_real(const char *name, const char *text, double *out)
{
    char *end;
    double v = strtod(text, &end);
    if (!starts_number(text) || *end || !isfinite(v))
        return bad_value(name, text, "a number");
    *out = v;
    return NULL;
}

Err *options_size(const char *name, const char *text, int64_t *bytes)
{
    static const char want[] = "a size such as 24GiB, 512MiB or 4096 (bytes; "
                               "KiB, MiB, GiB and TiB are powers of 1024)";
    static const char prefixes[] = "KMGT";
    char *end;
    double v = strtod(text, &end);
    if (!isdigit((unsigned char)text[0]) || strpbrk(text, "xXeEpP"))
        return bad_value(name, text, want);
    end += *end == ' ';
    const char *prefix = *end ? strchr(prefixes, *end) : NULL;
    int shift = 0;
    if (prefix && strcmp(end + 1, "iB") == 0)
        shift = 10 * (int)(prefix - prefixes + 1);
    else if (*end && strcmp(end, "B") != 0)
        return bad_value(name, text, want);
    double scaled = ldexp(v, shift);
    if (!(scaled < 0x1p62))
        return bad_value(name, text, want);
    *bytes = (int64_t)scaled;
    return NULL;
}

/* NULL if the n bytes at `word` stand in r->value, "A|B|C". */
static Err *check_word(const OptionRow *r, const char *name, const char *word,
                       size_t n)
{
    Suggestion s = {0};
    for (const char *p = r->value, *end; *p; p = end + (*end != '\0')) {
        end = p + strcspn(p, "|");
        size_t len = (size_t)(end - p);
        if (len == n && memcmp(p, word, n) == 0)
            return NULL;
        suggest(&s, word, n, p, len);
    }
    return err_new(ERR_USAGE, "--%s=%.*s: expected one of %s%s%s%s", name,
                   (int)(n < 60 ? n : 60), word, r->value,
                   s.name[0] ? "; did you mean '" : "", s.name,
                   s.name[0] ? "'?" : "");
}

static Err *check_choice(const OptionRow *r, const char *name, const char *text)
{
    const char *comma = r->kind == KIND_PAIR ? strchr(text, ',') : NULL;
    size_t n = comma ? (size_t)(comma - text) : strlen(text);
    TRY(check_word(r, name, text, n));
    return comma ? check_word(r, name, comma + 1, strlen(comma + 1)) : NULL;
}

static void list_add(Arena *a, OptionList *l, const char *text)
{
    const char **item = ARENA_ARRAY(a, const char *, l->n + 1);
    for (int i = 0; i < l->n; i++)
        item[i] = l->item[i];
    item[l->n++] = text;
    l->item = item;
}

static Err *parse_counts(Arena *a, const char *name, const char *text,
                         OptionCounts *out)
{
    int64_t *item = ARENA_ARRAY(a, int64_t, strlen(text) + 1);
    *out = (OptionCounts){0, item};
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",");
        TRY(parse_integer(name, arena_strndup(a, p, n), 0, &item[out->n++]));
        p += n;
        if (!*p)
            return NULL;
    }
}

/* Reads `text` into the field of row r. */
static Err *store(Arena *a, Options *o, const OptionRow *r, const char *text)
{
    char name[OPTION_NAME_MAX];
    void *field = (char *)o + r->offset;
    option_dashed(r, name);
    switch (r->kind) {
    case KIND_FLAG:
        *(bool *)field = true;
        return NULL;
    case KIND_COUNT:
        return parse_integer(name, text, 0, field);
    case KIND_COUNTS:
        return parse_counts(a, name, text, field);
    case KIND_INTEGER:
        return parse_integer(name, text, INT64_MIN, field);
    case KIND_REAL:
        return parse_real(name, text, field);
    case KIND_SIZE:
        return options_size(name, text, field);
    case KIND_CHOICE:
    case KIND_PAIR:
        TRY(check_choice(r, name, text));
        *(const char **)field = text;
        return NULL;
    case KIND_TEXT:
        *(const char **)field = text;
        return NULL;
    case KIND_LIST:
        list_add(a, field, text);
        return NULL;
    }
    return NULL;
}

/* ---- the command line */

Err *options_find_command(const char *name, const Command **out)
{
    Suggestion s = {0};
    if ((*out = command_find(name)))
        return NULL;
    for (int i = 0; i < COMMAND_COUNT; i++)
        suggest(&s, name, strlen(name), command_table[i].name,
                strlen(command_table[i].name));
    return err_new(ERR_USAGE,
                   "unknown command '%.60s'%s%s%s\n"
                   "Try 'sextet help' for the list.",
                   name, s.name[0] ? "; did you mean '" : "", s.name,
                   s.name[0] ? "'?" : "");
}

static Err *unknown_option(const char *name, size_t n, const char *command)
{
    Suggestion s = {0};
    char other[OPTION_NAME_MAX];
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_taken_by(&option_table[i], command)) {
            option_dashed(&option_table[i], other);
            suggest(&s, name, n, other, strlen(other));
        }
    return err_new(ERR_USAGE,
                   "'sextet %s' has no option --%.*s%s%s%s\n"
                   "Try 'sextet help %s' for its options.",
                   command, (int)(n < 60 ? n : 60), name,
                   s.name[0] ? "; did you mean --" : "", s.name,
                   s.name[0] ? "?" : "", command);
}

static Err *find_option(const char *name, size_t n, const char *command,
                        const OptionRow **out)
{
    char dashed[OPTION_NAME_MAX];
    *out = NULL;
    for (int i = 0; i < OPT_COUNT; i++) {
        const OptionRow *r = &option_table[i];
        option_dashed(r, dashed);
        if (strlen(dashed) == n && memcmp(dashed, name, n) == 0 &&
            (!*out || option_taken_by(r, command)))
            *out = r;
    }
    if (!*out)
        return unknown_option(name, n, command);
    if (!option_taken_by(*out, command))
        return err_new(ERR_USAGE, "'sextet %s' takes no --%.*s (only: %s)",
                       command, (int)n, name, (*out)->commands);
    return NULL;
}

/* One "--name", "--name=value" or "--name value"; *i is left at its end. */
static Err *take_option(Arena *a, int argc, char **argv, int *i, Options *o)
{
    const char *name = argv[*i] + 2;
    size_t n = strcspn(name, "=");
    const char *value = name[n] ? name + n + 1 : NULL;
    const OptionRow *r;
    TRY(find_option(name, n, o->command, &r));
    if (r->kind == KIND_FLAG && value)
        return err_new(ERR_USAGE, "--%.*s takes no value", (int)n, name);
    if (!value && r->kind == KIND_FLAG)
        value = "";
    if (!value) {
        if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0)
            return err_new(ERR_USAGE, "--%.*s needs a value: --%.*s=%s", (int)n,
                           name, (int)n, name, r->value);
        value = argv[++*i];
    }
    o->given[r - option_table] = true;
    return store(a, o, r, value);
}

static Err *take_rest(Arena *a, int argc, char **argv, Options *o)
{
    bool only_args = false;
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (only_args || word[0] != '-' || word[1] == '\0')
            o->args[o->n_args++] = word;
        else if (strcmp(word, "--") == 0)
            only_args = true;
        else if (strcmp(word, "-h") == 0)
            o->help = true;
        else if (word[1] == '-')
            TRY(take_option(a, argc, argv, &i, o));
        else
            return err_new(ERR_USAGE,
                           "unknown option '%.60s' (options start with '--'; "
                           "an argument may follow a lone '--')",
                           word);
    }
    return NULL;
}

static Err *check_args(const Options *o, const Command *c)
{
    if (o->help || (o->n_args >= c->min && o->n_args <= c->max))
        return NULL;
    return err_new(ERR_USAGE,
                   "too %s arguments for 'sextet %s %s'\n"
                   "Try 'sextet help %s'.",
                   o->n_args < c->min ? "few" : "many", c->name, c->synopsis,
                   c->name);
}

static Err *set_defaults(Arena *a, Options *o)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].def)
            TRY(store(a, o, &option_table[i], option_table[i].def));
    return NULL;
}

Err *options_parse(Arena *a, int argc, char **argv, Options *out)
{
    *out = (Options){.args = ARENA_ARRAY(a, const char *, argc + 1)};
    TRY(set_defaults(a, out));
    if (argc < 2)
        return err_new(ERR_USAGE, "expected a command\n"
                                  "Try 'sextet help' for the list.");
    const char *word = argv[1];
    bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    const Command *c;
    TRY(options_find_command(help ? "help" : word, &c));
    out->command = c->name;
    TRY(take_rest(a, argc, argv, out));
    return check_args(out, c);
}

CommandFn *options_command(const char *name)
{
    const Command *c = command_find(name);
    return c ? c->run : NULL;
}
