/* options_table.h - commands.def and options.def as arrays, for the parser and
 * the help text.  Private to options*.c. */
#ifndef CLI_OPTIONS_TABLE_H
#define CLI_OPTIONS_TABLE_H

#include <stddef.h>

#include "runtime/cli/options.h"

typedef struct {
    const char *name, *synopsis, *summary;
    int min, max; /* positional arguments */
    CommandFn *run;
} Command;

typedef enum {
    KIND_FLAG,
    KIND_COUNT,
    KIND_COUNTS,
    KIND_INTEGER,
    KIND_REAL,
    KIND_SIZE,
    KIND_TEXT,
    KIND_CHOICE,
    KIND_PAIR,
    KIND_LIST,
} OptionKind;

typedef struct {
    const char *name; /* as in Options, with '_' */
    const char *group;
    OptionKind kind;
    const char *def, *value, *commands, *help;
    size_t offset; /* in Options */
} OptionRow;

#define COMMAND(name, min, max, synopsis, summary) +1
enum {
    COMMAND_COUNT = 0
#include "runtime/cli/commands.def"
};
#undef COMMAND

extern const Command command_table[COMMAND_COUNT];
extern const OptionRow option_table[OPT_COUNT];

const Command *command_find(const char *name); /* NULL if there is none */
/* The same with an error that suggests a name. */
Err *options_find_command(const char *name, const Command **out) MUST_USE;
bool option_taken_by(const OptionRow *r, const char *command);

/* Room for any option's name, NUL included. */
enum { OPTION_NAME_MAX = 48 };
/* The name as the user writes it, with '-' for '_'; returns out. */
const char *option_dashed(const OptionRow *r, char out[OPTION_NAME_MAX]);

/* The nearest of the names offered, at most two edits away. */
typedef struct {
    char name[OPTION_NAME_MAX]; /* empty: none is near */
    size_t distance;
} Suggestion;
/* Compares the n bytes at `word` with one more name of m bytes. */
void suggest(Suggestion *s, const char *word, size_t n, const char *name,
             size_t m);

#endif
