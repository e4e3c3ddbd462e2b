/* cards.h - what a loaded model does with the cards it runs on. */
#ifndef CLI_CARDS_H
#define CLI_CARDS_H

#include "runtime/cli/load.h"
#include "runtime/cli/report.h"

/* Planned bytes of each device beside what the driver says is in use on its
 * card; nothing for other devices.  Logical devices of a card share the second
 * figure. */
void cards_report(const Loaded *l, Report *r);

/* Bytes per second at which the first card reads memory, measured with a kernel
 * of its own; 0 if there is no room for that, or no card. */
double cards_bandwidth(const Options *o, const Loaded *l);

#endif
