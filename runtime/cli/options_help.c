/* options_help.c - the tables as text, wrapped to 79 columns. */
#include <string.h>

#include "base/buf.h"
#include "runtime/cli/options_table.h"

enum { WIDTH = 79, INDENT = 8, NAME_WIDTH = 12 };

static const struct {
    const char *key, *title;
} groups[] = {
#define OPTION_GROUP(key, title) {#key, title},
#include "runtime/cli/options.def"
#undef OPTION_GROUP
};

/* Words of `text` from column `at` on; further lines start at `indent`. */
static void print_wrapped(FILE *f, const char *text, int at, int indent)
{
    for (const char *p = text; *p;) {
        int n = (int)strcspn(p, " ");
        if (at > indent && at + 1 + n > WIDTH) {
            fprintf(f, "\n%*s", indent, "");
            at = indent;
        }
        fprintf(f, "%s%.*s", at > indent ? " " : "", n, p);
        at += n + (at > indent);
        p += n + (p[n] != '\0');
    }
    fputc('\n', f);
}

static void print_option(FILE *f, const OptionRow *r)
{
    char name[OPTION_NAME_MAX];
    Buf help = {0};
    fprintf(f, "  --%s%s%s\n%*s", option_dashed(r, name),
            r->value[0] ? "=" : "", r->value, INDENT, "");
    buf_puts(&help, r->help);
    if (r->def)
        buf_printf(&help, " (default %s)", r->def);
    print_wrapped(f, help.data, INDENT, INDENT);
    buf_free(&help);
}

static bool taken(const OptionRow *r, const char *command)
{
    if (command)
        return option_taken_by(r, command);
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (option_taken_by(r, command_table[i].name))
            return true;
    return false;
}

/* Options of one command, or of all if it is NULL, under their headings. */
static void print_options(FILE *f, const char *command)
{
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        bool any = false;
        for (int i = 0; i < OPT_COUNT; i++) {
            const OptionRow *r = &option_table[i];
            if (strcmp(r->group, groups[g].key) != 0 || !taken(r, command))
                continue;
            if (!any)
                fprintf(f, "\n%s\n", groups[g].title);
            any = true;
            print_option(f, r);
        }
    }
}

void options_help(FILE *f)
{
    fputs("usage: sextet COMMAND [ARGUMENT...] [--OPTION=VALUE...]\n\n", f);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const Command *c = &command_table[i];
        fprintf(f, "  %-*s", NAME_WIDTH - 2, c->name);
        print_wrapped(f, c->summary, NAME_WIDTH, NAME_WIDTH);
    }
    fputs("\n'sextet help COMMAND' lists the options of one command.  All:\n",
          f);
    print_options(f, NULL);
}

Err *options_help_command(FILE *f, const char *command)
{
    const Command *c;
    TRY(options_find_command(command, &c));
    fprintf(f, "usage: sextet %s %s\n\n", c->name, c->synopsis);
    print_wrapped(f, c->summary, 0, 0);
    print_options(f, c->name);
    return NULL;
}
