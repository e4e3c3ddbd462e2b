/* main.c - find the command, run it, turn an error into words and a status. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "runtime/cli/options.h"

/* Exit status: 0 done, 1 failed, 2 the command line was wrong, 130 stopped by
 * Ctrl-C (as a shell would report it). */
static int status_of(ErrCode code)
{
    switch (code) {
    case ERR_USAGE:
        return 2;
    case ERR_STOPPED:
        return 130;
    case ERR_INPUT:
    case ERR_IO:
    case ERR_DEVICE:
    case ERR_LIMIT:
    case ERR_RAISED:
        return 1;
    }
    return 1;
}

static int report(Err *e, const Options *o)
{
    int status = status_of(err_code(e));
    if (err_code(e) != ERR_STOPPED)
        fprintf(stderr, "sextet: %s\n", err_text(e));
    if (o->verbose)
        fprintf(stderr, "sextet: raised at %s\n", err_where(e));
    err_free(e);
    return status;
}

static Err *run_command(const Options *o)
{
    if (o->help && strcmp(o->command, "help") != 0)
        return options_help_command(stdout, o->command);
    return options_command(o->command)(o);
}

int main(int argc, char **argv)
{
    Arena *a = arena_new();
    Options o = {0};
    int status = 0;
    Err *e = options_parse(a, argc, argv, &o);
    if (o.verbose)
        log_set_level(LOG_INFO);
    if (!e)
        e = run_command(&o);
    if (!e && fflush(stdout) != 0)
        e = err_new(ERR_IO, "cannot write to standard output");
    if (e)
        status = report(e, &o);
    arena_free(a);
    return status;
}
