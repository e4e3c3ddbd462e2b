/* cmd_help.c - `sextet help [COMMAND]`. */
#include "runtime/cli/options.h"

Err *cmd_help(const Options *o)
{
    if (o->n_args)
        return options_help_command(stdout, o->args[0]);
    options_help(stdout);
    return NULL;
}
