/* devices.h - the machine that --devices= and --machine= describe. */
#ifndef CLI_DEVICES_H
#define CLI_DEVICES_H

#include "compiler/machine.h"
#include "runtime/cli/options.h"

/* --machine=NAME|FILE if given, else --devices=host[*N][@SIZE]. */
Err *devices_machine(Arena *a, const Options *o, Machine **out) MUST_USE;

#endif
