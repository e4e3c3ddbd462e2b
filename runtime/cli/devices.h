/* devices.h - the machine that --devices= and --machine= describe. */
#ifndef CLI_DEVICES_H
#define CLI_DEVICES_H

#include <stdbool.h>

#include "compiler/machine.h"
#include "runtime/cli/options.h"

/* --machine=NAME|FILE if given, else --devices=: host[*N][@SIZE] or
 * cuda[:CARD][*N][@SIZE], or several of one kind. */
Err *devices_machine(Arena *a, const Options *o, Machine **out) MUST_USE;

/* What --devices=auto stands for here: "cuda" if there is a driver with a card
 * and a compiler for its kernels, else "host"; says why with --verbose.  Other
 * texts are themselves. */
const char *devices_resolve(const char *text);

/* Are all devices of this kind? */
bool devices_are(const PlanDevice *d, int n, const char *kind);

#endif
