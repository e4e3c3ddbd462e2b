/* check_card.h - the checks of kernel_cases.h on a CUDA card of this machine. */
#ifndef CLI_CHECK_CARD_H
#define CLI_CHECK_CARD_H

#include "runtime/cli/kernel_check.h"
#include "runtime/module_cache.h"
#include "runtime/pool.h"

typedef struct CheckCard CheckCard;

/* The card; the cache may hold nothing.  Both outlive it. */
Err *check_card_open(int card, ModuleCache *cache, Pool *pool,
                     CheckCard **out) MUST_USE;
void check_card_close(CheckCard *c); /* NULL is fine */
const char *check_card_name(const CheckCard *c);
KernelMachine check_card_machine(CheckCard *c);

#endif
