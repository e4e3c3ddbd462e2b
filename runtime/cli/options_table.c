#include "runtime/cli/options_table.h"

#include <string.h>

const Command command_table[COMMAND_COUNT] = {
#define COMMAND(name, min, max, synopsis, summary)                             \
    {#name, synopsis, summary, min, max, cmd_##name},
#include "runtime/cli/commands.def"
#undef COMMAND
};

const OptionRow option_table[OPT_COUNT] = {
#define OPTION(field, group, kind, def, value, commands, help)                 \
    {#field, #group,   KIND_##kind, def,                                       \
     value,  commands, help,        offsetof(Options, field)},
#include "runtime/cli/options.def"
#undef OPTION
};

const Command *command_find(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}

bool option_taken_by(const OptionRow *r, const char *command)
{
    size_t n = strlen(command);
    for (const char *p = r->commands; *p;) {
        size_t len = strcspn(p, " ");
        if ((len == n && memcmp(p, command, n) == 0) || *p == '*')
            return true;
        p += len + (p[len] != '\0');
    }
    return false;
}

const char *option_dashed(const OptionRow *r, char out[OPTION_NAME_MAX])
{
    const char *end = strstr(r->name, "__");
    size_t n = end ? (size_t)(end - r->name) : strlen(r->name);
    n = n < OPTION_NAME_MAX ? n : OPTION_NAME_MAX - 1;
    memcpy(out, r->name, n);
    out[n] = '\0';
    for (char *p = out; (p = strchr(p, '_'));)
        *p = '-';
    return out;
}

/* Insertions, deletions and replacements that turn one word into the other. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[OPTION_NAME_MAX];
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t skip = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < skip ? change : skip;
        }
    }
    return row[m];
}

void suggest(Suggestion *s, const char *word, size_t n, const char *name,
             size_t m)
{
    enum { FARTHEST = 2 };
    if (n >= OPTION_NAME_MAX || m >= OPTION_NAME_MAX)
        return;
    size_t d = edit_distance(word, n, name, m);
    size_t best = s->name[0] ? s->distance : FARTHEST + 1;
    if (d >= best || d >= n || d >= m)
        return;
    memcpy(s->name, name, m);
    s->name[m] = '\0';
    s->distance = d;
}
