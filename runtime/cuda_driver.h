/* cuda_driver.h - the CUDA driver of this machine and the cards behind it.
 *
 * Opened with dlopen when somebody first asks, once for the whole program; any
 * thread may ask. */
#ifndef RUNTIME_CUDA_DRIVER_H
#define RUNTIME_CUDA_DRIVER_H

#include "base/err.h"
#include "runtime/cuda_api.h"
#include "runtime/plan.h"

enum { CUDA_MAX_CARDS = 64 };

typedef struct {
    CudaOrdinal ordinal;
    char name[96], pci_id[32];
    int arch;         /* compute capability: 90 is 9.0 */
    int sms;          /* multiprocessors */
    int shared;       /* bytes of shared memory that a block may ask for */
    int64_t memory;   /* bytes in all */
    double bandwidth; /* nominal bytes per second, 0: the driver does not say */
} CudaCard;

typedef struct {
    CudaApi api;
    int version; /* of CUDA that it can do: 13000 is 13.0 */
    int n_cards; /* at least 1 */
    CudaCard card[CUDA_MAX_CARDS];
} CudaDriver;

/* ERR_DEVICE with what to do about it: no driver, too old, no card. */
Err *cuda_driver(const CudaDriver **out) MUST_USE;

/* The functions; cuda_driver succeeded before. */
const CudaApi *cuda_api(void);

/* NULL, or an error of a call: who asked, which call, the driver's words. */
Err *cuda_check(CudaResult r, const char *call, const char *who) MUST_USE;
/* CUDA(who, cuMemFree_v2, p): calls and checks. */
#define CUDA(who, call, ...)                                                   \
    cuda_check(cuda_api()->call(__VA_ARGS__), #call, who)

/* The card of a device of the plan, whose name is "cuda:CARD" or, if several
 * share it, "cuda:CARD.NUMBER". */
Err *cuda_card_of(const PlanDevice *d, int *card) MUST_USE;

#endif
