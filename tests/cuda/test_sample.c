/* test_sample.c - the choice of tokens in the emulation against the host's
 * sampler. */
#include "rig.h"
#include "runtime/cli/kernel_sample.h"

Test(sample, texts)
{
    Rig *r = calloc(1, sizeof *r);
    KernelMachine m = rig_machine(r);
    Err *e = kernel_check_sample(&m, (KernelReport){r, rig_verdict});
    cr_expect_null(e, "%s", e ? err_text(e) : "");
    err_free(e);
    free(r);
}
