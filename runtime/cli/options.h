/* options.h - the command line, read by the tables commands.def and
 * options.def.
 *
 * Strings point into argv, the tables or the arena; an Options lives as long
 * as those.  Everything wrong with a command line is an ERR_USAGE. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

/* Every value of an option that may be given several times, in order. */
typedef struct {
    int n;
    const char **item;
} OptionList;

/* Numbers of one option, "8,16". */
typedef struct {
    int n;
    const int64_t *item;
} OptionCounts;

/* OPT_quiet ...: rows of options.def by number. */
enum {
#define OPTION(field, group, kind, def, value, commands, help) OPT_##field,
#include "runtime/cli/options.def"
#undef OPTION
    OPT_COUNT
};

#define OPT_TYPE_FLAG bool
#define OPT_TYPE_COUNT int64_t
#define OPT_TYPE_COUNTS OptionCounts
#define OPT_TYPE_INTEGER int64_t
#define OPT_TYPE_REAL double
#define OPT_TYPE_SIZE int64_t
#define OPT_TYPE_TEXT const char *
#define OPT_TYPE_CHOICE const char *
#define OPT_TYPE_PAIR const char *
#define OPT_TYPE_LIST OptionList

typedef struct {
    const char *command; /* a name of commands.def */
    const char **args;   /* positional arguments */
    int n_args;
    bool given[OPT_COUNT]; /* said on the command line, not a default */
#define OPTION(field, group, kind, def, value, commands, help)                 \
    OPT_TYPE_##kind field;
#include "runtime/cli/options.def"
#undef OPTION
} Options;

/* argv[1] is the command, the rest its options and arguments in any order;
 * "--" ends the options.  With --help the number of arguments is free. */
Err *options_parse(Arena *a, int argc, char **argv, Options *out) MUST_USE;

/* All commands (and options), or those of one command; an unknown name is an
 * error with a suggestion. */
void options_help(FILE *f);
Err *options_help_command(FILE *f, const char *command) MUST_USE;

typedef Err *CommandFn(const Options *o);
/* The function of a command that options_parse accepted. */
CommandFn *options_command(const char *name);

/* "24GiB", "1.5 MiB", "512KiB", "4096" (bytes); `what` is for the message. */
Err *options_size(const char *what, const char *text, int64_t *bytes) MUST_USE;

#define COMMAND(name, min, max, synopsis, summary)                             \
    Err *cmd_##name(const Options *o) MUST_USE;
#include "runtime/cli/commands.def"
#undef COMMAND

#endif
